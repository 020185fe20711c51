//! Windows: what was counted, in memory and in files, each owned by one worker.

pub mod rebuild;
pub mod router;
pub mod window;
pub mod worker;
