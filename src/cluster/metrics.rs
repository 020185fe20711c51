//! What the roles measure, beside what every process does: one table.

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec};

use crate::metrics::{LATENCY_BUCKETS, Metrics};

/// Seconds: a group may wait for an object store that is away.
const GROUP_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The ingest's.
#[derive(Clone)]
pub struct IngestMetrics {
    /// Entries of batches answered 202.
    pub entries: IntCounter,
    /// Their decoded bytes.
    pub body_bytes: IntCounter,
    /// How old their entries are, by minute window.
    pub late_seconds: Histogram,
    /// Events emitted again for a batch that was there already.
    pub emitted_again: IntCounter,
    /// Further tries to write a body.
    pub store_retries: IntCounter,
}

/// The summarize worker's.
#[derive(Clone)]
pub struct WorkerMetrics {
    /// Events worked on, in committed transactions.
    pub events: IntCounter,
    /// Entries of their batches.
    pub entries: IntCounter,
    /// Insights emitted, in committed transactions.
    pub insights: IntCounter,
    /// Batches whose summary was there already: their event came again.
    pub repeated: IntCounter,
    /// Records moved to the topic of dead letters, by why.
    pub dead: IntCounterVec,
    /// Seconds from a group's first record to its commit.
    pub group_seconds: Histogram,
    /// Sessions with Kafka that ended in an error and were begun anew.
    pub sessions_failed: IntCounter,
}

fn seconds(metrics: &Metrics, name: &str, help: &str) -> HistogramVec {
    let opts = HistogramOpts::new(format!("log_analytics_{name}"), help).buckets(LATENCY_BUCKETS.to_vec());
    metrics.table().add(HistogramVec::new(opts, &["operation"]))
}

/// Seconds of a request to the object store, by operation. Call it once for a table.
pub fn store_seconds(metrics: &Metrics) -> HistogramVec {
    seconds(metrics, "store_request_seconds", "Seconds of a request to the object store")
}

/// Seconds of a request to ClickHouse, by operation. Call it once for a table.
pub fn database_seconds(metrics: &Metrics) -> HistogramVec {
    seconds(metrics, "database_request_seconds", "Seconds of a request to ClickHouse")
}

impl IngestMetrics {
    /// Adds them to a table, once.
    pub fn new(metrics: &Metrics) -> Self {
        let table = metrics.table();
        Self {
            entries: metrics.entries.clone(),
            body_bytes: metrics.body_bytes.clone(),
            late_seconds: metrics.late_seconds.clone(),
            emitted_again: table
                .counter("ingest_events_emitted_again_total", "Events emitted again for a known batch"),
            store_retries: table.counter("ingest_store_retries_total", "Further tries to write a body"),
        }
    }
}

impl WorkerMetrics {
    /// Adds them to a table, once.
    pub fn new(metrics: &Metrics) -> Self {
        let table = metrics.table();
        Self {
            events: table.counter("worker_events_total", "Events worked on and committed"),
            entries: table.counter("worker_entries_total", "Entries of their batches"),
            insights: table.counter("worker_insights_total", "Insights emitted and committed"),
            repeated: table.counter("worker_repeated_total", "Events of batches that had a summary already"),
            dead: table.counters(
                "worker_dead_letters_total",
                "Records that cannot be worked on",
                &["reason"],
            ),
            group_seconds: table.histogram(
                "worker_group_seconds",
                "Seconds from a group's first record to its commit",
                GROUP_BUCKETS,
            ),
            sessions_failed: table
                .counter("worker_sessions_failed_total", "Sessions with Kafka that ended in an error"),
        }
    }
}
