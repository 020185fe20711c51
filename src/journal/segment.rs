//! The bytes of one segment from front to back, for [`super::reader`] alone.
//!
//! Input: a file of the journal. Output: valid records with their offsets, then the end or the first byte that does not
//! begin a record. Never: looks at the numbers of records.

use std::io;
use std::path::Path;

use memchr::memmem;

use super::format::{HEADER_BYTES, Header, Invalid, MAGIC, Record, RecordKey};
use crate::base::disk::{Disk, DiskFile};

/// How much is read at once. Records may be longer; the buffer then grows for them.
const READ_BYTES: usize = 1024 * 1024;

/// A segment being read.
pub(super) struct SegmentReader {
    file: Box<dyn DiskFile>,
    key: RecordKey,
    /// Bytes of the file from `offset` on.
    buffer: Vec<u8>,
    /// Where in the file `buffer` begins.
    offset: u64,
    /// Where in `buffer` the next record begins.
    cursor: usize,
}

/// The bytes at the reader's position.
pub(super) enum SegmentStep<'a> {
    /// A valid record.
    Record { offset: u64, record: Record<'a> },
    /// The file ends where a record ends.
    End { offset: u64 },
    /// No valid record begins here.
    Invalid { offset: u64, why: Invalid },
}

impl SegmentReader {
    pub(super) fn open(disk: &dyn Disk, path: &Path, key: RecordKey) -> io::Result<Self> {
        Ok(Self { file: disk.open(path)?, key, buffer: Vec::new(), offset: 0, cursor: 0 })
    }

    /// The step at the reader's position. Moves behind a record; anything else is returned again by the next call.
    pub(super) fn next_step(&mut self) -> io::Result<SegmentStep<'_>> {
        let offset = self.offset + self.cursor as u64;
        let mut available = self.fill(HEADER_BYTES)?;
        if available == 0 {
            return Ok(SegmentStep::End { offset });
        }
        if let Ok(header) = Header::decode(&self.buffer[self.cursor..], &self.key) {
            available = self.fill(header.record_bytes as usize)?;
        }
        let start = self.cursor;
        assert_eq!(available, self.buffer.len() - start);
        match Record::decode(&self.buffer[start..], &self.key) {
            Ok(record) => {
                self.cursor = start + record.header.record_bytes as usize;
                Ok(SegmentStep::Record { offset, record })
            }
            Err(why) => Ok(SegmentStep::Invalid { offset, why }),
        }
    }

    /// Makes the buffer hold at least `wanted` bytes from the cursor on, or all that are left; returns how many it
    /// holds.
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

    pub(super) fn file_bytes(&self) -> io::Result<u64> {
        self.file.len()
    }

    /// Moves to this offset.
    pub(super) fn seek(&mut self, offset: u64) {
        self.offset = offset;
        self.cursor = 0;
        self.buffer.clear();
    }

    /// All whole records at `from` or behind it, wherever they begin: their offsets and headers. Reads the rest of the
    /// file into memory, so it is for files where something is wrong.
    pub(super) fn records_from(&self, from: u64) -> io::Result<Vec<(u64, Header)>> {
        let length = self.file.len()?.saturating_sub(from);
        let mut rest = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        let read = self.file.read_at(from, &mut rest)?;
        rest.truncate(read);
        let mut found = Vec::new();
        let mut position = 0;
        while let Some((start, header)) = find_record(&rest, position, &self.key) {
            found.push((from + start as u64, header));
            position = start + header.record_bytes as usize;
        }
        Ok(found)
    }

    /// Whether the file is all zero from this offset on.
    pub(super) fn is_zero_from(&self, mut from: u64) -> io::Result<bool> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let read = self.file.read_at(from, &mut buffer)?;
            if buffer[..read].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            if read < buffer.len() {
                return Ok(true);
            }
            from += read as u64;
        }
    }
}

/// The first whole record, with valid names, that begins at `from` or behind it.
fn find_record(bytes: &[u8], mut from: usize, key: &RecordKey) -> Option<(usize, Header)> {
    while let Some(found) = memmem::find(bytes.get(from..)?, &MAGIC) {
        from += found;
        if let Ok(record) = Record::decode(&bytes[from..], key)
            && record.names().is_ok()
        {
            return Some((from, record.header));
        }
        from += 1;
    }
    None
}
