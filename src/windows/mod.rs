//! Windows: what was counted, in memory and in files, each owned by one worker.

pub mod expiry;
pub mod proof;
pub mod rebuild;
pub mod router;
pub mod scan;
pub mod view;
pub mod window;
pub mod worker;
