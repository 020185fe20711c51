//! A stream of log bytes cut into regions of whole logical lines, each with the hash of everything before it and the reader's
//! state there.
//!
//! Input: bytes, in whatever pieces they are read. Output: [`Region`]s. A logical line is one or more lines of the file:
//! the parts of a line that a container runtime divided, or an entry of journald's export. Where a region ends follows
//! from the bytes of the stream alone: after [`REGION_LINES`] logical lines, or before the one that would make it longer
//! than [`MAX_REGION_BYTES`]. Never: a result that depends on how much was read at once, or when; or unbounded memory: of
//! a line longer than a region only the beginning is kept.

use std::io::{self, Read};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::entry::Reader;
use crate::input::{READ_BYTES, read_more};

/// Logical lines of a region: what one batch holds at the most. Distinct minutes of a batch are limited to 10,000.
pub const REGION_LINES: usize = 4_096;
/// Bytes of a region's lines. Usual lines are shorter than a KiB, so that this ends regions of unusual ones only.
pub const MAX_REGION_BYTES: usize = 4 << 20;

/// Where a region begins, and all that is known there of what came before.
#[derive(Clone, Debug)]
pub struct RegionStart {
    /// Bytes of the decoded stream before it.
    pub offset: u64,
    /// The number of its first line, counted from 1.
    pub line: u64,
    /// Stands for all bytes before it, and the name of the source.
    pub chain: Chain,
    /// The reader, as those bytes leave it.
    pub reader: Reader,
}

impl RegionStart {
    /// The beginning of a source.
    pub fn of_source(source: &str, reader: Reader) -> Self {
        Self { offset: 0, line: 1, chain: Chain::start(source), reader }
    }
}

/// A stretch of whole logical lines.
#[derive(Clone, Debug)]
pub struct Region {
    /// Where it begins.
    pub start: RegionStart,
    /// Where the next region begins; `None` if this one may get more lines.
    pub next: Option<RegionStart>,
    /// Its lines; the last one may lack its end where the region is not closed.
    pub bytes: Vec<u8>,
    /// Where each logical line ends in the bytes, behind its line end.
    pub ends: Vec<usize>,
}

impl Region {
    /// How many logical lines it has.
    pub fn lines(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of the logical lines from `from` up to `to`.
    pub fn slice(&self, from: usize, to: usize) -> &[u8] {
        let start = |line: usize| if line == 0 { 0 } else { self.ends[line - 1] };
        &self.bytes[start(from)..start(to)]
    }

    /// The number of a logical line's first line in the file.
    pub fn number(&self, line: usize) -> u64 {
        self.start.line + memchr::memchr_iter(b'\n', self.slice(0, line)).count() as u64
    }
}

/// The hash of everything before a region: of the name of the source, then of region after region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(u128);

impl Chain {
    /// Before the first region of a source.
    pub fn start(source: &str) -> Self {
        Self(xxh3_128(format!("log-analytics import 2\n{source}").as_bytes()))
    }

    /// After one more region.
    fn after(self, region: &[u8]) -> Self {
        let mut both = [0; 32];
        both[..16].copy_from_slice(&self.0.to_le_bytes());
        both[16..].copy_from_slice(&xxh3_128(region).to_le_bytes());
        Self(xxh3_128(&both))
    }

    /// The name of what comes after all before the region and these first bytes of it.
    pub fn name(self, bytes: &[u8]) -> u128 {
        let mut hash = Xxh3::new();
        hash.update(&self.0.to_le_bytes());
        hash.update(bytes);
        hash.digest128()
    }

    /// As hexadecimal digits.
    pub fn to_hex(self) -> String {
        format!("{:032x}", self.0)
    }

    /// From the digits that [`to_hex`](Self::to_hex) gives.
    pub fn from_hex(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32).map(Self)
    }
}

/// Cuts one stream.
#[derive(Clone, Debug)]
pub struct Splitter {
    start: RegionStart,
    /// The lines of the region being collected, and what follows.
    buffer: Vec<u8>,
    /// Where the logical lines collected so far end.
    ends: Vec<usize>,
    /// The reader behind the last of them.
    behind: Reader,
    /// The reader behind the last line that was looked at.
    reader: Reader,
    /// Bytes looked at for line ends.
    scanned: usize,
    /// Up to here it is known whether a line may change the reader's state.
    classified: usize,
    may_carry: bool,
    /// Bytes of the region's lines that are not kept.
    dropped_bytes: u64,
}

impl Splitter {
    /// Goes on with a source from here.
    pub fn new(start: RegionStart) -> Self {
        let reader = start.reader.clone();
        Self {
            behind: reader.clone(),
            reader,
            start,
            buffer: Vec::new(),
            ends: Vec::new(),
            scanned: 0,
            classified: 0,
            may_carry: false,
            dropped_bytes: 0,
        }
    }

