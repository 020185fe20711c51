//! Windows from ClickHouse: the same answers, in the same shape, as those of one machine.
//!
//! Input: a question and how much of each window is wanted. Output: views of windows.
//! Never: a sum of its own. Hours and days are added up from minutes inside ClickHouse (`deploy/clickhouse/schema.sql`).
//!
//! A question is answered in slices of a bounded number of windows, so that neither side holds more than a slice. Windows are
//! as new as the window job has made them, about two seconds behind the 202. Totals and keys of a window come from two tables
//! that are written one after the other; for that moment they may differ.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::bodies::BucketBodies;
use super::clickhouse::{AnswerLines, ClickHouse, DatabaseError, LineError};
use super::probe::Probe;
use super::rows::{KEY_COLUMNS, KEY_MEASURES, KeyRow, ROW_FORMAT, TOTALS_COLUMNS, TotalsRow};
use crate::dimension::DIMENSIONS;
use crate::intake::{Health, Reason};
use crate::model::{CustomerId, WindowSize, WindowStart};
use crate::query::bodies::BodySource;
use crate::query::{KnownCustomer, Meter, QueryError, Question, StoredSource, Visit, WindowSource};
use crate::windows::view::{KeyView, Wanted};

/// Windows of one request to ClickHouse.
const SLICE_WINDOWS: u32 = 240;
/// The lines with the starts of a slice are short.
const MAX_STARTS_BYTES: u64 = 64 * 1024;
/// The most customers in a list.
const MAX_CUSTOMERS: u32 = 1_000_000;
const MAX_CUSTOMERS_BYTES: u64 = 256 << 20;

/// Which rows a question is about.
const IN_RANGE: &str = "customer = {customer:String} AND window_start >= toDateTime({from:UInt32}, 'UTC') \
                        AND window_start < toDateTime({to:UInt32}, 'UTC')";

/// Windows kept in ClickHouse, and the bodies that they were counted from.
pub struct ClickHouseSource {
    clickhouse: Arc<ClickHouse>,
    bodies: Option<BucketBodies>,
    probe: Probe,
    max_bytes: u64,
}

/// The keys of a slice's windows, in the order of their starts.
struct KeyLines {
    /// None where no dimension is wanted.
    lines: Option<AnswerLines>,
    line: Vec<u8>,
    /// A row that was read and belongs to a later window than the last one asked for; with the bytes of its line.
    next: Option<(KeyRow, u64)>,
}

impl KeyLines {
    fn advance(&mut self) -> Result<(), QueryError> {
        self.next = None;
        let Some(lines) = &mut self.lines else { return Ok(()) };
        if next(lines, &mut self.line)? {
            let row = serde_json::from_slice(&self.line).map_err(|_| unreadable(&self.line))?;
            self.next = Some((row, self.line.len() as u64));
        }
        Ok(())
    }

    /// Takes the keys of the window with this start, by dimension; returns the bytes of their lines.
    fn take(
        &mut self,
        start: u32,
        by: &mut [Vec<KeyView<'static>>; DIMENSIONS.len()],
    ) -> Result<u64, QueryError> {
        let mut bytes = 0;
        while let Some((row, line_bytes)) = self.next.take_if(|(row, _)| row.start <= start) {
            // Keys with an earlier start belong to windows whose totals are not written yet.
            if row.start == start {
                let (dimension, key) = row.read().ok_or_else(|| unreadable(&self.line))?;
                by[dimension].push(key);
                bytes += line_bytes;
            }
            self.advance()?;
        }
        Ok(bytes)
    }
}

impl ClickHouseSource {
    /// Reads slices of up to `max_bytes`. There are no bodies.
    pub fn new(clickhouse: Arc<ClickHouse>, probe: Probe, max_bytes: u64) -> Self {
        Self { clickhouse, bodies: None, probe, max_bytes }
    }

    /// Adds a source of bodies.
    pub fn with_bodies(self, bodies: BucketBodies) -> Self {
        Self { bodies: Some(bodies), ..self }
    }

