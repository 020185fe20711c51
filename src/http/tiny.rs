//! The tiny_http front end: the same handler, without the guarantees.
//!
//! In: requests from tiny_http 0.12. Out: the handler's answers. tiny_http owns sockets, framing and time, and it
//! can be made to grow, hang or abort by what clients send (`tests/suite/tiny_http_limits.rs` shows how), so this is
//! for a trusted loopback or behind the gateway only. What can be done from outside is done here:
//!
//! - every answer says `connection: close`, because its pool keeps later connections waiting behind idle ones;
//! - a request with very much of its body unread is leaked, never dropped: dropping allocates all that is left;
//! - when its accept loop ends, which any error makes it do, or dies, a new server takes over the same socket.
//!
//! It must never wait for the end of tiny_http's own threads: they cannot be joined.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tiny_http::{Header, Server, StatusCode};

use super::contained;
use super::crew::{Crew, lock};
use super::encode::{self, Form};
use super::limits::FrontLimits;
use super::listen::Listen;
use super::socket::Listener;
use super::stats::{ConnectionStats, Held, Trouble, count};
use super::target::split_target;
use super::{Body, BodyError, Front, Handler, Head, Request, Response};
use crate::base::clock::{monotonic, now_ms};
use crate::base::inflight::{Charge, STEP_BYTES};

/// Pause before the next try to let a new server take over.
const REBUILD_PAUSE: Duration = Duration::from_millis(100);
/// How often the listening socket is looked at, and how often in a row somebody must be waiting there until the
/// accept loop counts as dead. A live one takes a connection within microseconds.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
const CHECKS: u32 = 3;

/// A request in tiny_http's words.
type Incoming = tiny_http::Request;

/// A running tiny_http front end.
pub struct Tiny {
    local_addr: Option<SocketAddr>,
    shared: Arc<Shared>,
}

struct Shared {
    limits: FrontLimits,
    handler: Arc<dyn Handler>,
    stats: Arc<ConnectionStats>,
    crew: Arc<Crew>,
    stopping: AtomicBool,
    /// Our own hold on the listening socket, from which new servers are made. Empty once stopped.
    listener: Mutex<Option<Arc<Listener>>>,
    /// The server that accepts, and those before it: dropping one would remove a Unix socket's file.
    servers: Mutex<Vec<Arc<Server>>>,
    trouble: Mutex<Trouble>,
}

impl Tiny {
    /// Binds and starts to serve.
    ///
    /// # Errors
    /// See [`super::server::start`].
    pub fn start(
        listen: &Listen,
        limits: FrontLimits,
        handler: Arc<dyn Handler>,
        stats: Arc<ConnectionStats>,
    ) -> io::Result<Self> {
        let listener = Listener::bind(listen, limits.backlog)?;
        let local_addr = listener.local_addr();
        let workers = limits.tiny_workers;
        let shared = Arc::new(Shared {
            limits,
            handler,
            stats,
            crew: Arc::new(Crew::default()),
            stopping: AtomicBool::new(false),
            listener: Mutex::new(Some(Arc::new(listener))),
            servers: Mutex::default(),
            trouble: Mutex::default(),
        });
        let front = Self { local_addr, shared };
        // As many requests wait here as can be served; the rest waits inside tiny_http.
        let (sender, receiver) = bounded(workers);
        for number in 0..workers {
            let (shared, receiver) = (Arc::clone(&front.shared), receiver.clone());
            let stack = shared.limits.thread_stack_bytes;
            let name = format!("tiny-{number}");
            front.shared.crew.spawn(name, stack, move || work(&shared, &receiver))?;
        }
        front.shared.serve(&sender)?;
        Ok(front)
    }
}

impl Front for Tiny {
    fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    fn stop(&self) {
        if !self.shared.stopping.swap(true, Ordering::SeqCst) {
            for server in lock(&self.shared.servers).iter() {
                server.unblock();
            }
        }
    }

