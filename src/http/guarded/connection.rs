//! One connection from its first request to its last: read, ask the handler, answer, wait for more.
//!
//! Input: a [`Connection`] from the pool. Output: answers on its socket. A panic in the handler is answered 500 and
//! costs this connection only. Never: closes while the client is still sending, because the reset would cost the
//! client its answer.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;

use super::head::{BodyFraming, Framing, RefusedHead};
use super::reader::{ByteSource, NoRequest, ReceivedHead, RequestReader};
use super::slots::{Connection, Slots};
use super::timed::{MAX_WRITE_BYTES, TimedStream};
use crate::base::buffers;
use crate::base::clock::{monotonic, now_ms};
use crate::base::inflight::Charge;
use crate::http::contained;
use crate::http::encode::{self, AnswerForm};
use crate::http::limits::FrontLimits;
use crate::http::stats::ConnectionStats;
use crate::http::{Body, BodyError, Handler, Request, Response};

/// A body that the handler did not ask for is read and thrown away up to this size, so that the connection can go on;
/// with more left it closes.
const MAX_SKIPPED_BODY_BYTES: u64 = 64 * 1024;

pub(super) struct ConnectionContext {
    pub(super) limits: FrontLimits,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) stats: Arc<ConnectionStats>,
    pub(super) slots: Arc<Slots>,
}

/// Serves one connection until it closes.
pub(super) fn serve(connection: &Connection, context: &ConnectionContext) {
    let limits = &context.limits;
    let mut socket = TimedStream::new(&connection.stream, limits);
    let mut reader = RequestReader::new(limits);
    let mut idle_since = monotonic();
    loop {
        if context.slots.draining() {
            // Requests that have already arrived can still be read.
            connection.stream.shutdown(Shutdown::Read);
        }
        let next = reader.head(&mut socket, idle_since, &mut || connection.begun());
        let after = match next {
            Err(NoRequest::Closed) => return,
            next if !connection.serve() => return drop(next),
            Err(NoRequest::Refused(refusal)) => refuse(&mut socket, refusal, context),
            Ok(received) => exchange(&mut socket, &mut reader, &received, context),
        };
        match after {
            AfterAnswer::Wait => {}
            AfterAnswer::Linger => {
                connection.linger();
                return linger(&mut socket, &mut reader, limits);
            }
            AfterAnswer::Gone => return,
        }
        reader.finish();
        idle_since = monotonic();
        connection.wait();
    }
}

/// What follows an answer.
enum AfterAnswer {
    /// The next request.
    Wait,
    /// A close, once the client has had time to read the answer.
    Linger,
    /// Nothing, because the client is gone.
    Gone,
}

/// Answers a request that cannot reach the handler: its head is malformed, too large or too late.
fn refuse(socket: &mut TimedStream<'_>, refusal: RefusedHead, context: &ConnectionContext) -> AfterAnswer {
    let refusal = if context.slots.draining() {
        // The server stopped reading; the client did nothing wrong.
        RefusedHead::new(503, "the server is stopping: try again")
    } else {
        refusal
    };
    let head = refusal.head.as_deref();
    log::debug!("refused {}: {}", refusal.status, refusal.description);
    let (status, text) = (refusal.status, &refusal.description);
    let response = contained::refuse(&*context.handler, &context.stats, head, status, text);
    let head_only = head.is_some_and(|head| head.method == "HEAD");
    let written = socket.write_all(&encode::closing(&response, head_only));
    written.map_or(AfterAnswer::Gone, |()| AfterAnswer::Linger)
}

/// Answers one request.
fn exchange(
    socket: &mut TimedStream<'_>,
    reader: &mut RequestReader<'_>,
    received: &ReceivedHead,
    context: &ConnectionContext,
) -> AfterAnswer {
    let framing = received.framing;
    let mut body = SocketBody { socket, reader, framing, context, state: BodyState::Unread };
    let request = Request { head: &received.head, body: &mut body };
    let mut response = contained::handle(&*context.handler, &context.stats, request);
    let leftover = match body.state {
        BodyState::Read => Leftover::Nothing,
        BodyState::Failed => Leftover::TooMuch,
        BodyState::Unread => leftover(reader, framing),
    };
    let close =
        response.close || !framing.keep_alive || leftover == Leftover::TooMuch || context.slots.draining();
    let form = AnswerForm {
        head_only: received.head.method == "HEAD",
        close,
        say_keep_alive: !framing.http_1_1,
        now: now_ms(),
    };
    let written = respond(socket, &response, form);
    // The answer may be large; the connection does not keep it while it waits.
    buffers::give_back(std::mem::take(&mut response.body));
    match (written, close) {
        (Err(_), _) => AfterAnswer::Gone,
        (Ok(()), true) => AfterAnswer::Linger,
        (Ok(()), false) if leftover == Leftover::Skippable => {
            match reader.skip_body(socket, framing, monotonic() + context.limits.linger_timeout) {
                Ok(()) => AfterAnswer::Wait,
                Err(_) => AfterAnswer::Linger,
            }
        }
        (Ok(()), false) => AfterAnswer::Wait,
    }
}

/// The part of the request that is still in the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leftover {
    Nothing,
    /// A body that the handler did not ask for, small and of known length.
    Skippable,
    TooMuch,
}

fn leftover(reader: &RequestReader<'_>, framing: Framing) -> Leftover {
    match (framing.body, reader.unread_body(framing)) {
        (BodyFraming::None, _) => Leftover::Nothing,
        // The body arrived with the head: the client did not wait for its `100 Continue`.
        (BodyFraming::Length(_), Some(0)) => Leftover::Skippable,
        // A client that was not told to continue may send its body or not.
        _ if framing.expect_continue => Leftover::TooMuch,
        (_, Some(bytes)) if bytes <= MAX_SKIPPED_BODY_BYTES => Leftover::Skippable,
        _ => Leftover::TooMuch,
    }
}

fn respond(socket: &mut TimedStream<'_>, response: &Response, form: AnswerForm) -> io::Result<()> {
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

/// Ends the sending side, and throws away what the client still sends until it closes.
fn linger(socket: &mut TimedStream<'_>, reader: &mut RequestReader<'_>, limits: &FrontLimits) {
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
struct SocketBody<'a, 's, 'l> {
    socket: &'a mut TimedStream<'s>,
    reader: &'a mut RequestReader<'l>,
    framing: Framing,
    context: &'a ConnectionContext,
    state: BodyState,
}

impl Body for SocketBody<'_, '_, '_> {
    fn read(&mut self, limit_bytes: usize, charge: &mut Charge) -> Result<&[u8], BodyError> {
        if self.state != BodyState::Unread {
            return Err(BodyError::Malformed("the body was already read"));
        }
        // Stays so until the body has been read to its end; a panic before that counts as a failure too.
        self.state = BodyState::Failed;
        if self.reader.unread_body(self.framing) != Some(0) {
            charge.arrives_by(self.socket.upload());
        }
        match self.reader.body(self.socket, self.framing, limit_bytes, charge) {
            Ok(body) => {
                charge.has_arrived();
                self.state = BodyState::Read;
                Ok(body)
            }
            Err(_) if self.socket.upload().gave_way() => Err(BodyError::GaveWay),
            // The server has stopped reading; the client may not have stopped sending.
            Err(BodyError::Disconnected(_)) if self.context.slots.draining() => Err(BodyError::Stopping),
            Err(error) => Err(error),
        }
    }
}
