//! Ranges of time, and the stored windows that hold their minutes. Pure.
//!
//! Input: a range, and which windows retention has kept. Output: the fewest windows that hold every minute of the range
//! once. All three sizes hold the same entries, so any such cover gives the same sums.

use std::ops::Range;

use crate::model::{WindowSize, WindowStart};
use crate::time::{self, MS_PER_MINUTE};

/// A size suits a range that holds at least this many windows of it: a day shows its hours, an hour its minutes.
const MIN_SUITED_WINDOWS: u64 = 24;

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

    /// From the minute that contains the first instant to the first minute that does not begin before the end.
    pub fn minutes(self) -> Range<WindowStart> {
        let end = time::minute_of(self.to_ms).0 + u32::from(!self.to_ms.is_multiple_of(MS_PER_MINUTE));
        time::minute_of(self.from_ms)..WindowStart(end)
    }

    /// From the window of this size that contains the first instant to the first one that does not begin before the end.
    pub fn starts(self, size: WindowSize) -> Range<WindowStart> {
        let minutes = self.minutes();
        minutes.start.floor(size)..WindowStart(minutes.end.0.next_multiple_of(size.minutes()))
    }
}

/// A piece of a cover: windows of one size, by their starts.
pub type CoverPiece = (WindowSize, Range<WindowStart>);

/// Which windows retention has left: of each size those that start at or after a cutoff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// By size, finest first; zero where nothing was removed.
    pub since: [WindowStart; WindowSize::ALL.len()],
}

impl Kept {
    /// The first window of this size that is kept.
    pub fn first(&self, size: WindowSize) -> WindowStart {
        WindowStart(self.since[size as usize].0.next_multiple_of(size.minutes()))
    }

    /// The part of `minutes` that can be answered: an edge whose fine windows were removed moves back to the next
    /// coarser one, so that neighbouring ranges still touch; what lies before everything kept is left out. `None` where
    /// nothing is left.
    pub fn round(&self, minutes: &Range<WindowStart>) -> Option<Range<WindowStart>> {
        if *self == Self::default() {
            return Some(minutes.clone());
        }
        let oldest = WindowSize::ALL.map(|size| self.first(size)).into_iter().min()?;
        let rounded = self.edge(minutes.start).max(oldest)..self.edge(minutes.end);
        (rounded.start < rounded.end).then_some(rounded)
    }

    /// The minute itself where windows on both sides of it can end and begin there, else the start of its hour or day.
    pub fn edge(&self, minute: WindowStart) -> WindowStart {
        let fits = |size: &WindowSize| {
            let edge = minute.floor(*size);
            let day = edge.floor(WindowSize::Day);
            let next_day = WindowStart(edge.0.next_multiple_of(WindowSize::Day.minutes()));
            self.cover(day..edge).is_some() && self.cover(edge..next_day).is_some()
        };
        let sizes = [WindowSize::Minute, WindowSize::Hour];
        minute.floor(sizes.into_iter().find(fits).unwrap_or(WindowSize::Day))
    }

    /// The fewest kept windows that together hold these minutes, each once, in the order of time. `None` where retention
    /// has removed some that are needed.
    pub fn cover(&self, minutes: Range<WindowStart>) -> Option<Vec<CoverPiece>> {
        let mut pieces = Vec::new();
        self.cover_with(minutes, &WindowSize::ALL, &mut pieces).then_some(pieces)
    }

