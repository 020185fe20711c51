//! The journal: every batch that was answered 202, in the order it was counted.

pub mod checkpoint;
pub mod committer;
pub mod dedup;
pub mod format;
pub mod index_file;
pub mod recovery;
pub mod replay;
pub mod retention;
pub mod segment;
pub mod summary;
