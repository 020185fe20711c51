//! Opens a journal, after a clean stop or anything else: finds its records, decides which of them count, and where to
//! continue.
//!
//! Input: a locked data directory. Output: a [`Committer`] and the range of records to replay, or a refusal that names
//! file and offset. Never: routes or answers before all of it is done, or looks at the clock or at limits. A start after
//! `kill -9` takes the same path as any start:
//!
//! 1. Read the checkpoint, the ledger and every segment from the one that holds the record after them. The first byte
//!    that is not a record is *damage* if anything proves that a durable record lay there, else it is a *torn tail*. Where
//!    the checkpoint belongs to another directory, all that is retained will be replayed.
//! 2. Records that are not known durable (the last group: a kill leaves it in the page cache, a failed sync may have
//!    dropped it from the disk) are written again into a new segment; only then is the old copy cut off.
//! 3. Load the deduplication index.

use std::io;
use std::sync::Arc;

use super::checkpoint::{Checkpoint, StoredCheckpoint};
use super::committer::{ActiveSegment, CommitLimits, Committer, CommitterState};
use super::dedup::DedupHasher;
use super::format::Invalid;
use super::index_file::SegmentIndex;
use super::known_keys;
use super::ledger::Ledger;
use super::reader::{JournalFiles, JournalReader, JournalSegment, SegmentTail};
use super::replay::Replay;
use super::start_error::{StartError, refuse_other_version, refuse_wrong_secret};
use super::stored::{StoredState, Unproven};
use crate::base::disk::{self, Disk};
use crate::base::latch::Latch;
use crate::data_dir::DataDir;
use crate::metrics::JournalMetrics;
use crate::model::Seq;

/// The result of opening a journal.
pub struct OpenedJournal {
    /// Ready to take batches.
    pub committer: Committer,
    /// The records that windows may lack, to be routed before anything else.
    pub replay: Replay,
    /// The customers' sums as they were stored. Records after [`Ledger::through`] are not in it.
    pub ledger: Ledger,
    /// The stored clock of retention.
    pub retention_ms: Option<u64>,
    pub report: RecoveryReport,
}

/// The findings of recovery, for log and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The checkpoint; zero if there is none.
    pub checkpoint: Seq,
    /// The last record.
    pub end: Seq,
    /// Records that were written again because they were not known durable.
    pub rewritten: u64,
    /// Bytes cut off as a torn tail; `None` where there was none, or only zeros.
    pub torn_bytes: Option<u64>,
    /// Why the windows must be proven after the replay; `None` if they need not be.
    pub unproven: Option<Unproven>,
}

/// The parameters of [`open`].
pub struct Opening<'a> {
    pub disk: &'a Arc<dyn Disk>,
    /// The data directory, prepared and locked.
    pub dir: &'a Arc<DataDir>,
    /// How many keys are kept.
    pub dedup_capacity: usize,
    /// The committer's limits.
    pub limits: CommitLimits,
    /// The committer's latch.
    pub latch: &'a Latch,
    /// The committer's metrics.
    pub metrics: JournalMetrics,
    /// Called with the last record if windows must be proven, before anything is changed: refuses if a window holds a
    /// record that the journal does not.
    pub ask_windows: &'a dyn Fn(Seq) -> Result<(), StartError>,
}

/// One segment as it was read.
struct ScannedSegment {
    index: SegmentIndex,
    /// Offset of every record that is not known durable yet, with its seq; cleared when a later record proves them
    /// durable.
    unproven: Vec<(Seq, u64)>,
    /// Where its valid records end.
    end: u64,
    /// How long the file is.
    file_bytes: u64,
    /// The highest `durableThrough` in it.
    durable_through: Seq,
    /// Whether all bytes after `end` are zero.
    zero_tail: bool,
}