    /// Covers minutes with windows of the last size where they fit and are kept, and what is left on both sides with
    /// the others. Returns whether every minute is covered.
    fn cover_with(
        &self,
        minutes: Range<WindowStart>,
        sizes: &[WindowSize],
        pieces: &mut Vec<CoverPiece>,
    ) -> bool {
        if minutes.start >= minutes.end {
            return true;
        }
        let Some((size, finer)) = sizes.split_last() else { return false };
        let start = WindowStart(minutes.start.0.next_multiple_of(size.minutes())).max(self.first(*size));
        let end = minutes.end.floor(*size);
        if start >= end {
            return self.cover_with(minutes, finer, pieces);
        }
        let before = self.cover_with(minutes.start..start, finer, pieces);
        pieces.push((*size, start..end));
        before && self.cover_with(end..minutes.end, finer, pieces)
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

    fn minute(text: &str) -> WindowStart {
        time::minute_of(time::parse_rfc3339(text).unwrap())
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
    fn the_minute_that_contains_the_start_is_included() {
        let minutes = range("2025-12-28T18:03:59.999Z", "2025-12-28T19:00:00.001Z").minutes();
        assert_eq!(minutes, minute("2025-12-28T18:03:00Z")..minute("2025-12-28T19:01:00Z"));
        let all = range("1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z").minutes();
        let days = (WindowSize::Day, WindowStart(0)..WindowStart(2_932_897 * 1_440));
        assert_eq!(Kept::default().cover(all), Some(vec![days]));
    }

    #[test]
    fn an_edge_without_its_fine_windows_moves_to_the_next_size_for_both_neighbours() {
        let kept = Kept {
            since: ["2025-06-20T10:20:00Z", "2025-06-10T05:00:00Z", "1970-01-01T00:00:00Z"].map(minute),
        };
        for (at, edge) in [
            ("2025-06-20T10:30:00Z", "2025-06-20T10:00:00Z"), // minutes of its hour are missing
            ("2025-06-20T11:30:00Z", "2025-06-20T11:30:00Z"),
            ("2025-06-15T18:30:00Z", "2025-06-15T18:00:00Z"),
            ("2025-06-10T18:30:00Z", "2025-06-10T00:00:00Z"), // hours of its day are missing
            ("2025-06-01T18:30:00Z", "2025-06-01T00:00:00Z"),
        ] {
            assert_eq!(kept.edge(minute(at)), minute(edge), "{at}");
        }
    }

    #[test]
    fn nothing_is_answered_from_before_everything_kept() {
        let kept = Kept { since: [minute("2025-06-20T00:00:00Z"); 3] };
        let (early, late) = (minute("2025-06-01T00:00:00Z"), minute("2025-06-21T00:00:00Z"));
        assert_eq!(kept.round(&(early..late)), Some(minute("2025-06-20T00:00:00Z")..late));
        assert_eq!(kept.round(&(early..minute("2025-06-20T00:00:00Z"))), None);
    }

    fn holds_each_minute_once(pieces: &[CoverPiece], minutes: &Range<WindowStart>) {
        let mut next = minutes.start;
        for (size, starts) in pieces {
            assert_eq!(starts.start, next);
            assert_eq!((starts.start.floor(*size), starts.end.floor(*size)), (starts.start, starts.end));
            next = starts.end;
        }
        assert_eq!(next, minutes.end);
    }

    proptest! {
        #[test]
        fn a_cover_holds_every_minute_once_and_few_windows(from in 0u32..20_000, length in 1u32..20_000) {
            let minutes = WindowStart(from)..WindowStart(from + length);
            let pieces = Kept::default().cover(minutes.clone()).unwrap();
            holds_each_minute_once(&pieces, &minutes);
            for (size, starts) in &pieces {
                let most = match size {
                    WindowSize::Minute => 59 * 2,
                    WindowSize::Hour => 23 * 2,
                    WindowSize::Day => u32::MAX,
                };
                prop_assert!((starts.end.0 - starts.start.0) / size.minutes() <= most);
            }
            prop_assert!(pieces.len() <= 5);
        }

        #[test]
        fn a_rounded_range_is_covered_by_kept_windows_and_touches_its_neighbour(
            cutoffs in prop::array::uniform3(0u32..12_000),
            edges in prop::array::uniform3(0u32..12_000),
        ) {
            let kept = Kept { since: cutoffs.map(WindowStart) };
            let mut edges = edges.map(WindowStart);
            edges.sort();
            let [from, middle, to] = edges;
            if let Some(range) = kept.round(&(from..to)) {
                let pieces = kept.cover(range.clone()).expect("only kept windows are needed");
                holds_each_minute_once(&pieces, &range);
                prop_assert!(pieces.iter().all(|(size, starts)| starts.start >= kept.first(*size)));
                prop_assert!(range.end <= to && to.0 - range.end.0 < 1_440);
            }
            if let (Some(left), Some(right)) = (kept.round(&(from..middle)), kept.round(&(middle..to))) {
                prop_assert_eq!(left.end, right.start);
            }
        }
    }
}
