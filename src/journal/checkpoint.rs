//! `checkpoint.json`: up to which record every window file holds everything. Recovery replays only what follows.
//!
//! Input: a seq, the ledger and the clock of retention. Output: the file, and back. Never: decides when a checkpoint may
//! move.
//!
//! `{"version":2,"appliedThrough":N,"writtenAt":"…","of":{"journal":{"device":…,"inode":…,"born":…},"windows":{…}},"customers":"…","retentionClock":"…","checksum":"…"}`,
//! sealed as [`crate::base::sealed`] says. `of` is the identity of the directories it belongs to: in a copy it proves
//! nothing. `customers` is the checksum of the `customers.json` that was written before it.

use std::io;

use serde::{Deserialize, Serialize};

use super::ledger::Ledger;
use crate::base::disk::{self, Disk, FileIdentity, if_exists};
use crate::base::sealed::{is_sealed, seal_json};
use crate::data_dir::{DataDir, FORMAT_VERSION};
use crate::model::Seq;
use crate::time;

/// Which directories a checkpoint belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirIdentity {
    journal: FileIdentity,
    windows: FileIdentity,
}

impl DirIdentity {
    /// The identity of this data directory.
    pub fn of(disk: &dyn Disk, dir: &DataDir) -> io::Result<Self> {
        Ok(Self { journal: disk.identity(&dir.journal())?, windows: disk.identity(&dir.windows())? })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Every window file holds everything up to this record.
    pub through: Seq,
    /// The directories it belongs to.
    pub of: DirIdentity,
    /// The checksum of the ledger written before it.
    pub customers: String,
    /// The clock of retention, in milliseconds since 1970.
    pub retention_ms: u64,
}

/// The content of the checkpoint's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredCheckpoint {
    /// There is no file: no checkpoint was ever finished here, or the file was lost.
    Missing,
    /// It cannot be read.
    Damaged,
    /// The checkpoint of another format version.
    OtherVersion(u64),
    Valid(Checkpoint),
}

#[derive(Deserialize)]
struct VersionOfFile {
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckpointFile {
    version: u64,
    applied_through: u64,
    written_at: String,
    of: DirIdentity,
    customers: String,
    retention_clock: String,
}

impl CheckpointFile {
    fn read(self) -> Option<Checkpoint> {
        let retention_ms = time::parse_rfc3339(&self.retention_clock).ok()?;
        let CheckpointFile { applied_through, of, customers, .. } = self;
        Some(Checkpoint { through: Seq(applied_through), of, customers, retention_ms })
    }
}

impl Checkpoint {
    /// Reads the checkpoint of a data directory.
    pub fn load(disk: &dyn Disk, dir: &DataDir) -> io::Result<StoredCheckpoint> {
        let bytes = if_exists(disk.read(&dir.checkpoint()))?;
        Ok(bytes.map_or(StoredCheckpoint::Missing, |bytes| Self::parse(&bytes)))
    }

    /// Reads the content of the file.
    pub fn parse(bytes: &[u8]) -> StoredCheckpoint {
        if !is_sealed(bytes) {
            return StoredCheckpoint::Damaged;
        }
        match serde_json::from_slice(bytes) {
            Ok(VersionOfFile { version }) if version != u64::from(FORMAT_VERSION) => {
                StoredCheckpoint::OtherVersion(version)
            }
            _ => serde_json::from_slice(bytes)
                .ok()
                .and_then(CheckpointFile::read)
                .map_or(StoredCheckpoint::Damaged, StoredCheckpoint::Valid),
        }
    }

    /// Writes the ledger and a checkpoint at its last record, durably.
    pub fn write(
        disk: &dyn Disk,
        dir: &DataDir,
        ledger: &Ledger,
        retention_ms: u64,
        now_ms: u64,
    ) -> Result<(), CheckpointError> {
        Self::replace(disk, dir, ledger, retention_ms, now_ms).map_err(CheckpointError::NotWritten)?;
        // Makes both renames durable, in whatever order they reach the disk: nothing relies on either of them before.
        disk.sync_dir(dir.root()).map_err(CheckpointError::NotSynced)
    }

    fn replace(
        disk: &dyn Disk,
        dir: &DataDir,
        ledger: &Ledger,
        retention_ms: u64,
        now_ms: u64,
    ) -> io::Result<()> {
        let of = DirIdentity::of(disk, dir)?;
        let customers = ledger.write(disk, dir)?;
        let file = CheckpointFile {
            version: FORMAT_VERSION.into(),
            applied_through: ledger.through.0,
            written_at: time::format_rfc3339(now_ms),
            of,
            customers,
            retention_clock: time::format_rfc3339(retention_ms),
        };
        let mut text = serde_json::to_string(&file)?;
        assert_eq!(text.pop(), Some('}'), "an object ends with its brace");
        let text = seal_json(text);
        disk::replace_file(disk, &dir.temp(), &dir.checkpoint(), &[text.as_bytes()])
    }
}

/// Why a checkpoint was not written.
#[derive(Debug)]
pub enum CheckpointError {
    /// The old one stands; try again later.
    NotWritten(io::Error),
    /// The old or the new one may be on the disk: latch.
    NotSynced(io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::disk::RealDisk;
    use crate::journal::ledger::StoredLedger;

    #[test]
    fn a_checkpoint_is_read_back_and_names_its_directory_and_its_ledger() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temp.path());
        dir.prepare(&RealDisk).unwrap();
        assert_eq!(Checkpoint::load(&RealDisk, &dir).unwrap(), StoredCheckpoint::Missing);
        let ledger = Ledger { through: Seq(3_200), ..Ledger::default() };
        Checkpoint::write(&RealDisk, &dir, &ledger, 1_766_945_000_000, 1_766_945_000_001).unwrap();
        let StoredLedger::Valid(_, customers) = Ledger::load(&RealDisk, &dir).unwrap() else {
            panic!("the ledger was written")
        };
        let of = DirIdentity::of(&RealDisk, &dir).unwrap();
        let wanted = Checkpoint { through: Seq(3_200), of, customers, retention_ms: 1_766_945_000_000 };
        assert_eq!(Checkpoint::load(&RealDisk, &dir).unwrap(), StoredCheckpoint::Valid(wanted));
    }

    #[test]
    fn a_copied_directory_has_another_identity_and_a_renamed_one_has_not() {
        let temp = tempfile::tempdir().unwrap();
        let dirs = ["a", "b", "c"].map(|name| DataDir::new(temp.path().join(name)));
        dirs[0].prepare(&RealDisk).unwrap();
        dirs[1].prepare(&RealDisk).unwrap();
        let [first, second] = [0, 1].map(|n| DirIdentity::of(&RealDisk, &dirs[n]).unwrap());
        assert_ne!(first, second);
        RealDisk.rename(dirs[0].root(), dirs[2].root()).unwrap();
        assert_eq!(DirIdentity::of(&RealDisk, &dirs[2]).unwrap(), first);
    }
}
