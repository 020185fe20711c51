//! Repairs a directory after a loss: `repair --accept-lost-journal` and `--accept-lost-windows`.
//!
//! Input: a locked data directory that a start refuses. Output: every whole record that can still be found is applied to its
//! windows, the next seq is above every window's, damaged segments lie in `quarantine/`, windows that lost counts say so, and
//! a report says what was lost. Never: counts a record twice, removes bytes that it could not read, or accepts a loss that no
//! flag accepts. It may be run again after a crash in the middle of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::accept::{accept_sums, mark_incomplete};
use crate::base::disk::Disk;
use crate::base::latch::Latch;
use crate::batch::insights;
use crate::data_dir::{DataDir, OpenError, at};
use crate::journal::checkpoint::{Checkpoint, CheckpointError};
use crate::journal::dedup::DedupHasher;
use crate::journal::index_file::SegmentIndex;
use crate::journal::ledger::{CountedSince, count_record};
use crate::journal::reader::{JournalFiles, JournalReader, JournalSegment};
use crate::journal::start_error::{StartError, UnequalSum, refuse_other_version, refuse_wrong_secret};
use crate::journal::stored::StoredState;
use crate::journal::summary;
use crate::metrics::Metrics;
use crate::model::Seq;
use crate::windows::proof::{WindowSums, sum_windows};
use crate::windows::scan::{latest_window, refuse_windows_ahead};
use crate::windows::worker::{Fatal, Routed, Worker, WorkerLimits};

/// The losses that the operator accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Batches in lost or damaged journal files.
    pub lost_journal: bool,
    /// Counts in lost or old window files.
    pub lost_windows: bool,
}

/// The result of a repair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Whole records that were found after the checkpoint and applied where windows lacked them.
    pub applied: u64,
    /// Records after the checkpoint that were not found.
    pub lost: u64,
    /// Segments that were moved to `quarantine/`.
    pub quarantined: Vec<PathBuf>,
    /// The sums of windows that differed from the counted ones, and are accepted now.
    pub accepted: Vec<UnequalSum>,
    /// Windows that were marked incomplete.
    pub incomplete: u64,
    /// The highest number that any file names; the next batch gets the following one.
    pub through: Seq,
}

/// The number of the only marker.
const MARKER: u64 = 1;
/// After this many failures in a row to write any window, a repair gives up.
const MAX_FAILURES: u32 = 10;

/// Repairs a locked data directory.
///
/// # Errors
/// What the disk says, naming the file; that the directory is of another version or under another secret; or a loss that is
/// not accepted.
pub fn repair(
    disk: &Arc<dyn Disk>,
    dir: &Arc<DataDir>,
    limits: WorkerLimits,
    accept: Accept,
    now_ms: u64,
) -> Result<Repaired, StartError> {
    refuse_other_version(&**disk, dir)?;
    let mut repaired = Repaired::default();
    if accept.lost_journal
        && let Err(OpenError::SecretLost(_)) = dir.read_secret(&**disk)
    {
        // Without the secret no record can be read.
        dir.create_dirs(&**disk)?;
        quarantine(&**disk, dir, &JournalFiles::list(&**disk, dir)?.firsts(), now_ms, &mut repaired)?;
    }
    dir.prepare(&**disk)?;
    refuse_wrong_secret(&**disk, dir)?;
    let stored = StoredState::load(&**disk, dir)?;
    // Windows may be ahead of what is left of the journal; that loss is being accepted.
    let (all, latch) = (Seq(u64::MAX), Latch::new());
    let metrics = Metrics::new().worker(0);
    let mut worker =
        Worker::new(Arc::clone(disk), Arc::clone(dir), limits, latch.clone(), metrics, all, Arc::default());
    let (cutoffs, deletions) = (stored.ledger.cutoffs(), stored.ledger.deletions());
    worker.late_entries().begin_with(Arc::new(cutoffs), Arc::new(deletions), stored.ledger.through);
    let mut repair = RepairRun { disk: &**disk, dir, now_ms, accept, stored, worker, latch, repaired };
    repair.run()?;
    Ok(repair.repaired)
}

/// A repair under way.
struct RepairRun<'a> {
    disk: &'a dyn Disk,
    dir: &'a DataDir,
    now_ms: u64,
    accept: Accept,
    stored: StoredState,
    worker: Worker,
    latch: Latch,
    repaired: Repaired,
}

