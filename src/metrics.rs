//! Every metric of the program, in one table: type, name, help, and labels or buckets. The help is the field's
//! documentation as well.
//!
//! Input: what the program counts. Output: Prometheus text. Never: a decision. A [`Metrics`] owns its registry, so that two
//! of them (in tests) do not mix. Names of the system that this one succeeds are kept, so that its dashboards carry over.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use prometheus::core::{AtomicU64, Collector, GenericGauge, GenericGaugeVec};
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
    TextEncoder,
};

use crate::base::sync::lock;
use crate::model::{CustomerId, WindowId, WindowSize};
use crate::time;

/// A gauge of a number that is never negative.
pub type CountGauge = GenericGauge<AtomicU64>;
pub type CountGaugeVec = GenericGaugeVec<AtomicU64>;

/// The stream between committer and window workers, as the succeeded system named it.
const STREAM: &str = "partial_insight";
/// Seconds: from a fast answer in memory to a stalled disk.
pub(crate) const LATENCY_BUCKETS: &[f64] =
    &[0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Seconds: from a minute to a quarter of a year.
const AGE_BUCKETS: &[f64] =
    &[60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0, 7_776_000.0];
/// Batches in a group.
const GROUP_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
const REQUEST_LABELS: &[&str] = &["method", "path", "status", "error_code"];

/// Names of labels.
type Names = &'static [&'static str];
/// Labels that never change, with their values.
type Labels = &'static [(&'static str, &'static str)];
type Buckets = &'static [f64];

/// A type of metric.
pub(crate) trait Metric: Collector + Clone + 'static {
    type Options: Default;

    fn make(name: String, help: &str, options: Self::Options) -> prometheus::Result<Self>;

    /// Makes a metric and registers it.
    fn register(registry: &Registry, name: &str, help: &str, options: Self::Options) -> Self {
        let made = Self::make(format!("log_analytics_{name}"), help, options);
        // Names and labels are constants; a wrong one fails every test.
        let metric = made.expect("metric names and labels are well formed");
        registry.register(Box::new(metric.clone())).expect("metric names are distinct");
        metric
    }
}

/// How each type is made.
macro_rules! types {
    ($($type:ident ($options:ty = $given:pat_param) |$name:ident, $help:ident| $make:expr;)*) => {$(
        impl Metric for $type {
            type Options = $options;

            fn make($name: String, $help: &str, $given: Self::Options) -> prometheus::Result<Self> {
                $make
            }
        }
    )*};
}

types! {
    IntCounter(Labels = labels) |name, help| IntCounter::with_opts(opts(name, help, labels));
    CountGauge(Labels = labels) |name, help| CountGauge::with_opts(opts(name, help, labels));
    Gauge(Labels = labels) |name, help| Gauge::with_opts(opts(name, help, labels));
    IntCounterVec(Names = names) |name, help| IntCounterVec::new(Opts::new(name, help), names);
    CountGaugeVec(Names = names) |name, help| CountGaugeVec::new(Opts::new(name, help), names);
    Histogram(Buckets = buckets) |name, help| {
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
    };
    HistogramVec((Names, Buckets) = (names, buckets)) |name, help| {
        HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), names)
    };
}

fn opts(name: String, help: &str, labels: Labels) -> Opts {
    labels.iter().fold(Opts::new(name, help), |opts, (label, value)| opts.const_label(*label, *value))
}

