//! An input in chunks of whole lines, for many threads to take from.
//!
//! A plain file is read by the threads that count: each takes the next stretch of [`CHUNK_BYTES`] and reads the lines
//! whose predecessor ends in it, and none waits for another. Anything else (a pipe, a compressed file) has one place to
//! read from, and one thread at a time there. Either way every line is in one chunk, and chunks are numbered in the order
//! of their lines.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::{SummaryFailure, lock, read_failure};
use crate::input::{Input, Opened, read_more};

/// Bytes of lines that a thread reads and counts at once: few enough to stay in the core's own cache.
pub const CHUNK_BYTES: usize = 512 << 10;
/// A longer line is not an entry (paths and agents have limits), and must not make memory grow.
pub(super) const MAX_HELD_LINE_BYTES: usize = 64 << 20;
/// Bytes that are read behind a stretch of a file at once; its last line nearly always ends there.
const SPARE_BYTES: usize = 4 << 10;
/// Where a stretch begins in memory. Processors of AMD copy at a fifth of their speed to an address that lies 1 to 31 bytes
/// further in its page than the source in its own (measured: 2.6 and 13.5 GB/s). Stretches begin with a page of the
/// file, and memory may begin 16 bytes behind the start of one, where allocators keep a header there.
const ALIGNMENT: usize = 64;

/// Memory for a chunk, used again and again.
#[derive(Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    /// Where its lines are.
    lines: Range<usize>,
}

impl Chunk {
    pub(super) fn lines(&self) -> &[u8] {
        &self.bytes[self.lines.clone()]
    }
}

pub(super) struct Chunks<'i> {
    input: &'i Input,
    stopped: AtomicBool,
    source: Source,
}

enum Source {
    File(FileStretches),
    Stream(Mutex<StreamInput>),
}

impl<'i> Chunks<'i> {
    /// The chunks of an input. `start` was read already, to see what the input is: [`CHUNK_BYTES`] or all of it.
    pub(super) fn new(input: &'i Input, opened: Opened, start: Vec<u8>, progress: &Arc<AtomicU64>) -> Self {
        let source = match opened.plain_file() {
            // A file of one chunk is read already, and some files that claim to be empty (in /proc) are not.
            Some((file, bytes)) if bytes > CHUNK_BYTES as u64 => {
                let (taken, progress) = (AtomicU64::new(0), Arc::clone(progress));
                Source::File(FileStretches { file, bytes, taken, progress })
            }
            _ => Source::Stream(Mutex::new(StreamInput::new(opened, start))),
        };
        Self { input, stopped: AtomicBool::new(false), source }
    }

    /// Reads the next chunk into `chunk`, and returns its number; `None` at the end.
    ///
    /// # Errors
    /// The input cannot be read, or has a line of more than [`MAX_HELD_LINE_BYTES`].
    pub(super) fn next(&self, chunk: &mut Chunk) -> Result<Option<u64>, SummaryFailure> {
        if self.stopped.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match &self.source {
            Source::File(stretches) => stretches.next(self.input, chunk),
            Source::Stream(stream) => lock(stream).next(self.input, chunk),
        }
    }

