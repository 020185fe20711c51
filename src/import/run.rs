//! One import: the thread that reads, the threads that read lines and send, and what they find, added up.
//!
//! In come inputs and options; out come [`Totals`]. Each sending thread has a connection and takes one region after the
//! other; it turns lines into entries itself, so that all cores do. The reader runs ahead by as many regions as there
//! are threads, no further: memory is bounded whatever the files are.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender as Channel, bounded};

use super::line::{Bad, LineReader};
use super::region::{Region, Splitter};
use super::send::{Delivery, Sender, Undelivered};
use super::walk::{Entries, Walked, walk};
use crate::base::clock;
use crate::base::sync::lock;
use crate::input::{Coding, Input};

/// How to import.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to.
    pub delivery: Arc<Delivery>,
    /// Tells files apart that begin with the same bytes.
    pub source: String,
    /// Query strings are part of paths.
    pub keep_query: bool,
    /// The first bad line ends the import.
    pub strict: bool,
    /// Connections, each with a thread.
    pub connections: usize,
}

/// What an import found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines read.
    pub lines: u64,
    /// Entries counted now.
    pub counted: u64,
    /// Entries that had been counted before.
    pub already: u64,
    /// Lines that are no entries.
    pub bad: u64,
    /// Paths and agents cut to the server's limits.
    pub cut: u64,
    /// Entries that were not sent, because their keys belong to other batches.
    pub conflicts: u64,
}

/// A line that is no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The name of the input.
    pub input: String,
    /// Counted from 1.
    pub line: u64,
    /// Why.
    pub why: Bad,
    /// Its beginning, as it is.
    pub text: String,
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}: {}", self.input, self.line, self.why, crate::report::printable(&self.text))
    }
}

/// Characters of a bad line that are shown.
const SHOWN_CHARS: usize = 120;