/// Opens the journal.
pub fn open(opening: &Opening<'_>) -> Result<OpenedJournal, StartError> {
    let Opening { disk, dir, .. } = opening;
    let (disk, dir) = (&***disk, &***dir);
    refuse_other_version(disk, dir)?;
    refuse_wrong_secret(disk, dir)?;
    let mut firsts = JournalFiles::list(disk, dir)?.firsts();
    if firsts.is_empty() {
        begin_journal(disk, dir)?;
        firsts.push(Seq(1));
    }
    let stored = StoredState::load(disk, dir)?;
    let known_through = stored.known_through();
    let read_from = if stored.unproven.is_some() { known_through } else { stored.checkpoint };
    let start = firsts.iter().rposition(|first| *first <= read_from.next());
    let Some(start) = start else {
        return Err(StartError::Gap { from: read_from.next(), to: firsts[0] });
    };

    let mut scanned = scan(opening, &firsts[start..], known_through)?;
    let last = scanned.last().expect("there is at least one segment");
    let end = last.index.last;
    if end < known_through {
        return Err(StartError::BehindCheckpoint { end, checkpoint: known_through });
    }
    let mut report = RecoveryReport {
        checkpoint: stored.checkpoint,
        end,
        rewritten: 0,
        torn_bytes: (last.end < last.file_bytes && !last.zero_tail).then(|| last.file_bytes - last.end),
        unproven: stored.unproven,
    };
    let mut after = stored.checkpoint;
    if stored.unproven.is_some() {
        after = whole_after(disk, dir, &firsts[..=start])?;
        if stored.ledger.through < after {
            let (ledger, oldest) = (stored.ledger.through, after.next());
            return Err(StartError::LedgerBehind { ledger, oldest });
        }
        (opening.ask_windows)(end)?;
    }
    let segment = settle(disk, dir, &mut scanned, known_through, &mut report)?;
    let read: Vec<&SegmentIndex> = scanned.iter().map(|segment| &segment.index).collect();
    let known = known_keys::load(disk, dir, opening.dedup_capacity, &firsts[..start], &read)?;
    let state = CommitterState {
        segment,
        durable: end,
        received_at_ms: known.received_at_ms,
        uncheckpointed_bytes: scanned.iter().map(|segment| segment.end).sum(),
        dedup: known.dedup,
    };
    let committer = Committer::new(
        Arc::clone(opening.disk),
        Arc::clone(opening.dir),
        opening.limits,
        opening.latch.clone(),
        opening.metrics.clone(),
        state,
    );
    let replay = Replay { after, through: end };
    Ok(OpenedJournal { committer, replay, ledger: stored.ledger, retention_ms: stored.retention_ms, report })
}

/// The record after which all that is retained is whole, up to the beginning of the last of these segments.
pub fn whole_after(disk: &dyn Disk, dir: &DataDir, firsts: &[Seq]) -> io::Result<Seq> {
    let mut whole = firsts[firsts.len() - 1];
    for first in firsts.iter().rev().skip(1) {
        let mut segment = JournalSegment::open(disk, dir, *first, Some(whole))?;
        while segment.next_record()?.is_some() {}
        if segment.gap().is_some() {
            break;
        }
        whole = *first;
    }
    Ok(Seq(whole.0 - 1))
}

/// Begins the journal of a new data directory, or refuses a directory that had a journal once.
fn begin_journal(disk: &dyn Disk, dir: &DataDir) -> Result<(), StartError> {
    match Checkpoint::load(disk, dir)? {
        StoredCheckpoint::Missing => {}
        StoredCheckpoint::Valid(checkpoint) if checkpoint.through == Seq::ZERO => {}
        StoredCheckpoint::Valid(checkpoint) => {
            return Err(StartError::BehindCheckpoint { end: Seq::ZERO, checkpoint: checkpoint.through });
        }
        StoredCheckpoint::Damaged | StoredCheckpoint::OtherVersion(_) => {
            return Err(StartError::CheckpointDamaged);
        }
    }
    for customer in disk.list(&dir.windows())?.iter().filter(|entry| entry.is_dir) {
        if disk.list(&dir.windows().join(&customer.name))?.iter().any(|e| e.name.ends_with(".json")) {
            return Err(StartError::WindowsWithoutJournal);
        }
    }
    disk.create(&dir.segment(Seq(1)))?;
    disk.sync_dir(&dir.journal())?;
    Ok(())
}

/// Reads these segments, the last ones, and decides what is damage. Every record up to `known_through` was once durable.
fn scan(
    opening: &Opening<'_>,
    firsts: &[Seq],
    known_through: Seq,
) -> Result<Vec<ScannedSegment>, StartError> {
    let mut scanned: Vec<ScannedSegment> = Vec::new();
    let mut reader = JournalReader::of_segments(&**opening.disk, opening.dir, firsts);
    let hasher = DedupHasher::new(opening.dir.secret());
    // A record was written again into the next segment, which was durable before it got its name.
    let mut moved = false;
    while let Some(mut segment) = reader.next_segment()? {
        let read = scan_segment(&mut segment, &hasher)?;
        if moved && read.end == 0 {
            // Both copies may be incomplete.
            return Err(StartError::Damage { file: segment.path, offset: 0, why: Invalid::Truncated });
        }
        moved = segment.tail().1 == SegmentTail::Moved;
        if let Some((from, to)) = segment.gap() {
            // A segment is begun only after the one before it was synced whole, and a rewritten one replaces the
            // records from its first on. So everything up to the next segment must be here.
            return Err(match segment.damage() {
                Some((offset, why)) => StartError::Damage { file: segment.path, offset, why },
                None => StartError::Gap { from, to },
            });
        }
        if let Some((offset, why)) = segment.damage()
            && !segment.is_torn_tail(known_through)?
        {
            return Err(StartError::Damage { file: segment.path, offset, why });
        }
        scanned.push(read);
    }
    Ok(scanned)
}

