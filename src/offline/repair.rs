//! Going on after a loss: `repair --accept-lost-journal`.
//!
//! Input: a locked data directory whose journal is damaged or lost, so that a start is refused. Output: every whole record
//! that can still be found is applied to its windows, the next seq is above every window's, damaged segments lie in
//! `quarantine/`, and a report says what was lost. Never: counts a record twice, or removes bytes that it could not read. It
//! may be run again after a crash in the middle of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::disk::Disk;
use crate::base::latch::Latch;
use crate::batch::insights;
use crate::data_dir::{DataDir, OpenError, at};
use crate::journal::checkpoint::{Checkpoint, WriteError};
use crate::journal::dedup::DedupHasher;
use crate::journal::index_file::SegmentIndex;
use crate::journal::reader::{JournalFiles, JournalReader, JournalSegment};
use crate::journal::start_error::{StartError, refuse_other_version, refuse_wrong_secret};
use crate::journal::summary;
use crate::metrics::Metrics;
use crate::model::Seq;
use crate::windows::scan::latest_window;
use crate::windows::worker::{Fatal, RETRY_MS, Routed, Worker, WorkerLimits};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Whole records that were found after the checkpoint and applied where windows lacked them.
    pub applied: u64,
    /// Records after the checkpoint that were not found.
    pub lost: u64,
    /// Segments that were moved to `quarantine/`.
    pub quarantined: Vec<PathBuf>,
    /// The highest number that any file names; the next batch gets the one after.
    pub through: Seq,
}

/// The only marker there is.
const MARKER: u64 = 1;
/// Times in a row that no window could be written before a repair gives up.
const MAX_FAILURES: u32 = 10;

/// Repairs a locked data directory. See the module.
///
/// # Errors
/// What the disk says, naming the file; or that the directory is of another version or under another secret.
pub fn repair(
    disk: &Arc<dyn Disk>,
    dir: &Arc<DataDir>,
    limits: WorkerLimits,
    now_ms: u64,
) -> Result<Repaired, StartError> {
    refuse_other_version(&**disk, dir)?;
    let mut repair = Repair { disk: &**disk, dir, now_ms, repaired: Repaired::default() };
    if let Err(OpenError::SecretLost(_)) = dir.read_secret(&**disk) {
        // Without the secret no record can be read.
        dir.create_dirs(&**disk)?;
        repair.quarantine(&JournalFiles::list(&**disk, dir)?.firsts())?;
    }
    dir.prepare(&**disk)?;
    refuse_wrong_secret(&**disk, dir)?;
    let checkpoint = match Checkpoint::load(&**disk, dir)? {
        Checkpoint::Through(seq) => seq,
        _ => Seq::ZERO,
    };
    let highest_window = latest_window(&**disk, dir)?.map_or(Seq::ZERO, |(_, seq)| seq);
    // Windows may be ahead of what is left of the journal: that is what is being accepted.
    let (all, latch) = (Seq(u64::MAX), Latch::new());
    let metrics = Metrics::new().worker(0);
    let mut worker = Worker::new(Arc::clone(disk), Arc::clone(dir), limits, latch.clone(), metrics, all);

    let (last, damaged) = repair.apply(checkpoint, &mut worker)?;
    repair.repaired.through = last.max(checkpoint).max(highest_window);
    let after = repair.repaired.through.0 - checkpoint.0;
    repair.repaired.lost = after.saturating_sub(repair.repaired.applied);
    write_windows(&mut worker, &latch, now_ms)?;
    repair.quarantine(&damaged)?;
    repair.finish()?;
    Ok(repair.repaired)
}

/// A repair under way.
struct Repair<'a> {
    disk: &'a dyn Disk,
    dir: &'a DataDir,
    now_ms: u64,
    repaired: Repaired,
}

