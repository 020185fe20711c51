//! Files of entries and access logs to windows in one go, without a server: what `log-analytics summarize` does.
//!
//! In come NDJSON, JSON arrays or log lines; out go [`Window`]s counted by the very code of the server
//! ([`batch::summarize`]) with the limits that protect a server lifted. Each thread takes a chunk of [`CHUNK_BYTES`] of
//! lines, counts it into a counter of its own, and takes the next; at the end the counters are added up. A JSON array
//! cannot be cut before it is parsed and is held whole. Chunks may be done in any order, because counting is addition;
//! the error told is that of the first bad line. Log lines that are not entries are skipped.

mod chunks;
mod lines;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use chunks::{Chunk, Chunks, MAX_HELD_LINE_BYTES};
use lines::LogInput;
use rayon::prelude::*;

pub use chunks::CHUNK_BYTES;

use crate::base::sync::{self, lock};
use crate::batch::path_rules::PathRules;
use crate::batch::{self, BatchError, Counter, Filter, Finder, Format, ItemPlace, Limits, Summarized};
use crate::entry::{ReaderOptions, SkipTally};
use crate::input::{Input, read_more};
use crate::model::{CustomerId, Seq, Summary, WindowId, WindowSize};
use crate::windows::fold::WindowLimits;
use crate::windows::json::{Form, push_window};
use crate::windows::view::{Wanted, WindowView};
use crate::windows::window::Window;

/// What to count, and on how many threads.
#[derive(Clone, Debug)]
pub struct SummarizeOptions {
    /// The customer that the windows name.
    pub customer: CustomerId,
    pub size: WindowSize,
    /// The rules that paths count by; `None` for no rules.
    pub path_rules: Option<Arc<PathRules>>,
    /// Threads that count.
    pub threads: usize,
    /// The time now: an entry may not be in the future.
    pub now_ms: u64,
    /// Which entries are counted; `None` for all.
    pub filter: Option<Filter>,
    /// How log lines are read.
    pub reader: ReaderOptions,
}

/// All inputs, counted.
#[derive(Debug)]
pub struct Counted {
    /// The threads that counted, for whatever is left to do.
    pool: Arc<rayon::ThreadPool>,
    customer: CustomerId,
    size: WindowSize,
    /// Summaries that were too large to be kept apart, by start.
    windows: BTreeMap<WindowId, Window>,
    /// The last summary, which need not become windows if it is the only one.
    rest: Summary,
    /// How many summaries became windows.
    merged: u64,
    /// Log lines that are not entries, by input.
    skipped: Vec<(String, SkipTally)>,
}

impl Counted {
    /// Log lines that are not entries, by input.
    pub fn skipped(&self) -> &[(String, SkipTally)] {
        &self.skipped
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.rest.entries == 0
    }

    /// The windows, by start.
    pub fn windows(mut self) -> Vec<Window> {
        self.merge_rest(Summary::default());
        self.windows.into_values().collect()
    }

    /// Gives the line of each window to `write`, by start: its file without `appliedThrough` and `checksum`, which only a
    /// server's journal gives a meaning.
    pub fn write_lines(mut self, write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.windows.is_empty() {
            // The keys of a summary are sorted already.
            let windows = batch::windows(&self.rest, self.size);
            return self.write_each(&windows, write, |(start, counts)| {
                let id = WindowId { size: self.size, start: *start };
                self.line(&WindowView::of_counts(id, &self.rest.keys, counts))
            });
        }
        self.merge_rest(Summary::default());
        let windows: Vec<&Window> = self.windows.values().collect();
        self.write_each(&windows, write, |window| self.line(&WindowView::of(window, &Wanted::ALL)))
    }

    /// Writes the lines of windows in their order. All threads make lines, a few for each thread before they are written.
    fn write_each<W: Sync>(
        &self,
        windows: &[W],
        mut write: impl FnMut(&[u8]) -> io::Result<()>,
        line: impl Fn(&W) -> String + Sync,
    ) -> io::Result<()> {
        for few in windows.chunks(4 * self.pool.current_num_threads()) {
            let lines: Vec<String> = self.pool.install(|| few.par_iter().map(&line).collect());
            lines.iter().try_for_each(|line| write(line.as_bytes()))?;
        }
        Ok(())
    }

