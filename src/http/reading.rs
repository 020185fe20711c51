//! Runs queries, and answers `GET /customers`.
//!
//! Input: queries, which `aggregates` makes of requests. Output: answers, in the form that was asked for. Who may ask:
//! `/aggregates` whoever may send batches, and operators; `/customers` operators alone. A loopback server without any tokens takes
//! anybody for an operator, as every customer can be named there anyhow; any other without `--operator-token-file` has no
//! `/customers` (404). Never: more queries at once than the limits say.

use std::sync::Arc;

use flate2::Compression;
use serde::Serialize;

use super::errors::Problem;
use super::params::{Params, bad};
use super::tokens::Tokens;
use super::{Head, Response, negotiate};
use crate::batch::Limits;
use crate::metrics::Metrics;
use crate::model::CustomerId;
use crate::query::aggregates::format_instant;
use crate::query::gate::Gate;
use crate::query::range::TimeRange;
use crate::query::{QueryAnswer, QueryError, QueryForm, QueryLimits, WindowSource};

/// Customers in a page where `limit` does not say, and at most.
const CUSTOMERS: (usize, usize) = (1_000, 10_000);

/// Answers readers.
pub struct Reading {
    limits: QueryLimits,
    gate: Gate,
    rules: Limits,
    operators: Tokens,
    /// A loopback server without any tokens.
    pub anyone_is_operator: bool,
    metrics: Arc<Metrics>,
}

impl Reading {
    /// Within these limits, with the list of customers for these operators. Bodies are read by the `rules` of batches.
    pub fn new(limits: QueryLimits, rules: Limits, operators: Tokens, metrics: Arc<Metrics>) -> Self {
        let gate = Gate::new(limits.max_running, limits.max_wait);
        Self { limits, gate, rules, operators, anyone_is_operator: false, metrics }
    }

    /// The rules that bodies are read by.
    pub(super) fn rules(&self) -> &Limits {
        &self.rules
    }

    /// The operators' tokens, to be read again on SIGHUP.
    pub fn operators(&self) -> &Tokens {
        &self.operators
    }

    /// Whether this is an operator.
    pub fn is_operator(&self, head: &Head) -> bool {
        self.operators.exist() && self.operators.allow(head)
    }

    /// Lets operators go on.
    ///
    /// # Errors
    /// 404 on a server without operators, 401 for anybody else.
    pub fn admit_operator(&self, head: &Head) -> Result<(), Problem> {
        if !self.operators.exist() && !self.anyone_is_operator {
            return Err(Problem::http(404, "the server was started without --operator-token-file"));
        }
        if !self.operators.allow(head) {
            return Err(Problem::http(401, "authorization: Bearer with an operator's token is needed"));
        }
        Ok(())
    }

    /// Windows that one query may read.
    pub fn max_windows(&self) -> usize {
        self.limits.max_windows
    }

    /// Queries that run now.
    pub fn running(&self) -> usize {
        self.gate.running()
    }

    /// `GET /customers`.
    ///
    /// # Errors
    /// As for [`Reading::admit_operator`], and 503 where it is too much at the moment.
    pub fn customers(&self, head: &Head, source: &dyn WindowSource) -> Result<Response, Problem> {
        #[derive(Serialize)]
        struct Page<'a> {
            customers: Vec<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            next: Option<&'a str>,
        }
        self.admit_operator(head)?;
        let params = Params::of(head, &["limit", "next"])?;
        let limit = params.number("limit", CUSTOMERS.0, (1, CUSTOMERS.1), "")?;
        let first = match params.get("next") {
            None => None,
            Some(next) => {
                Some(CustomerId::new(next).ok_or_else(|| bad("next must be that of the page before"))?)
            }
        };
        self.run("/customers", head, QueryForm::Json, |_| {
            let customers = source.customers()?;
            let from = first.map_or(0, |first| customers.partition_point(|customer| *customer < first));
            let mut page = customers[from..].iter().map(CustomerId::as_str);
            let page = Page { customers: page.by_ref().take(limit).collect(), next: page.next() };
            let body = serde_json::to_vec(&page).expect("text is written into memory");
            Ok(QueryAnswer { body, next: None, covered: None })
        })
    }

    /// Runs one query when it is its turn. Compressing the answer is part of it.
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
                let interval = format!("{}/{}", format_instant(from_ms), format_instant(to_ms));
                response = response.with("x-bodies", interval);
            }
            // Lines have no place for it.
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