    fn join(&self, within: Duration) -> bool {
        self.stop();
        self.shared.crew.join(within)
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Lets a new server accept from our socket, with a thread that takes its requests.
    fn serve(self: &Arc<Self>, requests: &Sender<Incoming>) -> io::Result<()> {
        let Some(listener) = lock(&self.listener).clone() else { return Ok(()) };
        let server = Server::from_listener(listener.for_tiny_http()?, None).map_err(io::Error::other)?;
        let server = Arc::new(server);
        let (shared, requests, own) = (Arc::clone(self), requests.clone(), Arc::clone(&server));
        self.crew.spawn("tiny-recv".to_owned(), self.limits.thread_stack_bytes, move || {
            if !receive(&shared, &listener, &own, &requests) {
                // With a Unix socket it must stay: dropping it would remove the file that its successor uses.
                if matches!(*listener, Listener::Tcp(_)) {
                    lock(&shared.servers).retain(|server| !Arc::ptr_eq(server, &own));
                }
                return;
            }
            // The last hold on a server ends its accept loop by connecting to it; the socket goes after that.
            lock(&shared.servers).clear();
            drop(own);
            drop(lock(&shared.listener).take());
            drop(listener);
        })?;
        lock(&self.servers).push(Arc::clone(&server));
        if self.stopping.load(Ordering::SeqCst) {
            server.unblock();
        }
        Ok(())
    }

    fn trouble(&self, text: &str) {
        count(&self.stats.accept_errors_total);
        lock(&self.trouble).report(text, self.limits.log_interval);
    }
}

/// Takes requests from one server until all are stopped (`true`), or until this one has been replaced and nothing
/// more comes from it (`false`).
fn receive(shared: &Arc<Shared>, listener: &Listener, server: &Server, requests: &Sender<Incoming>) -> bool {
    let _threads = Held::new(&shared.stats, |stats| &stats.threads);
    let mut accepting = Accepting::Yes { checked: monotonic(), waiting: 0 };
    while !shared.stopping.load(Ordering::SeqCst) {
        let patience = match accepting {
            Accepting::Yes { .. } => CHECK_INTERVAL,
            Accepting::No => REBUILD_PAUSE,
            Accepting::Replaced => shared.limits.idle_timeout,
        };
        // Whatever becomes of its accept loop, the connections a server has go on, and so does this loop.
        match server.recv_timeout(patience) {
            Ok(Some(request)) => drop(requests.send(request)),
            Ok(None) if accepting == Accepting::Replaced => return false,
            Ok(None) => {}
            Err(error) => {
                shared.trouble(&format!("tiny_http cannot accept any more, starting it anew: {error}"));
                if accepting != Accepting::Replaced {
                    accepting = Accepting::No;
                }
            }
        }
        if accepting.is_over(listener) {
            shared.trouble("tiny_http does not accept what waits, starting it anew");
            accepting = Accepting::No;
        }
        if accepting == Accepting::No {
            match shared.serve(requests) {
                Ok(()) => accepting = Accepting::Replaced,
                Err(error) => shared.trouble(&format!("cannot start tiny_http anew: {error}")),
            }
        }
    }
    // What was already waiting is still served.
    while let Ok(Some(request)) = server.try_recv() {
        drop(requests.send(request));
    }
    true
}

/// What a server's accept loop does. An error ends it and says so; a panic in it (it unwraps a failed `dup` when
/// descriptors run out) only shows in connections that nobody takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accepting {
    Yes {
        checked: Instant,
        /// How often in a row somebody was waiting.
        waiting: u32,
    },
    No,
    Replaced,
}

impl Accepting {
    /// Whether an accept loop that should be running has been seen not to.
    fn is_over(&mut self, listener: &Listener) -> bool {
        let Self::Yes { checked, waiting } = self else { return false };
        let now = monotonic();
        if now.saturating_duration_since(*checked) < CHECK_INTERVAL {
            return false;
        }
        *checked = now;
        let mut fds = [PollFd::new(listener, PollFlags::IN)];
        let pending = matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1..));
        *waiting = if pending { *waiting + 1 } else { 0 };
        *waiting >= CHECKS
    }
}

fn work(shared: &Shared, requests: &Receiver<Incoming>) {
    let _threads = Held::new(&shared.stats, |stats| &stats.threads);
    let mut buffer = Vec::new();
    while let Ok(request) = requests.recv() {
        exchange(shared, request, &mut buffer);
        buffer.clear();
        buffer.shrink_to(shared.limits.kept_buffer_bytes);
    }
}

/// Answers one request.
fn exchange(shared: &Shared, mut inner: Incoming, buffer: &mut Vec<u8>) {
    let head = head(&inner);
    let length = inner.body_length();
    let mut body = TinyBody { inner: &mut inner, buffer, asked: false, taken_bytes: 0 };
    let response = match &head {
        Ok(head) => {
            let request = Request { head, body: &mut body };
            contained::handle(&*shared.handler, &shared.stats, request)
        }
        Err(text) => contained::refuse(&*shared.handler, &shared.stats, None, 400, text),
    };
    let unread = length.unwrap_or(0).saturating_sub(body.taken_bytes);
    let sent = if unread > shared.limits.tiny_leak_bytes {
        count(&shared.stats.leaked_requests_total);
        answer_and_leak(inner, &response)
    } else {
        answer(inner, response)
    };
    if let Err(error) = sent {
        log::debug!("answer not sent: {error}");
    }
}

