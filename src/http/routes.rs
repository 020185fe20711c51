//! Decides which module answers a request, and adds what all answers share: request id, error shape, metrics, log
//! line.
//!
//! Input: requests from a front end. Output: answers. Never: the work itself; `ingest`, `reading`, `dashboard` and
//! `openapi` do it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use prometheus::{Histogram, IntCounter};

use super::errors::Problem;
use super::ingest::{Ingest, Refused, RejectReason, customer};
use super::reading::Reading;
use super::stats::ConnectionStats;
use super::tokens::Tokens;
use super::{Handler, Head, Request, Response, aggregates, dashboard, deletion, openapi};
use crate::base::clock;
use crate::base::random;
use crate::customers::Customers;
use crate::customers::activity::Refusal;
use crate::intake::{Health, Intake, Reason};
use crate::metrics::Metrics;
use crate::query::StoredSource;

/// The longest request id that is echoed, in characters.
const MAX_REQUEST_ID_BYTES: usize = 128;

pub(crate) struct Routes {
    ingest: Ingest,
    reading: Reading,
    tokens: Tokens,
    metrics: Arc<Metrics>,
    connections: Arc<ConnectionStats>,
    /// Counters of answers with status 202.
    accepted: AcceptedCounters,
    /// Empty until recovery is done.
    opened: OnceLock<Roles>,
    draining: AtomicBool,
}

/// The work that this process does: all of it, or one role of a cluster.
pub(crate) struct Roles {
    /// Takes batches; `None` where the process takes none.
    pub intake: Option<Arc<dyn Intake>>,
    /// Gives windows; `None` where the process has none.
    pub source: Option<Arc<dyn StoredSource>>,
    pub health: Arc<dyn Health>,
}

impl Roles {
    fn intake(&self) -> Result<&dyn Intake, Problem> {
        self.intake.as_deref().ok_or_else(|| Problem::http(404, "this process takes no batches"))
    }

    fn source(&self) -> Result<&dyn StoredSource, Problem> {
        self.source.as_deref().ok_or_else(|| Problem::http(404, "this process has no windows"))
    }
}

/// The counters of 202, looked up once by their labels.
struct AcceptedCounters {
    requests: IntCounter,
    latency: Histogram,
    batches: IntCounter,
}

impl AcceptedCounters {
    fn of(metrics: &Metrics) -> Self {
        let labels = &["POST", Route::Logs.label(), "202", ""];
        Self {
            requests: metrics.http_requests.with_label_values(labels),
            latency: metrics.http_latency.with_label_values(labels),
            batches: metrics.batches.with_label_values(&[""]),
        }
    }
}

/// The paths that exist. Anything else is 404, under one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Logs,
    Metrics,
    Healthz,
    Readyz,
    Aggregates,
    Top,
    Entries,
    Customers,
    Customer,
    Dashboard,
    OpenApi,
    Unknown,
}

impl Route {
    fn of(path: &str) -> Self {
        match path {
            "/logs" => Route::Logs,
            "/metrics" => Route::Metrics,
            "/healthz" => Route::Healthz,
            "/readyz" => Route::Readyz,
            "/aggregates" => Route::Aggregates,
            "/aggregates/top" => Route::Top,
            "/entries" => Route::Entries,
            "/customers" => Route::Customers,
            path if path.starts_with(deletion::CUSTOMERS) => Route::Customer,
            "/" => Route::Dashboard,
            "/openapi.json" => Route::OpenApi,
            _ => Route::Unknown,
        }
    }

    /// The label of the route in metrics: never the raw path, which clients choose.
    fn label(self) -> &'static str {
        match self {
            Route::Logs => "/logs",
            Route::Metrics => "/metrics",
            Route::Healthz => "/healthz",
            Route::Readyz => "/readyz",
            Route::Aggregates => "/aggregates",
            Route::Top => "/aggregates/top",
            Route::Entries => "/entries",
            Route::Customers => "/customers",
            Route::Customer => "/customers/{id}",
            Route::Dashboard => "/",
            Route::OpenApi => "/openapi.json",
            Route::Unknown => "other",
        }
    }

    fn allow(self) -> &'static str {
        match self {
            Route::Logs => "POST",
            Route::Customer => "DELETE",
            _ => "GET, HEAD",
        }
    }

    fn takes(self, method: &str) -> bool {
        self == Route::Unknown || self.allow().split(", ").any(|allowed| allowed == method)
    }
}

