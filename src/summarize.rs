//! Files of entries to windows in one go, without a server: what `log-analytics summarize` does.
//!
//! In come NDJSON or JSON arrays; out go [`Window`]s counted by the very code of the server ([`batch::summarize`]) with
//! the limits that protect a server lifted. Lines are handed out in chunks of [`CHUNK_BYTES`] to all threads; a JSON
//! array cannot be cut before it is parsed and is held whole. Chunks may be done in any order, because counting is
//! addition; the error told is that of the first bad line.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::batch::{self, BatchError, Format, Limits, Overlong, Summarized};
use crate::input::{Input, read_more};
use crate::model::{CustomerId, Seq, WindowId, WindowSize};
use crate::windows::window::{Window, WindowLimits};

/// Bytes of lines that are summarized at once: large enough that a chunk's few thousand distinct keys are merged for
/// many entries, small enough that all threads have work and stay in cache.
pub const CHUNK_BYTES: usize = 8 << 20;
/// A line longer than this is no entry (its path and agent have limits), and must not make memory grow.
const MAX_LINE_BYTES: usize = 64 << 20;

/// What to count, and on how many threads.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose windows they are called.
    pub customer: CustomerId,
    /// Their size.
    pub size: WindowSize,
    /// Threads that count; 1 does everything on the caller's.
    pub threads: usize,
    /// The clock, for what may not be in the future.
    pub now_ms: u64,
}

/// All inputs, counted.
#[derive(Debug)]
pub struct Counted {
    /// By start.
    pub windows: BTreeMap<WindowId, Window>,
    /// Entries in them.
    pub entries: u64,
}

/// Why there is no result.
#[derive(Debug)]
pub enum Failure {
    /// An input cannot be read.
    Read(io::Error),
    /// A line of an input is no entry.
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

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // The item's index is that within a chunk: the line says it better.
            Self::Line { input, line, error: BatchError::Item { error, .. } } => {
                write!(f, "{input}:{line}: {error}")
            }
            Self::Line { input, line, error: BatchError::NotUtf8 { .. } } => {
                write!(f, "{input}:{line}: not UTF-8")
            }
            Self::Line { input, line, error } => write!(f, "{input}:{line}: {error}"),
            Self::Array { input, error } => write!(f, "{input}: {error}"),
            Self::LongLine { input } => write!(f, "{input}: a line longer than {} MiB", MAX_LINE_BYTES >> 20),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

/// Counts all inputs together. `progress` is raised by every stored byte read.
///
/// # Errors
/// See [`Failure`]; one bad item refuses everything, as it would a batch.
pub fn summarize(inputs: &[Input], options: &Options, progress: &Arc<AtomicU64>) -> Result<Counted, Failure> {
    // One thread is the caller's own; then nothing is spread over the pool either, so that the figure is honest.
    let alone = options.threads == 1;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .thread_name(|number| format!("summarize-{number}"))
        .build()
        .map_err(|error| Failure::Read(io::Error::other(error)))?;
    let limits = Limits {
        max_entries: u32::MAX as usize,
        max_minutes: usize::MAX,
        overlong: Overlong::Refuse,
        parallel_from_bytes: if alone { usize::MAX } else { Limits::default().parallel_from_bytes },
        ..Limits::default()
    };
    let mut merge = Merge { windows: BTreeMap::new(), entries: 0, merged: 0, options };
    for input in inputs {
        let mut reader = input.open(Arc::clone(progress)).map_err(Failure::Read)?;
        let mut start = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        read_more(&mut reader, &mut start, CHUNK_BYTES).map_err(|error| read_failure(input, error))?;
        let work = Work { input, limits: &limits, now_ms: options.now_ms };
        if start.trim_ascii_start().starts_with(b"[") {
            reader.read_to_end(&mut start).map_err(|error| read_failure(input, error))?;
            let done = pool.install(|| batch::summarize(&start, Format::JsonArray, &limits, options.now_ms));
            let error = |error| Failure::Array { input: input.name(), error };
            merge.add(&done.map_err(error)?);
        } else if alone {
            work.lines_alone(&mut reader, start, &mut merge)?;
        } else {
            work.lines(&mut reader, start, &pool, &mut merge)?;
        }
    }
    Ok(Counted { windows: merge.windows, entries: merge.entries })
}

fn read_failure(input: &Input, error: io::Error) -> Failure {
    Failure::Read(io::Error::new(error.kind(), format!("{}: {error}", input.name())))
}

/// Summaries become windows.
struct Merge<'o> {
    windows: BTreeMap<WindowId, Window>,
    entries: u64,
    merged: u64,
    options: &'o Options,
}