/// The head as the handler knows it. tiny_http has dropped whatever it did not understand.
fn head(request: &Incoming) -> Result<Head, &'static str> {
    let (path, query) = split_target(request.url())?;
    let header = |header: &Header| {
        (header.field.as_str().as_str().to_ascii_lowercase(), header.value.as_str().trim().to_owned())
    };
    Ok(Head {
        method: request.method().to_string(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: request.headers().iter().map(header).collect(),
    })
}

/// Answers through tiny_http, which adds date and length, and then drops the request with what is left of it.
fn answer(inner: Incoming, response: Response) -> io::Result<()> {
    // tiny_http takes no `connection` header, but writes values as they are: this one brings a line of its own.
    let closing = Header::from_bytes("server", "tiny_http\r\nconnection: close").ok();
    let headers =
        response.headers.iter().filter_map(|(name, value)| Header::from_bytes(*name, value.as_str()).ok());
    let length = response.body.len();
    let status = StatusCode(response.status);
    let body = io::Cursor::new(response.body);
    let answer = tiny_http::Response::new(status, headers.chain(closing).collect(), body, Some(length), None);
    inner.respond(answer.with_chunked_threshold(usize::MAX))
}

/// Answers a request that must not be dropped. Only an upgrade hands out the socket without dropping the unread
/// body; its interim answer is one every client skips, and the real one follows it.
fn answer_and_leak(inner: Incoming, response: &Response) -> io::Result<()> {
    let head_only = inner.method() == &tiny_http::Method::Head;
    let (mut bytes, send_body) =
        encode::head(response, Form { head_only, close: true, say_keep_alive: false, now: now_ms() });
    if send_body {
        bytes.extend_from_slice(&response.body);
    }
    let mut stream = inner.upgrade("none", tiny_http::Response::empty(100));
    let sent = stream.write_all(&bytes).and_then(|()| stream.flush());
    // What is leaked is one socket and tiny_http's thread for it, until the process ends. Dropping it would
    // allocate the whole rest of the body: see util/equal_reader.rs of tiny_http 0.12.
    std::mem::forget(stream);
    sent
}

/// A body read through tiny_http, which sends `100 Continue` when it is first asked for one.
struct TinyBody<'a> {
    inner: &'a mut Incoming,
    buffer: &'a mut Vec<u8>,
    asked: bool,
    taken_bytes: usize,
}

impl Body for TinyBody<'_> {
    fn read(&mut self, limit_bytes: usize, charge: &mut Charge) -> Result<&[u8], BodyError> {
        if std::mem::replace(&mut self.asked, true) {
            return Err(BodyError::Malformed("the body was already read"));
        }
        let length = self.inner.body_length();
        let coded = self.inner.headers().iter().any(|header| header.field.equiv("Transfer-Encoding"));
        if length.is_none() && !coded {
            return Err(BodyError::LengthRequired);
        }
        if length.is_some_and(|bytes| bytes > limit_bytes) {
            return Err(BodyError::TooLarge { limit_bytes });
        }
        let reader = self.inner.as_reader();
        loop {
            let have = self.taken_bytes;
            let step = (have / STEP_BYTES + 1) * STEP_BYTES;
            let end = length.unwrap_or(limit_bytes.saturating_add(1)).min(step);
            if end == have {
                break;
            }
            charge.grow_to(end).map_err(|_| BodyError::Busy)?;
            self.buffer.resize(end, 0);
            match reader.read(&mut self.buffer[have..]) {
                Ok(0) if length.is_some() => {
                    return Err(BodyError::Disconnected(ErrorKind::UnexpectedEof.into()));
                }
                Ok(0) => break,
                Ok(count) => self.taken_bytes += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::InvalidInput => {
                    return Err(BodyError::Malformed("malformed chunked body"));
                }
                Err(error) => return Err(BodyError::Disconnected(error)),
            }
            if self.taken_bytes > limit_bytes {
                return Err(BodyError::TooLarge { limit_bytes });
            }
        }
        Ok(&self.buffer[..self.taken_bytes])
    }
}
