//! One connection from its first request to its last: read, ask the handler, answer, wait for more.
//!
//! In: a [`Connection`] from the pool. Out: answers on its socket. Every wait has a deadline for the whole of what
//! is waited for, not for a single read. A panic in the handler is answered 500 and costs this connection only.
//! It must never close in the face of a client that is still sending: the answer would be lost to a reset.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::head::{Framed, Framing, Refusal};
use super::reader::{NoHead, Reader, Source, Started};
use super::slots::{Connection, Slots};
use crate::base::clock::{monotonic, now_ms};
use crate::base::inflight::Charge;
use crate::http::contained;
use crate::http::encode::{self, Form};
use crate::http::limits::FrontLimits;
use crate::http::socket::Stream;
use crate::http::stats::ConnectionStats;
use crate::http::{Body, BodyError, Handler, Request, Response};

/// Answers up to this size go out in one write with their head.
const ONE_WRITE_BYTES: usize = 64 * 1024;

/// What all connections have in common.
pub(super) struct Shared {
    pub(super) limits: FrontLimits,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) stats: Arc<ConnectionStats>,
    pub(super) slots: Arc<Slots>,
}

/// Serves one connection until it closes.
pub(super) fn serve(connection: &Connection, shared: &Shared) {
    let limits = &shared.limits;
    let mut socket = Socket::new(&connection.stream);
    let mut reader = Reader::default();
    let mut idle_since = monotonic();
    loop {
        if shared.slots.draining() {
            // What has arrived is still served.
            connection.stream.shutdown(Shutdown::Read);
        }
        let next = reader.head(&mut socket, limits, idle_since, &mut || connection.begun());
        let started = match next {
            Err(NoHead::Closed) => return,
            next if !connection.serve() => return drop(next),
            Err(NoHead::Refused(refusal)) => {
                // Whatever is wrong with it, or missing: it is not the client's fault that nothing more is read.
                let stopping = || Refusal::new(503, "the server is stopping: try again");
                let refusal = if shared.slots.draining() { stopping() } else { refusal };
                let head = refusal.head.as_deref();
                log::debug!("refused {}: {}", refusal.status, refusal.description);
                let (status, text) = (refusal.status, &refusal.description);
                let response = contained::refuse(&*shared.handler, &shared.stats, head, status, text);
                let head_only = head.is_some_and(|head| head.method == "HEAD");
                let form = Form { head_only, close: true, say_keep_alive: false, now: now_ms() };
                if respond(&mut socket, &response, form, limits).is_ok() {
                    connection.linger();
                    linger(&mut socket, &mut reader, limits);
                }
                return;
            }
            Ok(started) => started,
        };
        match exchange(&mut socket, &mut reader, &started, shared) {
            After::Wait => {}
            After::Linger => {
                connection.linger();
                linger(&mut socket, &mut reader, limits);
                return;
            }
            After::Gone => return,
        }
        reader.finish(limits);
        idle_since = monotonic();
        connection.wait();
    }
}

/// What follows an answer.
enum After {
    /// The next request.
    Wait,
    /// Closing, once the client has had time to see the answer.
    Linger,
    /// Nothing: the client is gone.
    Gone,
}

/// Answers one request.
fn exchange(socket: &mut Socket<'_>, reader: &mut Reader, started: &Started, shared: &Shared) -> After {
    let limits = &shared.limits;
    let framing = started.framing;
    let mut body = SocketBody { socket, reader, started, shared, state: BodyState::Unread };
    let request = Request { head: &started.head, body: &mut body };
    let mut response = contained::handle(&*shared.handler, &shared.stats, request);
    let body_state = body.state;
    let left = match body_state {
        BodyState::Read => Left::Nothing,
        BodyState::Failed => Left::TooMuch,
        BodyState::Unread => left(reader, framing, limits),
    };
    let close = response.close || !framing.keep_alive || left == Left::TooMuch || shared.slots.draining();
    let form = Form {
        head_only: started.head.method == "HEAD",
        close,
        say_keep_alive: !framing.http_1_1,
        now: now_ms(),
    };
    let written = respond(socket, &response, form, limits);
    // The answer may be large; it is not kept while the connection waits.
    response.body = Vec::new();
    match (written, close) {
        (Err(_), _) => After::Gone,
        (Ok(()), true) => After::Linger,
        (Ok(()), false) if left == Left::Skippable => {
            match reader.skip_body(socket, framing, monotonic() + limits.linger_timeout) {
                Ok(()) => After::Wait,
                Err(_) => After::Linger,
            }
        }
        (Ok(()), false) => After::Wait,
    }
}

