//! Reading back the records that windows may lack, in order.

use std::io;

use super::format::{Invalid, Record};
use super::segment::{SegmentReader, Step};
use crate::base::disk::Disk;
use crate::data_dir::DataDir;
use crate::model::Seq;

/// A segment and the records of it that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaySegment {
    /// Its first record, and its name.
    pub first: Seq,
    /// Its last record that counts; what follows belongs to the next segment.
    pub last: Seq,
}

/// The records in `(after, through]`, to be visited in order.
#[derive(Clone, Debug)]
pub struct Replay {
    segments: Vec<ReplaySegment>,
    after: Seq,
    through: Seq,
}

impl Replay {
    /// The records of these segments (ascending, without gaps) in `(after, through]`.
    pub fn new(segments: Vec<ReplaySegment>, after: Seq, through: Seq) -> Self {
        Self { segments, after, through }
    }

    /// How many records there are.
    pub fn records(&self) -> u64 {
        self.through.0 - self.after.0
    }

    /// The last record.
    pub fn through(&self) -> Seq {
        self.through
    }

    /// Calls `visit` with each record, in order. Stops early where it says `false`.
    ///
    /// # Errors
    /// What the disk says; `InvalidData` naming file and offset where a record cannot be read that was there before,
    /// or where `visit` finds its content wrong.
    pub fn visit(
        &self,
        disk: &dyn Disk,
        dir: &DataDir,
        mut visit: impl FnMut(&Record<'_>) -> Result<bool, Invalid>,
    ) -> io::Result<()> {
        let mut expected = self.after.next();
        for segment in self.segments.iter().filter(|segment| segment.last > self.after) {
            let path = dir.segment(segment.first);
            let mut reader = SegmentReader::open(disk, &path)?;
            let invalid = |offset: u64, why: Invalid| {
                let text = format!("{} is damaged at offset {offset}: {why}", path.display());
                io::Error::new(io::ErrorKind::InvalidData, text)
            };
            while expected <= segment.last && expected <= self.through {
                let (offset, record) = match reader.next_step()? {
                    Step::Record { offset, record } => (offset, record),
                    Step::Invalid { offset, why } => return Err(invalid(offset, why)),
                    Step::End { offset } => return Err(invalid(offset, Invalid::Truncated)),
                };
                let seq = record.header.seq;
                if seq <= self.after {
                    continue;
                }
                if seq != expected {
                    return Err(invalid(offset, Invalid::Content("the record's seq is not the next one")));
                }
                if !visit(&record).map_err(|why| invalid(offset, why))? {
                    return Ok(());
                }
                expected = seq.next();
            }
        }
        Ok(())
    }
}
