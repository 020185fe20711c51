//! The seam between HTTP front ends and the rest of the program: a neutral request, response and handler.
//!
//! Input: requests from a front end. Output: the handler's answers. A front end reads a request's head, calls the
//! [`Handler`] with a [`Request`], and writes the [`Response`]. It reads the body only when the handler asks for it, so
//! that refusals by header come first, and `100 Continue` is sent only where a body is wanted. Never: a handler that
//! depends on the front end that calls it.

pub(crate) mod aggregates;
mod contained;
mod counted;
mod customers;
mod dashboard;
mod deletion;
mod encode;
pub(crate) mod errors;
pub mod guarded;
pub(crate) mod ingest;
pub(crate) mod limits;
pub(crate) mod listen;
mod negotiate;
mod openapi;
mod params;
pub mod reading;
mod remedy;
pub(crate) mod routes;
pub mod server;
mod socket;
pub(crate) mod stats;
mod target;
mod thread_group;
mod tiny;
pub(crate) mod tokens;

use std::time::Duration;

use self::target::split_target;
use crate::base::inflight::Charge;

/// The header lines and request line of one request.
#[derive(Clone, Debug, Default)]
pub struct Head {
    pub method: String,
    /// The path part of the request target, before any `?`.
    pub path: String,
    /// The query part of the request target, after the first `?`; empty where there is none.
    pub query: String,
    /// Names in lower case and values without surrounding white space, in the order of arrival. Bytes of a value that are
    /// not UTF-8 are replaced by U+FFFD, so that it fails every check that wants ASCII.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The head of a request with this target and these headers, whose names may have any case.
    ///
    /// # Errors
    /// What is wrong with the target.
    pub(crate) fn new<'h>(
        method: &str,
        target: &str,
        headers: impl Iterator<Item = (&'h str, String)>,
    ) -> Result<Self, &'static str> {
        let (path, query) = split_target(target)?;
        Ok(Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
        })
    }

    /// Every value of the header with this lower-case name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The first value of the header with this lower-case name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why a body could not be read. Each reason has one answer.
#[derive(Debug)]
pub enum BodyError {
    /// Neither `Content-Length` nor a transfer coding: 411.
    LengthRequired,
    /// More bytes than the limit: 413.
    TooLarge { limit_bytes: usize },
    /// The bytes in flight are used up: 503.
    Busy,
    /// The server is stopping and reads no more: 503.
    Stopping,
    /// The client sent nothing while others needed the bytes in flight: 503.
    GaveWay,
    /// It arrived too slowly: 408.
    TooSlow,
    /// The transfer coding is broken: 400.
    Malformed(&'static str),
    /// The client closed the connection, or its sending side: 400, which only the latter can read.
    Disconnected(std::io::Error),
}

/// The body of a request, still in the socket until it is asked for.
pub trait Body {
    /// Reads the whole body, without its transfer coding but still with its content coding, and grows `charge` as
    /// bytes arrive. The slice is part of the connection's buffer. A request without a body gives
    /// [`BodyError::LengthRequired`]; `Content-Length: 0` gives an empty slice. May be called once.
    ///
    /// # Errors
    /// See [`BodyError`]; after any of them the front end closes the connection once the answer is sent.
    fn read(&mut self, limit_bytes: usize, charge: &mut Charge) -> Result<&[u8], BodyError>;
}

/// One request on its way to the handler.
pub struct Request<'a> {
    pub head: &'a Head,
    pub body: &'a mut dyn Body,
}

/// One answer. The front end adds `Date`, `Content-Length` and `Connection`.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    /// Body; not sent for HEAD, but counted in `Content-Length`.
    pub body: Vec<u8>,
    /// Whether the connection closes after this answer (the request could not be read to its end).
    pub close: bool,
}

impl Response {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
            close: false,
        }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Answers requests. A front end calls it from many threads at once, for every well-formed request, and turns a panic
/// inside it into a 500 for that request.
pub trait Handler: Send + Sync + 'static {
    fn handle(&self, request: Request<'_>) -> Response;

    /// The answer to a request that the front end refuses (a malformed head, a deadline, too many connections): error body,
    /// metrics and log line are made in one place for all front ends. `status` is 400, 408, 414, 417, 431, 500, 501, 503
    /// or 505.
    fn refuse(&self, head: Option<&Head>, status: u16, description: &str) -> Response;
}

/// A front end that serves, in threads of its own. It is stopped before it is joined.
trait FrontEnd: Send + Sync {
    /// Stops accepting and closes idle connections. Requests in flight are still answered, with `connection: close`.
    /// Returns at once; a second call does nothing.
    fn stop(&self);

    /// Waits until every thread has ended; `false` if that takes longer than `within`.
    fn join(&self, within: Duration) -> bool;
}