/// The result of reading the journal.
#[derive(Default)]
struct FoundRecords {
    last: Seq,
    damaged: Vec<Seq>,
    /// The counts of records after the ledger.
    counted: CountedSince,
}

impl RepairRun<'_> {
    fn run(&mut self) -> Result<(), StartError> {
        let highest_window = latest_window(self.disk, self.dir)?.map_or(Seq::ZERO, |(_, seq)| seq);
        let found = self.apply()?;
        let known_through = self.stored.known_through();
        if !self.accept.lost_journal {
            if found.last < known_through {
                return Err(StartError::BehindCheckpoint { end: found.last, checkpoint: known_through });
            }
            refuse_windows_ahead(self.disk, self.dir, found.last)?;
        }
        let checkpoint = self.stored.checkpoint;
        self.repaired.through = found.last.max(known_through).max(highest_window);
        self.repaired.lost = (self.repaired.through.0 - checkpoint.0).saturating_sub(self.repaired.applied);
        self.write_windows()?;
        self.stored.ledger.add(self.repaired.through, &found.counted);
        self.stored.ledger.add_expired(&self.worker.late_entries().take());
        self.settle_sums()?;
        quarantine(self.disk, self.dir, &found.damaged, self.now_ms, &mut self.repaired)?;
        self.finish()?;
        Ok(())
    }

    /// Applies every whole record that windows may lack.
    fn apply(&mut self) -> Result<FoundRecords, StartError> {
        let hasher = DedupHasher::new(self.dir.secret());
        let mut found = FoundRecords::default();
        let mut reader = JournalReader::open(self.disk, self.dir)?;
        while let Some(segment) = reader.next_segment()? {
            let first = segment.first;
            let salvaged = self.salvage(segment, &hasher, &mut found)?;
            // Records that a kill left in the page cache are counted from here on, and no recovery will write them
            // again. Their keys must be durable, whatever happens to the segment.
            if salvaged.is_damaged || salvaged.index.last > self.stored.checkpoint {
                salvaged.index.write(self.disk, self.dir)?;
            }
            if salvaged.is_damaged {
                found.damaged.push(first);
            }
        }
        Ok(found)
    }

    /// Applies the whole records of a segment, those behind damage included, in the order they lie there.
    fn salvage(
        &mut self,
        mut segment: JournalSegment,
        hasher: &DedupHasher,
        found: &mut FoundRecords,
    ) -> Result<SalvagedSegment, StartError> {
        let mut salvaged = SalvagedSegment { index: SegmentIndex::empty(segment.first), is_damaged: false };
        // The checkpoint of another directory proves nothing about these windows.
        let covered = if self.stored.unproven.is_some() { Seq::ZERO } else { self.stored.checkpoint };
        loop {
            while let Some(record) = segment.next_record()? {
                let header = record.record.header;
                let Ok(summary) = summary::decode(record.record.summary()) else {
                    salvaged.is_damaged = true;
                    continue;
                };
                salvaged.index.add(&record, hasher);
                if header.seq <= found.last {
                    continue;
                }
                found.last = header.seq;
                if header.seq > self.stored.ledger.through {
                    count_record(&mut found.counted, &record);
                }
                if header.is_deletion {
                    self.worker.delete(&record.customer, header.seq);
                }
                self.repaired.applied += u64::from(header.seq > self.stored.checkpoint);
                if header.seq > covered {
                    for insight in insights(&record.customer, &summary) {
                        let routed = Routed { seq: header.seq, insight, charge: None };
                        let merged = self.worker.merge(&routed, self.now_ms);
                        merged.map_err(|Fatal(reason)| io::Error::other(reason))?;
                    }
                }
            }
            let known_through = self.stored.known_through();
            if !self.accept.lost_journal
                && let Some((from, to)) = segment.gap()
                && to > known_through.next()
            {
                return Err(StartError::Gap { from, to });
            }
            let Some((offset, why)) = segment.damage() else { return Ok(salvaged) };
            if !self.accept.lost_journal && !segment.is_torn_tail(known_through)? {
                return Err(StartError::Damage { file: segment.path, offset, why });
            }
            salvaged.is_damaged = true;
            if !segment.skip_damage()? {
                return Ok(salvaged);
            }
        }
    }

    /// Writes every dirty window. Gives up if none can be written any more.
    fn write_windows(&mut self) -> io::Result<()> {
        let worker = &mut self.worker;
        worker.mark(MARKER);
        let (mut now_ms, mut failures) = (self.now_ms, 0);
        let mut left = worker.resident().1;
        while worker.work(now_ms) != Some(MARKER) {
            if let Some(reason) = self.latch.reason() {
                return Err(io::Error::other(reason.to_owned()));
            }
            let dirty = worker.resident().1;
            if dirty < left {
                (left, failures) = (dirty, 0);
            }
            // Only after a failure does the worker wait.
            let Some(retry_at) = worker.next_work_at().filter(|at| *at > now_ms) else { continue };
            failures += 1;
            if failures == MAX_FAILURES {
                let reason = worker.write_error().unwrap_or("cannot write any window");
                return Err(io::Error::other(reason.to_owned()));
            }
            now_ms = retry_at;
        }
        Ok(())
    }

    /// Compares the windows' sums with the ledger, and accepts what may be accepted: a lost journal explains every
    /// difference in a directory whose checkpoint proves its windows, and windows that hold more in a copy.
    fn settle_sums(&mut self) -> Result<(), StartError> {
        let mut sums = sum_windows(self.disk, self.dir, &self.stored.ledger)?;
        // A damaged window is counted again, or marked incomplete, when it is next needed.
        let damaged = sums.damaged.iter().filter_map(|damaged| damaged.window.as_ref());
        sums.incomplete.extend(damaged.map(|(customer, _)| customer.clone()));
        let unequal = sums.unequal(&self.stored.ledger);
        let is_explained = |sum: &UnequalSum| {
            self.accept.lost_windows
                || self.accept.lost_journal
                    && (self.stored.unproven.is_none() || sum.in_windows > sum.counted)
        };
        let (accepted, refused): (Vec<_>, Vec<_>) = unequal.into_iter().partition(is_explained);
        if !refused.is_empty() {
            return Err(StartError::UnequalSums(refused));
        }
        if self.accept.lost_windows {
            for sum in accepted.iter().filter(|sum| sum.in_windows < sum.counted) {
                let ledger = &self.stored.ledger;
                self.repaired.incomplete +=
                    mark_incomplete(self.disk, self.dir, ledger, &sum.customer, sum.size)?;
            }
        }
        if self.accept.lost_windows {
            self.quarantine_packs(&sums)?;
        }
        accept_sums(&mut self.stored.ledger, &sums, &accepted);
        self.repaired.accepted = accepted;
        Ok(())
    }

    /// Moves packs with a damaged index to `quarantine/`: nobody knows which windows they held.
    fn quarantine_packs(&mut self, sums: &WindowSums) -> io::Result<()> {
        for damaged in sums.damaged.iter().filter(|damaged| damaged.window.is_none()) {
            let path = &damaged.path;
            let copy = self.dir.quarantine(
                self.disk,
                path,
                &self.disk.read(path).map_err(at(path))?,
                self.now_ms,
            )?;
            self.disk.remove(path).map_err(at(path))?;
            self.repaired.quarantined.push(copy);
        }
        Ok(())
    }

    /// Begins the segment after everything there is, and writes a checkpoint at its beginning.
    fn finish(&mut self) -> io::Result<()> {
        let (disk, dir) = (self.disk, self.dir);
        let begin = dir.segment(self.repaired.through.next());
        match disk.create(&begin) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at(&begin)(error)),
            _ => {}
        }
        disk.sync_dir(&dir.journal())?;
        let retention_ms = self.stored.retention_ms.unwrap_or(self.now_ms);
        Checkpoint::write(disk, dir, &self.stored.ledger, retention_ms, self.now_ms).map_err(|error| {
            match error {
                CheckpointError::NotWritten(error) | CheckpointError::NotSynced(error) => {
                    at(&dir.checkpoint())(error)
                }
            }
        })
    }
}

/// Moves segments to `quarantine/`.
fn quarantine(
    disk: &dyn Disk,
    dir: &DataDir,
    segments: &[Seq],
    now_ms: u64,
    repaired: &mut Repaired,
) -> io::Result<()> {
    for first in segments {
        let path = dir.segment(*first);
        let target = dir.quarantine_dir().join(format!("{now_ms}-{first:020}.log"));
        disk.rename(&path, &target).map_err(at(&path))?;
        repaired.quarantined.push(target);
    }
    disk.sync_dir(&dir.quarantine_dir())
}

/// The result of reading one segment.
struct SalvagedSegment {
    index: SegmentIndex,
    is_damaged: bool,
}
