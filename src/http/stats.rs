//! The counters and log lines of the front ends.
//!
//! Input: events. Output: counters that `/metrics` shows, and log lines. Never: more than one log line per interval
//! for events that clients can cause at will.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::base::clock::monotonic;

/// The fields `…_total` only grow; the others are gauges.
#[derive(Debug, Default)]
pub struct ConnectionStats {
    pub open: AtomicU64,
    /// Threads that serve connections, busy or waiting for one.
    pub threads: AtomicU64,
    pub accepted_total: AtomicU64,
    /// Answered 503 because all connections allowed were serving requests.
    pub rejected_total: AtomicU64,
    /// Closed to make room for newer ones.
    pub evicted_total: AtomicU64,
    /// Failures to accept a connection or to start a thread for it.
    pub accept_errors_total: AtomicU64,
    /// Each was answered 500.
    pub handler_panics_total: AtomicU64,
    /// Requests that the tiny_http front end leaked, because dropping them would have aborted the process.
    pub leaked_requests_total: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Adds one to a gauge while it lives.
pub(crate) struct GaugeGuard(Arc<ConnectionStats>, fn(&ConnectionStats) -> &AtomicU64);

impl GaugeGuard {
    pub(crate) fn new(stats: &Arc<ConnectionStats>, gauge: fn(&ConnectionStats) -> &AtomicU64) -> Self {
        count(gauge(stats));
        Self(Arc::clone(stats), gauge)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.1(&self.0).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Time between two log lines about the same event (no descriptors, no threads, all connections busy).
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// A log for warnings that clients can cause at will: writes the first one at once, then one per interval with a
/// count.
#[derive(Default)]
pub(crate) struct RateLimitedLog {
    last: Option<Instant>,
    suppressed: u64,
}

impl RateLimitedLog {
    pub(crate) fn warn(&mut self, text: &str) {
        let now = monotonic();
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < LOG_INTERVAL) {
            self.suppressed += 1;
            return;
        }
        self.last = Some(now);
        match mem::take(&mut self.suppressed) {
            0 => log::warn!("{text}"),
            more => log::warn!("{text} (and {more} more times since the last line)"),
        }
    }
}
