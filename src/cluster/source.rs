//! Windows from ClickHouse: the same answers, in the same shape, as those of one machine.
//!
//! Hours and days are added up from minutes inside ClickHouse (`deploy/clickhouse/schema.sql`). A question is answered in
//! slices of a bounded number of windows, so that neither side holds more than a slice.
//!
//! Windows are as new as the window job has made them, about two seconds behind the 202. The two maps of a window come
//! from two tables that are written one after the other; for that moment they may differ, and `requests` is what the
//! paths sum to.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use serde::Deserialize;

use super::clickhouse::{ClickHouse, DatabaseError, LineError, Lines};
use super::probe::Probe;
use crate::dimension::{PATH, USER_AGENT};
use crate::intake::{Health, Reason};
use crate::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use crate::query::{KnownCustomer, Meter, QueryError, Question, Visit, WindowSource};
use crate::windows::table::Tally;
use crate::windows::view::{KeyView, Wanted, WindowView};

/// Windows that are asked for at once.
const SLICE_WINDOWS: u32 = 240;
/// The starts of a slice are short lines.
const MAX_STARTS_BYTES: u64 = 64 * 1024;
/// Customers that are listed.
const MAX_CUSTOMERS: u32 = 1_000_000;
const MAX_CUSTOMERS_BYTES: u64 = 256 << 20;

/// Which rows a question is about.
const IN_RANGE: &str = "customer = {customer:String} AND window_start >= toDateTime({from:UInt32}, 'UTC') \
                        AND window_start < toDateTime({to:UInt32}, 'UTC')";

/// Windows kept in ClickHouse.
pub struct ClickHouseSource {
    clickhouse: Arc<ClickHouse>,
    probe: Probe,
    /// Bytes of one slice, at most.
    max_bytes: u64,
}

/// A line of a slice: start in minutes, 0 for a path and 1 for an agent, key, requests, version.
#[derive(Deserialize)]
struct Row(u32, u8, String, u64, u64);

/// A window that is being read.
#[derive(Default)]
struct Gathered {
    paths: Vec<KeyView<'static>>,
    agents: Vec<KeyView<'static>>,
    version: u64,
    bytes: u64,
}

impl Gathered {
    fn view(self, id: WindowId, wanted: &Wanted) -> WindowView<'static> {
        let mut view = WindowView { applied_through: Seq(self.version), ..WindowView::empty(id) };
        view.all.requests = self.paths.iter().map(|row| row.tally.requests).sum();
        for (dimension, rows) in [(PATH, self.paths), (USER_AGENT, self.agents)] {
            if let Some(top) = wanted.by[dimension] {
                view.set(dimension, rows, top);
            }
        }
        view
    }
}

impl ClickHouseSource {
    /// Reads slices of up to `max_bytes`.
    pub fn new(clickhouse: Arc<ClickHouse>, probe: Probe, max_bytes: u64) -> Self {
        Self { clickhouse, probe, max_bytes }
    }

    /// The first `limit` starts of windows in a range, ascending.
    fn starts(
        &self,
        question: &Question,
        range: &Range<WindowStart>,
        limit: u32,
    ) -> Result<Vec<WindowStart>, QueryError> {
        let sql = format!(
            "SELECT DISTINCT intDiv(toUnixTimestamp(window_start), 60) AS start FROM {}_by_path \
             WHERE {IN_RANGE} ORDER BY start LIMIT {limit} FORMAT TabSeparated",
            question.size.as_str()
        );
        let mut lines = self.ask(&sql, &question.customer, range, MAX_STARTS_BYTES)?;
        let (mut starts, mut line) = (Vec::new(), Vec::new());
        while next(&mut lines, &mut line)? {
            let start = std::str::from_utf8(&line).ok().and_then(|text| text.parse().ok());
            starts.push(WindowStart(start.ok_or_else(|| unreadable(&line))?));
        }
        Ok(starts)
    }

    /// The next slice of what is left: a bounded number of windows, and at least one where there are any.
    fn next_slice(
        &self,
        question: &Question,
        left: &Range<WindowStart>,
        after_gap: bool,
    ) -> Result<Option<Range<WindowStart>>, QueryError> {
        let minutes = question.size.minutes();
        // Minutes may be few and far between, and which there are is cheap to ask. Hours and days may have to be added up
        // for that, so they are asked for as they come, unless there were none.
        let from = match question.size {
            WindowSize::Minute => {
                let starts = self.starts(question, left, SLICE_WINDOWS)?;
                let slice = |first: &WindowStart, last: &WindowStart| *first..WindowStart(last.0 + 1);
                return Ok(starts.first().zip(starts.last()).map(|(first, last)| slice(first, last)));
            }
            _ if after_gap => match self.starts(question, left, 1)?.first() {
                Some(start) => *start,
                None => return Ok(None),
            },
            _ => left.start,
        };
        let end = WindowStart(from.0.saturating_add(SLICE_WINDOWS * minutes).min(left.end.0));
        Ok((from < end).then_some(from..end))
    }

