//! A stream of log bytes cut into regions of whole lines, each with the hash of everything before it.
//!
//! In come bytes, in whatever pieces they are read; out go [`Region`]s. Where a region ends follows from the bytes of
//! the stream alone: after [`REGION_LINES`] lines, or before the line that would make it longer than
//! [`MAX_REGION_BYTES`]. How much was read at once, when, and where the file ended at that time changes nothing. Memory
//! is bounded: of a line longer than a region only the beginning is kept.

use std::io::{self, Read};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::input::read_more;

/// Lines of a region: what one batch holds at the most, and below the 5,000 entries that it may.
pub const REGION_LINES: usize = 4_096;
/// Bytes of a region's lines. Usual lines are shorter than a KiB, so that this ends regions of unusual ones only.
pub const MAX_REGION_BYTES: usize = 4 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;

/// A stretch of whole lines.
#[derive(Clone, Debug)]
pub struct Region {
    /// The number of its first line, counted from 1.
    pub first_line: u64,
    /// Stands for all bytes before it, and the name of the source.
    pub chain: Chain,
    /// Its lines; the last one may lack its end where `is_closed` is false.
    pub bytes: Vec<u8>,
    /// Whether it can never have more lines.
    pub is_closed: bool,
}

/// The hash of everything before a region: of the name of the source, then of region after region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(u128);

impl Chain {
    /// Before the first region of a source.
    pub fn start(source: &str) -> Self {
        Self(xxh3_128(format!("log-analytics import 1\n{source}").as_bytes()))
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
}

/// Cuts one stream.
#[derive(Debug)]
pub struct Splitter {
    chain: Chain,
    first_line: u64,
    /// The lines of the region being collected, and what follows.
    buffer: Vec<u8>,
    /// Bytes of whole lines in the buffer.
    lines_end: usize,
    lines: usize,
    /// Bytes looked at for line ends.
    scanned: usize,
}

impl Splitter {
    /// At the start of a source.
    pub fn new(source: &str) -> Self {
        Self {
            chain: Chain::start(source),
            first_line: 1,
            buffer: Vec::new(),
            lines_end: 0,
            lines: 0,
            scanned: 0,
        }
    }

    /// Reads more; 0 is the end of what there is now.
    ///
    /// # Errors
    /// What the input says.
    pub fn read(&mut self, input: &mut impl Read) -> io::Result<usize> {
        read_more(input, &mut self.buffer, READ_BYTES)
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
                if self.lines > 0 {
                    return Some(self.cut(spare()));
                }
                self.buffer.drain(MAX_REGION_BYTES..end - 1);
                end = MAX_REGION_BYTES + 1;
            }
            self.scanned = end;
            self.lines_end = end;
            self.lines += 1;
            if self.lines == REGION_LINES || end > MAX_REGION_BYTES {
                return Some(self.cut(spare()));
            }
        }
        self.scanned = self.buffer.len();
        if self.scanned > MAX_REGION_BYTES {
            if self.lines > 0 {
                return Some(self.cut(spare()));
            }
            // One line longer than a region: its beginning stands for it.
            self.buffer.truncate(MAX_REGION_BYTES);
            self.scanned = MAX_REGION_BYTES;
        }
        None
    }

    fn cut(&mut self, mut rest: Vec<u8>) -> Region {
        rest.clear();
        rest.extend_from_slice(&self.buffer[self.lines_end..]);
        self.buffer.truncate(self.lines_end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let region = Region { first_line: self.first_line, chain: self.chain, bytes, is_closed: true };
        self.chain = self.chain.after(&region.bytes);
        self.first_line += self.lines as u64;
        (self.lines, self.lines_end, self.scanned) = (0, 0, 0);
        region
    }

    /// Whole lines that are not yet a complete region.
    pub fn open_lines(&self) -> usize {
        self.lines
    }

    /// Bytes of a line whose end is not there yet.
    pub fn unfinished_bytes(&self) -> usize {
        self.buffer.len() - self.lines_end
    }

    /// The lines that are not yet a complete region; with the unfinished last one where `with_unfinished` is set.
    pub fn open(&self, with_unfinished: bool) -> Region {
        let end = if with_unfinished { self.buffer.len() } else { self.lines_end };
        Region {
            first_line: self.first_line,
            chain: self.chain,
            bytes: self.buffer[..end].to_vec(),
            is_closed: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All regions and the open rest of `text`, pushed in pieces of `piece` bytes.
    fn split(text: &[u8], piece: usize) -> Vec<Region> {
        let mut splitter = Splitter::new("");
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
        let want = split(&text, usize::MAX);
        assert_eq!(want.iter().flat_map(|region| region.bytes.clone()).collect::<Vec<u8>>(), text);
        for piece in [7_777, 300_000, 5_000_000] {
            let got = split(&text, piece);
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(&want) {
                assert_eq!(
                    (got.first_line, got.chain, got.is_closed),
                    (want.first_line, want.chain, want.is_closed)
                );
                assert!(got.bytes == want.bytes);
            }
        }
        let lines = |region: &Region| memchr::memchr_iter(b'\n', &region.bytes).count();
        assert_eq!(lines(&want[0]), REGION_LINES);
        assert!(
            want.iter().all(|region| region.bytes.len() <= MAX_REGION_BYTES && lines(region) <= REGION_LINES)
        );
        let mut first = 1;
        for region in &want {
            assert_eq!(region.first_line, first);
            first += lines(region) as u64;
        }
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
            assert_eq!(regions[1].chain, split(&text, usize::MAX)[1].chain);
            assert_eq!(regions[2].chain, split(&text, usize::MAX)[2].chain);
            assert_eq!(regions[2].bytes, b"after\n");
            assert_eq!((regions[1].first_line, regions[2].first_line), (2, 3));
        }
    }

    #[test]
    fn a_change_anywhere_before_changes_the_chain() {
        let text = b"a line\n".repeat(REGION_LINES * 3);
        let want = split(&text, usize::MAX);
        let mut other = text.clone();
        other[3] = b'!';
        let other = split(&other, usize::MAX);
        assert_eq!(want[0].chain, other[0].chain);
        assert!(want[1].chain != other[1].chain && want[2].chain != other[2].chain);
        assert_ne!(Chain::start("a"), Chain::start("b"));
    }
}
