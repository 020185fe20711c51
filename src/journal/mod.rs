//! The journal: every batch that was answered 202, in the order it was counted, and why counts are exact.
//!
//! [`mod@format`] and [`summary`] know the bytes; [`reader`] walks over them; [`committer`] writes them; [`dedup`] and
//! [`index_file`] remember keys; [`deletions`] knows which customers were deleted; [`recovery`] opens a journal after
//! anything; [`replay`] reads back what windows may lack; [`checkpoint`] says where that begins, and [`ledger`] what the
//! windows must add up to; [`retention`] removes what is old.
//!
//! Input: checked batches. Output: durable records, and what became of each batch. Never: names `windows`.
//!
//! # What is assumed of the machine
//!
//! - Bytes written and synced stay as they are, or come back different (then a checksum says so).
//! - Bytes written and not synced may be there after a power cut, or not, or in part, in any order.
//! - A directory entry (a created, renamed or removed file) is durable after the directory is synced; before that it may
//!   be there or not. A rename replaces its target in one step.
//! - After a failed `fdatasync` nothing is known of what was written since the last good one, and a later success proves
//!   nothing: the kernel may have dropped the pages and marked them clean.
//! - A device that reports a sync as done has done it. (Not every one does: `tests/process/failing_disk.rs` tells of one.)
//! - One process at a time works on a data directory: `LOCK` is held by `flock`.
//! - A directory has an identity (device, inode, birth time) that a copy of it does not have. A snapshot of a whole disk has
//!   the same, and is what a power cut leaves.
//!
//! # Why a batch answered 202 is counted exactly once
//!
//! It is counted *at least* once because its record is durable before the answer, and a record stays until the checkpoint
//! is past it, which it is only when the files of all windows it touches are synced in synced directories. It is counted
//! *at most* once because the key is in the index before the answer and is rebuilt from the journal at every start, and
//! because every window says in the same rename as its counts which record it holds last: records reach a window in order,
//! so replay skips exactly those it has.
//!
//! # Why a copy is never wrong without a word
//!
//! A checkpoint proves that the windows beside it hold everything up to its record. It proves nothing of the windows of another
//! directory, whose files may each be of another time. So it names its directory, and a start elsewhere does without it: it
//! replays all that is retained, and windows skip what they have. Then a window can only lack records that are not retained any
//! more, and it lacks them if the customer's sum is too small: for each window size, the requests of all windows must be those
//! that `customers.json` counts. Equal sums prove every window; unequal ones refuse the start. `customers.json` is brought up
//! to its own record and no further, as a window is, so replay counts in it exactly what it lacks.
//!
//! Windows that retention removes leave these sums with their cutoff, in one checkpoint. From that checkpoint's marker on
//! nothing is merged into a window before the cutoff, so what the removed windows hold is exactly what was counted in them
//! before the marker, and what comes after it is counted as late. A crash before the checkpoint leaves cutoff and windows as
//! they were, and replay merges the late entries.
//!
//! Failure by failure:
//!
//! | what happens | why counts stay exact |
//! |---|---|
//! | power cut before the group's sync | its records may be whole, torn or gone. None was answered. Those that are whole up to the first bad byte are counted; the client's retry is then a duplicate. The rest is cut off, and the retry is a new batch |
//! | power cut after the sync, before the answer | the record is durable and counted; the retry is answered 409 |
//! | a torn write | two checksums over every byte of a record. Each record names the seq that was durable when it was written (`durableThrough`), so a bad record that a later one proves durable is *damage* and refuses the start; any other is a *torn tail* |
//! | kill -9, then a power cut | what a kill leaves in the page cache is readable but perhaps not on disk. Recovery therefore writes the last group again, into a new segment, before it relies on it; and the directories of all windows that replay finds already written are synced before the next checkpoint |
//! | a failed sync of the journal | everybody who waits gets 503 and the journal is latched ([`crate::base::latch`]): nothing is written or checkpointed any more. The restart writes the group again from what it can read, or cuts it; both are right for a batch that was answered 503 |
//! | a failed or short write (disk full) | the group is cut off again and the cut synced *before* its 503s are sent, so that a refused batch cannot turn up later. If the cut fails: latched. The journal refuses batches below `--min-free-bytes`, so that windows can still be written |
//! | a window file that cannot be written | it stays dirty and is tried again with a new temporary file; the checkpoint waits, and what may wait is bounded (2 GiB of journal, then 503) |
//! | a failed sync of a directory | latched: nobody knows which names are durable |
//! | power cut between window rename and directory sync | the old file comes back. The checkpoint has not moved, so the records are replayed into it |
//! | power cut between checkpoint and retention | removed segments may come back; what is at or below the checkpoint is not replayed. Removed windows may come back; what lies before a cutoff does not exist, and is removed by a later round |
//! | power cut between the two files of a checkpoint | a newer `customers.json` holds records that replay skips in it; a newer `checkpoint.json` does not name the older `customers.json`, so the windows are proven as in a copy |
//! | a crash inside recovery | recovery only cuts what counts nowhere and writes copies under their final name by one rename; it can be run again from any point |
//! | two processes | the second does not get `LOCK` and refuses to start |
//! | the clock goes backwards | it decides nothing but refusals before a batch is counted. Times of receipt in the journal never fall |
//! | the clock goes wrong by years | the clock of retention follows it by ten days a day at most, and a cutoff moves no further than the last day that was removed |
//! | a damaged window file | kept aside and counted again from the journal as far as that reaches; otherwise marked `incomplete`, which `verify` reports ([`crate::windows::rebuild`]) |
//! | a copy, of any files at any times | all that is retained is replayed and the sums are compared; what cannot be proven is refused by customer and difference. `repair --accept-lost-windows` is the explicit way out |
//! | windows put back in place | the directory is the same, so a start does not see it; `verify` compares the sums always |
//! | `customers.json` is lost or of another time | it is brought up to date from the journal and proven; where the journal does not reach back so far, the start is refused |
//! | a customer is deleted, and then anything of the above | the deletion is a record, so every batch is before it or after it. Records up to it are passed over wherever they are read, as are windows whose last record is not after it; the ledger keeps its number for ever, so files that come back change nothing. Removing files is only cleaning |
//! | a backup while the server writes | nothing is removed or rewritten meanwhile (`RETAIN`); windows are copied before the journal, so none is ahead of it ([`crate::offline::backup`]) |
//! | the data directory is removed or moved | every batch is refused, `/readyz` says so, and the process ends: what it writes would be lost |
//! | lost journal files | the start is refused: the next seq would be one that windows have seen. `repair --accept-lost-journal` is the explicit way out |
//! | a client sends what looks like a record | a record carries a tag that cannot be made without the data directory's secret ([`mod@format`]). So what is found behind damage is the journal's own |
//! | the secret is lost, or another one lies there | the start is refused: under another secret no record can be told from a forged one, and every key is unknown |
//! | the files of another format version | the start is refused by the file's name ([`start_error`]) |
//! | limits, agent table or partitions change between runs | the record holds the summary as it was counted; replay applies no limit and no clock |
//!
//! The honest limit: deduplication remembers the newest `--dedup-keys` keys. A retry that comes later than that is a new
//! batch. How far back the memory reaches is a metric (`log_analytics_dedup_horizon_timestamp_seconds`).

pub mod bodies;
mod body_coding;
pub mod checkpoint;
pub mod committer;
pub mod dedup;
pub mod deletions;
pub mod format;
pub mod index_file;
mod invalid;
mod known_keys;
pub mod ledger;
pub mod reader;
pub mod recovery;
pub mod replay;
pub mod retention;
mod segment;
pub mod start_error;
pub mod stored;
pub mod summary;
