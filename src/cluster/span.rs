//! The minutes that a batch has entries of, from its first to its last, and how summaries are found by them.
//!
//! Input: a summary's minutes; names of objects. Output: the part of a summary's key that says its minutes, and which parts
//! of a listing may overlap a range. Never: I/O.
//!
//! The ingest fixes a batch's span when it takes it, so that the key of its summary is the same whoever makes it and
//! whenever. Keys of one [`SpanClass`] ascend by the batch's last minute, and a class bounds how far the first may lie before it:
//! a range is found in a bounded part of each class, whatever else a customer has.

use std::ops::Range;

use crate::model::{Summary, WindowId, WindowSize, WindowStart};
use crate::time;

/// First and last minute of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinuteSpan {
    pub first: WindowStart,
    pub last: WindowStart,
}

/// Batches whose first and last minutes are about equally far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanClass {
    /// The name in keys.
    name: &'static str,
    /// The first and the last minute are less than this many minutes apart.
    minutes: u32,
}

/// Nearly all batches are of the first class. Imports of rarely visited sites are of the last, whose keys are listed
/// from the range to their end.
pub const CLASSES: [SpanClass; 3] = [
    SpanClass { name: "hour", minutes: 60 },
    SpanClass { name: "day", minutes: 1_440 },
    SpanClass { name: "long", minutes: u32::MAX },
];

impl MinuteSpan {
    /// The minutes of a batch, which has at least one.
    pub fn of(summary: &Summary) -> Self {
        let start = |minute: Option<&(WindowStart, _)>| minute.expect("a batch has an entry").0;
        Self { first: start(summary.minutes.first()), last: start(summary.minutes.last()) }
    }

    /// Whether the batch may have entries of these minutes.
    pub fn overlaps(self, minutes: &Range<WindowStart>) -> bool {
        self.first < minutes.end && minutes.start <= self.last
    }

    /// The text in a key: `hour/20251228T1804Z-2`, class, last minute and length.
    pub fn in_key(self) -> String {
        let between = self.last.0 - self.first.0;
        let class = CLASSES.into_iter().find(|class| between < class.minutes).unwrap_or(CLASSES[2]);
        format!("{}/{}-{}", class.name, stamp(self.last), between + 1)
    }

    /// Reads what [`in_key`](Self::in_key) gave.
    pub fn from_key(text: &str) -> Option<Self> {
        let (_, minutes) = text.split_once('/')?;
        let (last, length) = minutes.split_once('-')?;
        let last = time::parse_stamp(last).filter(|window| window.size == WindowSize::Minute)?.start;
        let first = WindowStart((last.0 + 1).checked_sub(length.parse().ok()?)?);
        Some(Self { first, last }).filter(|span| first <= last && span.in_key() == text)
    }
}

impl SpanClass {
    /// The beginning of its keys, behind the customer.
    pub fn prefix(self) -> String {
        format!("{}/", self.name)
    }

    /// The part of its keys that may overlap these minutes: all of them are above the first text and below the second.
    pub fn bounds(self, minutes: &Range<WindowStart>) -> (String, String) {
        let last = minutes.end.0.saturating_add(self.minutes).min(LAST_MINUTE);
        let of = |minute: u32| format!("{}{}", self.prefix(), stamp(WindowStart(minute)));
        // No stamp of a minute contains `~`, which sorts above every character that can follow a stamp.
        (of(minutes.start.0), format!("{}~", of(last)))
    }
}

/// The last minute that has a stamp.
const LAST_MINUTE: u32 = (time::LAST_MS / 60_000) as u32;

fn stamp(start: WindowStart) -> String {
    time::format_stamp(WindowId { size: WindowSize::Minute, start })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u32 = 29_449_083; // 2025-12-28T18:03Z

    fn span(first: u32, last: u32) -> MinuteSpan {
        MinuteSpan { first: WindowStart(first), last: WindowStart(last) }
    }

    #[test]
    fn a_span_is_read_back_from_its_key() {
        for (length, text) in [
            (1, "hour/20251228T1803Z-1"),
            (60, "hour/20251228T1803Z-60"),
            (61, "day/20251228T1803Z-61"),
            (1_440, "day/20251228T1803Z-1440"),
            (1_441, "long/20251228T1803Z-1441"),
        ] {
            let span = span(AT + 1 - length, AT);
            assert_eq!(span.in_key(), text);
            assert_eq!(MinuteSpan::from_key(text), Some(span));
        }
        for foreign in
            ["", "hour", "hour/20251228T1803Z", "hour/20251228T18Z-1", "day/20251228T1803Z-1", "hour/x-1"]
        {
            assert_eq!(MinuteSpan::from_key(foreign), None, "{foreign}");
        }
        assert_eq!(MinuteSpan::from_key("hour/20251228T1803Z-0"), None);
    }

    #[test]
    fn every_batch_that_overlaps_a_range_lies_within_the_bounds_of_its_class() {
        let lengths = [1, 2, 59, 60, 61, 1_439, 1_440, 1_441, 20_000];
        for (from, to) in [(AT, AT + 1), (AT, AT + 100), (AT, LAST_MINUTE), (0, AT)] {
            let range = WindowStart(from)..WindowStart(to);
            for length in lengths {
                for last in
                    [AT - 3_000, AT - 1, AT, AT + 1, AT + 59, AT + 60, AT + 160, AT + 1_500, AT + 20_000]
                {
                    let span = span(last + 1 - length, last);
                    let key = span.in_key();
                    let class = CLASSES.into_iter().find(|class| key.starts_with(&class.prefix())).unwrap();
                    let (above, below) = class.bounds(&range);
                    let is_listed = above <= key && key < below;
                    assert!(is_listed || !span.overlaps(&range), "{key} of {from}..{to}");
                }
            }
        }
        // The listing holds little more than the range.
        let (_, below) = CLASSES[0].bounds(&(WindowStart(AT)..WindowStart(AT + 1)));
        assert!(span(AT + 70, AT + 70).in_key() > below);
    }
}
