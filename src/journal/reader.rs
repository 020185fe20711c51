//! The only walk over the journal: segment after segment, record after record, with damage as a value.
//!
//! Input: the journal's directory. Output: [`JournalSegment`]s, each with the records that are whole and in their
//! place, then how the segment ends. Never: changes a file, or decides what damage means; `recovery`, `verify`,
//! `repair` and others decide that.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use super::format::{Header, Invalid, Record, RecordKey};
use super::segment::{SegmentReader, SegmentStep};
use crate::base::disk::{Disk, if_exists};
use crate::data_dir::{DataDir, seq_in_name};
use crate::model::{BatchId, CustomerId, Seq};

/// The files in the journal's directory, by ascending seq.
#[derive(Clone, Debug, Default)]
pub struct JournalFiles {
    /// The first seq of every segment, and its length in bytes.
    pub segments: Vec<(Seq, u64)>,
    /// The first seq of every index file.
    pub indexes: Vec<Seq>,
}

impl JournalFiles {
    /// Lists the directory.
    pub fn list(disk: &dyn Disk, dir: &DataDir) -> io::Result<Self> {
        let mut files = Self::default();
        for entry in disk.list(&dir.journal())? {
            // Record numbers begin at 1, so this program does not write a file of seq 0.
            let seq = |ending| seq_in_name(&entry.name, ending).filter(|first| first.0 > 0);
            if let Some(first) = seq("log") {
                files.segments.push((first, entry.bytes));
            } else if let Some(first) = seq("idx") {
                files.indexes.push(first);
            }
        }
        files.segments.sort_unstable();
        files.indexes.sort_unstable();
        Ok(files)
    }

    pub fn firsts(&self) -> Vec<Seq> {
        self.segments.iter().map(|(first, _)| *first).collect()
    }

    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Walks over segments.
pub struct JournalReader<'a> {
    disk: &'a dyn Disk,
    dir: &'a DataDir,
    /// The first seqs of the segments that are still to come.
    firsts: VecDeque<Seq>,
}

impl<'a> JournalReader<'a> {
    /// Reads all segments there are.
    pub fn open(disk: &'a dyn Disk, dir: &'a DataDir) -> io::Result<Self> {
        Ok(Self::of_segments(disk, dir, &JournalFiles::list(disk, dir)?.firsts()))
    }

    /// Reads from the segment on that holds the record after `after`, or from the oldest if that is later.
    pub fn open_after(disk: &'a dyn Disk, dir: &'a DataDir, after: Seq) -> io::Result<Self> {
        let firsts = JournalFiles::list(disk, dir)?.firsts();
        let start = firsts.iter().rposition(|first| *first <= after.next()).unwrap_or(0);
        Ok(Self::of_segments(disk, dir, &firsts[start..]))
    }

    /// Reads these segments, which follow one another.
    pub fn of_segments(disk: &'a dyn Disk, dir: &'a DataDir, firsts: &[Seq]) -> Self {
        Self { disk, dir, firsts: firsts.iter().copied().collect() }
    }

    /// The next segment. One that was removed since the directory was listed is skipped; the numbers of the records
    /// then show a gap.
    pub fn next_segment(&mut self) -> io::Result<Option<JournalSegment>> {
        while let Some(first) = self.firsts.pop_front() {
            let next_first = self.firsts.front().copied();
            if let Some(segment) = if_exists(JournalSegment::open(self.disk, self.dir, first, next_first))? {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }
}

/// A record in its place, with its names read.
pub struct JournalRecord<'a> {
    /// Where in the segment it begins.
    pub offset: u64,
    pub record: Record<'a>,
    pub customer: CustomerId,
    pub batch_id: BatchId,
}

/// The bytes after the last record of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentTail {
    /// There are none: the file ends there.
    Nothing,
    /// A record that recovery wrote again, as the first one of the next segment.
    Moved,
    /// Other bytes, although the next segment holds the next record.
    Leftover,
    /// Bytes that are not the next record.
    Damage(Invalid),
}

/// One segment. Its records end where the next segment begins, where the file ends, or at the first damage.
pub struct JournalSegment {
    /// Its first seq, and its name.
    pub first: Seq,
    /// The first seq of the segment after it.
    pub next_first: Option<Seq>,
    /// The last record that was read; below `first` before the first one.
    pub last: Seq,
    pub path: PathBuf,
    /// How long the file was when it was opened.
    pub file_bytes: u64,
    reader: SegmentReader,
    end: Option<(u64, SegmentTail)>,
}

