//! Warnings for the operator's log while the server runs: a clock that seems wrong, a disk that is full.
//!
//! Input: about once a second the clock, the last time of receipt, and the free space. Output: a line when such a
//! state begins or ends. Never: reads a clock or a disk, or logs a line for each batch.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::Level;

use crate::base::clock::UnixMs;
use crate::base::disk::{FreeSpace, MIN_FREE_INODES};
use crate::base::plural::counted;
use crate::time::{DAY_MS, format_rfc3339};

/// A clock this far before the last batch is wrong, or was wrong when that batch came: time servers correct less than
/// that.
const MAX_BEHIND_MS: u64 = 60_000;
/// A clock this much later than before, or than the last batch of the previous run, seems wrong.
const MAX_AHEAD_MS: u64 = 30 * DAY_MS;
/// Time between two warnings of the clock.
const CLOCK_WARNING_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// A disk counts as no longer full when it has had space for this long: a disk that is filled and freed in turns
/// causes few log lines.
const DISK_CALM: Duration = Duration::from_secs(5);

/// Compares the clock with the last batch, and with itself.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    /// The latest time that was seen: of the clock, or of a batch before the clock was first read.
    latest_ms: UnixMs,
    /// The last time of receipt at the previous check.
    last_batch_ms: UnixMs,
    warned_at: Option<Instant>,
}

impl ClockWatch {
    /// The warning that is due now. `last_batch_ms` is 0 if there never was a batch.
    pub(super) fn look(&mut self, now_ms: UnixMs, last_batch_ms: UnixMs, now: Instant) -> Option<String> {
        let before_ms = if self.latest_ms == 0 { last_batch_ms } else { self.latest_ms };
        // This batch may have been received by a clock that has just jumped.
        let batch_ms =
            if self.last_batch_ms == 0 { last_batch_ms } else { self.last_batch_ms }.min(before_ms);
        self.latest_ms = before_ms.max(now_ms);
        self.last_batch_ms = last_batch_ms;
        let (says, far) = (format_rfc3339(now_ms), |from: UnixMs, to: UnixMs| apart(to.saturating_sub(from)));
        let warning = if last_batch_ms.saturating_sub(now_ms) > MAX_BEHIND_MS {
            let last = format_rfc3339(last_batch_ms);
            format!(
                "the clock says {says}, which is {} before the last batch ({last}): set the clock. Until then entries of more than \
                 24 h after that batch are refused with 503. If the clock is right, it was wrong when that batch came; counting \
                 goes on",
                far(now_ms, last_batch_ms)
            )
        } else if batch_ms > 0 && now_ms.saturating_sub(before_ms) > MAX_AHEAD_MS {
            let last = format_rfc3339(batch_ms);
            format!(
                "the clock says {says}, which is {} after the last batch ({last}): if batches came since then, stop the server, \
                 set the clock, and start it again. Batches that come meanwhile keep the wrong time of receipt",
                far(batch_ms, now_ms)
            )
        } else {
            return None;
        };
        let is_due = self.warned_at.is_none_or(|at| now.duration_since(at) >= CLOCK_WARNING_INTERVAL);
        is_due.then(|| {
            self.warned_at = Some(now);
            warning
        })
    }
}

/// A span in the unit that suits it, rounded.
fn apart(ms: u64) -> String {
    const HOUR: u64 = 60;
    const DAY: u64 = 24 * HOUR;
    match (ms + 30_000) / 60_000 {
        minutes if minutes < 2 * HOUR => counted(minutes, "minute"),
        minutes if minutes < 2 * DAY => counted((minutes + HOUR / 2) / HOUR, "hour"),
        minutes => counted((minutes + DAY / 2) / DAY, "day"),
    }
}

/// Reports when the disk becomes so full that batches are refused, and when that ends.
#[derive(Debug)]
pub(super) struct DiskWatch {
    path: PathBuf,
    min_free_bytes: u64,
    is_full: bool,
    /// Since when there is space again, while the disk is still reported as full.
    calm_since: Option<Instant>,
}

impl DiskWatch {
    /// For the disk that holds `path`, on which so many bytes are kept in reserve.
    pub(super) fn new(path: &Path, min_free_bytes: u64) -> Self {
        Self { path: path.to_owned(), min_free_bytes, is_full: false, calm_since: None }
    }

    /// The line to log if the disk became full, or is no longer full.
    pub(super) fn look(&mut self, free: FreeSpace, now: Instant) -> Option<(Level, String)> {
        let Self { path, min_free_bytes, .. } = self;
        let is_below = free.is_below(*min_free_bytes);
        let path = path.display();
        let files = |inodes: u64| counted(inodes, "file");
        if is_below && !self.is_full {
            let line = format!(
                "the disk of {path} is full: {} and room for {} are free, {} (--min-free-bytes) and {} are kept for windows \
                 and checkpoints. Batches are refused with 503 until there is space: free some, or let the journal keep less \
                 (--retain-journal-bytes)",
                mebibytes(free.bytes),
                files(free.inodes),
                mebibytes(*min_free_bytes),
                files(MIN_FREE_INODES),
            );
            (self.is_full, self.calm_since) = (true, None);
            return Some((Level::Warn, line));
        }
        if !self.is_full || is_below {
            self.calm_since = None;
            return None;
        }
        let since = *self.calm_since.get_or_insert(now);
        (now.duration_since(since) >= DISK_CALM).then(|| {
            self.is_full = false;
            let line = format!(
                "the disk of {path} has space again ({} free): batches are taken",
                mebibytes(free.bytes)
            );
            (Level::Info, line)
        })
    }
}

