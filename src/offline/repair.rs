//! Going on after a loss: `repair --accept-lost-journal`.
//!
//! Where journal files are damaged or gone, a start is refused, because whatever follows would count some batches twice
//! or not at all. Repair makes the best of what is left and says what that is: every whole record that can still be
//! found is applied to its windows, the next seq is set above every window's, and damaged segments move to
//! `quarantine/`. It may be run again after a crash in the middle of it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::disk::Disk;
use crate::base::latch::Latch;
use crate::batch::insights;
use crate::data_dir::{DataDir, at};
use crate::journal::checkpoint::{Checkpoint, WriteError};
use crate::journal::dedup::DedupHasher;
use crate::journal::index_file::SegmentIndex;
use crate::journal::reader::{JournalReader, JournalSegment};
use crate::journal::summary;
use crate::metrics::Metrics;
use crate::model::Seq;
use crate::windows::scan::latest_window;
use crate::windows::worker::{Fatal, Routed, Worker, WorkerLimits};

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Whole records that were found after the checkpoint and applied where windows lacked them.
    pub applied: u64,
    /// Records after the checkpoint that are nowhere to be found, as far as numbers tell.
    pub lost: u64,
    /// Segments that were moved to `quarantine/`.
    pub quarantined: Vec<PathBuf>,
    /// The last number that was ever given to a record, as far as anything tells; the next batch gets the one after.
    pub through: Seq,
}

/// The only marker there is.
const MARKER: u64 = 1;

/// Repairs a locked data directory. See the module.
///
/// # Errors
/// What the disk says, or a window that cannot be read.
pub fn repair(
    disk: &Arc<dyn Disk>,
    dir: &Arc<DataDir>,
    limits: WorkerLimits,
    now_ms: u64,
) -> io::Result<Repaired> {
    let hasher = DedupHasher::new(dir.prepare(&**disk)?);
    let checkpoint = match Checkpoint::load(&**disk, dir)? {
        Checkpoint::Through(seq) => seq,
        Checkpoint::Missing | Checkpoint::Damaged => Seq::ZERO,
    };
    let highest_window = latest_window(&**disk, dir)?.map_or(Seq::ZERO, |(_, seq)| seq);
    let metrics = Metrics::new();
    // Windows may be ahead of what is left of the journal: that is what is being accepted.
    let all = Seq(u64::MAX);
    let latch = Latch::new();
    let mut worker =
        Worker::new(Arc::clone(disk), Arc::clone(dir), limits, latch.clone(), metrics.worker(0), all);

    let mut repaired = Repaired::default();
    let mut last = Seq::ZERO;
    let mut damaged = Vec::new();
    let mut reader = JournalReader::open(&**disk, dir)?;
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
                worker.merge(&insight, now_ms).map_err(|Fatal(reason)| io::Error::other(reason))?;
            }
            Ok(())
        })?;
        // What a kill left in the page cache is counted from here on, and no recovery will write it again: its keys
        // must be durable, whatever becomes of the segment.
        if found.is_damaged || found.index.last > checkpoint {
            found.index.write(&**disk, dir, &hasher)?;
        }
        if found.is_damaged {
            damaged.push(first);
        }
    }
    repaired.through = last.max(checkpoint).max(highest_window);
    repaired.lost = (repaired.through.0 - checkpoint.0).saturating_sub(repaired.applied);

    worker.mark(MARKER);
    let mut tries = 0;
    while worker.work(now_ms + tries * 10_000) != Some(MARKER) {
        if let Some(reason) = latch.reason() {
            return Err(io::Error::other(reason.to_owned()));
        }
        let (_, dirty) = worker.resident();
        tries += 1;
        if tries > 100 + 10 * dirty as u64 {
            return Err(io::Error::other("the windows cannot be written: see the log"));
        }
    }

    for first in damaged {
        let (path, target) =
            (dir.segment(first), dir.quarantine_dir().join(format!("{now_ms}-{first:020}.log")));
        disk.rename(&path, &target).map_err(at(&path))?;
        repaired.quarantined.push(target);
    }
    disk.sync_dir(&dir.quarantine_dir())?;
    let begin = dir.segment(repaired.through.next());
    match disk.create(&begin) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at(&begin)(error)),
        _ => {}
    }
    disk.sync_dir(&dir.journal())?;
    Checkpoint::write(&**disk, dir, repaired.through, now_ms).map_err(|error| match error {
        WriteError::NotWritten(error) | WriteError::NotSynced(error) => at(&dir.checkpoint())(error),
    })?;
    Ok(repaired)
}

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