    /// Reads more; 0 is the end of what there is now.
    pub fn read(&mut self, input: &mut impl Read) -> io::Result<usize> {
        read_more(input, &mut self.buffer, READ_BYTES)
    }

    /// The bytes that are not yet part of a complete region.
    pub fn buffered(&self) -> &[u8] {
        &self.buffer
    }

    /// Takes bytes that were read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next region that is complete. `spare` is memory to use for what follows it.
    pub fn closed(&mut self, spare: impl FnOnce() -> Vec<u8>) -> Option<Region> {
        while let Some(at) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
            let mut end = self.scanned + at + 1;
            if end > MAX_REGION_BYTES {
                if !self.ends.is_empty() {
                    return Some(self.cut(spare()));
                }
                if end - self.scanned > MAX_REGION_BYTES {
                    // One line longer than a region: its beginning stands for it.
                    let kept = self.scanned + MAX_REGION_BYTES;
                    self.dropped_bytes += (end - 1 - kept) as u64;
                    self.buffer.drain(kept..end - 1);
                    end = kept + 1;
                }
            }
            self.look_at(end);
            self.scanned = end;
            if end > MAX_REGION_BYTES && self.reader.is_within_line() {
                // Parts that do not end: what they begin is not read.
                self.reader.finish(&mut |_| {});
            }
            if end > MAX_REGION_BYTES || !self.reader.is_within_line() {
                self.ends.push(end);
                if self.may_carry {
                    self.behind.set_state_of(&self.reader);
                }
            }
            if self.ends.len() == REGION_LINES || end > MAX_REGION_BYTES {
                return Some(self.cut(spare()));
            }
        }
        if self.buffer.len() > MAX_REGION_BYTES {
            if !self.ends.is_empty() {
                return Some(self.cut(spare()));
            }
            let kept = self.scanned + MAX_REGION_BYTES;
            self.dropped_bytes += self.buffer.len().saturating_sub(kept) as u64;
            self.buffer.truncate(kept);
        }
        None
    }

    /// Has the reader take note of the line from `scanned` to `end`.
    fn look_at(&mut self, end: usize) {
        if end > self.classified {
            let last =
                memchr::memrchr(b'\n', &self.buffer[self.scanned..]).map_or(end, |at| self.scanned + at + 1);
            self.classified = last.max(end);
            self.may_carry = Reader::may_carry(&self.buffer[self.scanned..self.classified]);
        }
        if self.may_carry || self.reader.is_within_line() {
            self.may_carry = true;
            self.reader.line(&self.buffer[self.scanned..end - 1], &mut |_| {});
        }
    }

    fn cut(&mut self, mut rest: Vec<u8>) -> Region {
        let end = self.ends.last().copied().unwrap_or(0);
        rest.clear();
        rest.extend_from_slice(&self.buffer[end..]);
        self.buffer.truncate(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let next = RegionStart {
            offset: self.start.offset + bytes.len() as u64 + std::mem::take(&mut self.dropped_bytes),
            line: self.start.line + memchr::memchr_iter(b'\n', &bytes).count() as u64,
            chain: self.start.chain.after(&bytes),
            reader: self.behind.clone(),
        };
        self.reader.set_state_of(&self.behind);
        (self.scanned, self.classified, self.may_carry) = (0, 0, false);
        let start = std::mem::replace(&mut self.start, next.clone());
        Region { start, next: Some(next), bytes, ends: std::mem::take(&mut self.ends) }
    }

    /// Whole logical lines that are not yet a complete region.
    pub fn open_lines(&self) -> usize {
        self.ends.len()
    }

    /// Bytes behind the last whole logical line.
    pub fn unfinished_bytes(&self) -> usize {
        self.buffer.len() - self.ends.last().copied().unwrap_or(0)
    }

    /// The lines that are not yet a complete region; with the unfinished last one where `with_unfinished` is set.
    pub fn open(&self, with_unfinished: bool) -> Region {
        let mut ends = self.ends.clone();
        if with_unfinished && self.unfinished_bytes() > 0 {
            ends.push(self.buffer.len());
        }
        let bytes = self.buffer[..ends.last().copied().unwrap_or(0)].to_vec();
        Region { start: self.start.clone(), next: None, bytes, ends }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::ReaderOptions;

    fn splitter() -> Splitter {
        Splitter::new(RegionStart::of_source("", Reader::new(ReaderOptions::default())))
    }

    /// All regions and the open rest of `text`, pushed in pieces of `piece` bytes.
    fn split(text: &[u8], piece: usize) -> Vec<Region> {
        let mut splitter = splitter();
        let mut regions = Vec::new();
        for bytes in text.chunks(piece) {
            splitter.push(bytes);
            while let Some(region) = splitter.closed(Vec::new) {
                regions.push(region);
            }
        }
        regions.push(splitter.open(true));
        regions
    }

    fn assert_same_however_read(text: &[u8], pieces: &[usize]) -> Vec<Region> {
        let want = split(text, usize::MAX);
        let (mut offset, mut line) = (0, 1);
        for region in &want {
            assert_eq!((region.start.offset, region.start.line), (offset, line));
            offset += region.bytes.len() as u64;
            line += memchr::memchr_iter(b'\n', &region.bytes).count() as u64;
            assert_eq!(region.ends.last().copied().unwrap_or(0), region.bytes.len());
            assert!(region.lines() <= REGION_LINES);
        }
        for piece in pieces {
            let got = split(text, *piece);
            assert_eq!(got.len(), want.len(), "{piece}");
            for (got, want) in got.iter().zip(&want) {
                assert_eq!((got.start.line, got.start.chain), (want.start.line, want.start.chain));
                assert_eq!(got.start.reader.state(), want.start.reader.state());
                assert_eq!((&got.ends, got.next.is_some()), (&want.ends, want.next.is_some()));
                assert!(got.bytes == want.bytes);
            }
        }
        want
    }

    #[test]
    fn regions_depend_on_the_bytes_alone() {
        let mut text = Vec::new();
        for line in 0..20_000_usize {
            text.extend_from_slice(&vec![
                b'a' + (line % 26) as u8;
                if line < 9_000 { line % 50 } else { 1_500 }
            ]);
            text.push(b'\n');
        }
        text.extend_from_slice(b"unfinished");
        let want = assert_same_however_read(&text, &[7_777, 300_000, 5_000_000]);
        assert_eq!(want.iter().flat_map(|region| region.bytes.clone()).collect::<Vec<u8>>(), text);
        assert_eq!(want[0].lines(), REGION_LINES);
        assert!(want.iter().all(|region| region.bytes.len() <= MAX_REGION_BYTES));
    }

    #[test]
    fn columns_are_known_in_later_regions_and_divided_lines_stay_whole() {
        let mut text = b"#Fields: date time cs-method cs-uri-stem\n".to_vec();
        text.extend_from_slice(&b"2025-12-28 18:03:07 GET /a\n".repeat(REGION_LINES + 10));
        let want = assert_same_however_read(&text, &[5_003, 100_000]);
        let columns = [("fields", "date%20time%20cs-method%20cs-uri-stem".to_owned())];
        assert_eq!(want[1].start.reader.state(), columns);

        let part = "2025-12-28T18:03:07.000000000Z stdout P half of a line\n";
        let end = "2025-12-28T18:03:07.000000000Z stdout F and its end\n";
        let text = format!("{part}{part}{end}").repeat(REGION_LINES + 10);
        let want = assert_same_however_read(text.as_bytes(), &[997, 64_000]);
        assert_eq!(want[0].lines(), REGION_LINES);
        assert!(want[0].bytes.ends_with(end.as_bytes()) && want[1].start.reader.state().is_empty());
        assert_eq!(want[1].start.line, 3 * REGION_LINES as u64 + 1);
    }

    #[test]
    fn a_line_longer_than_a_region_is_bounded_and_stands_alone() {
        let mut text = b"before\n".to_vec();
        text.extend_from_slice(&vec![b'x'; 3 * MAX_REGION_BYTES]);
        text.extend_from_slice(b"\nafter\n");
        for piece in [10_000, MAX_REGION_BYTES - 3, usize::MAX] {
            let regions = split(&text, piece);
            let lengths: Vec<usize> = regions.iter().map(|region| region.bytes.len()).collect();
            assert_eq!(lengths, [7, MAX_REGION_BYTES + 1, 6], "{piece}");
            assert_eq!(regions[2].start.chain, split(&text, usize::MAX)[2].start.chain);
            assert_eq!(regions[2].bytes, b"after\n");
            assert_eq!((regions[1].start.line, regions[2].start.line), (2, 3));
        }
    }

    #[test]
    fn a_change_anywhere_before_changes_the_chain() {
        let text = b"a line\n".repeat(REGION_LINES * 3);
        let want = split(&text, usize::MAX);
        let mut other = text.clone();
        other[3] = b'!';
        let other = split(&other, usize::MAX);
        assert_eq!(want[0].start.chain, other[0].start.chain);
        assert!(want[1].start.chain != other[1].start.chain && want[2].start.chain != other[2].start.chain);
        assert_ne!(Chain::start("a"), Chain::start("b"));
        assert_eq!(Chain::from_hex(&want[2].start.chain.to_hex()), Some(want[2].start.chain));
        assert_eq!(Chain::from_hex("12"), None);
    }
}
