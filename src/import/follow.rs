//! Watching files that grow, through rotation, until somebody asks to stop.
//!
//! In come paths; out go regions as they are complete, and in between the lines that are already there, walked by this
//! thread alone. Files are looked at every `interval`; nothing depends on how often, see the [parent module](super).
//!
//! *Renamed* (the path is another file now): the old file is read on until it was quiet for `rotate_wait`, because
//! servers go on writing to it until they reopen; then its last line counts as it is, and the new file is read from its
//! start. *Truncated* (it is shorter than what was read, or begins with other bytes): it is read from its start. What was
//! written between the last look and a truncation is lost to everybody who follows; importing the copy that was
//! made (`import access.log.1`) counts exactly that, because all else in it is known. The same goes for a file that was
//! rotated away twice between two looks.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, mem};

use crossbeam_channel::{Receiver, Sender as Channel};

use super::region::Splitter;
use super::run::{Counting, Failure, Import, Task, Totals, Worker};
use crate::base::{clock, disk};

/// What is compared to notice that a file was written anew. Log lines begin with an address and a time.
const HEAD_BYTES: usize = 1_024;
/// How often a pause looks whether it should end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How to follow.
#[derive(Clone, Debug)]
pub struct Follow {
    /// Time between two looks at a file.
    pub interval: Duration,
    /// How long a file that was renamed must be quiet before it is left.
    pub rotate_wait: Duration,
    /// Set to end: what is there is read to its end first.
    pub end: Arc<AtomicBool>,
}

impl Import {
    /// Imports files and what is added to them, until `follow.end` is set. Files that do not exist yet are waited for.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn follow(&self, paths: &[PathBuf], follow: &Follow) -> Result<Totals, Failure> {
        self.with_workers(|work, spares| {
            let mut worker = Worker::new(self);
            let mut files: Vec<Followed> = paths.iter().map(|path| Followed::new(path, self)).collect();
            loop {
                // Looked at before the files, so that what was there when it was set is read.
                let ends = follow.end.load(Ordering::Relaxed);
                for file in &mut files {
                    let mut look = Look { import: self, follow, work, spares, worker: &mut worker };
                    // A file that was rotated away is followed by its successor at once.
                    while !self.is_over() && file.look(&mut look, ends).map_err(Failure::Read)? {}
                }
                if ends || self.is_over() {
                    return Ok(());
                }
                self.pause(follow);
            }
        })
    }

    fn pause(&self, follow: &Follow) {
        let until = clock::monotonic() + follow.interval;
        while !self.is_over() && !follow.end.load(Ordering::Relaxed) {
            let left = until.saturating_duration_since(clock::monotonic());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(LOOK_INTERVAL));
        }
    }
}

/// What a look at a file needs.
struct Look<'l, 'i> {
    import: &'i Import,
    follow: &'l Follow,
    work: &'l Channel<Task>,
    spares: &'l Receiver<Vec<u8>>,
    worker: &'l mut Worker<'i>,
}

/// One path, and the file that is read under it now.
struct Followed {
    path: PathBuf,
    name: Arc<str>,
    source: String,
    file: Option<Open>,
}

/// A file being read.
struct Open {
    file: File,
    id: (u64, u64),
    /// Bytes read.
    offset: u64,
    /// What it begins with.
    head: Vec<u8>,
    splitter: Splitter,
    /// Lines of the open region that are already imported.
    walked: usize,
    /// When it was last seen to grow, or to be renamed.
    changed: Instant,
    is_renamed: bool,
}

impl Open {
    fn new(file: File, source: &str) -> io::Result<Self> {
        let data = file.metadata()?;
        Ok(Self {
            id: (data.dev(), data.ino()),
            file,
            offset: 0,
            head: Vec::new(),
            splitter: Splitter::new(source),
            walked: 0,
            changed: clock::monotonic(),
            is_renamed: false,
        })
    }

