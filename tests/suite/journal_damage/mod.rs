//! The damage matrix: what is broken × where × how, each cell with its outcome.
//!
//! A data directory is written on a simulated disk, one file of it is damaged, and the engine is started. It may repair
//! silently, cut a torn tail, count a window again, say that a window is incomplete, or refuse with file and offset. It
//! must not panic, and it must report every count that may be wrong.

mod fixture;
mod records;
mod repair;
mod segments;
mod small_files;
mod windows;
