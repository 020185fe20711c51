//! Looking after a data directory while no server runs on it: checking it and going on after a loss.
//!
//! Input: a data directory, locked. Output: a report; only [`repair`] changes anything.

pub mod repair;
pub mod verify;
