//! Upkeep of sealed segments: each gets its `.idx`, and those that are too old or too many are removed.
//!
//! Input: a durable checkpoint, the limits and the time. Output: index files; removed segments. Never: touches the segment
//! being written, or removes a record that is after the checkpoint.

use std::io;

use super::index_file::SegmentIndex;
use super::reader::JournalFiles;
use crate::base::disk::Disk;
use crate::data_dir::DataDir;
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

/// The state that a round starts from.
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
pub fn maintain(disk: &dyn Disk, dir: &DataDir, round: &Round) -> io::Result<Maintained> {
    let files = JournalFiles::list(disk, dir)?;
    let mut bytes = files.bytes();
    let JournalFiles { segments, indexes } = files;

    let mut done = Maintained::default();
    for (position, (first, _)) in segments.iter().enumerate() {
        if *first < round.active_segment && indexes.binary_search(first).is_err() {
            let next_first = segments.get(position + 1).map(|(next_first, _)| *next_first);
            // What can be read of a damaged one is kept; the gap shows as a shorter horizon at the next start.
            SegmentIndex::of_segment(disk, dir, *first, next_first)?.index.write(disk, dir)?;
            done.indexed += 1;
        }
    }

    let mut kept = 0;
    for (position, (first, segment_bytes)) in segments.iter().enumerate() {
        let Some((next_first, _)) = segments.get(position + 1) else { break };
        let applied = next_first.0 - 1 <= round.checkpoint.0;
        if *first >= round.active_segment || !applied {
            break;
        }
        // Without a good index the segment is the only memory of its batches' keys; then it stays.
        let Some(index) = read_index(disk, dir, *first)? else { break };
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
    for (position, first) in indexes.iter().enumerate() {
        let segment_is_gone = segments[kept..].binary_search_by_key(first, |(segment, _)| *segment).is_err();
        let ends_before = indexes.get(position + 1).copied().unwrap_or(round.active_segment);
        if segment_is_gone && ends_before.0 - 1 <= round.forgotten_through.0 {
            disk.remove(&dir.index(*first))?;
        }
    }
    done.bytes = bytes;
    done.segments = (segments.len() - kept) as u64;
    done.oldest = segments.get(kept).map_or(Seq::ZERO, |(first, _)| *first);
    Ok(done)
}

fn read_index(disk: &dyn Disk, dir: &DataDir, first: Seq) -> io::Result<Option<SegmentIndex>> {
    match SegmentIndex::read(disk, dir, first) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Ok(None) => {
            // Damaged: removed, so that the next round makes it anew from the segment.
            disk.remove(&dir.index(first))?;
            Ok(None)
        }
        read => read,
    }
}
