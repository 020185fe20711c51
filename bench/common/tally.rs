//! The counters of the load generator and their sums over threads. Sends nothing, prints nothing.

use std::time::Instant;

use hdrhistogram::Histogram;

/// The results of the batches that were due within the measured time.
#[derive(Clone)]
pub(crate) struct Tally {
    /// The number of these batches.
    pub(crate) due: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) unavailable: u64,
    pub(crate) other: u64,
    /// The connection broke.
    pub(crate) errors: u64,
    /// Sent, but not answered within `PATIENCE`.
    pub(crate) unanswered: u64,
    /// No connection was free to send them.
    pub(crate) never_sent: u64,
    /// The latency of every answered batch and, up to the end of waiting, of every unanswered one.
    pub(crate) latency_us: Histogram<u64>,
    /// Answers 202 that came within the measured time.
    pub(crate) accepted_in_time: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            due: 0,
            accepted: 0,
            duplicates: 0,
            unavailable: 0,
            other: 0,
            errors: 0,
            unanswered: 0,
            never_sent: 0,
            latency_us: Histogram::new(3).unwrap(),
            accepted_in_time: 0,
        }
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.due += other.due;
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.unavailable += other.unavailable;
        self.other += other.other;
        self.errors += other.errors;
        self.unanswered += other.unanswered;
        self.never_sent += other.never_sent;
        self.latency_us.add(&other.latency_us).unwrap();
        self.accepted_in_time += other.accepted_in_time;
    }

    pub(crate) fn waited(&mut self, since: Instant) {
        self.latency_us.record(since.elapsed().as_micros() as u64).unwrap();
    }
}
