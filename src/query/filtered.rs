//! The windows that `/aggregates` and `/aggregates/top` are answered from: stored ones, or with `where` windows that
//! count only the chosen entries.
//!
//! Input: a plan; stored windows, or the bodies of a customer and a filter. Output: the answer that the caller makes
//! from a [`WindowSource`]. Chosen entries are counted by the very code that counts batches. Never: a window outside
//! the minutes that were read.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Mutex;

use super::bodies::BodySource;
use super::merged::MergedWindow;
use super::plan::Plan;
use super::range::{Kept, TimeRange};
use super::{Meter, QueryAnswer, QueryError, QueryLimits, Question, StoredSource, Visit, WindowSource};
use crate::base::sync::{into_inner, lock};
use crate::batch::{Counter, Filter, Finder, Limits, windows};
use crate::model::{CustomerId, Summary, WindowId, WindowStart};
use crate::time;
use crate::windows::view::{Wanted, WindowView};

/// Bodies are up to 2 MiB; what a counter sets aside for a chunk of that size is used again for the next.
const CHUNK_BYTES: usize = 1 << 20;

/// A filter, and how entries are read.
#[derive(Clone, Copy)]
pub struct Where<'w> {
    pub bodies: &'w dyn BodySource,
    /// The conditions that entries must meet; `None` for all entries.
    pub filter: Option<&'w Filter>,
    /// The rules that entries are read by.
    pub rules: &'w Limits,
}

/// The source of an answer.
pub enum AnswerFrom<'a> {
    /// Everything that is stored.
    Stored(&'a dyn StoredSource),
    /// Chosen entries alone.
    Chosen(Where<'a>),
}

pub(super) struct PlannedAnswer<'p> {
    pub(super) customer: &'p CustomerId,
    pub(super) range: TimeRange,
    /// Its plan for the windows that retention has kept; `None` if it has kept none of the range.
    pub(super) plan: &'p dyn Fn(Kept) -> Option<Plan>,
}

/// Makes an answer from windows by a plan. Gets the part of the range that bodies cover, if they are read.
pub(super) type MakeAnswer<'a> =
    &'a dyn Fn(&dyn WindowSource, (&Plan, Option<TimeRange>), &mut Meter) -> Result<QueryAnswer, QueryError>;

impl AnswerFrom<'_> {
    /// Plans an answer and gives `make` the windows for it.
    pub(super) fn answer(
        self,
        planned: &PlannedAnswer<'_>,
        limits: &QueryLimits,
        meter: &mut Meter,
        make: MakeAnswer<'_>,
    ) -> Result<QueryAnswer, QueryError> {
        let PlannedAnswer { customer, range, plan } = *planned;
        match self {
            AnswerFrom::Stored(source) => {
                let kept = source.kept(customer)?;
                let plan = plan(kept).ok_or(QueryError::NothingKept)?;
                let answer = make(source, (&plan, None), meter)?;
                // Retention may have removed windows that the plan reads.
                if source.kept(customer)? == kept { Ok(answer) } else { Err(QueryError::Busy) }
            }
            AnswerFrom::Chosen(chosen) => {
                let plan = plan(Kept::default()).expect("everything is kept");
                let found = FilteredWindows::count(chosen, customer, (range, plan.span()), limits, meter)?;
                make(&found, (&plan, Some(found.covered)), meter)
            }
        }
    }
}

struct FilteredWindows {
    /// Nearly always one summary.
    summaries: Vec<Summary>,
    /// The part of the range that bodies cover.
    covered: TimeRange,
    max_bytes: usize,
}

/// The part of a range from an instant on.
pub(super) fn part_since(range: TimeRange, since_ms: u64) -> TimeRange {
    TimeRange { from_ms: range.from_ms.max(since_ms).min(range.to_ms), to_ms: range.to_ms }
}

impl FilteredWindows {
    /// Counts the entries of `minutes`.
    fn count(
        chosen: Where<'_>,
        customer: &CustomerId,
        (range, minutes): (TimeRange, Range<WindowStart>),
        limits: &QueryLimits,
        meter: &mut Meter,
    ) -> Result<Self, QueryError> {
        let rules = Limits { visitors: chosen.bodies.visitor_key(), ..chosen.rules.clone() };
        let max_bytes = limits.max_memory_bytes;
        // One counter for each thread that works.
        let idle: Mutex<Vec<(Finder<'_>, Counter)>> = Mutex::default();
        let since_ms = chosen.bodies.scan(customer, &minutes, meter, &|body| {
            let taken = lock(&idle).pop();
            let (mut finder, mut counter) = taken.unwrap_or_else(|| {
                (Finder::new(chosen.filter, &rules), Counter::new(&rules, time::LAST_MS, CHUNK_BYTES))
            });
            counter.add_found(body.bytes, body.content, &minutes, &mut finder);
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
                    merged.entry(start).or_default().add(&view, self.max_bytes)?;
                } else if visit(&view.cut_to(&wanted.by))?.is_break() {
                    return Ok(());
                }
            }
        }
        for (start, window) in merged {
            let view = window.view(WindowId { size: question.size, start });
            if visit(&view.cut_to(&wanted.by))? == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}
