//! Windows: what was counted, in memory and in files, each owned by one worker.

pub mod expiry;
pub mod file;
pub mod fold;
pub mod json;
pub mod pack;
pub mod packing;
pub mod proof;
pub mod rebuild;
pub mod router;
#[cfg(test)]
mod samples;
pub mod scan;
pub mod shelf;
pub mod table;
mod text;
pub mod view;
pub mod view_cache;
pub mod window;
pub mod worker;
