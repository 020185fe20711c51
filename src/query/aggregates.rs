//! `/aggregates`: the windows of a range, each in the shape of its file.
//!
//! Input: the parameters of a query. Output: JSON or CSV. A window is written as in its file, but with maps cut to
//! their largest keys where that is wanted, without the fields that only a file needs, and with some numbers that
//! follow from the counts. Local days, months and the whole range are added up from stored windows. The windows come
//! in pages; `next` is the stamp of the first window of the next page, which callers send back as it is. Never: an
//! empty window.

use std::ops::ControlFlow;

use super::calendar::{CalendarStep, CalendarZone};
use super::classes::{Classes, push_classes};
use super::csv;
use super::filtered::{AnswerFrom, PlannedAnswer};
use super::merged::MergedWindow;
use super::plan::{AnswerStretch, Plan};
use super::range::TimeRange;
use super::{Meter, QueryAnswer, QueryError, QueryForm, QueryLimits, Question, WindowSource};
use crate::base::buffers;
use crate::dimension::{DIMENSION_COUNT, USER_AGENT};
use crate::model::{CustomerId, WindowId, WindowSize, WindowStart};
use crate::time;
use crate::windows::json::{Form, push_counted, push_name, push_quoted};
use crate::windows::view::{Wanted, WindowView};

/// A page ends where it has taken this share of [`QueryLimits::max_memory_bytes`]; the rest is for what compression
/// and sending take.
const PAGE_SHARE: usize = 4;

const DAY_MINUTES: usize = 24 * 60;

#[derive(Clone, Debug)]
pub struct Aggregates {
    pub customer: CustomerId,
    pub range: TimeRange,
    /// The size of the answer's windows.
    pub step: CalendarStep,
    /// Where days and months begin.
    pub zone: CalendarZone,
    /// Whether the counts by key of a dimension are shown.
    pub by: [bool; DIMENSION_COUNT],
    /// How many keys of each map; `None` for all.
    pub top: Option<usize>,
    /// Whether each window also tells its requests by class of family.
    pub classes: bool,
    /// How many windows at most.
    pub limit: usize,
    /// Where the page begins, if it is not the first: the `next` of the one before.
    pub next: Option<String>,
    /// How the answer is written.
    pub form: QueryForm,
}

impl Aggregates {
    /// The stamp of a window of the answer. A window that was added up is named by its first minute.
    fn stamp(&self, size: Option<WindowSize>, start: WindowStart) -> String {
        time::format_stamp(WindowId { size: size.unwrap_or(WindowSize::Minute), start })
    }

    /// Reads the `next` of a page.
    fn cursor(&self, plan: &Plan) -> Result<Option<WindowStart>, QueryError> {
        let Some(next) = &self.next else { return Ok(None) };
        let window = time::parse_stamp(next);
        let size = plan.stored_size().unwrap_or(WindowSize::Minute);
        let window = window.filter(|window| window.size == size && plan.is_start(window.start));
        window.map(|window| Some(window.start)).ok_or(QueryError::Cursor)
    }

    /// How many keys of each dimension are shown.
    fn shown(&self, top: usize) -> [Option<usize>; DIMENSION_COUNT] {
        self.by.map(|is_shown| is_shown.then_some(top))
    }

    fn wanted(&self, top: usize) -> Wanted {
        let mut wanted = Wanted { by: self.shown(top), measures: self.by != [false; _] };
        if self.classes {
            // Classes are those of all families, so all are needed.
            wanted.by[USER_AGENT] = Some(usize::MAX);
        }
        wanted
    }
}

/// Answers one page.
pub fn answer(
    from: AnswerFrom<'_>,
    query: &Aggregates,
    limits: &QueryLimits,
    meter: &mut Meter,
) -> Result<QueryAnswer, QueryError> {
    let plan = |kept| Plan::new(query.range, query.step, &query.zone, kept);
    let planned = PlannedAnswer { customer: &query.customer, range: query.range, plan: &plan };
    from.answer(&planned, limits, meter, &|source, plan, meter| {
        answer_from(source, query, plan, limits, meter)
    })
}

