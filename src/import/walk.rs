//! From a region to batches that are counted once, however often and in whatever states of the file it is imported.
//!
//! In comes a region, read into entries; out go batches with their keys, and what the server said of them. The scheme
//! and the argument why it is right stand in the [parent module](super). Nothing here knows HTTP, files or time, so
//! that tests put a model of the server behind [`Post`].

use super::line::{Bad, LineReader, Read};
use super::region::{REGION_LINES, Region};

/// Lines of a block grow by this factor from level to level.
const FAN: usize = 8;
/// The highest level: one line, 8, 64, 512, and a whole region.
const TOP_LEVEL: u32 = 4;
/// A batch's body; the server's limit, below which a block is sent in smaller ones.
pub const MAX_BODY_BYTES: usize = 2 << 20;

const _: () = assert!(FAN.pow(TOP_LEVEL) == REGION_LINES, "the largest block is a region");

/// What the server said of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is counted now.
    Counted,
    /// It was counted before, entry for entry.
    AlreadyCounted,
    /// Another batch was counted under its key.
    OtherBatch,
}

/// Who takes batches.
pub trait Post {
    /// Why a batch could not be delivered, in the end.
    type Error;

    /// Delivers a batch, as often as it takes to get an answer.
    ///
    /// # Errors
    /// Where there is none, or one that no other try can change.
    fn post(&mut self, key: &str, body: &[u8]) -> Result<Answer, Self::Error>;
}

/// A region's lines as entries.
#[derive(Debug, Default)]
pub struct Entries {
    /// NDJSON.
    body: Vec<u8>,
    /// For each line, where the body ends after it.
    body_ends: Vec<u32>,
    /// For each line, how many entries there are before it; and for the end.
    entries_before: Vec<u16>,
    /// For each line, where it ends in the region, without line end.
    line_ends: Vec<u32>,
    /// Lines that are no entries, by number within the region.
    pub bad: Vec<(usize, Bad)>,
}

impl Entries {
    /// Reads all lines of a region, in memory that is used again.
    pub fn read(&mut self, region: &Region, reader: &mut LineReader) {
        self.body.clear();
        self.body_ends.clear();
        self.entries_before.clear();
        self.line_ends.clear();
        self.bad.clear();
        let bytes = &region.bytes;
        let (mut start, mut entries) = (0, 0);
        while start < bytes.len() {
            let end = memchr::memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
            self.entries_before.push(entries);
            match reader.append(&bytes[start..end], &mut self.body) {
                Ok(Read::Entry) => entries += 1,
                Ok(Read::Nothing) => {}
                Err(bad) => self.bad.push((self.line_ends.len(), bad)),
            }
            self.body_ends.push(self.body.len() as u32);
            self.line_ends.push(end as u32);
            start = end + 1;
        }
        self.entries_before.push(entries);
        assert!(self.lines() <= REGION_LINES, "a region has no more lines");
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.line_ends.len()
    }

    /// How many entries there are before a line.
    pub fn entries_before(&self, line: usize) -> u64 {
        u64::from(self.entries_before[line])
    }

    /// The first line from `line` on that is an entry.
    fn first_entry(&self, line: usize) -> Option<usize> {
        let before = self.entries_before[line];
        // The first line that has more entries before it follows the one looked for.
        let next = self.entries_before.partition_point(|count| *count <= before);
        (next < self.entries_before.len()).then(|| next - 1)
    }

    fn body(&self, from: usize, to: usize) -> &[u8] {
        let end = |line: usize| if line == 0 { 0 } else { self.body_ends[line - 1] as usize };
        &self.body[end(from)..end(to)]
    }

    /// A line as it is in the region.
    pub fn line<'r>(&self, region: &'r Region, line: usize) -> &'r [u8] {
        let start = if line == 0 { 0 } else { self.line_ends[line - 1] as usize + 1 };
        &region.bytes[start..self.line_ends[line] as usize]
    }
}

/// What became of a region's entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Entries counted now.
    pub counted: u64,
    /// Entries that had been counted before.
    pub already: u64,
    /// The first line (within the region) whose key belongs to another batch than any that could be made of it; what
    /// follows in the region was not sent.
    pub conflict: Option<usize>,
}

/// Sends the entries from line `from` on. `from` is 0, or where an earlier walk over the same region ended.
///
/// # Errors
/// The first that [`Post`] says.
pub fn walk<P: Post>(
    region: &Region,
    entries: &Entries,
    from: usize,
    post: &mut P,
) -> Result<Walked, P::Error> {
    let mut walked = Walked::default();
    let mut at = from;
    while let Some(first) = entries.first_entry(at) {
        let name = region.chain.name(&region.bytes[..entries.line_ends[first] as usize]);
        let key = format!("import1-{name:032x}");
        let Some((end, answer)) = settle(region, entries, first, &key, post)? else {
            walked.conflict = Some(first);
            return Ok(walked);
        };
        let sent = entries.entries_before(end) - entries.entries_before(first);
        match answer {
            Answer::Counted => walked.counted += sent,
            _ => walked.already += sent,
        }
        at = end;
    }
    Ok(walked)
}

/// Finds the block that holds the key of its first entry, or makes the largest one hold it: where it ends, and what was
/// said of it. `None` where none of them is the one that does.
fn settle<P: Post>(
    region: &Region,
    entries: &Entries,
    first: usize,
    key: &str,
    post: &mut P,
) -> Result<Option<(usize, Answer)>, P::Error> {
    let lines = entries.lines();
    let mut tried_end = usize::MAX;
    for level in (0..=TOP_LEVEL).rev() {
        let size = FAN.pow(level);
        let start = first - first % size;
        if !region.is_closed && start + size > lines {
            continue;
        }
        // Where there is an entry before it, the block is that entry's.
        if entries.entries_before(start) != entries.entries_before(first) {
            continue;
        }
        let end = (start + size).min(lines);
        let body = entries.body(first, end);
        if end == tried_end || body.len() > MAX_BODY_BYTES {
            continue;
        }
        match post.post(key, body)? {
            Answer::OtherBatch => tried_end = end,
            answer => return Ok(Some((end, answer))),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
