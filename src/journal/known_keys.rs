//! Fills the deduplication index at start.
//!
//! Input: the segments that recovery read, `.idx` files, and segments whose `.idx` is missing or damaged. Output: the
//! index; a part that cannot be read anywhere shortens its horizon. Never: claims to know a batch whose key was lost.

use std::io;

use super::dedup::{DedupEntry, DedupIndex, UNKNOWN_MS};
use super::index_file::SegmentIndex;
use super::reader::JournalFiles;
use crate::base::disk::{Disk, if_exists};
use crate::data_dir::DataDir;
use crate::model::Seq;

/// The keys of earlier batches.
pub(super) struct KnownKeys {
    pub(super) dedup: DedupIndex,
    /// The latest time of receipt in any record or index. A segment that recovery read may be without records: one
    /// that was just begun.
    pub(super) received_at_ms: u64,
}

/// Fills the deduplication index: newest first to know what fits, then in order.
///
/// `read` are the segments that recovery read, in order; `older` are the first seqs of the segments before them.
pub(super) fn load(
    disk: &dyn Disk,
    dir: &DataDir,
    capacity: usize,
    older: &[Seq],
    read: &[&SegmentIndex],
) -> io::Result<KnownKeys> {
    let indexes = JournalFiles::list(disk, dir)?.indexes;
    let mut firsts: Vec<Seq> =
        indexes.iter().chain(older).copied().filter(|first| *first < read[0].first).collect();
    firsts.sort_unstable();
    firsts.dedup();

    let mut dedup = DedupIndex::new(capacity);
    let mut wanted = capacity;
    let mut parts: Vec<Vec<DedupEntry>> = Vec::new();
    for index in read.iter().rev() {
        wanted = wanted.saturating_sub(index.entries.len());
        parts.push(index.entries.clone());
    }
    let mut reaches = read[0].first;
    let mut lost = None;
    let mut received_at_ms = read.iter().map(|index| index.last_received_at_ms).max().unwrap_or(0);
    let mut oldest_ms = (read[0].first <= read[0].last).then_some(read[0].first_received_at_ms);
    for (position, first) in firsts.iter().copied().enumerate().rev() {
        if wanted == 0 {
            break;
        }
        let next_first = firsts.get(position + 1).copied().unwrap_or(read[0].first);
        let Some(index) = older_index(disk, dir, first, next_first)? else { continue };
        received_at_ms = received_at_ms.max(index.last_received_at_ms);
        if index.last.next() < reaches && lost.is_none() {
            lost = Some((Seq(reaches.0 - 1), oldest_ms));
        }
        reaches = first;
        if index.first <= index.last {
            oldest_ms = Some(index.first_received_at_ms);
        }
        wanted = wanted.saturating_sub(index.entries.len());
        parts.push(index.entries);
    }
    if lost.is_none() && reaches > Seq(1) {
        lost = Some((Seq(reaches.0 - 1), oldest_ms));
    }
    if let Some((after, since_ms)) = lost {
        // If no key is known at all, the horizon begins with the next batch.
        dedup.lose_before(after, Some(since_ms.unwrap_or(UNKNOWN_MS)));
    }
    for entry in parts.into_iter().rev().flatten() {
        dedup.insert(entry);
    }
    Ok(KnownKeys { dedup, received_at_ms })
}

/// The index of a segment before those that were read: from its `.idx`, else from its `.log`, and then its `.idx` is
/// written.
fn older_index(
    disk: &dyn Disk,
    dir: &DataDir,
    first: Seq,
    next_first: Seq,
) -> io::Result<Option<SegmentIndex>> {
    match if_exists(SegmentIndex::read(disk, dir, first))? {
        Some(Some(index)) => return Ok(Some(index)),
        Some(None) => log::warn!("{}: damaged or of another secret", dir.index(first).display()),
        None => {}
    }
    let Some(segment) = if_exists(SegmentIndex::of_segment(disk, dir, first, Some(next_first)))? else {
        log::warn!("{first}: neither index nor segment can be read; the deduplication horizon shrinks");
        return Ok(None);
    };
    if segment.is_whole {
        segment.index.write(disk, dir)?;
    }
    Ok(Some(segment.index))
}
