//! What is done with a data directory from outside: checking it, going on after a loss, copying it.
//!
//! Input: a data directory; locked, but for [`backup`]. Output: a report. Never: changes the directory, but for [`repair`].

mod accept;
pub mod backup;
pub mod repair;
pub mod verify;
