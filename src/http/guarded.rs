//! The default front end: blocking sockets, bounded threads, strict framing, a deadline on every wait.
//!
//! In: connections on a TCP or Unix socket. Out: [`Request`](super::Request)s for the handler and its answers on
//! the wire. One acceptor thread owns the listeners, connection threads own one socket each (`slots`), one thread
//! sees clients out that were turned away (`turned_away`). No client may ever make it wait, grow or end: what a
//! client can use up is bounded by [`FrontLimits`], and running out of descriptors or threads is survived.
//!
//! ```text
//! accept ─▶ slots::admit ─▶ connection::serve ─▶ reader::head ─▶ head::parse ─▶ Handler
//!                │                                    ▲                            │ asks for the body
//!                └▶ turned_away (503)                 └── reader::body ◀── chunked ┘
//! ```

mod chunked;
mod connection;
pub mod head;
mod pace;
pub mod reader;
mod slots;
mod timed;
mod turned_away;

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use self::connection::Shared;
use self::slots::{Admission, Serve, Slots};
use self::turned_away::Door;
use super::contained;
use super::crew::Crew;
use super::encode::{self, Form};
use super::limits::FrontLimits;
use super::listen::Listen;
use super::socket::{Listener, Stream};
use super::stats::{ConnectionStats, Trouble, count};
use super::{Front, Handler};
use crate::base::clock::now_ms;

/// Stack of the acceptor and of the thread that sees clients out.
const HELPER_STACK_BYTES: usize = 256 * 1024;
/// Pause before the next try where descriptors or memory ran out.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(20);

/// A running guarded front end.
pub struct Guarded {
    addresses: Vec<Listen>,
    slots: Arc<Slots>,
    crew: Arc<Crew>,
    /// A byte here ends the acceptor.
    waker: UnixStream,
}

impl Guarded {
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
        let addresses = listeners.iter().map(Listener::address).collect::<io::Result<_>>()?;
        let (waker, woken) = UnixStream::pair()?;
        let crew = Arc::new(Crew::default());
        let slots = Slots::new(&limits, &crew, &stats);
        let shared = Arc::new(Shared { limits, handler, stats, slots: Arc::clone(&slots) });
        let (door, arrivals) = Door::new(shared.limits.max_turned_away);
        let limits = shared.limits.clone();
        crew.spawn("http-turn-away".to_owned(), HELPER_STACK_BYTES, move || {
            turned_away::run(&arrivals, &limits)
        })?;
        let acceptor = Acceptor { woken, shared, door, trouble: Trouble::default() };
        crew.spawn("http-accept".to_owned(), HELPER_STACK_BYTES, move || acceptor.run(&listeners))?;
        Ok(Self { addresses, slots, crew, waker })
    }
}

impl Front for Guarded {
    fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    fn stop(&self) {
        self.slots.drain();
        // The acceptor sees the end of the stream; it closes the listener when it ends.
        drop(self.waker.shutdown(std::net::Shutdown::Both));
    }

    fn join(&self, within: Duration) -> bool {
        self.stop();
        // A request whose body dribbles in must not use up the time in which counts are to be written.
        let patience = within / 2;
        self.crew.join(patience) || {
            self.slots.cut();
            self.crew.join(within - patience)
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread that owns the listeners.
struct Acceptor {
    woken: UnixStream,
    shared: Arc<Shared>,
    door: Door,
    trouble: Trouble,
}

impl Acceptor {
    fn run(mut self, listeners: &[Listener]) {
        let shared = Arc::clone(&self.shared);
        let serve: Serve = Arc::new(move |accepted| connection::serve(accepted, &shared));
        while let Some(ready) = self.wait(listeners) {
            for listener in ready {
                match listener.accept() {
                    Ok(stream) => self.take(stream, &serve),
                    Err(error) => self.failed(&error),
                }
            }
        }
    }

    /// Waits for connections; `None` when it is time to end.
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
                // The kernel is out of memory. Accepting tells whether there is something to accept.
                log::error!("poll on the listeners: {error}");
                thread::sleep(EXHAUSTED_PAUSE);
                (!self.shared.slots.draining()).then(|| listeners.iter().collect())
            }
        }
    }

    fn take(&mut self, stream: Stream, serve: &Serve) {
        count(&self.shared.stats.accepted_total);
        match self.shared.slots.admit(stream, serve) {
            Admission::Taken => {}
            Admission::Refused(stream, error) => {
                count(&self.shared.stats.rejected_total);
                match error {
                    Some(error) => self.report(&format!("no thread for a connection: {error}")),
                    None => self.report("all connections are being served; turning clients away"),
                }
                let response = contained::refuse(
                    &*self.shared.handler,
                    &self.shared.stats,
                    None,
                    503,
                    "every connection is busy",
                );
                let form = Form { head_only: false, close: true, say_keep_alive: false, now: now_ms() };
                let (mut bytes, _) = encode::head(&response, form);
                bytes.extend_from_slice(&response.body);
                self.door.show_out((stream, bytes));
            }
        }
    }

    /// No failure to accept ends the acceptor: it is about one connection, or it passes.
    fn failed(&mut self, error: &io::Error) {
        if matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted
        ) {
            return;
        }
        count(&self.shared.stats.accept_errors_total);
        self.report(&format!("cannot accept: {error}"));
        // Out of descriptors or memory: what has waited longest gives some back.
        self.shared.slots.evict_one();
        thread::sleep(EXHAUSTED_PAUSE);
    }

    fn report(&mut self, text: &str) {
        self.trouble.report(text, self.shared.limits.log_interval);
    }
}
