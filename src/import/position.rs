//! Where an import of a file stands, kept between runs.
//!
//! Input: regions as they are answered. Output: a small file of JSON for each (file, server, customer, source), from which the
//! next run goes on. Never: a position behind lines that are not answered, or trust in a file that is not the one it is about.
//!
//! The server's deduplication forgets; a position does not. What was in flight when an import ended is sent again, and the
//! server knows its keys.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::region::{Chain, RegionStart};
use super::walk::RegionProgress;
use crate::base::clock;
use crate::base::disk::{Disk, RealDisk, create_dirs, replace_file};
use crate::base::sync::lock;
use crate::entry::{Reader, ReaderOptions};

/// What is compared to tell files apart: log lines begin with an address and a time.
pub(super) const HEAD_BYTES: usize = 1_024;
/// Time between two writes of a position; what is sent again after a kill is found by its keys.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// What a position file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImportPosition {
    version: u32,
    /// For people.
    path: String,
    server: String,
    customer: String,
    source: String,
    /// Of the file, when it was read.
    device: u64,
    inode: u64,
    /// Bytes at its beginning (decoded) that `head` is the hash of.
    head_bytes: u64,
    head: String,
    /// Where the region begins that is imported next.
    offset: u64,
    line: u64,
    chain: String,
    state: BTreeMap<String, String>,
    /// How far that region is imported.
    region_lines: usize,
    last_block: Option<usize>,
    /// Bytes of the line without end behind those lines that was told of.
    #[serde(default)]
    cut_bytes: usize,
    /// Bytes of the file (decoded) that are imported.
    imported_bytes: u64,
}

/// The version of what is written; another one is not read.
const VERSION: u32 = 1;

/// A file as it is told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogFileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl LogFileId {
    /// Of an open file.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let data = file.metadata()?;
        Ok(Self { device: data.dev(), inode: data.ino() })
    }
}

impl ImportPosition {
    /// Whether a file with this beginning (decoded) is the one the position is about.
    pub(super) fn begins_as(&self, head: &[u8]) -> bool {
        let Some(same) = usize::try_from(self.head_bytes).ok().and_then(|bytes| head.get(..bytes)) else {
            return false;
        };
        head_hash(same) == self.head
    }

    /// Whether the file had no bytes yet. Then every file begins as it did, and only its identity tells it.
    pub(super) fn is_of_empty_file(&self) -> bool {
        self.head_bytes == 0
    }

    /// Whether it is about the file of this identity.
    pub(super) fn is_of(&self, identity: &LogFileId) -> bool {
        (self.device, self.inode) == (identity.device, identity.inode)
    }

    /// The first line of the region that is imported next.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Bytes of the file (decoded) that are imported.
    pub(super) fn imported_bytes(&self) -> u64 {
        self.imported_bytes
    }

    /// Where to go on; `None` where it cannot be read.
    pub(super) fn resume(&self, options: &ReaderOptions) -> Option<(RegionStart, RegionProgress)> {
        let state = self.state.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let reader = Reader::resume(options.clone(), state).ok()?;
        let chain = Chain::from_hex(&self.chain)?;
        let start = RegionStart { offset: self.offset, line: self.line, chain, reader };
        let Self { region_lines: lines, last_block, cut_bytes, .. } = *self;
        Some((start, RegionProgress { lines, last_block, cut_bytes }))
    }
}

fn head_hash(head: &[u8]) -> String {
    format!("{:032x}", xxh3_128(head))
}

/// Whose positions are kept, and where.
#[derive(Clone, Debug)]
pub struct PositionDir {
    /// The directory.
    pub dir: PathBuf,
    /// The server, as it was given.
    pub server: String,
    pub customer: String,
    /// What tells files apart that begin alike.
    pub source: String,
}

impl PositionDir {
    fn file(&self, path: &Path) -> PathBuf {
        let path = absolute(path);
        let Self { server, customer, source, .. } = self;
        let name = xxh3_128(format!("{}\0{server}\0{customer}\0{source}", path.display()).as_bytes());
        self.dir.join(format!("{name:032x}.json"))
    }

    /// The position of the file under this path; `None` where there is none that can be read.
    pub(super) fn load(&self, path: &Path) -> Option<ImportPosition> {
        let bytes = RealDisk.read(&self.file(path)).ok()?;
        let position: ImportPosition = serde_json::from_slice(&bytes).ok()?;
        (position.version == VERSION).then_some(position)
    }
}

/// The path from the root, so that a position is found wherever the import is started.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Follows the answers of one file's regions, and writes how far they are complete.
///
/// The position of a path is what finds the rest of a file that was rotated away. So that of its successor is written only once all
/// regions of the rotated file are settled: an import that ends before finds the rotated file again.
pub(super) struct Tracker {
    /// Where the position is kept; `None` to keep none.
    positions: Option<PositionDir>,
    path: PathBuf,
    identity: LogFileId,
    state: Mutex<TrackerState>,
}

struct TrackerState {
    /// The file that was under the path before, until its regions are settled.
    before: Option<Arc<Tracker>>,
    /// Regions that were handed out and are not settled.
    in_flight: usize,
    /// No more regions will be handed out.
    is_read: bool,
    /// The first bytes of the file.
    head: Vec<u8>,
    /// Regions that are answered, but not all before them, by offset.
    waiting: BTreeMap<u64, Reached>,
    /// How far all is answered.
    reached: Reached,
    written_at: Option<Instant>,
    is_begun: bool,
    is_failing: bool,
}

/// A place in a file up to which a region is answered.
#[derive(Clone)]
struct Reached {
    start: RegionStart,
    progress: RegionProgress,
    imported_bytes: u64,
}

