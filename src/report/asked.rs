//! A report from the answers of the query API: a server's, or those that [`super::stored`] gives from files.
//!
//! Input: a source of answers, and a request. Output: a [`Report`], or the answers as they are. Never: adds up
//! counts. The course over time comes from `/aggregates` without keys, the keys from `/aggregates/top` already
//! merged: little is sent for a range of any length.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Report, ReportRequest, ReportSums, fits};
use crate::client::{ServerAnswer, ServerClient};
use crate::dimension::OTHER;
use crate::measures::{Cell, Measures};
use crate::model::{WindowId, WindowSize, WindowStart};
use crate::query::calendar::CalendarStep;
use crate::query::range::TimeRange;
use crate::time;

/// Families that are asked for: more than a window of a usual customer has.
const MAX_FAMILIES: usize = 10_000;
/// Windows of a page: as many as a server gives.
const MAX_WINDOWS: usize = 10_000;

/// Why there is no report.
#[derive(Debug)]
pub enum AskError {
    /// No answer came, or it cannot be read.
    Broken(io::Error),
    /// The answer is an error.
    Refused { status: u16, description: String },
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(error) => error.fmt(f),
            Self::Refused { status, description } => write!(f, "refused with {status}: {description}"),
        }
    }
}

impl std::error::Error for AskError {}

/// Answers the queries of a report.
pub trait QueryAnswers {
    /// Answers a GET.
    ///
    /// # Errors
    /// No answer came.
    fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> io::Result<ServerAnswer>;
}

impl QueryAnswers for ServerClient {
    fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> io::Result<ServerAnswer> {
        self.get(target, headers)
    }
}

/// Asks the queries of reports.
pub struct Asked<'a> {
    answers: &'a mut dyn QueryAnswers,
    authorization: Option<String>,
    /// The conditions that entries must meet, as a parameter to append to others; empty for none.
    condition: String,
}

/// A query for the answer as it is.
#[derive(Clone, Debug)]
pub struct PlainQuestion {
    /// The keys of this dimension, the largest first; without it, windows.
    pub by: Option<String>,
    /// The most keys.
    pub top: usize,
    pub window: Option<CalendarStep>,
    /// Where days and months begin.
    pub zone: Option<String>,
    /// Whether CSV is wanted rather than JSON.
    pub is_csv: bool,
}

#[derive(Deserialize)]
struct WindowsPage {
    windows: Vec<CountedRow>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Merged {
    keys: u64,
    top: Vec<CountedRow>,
    other: u64,
}

/// The counts of a window, or of a key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CountedRow {
    #[serde(default)]
    window_start: String,
    #[serde(default)]
    key: String,
    requests: u64,
    #[serde(default)]
    robots: Robots,
    #[serde(default)]
    visitors: u64,
    #[serde(default)]
    response_bytes: u64,
    #[serde(default)]
    status: BTreeMap<u16, u64>,
    #[serde(default)]
    duration: Durations,
    #[serde(default)]
    incomplete: bool,
}

/// Robots in an answer: a number under a key, an object in a window.
#[derive(Deserialize)]
#[serde(untagged)]
enum Robots {
    Requests(u64),
    Totals { requests: u64 },
}

