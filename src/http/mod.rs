//! The seam between HTTP front ends and the rest of the program: a neutral request, response and handler.
//!
//! A front end reads a request head, builds a [`Request`] whose body is read only when the handler asks for
//! it (so that refusals by header come first and `100-continue` is sent only where a body is wanted), calls
//! the [`Handler`] and writes the [`Response`]. The handler must never know which front end called it.

mod contained;
mod crew;
mod dashboard;
mod encode;
pub mod errors;
pub mod guarded;
pub mod ingest;
pub mod limits;
pub mod listen;
mod negotiate;
mod openapi;
mod params;
pub mod reading;
mod remedy;
pub mod routes;
pub mod server;
mod socket;
pub mod stats;
mod target;
mod tiny;
pub mod tokens;

use std::time::Duration;

use self::listen::Listen;
use crate::base::inflight::Charge;

/// The header lines and request line of one request.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The method as it was sent (`GET`, `POST`, …).
    pub method: String,
    /// The path part of the request target, before any `?`.
    pub path: String,
    /// The query part of the request target, after the first `?`; empty where there is none.
    pub query: String,
    /// Names in lower case and values without surrounding white space, in the order of arrival. A value that is
    /// not UTF-8 is kept with its bytes above 0x7F replaced, so that it fails every check that wants ASCII.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Every value of the header with this lower-case name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The first value of the header with this lower-case name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why a body could not be read. Each has one answer, see `http::errors`.
#[derive(Debug)]
pub enum BodyError {
    /// Neither `Content-Length` nor a transfer coding: 411.
    LengthRequired,
    /// More bytes than the limit: 413.
    TooLarge {
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// The bytes in flight are used up: 503.
    Busy,
    /// The server is stopping and reads no more: 503.
    Stopping,
    /// The client sent nothing while others needed the bytes in flight: 503.
    GaveWay,
    /// It came too slowly: 408.
    TooSlow,
    /// The transfer coding is broken: 400.
    Malformed(&'static str),
    /// The client went away; nobody is left to answer.
    Disconnected(std::io::Error),
}

/// The body of a request, still in the socket until it is asked for.
pub trait Body {
    /// Reads the whole body, without transfer coding but still with its content coding, growing `charge` as
    /// bytes arrive. The slice lives in the connection's own buffer. A request without a body gives
    /// [`BodyError::LengthRequired`]; `Content-Length: 0` gives an empty slice. Call it at most once.
    ///
    /// # Errors
    /// See [`BodyError`]; after any of them the front end closes the connection once the answer is sent.
    fn read(&mut self, limit_bytes: usize, charge: &mut Charge) -> Result<&[u8], BodyError>;
}

/// One request on its way to the handler.
pub struct Request<'a> {
    /// Request line and headers.
    pub head: &'a Head,
    /// The body, unread.
    pub body: &'a mut dyn Body,
}

/// One answer. The front end adds `Date`, `Content-Length` and `Connection`.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers besides the ones the front end adds.
    pub headers: Vec<(&'static str, String)>,
    /// Body; not sent for HEAD, but counted in `Content-Length`.
    pub body: Vec<u8>,
    /// Close the connection after this answer (the request could not be read to its end).
    pub close: bool,
}

impl Response {
    /// An answer with a body of this content type.
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

/// What answers requests. Called from many connection threads at once. A front end calls it for every
/// well-formed request, and turns a panic inside it into a 500 for that request alone.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: Request<'_>) -> Response;

    /// Answers what a front end must refuse by itself (a malformed head, a deadline, the connection cap): the
    /// error body, the metrics and the log line are made in one place for all front ends. `status` is one of
    /// DESIGN's framing answers (400, 408, 413, 414, 417, 431, 500, 501, 503, 505).
    fn refuse(&self, head: Option<&Head>, status: u16, description: &str) -> Response;
}

/// A running front end.
pub trait Front: Send + Sync {
    /// The addresses it listens on, in the order they were given, with their real ports.
    fn addresses(&self) -> &[Listen];

    /// Stops accepting and closes idle connections. Requests in flight go on, and each is answered with
    /// `connection: close`. Returns at once; calling it again does nothing.
    fn stop(&self);

    /// Stops, and waits until every thread has ended: `true`, or `false` where `within` was too short (what is
    /// still running then ends with the process).
    fn join(&self, within: Duration) -> bool;
}
