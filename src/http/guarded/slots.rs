//! All connections, and the pool of threads that serve them.
//!
//! Input: accepted connections. Output: each is served by one thread of a pool, which grows to the connection cap and
//! shrinks when there is less to do. At the cap the connection that has waited longest without a complete head is
//! closed. Never: closes a connection whose request is being served. A connection changes from waiting to serving by
//! one compare-and-swap; its thread stops if the acceptor has evicted it before.

use std::collections::{HashMap, VecDeque};
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::base::clock::monotonic;
use crate::base::sync::{self, lock};
use crate::http::limits::FrontLimits;
use crate::http::socket::Stream;
use crate::http::stats::{ConnectionStats, GaugeGuard, count};
use crate::http::thread_group::ThreadGroup;

/// Waiting for the first byte of a request.
const IDLE: u8 = 0;
/// Waiting for the rest of a head.
const BEGUN: u8 = 1;
/// A request is being served.
const SERVING: u8 = 2;
/// The last answer is sent; the rest of what the client sends is thrown away.
const LINGERING: u8 = 3;
/// Chosen to make room.
const EVICTED: u8 = 4;

/// One connection, seen by its thread and by the acceptor.
pub(super) struct Connection {
    id: u64,
    pub(super) stream: Stream,
    state: AtomicU8,
    /// Milliseconds from `epoch` to when it began to wait for a request.
    waiting_since_ms: AtomicU64,
    epoch: Instant,
    _open: GaugeGuard,
}

impl Connection {
    /// Notes that the first byte of a request has arrived.
    pub(super) fn begun(&self) {
        // Fails only if the connection is evicted, which its thread notices when the head is complete.
        let _ = self.swap(IDLE, BEGUN);
    }

    /// Notes that a head is complete (or refused). `false`: the connection has been evicted, close it.
    pub(super) fn serve(&self) -> bool {
        self.swap(BEGUN, SERVING) || self.swap(IDLE, SERVING)
    }

    /// Notes that the request is answered. Check `draining` only after this: then either the drain finds the
    /// connection idle, or the connection finds the drain.
    pub(super) fn wait(&self) {
        self.since_now();
        self.state.store(IDLE, Ordering::SeqCst);
    }

    /// Notes that the last request is answered.
    pub(super) fn linger(&self) {
        self.since_now();
        self.state.store(LINGERING, Ordering::Release);
    }

