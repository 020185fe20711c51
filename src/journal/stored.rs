//! The checkpoint and the ledger together: whether they prove that the windows of this directory hold what was
//! counted.
//!
//! Input: `checkpoint.json`, `customers.json`, the identity of the directories. Output: [`StoredState`]. Never: looks at windows
//! or records.

use std::io;

use super::checkpoint::{Checkpoint, DirIdentity, StoredCheckpoint};
use super::ledger::{Ledger, StoredLedger};
use crate::base::disk::Disk;
use crate::data_dir::DataDir;
use crate::model::Seq;

/// Why a checkpoint does not prove that the windows hold what was counted before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// It is missing or damaged.
    NoCheckpoint,
    /// It belongs to another directory: this one is a copy.
    Copy,
    /// `customers.json` is not the one that was written with it.
    OtherLedger,
}

/// The state that checkpoint and ledger describe.
#[derive(Clone, Debug)]
pub struct StoredState {
    /// The checkpoint; zero if there is none.
    pub checkpoint: Seq,
    /// The customers' sums; empty where they cannot be read.
    pub ledger: Ledger,
    pub retention_ms: Option<u64>,
    /// Why the windows must be proven; `None` if they need not be.
    pub unproven: Option<Unproven>,
}

impl StoredState {
    /// Reads both files.
    pub fn load(disk: &dyn Disk, dir: &DataDir) -> io::Result<Self> {
        let ledger = Ledger::load(disk, dir)?;
        let StoredCheckpoint::Valid(checkpoint) = Checkpoint::load(disk, dir)? else {
            let (ledger, unproven) = (ledger.or_empty(), Some(Unproven::NoCheckpoint));
            return Ok(Self { checkpoint: Seq::ZERO, ledger, retention_ms: None, unproven });
        };
        let belongs = match &ledger {
            // A ledger that is ahead is right too: a crash came before the checkpoint that follows it was renamed.
            StoredLedger::Valid(ledger, checksum) => {
                ledger.through > checkpoint.through
                    || ledger.through == checkpoint.through && *checksum == checkpoint.customers
            }
            StoredLedger::Missing | StoredLedger::Damaged => false,
        };
        let unproven = if checkpoint.of != DirIdentity::of(disk, dir)? {
            Some(Unproven::Copy)
        } else {
            (!belongs).then_some(Unproven::OtherLedger)
        };
        let retention_ms = Some(checkpoint.retention_ms);
        Ok(Self { checkpoint: checkpoint.through, ledger: ledger.or_empty(), retention_ms, unproven })
    }

    /// Every record up to this was once durable.
    pub fn known_through(&self) -> Seq {
        self.checkpoint.max(self.ledger.through)
    }
}
