//! The tiny_http front end: the same handler, without the guarantees.
//!
//! Input: requests from tiny_http 0.12. Output: the handler's answers. tiny_http owns sockets, framing and time;
//! `tests/suite/tiny_http_limits.rs` lists what that cannot hold, so this is for a trusted loopback or behind the gateway.
//! Never: a drop of a request with very much of its body unread, which would abort the process.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use tiny_http::{Header, Server, StatusCode};

use super::contained;
use super::crew::Crew;
use super::encode::{self, Form};
use super::limits::FrontLimits;
use super::listen::Listen;
use super::socket::{Listener, UnixFile};
use super::stats::{ConnectionStats, Held, count};
use super::target::split_target;
use super::{Body, BodyError, Front, Handler, Head, Request, Response};
use crate::base::clock::now_ms;
use crate::base::inflight::Charge;
use crate::base::shutdown::end_process;
use crate::base::sync::lock;

/// Threads that answer the requests of one address: what waits for a commit is rarely more.
const WORKERS: usize = 64;
/// A request with more of its body unread is leaked and not dropped: tiny_http allocates what is unread to drop it.
const MAX_DROPPED_BYTES: usize = 64 << 20;

/// A running tiny_http front end.
pub(crate) struct TinyFront {
    addresses: Vec<Listen>,
    crew: Arc<Crew>,
    stopping: Arc<AtomicBool>,
    servers: Mutex<Vec<Arc<TinyServer>>>,
}

/// tiny_http's server on one address, and the file of its Unix socket.
struct TinyServer {
    server: Server,
    _file: Option<UnixFile>,
}

/// What all worker threads share.
struct Shared {
    limits: FrontLimits,
    handler: Arc<dyn Handler>,
    stats: Arc<ConnectionStats>,
}

impl TinyFront {
    /// Serves on these sockets.
    ///
    /// # Errors
    /// The operating system gives no thread or no descriptor.
    pub(crate) fn start(
        listeners: Vec<Listener>,
        limits: FrontLimits,
        handler: Arc<dyn Handler>,
        stats: Arc<ConnectionStats>,
    ) -> io::Result<Self> {
        end_process_where_accepting_panics();
        let front = Self {
            addresses: listeners.iter().map(Listener::address).collect::<io::Result<_>>()?,
            crew: Arc::default(),
            stopping: Arc::default(),
            servers: Mutex::default(),
        };
        let shared = Arc::new(Shared { limits, handler, stats });
        for listener in listeners {
            let (listener, file) = listener.into_tiny_http();
            let server = Server::from_listener(listener, None).map_err(io::Error::other)?;
            let server = Arc::new(TinyServer { server, _file: file });
            lock(&front.servers).push(Arc::clone(&server));
            for number in 0..WORKERS {
                let (shared, server) = (Arc::clone(&shared), Arc::clone(&server));
                let stopping = Arc::clone(&front.stopping);
                let stack = shared.limits.thread_stack_bytes;
                let work = move || work(&shared, &server.server, &stopping);
                front.crew.spawn(format!("tiny-{number}"), stack, work)?;
            }
        }
        Ok(front)
    }
}

impl Front for TinyFront {
    fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Requests that wait already come before the call that ends a worker. The last worker drops the server, which
        // closes its socket.
        for server in lock(&self.servers).drain(..) {
            (0..WORKERS).for_each(|_| server.server.unblock());
        }
    }

    fn join(&self, within: Duration) -> bool {
        self.stop();
        self.crew.join(within)
    }
}

impl Drop for TinyFront {
    fn drop(&mut self) {
        self.stop();
    }
}

/// tiny_http's accept thread panics where a socket cannot be duplicated, for want of descriptors, and then its port is
/// closed while the process lives.
fn end_process_where_accepting_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            report(panic);
            if panic.location().is_some_and(|at| at.file().ends_with("util/refined_tcp_stream.rs")) {
                accepts_no_more("it panicked (see above)");
            }
        }));
    });
}

fn accepts_no_more(reason: &str) -> ! {
    end_process(&format!("tiny_http accepts no more connections: {reason}; restart the server"))
}

fn work(shared: &Shared, server: &Server, stopping: &AtomicBool) {
    let _threads = Held::new(&shared.stats, |stats| &stats.threads);
    let mut buffer = Vec::new();
    loop {
        match server.recv() {
            Ok(request) => exchange(shared, request, &mut buffer),
            Err(_) if stopping.load(Ordering::SeqCst) => return,
            Err(error) => accepts_no_more(&error.to_string()),
        }
        buffer.clear();
        buffer.shrink_to(shared.limits.kept_buffer_bytes);
    }
}

/// Answers one request.
fn exchange(shared: &Shared, mut inner: tiny_http::Request, buffer: &mut Vec<u8>) {
    let head = head(&inner);
    let length = inner.body_length();
    let mut body = TinyBody { inner: &mut inner, buffer, asked: false, taken_bytes: 0 };
    let response = match &head {
        Ok(head) => contained::handle(&*shared.handler, &shared.stats, Request { head, body: &mut body }),
        Err(text) => contained::refuse(&*shared.handler, &shared.stats, None, 400, text),
    };
    let unread = length.unwrap_or(0).saturating_sub(body.taken_bytes);
    let sent = if unread > MAX_DROPPED_BYTES {
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
fn head(request: &tiny_http::Request) -> Result<Head, &'static str> {
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
fn answer(inner: tiny_http::Request, response: Response) -> io::Result<()> {
    let headers =
        response.headers.iter().filter_map(|(name, value)| Header::from_bytes(*name, value.as_str()).ok());
    let (status, length) = (StatusCode(response.status), response.body.len());
    let body = io::Cursor::new(response.body);
    let answer = tiny_http::Response::new(status, headers.collect(), body, Some(length), None);
    inner.respond(answer.with_chunked_threshold(usize::MAX))
}

/// Answers a request that must not be dropped. Only an upgrade gives the socket away without dropping the unread body;
/// its interim answer is one that every client skips, and the real one follows it.
fn answer_and_leak(inner: tiny_http::Request, response: &Response) -> io::Result<()> {
    let head_only = inner.method() == &tiny_http::Method::Head;
    let form = Form { head_only, close: true, say_keep_alive: false, now: now_ms() };
    let (mut bytes, send_body) = encode::head(response, form);
    if send_body {
        bytes.extend_from_slice(&response.body);
    }
    let mut stream = inner.upgrade("none", tiny_http::Response::empty(100));
    let sent = stream.write_all(&bytes).and_then(|()| stream.flush());
    // One socket and tiny_http's thread for it, until the process ends.
    std::mem::forget(stream);
    sent
}

/// A body read through tiny_http, which sends `100 Continue` when it is first asked for one.
struct TinyBody<'a> {
    inner: &'a mut tiny_http::Request,
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
        // One byte more than allowed tells that a chunked body is too large.
        let wanted = length.unwrap_or(limit_bytes.saturating_add(1));
        charge.grow_to(wanted).map_err(|_| BodyError::Busy)?;
        let read = self.inner.as_reader().take(wanted as u64).read_to_end(self.buffer);
        self.taken_bytes = self.buffer.len();
        match read {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                Err(BodyError::Malformed("malformed chunked body"))
            }
            Err(error) => Err(BodyError::Disconnected(error)),
            Ok(read) if length.is_some_and(|length| read < length) => {
                Err(BodyError::Disconnected(ErrorKind::UnexpectedEof.into()))
            }
            Ok(read) if read > limit_bytes => Err(BodyError::TooLarge { limit_bytes }),
            Ok(_) => Ok(self.buffer),
        }
    }
}
