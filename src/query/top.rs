//! `/aggregates/top`: the largest keys of a whole range, added up over the fewest windows that cover it.
//!
//! Input: the parameters of a query. Output: JSON or CSV. A month that begins at ten past three is read as 50
//! minutes, 20 hours and some days: the three sizes hold the same entries, so the sums are exact. Requests that a
//! window counts under `(other)` stay there, in `other`. Never: a key in the order of a quantile of a few requests,
//! which says nothing.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::aggregates::push_covered;
use super::calendar::{CalendarStep, CalendarZone};
use super::classes::{Classes, push_class_map};
use super::csv;
use super::filtered::{AnswerFrom, PlannedAnswer};
use super::merged::MergedWindow;
use super::plan::Plan;
use super::range::TimeRange;
use super::{Meter, QueryAnswer, QueryError, QueryForm, QueryLimits, Question, WindowSource};
use crate::batch::agent::class_of;
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS, USER_AGENT};
use crate::measures::{Cell, CellKind, Measures, percentile_seconds};
use crate::model::CustomerId;
use crate::time;
use crate::windows::json::{Form, push_measures, push_quoted, push_totals};
use crate::windows::table::TableRow;
use crate::windows::view::Wanted;

/// Quantiles order the keys with at least so many timed requests.
const MIN_TIMED_REQUESTS: u64 = 20;

/// The order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopOrder {
    Requests,
    /// Requests without those of robots.
    People,
    Robots,
    /// Responses with a status from 400 to 499.
    ClientErrors,
    /// Responses with a status from 500 to 599.
    ServerErrors,
    ResponseBytes,
    DurationSum,
    /// A percentile of the durations.
    Percentile(u64),
    /// Responses with this status.
    Status(u16),
    /// Responses with a status of this hundred.
    StatusClass(u16),
}

