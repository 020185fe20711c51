//! From a query's range to the stretches that the answer shows, and to the stored windows that they are added up
//! from. Pure.
//!
//! Input: a range, a step, a time zone, and which windows retention has kept. Output: a [`Plan`]: the range that the answer
//! covers; its stretches; and runs of stored windows of one size, in the order of time, which hold the minutes of the
//! stretches once. Never: a stored window.

use std::collections::VecDeque;
use std::ops::Range;

use super::calendar::{CalendarBuckets, CalendarStep, CalendarZone};
use super::range::{CoverPiece, Kept, TimeRange};
use crate::model::{WindowSize, WindowStart};
use crate::time;

#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The range that the answer covers.
    pub(super) range: TimeRange,
    /// Whether that differs from the range of the query.
    pub(super) rounded: bool,
    step: CalendarStep,
    zone: CalendarZone,
    kept: Kept,
    minutes: Range<WindowStart>,
}

impl Plan {
    /// Plans an answer; `None` where retention has left nothing of the range.
    pub(super) fn new(asked: TimeRange, step: CalendarStep, zone: &CalendarZone, kept: Kept) -> Option<Self> {
        let mut plan =
            Self { range: asked, rounded: false, step, zone: zone.clone(), kept, minutes: asked.minutes() };
        let covered = match plan.stored_size() {
            Some(size) => plan.minutes.start.max(kept.first(size))..plan.minutes.end,
            None => {
                let first = CalendarBuckets::new(step, zone, plan.minutes.clone()).next()?;
                let last =
                    CalendarBuckets::new(step, zone, WindowStart(plan.minutes.end.0 - 1)..plan.minutes.end)
                        .next()?;
                let whole = first.start..if step == CalendarStep::All { plan.minutes.end } else { last.end };
                let covered = kept.round(&whole)?;
                if covered == whole { plan.minutes.clone() } else { covered }
            }
        };
        if covered.start >= covered.end {
            return None;
        }
        plan.rounded = covered != plan.minutes;
        if plan.rounded {
            let [from_ms, to_ms] = [covered.start, covered.end].map(time::start_ms);
            plan.range = TimeRange { from_ms, to_ms: to_ms.min(time::LAST_MS) };
        }
        Some(plan)
    }

    /// The size of the stored windows that the answer shows as they are; `None` where windows are added up.
    pub(super) fn stored_size(&self) -> Option<WindowSize> {
        match self.step {
            CalendarStep::Window(WindowSize::Day) if !self.zone.is_utc() => None,
            CalendarStep::Window(size) => Some(size),
            CalendarStep::Month | CalendarStep::All => None,
        }
    }

    /// The starts of the stored windows of this size that the answer shows.
    pub(super) fn starts(&self, size: WindowSize) -> Range<WindowStart> {
        self.range.starts(size)
    }

    /// The stretches from `next` on, which begins one; without it, all.
    pub(super) fn stretches(&self, next: Option<WindowStart>) -> Stretches {
        let minutes = next.unwrap_or(self.minutes.start)..self.minutes.end;
        Stretches { buckets: CalendarBuckets::new(self.step, &self.zone, minutes), kept: self.kept }
    }

    /// The stored windows of the stretches from `next` on.
    pub(super) fn runs(&self, next: Option<WindowStart>) -> Runs {
        Runs { stretches: self.stretches(next), pieces: VecDeque::new() }
    }

    /// The minutes that the answer shows, from the first stretch to the last.
    pub(super) fn span(&self) -> Range<WindowStart> {
        if let Some(size) = self.stored_size() {
            return self.starts(size);
        }
        let stretches =
            |from| Stretches { buckets: CalendarBuckets::new(self.step, &self.zone, from), kept: self.kept };
        let Range { start, end } = self.minutes;
        let first = stretches(start..end).next().map_or(start, |first| first.minutes.start);
        let last = stretches(WindowStart(end.0 - 1)..end).next().map_or(end, |last| last.minutes.end);
        first..last
    }