/// What the socket still holds of the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// A body nobody asked for, known and small.
    Skippable,
    TooMuch,
}

fn left(reader: &Reader, framing: Framing, limits: &FrontLimits) -> Left {
    match (framing.body, reader.unread_body(framing)) {
        (Framed::None, _) => Left::Nothing,
        // Here already, as a client does that does not wait for its `100 Continue`.
        (Framed::Length(_), Some(0)) => Left::Skippable,
        // Whether a client that was not told to continue sends its body nobody can know.
        _ if framing.expect_continue => Left::TooMuch,
        (_, Some(bytes)) if bytes <= limits.max_skipped_body_bytes as u64 => Left::Skippable,
        _ => Left::TooMuch,
    }
}

fn respond(socket: &mut Socket<'_>, response: &Response, form: Form, limits: &FrontLimits) -> io::Result<()> {
    let until = monotonic() + limits.response_timeout;
    let (mut bytes, send_body) = encode::head(response, form);
    if !send_body {
        return socket.write_all(&bytes, until);
    }
    if response.body.len() <= ONE_WRITE_BYTES {
        bytes.extend_from_slice(&response.body);
        return socket.write_all(&bytes, until);
    }
    socket.write_all(&bytes, until)?;
    socket.write_all(&response.body, until)
}

/// Says that no more will come, and reads what the client is still sending until it has seen that.
fn linger(socket: &mut Socket<'_>, reader: &mut Reader, limits: &FrontLimits) {
    socket.stream.shutdown(Shutdown::Write);
    let until = monotonic() + limits.linger_timeout;
    let scratch = reader.scratch();
    let mut left = limits.linger_bytes;
    while left > 0 && monotonic() < until {
        let room = left.min(scratch.len());
        match socket.read(&mut scratch[..room], until) {
            Ok(0) | Err(_) => return,
            Ok(count) => left -= count,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum BodyState {
    Unread,
    Read,
    Failed,
}

/// The body of the request being served.
struct SocketBody<'a, 'b> {
    socket: &'a mut Socket<'b>,
    reader: &'a mut Reader,
    started: &'a Started,
    shared: &'a Shared,
    state: BodyState,
}

impl Body for SocketBody<'_, '_> {
    fn read(&mut self, limit_bytes: usize, charge: &mut Charge) -> Result<&[u8], BodyError> {
        if self.state != BodyState::Unread {
            return Err(BodyError::Malformed("the body was already read"));
        }
        // Until it has been read to its end; also should this panic.
        self.state = BodyState::Failed;
        let Shared { limits, slots, .. } = self.shared;
        match self.reader.body(self.socket, self.started, limits, limit_bytes, charge) {
            Ok(body) => {
                self.state = BodyState::Read;
                Ok(body)
            }
            // We have stopped to read, not the client to send.
            Err(BodyError::Disconnected(_)) if slots.draining() => Err(BodyError::Stopping),
            Err(error) => Err(error),
        }
    }
}

/// A stream with deadlines. Remembers the timeouts it has set, because a connection that is kept busy needs the
/// same ones over and over.
struct Socket<'a> {
    stream: &'a Stream,
    read_timeout: Duration,
    write_timeout: Duration,
}

/// Timeouts are set anew only where they differ by this much, and never below it: zero would mean none.
const TIMEOUT_STEP: Duration = Duration::from_millis(1);

impl<'a> Socket<'a> {
    fn new(stream: &'a Stream) -> Self {
        Self { stream, read_timeout: Duration::ZERO, write_timeout: Duration::ZERO }
    }

    fn left(until: Instant) -> io::Result<Duration> {
        let left = until.saturating_duration_since(monotonic());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.max(TIMEOUT_STEP)) }
    }
}

impl Source for Socket<'_> {
    fn read(&mut self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            let left = Self::left(until)?;
            if left.abs_diff(self.read_timeout) >= TIMEOUT_STEP {
                self.stream.set_read_timeout(left)?;
                self.read_timeout = left;
            }
            match self.stream.read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn write_all(&mut self, mut bytes: &[u8], until: Instant) -> io::Result<()> {
        while !bytes.is_empty() {
            let left = Self::left(until)?;
            if left.abs_diff(self.write_timeout) >= TIMEOUT_STEP {
                self.stream.set_write_timeout(left)?;
                self.write_timeout = left;
            }
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
