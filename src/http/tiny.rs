//! The tiny_http front end: the same handler, without the guarantees.
//!
//! Input: requests from tiny_http 0.12. Output: the handler's answers. tiny_http owns sockets, framing and time;
//! `tests/suite/tiny_http_limits.rs` lists what it cannot hold, so this is for a trusted loopback or behind the gateway.
//! Never: drops a request with very much of its body unread, which would abort the process.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tiny_http::{Header, Method, Server};

use super::limits::FrontLimits;
use super::socket::{Listener, UnixFile};
use super::stats::{ConnectionStats, GaugeGuard, count};
use super::thread_group::ThreadGroup;
use super::{Body, BodyError, FrontEnd, Handler, Head, Request, contained, encode};
use crate::base::inflight::Charge;
use crate::base::shutdown::end_process;

/// Threads that answer the requests of one address: more rarely wait for a commit at once.
const WORKERS: usize = 64;
/// A request with more of its body unread is leaked and not dropped: tiny_http allocates what is unread to drop it.
const MAX_DROPPED_BYTES: usize = 64 << 20;

/// The servers belong to their workers: the last one drops its server, which closes the socket.
pub(crate) struct TinyFront {
    servers: Vec<Weak<TinyServer>>,
    threads: Arc<ThreadGroup>,
}

/// tiny_http's server on one address.
struct TinyServer {
    server: Server,
    _socket_file: Option<UnixFile>,
    handler: Arc<dyn Handler>,
    stats: Arc<ConnectionStats>,
    stopping: AtomicBool,
}

impl TinyFront {
    /// Serves on these sockets.
    ///
    /// # Errors
    /// The operating system gives no thread or no descriptor.
    pub(crate) fn start(
        listeners: Vec<Listener>,
        limits: &FrontLimits,
        handler: &Arc<dyn Handler>,
        stats: &Arc<ConnectionStats>,
    ) -> io::Result<Self> {
        end_process_if_accepting_panics();
        let mut front = Self { servers: Vec::new(), threads: Arc::default() };
        for listener in listeners {
            let (listener, _socket_file) = listener.into_tiny_http();
            let server = Server::from_listener(listener, None).map_err(io::Error::other)?;
            let (handler, stats) = (Arc::clone(handler), Arc::clone(stats));
            let stopping = AtomicBool::new(false);
            let server = Arc::new(TinyServer { server, _socket_file, handler, stats, stopping });
            front.servers.push(Arc::downgrade(&server));
            for number in 0..WORKERS {
                let server = Arc::clone(&server);
                let work = move || server.work();
                front.threads.spawn(format!("tiny-{number}"), limits.thread_stack_bytes, work)?;
            }
        }
        Ok(front)
    }
}

impl FrontEnd for TinyFront {
    fn stop(&self) {
        for server in self.servers.iter().filter_map(Weak::upgrade) {
            server.stopping.store(true, Ordering::SeqCst);
            // Requests that already wait are answered before these calls end the workers.
            (0..WORKERS).for_each(|_| server.server.unblock());
        }
    }

    fn join(&self, within: Duration) -> bool {
        self.threads.join(within)
    }
}

/// tiny_http's accept thread panics if it cannot duplicate a socket, because descriptors ran out. Without this its port
/// would be closed while the process lives.
fn end_process_if_accepting_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        if panic.location().is_some_and(|at| at.file().ends_with("util/refined_tcp_stream.rs")) {
            accepts_no_more("it panicked (see above)");
        }
    }));
}

fn accepts_no_more(reason: &str) -> ! {
    end_process(&format!("tiny_http accepts no more connections: {reason}; restart the server"))
}

impl TinyServer {
    fn work(&self) {
        let _threads = GaugeGuard::new(&self.stats, |stats| &stats.threads);
        loop {
            match self.server.recv() {
                Ok(request) => self.exchange(request),
                Err(_) if self.stopping.load(Ordering::SeqCst) => return,
                Err(error) => accepts_no_more(&error.to_string()),
            }
        }
    }

