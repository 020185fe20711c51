//! Runs queries.
//!
//! Input: queries, which `aggregates` and `customers` make of requests. Output: answers, in the form that was asked for. Never:
//! more queries at once than the limits say.

use std::sync::Arc;

use flate2::Compression;

use super::customers::DiskSizes;
use super::errors::Problem;
use super::tokens::Tokens;
use super::{Head, Response, negotiate};
use crate::batch::Limits;
use crate::metrics::Metrics;
use crate::query::gate::Gate;
use crate::query::range::TimeRange;
use crate::query::{QueryAnswer, QueryError, QueryForm, QueryLimits};
use crate::time;

/// Answers queries.
pub struct Reading {
    limits: QueryLimits,
    gate: Gate,
    rules: Limits,
    operators: Tokens,
    pub(super) metrics: Arc<Metrics>,
    /// Set if there are no tokens and the server listens on loopback only: then everybody is an operator.
    pub(super) is_open: bool,
    pub(super) sizes: DiskSizes,
}

impl Reading {
    /// `operators` may list customers; if `is_open` and there are no tokens, everybody may. Bodies are read by the
    /// `rules` of batches.
    pub fn new(
        (limits, rules): (QueryLimits, Limits),
        operators: Tokens,
        metrics: Arc<Metrics>,
        is_open: bool,
    ) -> Self {
        let gate = Gate::new(limits.max_running, limits.max_wait);
        Self { limits, gate, rules, operators, metrics, is_open, sizes: DiskSizes::default() }
    }

    /// The rules for reading bodies.
    pub(super) fn rules(&self) -> &Limits {
        &self.rules
    }

    /// The operators' tokens, to be read again on SIGHUP.
    pub fn operators(&self) -> &Tokens {
        &self.operators
    }

    pub fn is_operator(&self, head: &Head) -> bool {
        self.operators.exist() && self.operators.allow(head)
    }

    /// Windows that one query may read.
    pub fn max_windows(&self) -> usize {
        self.limits.max_windows
    }

    /// Queries that run now.
    pub fn running(&self) -> usize {
        self.gate.running()
    }

    /// Runs one query when it is its turn, compression of the answer included.
    pub(super) fn run(
        &self,
        path: &str,
        head: &Head,
        form: QueryForm,
        query: impl FnOnce(&QueryLimits) -> Result<QueryAnswer, QueryError>,
    ) -> Result<Response, Problem> {
        let metrics = &self.metrics.queries;
        let answered = self.gate.enter().and_then(|_pass| {
            let _timer = metrics.seconds.with_label_values(&[path]).start_timer();
            let QueryAnswer { body, next, covered } = query(&self.limits)?;
            let content_type = match form {
                QueryForm::Json => "application/json",
                QueryForm::Csv => "text/csv; charset=utf-8; header=present",
                QueryForm::Ndjson => "application/x-ndjson",
            };
            let mut response = negotiate::answer(head, content_type, body, Compression::fast())
                .with("cache-control", "private, no-cache");
            if let Some(TimeRange { from_ms, to_ms }) = covered {
                let interval =
                    format!("{}/{}", time::format_short_instant(from_ms), time::format_short_instant(to_ms));
                response = response.with("x-bodies", interval);
            }
            // A line format has no place for it.
            Ok(match next.filter(|_| form != QueryForm::Json) {
                Some(next) => response.with("link", next_page(head, &next)),
                None => response,
            })
        });
        answered.map_err(|error| {
            metrics.refused.with_label_values(&[error.label()]).inc();
            problem(&error)
        })
    }
}

/// A `link` header that leads to the next page.
fn next_page(head: &Head, next: &str) -> String {
    let same = head.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("next="));
    let query: Vec<&str> = same.collect();
    format!("<{}?{}&next={next}>; rel=\"next\"", head.path, query.join("&"))
}

fn problem(error: &QueryError) -> Problem {
    let description = error.to_string();
    match error {
        QueryError::Windows(_)
        | QueryError::Bytes(_)
        | QueryError::BodyBytes(_)
        | QueryError::Objects(_)
        | QueryError::NoBodies
        | QueryError::Memory(_)
        | QueryError::Time(_)
        | QueryError::NothingKept
        | QueryError::Cursor => Problem::http(400, description),
        QueryError::Busy | QueryError::Rebuilding => Problem::unavailable(description),
        QueryError::Unreadable(details) => {
            log::error!("a query failed: {details}");
            Problem::unavailable(description)
        }
    }
}
