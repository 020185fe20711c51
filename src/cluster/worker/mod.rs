//! `summarize-worker`: from `batch-ingested` to `insight-events`, each batch exactly as the ingest checked it.
//!
//! ```text
//!  consumer ─▶ group (records, offsets) ─▶ crew: GET raw, summarize, PUT summary ─▶ one transaction: insights, dead
//!                                                                                  letters, offsets
//! ```
//!
//! A record that can never be processed (it cannot be read, its object is gone or altered, the checks refuse the batch)
//! must neither block its partition nor be lost: it is copied to the topic of dead letters, with the reason beside it, in
//! the transaction that commits its offset. Where a later try may succeed (the object store or Kafka is unreachable, a
//! permission is missing) the worker tries again, and commits no offset meanwhile.

mod crew;
mod group;
mod session;
mod summarizing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use crew::SummarizeCrew;
pub use session::SessionOptions;

use super::backoff;
use super::kafka::Kafka;
use super::metrics::WorkerMetrics;
use super::probe::Probe;
use crate::intake::{Health, Reason};
use session::Session;

/// Reads batches and writes insights, session after session.
pub struct SummarizeWorker {
    kafka: Kafka,
    options: SessionOptions,
    crew: SummarizeCrew,
    metrics: WorkerMetrics,
    must_stop: Arc<AtomicBool>,
}

/// Whether a worker reaches what it depends on.
pub struct WorkerHealth {
    probe: Probe,
}

impl WorkerHealth {
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

impl SummarizeWorker {
    pub fn new(kafka: Kafka, options: SessionOptions, crew: SummarizeCrew, metrics: WorkerMetrics) -> Self {
        Self { kafka, options, crew, metrics, must_stop: Arc::default() }
    }

    /// When this is set, the worker ends after its current group.
    pub fn must_stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.must_stop)
    }

    /// Runs until it must stop.
    pub fn run(&self) {
        let mut tries = backoff(None);
        while !self.must_stop.load(Ordering::Relaxed) {
            let began = crate::base::clock::monotonic();
            let ended = Session::begin(&self.kafka, &self.options)
                .map_err(Into::into)
                .and_then(|session| session.run(&self.crew, &self.must_stop, &self.metrics));
            let Err(error) = ended else { return };
            self.metrics.sessions_failed.inc();
            log::warn!("the session with Kafka failed and is started again: {error}");
            if began.elapsed() > self.options.timeout {
                tries = backoff(None);
            }
            if self.must_stop.load(Ordering::Relaxed) || !tries.wait() {
                return;
            }
        }
    }
}