impl Repair<'_> {
    /// Applies every whole record after the checkpoint. Returns the last record there is, and the damaged segments.
    fn apply(&mut self, checkpoint: Seq, worker: &mut Worker) -> io::Result<(Seq, Vec<Seq>)> {
        let Self { disk, dir, now_ms, repaired } = self;
        let hasher = DedupHasher::new(dir.secret());
        let (mut last, mut damaged) = (Seq::ZERO, Vec::new());
        let mut reader = JournalReader::open(*disk, dir)?;
        while let Some(segment) = reader.next_segment()? {
            let first = segment.first;
            let found = salvage(segment, &hasher, |seq, routed| {
                if seq <= last {
                    return Ok(());
                }
                last = seq;
                if seq <= checkpoint {
                    return Ok(());
                }
                repaired.applied += 1;
                for insight in routed {
                    worker.merge(&insight, *now_ms).map_err(|Fatal(reason)| io::Error::other(reason))?;
                }
                Ok(())
            })?;
            // What a kill left in the page cache is counted from here on, and no recovery will write it again: its keys
            // must be durable, whatever becomes of the segment.
            if found.is_damaged || found.index.last > checkpoint {
                found.index.write(*disk, dir)?;
            }
            if found.is_damaged {
                damaged.push(first);
            }
        }
        Ok((last, damaged))
    }

    /// Moves segments to `quarantine/`.
    fn quarantine(&mut self, segments: &[Seq]) -> io::Result<()> {
        for first in segments {
            let path = self.dir.segment(*first);
            let target = self.dir.quarantine_dir().join(format!("{}-{first:020}.log", self.now_ms));
            self.disk.rename(&path, &target).map_err(at(&path))?;
            self.repaired.quarantined.push(target);
        }
        self.disk.sync_dir(&self.dir.quarantine_dir())
    }

    /// Begins the segment after everything there is, and moves the checkpoint to its beginning.
    fn finish(&mut self) -> io::Result<()> {
        let through = self.repaired.through;
        let begin = self.dir.segment(through.next());
        match self.disk.create(&begin) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at(&begin)(error)),
            _ => {}
        }
        self.disk.sync_dir(&self.dir.journal())?;
        Checkpoint::write(self.disk, self.dir, through, self.now_ms).map_err(|error| match error {
            WriteError::NotWritten(error) | WriteError::NotSynced(error) => at(&self.dir.checkpoint())(error),
        })
    }
}

/// Writes every dirty window. Gives up where none can be written any more.
fn write_windows(worker: &mut Worker, latch: &Latch, now_ms: u64) -> io::Result<()> {
    worker.mark(MARKER);
    let (mut now_ms, mut failures) = (now_ms, 0);
    let mut left = worker.resident().1;
    while worker.work(now_ms) != Some(MARKER) {
        if let Some(reason) = latch.reason() {
            return Err(io::Error::other(reason.to_owned()));
        }
        let dirty = worker.resident().1;
        if dirty < left {
            (left, failures) = (dirty, 0);
            continue;
        }
        failures += 1;
        if failures == MAX_FAILURES {
            let reason = worker.write_error().unwrap_or("the windows cannot be written");
            return Err(io::Error::other(reason.to_owned()));
        }
        now_ms += RETRY_MS;
    }
    Ok(())
}

/// What was found in one segment.
struct SalvagedSegment {
    index: SegmentIndex,
    is_damaged: bool,
}

/// Calls `visit` with every whole record of a segment, those behind damage included, in the order they lie there.
fn salvage(
    mut segment: JournalSegment,
    hasher: &DedupHasher,
    mut visit: impl FnMut(Seq, Vec<Routed>) -> io::Result<()>,
) -> io::Result<SalvagedSegment> {
    let mut salvaged = SalvagedSegment { index: SegmentIndex::empty(segment.first), is_damaged: false };
    loop {
        while let Some(found) = segment.next_record()? {
            let seq = found.record.header.seq;
            match summary::decode(found.record.summary()) {
                Ok(summary) => {
                    salvaged.index.add(&found, hasher);
                    let route = |insight| Routed { seq, insight, charge: None };
                    visit(seq, insights(&found.customer, &summary).into_iter().map(route).collect())?;
                }
                Err(_) => salvaged.is_damaged = true,
            }
        }
        if segment.damage().is_none() {
            return Ok(salvaged);
        }
        salvaged.is_damaged = true;
        if !segment.skip_damage()? {
            return Ok(salvaged);
        }
    }
}