impl TrackerState {
    /// Whether all regions are settled, of this file and of those before it.
    fn is_settled(&mut self) -> bool {
        self.is_read && self.in_flight == 0 && self.may_write()
    }

    /// Whether the files before this one are settled.
    fn may_write(&mut self) -> bool {
        self.before.take_if(|before| lock(&before.state).is_settled());
        self.before.is_none()
    }
}

impl Tracker {
    /// A tracker of the file of this identity, imported up to here.
    pub(super) fn new(
        positions: Option<PositionDir>,
        path: &Path,
        identity: LogFileId,
        (start, progress): (RegionStart, RegionProgress),
    ) -> Self {
        let imported_bytes = start.offset;
        let reached = Reached { start, progress, imported_bytes };
        let state = Mutex::new(TrackerState {
            before: None,
            in_flight: 0,
            is_read: false,
            head: Vec::new(),
            waiting: BTreeMap::new(),
            reached,
            written_at: None,
            is_begun: false,
            is_failing: false,
        });
        Self { positions, path: path.to_owned(), identity, state }
    }

    /// Writes nothing until `before` is settled, which follows the file that was under the path before.
    pub(super) fn wait_for(&self, before: Option<Arc<Self>>) {
        lock(&self.state).before = before;
    }

    /// A region is handed out to be sent.
    pub(super) fn hand_out(&self) {
        lock(&self.state).in_flight += 1;
    }

    /// The file is read: no more regions will be handed out.
    pub(super) fn end(&self) {
        lock(&self.state).is_read = true;
    }

    /// A region that was handed out is settled: it is answered, or the rest of it is in conflict and will not be sent.
    pub(super) fn settle(&self) {
        lock(&self.state).in_flight -= 1;
    }

    /// A tracker of what cannot be read again.
    pub(super) fn of_stream(start: RegionStart) -> Self {
        let identity = LogFileId { device: 0, inode: 0 };
        Self::new(None, Path::new(""), identity, (start, RegionProgress::default()))
    }

    /// Takes note of the first bytes of the file, in order, until there are enough.
    pub(super) fn add_head(&self, bytes: &[u8]) {
        let mut state = lock(&self.state);
        let missing = HEAD_BYTES.saturating_sub(state.head.len());
        let more = &bytes[..bytes.len().min(missing)];
        state.head.extend_from_slice(more);
    }

    /// Writes the position of a file of which nothing was ever answered, before its first lines are sent: if the import is killed
    /// and the file rotated, the next import finds it by this. A position that is there stays, because it may be of a rotated
    /// file whose rest is on its way.
    pub(super) fn begin(&self) {
        let mut state = lock(&self.state);
        let is_first = !std::mem::replace(&mut state.is_begun, true);
        let is_known = || self.positions.as_ref().is_some_and(|dir| dir.load(&self.path).is_some());
        if is_first && !state.head.is_empty() && !is_known() {
            self.write(&mut state);
            state.written_at = None;
        }
    }

    /// A region that begins at `offset` is answered up to here: at its end `next` is where the following one begins.
    pub(super) fn answered(&self, offset: u64, reached: (RegionStart, RegionProgress), imported_bytes: u64) {
        let mut state = lock(&self.state);
        let (start, progress) = reached;
        let state = &mut *state;
        state.waiting.insert(offset, Reached { start, progress, imported_bytes });
        while let Some(next) = state.waiting.remove(&state.reached.start.offset) {
            let is_open = next.start.offset == state.reached.start.offset;
            state.reached = next;
            if is_open {
                break;
            }
        }
        let is_due =
            state.written_at.is_none_or(|at| clock::monotonic().duration_since(at) >= WRITE_INTERVAL);
        if is_due {
            self.write(state);
        }
    }

    /// Writes where it stands.
    pub(super) fn finish(&self) {
        self.write(&mut lock(&self.state));
    }

    /// Where the file stands.
    pub(super) fn position(&self) -> ImportPosition {
        self.position_of(&lock(&self.state))
    }

    fn position_of(&self, state: &TrackerState) -> ImportPosition {
        let TrackerState { head, reached: Reached { start, progress, imported_bytes }, .. } = state;
        let says =
            |of: fn(&PositionDir) -> &String| self.positions.as_ref().map(of).cloned().unwrap_or_default();
        ImportPosition {
            version: VERSION,
            path: absolute(&self.path).display().to_string(),
            server: says(|dir| &dir.server),
            customer: says(|dir| &dir.customer),
            source: says(|dir| &dir.source),
            device: self.identity.device,
            inode: self.identity.inode,
            head_bytes: head.len() as u64,
            head: head_hash(head),
            offset: start.offset,
            line: start.line,
            chain: start.chain.to_hex(),
            state: start.reader.state().into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            region_lines: progress.lines,
            last_block: progress.last_block,
            cut_bytes: progress.cut_bytes,
            imported_bytes: *imported_bytes,
        }
    }

    fn write(&self, state: &mut TrackerState) {
        let Some(dir) = &self.positions else { return };
        if !state.may_write() {
            return;
        }
        state.written_at = Some(clock::monotonic());
        let file = dir.file(&self.path);
        let position = self.position_of(state);
        let mut text =
            serde_json::to_vec_pretty(&position).expect("numbers and texts are written into memory");
        text.push(b'\n');
        let temp = file.with_extension(format!("{}.tmp", std::process::id()));
        let done =
            create_dirs(&RealDisk, &dir.dir).and_then(|()| replace_file(&RealDisk, &temp, &file, &[&text]));
        if let Err(error) = done
            && !std::mem::replace(&mut state.is_failing, true)
        {
            log::warn!(
                "{}: {error}: the position of {} is not kept; choose another --state-dir",
                file.display(),
                self.path.display()
            );
        }
    }
}

/// The decoded beginning of a stream: what tells files apart.
pub(super) fn read_head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}