    fn since_now(&self) {
        let ms = monotonic().saturating_duration_since(self.epoch).as_millis();
        self.waiting_since_ms.store(u64::try_from(ms).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn swap(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Closes the connection, unless a request is being served. Its thread wakes up with the end of the stream.
    fn evict(&self) -> bool {
        let evicted = [IDLE, BEGUN, LINGERING].into_iter().any(|state| self.swap(state, EVICTED));
        if evicted {
            self.stream.shutdown(Shutdown::Both);
        }
        evicted
    }

    fn evictable(&self) -> bool {
        !matches!(self.state.load(Ordering::Acquire), SERVING | EVICTED)
    }
}

/// What happened to a connection that was just accepted.
pub(super) enum Admission {
    /// A thread serves it or will serve it.
    Taken,
    /// All connections are serving requests: answer 503. The error says that threads ran out.
    Refused(Stream, Option<std::io::Error>),
}

pub(super) struct Slots {
    thread_pool: Arc<ThreadGroup>,
    stats: Arc<ConnectionStats>,
    max_connections: usize,
    thread_stack_bytes: usize,
    thread_idle_timeout: Duration,
    epoch: Instant,
    draining: AtomicBool,
    state: Mutex<SlotsState>,
    work: Condvar,
}

#[derive(Default)]
struct SlotsState {
    next_id: u64,
    open: HashMap<u64, Arc<Connection>>,
    /// Accepted, and waiting for a thread.
    queue: VecDeque<Arc<Connection>>,
    threads: usize,
    idle_threads: usize,
}

/// What a connection thread does with a connection.
pub(super) type Serve = Arc<dyn Fn(&Connection) + Send + Sync>;

impl Slots {
    pub(super) fn new(
        limits: &FrontLimits,
        threads: &Arc<ThreadGroup>,
        stats: &Arc<ConnectionStats>,
    ) -> Arc<Self> {
        Arc::new(Self {
            thread_pool: Arc::clone(threads),
            stats: Arc::clone(stats),
            max_connections: limits.max_connections,
            thread_stack_bytes: limits.thread_stack_bytes,
            thread_idle_timeout: limits.thread_idle_timeout,
            epoch: monotonic(),
            draining: AtomicBool::new(false),
            state: Mutex::default(),
            work: Condvar::new(),
        })
    }

    /// Gives a new connection to a thread. At the cap it evicts another connection first, if it can.
    pub(super) fn admit(self: &Arc<Self>, stream: Stream, serve: &Serve) -> Admission {
        let mut state = lock(&self.state);
        if state.open.len() >= self.max_connections && !self.make_room(&mut state) {
            return Admission::Refused(stream, None);
        }
        let id = state.next_id;
        state.next_id += 1;
        let connection = Connection {
            id,
            stream,
            state: AtomicU8::new(IDLE),
            waiting_since_ms: AtomicU64::new(0),
            epoch: self.epoch,
            _open: GaugeGuard::new(&self.stats, |stats| &stats.open),
        };
        connection.since_now();
        if state.idle_threads <= state.queue.len()
            && state.threads < self.max_connections
            && let Err(error) = self.add_thread(&mut state, serve)
        {
            count(&self.stats.accept_errors_total);
            // The cap for now: more threads could not be started.
            if state.open.len() >= state.threads && (state.threads == 0 || !self.make_room(&mut state)) {
                return Admission::Refused(connection.stream, Some(error));
            }
        }
        let connection = Arc::new(connection);
        state.open.insert(id, Arc::clone(&connection));
        state.queue.push_back(connection);
        drop(state);
        self.work.notify_one();
        Admission::Taken
    }

    /// Evicts the connection that has waited longest, to free a file descriptor; `false` where all are serving requests.
    pub(super) fn evict_one(&self) -> bool {
        self.make_room(&mut lock(&self.state))
    }

    fn make_room(&self, state: &mut SlotsState) -> bool {
        loop {
            let waiting = state.open.values().filter(|connection| connection.evictable());
            let oldest = waiting.min_by_key(|connection| connection.waiting_since_ms.load(Ordering::Relaxed));
            let Some(id) = oldest.map(|connection| connection.id) else { return false };
            // It may have become busy meanwhile; then the search starts again.
            if state.open.get(&id).is_some_and(|connection| connection.evict()) {
                state.open.remove(&id);
                // A connection that still waits for a thread closes at once, so that a flood holds no more descriptors
                // than there are threads.
                state.queue.retain(|queued| queued.id != id);
                count(&self.stats.evicted_total);
                return true;
            }
        }
    }

    fn add_thread(self: &Arc<Self>, state: &mut SlotsState, serve: &Serve) -> std::io::Result<()> {
        let slots = Arc::clone(self);
        let serve = Arc::clone(serve);
        let name = format!("conn-{}", state.threads);
        self.thread_pool.spawn(name, self.thread_stack_bytes, move || {
            let _threads = GaugeGuard::new(&slots.stats, |stats| &stats.threads);
            while let Some(connection) = slots.next() {
                // A bug in the front end costs this connection, not the thread: the pool expects every thread to
                // return.
                let served = catch_unwind(AssertUnwindSafe(|| serve(&connection)));
                if served.is_err() {
                    log::error!("the front end panicked; the connection was closed");
                }
                lock(&slots.state).open.remove(&connection.id);
            }
        })?;
        state.threads += 1;
        Ok(())
    }

    /// The next connection for this thread; `None` when it should end.
    fn next(&self) -> Option<Arc<Connection>> {
        let until = monotonic() + self.thread_idle_timeout;
        let mut state = lock(&self.state);
        loop {
            if let Some(connection) = state.queue.pop_front() {
                return Some(connection);
            }
            let left = until.saturating_duration_since(monotonic());
            if left.is_zero() || self.draining() {
                // Under the lock of the decision to end, so that every counted thread takes connections.
                state.threads -= 1;
                return None;
            }
            state.idle_threads += 1;
            state = sync::wait(&self.work, state, left);
            state.idle_threads -= 1;
        }
    }

    /// Whether connections should close after the request they are serving.
    pub(super) fn draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Ends idle connections and threads at once, all others after their request.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        let state = lock(&self.state);
        for connection in state.open.values() {
            // A request that has already arrived can still be read and is served; then the stream ends.
            if connection.state.load(Ordering::SeqCst) == IDLE {
                connection.stream.shutdown(Shutdown::Read);
            }
        }
        drop(state);
        self.work.notify_all();
    }

    /// Ends the reading of every request, after [`Slots::drain`]; answers are still sent.
    pub(super) fn cut(&self) {
        let state = lock(&self.state);
        state.open.values().for_each(|connection| connection.stream.shutdown(Shutdown::Read));
    }
}