impl Default for Robots {
    fn default() -> Self {
        Self::Requests(0)
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Durations {
    micros: u64,
    zero_count: u64,
    buckets: BTreeMap<i16, u64>,
}

impl CountedRow {
    fn sums(&self) -> Result<ReportSums, AskError> {
        let (Robots::Requests(robots) | Robots::Totals { requests: robots }) = self.robots;
        let mut measures = Measures::new(self.response_bytes, self.duration.micros);
        let statuses = self.status.iter().map(|(code, count)| (Cell::status(*code), *count));
        let buckets = self.duration.buckets.iter().map(|(index, count)| (Cell::bucket(*index), *count));
        let zeros = (Some(Cell::zero_duration()), self.duration.zero_count);
        for (cell, count) in statuses.chain(buckets).chain([zeros]).filter(|(_, count)| *count > 0) {
            measures.add_cell(cell.ok_or_else(strange)?, count);
        }
        Ok(ReportSums { requests: self.requests, robots, measures })
    }
}

impl<'a> Asked<'a> {
    /// Sends this token with every query.
    pub fn new(answers: &'a mut dyn QueryAnswers, token: Option<&str>) -> Self {
        let authorization = token.map(|token| format!("Bearer {token}"));
        Self { answers, authorization, condition: String::new() }
    }

    /// Asks only for entries that meet these conditions.
    #[must_use]
    pub fn with_condition(self, condition: &str) -> Self {
        Self { condition: format!("&where={}", encoded(condition)), ..self }
    }

    /// The answers as they are: one page after the other, JSON one page a line.
    pub fn plain(&mut self, wanted: &ReportRequest, question: &PlainQuestion) -> Result<String, AskError> {
        let range = self.range_and_condition(wanted.range());
        let mut target = match &question.by {
            Some(by) => format!("/aggregates/top?{range}&dimension={}&n={}", encoded(by), question.top),
            None => format!("/aggregates?{range}&limit={MAX_WINDOWS}&top={}", question.top),
        };
        if let Some(step) = question.window.filter(|_| question.by.is_none()) {
            target.push_str(&format!("&window={}", step.as_str()));
        }
        if let Some(zone) = &question.zone {
            target.push_str(&format!("&tz={}", encoded(zone)));
        }
        let mut text = String::new();
        let mut next = Some(target);
        while let Some(target) = next {
            let answer = self.send(wanted, &target, question.is_csv)?;
            let page = String::from_utf8(answer.body).map_err(|_| strange())?;
            // The names of the columns are written once.
            let names = if question.is_csv && !text.is_empty() {
                page.find('\n').map_or(0, |end| end + 1)
            } else {
                0
            };
            text.push_str(&page[names..]);
            text.push_str(if question.is_csv { "" } else { "\n" });
            next = answer.next;
        }
        Ok(text)
    }

    fn range_and_condition(&self, range: TimeRange) -> String {
        let (from, to) = (time::format_rfc3339(range.from_ms), time::format_rfc3339(range.to_ms));
        format!("from={from}&to={to}{}", self.condition)
    }

    /// Makes a report with the `top` largest paths.
    pub fn report(&mut self, wanted: &ReportRequest, top: usize) -> Result<Report, AskError> {
        let mut report = Report::default();
        // Begins with the coarsest size: a finer one is asked for only if it can fit a screen.
        let mut chosen: Option<(WindowSize, Vec<(WindowStart, CountedRow)>)> = None;
        let mut range = wanted.range();
        for size in wanted.sizes().into_iter().rev() {
            if let Some((coarser, windows)) = &chosen
                && !fits(span(windows).saturating_sub(coarser.minutes()), size)
            {
                break;
            }
            let windows = self.windows(wanted, size, range)?;
            let (Some((first, _)), Some((last, _))) = (windows.first(), windows.last()) else { break };
            let is_better = |(_, coarser): &(WindowSize, Vec<_>)| {
                // Finer windows may be kept for a shorter time.
                fits(span(&windows), size) && sum(coarser) <= sum(&windows)
            };
            if !chosen.as_ref().is_none_or(is_better) {
                break;
            }
            let (from_ms, end) = (time::start_ms(*first), WindowStart(last.0 + size.minutes()));
            range = TimeRange { from_ms, to_ms: time::start_ms(end).min(time::LAST_MS) };
            chosen = Some((size, windows));
        }
        let Some((size, windows)) = chosen else { return Ok(report) };
        if wanted.size.is_some() {
            report.set_step(size);
        }
        for (start, window) in &windows {
            report.add(WindowId { size, start: *start }, &window.sums()?, window.incomplete);
        }
        report.set_visitors(self.visitors(wanted, range)?);
        let paths = self.merged(wanted, "path", range, top)?;
        report.set_distinct_paths(paths.keys);
        for row in &paths.top {
            report.add_path(&row.key, &row.sums()?);
        }
        if paths.other > 0 {
            report.add_path(OTHER, &ReportSums::of_requests(paths.other));
        }
        let agents = self.merged(wanted, "agent", range, MAX_FAMILIES)?;
        agents.top.iter().for_each(|row| report.add_agent(&row.key, row.requests));
        if agents.other > 0 {
            report.add_agent(OTHER, agents.other);
        }
        Ok(report)
    }

    /// The totals of the windows of one size.
    fn windows(
        &mut self,
        wanted: &ReportRequest,
        size: WindowSize,
        range: TimeRange,
    ) -> Result<Vec<(WindowStart, CountedRow)>, AskError> {
        let range = self.range_and_condition(range);
        let target = format!("/aggregates?{range}&window={}&by=", size.as_str());
        let (mut windows, mut next) = (Vec::new(), None);
        loop {
            let page: WindowsPage = match &next {
                None => self.get(wanted, &target)?,
                Some(next) => self.get(wanted, &format!("{target}&next={next}"))?,
            };
            for window in page.windows {
                let ms = time::parse_rfc3339(&window.window_start).map_err(|_| strange())?;
                windows.push((time::minute_of(ms), window));
            }
            if page.next.is_none() {
                return Ok(windows);
            }
            next = page.next;
        }
    }

    /// How many visitors there were in all: they cannot be added up from window to window.
    fn visitors(&mut self, wanted: &ReportRequest, range: TimeRange) -> Result<u64, AskError> {
        let range = self.range_and_condition(range);
        let page: WindowsPage = self.get(wanted, &format!("/aggregates?{range}&window=all&by="))?;
        Ok(page.windows.iter().map(|window| window.visitors).sum())
    }

    fn merged(
        &mut self,
        wanted: &ReportRequest,
        dimension: &str,
        range: TimeRange,
        n: usize,
    ) -> Result<Merged, AskError> {
        let range = self.range_and_condition(range);
        self.get(wanted, &format!("/aggregates/top?dimension={dimension}&{range}&n={n}"))
    }

    fn get<T: DeserializeOwned>(&mut self, wanted: &ReportRequest, target: &str) -> Result<T, AskError> {
        let answer = self.send(wanted, target, false)?;
        serde_json::from_slice(&answer.body).map_err(|_| strange())
    }

    fn send(&mut self, wanted: &ReportRequest, target: &str, is_csv: bool) -> Result<ServerAnswer, AskError> {
        let accept = if is_csv { "text/csv" } else { "application/json" };
        let mut headers = vec![("x-customer-id", wanted.customer.as_str()), ("accept", accept)];
        headers.extend(self.authorization.as_deref().map(|value| ("authorization", value)));
        let answer = self.answers.get(target, &headers).map_err(AskError::Broken)?;
        if answer.status != 200 {
            return Err(AskError::Refused { status: answer.status, description: answer.description() });
        }
        Ok(answer)
    }
}

/// A text as the value of a parameter.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn strange() -> AskError {
    AskError::Broken(io::Error::new(
        io::ErrorKind::InvalidData,
        "the answer is not from a log-analytics server",
    ))
}

/// Minutes between the first start and the last.
fn span(windows: &[(WindowStart, CountedRow)]) -> u32 {
    windows.last().map_or(0, |(last, _)| last.0) - windows.first().map_or(0, |(first, _)| first.0)
}

fn sum(windows: &[(WindowStart, CountedRow)]) -> u64 {
    windows.iter().map(|(_, window)| window.requests).sum()
}