/// Why an import ended early. What was counted until then stays counted; the next import goes on from there.
#[derive(Debug)]
pub enum Failure {
    /// An input cannot be read.
    Read(io::Error),
    /// `strict`, and there was a bad line.
    Strict(BadLine),
    /// The server refuses an entry, or everything, or is gone.
    Undelivered {
        /// Where the batch begins: input and line.
        at: String,
        /// What happened.
        why: Undelivered,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Strict(line) => line.fmt(f),
            Self::Undelivered { at, why } => write!(f, "{at}: {why}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What all threads of an import share.
pub struct Import {
    pub(super) options: Options,
    /// Stored bytes read so far.
    pub progress: Arc<AtomicU64>,
    /// Set to end the import; what is on its way is given up.
    pub stop: Arc<AtomicBool>,
    totals: Mutex<Totals>,
    failure: Mutex<Option<Failure>>,
    /// Is told of every bad line and every conflict, with how many there were before.
    tell: Tell,
}

/// What is called with a line to show and how many there were before.
type Tell = Box<dyn Fn(&str, u64) + Send + Sync>;

/// A region and whose it is.
pub(super) struct Task {
    pub(super) input: Arc<str>,
    pub(super) region: Region,
}

impl Import {
    /// An import that tells of bad lines and conflicts by `tell`.
    pub fn new(options: Options, tell: impl Fn(&str, u64) + Send + Sync + 'static) -> Self {
        Self {
            options,
            progress: Arc::default(),
            stop: Arc::default(),
            totals: Mutex::default(),
            failure: Mutex::default(),
            tell: Box::new(tell),
        }
    }

    /// Imports all inputs to their end.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn run(&self, inputs: &[Input]) -> Result<Totals, Failure> {
        self.with_workers(|work, spares| {
            for input in inputs {
                self.read_to_end(input, work, spares)?;
            }
            Ok(())
        })
    }

    /// Runs `read` here, with threads that take what it sends; what they made of it all.
    pub(super) fn with_workers(
        &self,
        read: impl FnOnce(&Channel<Task>, &Receiver<Vec<u8>>) -> Result<(), Failure>,
    ) -> Result<Totals, Failure> {
        let connections = self.options.connections.max(1);
        let (work, tasks) = bounded::<Task>(connections);
        // Memory goes round: what is left over is freed.
        let (give_back, spares) = bounded::<Vec<u8>>(connections);
        std::thread::scope(|scope| {
            for number in 0..connections {
                let (tasks, give_back) = (tasks.clone(), give_back.clone());
                let thread = std::thread::Builder::new().name(format!("import-{number}"));
                let worker = move || Worker::new(self).run(&tasks, &give_back);
                if let Err(error) = thread.spawn_scoped(scope, worker) {
                    self.fail(Failure::Read(error));
                }
            }
            drop((tasks, give_back));
            if let Err(failure) = read(&work, &spares) {
                self.fail(failure);
            }
            // The workers end when they have taken everything.
            drop(work);
        });
        match lock(&self.failure).take() {
            Some(failure) => Err(failure),
            None => Ok(self.totals()),
        }
    }

    /// What was done so far.
    pub fn totals(&self) -> Totals {
        lock(&self.totals).clone()
    }

    /// Whether there is any use in going on.
    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Remembers the first failure and ends everything.
    pub(super) fn fail(&self, failure: Failure) {
        let mut first = lock(&self.failure);
        // That others were stopped follows from the first.
        if first.is_none() {
            *first = Some(failure);
        }
        self.stop.store(true, Ordering::Relaxed);
    }

    fn read_to_end(
        &self,
        input: &Input,
        work: &Channel<Task>,
        spares: &Receiver<Vec<u8>>,
    ) -> Result<(), Failure> {
        let name: Arc<str> = input.name().into();
        let named =
            |error: io::Error| Failure::Read(io::Error::new(error.kind(), format!("{name}: {error}")));
        let mut reader = input.open(Arc::clone(&self.progress)).map_err(Failure::Read)?;
        let mut splitter = Splitter::new(&self.options.source);
        let plain_file = match input {
            Input::File(path) if reader.coding == Coding::Plain => Some(path),
            _ => None,
        };
        loop {
            if self.is_over() {
                return Ok(());
            }
            if splitter.read(&mut reader).map_err(named)? == 0 {
                let unfinished = splitter.unfinished_bytes() > 0;
                match plain_file {
                    // It may be in the middle of being written.
                    Some(path) if unfinished && was_just_written(path) => std::thread::sleep(WRITTEN_LOOK),
                    _ => break,
                }
            }
            if !self.dispatch(&name, &mut splitter, work, spares) {
                return Ok(());
            }
        }
        let region = splitter.open(true);
        if !region.bytes.is_empty() {
            // A refused task means that all workers are gone, and why is known.
            let _ = work.send(Task { input: name, region });
        }
        Ok(())
    }

    /// Hands out the regions that are complete; `false` where nobody takes any more.
    pub(super) fn dispatch(
        &self,
        input: &Arc<str>,
        splitter: &mut Splitter,
        work: &Channel<Task>,
        spares: &Receiver<Vec<u8>>,
    ) -> bool {
        while let Some(region) = splitter.closed(|| spares.try_recv().unwrap_or_default()) {
            if self.is_over() || work.send(Task { input: Arc::clone(input), region }).is_err() {
                return false;
            }
        }
        true
    }
}

/// A line without end at the end of a plain file counts once the file was left alone for this long.
const WRITTEN_QUIET: Duration = Duration::from_secs(2);
const WRITTEN_LOOK: Duration = Duration::from_millis(100);

fn was_just_written(path: &Path) -> bool {
    let modified = path.metadata().and_then(|data| data.modified());
    let Ok(Ok(since_1970)) = modified.map(|at| at.duration_since(std::time::UNIX_EPOCH)) else {
        return false;
    };
    clock::now_ms().saturating_sub(since_1970.as_millis() as u64) < WRITTEN_QUIET.as_millis() as u64
}

/// Takes regions, reads their lines and sends them.
pub(super) struct Worker<'i> {
    import: &'i Import,
    reader: LineReader,
    entries: Entries,
    sender: Sender,
}

impl<'i> Worker<'i> {
    pub(super) fn new(import: &'i Import) -> Self {
        let Options { delivery, keep_query, .. } = &import.options;
        Self {
            import,
            reader: LineReader::new(*keep_query),
            entries: Entries::default(),
            sender: Sender::new(Arc::clone(delivery), Arc::clone(&import.stop)),
        }
    }

