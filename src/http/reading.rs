//! `GET /aggregates`, `/aggregates/top` and `/customers`: from parameters to a query, and from its outcome to an answer.
//!
//! Who may ask: `/aggregates` whoever may send batches, and operators; `/customers` operators alone. A loopback server without any
//! tokens takes anybody for an operator, as every customer can be named there anyhow. Any other without `--operator-token-file` has
//! no `/customers` (404): nobody could ever be let in.

use std::sync::Arc;

use flate2::Compression;
use serde::Serialize;

use super::errors::Problem;
use super::ingest::customer;
use super::params::{Params, bad};
use super::tokens::Tokens;
use super::{Head, Response, negotiate};
use crate::metrics::Metrics;
use crate::model::{CustomerId, WindowSize};
use crate::query::aggregates::{self, Aggregates};
use crate::query::gate::Gate;
use crate::query::range::TimeRange;
use crate::query::top::{self, Dimension, Top};
use crate::query::{Meter, QueryError, QueryLimits, WindowSource};

/// Windows in a page where `limit` does not say: a day of minutes fits.
const DEFAULT_LIMIT: usize = 1_500;
/// Keys that `top` and `n` may ask for.
const MAX_TOP: usize = 10_000;
/// Keys of `/aggregates/top` where `n` does not say.
const DEFAULT_N: usize = 10;
/// Customers in a page where `limit` does not say, and at most.
const CUSTOMERS: (usize, usize) = (1_000, 10_000);

/// Answers readers.
pub struct Reading {
    limits: QueryLimits,
    gate: Gate,
    operators: Tokens,
    anyone_is_operator: bool,
    metrics: Arc<Metrics>,
}

impl Reading {
    /// Within these limits, with the list of customers for these operators.
    pub fn new(
        limits: QueryLimits,
        operators: Tokens,
        anyone_is_operator: bool,
        metrics: Arc<Metrics>,
    ) -> Self {
        let gate = Gate::new(limits.max_running, limits.max_wait);
        Self { limits, gate, operators, anyone_is_operator, metrics }
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

    /// Queries that run now.
    pub fn running(&self) -> usize {
        self.gate.running()
    }

    /// `GET /aggregates`.
    ///
    /// # Errors
    /// 400 for bad parameters and passed limits, 503 where it is too much at the moment.
    pub fn aggregates(&self, head: &Head, source: &dyn WindowSource) -> Result<Response, Problem> {
        let customer = customer(head)?;
        let params = Params::of(head, &["from", "to", "window", "top", "classes", "limit", "next"])?;
        let range = range(&params)?;
        let size = match params.get("window") {
            None => range.suited_size(),
            Some(name) => {
                WindowSize::from_name(name).ok_or_else(|| bad("window must be minute, hour or day"))?
            }
        };
        let top = match params.get("top") {
            None => None,
            Some(_) => Some(params.number("top", 0, (0, MAX_TOP), "")?),
        };
        let classes = params.flag("classes")?;
        let most = self.limits.max_windows;
        let limit = params.number("limit", DEFAULT_LIMIT.min(most), (1, most), " (max_query_windows)")?;
        let next = match params.get("next") {
            None => None,
            Some(text) => Some(aggregates::cursor(text, range, size).ok_or_else(|| {
                bad("next must be that of the page before, with the same from, to and window")
            })?),
        };
        let query = Aggregates { customer, range, size, top, classes, limit, next };
        self.run("/aggregates", head, |limits| {
            let mut meter = Meter::of_pages(*limits);
            aggregates::answer(source, &query, limits, &mut meter)
        })
    }

    /// `GET /aggregates/top`.
    ///
    /// # Errors
    /// As for [`Reading::aggregates`].
    pub fn top(&self, head: &Head, source: &dyn WindowSource) -> Result<Response, Problem> {
        let customer = customer(head)?;
        let params = Params::of(head, &["dimension", "from", "to", "n"])?;
        let dimension = params
            .get("dimension")
            .and_then(Dimension::from_name)
            .ok_or_else(|| bad("dimension must be path or agent"))?;
        let range = range(&params)?;
        let n = params.number("n", DEFAULT_N, (0, MAX_TOP), "")?;
        let query = Top { customer, range, dimension, n };
        self.run("/aggregates/top", head, |limits| {
            let mut meter = Meter::new(*limits);
            top::answer(source, &query, limits, &mut meter)
        })
    }

    /// `GET /customers`.
    ///
    /// # Errors
    /// As for [`Reading::admit_operator`], then as for [`Reading::aggregates`].
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
        self.run("/customers", head, |_| {
            let customers = source.customers()?;
            let from = first.map_or(0, |first| customers.partition_point(|customer| *customer < first));
            let mut page = customers[from..].iter().map(CustomerId::as_str);
            let page = Page { customers: page.by_ref().take(limit).collect(), next: page.next() };
            Ok(serde_json::to_vec(&page).expect("text is written into memory"))
        })
    }

    /// Runs one query when it is its turn. Compressing the answer is part of it.
    fn run(
        &self,
        path: &str,
        head: &Head,
        query: impl FnOnce(&QueryLimits) -> Result<Vec<u8>, QueryError>,
    ) -> Result<Response, Problem> {
        let metrics = &self.metrics.queries;
        let answered = self.gate.enter().and_then(|_pass| {
            let _timer = metrics.seconds.with_label_values(&[path]).start_timer();
            let body = query(&self.limits)?;
            let response = negotiate::answer(head, "application/json", body, Compression::fast());
            Ok(response.with("cache-control", "private, no-cache"))
        });
        answered.map_err(|error| {
            metrics.refused.with_label_values(&[error.label()]).inc();
            problem(&error)
        })
    }
}

fn range(params: &Params) -> Result<TimeRange, Problem> {
    let range = TimeRange { from_ms: params.instant("from")?, to_ms: params.instant("to")? };
    if range.from_ms >= range.to_ms {
        return Err(bad("from must be before to"));
    }
    Ok(range)
}

fn problem(error: &QueryError) -> Problem {
    let description = error.to_string();
    match error {
        QueryError::Windows(_) | QueryError::Bytes(_) | QueryError::Memory(_) | QueryError::Time(_) => {
            Problem::http(400, description)
        }
        QueryError::Busy | QueryError::Rebuilding => Problem::unavailable(description),
        QueryError::Unreadable(details) => {
            log::error!("a query failed: {details}");
            Problem::unavailable(description)
        }
    }
}
