//! Divides a range of time into the stretches that an answer shows one by one: stored windows, local days and months,
//! or the whole range. Pure.
//!
//! Input: a range in minutes, what is wanted, a time zone. Output: [`CalendarBuckets`], ascending, each the minutes that one
//! answer window holds. A zone moves the beginnings of days and months; hours and minutes are those of UTC. Never: a
//! stored window.

use std::ops::Range;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::model::{WindowSize, WindowStart};
use crate::time::{self, LAST_MS};

/// The size of an answer's windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarStep {
    /// A stored window of this size.
    Window(WindowSize),
    /// A calendar month.
    Month,
    /// The whole range.
    All,
}

impl CalendarStep {
    /// The step with this name in queries.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "month" => Some(CalendarStep::Month),
            "all" => Some(CalendarStep::All),
            _ => WindowSize::from_name(name).map(CalendarStep::Window),
        }
    }

    /// The name in queries and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            CalendarStep::Window(size) => size.as_str(),
            CalendarStep::Month => "month",
            CalendarStep::All => "all",
        }
    }
}

/// A time zone by its IANA name.
#[derive(Clone, Debug)]
pub struct CalendarZone(TimeZone);

impl CalendarZone {
    /// The zone with this name, `Europe/Vienna`; `None` for a name that the time zone database does not have.
    pub fn from_name(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().filter(|zone| !zone.is_unknown()).map(Self)
    }

    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Whether it is UTC itself: a zone of another name may differ from it at other times.
    pub fn is_utc(&self) -> bool {
        self.0 == TimeZone::UTC
    }

    /// The local date of the last second of a minute: a day begins with the minute that holds its first second.
    fn date_at(&self, minute: WindowStart) -> Date {
        let ms = i64::try_from(time::start_ms(minute) + 59_999).expect("minutes end with the year 9999");
        let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
        self.0.to_datetime(at).date()
    }

    /// The first minute of a local date. Where clocks skip midnight, the day begins after the gap. Zones of long ago
    /// had offsets with seconds: then the day begins with the minute that holds its first second.
    fn start_of(&self, date: Date) -> WindowStart {
        let midnight = self.0.to_zoned_datetime(date.to_datetime(Time::midnight()));
        let first = midnight.and_then(|at| at.start_of_day());
        let ms = first.map_or(LAST_MS.cast_signed(), |at| at.timestamp().as_millisecond());
        time::minute_of(u64::try_from(ms).unwrap_or(0).min(LAST_MS))
    }
}

/// The stretches of an answer: every one that holds a minute of the range, whole (but for [`CalendarStep::All`], which is the
/// range itself).
#[derive(Clone, Debug)]
pub struct CalendarBuckets {
    step: CalendarStep,
    zone: CalendarZone,
    /// The start of the next bucket.
    next: WindowStart,
    /// The first minute after the range.
    end: WindowStart,
}

impl CalendarBuckets {
    /// The buckets that hold minutes of `range`, from the one that contains its first.
    pub fn new(step: CalendarStep, zone: &CalendarZone, range: Range<WindowStart>) -> Self {
        let start = range.start;
        let next = match step {
            CalendarStep::Window(WindowSize::Day) => zone.start_of(zone.date_at(start)),
            CalendarStep::Window(size) => start.floor(size),
            CalendarStep::Month => zone.start_of(zone.date_at(start).first_of_month()),
            CalendarStep::All => start,
        };
        // A gap at midnight can put the start of a local date behind its first minute by the old offset.
        let mut buckets = Self { step, zone: zone.clone(), next: next.min(start), end: range.end };
        // Clocks that are set back across midnight bring minutes of the old date again when the new one has begun.
        loop {
            let following = buckets.end_of(buckets.next);
            if following > start {
                return buckets;
            }
            buckets.next = following;
        }
    }
}

impl Iterator for CalendarBuckets {
    type Item = Range<WindowStart>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.next;
        if start >= self.end {
            return None;
        }
        self.next = self.end_of(start);
        Some(start..self.next)
    }
}

impl CalendarBuckets {
    /// The end of the bucket that begins here.
    fn end_of(&self, start: WindowStart) -> WindowStart {
        match self.step {
            CalendarStep::Window(WindowSize::Day) => self.after(start, 1.day()),
            CalendarStep::Month => self.after(start, 1.month()),
            CalendarStep::Window(size) => WindowStart(start.0 + size.minutes()),
            CalendarStep::All => self.end,
        }
    }