    fn run(mut self, tasks: &Receiver<Task>, give_back: &Channel<Vec<u8>>) {
        for task in tasks {
            if self.import.is_over() || self.region(&task, 0).is_none() {
                break;
            }
            let _ = give_back.try_send(task.region.bytes);
        }
    }

    /// Imports a region from line `from` on. How many lines it has, or `None` where the import is over.
    pub(super) fn region(&mut self, task: &Task, from: usize) -> Option<usize> {
        let import = self.import;
        let cut = self.reader.cut;
        self.entries.read(&task.region, &mut self.reader);
        let (entries, region) = (&self.entries, &task.region);
        let mut totals = Totals {
            lines: (entries.lines() - from) as u64,
            cut: self.reader.cut - cut,
            ..Totals::default()
        };
        for (line, why) in entries.bad.iter().filter(|(line, _)| *line >= from) {
            let bad = BadLine {
                input: task.input.to_string(),
                line: region.first_line + *line as u64,
                why: *why,
                text: shown(entries.line(region, *line)),
            };
            if import.options.strict {
                import.fail(Failure::Strict(bad));
                return None;
            }
            let before = lock(&import.totals).bad + totals.bad;
            (import.tell)(&bad.to_string(), before);
            totals.bad += 1;
        }
        match walk(region, entries, from, &mut self.sender) {
            Ok(walked) => totals.add_walked(&walked, entries, task, &import.tell),
            Err(why) => {
                let at = format!("{}: a batch from line {} on", task.input, region.first_line);
                import.fail(Failure::Undelivered { at, why });
                return None;
            }
        }
        lock(&import.totals).add(&totals);
        Some(entries.lines())
    }
}

/// The beginning of a line, for people.
fn shown(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(4 * SHOWN_CHARS)]);
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(SHOWN_CHARS).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

impl Totals {
    fn add_walked(&mut self, walked: &Walked, entries: &Entries, task: &Task, tell: &dyn Fn(&str, u64)) {
        self.counted += walked.counted;
        self.already += walked.already;
        if let Some(line) = walked.conflict {
            self.conflicts = entries.entries_before(entries.lines()) - entries.entries_before(line);
            let line = task.region.first_line + line as u64;
            let what = format!(
                "{}:{line}: not counted, {} entries: the server counted others under the same keys. Either these \
                 lines were imported as part of a longer copy of the file or with other options, or another file begins \
                 with the same lines (then use --source)",
                task.input, self.conflicts
            );
            tell(&what, 0);
        }
    }

    fn add(&mut self, other: &Totals) {
        self.lines += other.lines;
        self.counted += other.counted;
        self.already += other.already;
        self.bad += other.bad;
        self.cut += other.cut;
        self.conflicts += other.conflicts;
    }
}

/// A file that is read on from where it ended.
pub(super) struct Counting<'c> {
    pub(super) file: &'c File,
    pub(super) progress: &'c AtomicU64,
}

impl Read for Counting<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = (&mut &*self.file).read(space)?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Files named more than once are read once.
pub fn distinct(files: &[PathBuf]) -> Vec<Input> {
    let mut inputs: Vec<Input> = Vec::new();
    for file in files {
        let input = Input::from_arg(file);
        if !inputs.contains(&input) {
            inputs.push(input);
        }
    }
    inputs
}