    fn line(&self, view: &WindowView<'_>) -> String {
        let mut line = String::with_capacity(4_096);
        push_window(&mut line, &self.customer, view, Form::File);
        line.push_str("}\n");
        line
    }

    /// Adds the last summary to the windows, and keeps `next` in its place.
    fn merge_rest(&mut self, next: Summary) {
        let summary = std::mem::replace(&mut self.rest, next);
        for (start, counts) in batch::windows(&summary, self.size) {
            let id = WindowId { size: self.size, start };
            let window = self.windows.entry(id).or_insert_with(|| Window::new(self.customer.clone(), id));
            // There is no journal: summaries are numbered in the order of merging.
            self.merged += 1;
            window.merge(Seq(self.merged), &summary.keys, &counts, &WindowLimits::NONE);
        }
    }

    fn add(&mut self, Summarized { summary, .. }: Summarized) {
        if summary.entries > 0 {
            self.merge_rest(summary);
        }
    }
}

/// Why there is no result.
#[derive(Debug)]
pub enum SummaryFailure {
    /// An input cannot be read.
    Read(io::Error),
    /// A line is not an entry.
    Line {
        /// Which input.
        input: String,
        /// Its line, counted from 1.
        line: u64,
        /// What is wrong.
        error: BatchError,
    },
    /// A JSON array holds something bad; the error says which item.
    Array {
        /// Which input.
        input: String,
        /// What is wrong.
        error: BatchError,
    },
    /// An input has a line too long to be held.
    LongLine {
        /// Which input.
        input: String,
    },
}

impl std::fmt::Display for SummaryFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // The line of the item is counted within its chunk.
            Self::Line { input, line, error: BatchError::Item { error, .. } } => {
                write!(f, "{input}:{line}: {error}")
            }
            Self::Line { input, line, error } => write!(f, "{input}:{line}: {error}"),
            Self::Array { input, error } => write!(f, "{input}: {error}"),
            Self::LongLine { input } => {
                write!(f, "{input}: a line longer than {} MiB", MAX_HELD_LINE_BYTES >> 20)
            }
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SummaryFailure {}

/// Counts all inputs together. `progress` is raised by every stored byte read.
///
/// # Errors
/// See [`SummaryFailure`]; one bad item refuses everything, as it would a batch.
pub fn summarize(
    inputs: &[Input],
    options: &SummarizeOptions,
    progress: &Arc<AtomicU64>,
) -> Result<Counted, SummaryFailure> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .thread_name(|number| format!("summarize-{number}"))
        .build()
        .map_err(|error| SummaryFailure::Read(io::Error::other(error)))?;
    let pool = Arc::new(pool);
    let limits = Limits {
        max_entries: u32::MAX as usize,
        max_minutes: usize::MAX,
        path_rules: options.path_rules.clone(),
        keep_query: options.reader.keep_query,
        ..Limits::default()
    };
    let SummarizeOptions { customer, size, .. } = options.clone();
    let (windows, rest) = (BTreeMap::new(), Summary::default());
    let counted =
        Counted { pool: Arc::clone(&pool), customer, size, windows, rest, merged: 0, skipped: Vec::new() };
    let counted = Mutex::new(counted);
    let mut counters: Vec<Counter> = Vec::new();
    for input in inputs {
        let mut reader = input.open(Arc::clone(progress)).map_err(SummaryFailure::Read)?;
        let mut start = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        read_more(&mut reader, &mut start, CHUNK_BYTES).map_err(|error| read_failure(input, error))?;
        if lines::is_log(&start, &options.reader) {
            let log = LogInput { input, options, limits: &limits, progress, counted: &counted };
            pool.install(|| log.count(reader, start))?;
            continue;
        }
        if start.trim_ascii_start().starts_with(b"[") {
            reader.read_to_end(&mut start).map_err(|error| read_failure(input, error))?;
            let done = pool.install(|| array(&start, &limits, options));
            let error = |error| SummaryFailure::Array { input: input.name(), error };
            lock(&counted).add(done.map_err(error)?);
            continue;
        }
        counters.resize_with(options.threads, || Counter::new(&limits, options.now_ms, CHUNK_BYTES));
        let chunks = Chunks::new(input, reader, start, progress);
        let lines = Lines { chunks, counted: &counted, limits: &limits, filter: options.filter.as_ref() };
        let mut ends: Vec<End> = counters.iter().map(|_| End::default()).collect();
        pool.scope(|scope| {
            for (counter, end) in counters.iter_mut().zip(&mut ends) {
                scope.spawn(|_| *end = lines.count(counter));
            }
        });
        first_failure(input, ends)?;
    }
    let mut counters = counters.into_iter();
    let mut counted = sync::into_inner(counted);
    if let Some(mut first) = counters.next() {
        for mut other in counters.filter_map(|counter| first.merge(counter)) {
            counted.add(pool.install(|| other.take()));
        }
        counted.add(pool.install(|| first.take()));
    }
    Ok(counted)
}