const NO_LIMITS: WindowLimits =
    WindowLimits { max_paths: usize::MAX, max_agents: usize::MAX, max_key_bytes: usize::MAX };

impl Merge<'_> {
    fn add(&mut self, done: &Summarized) {
        let Options { customer, size, .. } = self.options;
        self.entries += u64::from(done.summary.entries);
        for (start, counts) in &done.summary.minutes {
            let id = WindowId { size: *size, start: start.floor(*size) };
            let window = self.windows.entry(id).or_insert_with(|| Window::new(customer.clone(), id));
            // There is no journal: what is merged is numbered as it comes.
            self.merged += 1;
            window.merge(Seq(self.merged), &done.summary.keys, counts, &NO_LIMITS);
        }
    }
}

/// A chunk of whole lines and its place among the chunks of its input.
struct Chunk {
    number: usize,
    bytes: Vec<u8>,
}

/// What became of a chunk.
struct Done {
    number: usize,
    /// To be filled again.
    bytes: Vec<u8>,
    lines: u64,
    result: Result<Summarized, (u64, BatchError)>,
}

struct Work<'w> {
    input: &'w Input,
    limits: &'w Limits,
    now_ms: u64,
}

impl Work<'_> {
    /// One after the other on this thread.
    fn lines_alone(
        &self,
        reader: &mut impl Read,
        start: Vec<u8>,
        merge: &mut Merge<'_>,
    ) -> Result<(), Failure> {
        let mut cut = Cutter { input: self.input, rest: start, ended: false };
        let (mut lines, mut spare) = (0, Vec::new());
        while let Some(bytes) = cut.next(reader, spare)? {
            let done = self.chunk(Chunk { number: 0, bytes });
            match &done.result {
                Ok(summarized) => merge.add(summarized),
                Err((line, error)) => return Err(self.failure(lines + line, error.clone())),
            }
            lines += done.lines;
            spare = done.bytes;
        }
        Ok(())
    }

    /// Read and merged here, counted by the pool. As many chunks are under way as the pool has threads, and two.
    fn lines(
        &self,
        reader: &mut impl Read,
        start: Vec<u8>,
        pool: &rayon::ThreadPool,
        merge: &mut Merge<'_>,
    ) -> Result<(), Failure> {
        let places = pool.current_num_threads() + 2;
        let (send, receive): (Sender<Done>, Receiver<Done>) = bounded(places);
        let mut cut = Cutter { input: self.input, rest: start, ended: false };
        // Lines of each chunk that is done, and the first bad line by chunk.
        let (mut lines, mut bad): (Vec<u64>, Option<(usize, u64, BatchError)>) = (Vec::new(), None);
        let read = pool.in_place_scope(|scope| {
            let (mut number, mut under_way) = (0, 0);
            let mut spares: Vec<Vec<u8>> = Vec::new();
            let mut take = |done: Done, spares: &mut Vec<Vec<u8>>| {
                lines.resize(lines.len().max(done.number + 1), 0);
                lines[done.number] = done.lines;
                match done.result {
                    Ok(summarized) => merge.add(&summarized),
                    Err((line, error)) if bad.as_ref().is_none_or(|(other, ..)| done.number < *other) => {
                        bad = Some((done.number, line, error));
                    }
                    Err(_) => {}
                }
                spares.push(done.bytes);
                bad.is_some()
            };
            let mut failed = false;
            let read = loop {
                if failed {
                    break Ok(());
                }
                let bytes = match cut.next(reader, spares.pop().unwrap_or_default()) {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => break Ok(()),
                    Err(failure) => break Err(failure),
                };
                let (chunk, send) = (Chunk { number, bytes }, send.clone());
                scope.spawn(move |_| {
                    // There is a place for every chunk under way.
                    let _ = send.send(self.chunk(chunk));
                });
                number += 1;
                under_way += 1;
                while under_way >= places || !receive.is_empty() {
                    let Ok(done) = receive.recv() else { break };
                    under_way -= 1;
                    failed |= take(done, &mut spares);
                }
            };
            while under_way > 0 {
                let Ok(done) = receive.recv() else { break };
                under_way -= 1;
                take(done, &mut spares);
            }
            read
        });
        match bad {
            // Every chunk before it was begun earlier and is done.
            Some((chunk, line, error)) => Err(self.failure(lines[..chunk].iter().sum::<u64>() + line, error)),
            None => read,
        }
    }

    fn chunk(&self, Chunk { number, bytes }: Chunk) -> Done {
        let lines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let result = match batch::summarize(&bytes, Format::Ndjson, self.limits, self.now_ms) {
            Ok(summarized) => Ok(summarized),
            // Blank lines.
            Err(BatchError::NoEntries) => Ok(Summarized { summary: Default::default(), truncated: 0 }),
            Err(error) => Err((bad_line(&bytes, &error), error)),
        };
        Done { number, bytes, lines, result }
    }

    fn failure(&self, line: u64, error: BatchError) -> Failure {
        Failure::Line { input: self.input.name(), line, error }
    }
}

