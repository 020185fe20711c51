//! From the bytes of a body to a [`Summary`]: parse, check, window and count. Pure: no clock, disk or channel;
//! equal bytes, limits and time give equal results.

pub mod agent;
