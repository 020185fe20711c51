//! Watching files that grow, through rotation, until the import is asked to stop.
//!
//! Input: paths. Output: regions as they are complete, and in between the lines that are already there, sent by this
//! thread alone. Files are looked at every `interval`. Never: a result that depends on how often, see the [parent module](super).
//!
//! *Renamed* (the path is another file now): the old file is read on until it was quiet for `rotate_wait`, because
//! servers go on writing to it until they reopen; then its last line counts as it is, files that came and went meanwhile
//! are imported, and the new file is read from its start. *Truncated* (it is shorter than what was read, or begins with other
//! bytes): the rest is read from the copy that was made, which begins as the file did, and the file from its start. Lines
//! written between the copy and the truncation are lost to everybody: that is said once of a path. So is what was truncated
//! without a copy: that is said each time.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{io, mem};

use crossbeam_channel::{Receiver, Sender as Channel};

use super::position::{HEAD_BYTES, LogFileId, Tracker};
use super::region::{RegionStart, Splitter};
use super::rotation::{self, Rotated};
use super::run::{Counting, Import, ImportFailure, ImportTotals, OpenFile, Planned};
use super::walk::RegionProgress;
use super::worker::{ImportWorker, Task};
use crate::base::retry::pause;
use crate::base::{clock, disk};
use crate::input::{Input, read_more};

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
    pub fn follow(&self, paths: &[PathBuf], follow: &Follow) -> Result<ImportTotals, ImportFailure> {
        self.with_workers(|work, spares| {
            let mut worker = ImportWorker::new(self);
            let mut files: Vec<Followed> = paths.iter().map(|path| Followed::new(path)).collect();
            loop {
                // Looked at before the files, so that what was there when it was set is read.
                let ends = follow.end.load(Ordering::Relaxed);
                for file in &mut files {
                    let mut look = Look { import: self, follow, work, spares, worker: &mut worker };
                    // A file that was rotated away is followed by its successor at once.
                    while !self.is_over() && file.look(&mut look, ends)? {}
                }
                if ends || self.is_over() {
                    return Ok(());
                }
                pause(follow.interval, || self.is_over() || follow.end.load(Ordering::Relaxed));
            }
        })
    }
}

/// What a look at a file needs.
struct Look<'l, 'i> {
    import: &'i Import,
    follow: &'l Follow,
    work: &'l Channel<Task>,
    spares: &'l Receiver<Vec<u8>>,
    worker: &'l mut ImportWorker<'i>,
}

/// One path, and the file that is read under it now.
struct Followed {
    path: PathBuf,
    name: Arc<str>,
    file: Option<OpenLog>,
    /// Follows the last file that was under it before.
    before: Option<Arc<Tracker>>,
    /// Nothing was read yet: an earlier import may have left a position.
    is_new: bool,
}

/// A file being read.
struct OpenLog {
    file: File,
    id: LogFileId,
    /// Bytes read.
    offset: u64,
    /// What it begins with.
    head: Vec<u8>,
    splitter: Splitter,
    tracker: Arc<Tracker>,
    /// How far the open region is imported.
    progress: RegionProgress,
    /// When it was last seen to grow, or to be renamed.
    changed: Instant,
    is_renamed: bool,
}

