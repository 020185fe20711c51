//! Clients that are turned away with 503 because everything is busy.
//!
//! In: sockets from the acceptor, which must not wait for any of them. Out: the answer, and a moment for the client
//! to see it. One thread holds a bounded number of them without blocking; beyond that they are just closed. It
//! must never read more than it throws away.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use crate::base::clock::monotonic;
use crate::http::limits::FrontLimits;
use crate::http::socket::Stream;

/// How often they are looked at.
const TICK: Duration = Duration::from_millis(20);

/// A socket and the bytes of its answer.
pub(super) type Farewell = (Stream, Vec<u8>);

/// The way to the thread.
pub(super) struct Door(Sender<Farewell>);

impl Door {
    /// The two ends: where sockets go in, and what [`run`] is given.
    pub(super) fn new(max_turned_away: usize) -> (Self, Receiver<Farewell>) {
        let (sender, receiver) = bounded(max_turned_away);
        (Self(sender), receiver)
    }

    /// Hands a socket over; `false` where there are too many already and it was closed.
    pub(super) fn show_out(&self, farewell: Farewell) -> bool {
        match self.0.try_send(farewell) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

struct Leaving {
    stream: Stream,
    until: Instant,
    left_bytes: usize,
}

/// Answers and drains until the acceptor is gone and nobody is left.
pub(super) fn run(arrivals: &Receiver<Farewell>, limits: &FrontLimits) {
    let mut leaving: Vec<Leaving> = Vec::new();
    let mut scratch = vec![0; 16 * 1024];
    let mut open = true;
    while open || !leaving.is_empty() {
        let arrival = if leaving.is_empty() {
            arrivals.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else if leaving.len() < limits.max_turned_away && open {
            arrivals.recv_timeout(TICK)
        } else {
            std::thread::sleep(TICK);
            Err(RecvTimeoutError::Timeout)
        };
        match arrival {
            Ok(farewell) => leaving.extend(answer(farewell, limits)),
            Err(RecvTimeoutError::Disconnected) => open = false,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = monotonic();
        leaving.retain_mut(|one| one.until > now && drain(one, &mut scratch));
    }
}

/// A fresh socket has room for a short answer, so this never waits.
fn answer((stream, bytes): Farewell, limits: &FrontLimits) -> Option<Leaving> {
    stream.set_nonblocking(true).ok()?;
    stream.write(&bytes).ok()?;
    stream.shutdown(Shutdown::Write);
    Some(Leaving { stream, until: monotonic() + limits.linger_timeout, left_bytes: limits.linger_bytes })
}

/// Throws away what has come; `false` when the client is done.
fn drain(one: &mut Leaving, scratch: &mut [u8]) -> bool {
    loop {
        match one.stream.read(scratch) {
            Ok(0) => return false,
            Ok(count) if count >= one.left_bytes => return false,
            Ok(count) => one.left_bytes -= count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
