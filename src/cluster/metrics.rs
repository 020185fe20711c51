//! What the roles measure, beside what every process does: one table.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use crate::base::labelled::labelled;
use crate::metrics::{LATENCY_BUCKETS, Metric, Metrics, metrics};

/// Seconds: a group may wait for an object store that cannot be reached.
const GROUP_SECONDS_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

labelled! {
    /// Why a record can never be processed.
    pub enum DeadReason {
        /// It is not a valid record.
        Undecodable "undecodable"
        /// The object with its batch's body is gone.
        Missing "missing"
        /// Its batch's body has changed since ingest accepted it.
        Altered "altered"
        /// The checks refuse its batch.
        Refused "refused"
        /// An insight of it is larger than a record may be.
        TooLarge "too_large"
    }
}

metrics! {
    /// What `ingest` measures.
    struct IngestMetrics {
        emitted_again: IntCounter = "ingest_events_emitted_again_total", "Events emitted again for a known batch";
        store_retries: IntCounter = "ingest_store_retries_total", "Further tries to write a body";
    }
}

metrics! {
    /// What `summarize-worker` measures, of committed transactions.
    struct WorkerMetrics {
        events: IntCounter = "worker_events_total", "Events processed";
        entries: IntCounter = "worker_entries_total", "Entries of their batches";
        insights: IntCounter = "worker_insights_total", "Insights emitted";
        repeated: IntCounter = "worker_repeated_total", "Events of batches that had a summary already";
        dead: IntCounterVec(&["reason"]) = "worker_dead_letters_total", "Records that cannot be processed";
        group_seconds: Histogram(GROUP_SECONDS_BUCKETS) =
            "worker_group_seconds", "Seconds from a group's first record to its commit";
        sessions_failed: IntCounter = "worker_sessions_failed_total", "Sessions with Kafka that ended in an error";
    }
}

impl IngestMetrics {
    /// Call it once.
    pub fn new(metrics: &Metrics) -> Self {
        Self::register(metrics.registry())
    }
}

impl WorkerMetrics {
    /// Call it once.
    pub fn new(metrics: &Metrics) -> Self {
        let new = Self::register(metrics.registry());
        // Created at start; otherwise an alert would miss the first one.
        DeadReason::ALL.iter().for_each(|reason| drop(new.dead.with_label_values(&[reason.label()])));
        new
    }
}

fn seconds(metrics: &Metrics, name: &str, help: &str) -> HistogramVec {
    HistogramVec::register(metrics.registry(), name, help, (&["operation"], LATENCY_BUCKETS))
}

/// Seconds of a request to the object store, by operation. Call it once.
pub fn store_seconds(metrics: &Metrics) -> HistogramVec {
    seconds(metrics, "store_request_seconds", "Seconds of a request to the object store")
}

/// Seconds of a request to ClickHouse, by operation. Call it once.
pub fn database_seconds(metrics: &Metrics) -> HistogramVec {
    seconds(metrics, "database_request_seconds", "Seconds of a request to ClickHouse")
}