    /// Makes [`next`](Self::next) return `None` from now on.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// A plain file, to be read anywhere.
struct FileStretches {
    file: Arc<File>,
    /// The length of the file when it was opened.
    bytes: u64,
    /// Stretches handed out so far.
    taken: AtomicU64,
    progress: Arc<AtomicU64>,
}

impl FileStretches {
    fn next(&self, input: &Input, chunk: &mut Chunk) -> Result<Option<u64>, SummaryFailure> {
        loop {
            let number = self.taken.fetch_add(1, Ordering::Relaxed);
            let Some(begin) = number.checked_mul(CHUNK_BYTES as u64).filter(|begin| *begin < self.bytes)
            else {
                return Ok(None);
            };
            let end = (begin + CHUNK_BYTES as u64).min(self.bytes);
            if number > 0 {
                // The first bytes were counted when they were read to look at them.
                self.progress.fetch_add(end - begin, Ordering::Relaxed);
            }
            let within = (end - begin) as usize;
            let mut held = Held::new(&mut chunk.bytes, begin);
            self.read(input, &mut held, within + SPARE_BYTES)?;
            let start = match number {
                0 => Some(0),
                _ => memchr::memchr(b'\n', &held.text()[..within]).map(|line_end| line_end + 1),
            };
            let Some(start) = start else { continue };
            let mut searched = within;
            let stop = loop {
                if let Some(rest) = memchr::memchr(b'\n', &held.text()[searched..]) {
                    break searched + rest + 1;
                }
                if begin + held.len as u64 == self.bytes {
                    break held.len;
                }
                if held.len - within > MAX_HELD_LINE_BYTES {
                    return Err(SummaryFailure::LongLine { input: input.name() });
                }
                searched = held.len;
                self.read(input, &mut held, 2 * searched)?;
            };
            chunk.lines = held.first + start..held.first + stop;
            return Ok(Some(number));
        }
    }

    /// Reads on until this many bytes are held, or to the end of the file.
    fn read(&self, input: &Input, held: &mut Held<'_>, wanted: usize) -> Result<(), SummaryFailure> {
        let wanted = usize::try_from(self.bytes - held.begin).map_or(wanted, |rest| wanted.min(rest));
        let (from, to) = (held.first + held.len, held.first + wanted);
        if held.bytes.len() < to {
            held.bytes.resize(to, 0);
        }
        match self.file.read_exact_at(&mut held.bytes[from..to], held.begin + held.len as u64) {
            Ok(()) => {
                held.len = wanted;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(read_failure(input, io::Error::new(error.kind(), "became shorter while it was read")))
            }
            Err(error) => Err(read_failure(input, error)),
        }
    }
}

/// The part of a file that was read into memory.
struct Held<'c> {
    bytes: &'c mut Vec<u8>,
    /// Where in the memory the part begins.
    first: usize,
    /// Where in the file it begins.
    begin: u64,
    len: usize,
}

impl<'c> Held<'c> {
    fn new(bytes: &'c mut Vec<u8>, begin: u64) -> Self {
        if bytes.is_empty() {
            bytes.resize(ALIGNMENT + CHUNK_BYTES + SPARE_BYTES, 0);
        }
        let first = bytes.as_ptr().align_offset(ALIGNMENT);
        Self { bytes, first, begin, len: 0 }
    }

    fn text(&self) -> &[u8] {
        &self.bytes[self.first..self.first + self.len]
    }
}

/// An input that can only be read from its start to its end.
struct StreamInput {
    reader: Opened,
    /// Bytes that were read and are not yet in a chunk.
    rest: Vec<u8>,
    ended: bool,
    /// Chunks handed out so far.
    taken: u64,
}

impl StreamInput {
    fn new(reader: Opened, start: Vec<u8>) -> Self {
        Self { reader, rest: start, ended: false, taken: 0 }
    }

    fn next(&mut self, input: &Input, chunk: &mut Chunk) -> Result<Option<u64>, SummaryFailure> {
        loop {
            if !self.ended && self.rest.len() < CHUNK_BYTES {
                self.read(input, CHUNK_BYTES - self.rest.len())?;
            }
            let lines = if self.ended {
                Some(self.rest.len())
            } else {
                memchr::memrchr(b'\n', &self.rest).map(|end| end + 1)
            };
            if let Some(lines) = lines {
                chunk.bytes.clear();
                chunk.bytes.extend_from_slice(&self.rest[lines..]);
                self.rest.truncate(lines);
                std::mem::swap(&mut chunk.bytes, &mut self.rest);
                chunk.lines = 0..lines;
                self.taken += 1;
                return Ok((lines > 0).then_some(self.taken - 1));
            }
            if self.rest.len() >= MAX_HELD_LINE_BYTES {
                return Err(SummaryFailure::LongLine { input: input.name() });
            }
            // A line longer than a chunk: read until it ends.
            self.read(input, self.rest.len())?;
        }
    }