    /// How many stored windows a stretch may hold.
    pub(super) fn windows_in(&self, stretch: &AnswerStretch) -> usize {
        let pieces = self.kept.cover(stretch.minutes.clone()).unwrap_or_default();
        let windows = |(size, starts): &CoverPiece| (starts.end.0 - starts.start.0) / size.minutes();
        pieces.iter().map(windows).sum::<u32>() as usize
    }

    /// Whether a page may begin with this window or stretch.
    pub(super) fn is_start(&self, start: WindowStart) -> bool {
        match self.stored_size() {
            Some(size) => self.starts(size).contains(&start) && start.floor(size) == start,
            None if self.step == CalendarStep::All => start == self.minutes.start,
            None => self.stretches(Some(start)).next().is_some_and(|first| first.cursor == start),
        }
    }
}

/// One stretch of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AnswerStretch {
    /// Its beginning if every window were kept; pages continue from there.
    pub(super) cursor: WindowStart,
    pub(super) minutes: Range<WindowStart>,
}

/// The stretches of an answer, with edges where windows are kept.
#[derive(Clone, Debug)]
pub(super) struct Stretches {
    buckets: CalendarBuckets,
    kept: Kept,
}

impl Iterator for Stretches {
    type Item = AnswerStretch;

    fn next(&mut self) -> Option<AnswerStretch> {
        loop {
            let bucket = self.buckets.next()?;
            if let Some(minutes) = self.kept.round(&bucket) {
                return Some(AnswerStretch { cursor: bucket.start, minutes });
            }
        }
    }
}

/// Stored windows of one size behind one another, as many as there are.
pub(super) struct Runs {
    stretches: Stretches,
    pieces: VecDeque<CoverPiece>,
}

impl Iterator for Runs {
    type Item = CoverPiece;

