//! Reading a segment from front to back: valid records, then the end or the first byte that is not a record.
//!
//! Comes in: a file of the journal. Goes out: records with their offsets. Nothing is decided here about what an
//! invalid byte means; that is `recovery`'s.

use std::io;
use std::path::Path;

use memchr::memmem;

use super::format::{HEADER_BYTES, Header, Invalid, MAGIC, Record};
use crate::base::disk::{Disk, DiskFile};

/// How much is read at once. Records may be longer; the buffer then grows for them.
const READ_BYTES: usize = 1024 * 1024;

/// A segment being read.
pub struct SegmentReader {
    file: Box<dyn DiskFile>,
    /// Bytes of the file from `offset` on.
    buffer: Vec<u8>,
    /// Where in the file `buffer` begins.
    offset: u64,
    /// Where in `buffer` the next record begins.
    cursor: usize,
}

/// What lies at the reader's position.
pub enum Step<'a> {
    /// A valid record.
    Record {
        /// Where in the file it begins.
        offset: u64,
        /// The record.
        record: Record<'a>,
    },
    /// The file ends where a record ends.
    End {
        /// Its length.
        offset: u64,
    },
    /// What follows is not a record.
    Invalid {
        /// Where in the file it begins.
        offset: u64,
        /// Why it is not one.
        why: Invalid,
    },
}

impl SegmentReader {
    /// Opens a segment.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        Ok(Self { file: disk.open(path)?, buffer: Vec::new(), offset: 0, cursor: 0 })
    }

    /// The record at the reader's position; moves behind it. After anything but a record, it says the same again.
    ///
    /// # Errors
    /// What the disk says.
    pub fn next_step(&mut self) -> io::Result<Step<'_>> {
        let offset = self.offset + self.cursor as u64;
        let mut available = self.fill(HEADER_BYTES)?;
        if available == 0 {
            return Ok(Step::End { offset });
        }
        if let Ok(header) = Header::decode(&self.buffer[self.cursor..]) {
            available = self.fill(header.record_bytes as usize)?;
        }
        let start = self.cursor;
        debug_assert_eq!(available, self.buffer.len() - start);
        match Record::decode(&self.buffer[start..]) {
            Ok(record) => {
                self.cursor = start + record.header.record_bytes as usize;
                Ok(Step::Record { offset, record })
            }
            Err(why) => Ok(Step::Invalid { offset, why }),
        }
    }

    /// Makes the buffer hold at least `wanted` bytes from the cursor on, or all there are; says how many it holds.
    fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        let held = self.buffer.len() - self.cursor;
        if held >= wanted {
            return Ok(held);
        }
        self.buffer.drain(..self.cursor);
        self.offset += self.cursor as u64;
        self.cursor = 0;
        // No more than the file has: most segments of a small server are short.
        let left = self.file.len()?.saturating_sub(self.offset);
        let size = wanted.max(READ_BYTES).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.buffer.resize(size.max(held), 0);
        let read = self.file.read_at(self.offset + held as u64, &mut self.buffer[held..])?;
        self.buffer.truncate(held + read);
        Ok(self.buffer.len())
    }

    /// The headers of all valid records that begin behind the reader's position, wherever they begin.
    ///
    /// # Errors
    /// What the disk says.
    pub fn records_behind_damage(&self) -> io::Result<Vec<Header>> {
        let rest = self.rest()?;
        let mut headers = Vec::new();
        let mut position = 0;
        while let Some((start, header)) = find_record(&rest, position + 1) {
            headers.push(header);
            position = start + header.record_bytes as usize - 1;
        }
        Ok(headers)
    }

    /// Moves to the next valid record behind the reader's position, wherever it begins. `false` where there is none.
    ///
    /// # Errors
    /// What the disk says.
    pub fn skip_to_next_record(&mut self) -> io::Result<bool> {
        let Some((start, _)) = find_record(&self.rest()?, 1) else { return Ok(false) };
        self.offset += (self.cursor + start) as u64;
        self.cursor = 0;
        self.buffer.clear();
        Ok(true)
    }

    /// The file from the reader's position on. Read into memory whole: this is asked only where something is wrong.
    fn rest(&self) -> io::Result<Vec<u8>> {
        let from = self.offset + self.cursor as u64;
        let length = self.file.len()?.saturating_sub(from);
        let mut rest = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = self.file.read_at(from, &mut rest)?;
        rest.truncate(read);
        Ok(rest)
    }

    /// Whether everything from the reader's position on is zero (a file extended by the file system and never
    /// written, which a power cut leaves).
    ///
    /// # Errors
    /// What the disk says.
    pub fn rest_is_zero(&self) -> io::Result<bool> {
        let mut position = self.offset + self.cursor as u64;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = self.file.read_at(position, &mut buffer)?;
            if buffer[..read].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            if read < buffer.len() {
                return Ok(true);
            }
            position += read as u64;
        }
    }
}

/// Whether bytes that somebody else chose hold what could be taken for the beginning of a record where damage hides the
/// real ones. By chance they never do: a header's checksum would have to be right.
pub fn holds_a_header(bytes: &[u8]) -> bool {
    memmem::find_iter(bytes, &MAGIC).any(|start| Header::decode(&bytes[start..]).is_ok())
}

/// The first valid record that begins at `from` or behind, and where.
fn find_record(bytes: &[u8], mut from: usize) -> Option<(usize, Header)> {
    while let Some(found) = memmem::find(bytes.get(from..)?, &MAGIC) {
        from += found;
        if let Ok(record) = Record::decode(&bytes[from..]) {
            return Some((from, record.header));
        }
        from += 1;
    }
    None
}