impl JournalSegment {
    /// Opens one segment.
    ///
    /// # Errors
    /// What the disk says, `NotFound` included.
    pub fn open(disk: &dyn Disk, dir: &DataDir, first: Seq, next_first: Option<Seq>) -> io::Result<Self> {
        let path = dir.segment(first);
        let reader = SegmentReader::open(disk, &path, RecordKey::new(dir.secret()))?;
        let file_bytes = reader.file_bytes()?;
        let last = Seq(first.0 - 1);
        Ok(Self { first, next_first, last, path, file_bytes, reader, end: None })
    }

    /// The next record; `None` at the end, which [`JournalSegment::tail`] describes.
    pub fn next_record(&mut self) -> io::Result<Option<JournalRecord<'_>>> {
        if self.end.is_some() {
            return Ok(None);
        }
        let is_complete = self.next_first == Some(self.last.next());
        let (offset, why) = match self.reader.next_step()? {
            SegmentStep::End { offset } => {
                self.end = Some((offset, SegmentTail::Nothing));
                return Ok(None);
            }
            SegmentStep::Invalid { offset, why } => (offset, why),
            SegmentStep::Record { offset, record } if record.header.seq != self.last.next() => {
                (offset, Invalid::Content("the record's seq is not the next one"))
            }
            SegmentStep::Record { offset, .. } if is_complete => {
                self.end = Some((offset, SegmentTail::Moved));
                return Ok(None);
            }
            SegmentStep::Record { offset, record } => match record.names() {
                Ok((customer, batch_id)) => {
                    self.last = record.header.seq;
                    return Ok(Some(JournalRecord { offset, record, customer, batch_id }));
                }
                Err(why) => (offset, why),
            },
        };
        let tail = if is_complete { SegmentTail::Leftover } else { SegmentTail::Damage(why) };
        self.end = Some((offset, tail));
        Ok(None)
    }

    /// Where the records end and what follows them. Only after the last record.
    pub fn tail(&self) -> (u64, SegmentTail) {
        self.end.expect("the segment was read to its end")
    }

    /// The damage at the end, if there is any, and where it begins. Only after the last record.
    pub fn damage(&self) -> Option<(u64, Invalid)> {
        match self.tail() {
            (offset, SegmentTail::Damage(why)) => Some((offset, why)),
            _ => None,
        }
    }

    /// The records between the end of this segment and the beginning of the next. Only after the last record.
    pub fn gap(&self) -> Option<(Seq, Seq)> {
        let missing = self.last.next();
        self.next_first.filter(|next| missing < *next).map(|next| (missing, next))
    }

    /// An error that names file and offset.
    pub fn invalid_data(&self, offset: u64, why: Invalid) -> io::Error {
        why.at(&self.path, offset)
    }

    /// After damage: the highest seq that whole records behind it prove durable; zero if there are none.
    fn proven_behind(&self) -> io::Result<Seq> {
        let headers = self.reader.records_from(self.tail().0)?;
        let proven = headers.iter().map(|(_, header): &(u64, Header)| header.durable_through);
        Ok(proven.max().unwrap_or(Seq::ZERO))
    }

    /// Whether the damage at the end is a torn tail: nothing proves that a durable record was there. Every record up
    /// to `known_through` was once durable.
    pub fn is_torn_tail(&self, known_through: Seq) -> io::Result<bool> {
        let missing = self.last.next();
        Ok(self.next_first.is_none() && known_through < missing && self.proven_behind()? < missing)
    }

    /// After damage: whether all following bytes are zero (a power cut can leave so a file that the file system
    /// extended).
    pub fn is_zero_behind(&self) -> io::Result<bool> {
        self.reader.is_zero_from(self.tail().0)
    }

    /// After damage: continues with the first whole record behind it, whatever its number. `false` if there is none.
    pub fn skip_damage(&mut self) -> io::Result<bool> {
        let Some((offset, header)) = self.reader.records_from(self.tail().0)?.into_iter().next() else {
            return Ok(false);
        };
        self.reader.seek(offset);
        self.last = Seq(header.seq.0 - 1);
        self.end = None;
        Ok(true)
    }
}
