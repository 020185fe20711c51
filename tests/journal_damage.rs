//! The damage matrix: what is broken × where × how, each cell with its outcome.
//!
//! A data directory is written on a simulated disk, one file of it is damaged, and the engine is started. It may repair
//! silently, cut a torn tail, count a window again, say that a window is incomplete, or refuse with file and offset. It
//! must not panic, and no count may be wrong that is not said to be.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]

mod support;

#[path = "damage/fixture.rs"]
mod fixture;
#[path = "damage/records.rs"]
mod records;
#[path = "damage/repair.rs"]
mod repair;
#[path = "damage/segments.rs"]
mod segments;
#[path = "damage/small_files.rs"]
mod small_files;
#[path = "damage/windows.rs"]
mod windows;
