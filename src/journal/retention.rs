//! Writes the `.idx` files of sealed segments, and removes segments that are too old or too many.
//!
//! Input: a durable checkpoint, the limits and the time. Output: index files; removed segments. Never: touches the segment
//! being written, or removes a record that is after the checkpoint.

use std::io;

use super::index_file::SegmentIndex;
use super::reader::JournalFiles;
use crate::base::disk::{Disk, if_exists};
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

/// How many milliseconds the clock of retention advances in one, at most, while it is behind the wall clock.
const CATCH_UP: u64 = 10;

/// The clock that decides what is old. It follows the wall clock, but no faster than ten days a day, so that a wall clock
/// that is wrong, or becomes wrong while the server is down, cannot make everything old at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionClock {
    now_ms: u64,
}

impl RetentionClock {
    /// Goes on from where the last checkpoint left it; a new directory begins with the wall clock.
    pub fn new(stored_ms: Option<u64>, wall_ms: u64) -> Self {
        Self { now_ms: stored_ms.map_or(wall_ms, |stored| stored.min(wall_ms)) }
    }

    /// Advances by this much monotonic time, and returns the time.
    pub fn advance(&mut self, elapsed_ms: u64, wall_ms: u64) -> u64 {
        let behind = wall_ms.saturating_sub(self.now_ms);
        // A wall clock that was set back only makes things look younger.
        self.now_ms = wall_ms.min(self.now_ms + behind.min(elapsed_ms.saturating_mul(CATCH_UP)));
        self.now_ms
    }

    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }
}

/// The result of one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Index files written.
    pub indexed: u64,
    pub removed: u64,
    /// Bytes in segments now.
    pub bytes: u64,
    pub segments: u64,
    /// The first record that the journal still holds.
    pub oldest: Seq,
}

/// The state that a round starts from.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    pub retention: Retention,
    /// The checkpoint that was just made durable.
    pub checkpoint: Seq,
    /// The segment being written.
    pub active_segment: Seq,
    /// Deduplication knows nothing up to this record, so index files up to it are useless.
    pub forgotten_through: Seq,
    /// The time by the clock of retention.
    pub now_ms: u64,
}

/// One round. Work that fails is left for the next round.
pub fn maintain(disk: &dyn Disk, dir: &DataDir, round: &Round) -> io::Result<Maintained> {
    let files = JournalFiles::list(disk, dir)?;
    let mut bytes = files.bytes();
    let JournalFiles { segments, indexes } = files;

    let mut done = Maintained::default();
    for (position, (first, _)) in segments.iter().enumerate() {
        if *first < round.active_segment && indexes.binary_search(first).is_err() {
            let next_first = segments.get(position + 1).map(|(next_first, _)| *next_first);
            // The readable records of a damaged segment are indexed; the gap shows as a shorter horizon at the next
            // start.
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
        // Without a good index the segment is the only place that holds the keys of its batches; then it stays.
        let Some(index) = read_index(disk, dir, *first)? else { break };
        let age_ms = round.now_ms.saturating_sub(index.last_received_at_ms);
        if bytes <= round.retention.max_bytes && age_ms <= round.retention.max_age_ms {
            break;
        }
        if done.removed == 0 {
            // An index of an earlier round may be readable but not durable, if its sync failed.
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
    let read = if_exists(SegmentIndex::read(disk, dir, first))?;
    if matches!(read, Some(None)) {
        // Damaged: removed, so that the next round makes it anew from the segment.
        disk.remove(&dir.index(first))?;
    }
    Ok(read.flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 60 * 60 * 1000;

    #[test]
    fn a_wall_clock_that_jumps_ahead_is_followed_by_ten_days_a_day() {
        let mut clock = RetentionClock::new(Some(1_000 * DAY), 1_400 * DAY);
        assert_eq!(clock.now_ms(), 1_000 * DAY);
        assert_eq!(clock.advance(DAY, 1_401 * DAY), 1_010 * DAY);
        // The wall clock was wrong and is right again: the gained time is given back.
        assert_eq!(clock.advance(DAY, 1_002 * DAY), 1_002 * DAY);
    }

    #[test]
    fn a_clock_in_step_stays_in_step_and_catches_up_after_a_downtime() {
        let mut clock = RetentionClock::new(None, 1_000 * DAY);
        assert_eq!(clock.advance(5, 1_000 * DAY + 5), 1_000 * DAY + 5);
        let mut clock = RetentionClock::new(Some(clock.now_ms()), 1_030 * DAY);
        for day in 1..=3 {
            assert!(clock.advance(DAY, (1_030 + day) * DAY) <= (1_000 + 10 * day) * DAY + 5);
        }
        assert_eq!(clock.advance(DAY, 1_034 * DAY), 1_034 * DAY);
    }
}