/// Declares a group of metrics. The help is the documentation of the field.
macro_rules! metrics {
    ($(#[$about:meta])* struct $group:ident {
        $($field:ident: $type:ident $(($($options:expr),+))? = $name:literal, $help:literal;)*
    }) => {
        $(#[$about])*
        #[derive(Clone)]
        pub struct $group {
            $(#[doc = $help] pub $field: $type,)*
        }

        impl $group {
            pub(crate) fn register(registry: &prometheus::Registry) -> Self {
                Self {
                    $($field: <$type as $crate::metrics::Metric>::register(
                        registry, $name, $help, $crate::metrics::metrics!(@options $($($options),+)?)
                    ),)*
                }
            }
        }
    };
    (@options) => { Default::default() };
    (@options $one:expr) => { $one };
    (@options $one:expr, $other:expr) => { ($one, $other) };
}
pub(crate) use metrics;

metrics! {
    /// What every process measures.
    struct ProcessMetrics {
        build: CountGauge(&[("version", env!("CARGO_PKG_VERSION"))]) = "build_info", "Always 1";
        http_requests: IntCounterVec(REQUEST_LABELS) = "http_http_requests_total", "Requests answered";
        http_latency: HistogramVec(REQUEST_LABELS, LATENCY_BUCKETS) =
            "http_request_latency", "Seconds from request to answer";
        connections: CountGauge = "http_connections", "Open connections";
        connection_events: IntCounterVec(&["event"]) =
            "http_connection_events_total", "Connections accepted, rejected, evicted and the like, by event";
        batches: IntCounterVec(&["error_code"]) =
            "ingestion_batch_ingested_total", "Batches by outcome; an empty error_code is 202";
        entries: IntCounter = "ingestion_entries_total", "Entries of accepted batches";
        body_bytes: IntCounter = "ingestion_body_bytes_total", "Decoded body bytes of accepted batches";
        duplicates: IntCounter = "ingestion_duplicates_total", "Batches that were counted already";
        rejects: IntCounterVec(&["reason"]) = "ingestion_rejects_total", "Refused batches, by reason";
        altered_fields: IntCounterVec(&["field"]) =
            "altered_fields_total", "Fields cut, read with odd bytes replaced, or left out as unreadable, by field";
        skipped_lines: IntCounterVec(&["reason"]) =
            "skipped_lines_total", "Log lines that are not entries, of batches answered 202, by reason";
        late_seconds: Histogram(AGE_BUCKETS) =
            "ingestion_entry_age_seconds", "Age of minute windows when a batch adds to them";
        inflight_bytes: CountGauge = "inflight_bytes", "Bytes held by batches between arrival and merge";
        packed_windows: IntCounter = "windows_packed_total", "Files of windows that were packed and removed";
        insights_published: IntCounter(&[("stream_id", STREAM)]) =
            "stream_partial_insight_published_total", "Insights sent to the workers";
        insights_consumed: IntCounter(&[("stream_id", STREAM), ("error_code", "")]) =
            "stream_partial_insight_consumed_total", "Insights merged by the workers";
        queue_depth: CountGaugeVec(&["partition"]) = "stream_queue_depth", "Messages waiting for a worker";
        checkpoint_seconds: Histogram(LATENCY_BUCKETS) = "checkpoint_seconds", "Seconds that a checkpoint takes, from its marker to its file";
        checkpoint_seq: CountGauge = "checkpoint_seq", "The last record that the checkpoint covers";
        checkpoint_lag: CountGauge = "checkpoint_lag_records", "Records after the checkpoint";
        disk_free_bytes: CountGauge = "disk_free_bytes", "Bytes free on the data directory's disk";
        disk_free_inodes: CountGauge =
            "disk_free_inodes", "Files that may still be created on the data directory's disk";
        journal_bytes: CountGauge = "journal_bytes", "Bytes of journal on disk";
        journal_segments: CountGauge = "journal_segments", "Segments on disk";
        dedup_keys: CountGauge = "dedup_keys", "Keys that the deduplication index holds";
        dedup_horizon_seq: CountGauge =
            "dedup_horizon_seq", "Batches up to this record may be unknown to deduplication";
        dedup_horizon_timestamp: CountGauge =
            "dedup_horizon_timestamp_seconds", "Retries of batches received before this may be counted again; 0: none";
        replayed_records: CountGauge = "recovery_replayed_records", "Records replayed at start";
        replay_seconds: Gauge = "recovery_replay_seconds", "Seconds that the replay took";
        rewritten_records: CountGauge = "recovery_rewritten_records", "Records made durable again at start";
        torn_bytes: CountGauge = "recovery_torn_bytes", "Bytes of a torn tail that the start cut off the journal";
        latched: CountGauge = "journal_latched", "1 after a failed sync, until the restart";
        ready: CountGauge = "ready", "1 while /readyz answers 200";
    }
}

metrics! {
    /// What the committer measures.
    struct JournalMetrics {
        append_seconds: Histogram(LATENCY_BUCKETS) = "journal_append_seconds", "Seconds to write a group";
        sync_seconds: Histogram(LATENCY_BUCKETS) = "journal_sync_seconds", "Seconds to sync a group";
        group_batches: Histogram(GROUP_BUCKETS) = "journal_group_batches", "Batches in a group";
        segment_bytes: CountGauge = "journal_segment_bytes", "Bytes in the segment being written";
        segments_begun: IntCounter = "journal_segments_begun_total", "Segments begun";
        write_errors: IntCounter = "journal_write_errors_total", "Groups cut back after a failed write";
    }
}

metrics! {
    /// What single customers send: the 100 busiest, the others under `(other)`.
    #[derive(Debug)]
    struct CustomerMetrics {
        entries: IntCounterVec(&["customer"]) =
            "customer_entries_total", "Entries of accepted batches, by customer: the 100 busiest, the others as (other)";
        with_status: IntCounterVec(&["customer"]) =
            "customer_entries_with_status_total", "Entries of accepted batches that have a status, by customer";
        server_errors: IntCounterVec(&["customer"]) =
            "customer_server_errors_total", "Entries of accepted batches with a status from 500 to 599, by customer";
        refused: IntCounterVec(&["customer", "reason"]) =
            "customer_batches_refused_total", "Refused batches, by customer and reason";
    }
}

metrics! {
    /// What queries measure.
    struct QueryMetrics {
        resident_windows: IntCounter(&[("source", "memory")]) = "query_windows_read_total", "Windows that queries read";
        file_windows: IntCounter(&[("source", "file")]) = "query_windows_read_total", "Windows that queries read";
        cached_windows: IntCounter(&[("source", "cache")]) = "query_windows_read_total", "Windows that queries read";
        cache_bytes: CountGauge = "query_cache_bytes", "Bytes of window views that are cached for later queries";
        file_bytes: IntCounter = "query_bytes_read_total", "Bytes of window files that queries read";
        seconds: HistogramVec(&["path"], LATENCY_BUCKETS) = "query_seconds", "Seconds that a query ran";
        refused: IntCounterVec(&["reason"]) = "query_refused_total", "Queries without an answer";
        running: CountGauge = "queries_running", "Queries that run now";
    }
}

metrics! {
    /// What all window workers measure together.
    struct AllWindowMetrics {
        created: IntCounterVec(&["bucket_id"]) =
            "aggregation_window_aggregate_created_total", "Windows created, by bucket";
        resident_windows: CountGaugeVec(&["partition"]) = "windows_resident", "Windows in memory";
        resident_keys: CountGaugeVec(&["partition"]) = "windows_resident_keys", "Keys in memory";
        resident_bytes: CountGaugeVec(&["partition"]) =
            "windows_resident_bytes", "Bytes of windows in memory, roughly";
        flush_seconds: Histogram(LATENCY_BUCKETS) = "windows_flush_seconds", "Seconds to write one window file";
        flushed_bytes: IntCounter = "windows_flushed_bytes_total", "Bytes of window files written";
        flush_errors: IntCounter = "windows_flush_errors_total", "Window files that could not be written";
        loaded: IntCounter = "windows_loaded_total", "Windows read back from their file";
        evicted: IntCounter = "windows_evicted_total", "Windows dropped from memory";
        quarantined: IntCounter = "windows_quarantined_total", "Damaged window files found";
        incomplete: IntCounter = "windows_incomplete_total", "Damaged windows that the journal could count again only in part";
        folded_keys: IntCounter = "windows_folded_keys_total", "Keys of full windows that were folded into (other)";
    }
}

pub struct Metrics {
    registry: Registry,
    process: ProcessMetrics,
    pub journal: JournalMetrics,
    pub queries: QueryMetrics,
    pub customers: CustomerMetrics,
    windows: AllWindowMetrics,
    folded: Arc<FoldedByCustomer>,
}

/// Folded keys by customer, since the start of the process. `/metrics` does not show them, because it has no series
/// for each customer.
#[derive(Debug, Default)]
struct FoldedByCustomer(Mutex<HashMap<CustomerId, u64>>);

/// Customers whose folded keys are summed; the keys of later customers are not.
const MAX_FOLDING_CUSTOMERS: usize = 20_000;

/// The metrics of one window worker, together with those that all workers share.
#[derive(Clone)]
pub struct WindowMetrics {
    all: AllWindowMetrics,
    folded: Arc<FoldedByCustomer>,
    pub resident_windows: CountGauge,
    pub resident_keys: CountGauge,
    pub resident_bytes: CountGauge,
}

impl Deref for Metrics {
    type Target = ProcessMetrics;

    fn deref(&self) -> &ProcessMetrics {
        &self.process
    }
}

impl Deref for WindowMetrics {
    type Target = AllWindowMetrics;

    fn deref(&self) -> &AllWindowMetrics {
        &self.all
    }
}

impl WindowMetrics {
    /// Counts keys of a customer's window that were folded.
    pub fn count_folded(&self, customer: &CustomerId, keys: u64) {
        if keys == 0 {
            return;
        }
        self.folded_keys.inc_by(keys);
        let mut folded = lock(&self.folded.0);
        if folded.len() < MAX_FOLDING_CUSTOMERS || folded.contains_key(customer) {
            *folded.entry(customer.clone()).or_default() += keys;
        }
    }

    /// Counts a new window in its bucket: `minute-03`, `hour-18`, `day-28`.
    pub fn count_created(&self, window: WindowId) {
        let stamp = time::format_start(window.start);
        let number = match window.size {
            WindowSize::Minute => &stamp[14..16],
            WindowSize::Hour => &stamp[11..13],
            WindowSize::Day => &stamp[8..10],
        };
        self.created.with_label_values(&[&format!("{}-{number}", window.size.as_str())]).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All of them at zero.
    pub fn new() -> Self {
        let registry = Registry::new();
        let metrics = Self {
            process: ProcessMetrics::register(&registry),
            journal: JournalMetrics::register(&registry),
            queries: QueryMetrics::register(&registry),
            customers: CustomerMetrics::register(&registry),
            windows: AllWindowMetrics::register(&registry),
            folded: Arc::default(),
            registry,
        };
        metrics.build.set(1);
        metrics
    }

    pub fn worker(&self, partition: usize) -> WindowMetrics {
        let partition = partition.to_string();
        let of = |gauges: &CountGaugeVec| gauges.with_label_values(&[&partition]);
        WindowMetrics {
            resident_windows: of(&self.windows.resident_windows),
            resident_keys: of(&self.windows.resident_keys),
            resident_bytes: of(&self.windows.resident_bytes),
            all: self.windows.clone(),
            folded: Arc::clone(&self.folded),
        }
    }

    /// Keys of a customer's windows that were folded.
    pub fn folded_keys_of(&self, customer: &CustomerId) -> u64 {
        lock(&self.folded.0).get(customer).copied().unwrap_or(0)
    }

    /// Raises the counter of one connection event to a total from the front end. Totals only grow.
    pub fn raise_connection_events(&self, event: &str, total: u64) {
        // Two concurrent scrapes must not both add the difference.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = lock(&ONE_AT_A_TIME);
        let counter = self.connection_events.with_label_values(&[event]);
        counter.inc_by(total.saturating_sub(counter.get()));
    }

    /// Where further groups are registered, each once.
    #[cfg(feature = "cluster")]
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All metrics as Prometheus text.
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("registered metrics are rendered into memory");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WindowStart;

    #[test]
    fn names_of_the_succeeded_system_are_kept() {
        let metrics = Metrics::new();
        metrics.http_requests.with_label_values(&["POST", "/logs", "202", ""]).inc();
        metrics.http_latency.with_label_values(&["POST", "/logs", "202", ""]).observe(0.1);
        metrics.batches.with_label_values(&["ING_1001"]).inc();
        let minute = WindowId { size: WindowSize::Minute, start: WindowStart(29_449_083) };
        for size in WindowSize::ALL {
            metrics.worker(0).count_created(WindowId { size, start: minute.start.floor(size) });
        }
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            "log_analytics_http_http_requests_total{error_code=\"\",method=\"POST\",path=\"/logs\",status=\"202\"} 1",
            "log_analytics_http_request_latency_count{error_code=\"\",method=\"POST\",path=\"/logs\",status=\"202\"} 1",
            "log_analytics_ingestion_batch_ingested_total{error_code=\"ING_1001\"} 1",
            "log_analytics_stream_partial_insight_published_total{stream_id=\"partial_insight\"} 0",
            "log_analytics_stream_partial_insight_consumed_total{error_code=\"\",stream_id=\"partial_insight\"} 0",
            "log_analytics_aggregation_window_aggregate_created_total{bucket_id=\"minute-03\"} 1",
            "log_analytics_aggregation_window_aggregate_created_total{bucket_id=\"hour-18\"} 1",
            "log_analytics_aggregation_window_aggregate_created_total{bucket_id=\"day-28\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
