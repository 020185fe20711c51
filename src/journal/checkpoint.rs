//! `checkpoint.json`: up to which record every window file holds everything. Recovery replays only what follows.
//!
//! Input: a seq. Output: the file, and back. Never: decides when a checkpoint may move.
//!
//! `{"version":2,"appliedThrough":N,"writtenAt":"…","checksum":"…"}`, checksum XXH3-128 in hex over everything
//! before it.

use std::io;

use serde::Deserialize;

use crate::base::disk::{self, Disk};
use crate::base::sealed::{is_sealed, seal_json};
use crate::data_dir::{DataDir, FORMAT_VERSION};
use crate::model::Seq;
use crate::time;

/// What is known of the last checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// There is none: no checkpoint was ever finished here, or the file was lost.
    Missing,
    /// The file is there and cannot be read.
    Damaged,
    /// Another version of the program wrote it.
    OtherVersion(u64),
    /// Every window file holds everything up to this record.
    Through(Seq),
}

#[derive(Deserialize)]
struct VersionOfFile {
    version: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CheckpointFile {
    applied_through: u64,
}

impl Checkpoint {
    /// Reads the checkpoint of a data directory.
    ///
    /// # Errors
    /// What the disk says, besides that the file is missing.
    pub fn load(disk: &dyn Disk, dir: &DataDir) -> io::Result<Checkpoint> {
        let bytes = match disk.read(&dir.checkpoint()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Checkpoint::Missing),
            Err(error) => return Err(error),
        };
        if !is_sealed(&bytes) {
            return Ok(Checkpoint::Damaged);
        }
        Ok(match serde_json::from_slice(&bytes) {
            Ok(VersionOfFile { version }) if version != u64::from(FORMAT_VERSION) => {
                Checkpoint::OtherVersion(version)
            }
            Ok(_) => serde_json::from_slice(&bytes).map_or(Checkpoint::Damaged, |file: CheckpointFile| {
                Checkpoint::Through(Seq(file.applied_through))
            }),
            Err(_) => Checkpoint::Damaged,
        })
    }

    /// Writes a checkpoint, durably.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(disk: &dyn Disk, dir: &DataDir, through: Seq, now_ms: u64) -> Result<(), WriteError> {
        let text = seal_json(format!(
            "{{\"version\":{FORMAT_VERSION},\"appliedThrough\":{through},\"writtenAt\":\"{}\"",
            time::format_rfc3339(now_ms)
        ));
        disk::replace_file(disk, &dir.temp(), &dir.checkpoint(), &[text.as_bytes()])
            .map_err(WriteError::NotWritten)?;
        disk.sync_dir(dir.root()).map_err(WriteError::NotSynced)
    }
}

/// Why a checkpoint was not written.
#[derive(Debug)]
pub enum WriteError {
    /// The old one stands; try again later.
    NotWritten(io::Error),
    /// Either may be on the disk: latch.
    NotSynced(io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::disk::RealDisk;

    #[test]
    fn a_checkpoint_is_read_back() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temp.path());
        dir.prepare(&RealDisk).unwrap();
        assert_eq!(Checkpoint::load(&RealDisk, &dir).unwrap(), Checkpoint::Missing);
        Checkpoint::write(&RealDisk, &dir, Seq(3_200), 1_766_945_000_000).unwrap();
        assert_eq!(Checkpoint::load(&RealDisk, &dir).unwrap(), Checkpoint::Through(Seq(3_200)));
    }
}