    /// Reads on into `new`; says whether the file is still the one that was read before. What was read is only good if
    /// it was so afterwards.
    fn read(&mut self, new: &mut Vec<u8>, import: &Import) -> io::Result<bool> {
        use io::{Seek, SeekFrom};
        new.clear();
        self.file.seek(SeekFrom::Start(self.offset))?;
        let mut input = Counting { file: &self.file, progress: &import.progress };
        crate::input::read_more(&mut input, new, READ_BYTES)?;
        let mut head = vec![0; self.head.len()];
        let filled = self.file.read_at(&mut head, 0)?;
        Ok(filled == head.len() && head == self.head && self.file.metadata()?.len() >= self.offset)
    }

    /// Takes what was read.
    fn take(&mut self, new: &[u8]) {
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&new[..new.len().min(missing)]);
        self.offset += new.len() as u64;
        self.splitter.push(new);
        if !new.is_empty() {
            self.changed = clock::monotonic();
        }
    }

    /// From its start again.
    fn restart(&mut self, source: &str) {
        self.offset = 0;
        self.head.clear();
        self.splitter = Splitter::new(source);
        self.walked = 0;
    }
}

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

impl Followed {
    fn new(path: &Path, import: &Import) -> Self {
        let name = path.display().to_string().into();
        Self { path: path.to_owned(), name, source: import.options.source.clone(), file: None }
    }

    /// Imports what is new. `true` where the file was left for another one, which can be looked at right away. `ends`
    /// where this is the last look.
    fn look(&mut self, look: &mut Look<'_, '_>, ends: bool) -> io::Result<bool> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.name));
        let open = match &mut self.file {
            Some(open) => open,
            None => match disk::open_for_reading(&self.path) {
                Ok(file) => self.file.insert(Open::new(file, &self.source).map_err(named)?),
                // It will come.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(named(error)),
            },
        };
        // Looked at before reading, so that what was written before the rename is read after it was noticed.
        if !open.is_renamed && is_another(&self.path, open.id).map_err(named)? {
            open.is_renamed = true;
            open.changed = clock::monotonic();
        }
        let mut new = Vec::new();
        loop {
            if !open.read(&mut new, look.import).map_err(named)? {
                open.restart(&self.source);
                continue;
            }
            if new.is_empty() {
                break;
            }
            open.take(&new);
            if !look.complete_regions(&self.name, open) {
                return Ok(false);
            }
        }
        let quiet = clock::monotonic().duration_since(open.changed) >= look.follow.rotate_wait;
        let is_left = open.is_renamed && (quiet || ends);
        look.open_region(&self.name, open, is_left);
        if is_left {
            self.file = None;
        }
        Ok(is_left)
    }
}

/// Whether there is another file under the path than this one. No file is no other file: it may be about to come.
fn is_another(path: &Path, id: (u64, u64)) -> io::Result<bool> {
    match path.metadata() {
        Ok(data) => Ok((data.dev(), data.ino()) != id),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Look<'_, '_> {
    /// Imports the regions that are complete. The first, if it was begun, is finished here, the others are handed out.
    /// `false` where the import is over.
    fn complete_regions(&mut self, name: &Arc<str>, open: &mut Open) -> bool {
        let from = mem::take(&mut open.walked);
        if from > 0 {
            let Some(region) = open.splitter.closed(Vec::new) else {
                open.walked = from;
                return true;
            };
            let task = Task { input: Arc::clone(name), region };
            if self.worker.region(&task, from).is_none() {
                return false;
            }
        }
        self.import.dispatch(name, &mut open.splitter, self.work, self.spares)
    }

    /// Imports the lines that are there of a region that is not complete.
    fn open_region(&mut self, name: &Arc<str>, open: &mut Open, with_unfinished: bool) {
        let has_more = open.splitter.open_lines() > open.walked
            || (with_unfinished && open.splitter.unfinished_bytes() > 0);
        if !has_more {
            return;
        }
        let task = Task { input: Arc::clone(name), region: open.splitter.open(with_unfinished) };
        if let Some(lines) = self.worker.region(&task, open.walked) {
            open.walked = lines;
        }
    }
}