    fn next(&mut self) -> Option<CoverPiece> {
        // The first run is complete when another one follows.
        while self.pieces.len() < 2
            && let Some(stretch) = self.stretches.next()
        {
            let cover = self.stretches.kept.cover(stretch.minutes);
            for piece in cover.expect("the edges of stretches are where windows are kept") {
                match self.pieces.back_mut() {
                    Some((size, starts)) if *size == piece.0 && starts.end == piece.1.start => {
                        starts.end = piece.1.end;
                    }
                    _ => self.pieces.push_back(piece),
                }
            }
        }
        self.pieces.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minute(text: &str) -> WindowStart {
        time::minute_of(time::parse_rfc3339(text).unwrap())
    }

    fn plan(step: CalendarStep, zone: &str, from: &str, to: &str) -> Plan {
        let ms = |text| time::parse_rfc3339(text).unwrap();
        let range = TimeRange { from_ms: ms(from), to_ms: ms(to) };
        Plan::new(range, step, &CalendarZone::from_name(zone).unwrap(), Kept::default()).unwrap()
    }

    #[test]
    fn days_of_a_zone_with_whole_hours_are_one_run_of_hours() {
        let day = CalendarStep::Window(WindowSize::Day);
        let days = plan(day, "Europe/Vienna", "2025-03-01T00:00:00Z", "2025-04-01T00:00:00Z");
        let runs: Vec<CoverPiece> = days.runs(None).collect();
        let (from, to) = (minute("2025-02-28T23:00:00Z"), minute("2025-04-01T22:00:00Z"));
        assert_eq!((runs, days.stored_size()), (vec![(WindowSize::Hour, from..to)], None));
        assert_eq!(
            plan(day, "UTC", "2025-03-01T00:00:00Z", "2025-04-01T00:00:00Z").stored_size(),
            Some(WindowSize::Day)
        );
    }

    #[test]
    fn months_and_the_whole_are_read_as_days_where_those_fit() {
        let (from, to) = ("2025-01-10T03:10:00Z", "2025-03-01T00:00:00Z");
        let months = plan(CalendarStep::Month, "UTC", from, to);
        let runs: Vec<CoverPiece> = months.runs(None).collect();
        assert_eq!(runs, [(WindowSize::Day, minute("2025-01-01T00:00:00Z")..minute(to))]);
        let sizes: Vec<WindowSize> =
            plan(CalendarStep::All, "UTC", from, to).runs(None).map(|(size, _)| size).collect();
        assert_eq!(sizes, [WindowSize::Minute, WindowSize::Hour, WindowSize::Day]);
        assert!(months.is_start(minute("2025-02-01T00:00:00Z")) && !months.is_start(minute(from)));
    }

    #[test]
    fn what_retention_removed_is_rounded_away_and_told() {
        let ms = |text| time::parse_rfc3339(text).unwrap();
        let since = ["2025-06-20T00:00:00Z", "2025-06-10T00:00:00Z", "1970-01-01T00:00:00Z"].map(minute);
        let planned = |from, to, step, zone: &str| {
            let range = TimeRange { from_ms: ms(from), to_ms: ms(to) };
            let plan = Plan::new(range, step, &CalendarZone::from_name(zone).unwrap(), Kept { since })?;
            Some((time::format_rfc3339(plan.range.from_ms), plan.rounded, plan.stretches(None).count()))
        };
        let (from, to) = ("2025-06-05T18:30:00Z", "2025-06-21T00:00:00Z");
        let day = CalendarStep::Window(WindowSize::Day);
        let all = planned(from, to, CalendarStep::All, "UTC").unwrap();
        assert_eq!(all, ("2025-06-05T00:00:00Z".to_owned(), true, 1));
        // Days are kept; the hours of local days are not.
        assert!(!planned(from, to, day, "UTC").unwrap().1);
        let local = planned(from, to, day, "Asia/Tokyo").unwrap();
        assert_eq!((&*local.0, local.1), ("2025-06-05T00:00:00Z", true));
        let minutes = planned(from, to, CalendarStep::Window(WindowSize::Minute), "UTC").unwrap();
        assert_eq!((&*minutes.0, minutes.1), ("2025-06-20T00:00:00Z", true));
        assert_eq!(
            planned(from, "2025-06-19T00:00:00Z", CalendarStep::Window(WindowSize::Minute), "UTC"),
            None
        );
    }

    proptest! {
        #[test]
        fn runs_hold_the_minutes_of_the_stretches_once(
            from in 20_000_000u32..30_000_000,
            length in 1u32..200_000,
            cutoffs in prop::array::uniform3(20_000_000u32..30_000_000),
            is_kept in any::<bool>(),
            zone in prop::sample::select(vec!["UTC", "Europe/Vienna", "Asia/Kathmandu", "Australia/Lord_Howe"]),
            step in prop::sample::select(vec![CalendarStep::Window(WindowSize::Day), CalendarStep::Month, CalendarStep::All]),
        ) {
            let [from_ms, to_ms] = [from, from + length].map(|at| time::start_ms(WindowStart(at)));
            let kept = if is_kept { Kept::default() } else { Kept { since: cutoffs.map(WindowStart) } };
            let zone = CalendarZone::from_name(zone).unwrap();
            let Some(plan) = Plan::new(TimeRange { from_ms, to_ms }, step, &zone, kept) else { return Ok(()) };
            let stretches: Vec<_> = plan.stretches(None).collect();
            prop_assert!(stretches.windows(2).all(|pair| pair[0].minutes.end == pair[1].minutes.start));
            let (first, last) = (&stretches[0].minutes, &stretches.last().unwrap().minutes);
            let mut next = first.start;
            for (size, starts) in plan.runs(None) {
                prop_assert_eq!(starts.start, next);
                prop_assert!(starts.start >= kept.first(size) && starts.start.floor(size) == starts.start);
                prop_assert_eq!(starts.end.floor(size), starts.end);
                next = starts.end;
            }
            prop_assert_eq!(next, last.end);
            // Stored windows are shown as they are, and begin pages themselves.
            let begins_page = |stretch: &AnswerStretch| plan.is_start(stretch.cursor);
            prop_assert!(plan.stored_size().is_some() || stretches.iter().all(begins_page));
            prop_assert!(!(plan.rounded && is_kept));
        }
    }
}
