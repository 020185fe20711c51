//! Work on a data directory from outside the server: checking it, repairing it after a loss, copying it.
//!
//! Input: a data directory; locked, but for [`backup`]. Output: a report. Never: changes the directory, but for [`repair`].

mod accept;
pub mod backup;
pub mod repair;
pub mod verify;
