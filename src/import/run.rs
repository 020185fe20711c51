//! One import: the thread that reads, the threads that send, and what they find, added up.
//!
//! Input: files and options. Output: [`ImportTotals`], and a position for each file. Each sending thread has a connection
//! and takes one region after the other. The reader runs ahead by as many regions as there are threads, no further.
//! Never: memory that grows with the files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender as Channel, bounded};

use super::customers::CustomerFinder;
use super::position::{HEAD_BYTES, ImportPosition, LogFileId, PositionDir, Tracker, read_head};
use super::region::{RegionStart, Splitter};
use super::rotation::{self, Rotated};
use super::send::{Delivery, Undelivered};
use super::walk::RegionProgress;
use super::worker::{ImportWorker, Task};
use crate::base::sync::lock;
use crate::base::{clock, disk};
use crate::entry::{Reader, ReaderOptions, SkipTally};
use crate::input::{Coding, Input, Opened};

/// How to import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    pub delivery: Arc<Delivery>,
    /// How lines are read; the server reads them so, too.
    pub reader: ReaderOptions,
    /// What says whose a line is; `None` where all are of one customer.
    pub customers: Option<CustomerFinder>,
    /// Tells files apart that begin with the same bytes.
    pub source: String,
    /// Where positions are kept; `None` to keep none.
    pub positions: Option<PositionDir>,
    /// The first line that is not an entry ends the import.
    pub strict: bool,
    /// Connections, each with a thread.
    pub connections: usize,
}

/// What an import found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportTotals {
    /// Lines read; the parts of a divided line are one.
    pub lines: u64,
    /// Entries counted now.
    pub counted: u64,
    /// Entries that had been counted before.
    pub already: u64,
    /// Lines that are not entries.
    pub skipped: SkipTally,
    /// Lines that were not sent, because their keys belong to other batches.
    pub conflicts: u64,
}

/// Why an import ended early. What was counted until then stays counted; the next import goes on from there.
#[derive(Debug)]
pub enum ImportFailure {
    /// An input cannot be read.
    Read(io::Error),
    /// `strict`, and there was a line that is not an entry.
    Strict(String),
    /// The server refuses a batch, or everything, or is gone.
    Undelivered {
        /// Where the batch begins: input and line.
        at: String,
        why: Undelivered,
    },
}

impl std::fmt::Display for ImportFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Strict(line) => f.write_str(line),
            Self::Undelivered { at, why } => write!(f, "{at}: {why}"),
        }
    }
}

impl std::error::Error for ImportFailure {}

/// What all threads of an import share.
pub struct Import {
    pub(super) options: ImportOptions,
    /// Stored bytes read so far.
    pub progress: Arc<AtomicU64>,
    /// Set to end the import; what is on its way is given up.
    pub stop: Arc<AtomicBool>,
    /// Whether it was said that batches fail.
    pub(super) is_trouble_told: Arc<AtomicBool>,
    pub(super) totals: Mutex<ImportTotals>,
    failure: Mutex<Option<ImportFailure>>,
    /// Of every file, for the last write of its position.
    trackers: Mutex<Vec<Arc<Tracker>>>,
    /// Paths whose truncation was told of.
    truncated: Mutex<BTreeSet<PathBuf>>,
    /// Is told of every bad line and every conflict, with how many there were before.
    pub(super) tell: Tell,
}

/// What is called with a line to show and how many there were before.
type Tell = Box<dyn Fn(&str, u64) + Send + Sync>;

/// A file to import, from where on.
pub(super) struct Planned {
    pub(super) input: Input,
    pub(super) start: RegionStart,
    pub(super) progress: RegionProgress,
}

impl Import {
    /// An import that tells of bad lines and conflicts by `tell`.
    pub fn new(options: ImportOptions, tell: impl Fn(&str, u64) + Send + Sync + 'static) -> Self {
        Self {
            options,
            progress: Arc::default(),
            stop: Arc::default(),
            is_trouble_told: Arc::default(),
            totals: Mutex::default(),
            failure: Mutex::default(),
            trackers: Mutex::default(),
            truncated: Mutex::default(),
            tell: Box::new(tell),
        }
    }

    /// Imports all inputs to their end.
    pub fn run(&self, inputs: &[Input]) -> Result<ImportTotals, ImportFailure> {
        self.with_workers(|work, spares| {
            for input in inputs {
                self.read_input(input, work, spares)?;
            }
            Ok(())
        })
    }