/// The methods of RFC 9110 and RFC 5789; any other is 501.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// The label of a method in metrics: never the raw method, which clients choose.
fn method_label(method: &str) -> &'static str {
    METHODS.into_iter().find(|known| *known == method).unwrap_or("other")
}

impl Routes {
    /// Routes that answer only health and metrics until [`Routes::open`].
    pub(crate) fn new(
        ingest: Ingest,
        reading: Reading,
        tokens: Tokens,
        metrics: Arc<Metrics>,
        connections: Arc<ConnectionStats>,
    ) -> Self {
        let accepted = AcceptedCounters::of(&metrics);
        // Created at start; otherwise an alert would miss the first event.
        let reasons = Reason::ALL.iter().map(|reason| reason.label());
        for reason in reasons.chain(RejectReason::ALL.iter().map(|reason| reason.label())) {
            metrics.rejects.with_label_values(&[reason]);
        }
        Self {
            ingest,
            reading,
            tokens,
            metrics,
            connections,
            accepted,
            opened: OnceLock::new(),
            draining: AtomicBool::new(false),
        }
    }

    /// Called when recovery is done: gives the routes the parts that do the work.
    pub(crate) fn open(&self, roles: Roles) {
        if let (Some(_), Some(source)) = (&roles.intake, &roles.source) {
            let known = source.customers().unwrap_or_default().into_iter();
            let counted = known.filter_map(|known| Some((known.id, known.counted?.entries)));
            self.customers().begin_with(counted.collect());
        }
        assert!(self.opened.set(roles).is_ok(), "recovery is done once");
    }

    /// Called when the server stops: `/readyz` says so, and no more batches are taken.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The gateway's and the operators' tokens, to be read again on SIGHUP.
    pub(crate) fn tokens(&self) -> [&Tokens; 2] {
        [&self.tokens, self.reading.operators()]
    }

    /// The customers' settings, to be read again on SIGHUP.
    pub(crate) fn customers(&self) -> &Customers {
        &self.ingest.customers
    }

