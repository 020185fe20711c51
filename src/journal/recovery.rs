//! Opening a journal, after a clean stop or anything else: what is in it, what of it counts, where to go on.
//!
//! Input: a locked data directory. Output: a [`Committer`] and the range of records to replay, or a refusal that names
//! file and offset. Never: routes or answers before all of it is done, or looks at the clock or at limits. A start after
//! `kill -9` takes the same path as any start:
//!
//! 1. Read the checkpoint and every segment from the one that holds the record after it. The first byte that is not
//!    a record is *damage* if anything proves that a durable record lay there, else it is a *torn tail*.
//! 2. Records that are not known durable (the last group: a kill leaves it in the page cache, a failed sync may have
//!    dropped it from the disk) are written again into a new segment; only then is the old copy cut off.
//! 3. Load the deduplication index.

use std::io;
use std::sync::Arc;

use super::checkpoint::Checkpoint;
use super::committer::{ActiveSegment, CommitLimits, Committer, CommitterState};
use super::dedup::DedupHasher;
use super::format::Invalid;
use super::index_file::SegmentIndex;
use super::known_keys;
use super::reader::{JournalFiles, JournalReader, JournalSegment, SegmentTail};
use super::replay::Replay;
use super::start_error::{StartError, refuse_other_version, refuse_wrong_secret};
use crate::base::disk::{self, Disk};
use crate::base::latch::Latch;
use crate::data_dir::DataDir;
use crate::metrics::JournalMetrics;
use crate::model::Seq;

/// What an opened journal gives.
pub struct Opened {
    /// Ready to take batches.
    pub committer: Committer,
    /// The records after the checkpoint, to be routed before anything else.
    pub replay: Replay,
    /// What was found.
    pub report: RecoveryReport,
}

/// What recovery found, for log and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The checkpoint; zero where there is none.
    pub checkpoint: Seq,
    /// The last record.
    pub end: Seq,
    /// The first record of the oldest segment there is.
    pub oldest: Seq,
    /// Records that were written again because they were not known durable.
    pub rewritten: u64,
    /// Bytes cut off as a torn tail; `None` where there was none, or only zeros.
    pub torn_bytes: Option<u64>,
    /// Whether a checkpoint must be looked for in the windows themselves: there is none that can be read.
    pub without_checkpoint: bool,
}

/// What opening needs to know.
pub struct Opening<'a> {
    /// The disk.
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
    /// Asked where there is no checkpoint, before anything is changed: whether the windows show that the journal lost
    /// its beginning or its end.
    pub ask_windows: &'a dyn Fn(&RecoveryReport) -> Result<(), StartError>,
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
    /// Whether all that follows `end` is zero.
    zero_tail: bool,
}

/// Opens the journal. See the module.
///
/// # Errors
/// See [`StartError`].
pub fn open(opening: &Opening<'_>) -> Result<Opened, StartError> {
    let Opening { disk, dir, .. } = opening;
    let (disk, dir) = (&***disk, &***dir);
    refuse_other_version(disk, dir)?;
    refuse_wrong_secret(disk, dir)?;
    let checkpoint = Checkpoint::load(disk, dir)?;
    let mut firsts = JournalFiles::list(disk, dir)?.firsts();
    if firsts.is_empty() {
        begin_journal(disk, dir, checkpoint)?;
        firsts.push(Seq(1));
    }
    let without_checkpoint = !matches!(checkpoint, Checkpoint::Through(_));
    let checkpoint = match checkpoint {
        Checkpoint::Through(seq) => seq,
        // Without a checkpoint the whole journal is replayed; windows skip what they have. Segments that retention
        // removed were applied before, and the windows prove below that no later part is missing.
        _ => Seq(firsts[0].0 - 1),
    };
    let start = firsts.iter().rposition(|first| first.0 <= checkpoint.0 + 1);
    let Some(start) = start else {
        return Err(StartError::Gap { from: checkpoint.next(), to: firsts[0] });
    };

    let mut scanned = scan(opening, &firsts[start..], checkpoint)?;
    let last = scanned.last().expect("there is at least one segment");
    let end = last.index.last;
    if end < checkpoint {
        return Err(StartError::BehindCheckpoint { end, checkpoint });
    }
    let mut report = RecoveryReport {
        checkpoint,
        end,
        oldest: firsts[0],
        rewritten: 0,
        torn_bytes: (last.end < last.file_bytes && !last.zero_tail).then(|| last.file_bytes - last.end),
        without_checkpoint,
    };
    if without_checkpoint {
        (opening.ask_windows)(&report)?;
    }
    let segment = settle(disk, dir, &mut scanned, checkpoint, &mut report)?;
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
    Ok(Opened { committer, replay: Replay { after: checkpoint, through: end }, report })
}