impl OpenLog {
    fn new(
        file: File,
        path: &Path,
        import: &Import,
        start: RegionStart,
        progress: RegionProgress,
    ) -> io::Result<Self> {
        let id = LogFileId::of(&file)?;
        let mut head = Vec::new();
        if start.offset > 0 {
            head = vec![0; HEAD_BYTES.min(start.offset as usize)];
            file.read_exact_at(&mut head, 0)?;
        }
        let tracker = import.tracker(path, id.clone(), &start, progress);
        tracker.add_head(&head);
        Ok(Self {
            file,
            id,
            offset: start.offset,
            head,
            splitter: Splitter::new(start),
            tracker,
            progress,
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
        read_more(&mut input, new, READ_BYTES)?;
        let mut head = vec![0; self.head.len()];
        let filled = self.file.read_at(&mut head, 0)?;
        Ok(filled == head.len() && head == self.head && self.file.metadata()?.len() >= self.offset)
    }

    fn take(&mut self, new: &[u8]) {
        let missing = HEAD_BYTES - self.head.len();
        let head = &new[..new.len().min(missing)];
        self.head.extend_from_slice(head);
        self.tracker.add_head(head);
        self.offset += new.len() as u64;
        self.splitter.push(new);
        if !new.is_empty() {
            self.changed = clock::monotonic();
        }
    }
}

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

impl Followed {
    fn new(path: &Path) -> Self {
        let name = path.display().to_string().into();
        Self { path: path.to_owned(), name, file: None, before: None, is_new: true }
    }

    /// Imports what is new. `true` where the file was left for another one, which can be looked at right away. `ends`
    /// where this is the last look.
    fn look(&mut self, look: &mut Look<'_, '_>, ends: bool) -> Result<bool, ImportFailure> {
        let named = |error: io::Error| {
            ImportFailure::Read(io::Error::new(error.kind(), format!("{}: {error}", self.name)))
        };
        let open = match &mut self.file {
            Some(open) => open,
            None => {
                let Some(file) = disk::if_exists(disk::open_for_reading(&self.path)).map_err(named)? else {
                    // It will come.
                    return Ok(false);
                };
                let is_first = std::mem::take(&mut self.is_new);
                let open = look.begin(&self.path, file, is_first, self.before.take())?;
                self.file.insert(open)
            }
        };
        // Looked at before reading, so that what was written before the rename is read after it was noticed.
        if !open.is_renamed && is_another(&self.path, &open.id).map_err(named)? {
            open.is_renamed = true;
            open.changed = clock::monotonic();
        }
        let mut new = Vec::new();
        loop {
            if !open.read(&mut new, look.import).map_err(named)? {
                look.after_truncation(&self.path, &self.name, open).map_err(named)?;
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
        look.open_region(&self.name, open, is_left, is_left || ends);
        if is_left {
            open.tracker.end();
            self.before = look.between(&self.path, open)?;
            self.file = None;
        }
        Ok(is_left)
    }
}

/// Whether there is another file under the path than this one. A missing file does not count: it may be about to come.
fn is_another(path: &Path, id: &LogFileId) -> io::Result<bool> {
    let found = disk::if_exists(path.metadata())?;
    Ok(found.is_some_and(|found| (found.dev(), found.ino()) != (id.device, id.inode)))
}

impl Look<'_, '_> {
    /// Opens a file under a path. At the first look an earlier import may have left a position: then what is left of rotated
    /// files is imported first.
    fn begin(
        &self,
        path: &Path,
        file: File,
        is_first: bool,
        mut before: Option<Arc<Tracker>>,
    ) -> Result<OpenLog, ImportFailure> {
        let (mut start, mut progress) = (self.import.beginning(), RegionProgress::default());
        if is_first {
            let mut planned = self.import.plan(&Input::File(path.to_owned())).map_err(ImportFailure::Read)?;
            if let Some(last) = planned.pop() {
                (start, progress) = (last.start, last.progress);
            }
            before = self.import.read_in_order(&planned, before, self.work, self.spares)?;
        }
        let named = |error: io::Error| {
            ImportFailure::Read(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        };
        let open = OpenLog::new(file, path, self.import, start, progress).map_err(named)?;
        open.tracker.wait_for(before);
        Ok(open)
    }

    /// Imports files that came and went under the path while an older one was read. Returns what follows the last of them.
    fn between(&self, path: &Path, open: &OpenLog) -> Result<Option<Arc<Tracker>>, ImportFailure> {
        let before = Some(Arc::clone(&open.tracker));
        let rotated = rotation::find(path, &open.tracker.position()).map_err(ImportFailure::Read)?;
        let Rotated::Found { later, .. } = rotated else { return Ok(before) };
        let planned: Vec<Planned> =
            later.into_iter().map(|path| self.import.whole(Input::File(path))).collect();
        self.import.read_in_order(&planned, before, self.work, self.spares)
    }

    /// Imports what the copy of a truncated file holds beyond what was read, and goes to the start of the file.
    fn after_truncation(&mut self, path: &Path, name: &Arc<str>, open: &mut OpenLog) -> io::Result<()> {
        let position = open.tracker.position();
        match rotation::find(path, &position)? {
            Rotated::Found { rest, .. } => {
                self.import.tell_of_truncation(path);
                let mut copy = Input::File(rest).open(Arc::default())?;
                copy.skip(open.offset)?;
                let mut new = Vec::new();
                while read_more(&mut copy, &mut new, READ_BYTES)? > 0 {
                    open.take(&new);
                    new.clear();
                    if !self.complete_regions(name, open) {
                        return Ok(());
                    }
                }
                self.open_region(name, open, true, true);
            }
            Rotated::Gone if open.offset > 0 => {
                self.import.tell_of_gap(name, position.line());
            }
            Rotated::Gone => {}
        }
        open.tracker.end();
        let (file, before) = (open.file.try_clone()?, Arc::clone(&open.tracker));
        *open = OpenLog::new(file, path, self.import, self.import.beginning(), RegionProgress::default())?;
        open.tracker.wait_for(Some(before));
        Ok(())
    }

    /// Imports the regions that are complete. The first, if it was begun, is finished here, the others are handed out.
    /// `false` where the import is over.
    fn complete_regions(&mut self, name: &Arc<str>, open: &mut OpenLog) -> bool {
        if open.progress.lines > 0 {
            let Some(region) = open.splitter.closed(Vec::new) else { return true };
            let progress = mem::take(&mut open.progress);
            let mut task = Task::new((name, &open.tracker), region, progress, true);
            if self.worker.region(&mut task).is_none() {
                return false;
            }
        }
        let OpenLog { splitter, tracker, progress, .. } = open;
        self.import.dispatch(OpenFile { name, tracker, progress }, splitter, self.work, self.spares)
    }

    /// Imports the lines that are there of a region that is not complete.
    fn open_region(
        &mut self,
        name: &Arc<str>,
        open: &mut OpenLog,
        with_unfinished: bool,
        is_last_look: bool,
    ) {
        let has_more = open.splitter.open_lines() > open.progress.lines
            || (with_unfinished && open.splitter.unfinished_bytes() > 0);
        if !has_more {
            return;
        }
        let region = open.splitter.open(with_unfinished);
        let mut task = Task::new((name, &open.tracker), region, open.progress, is_last_look);
        if self.worker.region(&mut task).is_some() {
            open.progress = task.progress;
        }
    }
}
