//! Old and growing log files to a server, each line once: what `log-analytics import` does.
//!
//! Input: files of access logs. Output: batches of their lines, as they are, with idempotency keys; the server reads
//! them. [`region`] cuts a stream into regions, [`walk`] makes batches of a region, [`customers`] divides its lines
//! between customers, [`send`] delivers a batch, [`follow`] watches a growing file, `stream` reads standard input,
//! `position` remembers how far a file is imported, `rotation` finds what became of a rotated one. Never: an entry made
//! here; a line is read only to see whether it is one.
//!
//! # Why every line is counted once
//!
//! A file may be imported twice, by an importer that was killed, while it grows, in between renamed or compressed,
//! by two importers at the same time; and nothing need be remembered but what the server has counted. It answers 202 where
//! it counts a batch, 409 where the same batch was counted under the key, and 422 where another one was. So the batches
//! must be found again that an import made that saw *less* of the file. They are:
//!
//! *Lines* are numbered; the parts of a line that a container runtime divided are one. A *region* is
//! [`region::REGION_LINES`] = 4,096 = 8⁴ lines (or fewer, where they are long; where it ends follows from its bytes). A
//! *block* of level `l` is 8ˡ lines of a region, starting at a multiple of 8ˡ. Blocks nest: two of them are apart, or one
//! holds the other. A batch is the lines of one block from its first entry on. A last line that has no end yet and is no entry
//! so far is in no block: it may be in the middle of being written, and is read again when there is more of it.
//!
//! *Its key* names that first entry `e`: a 128-bit hash of `--source`, of all bytes before `e`'s line and of that
//! line itself. So all blocks that begin with `e` (lines without entry before it count for nothing) have one key, and at
//! most one of them is ever counted. The level is not in the key. A batch has an entry, so the server remembers it.
//!
//! *The walk* through a region starts at its first entry. At entry `e` it sends the largest block that begins with `e`
//! and has all its lines already; on 422 the next smaller one, and so on. On 202 or 409 it goes on at the first entry
//! behind that block. It sends nothing at an entry before everything before it in the region is answered so.
//!
//! (1) At each entry at most one block is counted: they share the key. (2) So if several imports walk, they all follow
//! the one chain of counted blocks from the region's first entry: wherever an entry's key was taken by an earlier walk,
//! a later one tries all blocks it can be (all that an import that saw less could send are smaller or equal, and a block
//! an earlier one could send has all its lines now), and meets the one that is counted with 409. (3) A block is sent
//! only at the end of the chain, so every counted block is on the chain, and blocks on the chain do not overlap:
//! nothing is counted twice. (4) A walk ends well only when the chain reaches the end of the region: nothing is left
//! out. Regions do not touch each other, so they are walked at the same time in any order. A crash leaves a chain
//! that ends early, and the request in flight is on it or not; the next walk finds out. Where a walk sees less than an
//! earlier one (a copy made before), no block fits at its end: there it asks whether the block that was counted begins with all
//! the lines that are left (`?known=beginning`). If so they are counted, by (3); if not, or where the server has no body to
//! compare with, that is told as a conflict, and nothing of it is counted.
//!
//! It costs one batch for each region of a file that is imported at rest, some 30 for its last one, and for a region
//! that was followed line by line one batch for each line, which another import finds again with 1.14 requests a line.
//! `walk/tests.rs` holds all this against a model of the server.
//!
//! What the server forgets (its deduplication horizon) could be counted again. The position of a file, kept in the state
//! directory, prevents that where the same importer reads the same file: it goes on where all before was answered.
//!
//! *Several customers in one log:* each has a walk of its own through the same blocks, in which the lines of others are left
//! out. Whose a line is follows from the line alone, and the server keeps each customer's keys apart, so (1) to (4) hold for
//! each of them.
//!
//! # What a file is
//!
//! Its bytes: not its name, which rotation changes; not its inode, which copies and compression change; not a hash of
//! its first KiB, which short files do not have. Two servers' logs are told apart by their first line, unless they
//! are equal to the byte up to some line: up to there they count as one. Where that can happen (two hosts that log
//! the same probe in the same second), `--source HOST` makes them two.
//!
//! # What is not promised
//!
//! Without a position, what the server forgets can be counted again: its deduplication horizon is the metric
//! `log_analytics_dedup_horizon_timestamp_seconds`. An import with other options (`--keep-query`, `--customer-from`) makes other
//! batches: it is told as a conflict. A last line without end that is an entry already counts as it is, once the file was left
//! alone for two seconds.

pub mod customers;
pub mod follow;
pub mod position;
pub mod region;
mod rotation;
mod run;
pub mod send;
mod stream;
pub mod walk;
mod worker;

pub use run::{Import, ImportFailure, ImportOptions, ImportTotals, distinct};