    /// The first `limit` starts of windows in a range, ascending.
    fn starts(
        &self,
        question: &Question,
        range: &Range<WindowStart>,
        limit: u32,
    ) -> Result<Vec<WindowStart>, QueryError> {
        let sql = format!(
            "SELECT DISTINCT intDiv(toUnixTimestamp(window_start), 60) AS start FROM {}_totals \
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
        // Minutes may be far apart, and it is cheap to ask which of them exist. Hours and days may have to be added
        // up for that, so a slice of them is read without asking, unless the slice before was empty.
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
    ) -> Result<AnswerLines, QueryError> {
        // Years up to 2106 fit into ClickHouse's DateTime; there is nothing after them.
        let seconds = |start: WindowStart| start.0.saturating_mul(60).to_string();
        let (from, to) = (seconds(range.start), seconds(range.end));
        let parameters = [("customer", customer.as_str()), ("from", &from), ("to", &to)];
        self.clickhouse.select(sql, &parameters, limit_bytes).map_err(|error| failed(&error))
    }

    /// Visits the windows of one slice; `Break` if the visitor wants no more, otherwise how many windows there were.
    fn slice(
        &self,
        question: &Question,
        wanted: &Wanted,
        range: &Range<WindowStart>,
        meter: &mut Meter,
        visit: Visit<'_>,
    ) -> Result<ControlFlow<(), usize>, QueryError> {
        let mut totals = self.totals(question, range)?;
        let mut keys = self.keys(question, wanted, range)?;
        let mut line = Vec::new();
        let mut visited = 0;
        while next(&mut totals, &mut line)? {
            let row: TotalsRow = serde_json::from_slice(&line).map_err(|_| unreadable(&line))?;
            let start = row.start;
            let mut view = row.read(question.size).ok_or_else(|| unreadable(&line))?;
            let mut by: [Vec<KeyView<'static>>; DIMENSIONS.len()] = Default::default();
            let bytes = keys.take(start, &mut by)?;
            for (dimension, rows) in by.into_iter().enumerate() {
                if let Some(top) = wanted.by[dimension] {
                    view.set(dimension, rows, top);
                }
            }
            meter.charge(line.len() as u64 + bytes)?;
            visited += 1;
            if visit(&view)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(visited))
    }

    /// The totals of the windows of a slice, ascending by start.
    fn totals(&self, question: &Question, range: &Range<WindowStart>) -> Result<AnswerLines, QueryError> {
        let sql = format!(
            "SELECT {TOTALS_COLUMNS} FROM {} WHERE {IN_RANGE} AND requests > 0 ORDER BY start {ROW_FORMAT}",
            table(question.size, "totals")
        );
        self.ask(&sql, &question.customer, range, self.max_bytes)
    }

    /// The wanted keys of the windows of a slice, ascending by start.
    fn keys(
        &self,
        question: &Question,
        wanted: &Wanted,
        range: &Range<WindowStart>,
    ) -> Result<KeyLines, QueryError> {
        let names = DIMENSIONS.iter().zip(wanted.by).filter(|(_, top)| top.is_some());
        let names: Vec<String> = names.map(|(dimension, _)| format!("'{}'", dimension.name)).collect();
        let mut keys = KeyLines { lines: None, line: Vec::new(), next: None };
        if !names.is_empty() {
            let measures = if wanted.measures { KEY_MEASURES } else { "" };
            let sql = format!(
                "SELECT {KEY_COLUMNS}{measures} FROM {} WHERE {IN_RANGE} AND dimension IN ({}) AND requests > 0 \
                 ORDER BY start {ROW_FORMAT}",
                table(question.size, "keys"),
                names.join(", ")
            );
            keys.lines = Some(self.ask(&sql, &question.customer, range, self.max_bytes)?);
            keys.advance()?;
        }
        Ok(keys)
    }
}

/// The rows of windows of this size. Hours and days are views that use the newest rows only.
fn table(size: WindowSize, rows: &str) -> String {
    let newest = if size == WindowSize::Minute { " FINAL" } else { "" };
    format!("{}_{rows}{newest}", size.as_str())
}

fn next(lines: &mut AnswerLines, line: &mut Vec<u8>) -> Result<bool, QueryError> {
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
}

impl StoredSource for ClickHouseSource {
    fn bodies(&self) -> Result<&dyn BodySource, QueryError> {
        match &self.bodies {
            Some(bodies) => Ok(bodies),
            None => Err(QueryError::NoBodies),
        }
    }

    fn customers(&self) -> Result<Vec<KnownCustomer>, QueryError> {
        let sql = format!(
            "SELECT DISTINCT toString(customer) AS name FROM minute_totals ORDER BY name LIMIT {MAX_CUSTOMERS} \
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
}

impl Health for ClickHouseSource {
    fn ready(&self) -> Result<(), Reason> {
        self.probe.ready()
    }

    fn report(&self) {}
}