    /// Runs `read` here, with threads that take what it sends; what they made of it all.
    pub(super) fn with_workers(
        &self,
        read: impl FnOnce(&Channel<Task>, &Receiver<Vec<u8>>) -> Result<(), ImportFailure>,
    ) -> Result<ImportTotals, ImportFailure> {
        let connections = self.options.connections.max(1);
        let (work, tasks) = bounded::<Task>(connections);
        // Memory goes round: what is left over is freed.
        let (give_back, spares) = bounded::<Vec<u8>>(connections);
        std::thread::scope(|scope| {
            for number in 0..connections {
                let (tasks, give_back) = (tasks.clone(), give_back.clone());
                let thread = std::thread::Builder::new().name(format!("import-{number}"));
                let worker = move || ImportWorker::new(self).run(&tasks, &give_back);
                if let Err(error) = thread.spawn_scoped(scope, worker) {
                    self.fail(ImportFailure::Read(error));
                }
            }
            drop((tasks, give_back));
            if let Err(failure) = read(&work, &spares) {
                self.fail(failure);
            }
            // The workers end when they have taken everything.
            drop(work);
        });
        lock(&self.trackers).drain(..).for_each(|tracker| tracker.finish());
        match lock(&self.failure).take() {
            Some(failure) => Err(failure),
            None => Ok(self.totals()),
        }
    }

    /// What was done so far.
    pub fn totals(&self) -> ImportTotals {
        lock(&self.totals).clone()
    }

