//! Log files, counted by the reader that the server has.
//!
//! Input: an input that is neither a JSON array nor NDJSON of entries. Output: its entries counted, and its skipped
//! lines. All threads count a plain file, chunk by chunk, as long as no line changes how later lines are read.
//! Otherwise, and for an input that can only be read in order, one thread counts. Never: another result because of
//! that.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, atomic::Ordering};

use super::chunks::{CHUNK_BYTES, Chunk, Chunks};
use super::{Counted, SummarizeOptions, SummaryFailure, lock};
use crate::batch::{BatchError, Counter, Limits};
use crate::entry::{Reader, ReaderOptions, SkipTally};
use crate::input::{Input, Opened};

/// Whether a text that begins so is a log, and not a JSON array of entries or entries a line.
pub(super) fn is_log(start: &[u8], options: &ReaderOptions) -> bool {
    if !options.format.is_auto() {
        return true;
    }
    let text = start.trim_ascii_start();
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match text.first() {
        Some(b'[') => !matches!(text[1..].trim_ascii_start().first(), None | Some(b'{' | b']')),
        Some(b'{') => memchr::memmem::find(first_line, b"\"receivedAt\"").is_none(),
        // The error for an empty file, or for one that is neither, is that of NDJSON.
        first => first.is_some(),
    }
}

pub(super) struct LogInput<'l> {
    pub(super) input: &'l Input,
    pub(super) options: &'l SummarizeOptions,
    pub(super) limits: &'l Limits,
    pub(super) progress: &'l Arc<AtomicU64>,
    pub(super) counted: &'l Mutex<Counted>,
}

/// The counts of one thread, or of all threads.
#[derive(Default)]
struct LogPart {
    counters: Vec<Counter>,
    /// By chunk: its number, its lines, and those that were skipped.
    chunks: Vec<(u64, u64, SkipTally)>,
}

impl LogInput<'_> {
    pub(super) fn count(&self, opened: Opened, start: Vec<u8>) -> Result<(), SummaryFailure> {
        let is_plain = opened.plain_file().is_some_and(|(_, bytes)| bytes > CHUNK_BYTES as u64);
        let part = if is_plain && self.options.threads > 1 && !Reader::may_carry(&start) {
            let seen = self.progress.load(Ordering::Relaxed);
            let chunks = Chunks::new(self.input, opened, start, self.progress);
            match self.by_all_threads(&chunks)? {
                Some(part) => part,
                None => {
                    self.progress.store(seen, Ordering::Relaxed);
                    let again = self.input.open(Arc::default()).map_err(SummaryFailure::Read)?;
                    self.in_order(&Chunks::new(self.input, again, Vec::new(), self.progress))?
                }
            }
        } else {
            self.in_order(&Chunks::new(self.input, opened, start, self.progress))?
        };
        self.take(part);
        Ok(())
    }

    fn counter(&self) -> Counter {
        Counter::new(self.limits, self.options.now_ms, CHUNK_BYTES).choosing(self.options.filter.as_ref())
    }

    fn refused(&self, error: BatchError) -> SummaryFailure {
        SummaryFailure::Array { input: self.input.name(), error }
    }

    /// One thread, one reader, the chunks one after the other.
    fn in_order(&self, chunks: &Chunks<'_>) -> Result<LogPart, SummaryFailure> {
        let mut reader = Reader::new(self.options.reader.clone());
        let (mut part, mut counter, mut chunk) = (LogPart::default(), self.counter(), Chunk::default());
        loop {
            let number = chunks.next(&mut chunk)?;
            let mut skips = SkipTally::default();
            let lines = if number.is_some() { chunk.lines() } else { &[] };
            let count = counter
                .add_log_lines(lines, &mut reader, &mut skips, number.is_none())
                .map_err(|error| self.refused(error))?;
            part.chunks.push((number.unwrap_or(u64::MAX), count, skips));
            if number.is_none() {
                part.counters.push(counter);
                return Ok(part);
            }
            if counter.is_large() {
                lock(self.counted).add(counter.take());
            }
        }
    }

    /// All threads, each chunk by a reader of its own. `None` if a line changes how later lines are read.
    fn by_all_threads(&self, chunks: &Chunks<'_>) -> Result<Option<LogPart>, SummaryFailure> {
        let mut ends: Vec<Option<Result<Option<LogPart>, SummaryFailure>>> =
            std::iter::repeat_with(|| None).take(self.options.threads).collect();
        rayon::scope(|scope| {
            for end in &mut ends {
                scope.spawn(|_| *end = Some(self.some_chunks(chunks)));
            }
        });
        let mut all = LogPart::default();
        for end in ends.into_iter().flatten() {
            let Some(part) = end? else { return Ok(None) };
            all.counters.extend(part.counters);
            all.chunks.extend(part.chunks);
        }
        all.chunks.sort_by_key(|(number, ..)| *number);
        Ok(Some(all))
    }

    fn some_chunks(&self, chunks: &Chunks<'_>) -> Result<Option<LogPart>, SummaryFailure> {
        let fresh = Reader::new(self.options.reader.clone());
        let (mut reader, mut part) = (fresh.clone(), LogPart::default());
        let (mut counter, mut chunk) = (self.counter(), Chunk::default());
        while let Some(number) = chunks.next(&mut chunk)? {
            let mut skips = SkipTally::default();
            let count = counter
                .add_log_lines(chunk.lines(), &mut reader, &mut skips, false)
                .map_err(|error| self.refused(error))?;
            part.chunks.push((number, count, skips));
            if Reader::may_carry(chunk.lines()) && !reader.state().is_empty() {
                chunks.stop();
                return Ok(None);
            }
            if counter.is_large() {
                part.counters.push(std::mem::replace(&mut counter, self.counter()));
            }
        }
        part.counters.push(counter);
        Ok(Some(part))
    }

    /// Adds everything to what was counted of other inputs.
    fn take(&self, part: LogPart) {
        let (mut skipped, mut lines) = (SkipTally::default(), 0);
        for (_, count, skips) in part.chunks {
            skipped.merge_behind(lines, skips);
            lines += count;
        }
        let mut counted = lock(self.counted);
        let mut counters = part.counters.into_iter();
        if let Some(mut first) = counters.next() {
            for mut other in counters.filter_map(|counter| first.merge(counter)) {
                counted.add(other.take());
            }
            counted.add(first.take());
        }
        counted.skipped.push((self.input.name(), skipped));
    }
}
