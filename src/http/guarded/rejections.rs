//! Connections that are answered 503 because everything is busy.
//!
//! Input: sockets from the acceptor, which must not wait for any of them. Output: the answer, and a moment for the client
//! to read it. One thread holds a bounded number of them without blocking; sockets beyond that are closed at once.
//! Never: a byte of what the client sends is kept.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::base::clock::monotonic;
use crate::http::limits::FrontLimits;
use crate::http::socket::Stream;

/// How often the sockets are read.
const TICK: Duration = Duration::from_millis(20);

/// A socket and the bytes of its answer.
pub(super) struct Rejection {
    pub(super) stream: Stream,
    pub(super) answer: Vec<u8>,
}

/// The acceptor's end of the queue.
pub(super) struct RejectQueue(Sender<Rejection>);

impl RejectQueue {
    /// The queue, and the end that [`run`] takes rejections from.
    pub(super) fn new(max_rejections: usize) -> (Self, Receiver<Rejection>) {
        let (sender, receiver) = bounded(max_rejections);
        (Self(sender), receiver)
    }

    /// Enqueues a rejection; if the queue is full, its socket is closed at once.
    pub(super) fn enqueue(&self, rejection: Rejection) {
        drop(self.0.try_send(rejection));
    }
}

/// A client that has been answered and may still be sending.
struct RejectedClient {
    stream: Stream,
    until: Instant,
    left_bytes: usize,
}

/// Answers and drains clients until the queue is closed and empty.
pub(super) fn run(queue: &Receiver<Rejection>, limits: &FrontLimits) {
    let mut clients: Vec<RejectedClient> = Vec::new();
    let mut scratch = vec![0; 16 * 1024];
    let mut is_open = true;
    while is_open || !clients.is_empty() {
        let next = if clients.is_empty() {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else if clients.len() < limits.max_rejections && is_open {
            queue.recv_timeout(TICK)
        } else {
            std::thread::sleep(TICK);
            Err(RecvTimeoutError::Timeout)
        };
        match next {
            Ok(rejection) => clients.extend(answer(rejection, limits)),
            Err(RecvTimeoutError::Disconnected) => is_open = false,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = monotonic();
        clients.retain_mut(|client| client.until > now && drain(client, &mut scratch));
    }
}

/// Sends the answer. A fresh socket has room for a short one, so this never waits.
fn answer(rejection: Rejection, limits: &FrontLimits) -> Option<RejectedClient> {
    let Rejection { stream, answer } = rejection;
    stream.set_nonblocking(true).ok()?;
    stream.write(&answer).ok()?;
    stream.shutdown(Shutdown::Write);
    let until = monotonic() + limits.linger_timeout;
    Some(RejectedClient { stream, until, left_bytes: limits.linger_bytes })
}

/// Reads what has arrived; `false` when the client is done, or has sent too much.
fn drain(client: &mut RejectedClient, scratch: &mut [u8]) -> bool {
    loop {
        match client.stream.read(scratch) {
            Ok(0) => return false,
            Ok(count) if count >= client.left_bytes => return false,
            Ok(count) => client.left_bytes -= count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