fn answer_from(
    source: &dyn WindowSource,
    query: &Aggregates,
    (plan, covered): (&Plan, Option<TimeRange>),
    limits: &QueryLimits,
    meter: &mut Meter,
) -> Result<QueryAnswer, QueryError> {
    let next = query.cursor(plan)?;
    let mut page = Page::begin(query, plan, covered, limits.max_memory_bytes / PAGE_SHARE);
    match plan.stored_size() {
        Some(size) => {
            let mut starts = plan.starts(size);
            starts.start = next.unwrap_or(starts.start);
            let question = Question { customer: query.customer.clone(), size, range: starts };
            let wanted = query.wanted(query.top.unwrap_or(usize::MAX));
            source.visit(&question, &wanted, meter, &mut |view| {
                if page.is_full() {
                    page.next = Some(query.stamp(Some(size), view.id.start));
                    return Ok(ControlFlow::Break(()));
                }
                page.push(view);
                Ok(ControlFlow::Continue(()))
            })?;
        }
        None => Merging { query, plan, max_bytes: limits.max_memory_bytes }
            .fill(&mut page, source, next, meter)?,
    }
    Ok(page.end())
}

/// Adds stored windows up to those of the answer.
struct Merging<'q> {
    query: &'q Aggregates,
    plan: &'q Plan,
    max_bytes: usize,
}

impl Merging<'_> {
    fn fill(
        &self,
        page: &mut Page<'_>,
        source: &dyn WindowSource,
        next: Option<WindowStart>,
        meter: &mut Meter,
    ) -> Result<(), QueryError> {
        let mut stretches = self.plan.stretches(next);
        let mut open: Option<(AnswerStretch, MergedWindow)> = None;
        let wanted = self.query.wanted(usize::MAX);
        for (size, range) in self.plan.runs(next) {
            meter.check_time()?;
            let question = Question { customer: self.query.customer.clone(), size, range };
            let mut left = meter.left();
            source.visit(&question, &wanted, meter, &mut |view| {
                left = left.saturating_sub(1);
                if let Some((stretch, merged)) = open.as_mut()
                    && view.id.start < stretch.minutes.end
                {
                    return merged.add(view, self.max_bytes).map(|()| ControlFlow::Continue(()));
                }
                self.close(&mut open, page);
                let stretch = stretches.find(|stretch| view.id.start < stretch.minutes.end);
                let stretch = stretch.expect("runs hold the minutes of stretches");
                // The page ends here, because the next window would cost too much.
                if page.is_full() || (page.windows > 0 && left < self.plan.windows_in(&stretch)) {
                    page.next = Some(self.query.stamp(None, stretch.cursor));
                    return Ok(ControlFlow::Break(()));
                }
                let (_, merged) = open.insert((stretch, MergedWindow::default()));
                merged.add(view, self.max_bytes).map(|()| ControlFlow::Continue(()))
            })?;
            if page.next.is_some() {
                return Ok(());
            }
        }
        self.close(&mut open, page);
        Ok(())
    }

    fn close(&self, open: &mut Option<(AnswerStretch, MergedWindow)>, page: &mut Page<'_>) {
        if let Some((stretch, merged)) = open.take() {
            page.push(&merged.view(WindowId { size: WindowSize::Minute, start: stretch.minutes.start }));
        }
    }
}

/// The answer while it grows.
struct Page<'q> {
    query: &'q Aggregates,
    shown: [Option<usize>; DIMENSION_COUNT],
    /// Windows that are expected.
    expected: usize,
    max_bytes: usize,
    out: String,
    windows: usize,
    next: Option<String>,
    covered: Option<TimeRange>,
    classes: Option<Classes>,
}

