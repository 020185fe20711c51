//! One connection from its first request to its last: read, ask the handler, answer, wait for more.
//!
//! Input: a [`Connection`] from the pool. Output: answers on its socket. A panic in the handler is answered 500 and
//! costs this connection only. Never: a close while the client is still sending, because the reset would cost it the
//! answer.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;

use super::head::{Framed, Framing, Refusal};
use super::reader::{NoHead, Reader, Source, Started};
use super::slots::{Connection, Slots};
use super::timed::{MAX_WRITE_BYTES, TimedStream};
use crate::base::clock::{monotonic, now_ms};
use crate::base::inflight::Charge;
use crate::http::contained;
use crate::http::encode::{self, Form};
use crate::http::limits::FrontLimits;
use crate::http::stats::ConnectionStats;
use crate::http::{Body, BodyError, Handler, Request, Response};

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
    let mut socket = TimedStream::new(&connection.stream, limits);
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
                if respond(&mut socket, &response, form).is_ok() {
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
fn exchange(socket: &mut TimedStream<'_>, reader: &mut Reader, started: &Started, shared: &Shared) -> After {
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
    let written = respond(socket, &response, form);
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

fn respond(socket: &mut TimedStream<'_>, response: &Response, form: Form) -> io::Result<()> {
    let (mut bytes, send_body) = encode::head(response, form);
    if !send_body {
        return socket.write_all(&bytes);
    }
    if response.body.len() <= MAX_WRITE_BYTES {
        bytes.extend_from_slice(&response.body);
        return socket.write_all(&bytes);
    }
    socket.write_all(&bytes)?;
    socket.write_all(&response.body)
}

/// Says that no more will come, and reads what the client is still sending until it has seen that.
fn linger(socket: &mut TimedStream<'_>, reader: &mut Reader, limits: &FrontLimits) {
    socket.stream().shutdown(Shutdown::Write);
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
    socket: &'a mut TimedStream<'b>,
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
        if self.reader.unread_body(self.started.framing) != Some(0) {
            charge.arrives_by(self.socket.upload());
        }
        match self.reader.body(self.socket, self.started, limits, limit_bytes, charge) {
            Ok(body) => {
                charge.has_arrived();
                self.state = BodyState::Read;
                Ok(body)
            }
            Err(_) if self.socket.upload().gave_way() => Err(BodyError::GaveWay),
            // The server has stopped reading, not the client sending.
            Err(BodyError::Disconnected(_)) if slots.draining() => Err(BodyError::Stopping),
            Err(error) => Err(error),
        }
    }
}
