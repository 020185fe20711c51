//! `summarize-worker`: from `batch-ingested` to `insight-events`, each batch exactly as the ingest checked it.
//!
//! ```text
//!  consumer ─▶ group (records, offsets) ─▶ crew: GET raw, summarize, PUT summary ─▶ one transaction: insights, dead
//!                                                                                  letters, offsets
//! ```
//!
//! What cannot be worked on (an event that cannot be read, an object that is gone or altered, a batch that the checks
//! refuse) must neither block its partition for ever nor be lost: its record moves to the topic of dead letters, byte for
//! byte, with the reason beside it, in the transaction that steps over it. What may pass (the object store or Kafka is
//! away, rights are missing) is tried again until it has passed, and nothing is stepped over.

mod crew;
mod group;
mod session;
mod summarizing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crew::Crew;
pub use group::GroupLimits;
pub use session::SessionOptions;

use super::kafka::Kafka;
use super::metrics::WorkerMetrics;
use super::probe::Probe;
use super::retry::Backoff;
use crate::intake::{Health, Reason};
use session::Session;

/// A worker.
pub struct Worker {
    kafka: Kafka,
    options: SessionOptions,
    crew: Crew,
    metrics: WorkerMetrics,
    stopping: Arc<AtomicBool>,
}

/// How a worker is.
pub struct WorkerHealth {
    probe: Probe,
}

impl WorkerHealth {
    /// From what it depends on.
    pub fn new(probe: Probe) -> Self {
        Self { probe }
    }
}

impl Health for WorkerHealth {
    fn ready(&self) -> Result<(), Reason> {
        self.probe.ready()
    }

    fn report(&self) {}
}

impl Worker {
    /// A worker that has not begun.
    pub fn new(kafka: Kafka, options: SessionOptions, crew: Crew, metrics: WorkerMetrics) -> Self {
        Self { kafka, options, crew, metrics, stopping: Arc::default() }
    }

    /// Set it, and the worker ends after the group it is at.
    pub fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    /// Works until it is stopped, session after session.
    pub fn run(&self) {
        let mut backoff = Backoff::endless();
        while !self.stopping.load(Ordering::Relaxed) {
            let began = crate::base::clock::monotonic();
            let ended = Session::begin(&self.kafka, &self.options)
                .map_err(Into::into)
                .and_then(|session| session.run(&self.crew, &self.stopping, &self.metrics));
            let Err(error) = ended else { return };
            self.metrics.sessions_failed.inc();
            log::warn!("the session with Kafka ended and is begun anew: {error}");
            if began.elapsed() > self.options.session_timeout {
                backoff = Backoff::endless();
            }
            if self.stopping.load(Ordering::Relaxed) || !backoff.wait() {
                return;
            }
        }
    }
}