impl TopOrder {
    /// The orders that `by` names.
    pub const BY: [(&'static str, Self); 10] = [
        ("requests", Self::Requests),
        ("people", Self::People),
        ("robots", Self::Robots),
        ("clientErrors", Self::ClientErrors),
        ("serverErrors", Self::ServerErrors),
        ("responseBytes", Self::ResponseBytes),
        ("durationSum", Self::DurationSum),
        ("p50", Self::Percentile(50)),
        ("p95", Self::Percentile(95)),
        ("p99", Self::Percentile(99)),
    ];

    /// The order by `404` or `4xx`.
    pub fn by_status(text: &str) -> Option<Self> {
        let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.strip_suffix("xx") {
            Some(class) if class.len() == 1 => class.parse().ok().map(Self::StatusClass),
            _ => is_number.then(|| text.parse().ok().map(Self::Status)).flatten(),
        }
    }

    /// Whether it needs what only measured dimensions have.
    pub fn needs_measures(self) -> bool {
        !matches!(self, Self::Requests | Self::People | Self::Robots)
    }

    /// The size of a key in this order; `None` if it has too few requests.
    fn rank(self, row: &TableRow<'_>) -> Option<u64> {
        let nothing = Measures::default();
        let measures = row.measures.unwrap_or(&nothing);
        Some(match self {
            Self::Requests => row.tally.requests,
            Self::People => row.tally.requests - row.tally.robots.min(row.tally.requests),
            Self::Robots => row.tally.robots,
            Self::ClientErrors => measures.sum_of(Cell::is_client_error),
            Self::ServerErrors => measures.sum_of(Cell::is_server_error),
            Self::ResponseBytes => measures.response_bytes,
            Self::DurationSum => measures.duration_micros,
            Self::Percentile(percent) => {
                let is_enough = measures.sum_of(Cell::is_duration) >= MIN_TIMED_REQUESTS;
                let seconds = percentile_seconds(measures.cells(), percent).filter(|_| is_enough)?;
                // The bits of non-negative floats ascend like the floats.
                seconds.to_bits()
            }
            Self::Status(_) | Self::StatusClass(_) => measures.sum_of(|cell| self.counts(cell)),
        })
    }

    fn counts(self, cell: Cell) -> bool {
        match (self, cell.kind()) {
            (Self::Status(status), CellKind::Status(code)) => code == status,
            (Self::StatusClass(class), CellKind::Status(code)) => code / 100 == class,
            _ => false,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Top {
    pub customer: CustomerId,
    /// The range of time: minutes that start in it are counted.
    pub range: TimeRange,
    /// The dimension of the keys: a place in [`DIMENSIONS`].
    pub dimension: usize,
    /// The answer's name for the dimension.
    pub dimension_name: String,
    pub order: TopOrder,
    /// Only keys with this prefix.
    pub prefix: String,
    /// The most keys in the answer.
    pub n: usize,
    pub form: QueryForm,
}

pub fn answer(
    from: AnswerFrom<'_>,
    query: &Top,
    limits: &QueryLimits,
    meter: &mut Meter,
) -> Result<QueryAnswer, QueryError> {
    let plan = |kept| Plan::new(query.range, CalendarStep::All, &CalendarZone::utc(), kept);
    let planned = PlannedAnswer { customer: &query.customer, range: query.range, plan: &plan };
    from.answer(&planned, limits, meter, &|source, plan, meter| {
        answer_from(source, query, plan, limits, meter)
    })
}

fn answer_from(
    source: &dyn WindowSource,
    query: &Top,
    (plan, covered): (&Plan, Option<TimeRange>),
    limits: &QueryLimits,
    meter: &mut Meter,
) -> Result<QueryAnswer, QueryError> {
    let mut wanted =
        Wanted { by: [None; DIMENSION_COUNT], measures: DIMENSIONS[query.dimension].is_measured };
    wanted.by[query.dimension] = Some(usize::MAX);
    let mut merged = MergedWindow::default();
    for (size, range) in plan.runs(None) {
        let question = Question { customer: query.customer.clone(), size, range };
        source.visit(&question, &wanted, meter, &mut |view| {
            merged.add(view, limits.max_memory_bytes).map(|()| ControlFlow::Continue(()))
        })?;
    }
    let ranking = Ranking::of(query, &merged);
    let body = match query.form {
        QueryForm::Json | QueryForm::Ndjson => ranking.json(plan, covered),
        QueryForm::Csv => ranking.csv(),
    };
    Ok(QueryAnswer { body: body.into_bytes(), next: None, covered })
}

/// The largest keys, and the sum of the others.
struct Ranking<'m> {
    query: &'m Top,
    merged: &'m MergedWindow,
    rows: Vec<TableRow<'m>>,
    keys: usize,
    other: u64,
}

impl<'m> Ranking<'m> {
    fn of(query: &'m Top, merged: &'m MergedWindow) -> Self {
        let table = merged.table(query.dimension);
        let (mut ranked, mut keys, mut other) = (Vec::new(), 0, 0);
        for row in table.iter().filter(|row| row.key.starts_with(&query.prefix)) {
            keys += 1;
            match query.order.rank(&row) {
                Some(rank) => ranked.push((rank, row)),
                None => other += row.tally.requests,
            }
        }
        // The prefixes of keys without a name are unknown.
        if query.prefix.is_empty() {
            other += table.rest().map_or(0, |rest| rest.tally.requests);
        }
        let largest_first = |(rank_a, a): &(u64, TableRow<'_>),
                             (rank_b, b): &(u64, TableRow<'_>)|
         -> Ordering { rank_b.cmp(rank_a).then_with(|| a.key.cmp(b.key)) };
        if ranked.len() > query.n {
            if query.n > 0 {
                ranked.select_nth_unstable_by(query.n - 1, largest_first);
            }
            other += ranked.drain(query.n..).map(|(_, row)| row.tally.requests).sum::<u64>();
        }
        ranked.sort_unstable_by(largest_first);
        let rows = ranked.into_iter().map(|(_, row)| row).collect();
        Self { query, merged, rows, keys, other }
    }

    fn json(&self, plan: &Plan, covered: Option<TimeRange>) -> String {
        let mut out = String::with_capacity(16 * 1024);
        out.push_str("{\"customerId\":");
        push_quoted(&mut out, self.query.customer.as_str());
        out.push_str(",\"dimension\":");
        push_quoted(&mut out, &self.query.dimension_name);
        let (from, to) =
            (time::format_short_instant(plan.range.from_ms), time::format_short_instant(plan.range.to_ms));
        out.push_str(&format!(",\"from\":\"{from}\",\"to\":\"{to}\""));
        out.push_str(if plan.rounded { ",\"rounded\":true" } else { "" });
        push_covered(&mut out, covered);
        let Self { merged, keys, other, .. } = self;
        out.push_str(&format!(",\"requests\":{},\"keys\":{keys},\"top\":[", merged.all.requests));
        for (place, row) in self.rows.iter().enumerate() {
            out.push_str(if place > 0 { "," } else { "" });
            self.push_row(&mut out, row);
        }
        let folded = merged.folded[self.query.dimension];
        out.push_str(&format!("],\"other\":{other},\"folded\":{folded},\"total\":{{"));
        push_totals(&mut out, &merged.all, Form::Answer);
        out.push_str(&format!(",\"robots\":{}}}", merged.robots.requests));
        if self.query.dimension == USER_AGENT {
            out.push_str(",\"byClass\":");
            let table = merged.table(USER_AGENT);
            let families = table.iter().chain(table.rest()).map(|row| (row.key, row.tally.requests));
            push_class_map(&mut out, &Classes::default().sums_of(families));
        }
        out.push_str(if merged.incomplete { ",\"incomplete\":true}" } else { "}" });
        out
    }

    fn push_row(&self, out: &mut String, row: &TableRow<'_>) {
        out.push_str("{\"key\":");
        push_quoted(out, row.key);
        let (requests, robots) = (row.tally.requests, row.tally.robots);
        out.push_str(&format!(",\"count\":{requests},\"requests\":{requests},\"robots\":{robots}"));
        if self.query.dimension == USER_AGENT {
            out.push_str(&format!(",\"class\":\"{}\"", class_of(row.key).as_str()));
        }
        if let Some(measures) = row.measures {
            push_measures(out, ",", measures, Form::Answer);
        }
        out.push('}');
    }

    fn csv(&self) -> String {
        let is_measured = DIMENSIONS[self.query.dimension].is_measured;
        let mut out = "key,requests,robots".to_owned();
        let status = match self.query.order {
            TopOrder::Status(code) => Some(format!("status{code:03}")),
            TopOrder::StatusClass(class) => Some(format!("status{class}xx")),
            _ => None,
        };
        let columns = is_measured.then_some(csv::MEASURES).into_iter().chain(status.as_deref());
        columns.for_each(|name| out.extend([",", name]));
        out.push_str("\r\n");
        let nothing = Measures::default();
        for row in &self.rows {
            csv::push_text(&mut out, row.key);
            csv::push_next(&mut out, row.tally.requests);
            csv::push_next(&mut out, row.tally.robots);
            let measures = row.measures.unwrap_or(&nothing);
            if is_measured {
                csv::push_measures(&mut out, measures);
            }
            if status.is_some() {
                csv::push_next(&mut out, measures.sum_of(|cell| self.query.order.counts(cell)));
            }
            out.push_str("\r\n");
        }
        out
    }
}