fn scan_segment(segment: &mut JournalSegment, hasher: &DedupHasher) -> io::Result<ScannedSegment> {
    let mut scanned = ScannedSegment {
        index: SegmentIndex::empty(segment.first),
        unproven: Vec::new(),
        end: 0,
        file_bytes: segment.file_bytes,
        durable_through: Seq::ZERO,
        zero_tail: false,
    };
    while let Some(found) = segment.next_record()? {
        let durable_through = found.record.header.durable_through;
        if durable_through > scanned.durable_through {
            scanned.durable_through = durable_through;
            scanned.unproven.retain(|(seq, _)| *seq > durable_through);
        }
        scanned.unproven.push((found.record.header.seq, found.offset));
        scanned.index.add(&found, hasher);
    }
    let (end, tail) = segment.tail();
    scanned.end = end;
    scanned.zero_tail = matches!(tail, SegmentTail::Damage(_)) && segment.is_zero_behind()?;
    Ok(scanned)
}

/// Makes the journal on disk equal to what was read from it, and opens the segment to continue.
fn settle(
    disk: &dyn Disk,
    dir: &DataDir,
    scanned: &mut Vec<ScannedSegment>,
    known_through: Seq,
    report: &mut RecoveryReport,
) -> Result<ActiveSegment, StartError> {
    // Earlier segments end where the next one begins. A rewrite that was cut short left its source longer; the source
    // is cut only now that the last segment's name is durable, because until then it may hold the only durable copy.
    let longer: Vec<(Seq, u64)> = scanned[..scanned.len() - 1]
        .iter()
        .filter(|segment| segment.end < segment.file_bytes)
        .map(|segment| (segment.index.first, segment.end))
        .collect();
    let active = settle_last(disk, dir, scanned, known_through, report)?;
    for (first, end) in longer {
        cut(disk, dir, first, end)?;
    }
    Ok(active)
}

/// Makes the last segment durable by writing its last records again, unless they are known to be durable.
fn settle_last(
    disk: &dyn Disk,
    dir: &DataDir,
    scanned: &mut Vec<ScannedSegment>,
    known_through: Seq,
    report: &mut RecoveryReport,
) -> Result<ActiveSegment, StartError> {
    let last = scanned.last_mut().expect("there is at least one segment");
    let durable = last.durable_through.max(known_through);
    let unproven = last.unproven.iter().find(|(seq, _)| *seq > durable).copied();
    let Some((from, offset)) = unproven else {
        if last.end < last.file_bytes {
            cut(disk, dir, last.index.first, last.end)?;
        }
        // After a kill, the segment may stand in a directory that was never synced.
        disk.sync_dir(&dir.journal())?;
        let first = last.index.first;
        return Ok(ActiveSegment { first, file: disk.open(&dir.segment(first))?, bytes: last.end });
    };
    report.rewritten = last.index.last.0 - from.0 + 1;

    let source = disk.open(&dir.segment(last.index.first))?;
    let mut bytes = vec![0; usize::try_from(last.end - offset).map_err(io::Error::other)?];
    let read = source.read_at(offset, &mut bytes)?;
    if read != bytes.len() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    drop(source);
    disk::replace_file(disk, &dir.temp(), &dir.segment(from), &[&bytes])?;
    disk.sync_dir(&dir.journal())?;
    if from != last.index.first {
        cut(disk, dir, last.index.first, offset)?;
        let moved = last.index.split_off(from);
        last.end = offset;
        scanned.push(ScannedSegment {
            end: bytes.len() as u64,
            file_bytes: bytes.len() as u64,
            index: moved,
            unproven: Vec::new(),
            durable_through: Seq::ZERO,
            zero_tail: false,
        });
    }
    Ok(ActiveSegment { first: from, file: disk.open(&dir.segment(from))?, bytes: bytes.len() as u64 })
}

fn cut(disk: &dyn Disk, dir: &DataDir, first: Seq, end: u64) -> io::Result<()> {
    let mut file = disk.open(&dir.segment(first))?;
    file.set_len(end)?;
    file.sync_data()
}