    fn read(&mut self, input: &Input, bytes: usize) -> Result<(), SummaryFailure> {
        self.rest.reserve(bytes);
        let read = read_more(&mut self.reader, &mut self.rest, bytes);
        self.ended = read.map_err(|error| read_failure(input, error))? < bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// The lines of all chunks, which two threads' worth of memory takes turns to hold, in their order.
    fn all(input: &Input, as_stream: bool) -> Result<Vec<Vec<u8>>, SummaryFailure> {
        let progress = Arc::new(AtomicU64::new(0));
        let mut opened = input.open(Arc::clone(&progress)).unwrap();
        let mut start = Vec::new();
        read_more(&mut opened, &mut start, CHUNK_BYTES).unwrap();
        let chunks = if as_stream {
            let source = Source::Stream(Mutex::new(StreamInput::new(opened, start)));
            Chunks { input, stopped: AtomicBool::new(false), source }
        } else {
            Chunks::new(input, opened, start, &progress)
        };
        let (mut memory, mut all) = ([Chunk::default(), Chunk::default()], Vec::new());
        while let Some(number) = chunks.next(&mut memory[all.len() % 2])? {
            all.push((number, memory[all.len() % 2].lines().to_vec()));
        }
        assert!(all.is_sorted_by_key(|(number, _)| *number));
        assert_eq!(Some(progress.load(Ordering::Relaxed)), input.stored_bytes());
        Ok(all.into_iter().map(|(_, lines)| lines).collect())
    }

    fn file_of(text: &[u8]) -> (tempfile::NamedTempFile, Input) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        let input = Input::from_arg(file.path());
        (file, input)
    }

    /// Every chunk is of whole lines, and together they are the text.
    fn check(text: &[u8]) {
        let (_file, input) = file_of(text);
        for as_stream in [false, true] {
            let chunks = all(&input, as_stream).unwrap();
            assert!(chunks.concat() == text, "of {} bytes, as stream: {as_stream}", text.len());
            let whole = |chunk: &&Vec<u8>| chunk.ends_with(b"\n");
            assert!(chunks.iter().rev().skip(1).all(|chunk| whole(&chunk)));
        }
    }

    #[test]
    fn a_line_belongs_to_one_chunk_wherever_it_ends() {
        for ends in CHUNK_BYTES - 2..=CHUNK_BYTES + 2 {
            // Its line end is byte `ends`; then an empty line, and one that ends the text without a line end.
            let mut text = vec![b'x'; ends];
            text.extend_from_slice(b"\n\nlast");
            check(&text);
            check(&[&text[..], &vec![b'y'; CHUNK_BYTES], b"\n"].concat());
            check(&text[..ends + 1]);
            check(&text[..ends]);
        }
    }

    #[test]
    fn lines_of_any_length_come_whole_and_once() {
        let seed = 20_251_228;
        println!("seed {seed}");
        // Knuth's MMIX generator.
        let mut state: u64 = seed;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        for _ in 0..8 {
            let mut text = Vec::new();
            while text.len() < 5 * CHUNK_BYTES {
                let longest = [2, 200, 5_000, 2 * CHUNK_BYTES][below(4)];
                let bytes = below(longest);
                text.resize(text.len() + bytes, b'x');
                text.push(b'\n');
            }
            check(&text);
        }
    }

    #[test]
    fn a_line_too_long_is_refused_and_a_file_cut_short_is_told() {
        let (file, input) = file_of(b"short\n");
        file.as_file().set_len(3 * MAX_HELD_LINE_BYTES as u64).unwrap();
        for as_stream in [false, true] {
            assert!(matches!(all(&input, as_stream), Err(SummaryFailure::LongLine { .. })));
        }
        let opened = input.open(Arc::default()).unwrap();
        let chunks = Chunks::new(&input, opened, Vec::new(), &Arc::default());
        file.as_file().set_len(1).unwrap();
        let failure = chunks.next(&mut Chunk::default()).unwrap_err();
        assert!(failure.to_string().ends_with("became shorter while it was read"), "{failure}");
    }
}