    /// Answers one request, with `connection: close`, without which later connections may wait behind idle ones.
    fn exchange(&self, mut request: tiny_http::Request) {
        let text = |header: &Header| header.value.as_str().trim().to_owned();
        let headers = request.headers().iter().map(|header| (header.field.as_str().as_str(), text(header)));
        let head = Head::new(request.method().as_str(), request.url(), headers);
        let mut body = TinyBody { request: &mut request, read: None };
        let response = match &head {
            Ok(head) => contained::handle(&*self.handler, &self.stats, Request { head, body: &mut body }),
            Err(text) => contained::refuse(&*self.handler, &self.stats, None, 400, text),
        };
        let read = body.read.map(|bytes| bytes.len());
        let unread = request.body_length().unwrap_or(0).saturating_sub(read.unwrap_or(0));
        let answer = encode::closing(&response, request.method() == &Method::Head);
        let sent = if unread > MAX_DROPPED_BYTES {
            count(&self.stats.leaked_requests_total);
            // Only an upgrade gives the socket away without reading the rest of the body. Every client skips its interim
            // answer. The leak is one socket and tiny_http's thread for it, until the process ends.
            let mut stream = mem::ManuallyDrop::new(request.upgrade("none", tiny_http::Response::empty(100)));
            send(&mut **stream, &answer)
        } else if read.is_none() && head.is_ok_and(|head| head.first("expect").is_some()) {
            // The client waits for `100 Continue`. Only this way the answer is sent before the rest of the body is read;
            // tiny_http leaves `connection` out of it.
            let status = response.status;
            let mut answer = tiny_http::Response::from_data(response.body).with_status_code(status);
            let headers = response.headers.iter();
            let headers = headers.filter_map(|(name, value)| Header::from_bytes(*name, value.as_str()).ok());
            headers.for_each(|header| answer.add_header(header));
            request.respond(answer)
        } else {
            send(&mut *request.into_writer(), &answer)
        };
        if let Err(error) = sent {
            log::debug!("answer not sent: {error}");
        }
    }
}

fn send(stream: &mut (impl Write + ?Sized), answer: &[u8]) -> io::Result<()> {
    stream.write_all(answer)?;
    stream.flush()
}

/// A body that tiny_http reads. It sends `100 Continue` when it is first asked for the body.
struct TinyBody<'a> {
    request: &'a mut tiny_http::Request,
    /// `None` until tiny_http was asked.
    read: Option<Vec<u8>>,
}

impl Body for TinyBody<'_> {
    fn read(&mut self, limit_bytes: usize, charge: &mut Charge) -> Result<&[u8], BodyError> {
        let length = self.request.body_length();
        let is_coded = self.request.headers().iter().any(|header| header.field.equiv("Transfer-Encoding"));
        if length.is_none() && !is_coded {
            return Err(BodyError::LengthRequired);
        }
        if length.is_some_and(|bytes| bytes > limit_bytes) {
            return Err(BodyError::TooLarge { limit_bytes });
        }
        // One byte more than allowed shows that a chunked body is too large.
        let wanted = length.unwrap_or(limit_bytes.saturating_add(1));
        charge.grow_to(wanted).map_err(|_| BodyError::Busy)?;
        let bytes = self.read.insert(Vec::with_capacity(length.unwrap_or(0)));
        match self.request.as_reader().take(wanted as u64).read_to_end(bytes) {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                Err(BodyError::Malformed("malformed chunked body"))
            }
            Err(error) => Err(BodyError::Disconnected(error)),
            Ok(read) if length.is_some_and(|length| read < length) => {
                Err(BodyError::Disconnected(ErrorKind::UnexpectedEof.into()))
            }
            Ok(read) if read > limit_bytes => Err(BodyError::TooLarge { limit_bytes }),
            Ok(_) => Ok(bytes),
        }
    }
}