/// The line of a chunk, counted from 1, that an error is about.
fn bad_line(chunk: &[u8], error: &BatchError) -> u64 {
    match error {
        BatchError::Item { index, .. } => {
            let is_item = |line: &&[u8]| !line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
            let mut lines = (1..).zip(chunk.split(|byte| *byte == b'\n')).filter(|(_, line)| is_item(line));
            lines.nth(*index).map_or(1, |(number, _)| number)
        }
        BatchError::NotUtf8 { offset_bytes } => {
            1 + memchr::memchr_iter(b'\n', &chunk[..(*offset_bytes).min(chunk.len())]).count() as u64
        }
        _ => 1,
    }
}

/// Cuts an input into chunks of whole lines.
struct Cutter<'i> {
    input: &'i Input,
    /// Read, and not yet in a chunk.
    rest: Vec<u8>,
    ended: bool,
}

impl Cutter<'_> {
    /// The next chunk; `None` at the end. `spare` is memory to use for what is left over.
    fn next(&mut self, reader: &mut impl Read, mut spare: Vec<u8>) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if !self.ended && self.rest.len() < CHUNK_BYTES {
                let missing = CHUNK_BYTES - self.rest.len();
                let read = read_more(reader, &mut self.rest, missing);
                self.ended = read.map_err(|error| read_failure(self.input, error))? < missing;
            }
            if self.ended {
                let last = std::mem::take(&mut self.rest);
                return Ok((!last.is_empty()).then_some(last));
            }
            if let Some(end) = memchr::memrchr(b'\n', &self.rest) {
                spare.clear();
                spare.reserve(CHUNK_BYTES);
                spare.extend_from_slice(&self.rest[end + 1..]);
                self.rest.truncate(end + 1);
                return Ok(Some(std::mem::replace(&mut self.rest, spare)));
            }
            if self.rest.len() >= MAX_LINE_BYTES {
                return Err(Failure::LongLine { input: self.input.name() });
            }
            // A line longer than a chunk: on until it ends.
            let more = self.rest.len();
            let read = read_more(reader, &mut self.rest, more);
            self.ended = read.map_err(|error| read_failure(self.input, error))? < more;
        }
    }
}

/// The line printed for a window: its file without `appliedThrough` and `checksum`, which only a server's journal gives
/// a meaning.
pub fn json_line(window: &Window) -> String {
    let mut line = window.encode_counts();
    line.push_str("}\n");
    line
}