/// Counts a body that is one array.
fn array(body: &[u8], limits: &Limits, options: &SummarizeOptions) -> Result<Summarized, BatchError> {
    let Some(filter) = &options.filter else {
        return batch::summarize(body, Format::JsonArray, limits, options.now_ms);
    };
    let mut counter = Counter::new(limits, options.now_ms, CHUNK_BYTES);
    counter.add_where(body, Format::JsonArray, &mut Finder::new(Some(filter), limits))?;
    Ok(counter.take())
}

fn read_failure(input: &Input, error: io::Error) -> SummaryFailure {
    SummaryFailure::Read(io::Error::new(error.kind(), format!("{}: {error}", input.name())))
}

/// The lines of one input, for all threads to take from.
struct Lines<'l, 'i> {
    chunks: Chunks<'i>,
    /// Receives the summary of a counter that has become too large.
    counted: &'l Mutex<Counted>,
    limits: &'l Limits,
    filter: Option<&'l Filter>,
}

/// How one thread's counting ended.
#[derive(Default)]
struct End {
    /// The chunks it counted, and how many line ends each has.
    chunks: Vec<(u64, u64)>,
    /// The chunk it stopped at, and what is wrong with it.
    bad: Option<(u64, BatchError)>,
    /// The input could not be read on.
    failure: Option<SummaryFailure>,
}

impl Lines<'_, '_> {
    /// Takes and counts chunks until there are none, or one is bad.
    fn count(&self, counter: &mut Counter) -> End {
        let mut end = End::default();
        let mut chunk = Chunk::default();
        let mut finder = self.filter.map(|filter| Finder::new(Some(filter), self.limits));
        loop {
            let number = match self.chunks.next(&mut chunk) {
                Ok(Some(number)) => number,
                Ok(None) => return end,
                Err(failure) => {
                    end.failure = Some(failure);
                    return end;
                }
            };
            let added = match &mut finder {
                None => counter.add_lines(chunk.lines()),
                Some(finder) => counter.add_where(chunk.lines(), Format::Ndjson, finder),
            };
            match added {
                Ok(line_ends) => end.chunks.push((number, line_ends)),
                Err(error) => {
                    end.bad = Some((number, error));
                    // The chunks behind it are not needed.
                    self.chunks.stop();
                    return end;
                }
            }
            if counter.is_large() {
                lock(self.counted).add(counter.take());
            }
        }
    }
}

/// The first failure in the order of the input. Every chunk before a bad one was taken earlier, and is counted by
/// now.
fn first_failure(input: &Input, ends: Vec<End>) -> Result<(), SummaryFailure> {
    let (mut chunks, mut failure) = (Vec::new(), None);
    let mut first: Option<(u64, BatchError)> = None;
    for end in ends {
        chunks.extend(end.chunks);
        failure = failure.or(end.failure);
        first = match (first, end.bad) {
            (Some(first), Some(bad)) => Some(if bad.0 < first.0 { bad } else { first }),
            (first, bad) => first.or(bad),
        };
    }
    match first {
        Some((bad, error)) => {
            let line = match error {
                BatchError::Item { at: ItemPlace::Line(line), .. } => line,
                _ => 1,
            };
            let before: u64 = chunks.iter().filter(|(number, _)| *number < bad).map(|(_, lines)| lines).sum();
            Err(SummaryFailure::Line { input: input.name(), line: before + line, error })
        }
        None => failure.map_or(Ok(()), Err),
    }
}
