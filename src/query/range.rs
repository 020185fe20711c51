//! Ranges of time and the windows in them. Pure.
//!
//! A window belongs to a range `[from, to)` if a part of it lies there, so the window that contains `from` is included.
//! Ranges need not be aligned.

use std::ops::Range;

use crate::model::{WindowSize, WindowStart};
use crate::time;

/// A size suits a range that holds at least so many windows of it: a day shows its hours, an hour its minutes.
const MIN_SUITED_WINDOWS: u64 = 24;
const MS_PER_MINUTE: u64 = 60_000;

/// A time between two instants, the second one excluded: milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first instant.
    pub from_ms: u64,
    /// The first instant after it.
    pub to_ms: u64,
}

impl TimeRange {
    /// The coarsest window size that still shows the course of the range.
    pub fn suited_size(self) -> WindowSize {
        let minutes = self.to_ms.saturating_sub(self.from_ms) / MS_PER_MINUTE;
        let suits = |size: &WindowSize| minutes / u64::from(size.minutes()) >= MIN_SUITED_WINDOWS;
        WindowSize::ALL.into_iter().rev().find(suits).unwrap_or(WindowSize::Minute)
    }

    /// From the window of this size that contains the first instant to the first one that does not begin before the end.
    pub fn starts(self, size: WindowSize) -> Range<WindowStart> {
        let end = time::minute_of(self.to_ms).0 + u32::from(!self.to_ms.is_multiple_of(MS_PER_MINUTE));
        time::minute_of(self.from_ms).floor(size)..WindowStart(end.next_multiple_of(size.minutes()))
    }

    /// The fewest windows that together cover the minutes of the range, each once, in the order of time.
    pub fn cover(self) -> Vec<(WindowSize, Range<WindowStart>)> {
        let mut pieces = Vec::new();
        cover(self.starts(WindowSize::Minute), &WindowSize::ALL, &mut pieces);
        pieces
    }
}

/// Covers minutes with windows of the last size where they fit, and what is left on both sides with the others.
fn cover(
    minutes: Range<WindowStart>,
    sizes: &[WindowSize],
    pieces: &mut Vec<(WindowSize, Range<WindowStart>)>,
) {
    let Some((size, finer)) = sizes.split_last().filter(|_| minutes.start < minutes.end) else { return };
    let start = WindowStart(minutes.start.0.next_multiple_of(size.minutes()));
    let end = minutes.end.floor(*size);
    if start < end {
        cover(minutes.start..start, finer, pieces);
        pieces.push((*size, start..end));
        cover(end..minutes.end, finer, pieces);
    } else {
        cover(minutes, finer, pieces);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(from: &str, to: &str) -> TimeRange {
        let ms = |text| time::parse_rfc3339(text).unwrap();
        TimeRange { from_ms: ms(from), to_ms: ms(to) }
    }

    #[test]
    fn the_size_is_the_coarsest_that_shows_the_course() {
        for (from, to, size) in [
            ("2025-12-28T18:03:00Z", "2025-12-28T18:07:00Z", WindowSize::Minute),
            ("2025-12-28T00:00:00Z", "2025-12-28T23:59:59Z", WindowSize::Minute),
            ("2025-12-28T00:00:00Z", "2025-12-29T00:00:00Z", WindowSize::Hour),
            ("2025-12-01T00:00:00Z", "2025-12-24T00:00:00Z", WindowSize::Hour),
            ("2025-12-01T00:00:00Z", "2025-12-25T00:00:00Z", WindowSize::Day),
            ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", WindowSize::Day),
        ] {
            assert_eq!(range(from, to).suited_size(), size, "{from} {to}");
        }
    }

    #[test]
    fn the_window_that_contains_the_start_is_included() {
        let minute = |text| time::minute_of(time::parse_rfc3339(text).unwrap());
        let starts = range("2025-12-28T18:03:00.001Z", "2025-12-28T19:00:00.001Z").starts(WindowSize::Minute);
        assert_eq!(starts, minute("2025-12-28T18:03:00Z")..minute("2025-12-28T19:01:00Z"));
        let starts = range("2025-12-28T18:03:00Z", "2025-12-28T19:00:00Z").starts(WindowSize::Hour);
        assert_eq!(starts, minute("2025-12-28T18:00:00Z")..minute("2025-12-28T19:00:00Z"));
        let all = range("1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z");
        assert_eq!(all.cover(), [(WindowSize::Day, WindowStart(0)..WindowStart(2_932_897 * 1_440))]);
    }

    proptest! {
        #[test]
        fn a_cover_holds_every_minute_once_and_few_windows(from in 0u64..20_000, length in 1u64..20_000) {
            let range = TimeRange { from_ms: from * 60_000, to_ms: (from + length) * 60_000 };
            let pieces = range.cover();
            let mut next = from as u32;
            for (size, starts) in &pieces {
                prop_assert_eq!(starts.start.0, next);
                prop_assert_eq!(starts.start.floor(*size), starts.start);
                prop_assert_eq!(starts.end.floor(*size), starts.end);
                next = starts.end.0;
                let windows = (starts.end.0 - starts.start.0) / size.minutes();
                let most = match size {
                    WindowSize::Minute => 59 * 2,
                    WindowSize::Hour => 23 * 2,
                    WindowSize::Day => u32::MAX,
                };
                prop_assert!(windows <= most);
            }
            prop_assert_eq!(u64::from(next), from + length);
            prop_assert!(pieces.len() <= 5);
        }
    }
}
