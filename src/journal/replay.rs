//! Reads back the records that windows may lack, in order.
//!
//! Input: a range of seqs. Output: every record in it. Never: continues after a record that is damaged or missing.

use std::io;

use super::format::Invalid;
use super::reader::{JournalReader, JournalRecord};
use crate::base::disk::Disk;
use crate::data_dir::DataDir;
use crate::model::Seq;

/// The records in `(after, through]`, to be visited in order.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// The record before the first.
    pub after: Seq,
    /// The last record.
    pub through: Seq,
}

impl Replay {
    /// How many records there are.
    pub fn records(&self) -> u64 {
        self.through.0.saturating_sub(self.after.0)
    }

    /// Calls `visit` with each record, in order. Stops early where it says `false`.
    ///
    /// # Errors
    /// What the disk says; `InvalidData` where a record cannot be read, or where `visit` finds its content wrong.
    pub fn visit(
        &self,
        disk: &dyn Disk,
        dir: &DataDir,
        mut visit: impl FnMut(&JournalRecord<'_>) -> Result<bool, Invalid>,
    ) -> io::Result<()> {
        let mut next = self.after.next();
        let mut reader = JournalReader::open_after(disk, dir, self.after)?;
        while next <= self.through {
            let Some(mut segment) = reader.next_segment()? else {
                return Err(missing(dir, next, self.through));
            };
            if segment.first > next {
                return Err(missing(dir, next, Seq(segment.first.0 - 1)));
            }
            let path = segment.path.clone();
            while next <= self.through
                && let Some(found) = segment.next_record()?
            {
                if found.record.header.seq < next {
                    continue;
                }
                match visit(&found) {
                    Ok(true) => next = next.next(),
                    Ok(false) => return Ok(()),
                    Err(why) => return Err(why.at(&path, found.offset)),
                }
            }
            if next <= self.through
                && let Some((offset, why)) = segment.damage()
            {
                return Err(why.at(&path, offset));
            }
        }
        Ok(())
    }
}

fn missing(dir: &DataDir, from: Seq, to: Seq) -> io::Error {
    let text = format!("{}: records {from} to {to} are missing", dir.journal().display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}
