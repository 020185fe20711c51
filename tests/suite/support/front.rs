//! A front end in this process with a small handler behind it.
//!
//! The handler keeps to the part of the HTTP contract that the front ends can be tested with, and counts what it
//! takes, so that a test can tell whether anything was smuggled in, lost or doubled.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use log_analytics::base::inflight::{Budget, Charge};
use log_analytics::http::server::{self, ConnectionStats, Front, FrontKind, FrontLimits, Listen};
use log_analytics::http::{BodyError, Handler, Head, Request, Response};

use super::raw::{Answer, Client, End};
use super::wait::eventually;

/// The largest body accepted: the server's default.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// The limit of bytes in flight.
pub const MAX_INFLIGHT_BYTES: usize = 64 * 1024 * 1024;

/// Counts entries of JSON batches.
pub struct CountingHandler {
    pub budget: Arc<Budget>,
    pub entries: AtomicU64,
    pub batches: AtomicU64,
    /// Requests to `/gate` wait until this is true.
    open: Mutex<bool>,
    opened: Condvar,
    /// Requests that wait at the gate now.
    pub waiting: AtomicU64,
}

impl CountingHandler {
    pub fn new(max_inflight_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            budget: Budget::new(max_inflight_bytes),
            entries: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            open: Mutex::new(false),
            opened: Condvar::new(),
            waiting: AtomicU64::new(0),
        })
    }

    /// Answers all requests that wait at `/gate`.
    pub fn open_gate(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn gate(&self) -> Response {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Response::new(200, "text/plain", "through")
    }

    fn batch(&self, request: Request<'_>) -> Response {
        let head = request.head;
        if head.all("x-customer-id").count() != 1 {
            return self.refuse(Some(head), 400, "x-customer-id");
        }
        if !head.first("content-type").is_some_and(|value| value.contains("json")) {
            return self.refuse(Some(head), 415, "content-type");
        }
        let mut charge = Charge::new(&self.budget);
        let body = match request.body.read(MAX_BODY_BYTES, &mut charge) {
            Ok(body) => body,
            Err(error) => return self.body_error(head, &error),
        };
        match serde_json::from_slice::<Vec<serde_json::Value>>(body) {
            Ok(entries) if !entries.is_empty() => {
                self.entries.fetch_add(entries.len() as u64, Ordering::SeqCst);
                self.batches.fetch_add(1, Ordering::SeqCst);
                Response::new(202, "application/json", format!("{{\"entries\":{}}}", entries.len()))
            }
            _ => self.refuse(Some(head), 400, "not a batch"),
        }
    }

    fn body_error(&self, head: &Head, error: &BodyError) -> Response {
        let status = match error {
            BodyError::LengthRequired => 411,
            BodyError::TooLarge { .. } => 413,
            BodyError::Busy | BodyError::GaveWay | BodyError::Stopping => 503,
            BodyError::TooSlow => 408,
            BodyError::Malformed(_) | BodyError::Disconnected(_) => 400,
        };
        self.refuse(Some(head), status, &format!("{error:?}"))
    }
}

impl Handler for CountingHandler {
    fn handle(&self, request: Request<'_>) -> Response {
        match (request.head.method.as_str(), request.head.path.as_str()) {
            ("get" | "BREW", _) => self.refuse(Some(request.head), 501, "no such method"),
            ("POST", "/logs") => self.batch(request),
            (_, "/logs") => self.refuse(Some(request.head), 405, "only POST").with("allow", "POST"),
            ("GET" | "HEAD", "/healthz") => Response::new(200, "text/plain", "ok\n"),
            (_, "/healthz") => self.refuse(Some(request.head), 405, "only GET").with("allow", "GET, HEAD"),
            ("GET", "/gate") => self.gate(),
            ("GET", "/panic") => panic!("a bug met on purpose"),
            ("GET", "/large") => Response::new(200, "application/octet-stream", vec![b'x'; 32 * 1024 * 1024]),
            _ => self.refuse(Some(request.head), 404, "no such path"),
        }
    }

    fn refuse(&self, _head: Option<&Head>, status: u16, description: &str) -> Response {
        let body =
            serde_json::json!({"errorCode": format!("HTTP_{status}"), "errorDescription": description});
        let response = Response::new(status, "application/json", body.to_string());
        if status == 503 { response.with("retry-after", "1") } else { response }
    }
}

/// A front end with its handler and counters.
pub struct TestFront {
    pub handler: Arc<CountingHandler>,
    pub stats: Arc<ConnectionStats>,
    pub front: Front,
}

impl TestFront {
    /// On a free port of the loopback interface.
    pub fn start(kind: FrontKind, limits: FrontLimits) -> Self {
        Self::start_on(kind, &["127.0.0.1:0".parse().unwrap()], limits)
    }

    pub fn start_on(kind: FrontKind, listen: &[Listen], limits: FrontLimits) -> Self {
        let handler = CountingHandler::new(MAX_INFLIGHT_BYTES);
        let stats = Arc::new(ConnectionStats::default());
        let front = server::start(kind, listen, limits, handler.clone(), stats.clone()).unwrap();
        Self { handler, stats, front }
    }

    /// On a Unix socket.
    pub fn start_unix(kind: FrontKind, path: PathBuf, limits: FrontLimits) -> Self {
        Self::start_on(kind, &[Listen::Unix(path)], limits)
    }

    pub fn addr(&self) -> SocketAddr {
        let tcp = |address: &Listen| match address {
            Listen::Tcp(address) => Some(*address),
            Listen::Unix(_) => None,
        };
        self.front.addresses().iter().find_map(tcp).unwrap()
    }

    pub fn entries(&self) -> u64 {
        self.handler.entries.load(Ordering::SeqCst)
    }

    /// Stops the front end; panics if anything is still running after a generous time.
    pub fn stop(self) {
        self.handler.open_gate();
        assert!(self.front.join(Duration::from_secs(20)), "the front end has threads left: {:?}", self.stats);
        assert_eq!(self.stats.open.load(Ordering::SeqCst), 0, "connections left");
        assert_eq!(self.handler.budget.used_bytes(), 0, "bytes left charged");
    }
}

/// So many milliseconds.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A guarded front end with these limits.
pub fn guarded(limits: FrontLimits) -> TestFront {
    TestFront::start(FrontKind::Guarded, limits)
}

/// Limits with deadlines so long that none of them ends a connection; a test sets the one it is about.
pub fn patient() -> FrontLimits {
    let long = Duration::from_secs(60);
    FrontLimits { head_timeout: long, grace: long, idle_timeout: long, ..FrontLimits::default() }
}

/// Waits until this many connections have been accepted and none is open any more.
pub fn all_gone(front: &TestFront, accepted: u64) {
    eventually("all connections were accepted", || {
        front.stats.accepted_total.load(Ordering::SeqCst) == accepted
    });
    eventually("no connection is open", || front.stats.open.load(Ordering::SeqCst) == 0);
}

/// Asserts that the answer has this status and `connection: close`, and that the server then closes.
pub fn refused_in_good_order(client: &mut Client, answer: Result<Answer, End>, status: u16) {
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
    assert_eq!(client.end(), End::Closed);
}