/// Begins the journal of a new data directory, or refuses one that had a journal once.
fn begin_journal(disk: &dyn Disk, dir: &DataDir, checkpoint: Checkpoint) -> Result<(), StartError> {
    match checkpoint {
        Checkpoint::Through(Seq::ZERO) => {}
        Checkpoint::Through(checkpoint) => {
            return Err(StartError::BehindCheckpoint { end: Seq::ZERO, checkpoint });
        }
        Checkpoint::Damaged | Checkpoint::OtherVersion(_) => return Err(StartError::CheckpointDamaged),
        Checkpoint::Missing => {
            for customer in disk.list(&dir.windows())?.iter().filter(|entry| entry.is_dir) {
                if disk.list(&dir.windows().join(&customer.name))?.iter().any(|e| e.name.ends_with(".json")) {
                    return Err(StartError::WindowsWithoutJournal);
                }
            }
        }
    }
    disk.create(&dir.segment(Seq(1)))?;
    disk.sync_dir(&dir.journal())?;
    Ok(())
}

/// Reads the segments from the one that holds the record after the checkpoint, and decides what is damage.
fn scan(opening: &Opening<'_>, firsts: &[Seq], checkpoint: Seq) -> Result<Vec<ScannedSegment>, StartError> {
    let mut scanned: Vec<ScannedSegment> = Vec::new();
    let mut reader = JournalReader::of_segments(&**opening.disk, opening.dir, firsts);
    let hasher = DedupHasher::new(opening.dir.secret());
    // A record was written again into the next segment, which was durable before it got its name.
    let mut moved = false;
    while let Some(mut segment) = reader.next_segment()? {
        let read = scan_segment(&mut segment, &hasher)?;
        if moved && read.end == 0 {
            // Both copies are in doubt.
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
        if let Some((offset, why)) = segment.damage() {
            let missing = segment.last.next();
            let proven_durable = checkpoint >= missing || segment.proven_behind()? >= missing;
            if proven_durable {
                return Err(StartError::Damage { file: segment.path, offset, why });
            }
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

/// Makes the journal on disk what was read from it, and opens the segment to write on.
fn settle(
    disk: &dyn Disk,
    dir: &DataDir,
    scanned: &mut Vec<ScannedSegment>,
    checkpoint: Seq,
    report: &mut RecoveryReport,
) -> Result<ActiveSegment, StartError> {
    // Earlier segments end where the next one begins. A rewrite that was cut short left its source longer; the source
    // is cut only now that the last segment's name is durable, because until then it may hold the only durable copy.
    let longer: Vec<(Seq, u64)> = scanned[..scanned.len() - 1]
        .iter()
        .filter(|segment| segment.end < segment.file_bytes)
        .map(|segment| (segment.index.first, segment.end))
        .collect();
    let active = settle_last(disk, dir, scanned, checkpoint, report)?;
    for (first, end) in longer {
        cut(disk, dir, first, end)?;
    }
    Ok(active)
}

/// Makes the last segment durable: what of it is not known durable is written again.
fn settle_last(
    disk: &dyn Disk,
    dir: &DataDir,
    scanned: &mut Vec<ScannedSegment>,
    checkpoint: Seq,
    report: &mut RecoveryReport,
) -> Result<ActiveSegment, StartError> {
    let last = scanned.last_mut().expect("there is at least one segment");
    let durable = last.durable_through.max(checkpoint);
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