/// Bytes in the unit that `--min-free-bytes` is given in.
fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    /// 2025-11-30T00:00:00Z.
    const BATCH_MS: u64 = 1_764_460_800_000;

    #[test]
    fn a_clock_behind_the_last_batch_is_told_at_once_and_then_once_an_hour() {
        let (mut watch, start) = (ClockWatch::default(), clock::monotonic());
        let now_ms = BATCH_MS - 3 * DAY_MS;
        let warning = watch.look(now_ms, BATCH_MS, start).unwrap();
        for words in
            ["2025-11-27T00:00:00Z", "3 days before", "(2025-11-30T00:00:00Z)", "set the clock", "503"]
        {
            assert!(warning.contains(words), "{words}: {warning}");
        }
        let after = |watch: &mut ClockWatch, seconds: u64| {
            watch.look(now_ms + seconds * 1_000, BATCH_MS, start + Duration::from_secs(seconds))
        };
        assert_eq!([1, 60, 3_599].map(|seconds| after(&mut watch, seconds)), [None, None, None]);
        assert!(after(&mut watch, 3_600).is_some());
        // The clock is set right again, which is not a jump ahead.
        assert_eq!(watch.look(BATCH_MS + DAY_MS, BATCH_MS, start + Duration::from_secs(9_999)), None);
        // A difference that a time server corrects is not reported.
        assert_eq!(ClockWatch::default().look(BATCH_MS - MAX_BEHIND_MS, BATCH_MS, start), None);
    }

    #[test]
    fn a_clock_far_ahead_is_told_at_the_start_and_when_it_jumps() {
        let (mut watch, start) = (ClockWatch::default(), clock::monotonic());
        let warning = watch.look(BATCH_MS + 400 * DAY_MS, BATCH_MS, start).unwrap();
        for words in ["2027-01-04T00:00:00Z", "400 days after", "(2025-11-30T00:00:00Z)", "set the clock"] {
            assert!(warning.contains(words), "{words}: {warning}");
        }
        assert_eq!(watch.look(BATCH_MS + 400 * DAY_MS + 1_000, BATCH_MS, start), None);
        // A jump while the server runs is reported even if a batch has come by the new time.
        let mut watch = ClockWatch::default();
        assert_eq!(watch.look(BATCH_MS + 1, BATCH_MS, start), None);
        let jumped_ms = BATCH_MS + 400 * DAY_MS;
        let warning = watch.look(jumped_ms, jumped_ms, start).unwrap();
        assert!(warning.contains("400 days after the last batch (2025-11-30T00:00:00Z)"), "{warning}");
        // A server that was not used for a while, and one that is new.
        assert_eq!(ClockWatch::default().look(BATCH_MS + MAX_AHEAD_MS, BATCH_MS, start), None);
        assert_eq!(ClockWatch::default().look(BATCH_MS, 0, start), None);
    }

    #[test]
    fn a_full_disk_is_told_when_it_begins_and_when_it_ends() {
        let start = clock::monotonic();
        let mut watch = DiskWatch::new(Path::new("/data/journal"), 64 << 20);
        let mut look = |mebibytes: u64, inodes: u64, seconds: u64| {
            let free = FreeSpace { bytes: mebibytes << 20, inodes };
            watch.look(free, start + Duration::from_secs(seconds))
        };
        assert_eq!(look(64, 5_000, 0), None);
        let (level, line) = look(12, 5_000, 1).unwrap();
        assert_eq!(level, Level::Warn);
        for words in [
            "/data/journal",
            "12.0 MiB and room for 5000 files",
            "64.0 MiB (--min-free-bytes) and 1000 files",
        ] {
            assert!(line.contains(words), "{words}: {line}");
        }
        assert_eq!(
            [(12, 2), (80, 3), (12, 4), (80, 5), (80, 9)].map(|(free, at)| look(free, 5_000, at)),
            [const { None }; 5]
        );
        let (level, line) = look(80, 5_000, 10).unwrap();
        assert_eq!(
            (level, line.contains("/data/journal has space again (80.0 MiB free)")),
            (Level::Info, true),
            "{line}"
        );
        assert_eq!(look(80, 5_000, 11), None);
        // A disk without free inodes is full, whatever its free bytes.
        assert_eq!(look(80, 999, 12).unwrap().0, Level::Warn);
    }
}
