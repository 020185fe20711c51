//! Looking after sealed segments: each gets its `.idx`, and those that are old or too much are removed.
//!
//! Runs after a checkpoint, in the checkpointer's thread. It must never touch the segment being written, nor
//! remove a record that is after the checkpoint.

use std::io;

use super::dedup::DedupHasher;
use super::index_file::SegmentIndex;
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, seq_in_name};
use crate::model::Seq;

/// How long the journal is kept: whichever comes first.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Segments whose newest record is older than this are removed.
    pub max_age_ms: u64,
    /// The oldest segments are removed while all together are larger.
    pub max_bytes: u64,
}

/// What one round did and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Index files written.
    pub indexed: u64,
    /// Segments removed.
    pub removed: u64,
    /// Bytes in segments now.
    pub bytes: u64,
    /// Segments now.
    pub segments: u64,
    /// The first record that is still there.
    pub oldest: Seq,
}

/// What a round goes by.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The limits.
    pub retention: Retention,
    /// The checkpoint that was just made durable.
    pub checkpoint: Seq,
    /// The segment being written.
    pub active_segment: Seq,
    /// Deduplication knows nothing up to here, so index files up to here are of no use.
    pub forgotten_through: Seq,
    /// The time.
    pub now_ms: u64,
}

/// One round. Work that fails is left for the next round.
///
/// # Errors
/// What the disk says.
pub fn maintain(
    disk: &dyn Disk,
    dir: &DataDir,
    hasher: &DedupHasher,
    round: &Round,
) -> io::Result<Maintained> {
    let listing = disk.list(&dir.journal())?;
    let mut logs: Vec<(Seq, u64)> = listing
        .iter()
        .filter_map(|entry| seq_in_name(&entry.name, "log").map(|first| (first, entry.bytes)))
        .collect();
    logs.sort_unstable();
    let mut indices: Vec<Seq> = listing.iter().filter_map(|e| seq_in_name(&e.name, "idx")).collect();
    indices.sort_unstable();

    let mut done = Maintained::default();
    for (position, (first, _)) in logs.iter().enumerate() {
        if *first < round.active_segment && indices.binary_search(first).is_err() {
            let next_first = logs.get(position + 1).map(|(next_first, _)| *next_first);
            let (index, stopped) = SegmentIndex::of_segment(disk, dir, *first, next_first, hasher)?;
            if let Some(stopped) = stopped {
                // What can be read is kept; the gap shows as a shorter horizon at the next start.
                let path = dir.segment(*first);
                log::warn!("{} is damaged at offset {}: {}", path.display(), stopped.offset, stopped.why);
            }
            index.write(disk, dir, hasher)?;
            done.indexed += 1;
        }
    }

    let mut bytes: u64 = logs.iter().map(|(_, bytes)| *bytes).sum();
    let mut kept = 0;
    for (position, (first, segment_bytes)) in logs.iter().enumerate() {
        let Some((next_first, _)) = logs.get(position + 1) else { break };
        let applied = next_first.0 - 1 <= round.checkpoint.0;
        if *first >= round.active_segment || !applied {
            break;
        }
        // Without a good index the segment is the only memory of its batches' keys; then it stays.
        let Some(index) = read_index(disk, dir, *first, hasher)? else { break };
        let age_ms = round.now_ms.saturating_sub(index.last_received_at_ms);
        if bytes <= round.retention.max_bytes && age_ms <= round.retention.max_age_ms {
            break;
        }
        if done.removed == 0 {
            // An index of an earlier round may be there to read and not durable: its sync failed then.
            disk.sync_dir(&dir.journal())?;
        }
        disk.remove(&dir.segment(*first))?;
        bytes -= segment_bytes;
        done.removed += 1;
        kept = position + 1;
    }
    for (position, first) in indices.iter().enumerate() {
        let log_is_gone = logs[kept..].binary_search_by_key(first, |(log, _)| *log).is_err();
        let ends_before = indices.get(position + 1).copied().unwrap_or(round.active_segment);
        if log_is_gone && ends_before.0 - 1 <= round.forgotten_through.0 {
            disk.remove(&dir.index(*first))?;
        }
    }
    done.bytes = bytes;
    done.segments = (logs.len() - kept) as u64;
    done.oldest = logs.get(kept).map_or(Seq::ZERO, |(first, _)| *first);
    Ok(done)
}

fn read_index(
    disk: &dyn Disk,
    dir: &DataDir,
    first: Seq,
    hasher: &DedupHasher,
) -> io::Result<Option<SegmentIndex>> {
    match SegmentIndex::read(disk, &dir.index(first), first, hasher) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(None) => {
            // Damaged: removed, so that the next round makes it anew from the segment.
            disk.remove(&dir.index(first))?;
            Ok(None)
        }
        read => read,
    }
}