    /// Whether there is any use in going on.
    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Remembers the first failure and ends everything.
    pub(super) fn fail(&self, failure: ImportFailure) {
        let mut first = lock(&self.failure);
        // That others were stopped follows from the first.
        if first.is_none() {
            *first = Some(failure);
        }
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Where the file of an input begins: nothing of it is imported.
    pub(super) fn beginning(&self) -> RegionStart {
        RegionStart::of_source(&self.options.source, Reader::new(self.options.reader.clone()))
    }

    pub(super) fn whole(&self, input: Input) -> Planned {
        Planned { input, start: self.beginning(), progress: RegionProgress::default() }
    }

    fn read_input(
        &self,
        input: &Input,
        work: &Channel<Task>,
        spares: &Receiver<Vec<u8>>,
    ) -> Result<(), ImportFailure> {
        let planned = self.plan(input).map_err(ImportFailure::Read)?;
        self.read_in_order(&planned, None, work, spares).map(drop)
    }

    /// The files to import for an input: what is left of a rotated one first.
    pub(super) fn plan(&self, input: &Input) -> io::Result<Vec<Planned>> {
        let (Input::File(path), Some(positions)) = (input, &self.options.positions) else {
            return Ok(vec![self.whole(input.clone())]);
        };
        let Some(position) = positions.load(path) else { return Ok(vec![self.whole(input.clone())]) };
        let Some((start, progress)) = position.resume(&self.options.reader) else {
            return Ok(vec![self.whole(input.clone())]);
        };
        let mut opened = input.open(Arc::default())?;
        let head = read_head(&mut opened).map_err(crate::data_dir::at(path))?;
        let is_shorter = opened.plain_file().is_some_and(|(_, bytes)| bytes < position.imported_bytes());
        let is_same = !position.is_of_empty_file() || is_path_of(path, &position)?;
        if is_same && position.begins_as(&head) && !is_shorter {
            return Ok(vec![Planned { input: input.clone(), start, progress }]);
        }
        let mut planned = Vec::new();
        match rotation::find(path, &position)? {
            Rotated::Gone => self.tell_of_gap(&path.display().to_string(), start.line),
            Rotated::Found { rest, later } => {
                if is_path_of(path, &position)? {
                    self.tell_of_truncation(path);
                }
                planned.push(Planned { input: Input::File(rest), start, progress });
                planned.extend(later.into_iter().map(|path| self.whole(Input::File(path))));
            }
        }
        planned.push(self.whole(input.clone()));
        Ok(planned)
    }

    /// Says that lines may be missing, and how that is avoided.
    pub(super) fn tell_of_gap(&self, path: &str, line: u64) {
        let what = format!(
            "{path}: this is another file than the one that was imported to about line {line}, and no rotated file beside it \
             begins as that one did: lines written to it since then are not counted. Have logrotate keep at least one \
             uncompressed file (rotate, delaycompress) and use create, not copytruncate"
        );
        (self.tell)(&what, 0);
    }

    /// Says once of each path that rotation by copying loses lines, and how that is avoided.
    pub(super) fn tell_of_truncation(&self, path: &Path) {
        if lock(&self.truncated).insert(path.to_owned()) {
            let what = format!(
                "{}: was copied and truncated: lines written between the two are in no file and are not counted. Have \
                 logrotate use create, not copytruncate",
                path.display()
            );
            (self.tell)(&what, 0);
        }
    }

    /// Imports files that were under one path, the oldest first, after the one that `before` follows. Returns what follows the
    /// last of them.
    pub(super) fn read_in_order(
        &self,
        planned: &[Planned],
        mut before: Option<Arc<Tracker>>,
        work: &Channel<Task>,
        spares: &Receiver<Vec<u8>>,
    ) -> Result<Option<Arc<Tracker>>, ImportFailure> {
        for planned in planned {
            // What is not opened keeps its position.
            if self.is_over() {
                break;
            }
            if planned.input == Input::Stdin {
                self.read_stream(planned, work, spares)?;
            } else {
                before = Some(self.read_to_end(planned, before, work, spares)?);
            }
        }
        Ok(before)
    }

    /// Imports a planned file to its end.
    fn read_to_end(
        &self,
        planned: &Planned,
        before: Option<Arc<Tracker>>,
        work: &Channel<Task>,
        spares: &Receiver<Vec<u8>>,
    ) -> Result<Arc<Tracker>, ImportFailure> {
        let Planned { input, start, progress } = planned;
        let name: Arc<str> = input.name().into();
        let named =
            |error: io::Error| ImportFailure::Read(io::Error::new(error.kind(), format!("{name}: {error}")));
        let (mut reader, tracker) = self.open(input, start, *progress).map_err(ImportFailure::Read)?;
        tracker.wait_for(before);
        let mut splitter = Splitter::new(start.clone());
        let mut progress = *progress;
        let plain_file = match input {
            Input::File(path) if reader.coding == Coding::Plain => Some(path),
            _ => None,
        };
        let mut unseen_head = if start.offset == 0 { HEAD_BYTES } else { 0 };
        loop {
            if self.is_over() {
                return Ok(tracker);
            }
            let before = splitter.buffered().len();
            if splitter.read(&mut reader).map_err(named)? == 0 {
                let unfinished = splitter.unfinished_bytes() > 0;
                match plain_file {
                    // It may be in the middle of being written.
                    Some(path) if unfinished && modified_recently(path) => {
                        std::thread::sleep(RECHECK_INTERVAL);
                    }
                    _ => break,
                }
            }
            if unseen_head > 0 {
                let new = &splitter.buffered()[before..];
                tracker.add_head(new);
                unseen_head = unseen_head.saturating_sub(new.len());
            }
            let open = OpenFile { name: &name, tracker: &tracker, progress: &mut progress };
            if !self.dispatch(open, &mut splitter, work, spares) {
                return Ok(tracker);
            }
        }
        // Sent even if it has no lines: then it says how far the file is imported.
        let task = Task::new((&name, &tracker), splitter.open(true), progress, true);
        tracker.end();
        // A refused task means that all workers are gone, and why is known.
        let _ = work.send(task);
        Ok(tracker)
    }

    /// Opens an input where it is to be read on, and what follows its answers.
    fn open(
        &self,
        input: &Input,
        start: &RegionStart,
        progress: RegionProgress,
    ) -> io::Result<(Opened, Arc<Tracker>)> {
        let mut reader = input.open(Arc::clone(&self.progress))?;
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", input.name()));
        let tracker = match input {
            Input::File(path) if path.is_file() => {
                let identity = LogFileId::of(&disk::open_for_reading(path)?).map_err(named)?;
                self.tracker(path, identity, start, progress)
            }
            // What cannot be read again has no position.
            _ => Arc::new(Tracker::of_stream(start.clone())),
        };
        if start.offset > 0 {
            let mut again = input.open(Arc::default())?;
            tracker.add_head(&read_head(&mut again).map_err(named)?);
            reader.skip(start.offset).map_err(named)?;
        }
        Ok((reader, tracker))
    }

    /// What follows the answers of a file's regions.
    pub(super) fn tracker(
        &self,
        path: &Path,
        identity: LogFileId,
        start: &RegionStart,
        progress: RegionProgress,
    ) -> Arc<Tracker> {
        let positions = self.options.positions.clone();
        let tracker = Arc::new(Tracker::new(positions, path, identity, (start.clone(), progress)));
        lock(&self.trackers).push(Arc::clone(&tracker));
        tracker
    }

    /// Hands out the regions that are complete; `false` where nobody takes any more.
    pub(super) fn dispatch(
        &self,
        open: OpenFile<'_>,
        splitter: &mut Splitter,
        work: &Channel<Task>,
        spares: &Receiver<Vec<u8>>,
    ) -> bool {
        while let Some(region) = splitter.closed(|| spares.try_recv().unwrap_or_default()) {
            let progress = std::mem::take(open.progress);
            let task = Task::new((open.name, open.tracker), region, progress, true);
            if self.is_over() || work.send(task).is_err() {
                return false;
            }
        }
        true
    }
}

/// A file whose regions are handed out.
pub(super) struct OpenFile<'o> {
    pub(super) name: &'o Arc<str>,
    pub(super) tracker: &'o Arc<Tracker>,
    /// How far the region that is cut next is imported.
    pub(super) progress: &'o mut RegionProgress,
}

/// A line without end at the end of a plain file counts once the file was left alone for this long.
const QUIET_AFTER: Duration = Duration::from_secs(2);
const RECHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Whether the file of a position is still under its path: then it was truncated, not renamed.
fn is_path_of(path: &Path, position: &ImportPosition) -> io::Result<bool> {
    let data = path.metadata()?;
    Ok(position.is_of(&LogFileId { device: data.dev(), inode: data.ino() }))
}

fn modified_recently(path: &Path) -> bool {
    let modified = path.metadata().and_then(|data| data.modified());
    let Ok(Ok(since_1970)) = modified.map(|at| at.duration_since(std::time::UNIX_EPOCH)) else {
        return false;
    };
    clock::now_ms().saturating_sub(since_1970.as_millis() as u64) < QUIET_AFTER.as_millis() as u64
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
