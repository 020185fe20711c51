//! Windows of chosen entries alone: what `where` makes of `/aggregates` and `/aggregates/top`.
//!
//! Input: the bodies of a customer, and a filter. Output: a [`WindowSource`] whose windows count what meets the filter, by the
//! very code that counts batches. Never: a window outside of the minutes that were read.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;

use super::bodies::BodySource;
use super::merged::MergedWindow;
use super::range::TimeRange;
use super::{Meter, QueryError, QueryLimits, Question, Visit, WindowSource};
use crate::base::sync::{into_inner, lock};
use crate::batch::{Counter, Filter, Finder, Limits, windows};
use crate::dimension::DIMENSION_COUNT;
use crate::model::{CustomerId, Summary, WindowId, WindowStart};
use crate::time;
use crate::windows::view::{Wanted, WindowView};

/// Bodies are up to 2 MiB; what a counter sets aside for a chunk of that size is used again for the next.
const CHUNK_BYTES: usize = 1 << 20;

/// What chooses entries, and how they are read.
#[derive(Clone, Copy)]
pub struct Where<'w> {
    /// The bodies.
    pub bodies: &'w dyn BodySource,
    /// What entries must meet; `None` for all.
    pub filter: Option<&'w Filter>,
    /// The rules that entries are read by.
    pub rules: &'w Limits,
}

/// See the module.
pub(super) struct FilteredWindows {
    /// Nearly always one.
    summaries: Vec<Summary>,
    /// The part of the range that bodies cover.
    pub(super) covered: TimeRange,
    max_bytes: usize,
}

/// The part of a range from an instant on.
pub(super) fn part_since(range: TimeRange, since_ms: u64) -> TimeRange {
    TimeRange { from_ms: range.from_ms.max(since_ms).min(range.to_ms), to_ms: range.to_ms }
}

impl FilteredWindows {
    /// Counts the entries of `minutes`.
    pub(super) fn count(
        chosen: Where<'_>,
        customer: &CustomerId,
        (range, minutes): (TimeRange, Range<WindowStart>),
        limits: &QueryLimits,
        meter: &mut Meter,
    ) -> Result<Self, QueryError> {
        let rules = Limits { visitors: chosen.bodies.visitor_key(), ..chosen.rules.clone() };
        let max_bytes = limits.max_memory_bytes;
        // One for each thread that is at work.
        let idle: Mutex<Vec<(Finder<'_>, Counter)>> = Mutex::default();
        let since_ms = chosen.bodies.scan(customer, &minutes, meter, &|body| {
            let taken = lock(&idle).pop();
            let (mut finder, mut counter) = taken.unwrap_or_else(|| {
                (Finder::new(chosen.filter, &rules), Counter::new(&rules, time::LAST_MS, CHUNK_BYTES))
            });
            finder.find(body.bytes, body.content, &minutes, &mut |_, raw| {
                // It was accepted once; what today's rules refuse cannot be counted.
                let _ = counter.add(raw, |_| true);
            });
            let bytes = counter.bytes();
            lock(&idle).push((finder, counter));
            if bytes > max_bytes { Err(QueryError::Memory(max_bytes)) } else { Ok(()) }
        })?;
        let mut counters = into_inner(idle).into_iter().map(|(_, counter)| counter);
        let mut summaries = Vec::new();
        if let Some(mut first) = counters.next() {
            let apart: Vec<Counter> = counters.filter_map(|counter| first.merge(counter)).collect();
            summaries.extend(apart.into_iter().map(|mut counter| counter.take().summary));
            summaries.push(first.take().summary);
        }
        Ok(Self { summaries, covered: part_since(range, since_ms), max_bytes })
    }
}

impl WindowSource for FilteredWindows {
    fn visit(
        &self,
        question: &Question,
        wanted: &Wanted,
        meter: &mut Meter,
        visit: Visit<'_>,
    ) -> Result<(), QueryError> {
        let mut merged: BTreeMap<WindowStart, MergedWindow> = BTreeMap::new();
        for summary in &self.summaries {
            for (start, counts) in windows(summary, question.size) {
                if !question.range.contains(&start) {
                    continue;
                }
                meter.check_time()?;
                let id = WindowId { size: question.size, start };
                let view = WindowView::of_counts(id, &summary.keys, &counts);
                if self.summaries.len() > 1 {
                    merged.entry(start).or_default().add(view, self.max_bytes)?;
                } else if visit(cut(view, wanted))?.is_break() {
                    return Ok(());
                }
            }
        }
        for (start, window) in merged {
            let view = window.view(WindowId { size: question.size, start });
            if visit(cut(view, wanted))? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn customers(&self) -> Result<Vec<CustomerId>, QueryError> {
        Ok(Vec::new())
    }
}

/// Keeps what is wanted of a view.
fn cut<'v>(mut view: WindowView<'v>, wanted: &Wanted) -> WindowView<'v> {
    for dimension in 0..DIMENSION_COUNT {
        match wanted.by[dimension] {
            Some(top) => view.cut(dimension, top),
            None => view.by[dimension].clear(),
        }
    }
    view
}
