//! The default front end: blocking sockets, bounded threads, strict framing, a deadline on every wait.
//!
//! Input: connections on TCP or Unix sockets. Output: [`Request`](super::Request)s for the handler, and its answers
//! on the wire. One acceptor thread owns the listeners, each connection thread owns one socket (`slots`), one thread
//! answers connections that are refused (`rejections`). Never: waits, grows or ends because of a client. Everything
//! that a client can use up has a bound, and the front end survives running out of descriptors or threads.
//!
//! ```text
//! accept ─▶ slots::admit ─▶ connection::serve ─▶ reader::head ─▶ head::parse ─▶ Handler
//!                │                                    ▲                            │ asks for the body
//!                └▶ rejections (503)                  └── reader::body ◀── chunked ┘
//! ```

mod chunked;
mod connection;
pub mod head;
mod pace;
pub mod reader;
mod rejections;
mod slots;
mod timed;

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use self::connection::ConnectionContext;
use self::rejections::{RejectQueue, Rejection};
use self::slots::{Admission, Serve, Slots};
use super::limits::FrontLimits;
use super::socket::{Listener, Stream};
use super::stats::{ConnectionStats, RateLimitedLog, count};
use super::thread_group::ThreadGroup;
use super::{FrontEnd, Handler, contained, encode};

/// Stack of the acceptor and of the thread that answers rejections.
const HELPER_STACK_BYTES: usize = 256 * 1024;
/// Pause before the next attempt after descriptors or memory ran out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(20);

/// A running guarded front end.
pub(crate) struct GuardedFront {
    slots: Arc<Slots>,
    threads: Arc<ThreadGroup>,
    /// Shutting it down ends the acceptor.
    waker: UnixStream,
}

impl GuardedFront {
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
        listeners.iter().try_for_each(Listener::set_nonblocking)?;
        let (waker, woken) = UnixStream::pair()?;
        let threads = Arc::new(ThreadGroup::default());
        let slots = Slots::new(&limits, &threads, &stats);
        let (rejections, rejected) = RejectQueue::new(limits.max_rejections);
        let copy = limits.clone();
        let reject = move || rejections::run(&rejected, &copy);
        threads.spawn("http-reject".to_owned(), HELPER_STACK_BYTES, reject)?;
        let context = Arc::new(ConnectionContext { limits, handler, stats, slots: Arc::clone(&slots) });
        let acceptor = Acceptor { woken, context, rejections, log: RateLimitedLog::default() };
        threads.spawn("http-accept".to_owned(), HELPER_STACK_BYTES, move || acceptor.run(&listeners))?;
        Ok(Self { slots, threads, waker })
    }
}

impl FrontEnd for GuardedFront {
    fn stop(&self) {
        self.slots.drain();
        // The acceptor sees the end of the stream, and closes the listeners when it ends.
        drop(self.waker.shutdown(std::net::Shutdown::Both));
    }

    fn join(&self, within: Duration) -> bool {
        // A body that arrives slowly must not use up the time in which counts are written.
        let for_bodies = within / 2;
        self.threads.join(for_bodies) || {
            self.slots.cut();
            self.threads.join(within - for_bodies)
        }
    }
}

struct Acceptor {
    woken: UnixStream,
    context: Arc<ConnectionContext>,
    rejections: RejectQueue,
    log: RateLimitedLog,
}

impl Acceptor {
    fn run(mut self, listeners: &[Listener]) {
        let context = Arc::clone(&self.context);
        let serve: Serve = Arc::new(move |accepted| connection::serve(accepted, &context));
        while let Some(ready) = self.wait(listeners) {
            for listener in ready {
                match listener.accept() {
                    Ok(stream) => self.take(stream, &serve),
                    Err(error) => self.failed(&error),
                }
            }
        }
    }

    /// Waits for connections; `None` when the front end stops.
    fn wait<'l>(&self, listeners: &'l [Listener]) -> Option<Vec<&'l Listener>> {
        let mut fds: Vec<_> = listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)).collect();
        fds.push(PollFd::new(&self.woken, PollFlags::IN));
        match poll(&mut fds, None) {
            Ok(_) => {
                let woken = fds.pop().is_some_and(|woken| !woken.revents().is_empty());
                let ready = listeners.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
                (!woken).then(|| ready.map(|(listener, _)| listener).collect())
            }
            Err(rustix::io::Errno::INTR) => Some(Vec::new()),
            Err(error) => {
                // The kernel is out of memory. Accepting shows whether a connection is waiting.
                log::error!("poll on the listeners: {error}");
                thread::sleep(EXHAUSTED_PAUSE);
                (!self.context.slots.draining()).then(|| listeners.iter().collect())
            }
        }
    }

    fn take(&mut self, stream: Stream, serve: &Serve) {
        let ConnectionContext { handler, stats, slots, .. } = &*self.context;
        count(&stats.accepted_total);
        let Admission::Refused(stream, error) = slots.admit(stream, serve) else { return };
        count(&stats.rejected_total);
        match error {
            Some(error) => self.log.warn(&format!("no thread for a connection: {error}")),
            None => {
                self.log.warn("all connections are serving requests (--max-connections): new ones get 503")
            }
        }
        let response = contained::refuse(&**handler, stats, None, 503, "all connections are busy: try again");
        self.rejections.enqueue(Rejection { stream, answer: encode::closing(&response, false) });
    }

    /// Continues after a failure to accept: it concerns one connection, or it passes.
    fn failed(&mut self, error: &io::Error) {
        if matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
        ) {
            return;
        }
        count(&self.context.stats.accept_errors_total);
        self.log.warn(&format!("cannot accept: {error}"));
        // Descriptors or memory ran out: closing the connection that has waited longest frees some.
        self.context.slots.evict_one();
        thread::sleep(EXHAUSTED_PAUSE);
    }
}