    /// The first minute of the local date that is this much after the one that `start` lies in; always later.
    fn after(&self, start: WindowStart, span: jiff::Span) -> WindowStart {
        let mut date = self.zone.date_at(start);
        loop {
            let Ok(later) = date.checked_add(span) else { return self.end };
            let next = self.zone.start_of(later);
            // A zone that skipped a whole day (Samoa, 2011-12-30) has dates without a minute.
            if next > start {
                return next;
            }
            date = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minute(text: &str) -> WindowStart {
        time::minute_of(time::parse_rfc3339(text).unwrap())
    }

    fn buckets(step: CalendarStep, zone: &str, from: &str, to: &str) -> Vec<String> {
        let zone = CalendarZone::from_name(zone).unwrap();
        let buckets: Vec<Range<WindowStart>> =
            CalendarBuckets::new(step, &zone, minute(from)..minute(to)).collect();
        assert!(buckets.windows(2).all(|pair| pair[0].end == pair[1].start), "{buckets:?}");
        buckets.iter().map(|bucket| time::format_start(bucket.start)).collect()
    }

    #[test]
    fn the_bucket_that_contains_the_start_is_included() {
        let hour = CalendarStep::Window(WindowSize::Hour);
        let (from, to) = ("2025-12-28T18:03:00Z", "2025-12-28T20:00:00Z");
        assert_eq!(buckets(hour, "UTC", from, to), ["2025-12-28T18:00:00Z", "2025-12-28T19:00:00Z"]);
        assert_eq!(buckets(CalendarStep::All, "UTC", from, to), [from]);
        assert_eq!(buckets(CalendarStep::Month, "UTC", from, to), ["2025-12-01T00:00:00Z"]);
    }

    #[test]
    fn days_are_23_and_25_hours_long_where_clocks_change() {
        let day = CalendarStep::Window(WindowSize::Day);
        let starts = buckets(day, "Europe/Vienna", "2025-03-29T12:00:00Z", "2025-03-31T12:00:00Z");
        assert_eq!(starts, ["2025-03-28T23:00:00Z", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"]);
        let starts = buckets(day, "Europe/Vienna", "2025-10-26T00:00:00Z", "2025-10-27T12:00:00Z");
        assert_eq!(starts, ["2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"]);
    }

    #[test]
    fn days_begin_at_local_midnight_in_zones_of_half_hours() {
        let day = CalendarStep::Window(WindowSize::Day);
        let starts = buckets(day, "Asia/Kolkata", "2025-06-01T00:00:00Z", "2025-06-02T00:00:00Z");
        assert_eq!(starts, ["2025-05-31T18:30:00Z", "2025-06-01T18:30:00Z"]);
        let starts =
            buckets(CalendarStep::Month, "Asia/Kathmandu", "2025-06-15T00:00:00Z", "2025-07-01T00:00:00Z");
        assert_eq!(starts, ["2025-05-31T18:15:00Z", "2025-06-30T18:15:00Z"]);
    }

    #[test]
    fn a_day_that_a_zone_skipped_has_no_bucket() {
        let day = CalendarStep::Window(WindowSize::Day);
        let starts = buckets(day, "Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-31T12:00:00Z");
        assert_eq!(starts, ["2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"]);
    }

    #[test]
    fn the_last_year_ends_the_buckets() {
        for zone in ["UTC", "Pacific/Apia", "America/Adak"] {
            let all = minute("9999-11-30T00:00:00Z")..WindowStart(minute("9999-12-31T23:59:00Z").0 + 1);
            let zone = CalendarZone::from_name(zone).unwrap();
            for step in [CalendarStep::Window(WindowSize::Day), CalendarStep::Month, CalendarStep::All] {
                let last = CalendarBuckets::new(step, &zone, all.clone()).last().unwrap();
                assert!(last.start < last.end && last.end >= all.end, "{step:?} {last:?}");
            }
        }
    }

    #[test]
    fn minutes_of_the_old_date_after_clocks_were_set_back_across_midnight_belong_to_the_new_day() {
        let day = CalendarStep::Window(WindowSize::Day);
        let found = buckets(day, "America/St_Johns", "2007-11-04T02:31:00Z", "2007-11-04T02:32:00Z");
        assert_eq!(found, ["2007-11-04T02:30:00Z"]);
        // The offset was 44 minutes and 30 seconds.
        let found = buckets(day, "Africa/Monrovia", "1971-10-30T00:44:00Z", "1971-10-30T00:45:00Z");
        assert_eq!(found, ["1971-10-30T00:44:00Z"]);
    }

    proptest! {
        #[test]
        fn buckets_hold_every_minute_of_the_range_once(
            from in 0u32..40_000_000,
            length in 1u32..200_000,
            zone in prop::sample::select(vec![
                "UTC", "Europe/Vienna", "America/St_Johns", "Australia/Lord_Howe", "Africa/Monrovia", "America/Havana",
            ]),
            step in prop::sample::select(vec![CalendarStep::Window(WindowSize::Day), CalendarStep::Month, CalendarStep::All]),
        ) {
            let range = WindowStart(from)..WindowStart(from + length);
            let zone = CalendarZone::from_name(zone).unwrap();
            let buckets: Vec<_> = CalendarBuckets::new(step, &zone, range.clone()).collect();
            prop_assert!(buckets.iter().all(|bucket| bucket.start < bucket.end));
            prop_assert!(buckets.windows(2).all(|pair| pair[0].end == pair[1].start));
            let (first, last) = (&buckets[0], buckets.last().unwrap());
            prop_assert!(first.start <= range.start && range.start < first.end);
            prop_assert!(last.start < range.end && range.end <= last.end);
            if step == CalendarStep::Window(WindowSize::Day) {
                prop_assert!(buckets.iter().all(|day| (22 * 60..=26 * 60).contains(&(day.end.0 - day.start.0))));
            }
        }
    }
}