impl<'q> Page<'q> {
    fn begin(query: &'q Aggregates, plan: &Plan, covered: Option<TimeRange>, max_bytes: usize) -> Self {
        let mut out = String::from_utf8(buffers::take()).unwrap_or_default();
        match query.form {
            QueryForm::Csv => {
                out.push_str("windowStart,requests,robots,visitors,");
                out.push_str(csv::MEASURES);
                out.push_str("\r\n");
            }
            QueryForm::Json | QueryForm::Ndjson => {
                out.push_str("{\"customerId\":");
                push_quoted(&mut out, query.customer.as_str());
                let (from, to) = (
                    time::format_short_instant(plan.range.from_ms),
                    time::format_short_instant(plan.range.to_ms),
                );
                let step = query.step.as_str();
                out.push_str(&format!(",\"windowSize\":\"{step}\",\"from\":\"{from}\",\"to\":\"{to}\""));
                out.push_str(if plan.rounded { ",\"rounded\":true" } else { "" });
                push_covered(&mut out, covered);
                out.push_str(",\"windows\":[");
            }
        }
        let classes = query.classes.then(Classes::default);
        let shown = query.shown(query.top.unwrap_or(usize::MAX));
        let minutes = plan.span().end.0.saturating_sub(plan.span().start.0) as usize;
        let expected =
            query.limit.min(minutes / plan.stored_size().map_or(DAY_MINUTES, |size| size.minutes() as usize));
        Self { query, shown, expected, max_bytes, out, windows: 0, next: None, covered, classes }
    }

    fn is_full(&self) -> bool {
        self.windows == self.query.limit || (self.windows > 0 && self.out.len() > self.max_bytes)
    }

    fn push(&mut self, view: &WindowView<'_>) {
        self.windows += 1;
        if self.query.form == QueryForm::Csv {
            return self.push_line(view);
        }
        let by_class = self.classes.as_mut().map(|classes| classes.sums(view));
        let cut;
        let view = match view.is_within(&self.shown) {
            true => view,
            false => {
                cut = view.borrowed().cut_to(&self.shown);
                &cut
            }
        };
        if self.windows > 1 {
            self.out.push(',');
        }
        let start = self.out.len();
        push_name(&mut self.out, &self.query.customer, self.query.step.as_str(), view.id.start);
        push_counted(&mut self.out, view, Form::Answer);
        if let Some(by_class) = by_class {
            push_classes(&mut self.out, &by_class);
        }
        self.out.push('}');
        if self.windows == 1 {
            // Windows are about equally long, and an answer that grows would be copied again and again.
            let bytes = (self.out.len() - start).saturating_mul(self.expected + self.expected / 8);
            self.out.reserve(bytes.min(self.max_bytes));
        }
    }

    fn push_line(&mut self, view: &WindowView<'_>) {
        self.out.push_str(&time::format_start(view.id.start));
        csv::push_next(&mut self.out, view.all.requests);
        csv::push_next(&mut self.out, view.robots.requests);
        csv::push_next(&mut self.out, view.visitors.estimate());
        csv::push_measures(&mut self.out, &view.all.measures);
        self.out.push_str("\r\n");
    }

    fn end(mut self) -> QueryAnswer {
        if self.query.form == QueryForm::Json {
            self.out.push(']');
            if let Some(next) = &self.next {
                self.out.push_str(&format!(",\"next\":\"{next}\""));
            }
            self.out.push('}');
        }
        QueryAnswer { body: self.out.into_bytes(), next: self.next, covered: self.covered }
    }
}

/// Appends the part of the range that bodies cover, where they were read.
pub(super) fn push_covered(out: &mut String, covered: Option<TimeRange>) {
    if let Some(TimeRange { from_ms, to_ms }) = covered {
        let (from, to) = (time::format_short_instant(from_ms), time::format_short_instant(to_ms));
        out.push_str(&format!(",\"bodies\":{{\"from\":\"{from}\",\"to\":\"{to}\"}}"));
    }
}