    /// The roles, between the end of recovery and the stop.
    fn opened(&self) -> Result<&Roles, Reason> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(Reason::Stopping);
        }
        self.opened.get().ok_or(Reason::Starting)
    }

    fn ready(&self) -> Result<(), Reason> {
        self.opened()?.health.ready()
    }

    fn answer(&self, route: Route, request: Request<'_>, request_id: &str) -> Result<Response, Refused> {
        let head = request.head;
        if !METHODS.contains(&head.method.as_str()) {
            return Err(Problem::http(501, "the method is not known: use GET, HEAD, POST or DELETE").into());
        }
        if !route.takes(&head.method) {
            return Err(Problem::http(405, format!("{} takes {}", head.path, route.allow())).into());
        }
        match route {
            Route::Healthz => Ok(Response::new(200, TEXT, "ok\n")),
            Route::Readyz => match self.ready() {
                Ok(()) => Ok(Response::new(200, TEXT, "ready\n")),
                Err(reason) => Err(Problem::unavailable(reason.description()).into()),
            },
            Route::Metrics => Ok(Response::new(200, METRICS_TEXT, self.render_metrics())),
            Route::Logs => {
                let intake = self.opened()?.intake()?;
                self.authenticate(head)?;
                self.ingest.handle(head, request.body, intake, request_id)
            }
            Route::Aggregates | Route::Top | Route::Entries => {
                let source = self.opened()?.source()?;
                if !self.reading.is_operator(head) {
                    self.authenticate(head)?;
                }
                match route {
                    Route::Top => Ok(aggregates::top(&self.reading, head, source, self.customers())?),
                    Route::Entries => Ok(aggregates::entries(&self.reading, head, source, self.customers())?),
                    _ => Ok(aggregates::windows(&self.reading, head, source, self.customers())?),
                }
            }
            Route::Customers => {
                let source = self.opened()?.source()?;
                Ok(self.reading.customers(head, source, self.customers())?)
            }
            Route::Customer => {
                let opened = self.opened()?;
                self.reading.authorize_operator(head)?;
                Ok(deletion::delete(head, opened.intake.as_deref())?)
            }
            // The page and the description hold no customer's data, so they need no token.
            Route::Dashboard | Route::OpenApi => {
                self.opened()?;
                Ok(if route == Route::Dashboard { dashboard::page(head) } else { openapi::document(head) })
            }
            Route::Unknown => {
                self.opened()?;
                Err(Problem::http(404, "no such URL: see /openapi.json").into())
            }
        }
    }

    fn authenticate(&self, head: &Head) -> Result<(), Problem> {
        if self.tokens.allow(head) {
            Ok(())
        } else {
            Err(Problem::http(401, "authorization: Bearer with the gateway's token is needed"))
        }
    }

    fn render_metrics(&self) -> Vec<u8> {
        let metrics = &self.metrics;
        metrics.ready.set(u64::from(self.ready().is_ok()));
        metrics.inflight_bytes.set(self.ingest.budget.used_bytes() as u64);
        metrics.queries.running.set(self.reading.running() as u64);
        if let Some(opened) = self.opened.get() {
            opened.health.report();
        }
        let stats = &self.connections;
        metrics.connections.set(stats.open.load(Ordering::Relaxed));
        for (event, counter) in [
            ("accepted", &stats.accepted_total),
            ("rejected", &stats.rejected_total),
            ("evicted", &stats.evicted_total),
            ("accept_error", &stats.accept_errors_total),
            ("handler_panic", &stats.handler_panics_total),
            ("leaked_request", &stats.leaked_requests_total),
        ] {
            metrics.raise_connection_events(event, counter.load(Ordering::Relaxed));
        }
        metrics.render()
    }

    /// Remembers a refused batch with its customer, and logs it when a log line is due. Duplicates are not refused
    /// batches. A client without a valid token may not add to the record of the customer that it names.
    fn note_refused(&self, head: Option<&Head>, problem: &Problem, reason: &'static str) {
        if reason == RejectReason::Duplicate.label() || problem.status == 401 {
            return;
        }
        let customer = head.and_then(|head| customer(head).ok());
        let (status, description) = (problem.status, problem.description.to_string());
        let refusal = Refusal { at_ms: clock::now_ms(), status, reason, description };
        if let Some(line) = self.customers().refused(customer.as_ref(), refusal) {
            log::warn!("{line}");
        }
    }

    /// Adds what all answers share: request id, metrics, log line.
    fn finish(
        &self,
        head: Option<&Head>,
        began: Instant,
        request_id: &str,
        answer: Result<Response, Refused>,
    ) -> Response {
        let (method, path) =
            head.map_or(("other", ""), |head| (method_label(&head.method), head.path.as_str()));
        let route = Route::of(path);
        let (response, code): (Response, Cow<'static, str>) = match answer {
            Ok(response) => (response, "".into()),
            Err(Refused { problem, batch_id, numbers, reason }) => {
                let mut response = problem.response(request_id, batch_id.as_ref(), numbers.as_deref());
                if problem.status == 405 {
                    response = response.with("allow", route.allow());
                }
                if route == Route::Logs {
                    self.metrics.rejects.with_label_values(&[reason]).inc();
                    self.note_refused(head, &problem, reason);
                }
                if problem.status == 500 {
                    log::error!("request {request_id}: {method} {}: 500", route.label());
                }
                log::debug!("request {request_id}: {}", problem.description);
                (response, problem.code)
            }
        };
        let status = response.status.to_string();
        let seconds = began.elapsed().as_secs_f64();
        if route == Route::Logs && response.status == 202 {
            self.accepted.requests.inc();
            self.accepted.latency.observe(seconds);
            self.accepted.batches.inc();
        } else {
            let labels = &[method, route.label(), status.as_str(), &code];
            self.metrics.http_requests.with_label_values(labels).inc();
            self.metrics.http_latency.with_label_values(labels).observe(seconds);
            if route == Route::Logs && method == "POST" {
                self.metrics.batches.with_label_values(&[&code]).inc();
            }
        }
        log::debug!("request {request_id}: {method} {} {status} {:?}", route.label(), began.elapsed());
        self.customers().due_refusals(clock::now_ms()).iter().for_each(|line| log::warn!("{line}"));
        response.with("x-request-id", request_id)
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The request's own id where it may be echoed, else a new one.
fn request_id(head: Option<&Head>) -> String {
    head.and_then(|head| head.first("x-request-id"))
        .filter(|id| {
            (1..=MAX_REQUEST_ID_BYTES).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
        })
        .map_or_else(random::ulid, str::to_owned)
}

impl Handler for Routes {
    fn handle(&self, request: Request<'_>) -> Response {
        let began = clock::monotonic();
        let head = request.head;
        let id = request_id(Some(head));
        let answer = self.answer(Route::of(&head.path), request, &id);
        self.finish(Some(head), began, &id, answer)
    }

    fn refuse(&self, head: Option<&Head>, status: u16, description: &str) -> Response {
        let id = request_id(head);
        let problem = Problem::http(status, description.to_owned());
        self.finish(head, clock::monotonic(), &id, Err(problem.into()))
    }
}
