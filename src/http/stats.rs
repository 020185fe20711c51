//! What the front ends count and complain about.
//!
//! In: events. Out: counters that `/metrics` shows, and log lines that clients cannot multiply.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::clock::monotonic;

/// What the front ends count. Totals only grow; the others are the state now.
#[derive(Debug, Default)]
pub struct ConnectionStats {
    /// Connections open now.
    pub open: AtomicU64,
    /// Threads that serve connections now, busy or waiting for one.
    pub threads: AtomicU64,
    /// Connections accepted.
    pub accepted_total: AtomicU64,
    /// Connections answered 503 because the cap was reached and every request was being served.
    pub rejected_total: AtomicU64,
    /// Connections closed to make room for newer ones.
    pub evicted_total: AtomicU64,
    /// Failures to accept a connection or to start a thread for it.
    pub accept_errors_total: AtomicU64,
    /// Panics in the handler, each answered 500.
    pub handler_panics_total: AtomicU64,
    /// Requests that the tiny_http front end leaked, because dropping them would have been worse.
    pub leaked_requests_total: AtomicU64,
}

/// One more in a counter.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// A gauge that counts its own copies: up when made, down when dropped.
pub(crate) struct Held(Arc<ConnectionStats>, fn(&ConnectionStats) -> &AtomicU64);

impl Held {
    pub(crate) fn new(stats: &Arc<ConnectionStats>, gauge: fn(&ConnectionStats) -> &AtomicU64) -> Self {
        count(gauge(stats));
        Self(Arc::clone(stats), gauge)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.1(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Log lines about trouble that clients can cause at will: the first at once, then one per interval.
#[derive(Default)]
pub(crate) struct Trouble {
    last: Option<Instant>,
    suppressed: u64,
}

impl Trouble {
    pub(crate) fn report(&mut self, text: &str, interval: Duration) {
        let now = monotonic();
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < interval) {
            self.suppressed += 1;
            return;
        }
        self.last = Some(now);
        match mem::take(&mut self.suppressed) {
            0 => log::warn!("{text}"),
            more => log::warn!("{text} (and {more} more such events since the last line)"),
        }
    }
}