    fn ask(
        &self,
        sql: &str,
        customer: &CustomerId,
        range: &Range<WindowStart>,
        limit_bytes: u64,
    ) -> Result<Lines, QueryError> {
        // Years up to 2106 fit into ClickHouse's DateTime; there is nothing after them.
        let seconds = |start: WindowStart| start.0.saturating_mul(60).to_string();
        let (from, to) = (seconds(range.start), seconds(range.end));
        let parameters = [("customer", customer.as_str()), ("from", &from), ("to", &to)];
        self.clickhouse.select(sql, &parameters, limit_bytes).map_err(|error| failed(&error))
    }

    /// Visits the windows of one slice; `Break` where the visitor wants no more, else how many there were.
    fn slice(
        &self,
        question: &Question,
        wanted: &Wanted,
        range: &Range<WindowStart>,
        meter: &mut Meter,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<(), usize>, QueryError> {
        let size = question.size.as_str();
        // Hours and days are views that have added up the newest rows already.
        let newest = if question.size == WindowSize::Minute { "FINAL" } else { "" };
        let rows = |column: &str, kind: u8| {
            format!(
                "SELECT intDiv(toUnixTimestamp(window_start), 60) AS start, {kind} AS kind, toString({column}) AS key, \
                 requests AS counted, version AS newest FROM {size}_by_{column} {newest} \
                 WHERE {IN_RANGE} AND requests > 0"
            )
        };
        let sql = format!(
            "SELECT start, kind, key, counted, newest FROM ({} UNION ALL {}) ORDER BY start, kind, key \
             SETTINGS output_format_json_quote_64bit_integers = 0 FORMAT JSONCompactEachRow",
            rows("path", 0),
            rows("agent", 1),
        );
        let mut lines = self.ask(&sql, &question.customer, range, self.max_bytes)?;
        let (mut line, mut current, mut gathered) = (Vec::new(), None, Gathered::default());
        let mut visited = 0;
        loop {
            let row: Option<Row> = match next(&mut lines, &mut line)? {
                true => Some(serde_json::from_slice(&line).map_err(|_| unreadable(&line))?),
                false => None,
            };
            let start = row.as_ref().map(|Row(start, ..)| WindowStart(*start));
            if let Some(done) = current.filter(|current| start != Some(*current)) {
                let whole = std::mem::take(&mut gathered);
                meter.charge(whole.bytes)?;
                visited += 1;
                let id = WindowId { size: question.size, start: done };
                if visit(whole.view(id, wanted))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let Some(Row(_, kind, key, requests, version)) = row else {
                return Ok(ControlFlow::Continue(visited));
            };
            current = start;
            gathered.bytes += line.len() as u64;
            gathered.version = gathered.version.max(version);
            let map = if kind == 0 { &mut gathered.paths } else { &mut gathered.agents };
            let tally = Tally { requests, robots: 0 };
            map.push(KeyView { key: key.into(), tally, measures: None });
        }
    }
}

fn next(lines: &mut Lines, line: &mut Vec<u8>) -> Result<bool, QueryError> {
    lines.next(line).map_err(|error| match error {
        LineError::TooLarge => {
            QueryError::Unreadable("a slice of windows is larger than max_query_bytes".into())
        }
        LineError::Database(error) => failed(&error),
    })
}

fn failed(error: &DatabaseError) -> QueryError {
    QueryError::Unreadable(error.to_string())
}

fn unreadable(line: &[u8]) -> QueryError {
    QueryError::Unreadable(format!("ClickHouse answered {:?}", String::from_utf8_lossy(line)))
}

impl WindowSource for ClickHouseSource {
    fn visit(
        &self,
        question: &Question,
        wanted: &Wanted,
        meter: &mut Meter,
        visit: Visit<'_>,
    ) -> Result<(), QueryError> {
        let (mut left, mut after_gap) = (question.range.clone(), false);
        while left.start < left.end {
            meter.check_time()?;
            let Some(slice) = self.next_slice(question, &left, after_gap)? else { return Ok(()) };
            match self.slice(question, wanted, &slice, meter, visit)? {
                ControlFlow::Break(()) => return Ok(()),
                ControlFlow::Continue(visited) => after_gap = visited == 0,
            }
            left.start = slice.end;
        }
        Ok(())
    }

    fn customers(&self) -> Result<Vec<KnownCustomer>, QueryError> {
        let sql = format!(
            "SELECT DISTINCT toString(customer) AS name FROM minute_by_path ORDER BY name LIMIT {MAX_CUSTOMERS} \
             FORMAT JSONCompactEachRow"
        );
        let lines = self.clickhouse.select(&sql, &[], MAX_CUSTOMERS_BYTES);
        let mut lines = lines.map_err(|error| failed(&error))?;
        let (mut customers, mut line) = (Vec::new(), Vec::new());
        while next(&mut lines, &mut line)? {
            let (name,): (String,) = serde_json::from_slice(&line).map_err(|_| unreadable(&line))?;
            customers.extend(CustomerId::new(&name).map(|id| KnownCustomer { id, counted: None }));
        }
        Ok(customers)
    }

    fn bytes_on_disk(&self, _: &CustomerId) -> Result<Option<u64>, QueryError> {
        Ok(None)
    }
}

impl Health for ClickHouseSource {
    fn ready(&self) -> Result<(), Reason> {
        self.probe.ready()
    }

    fn report(&self) {}
}
