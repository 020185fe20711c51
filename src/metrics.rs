//! Every metric of the program, in one table.
//!
//! The first six names are those of the system this one succeeds, so that its dashboards carry over. A [`Metrics`]
//! owns its registry: two of them (tests) do not mix. Nothing is decided here.

use std::sync::Mutex;

use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::base::sync::lock;
use crate::model::{WindowId, WindowSize};
use crate::time;

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

/// All metrics.
pub struct Metrics {
    registry: Registry,
    /// `log_analytics_http_http_requests_total{method,path,status,error_code}`.
    pub http_requests: IntCounterVec,
    /// `log_analytics_http_request_latency`, same labels, in seconds.
    pub http_latency: HistogramVec,
    /// `log_analytics_ingestion_batch_ingested_total{error_code}`: `error_code` empty for 202.
    pub batches: IntCounterVec,
    /// Entries of accepted batches.
    pub entries: IntCounter,
    /// Decoded body bytes of accepted batches.
    pub body_bytes: IntCounter,
    /// Batches answered 409.
    pub duplicates: IntCounter,
    /// Batches refused, by reason.
    pub rejects: IntCounterVec,
    /// Fields of entries that were cut, read with odd bytes replaced, or left out because they could not be read.
    pub altered_fields: IntCounterVec,
    /// How old entries are when they come, by minute window.
    pub late_seconds: Histogram,
    /// Bytes held by batches between arrival and merge.
    pub inflight_bytes: IntGauge,
    /// Open connections; filled from the front end when metrics are asked for, as is the next.
    pub connections: IntGauge,
    /// What became of connections, by event; see [`Metrics::raise_connection_events`].
    connection_events: Mutex<IntCounterVec>,
    /// Insights given to the workers.
    pub insights_published: IntCounter,
    /// Insights merged by the workers.
    pub insights_consumed: IntCounter,
    /// Messages waiting in each worker's channel.
    pub queue_depth: IntGaugeVec,
    /// The journal's.
    pub journal: JournalMetrics,
    /// The reading side's.
    pub queries: QueryMetrics,
    /// Windows created, by bucket.
    windows_created: IntCounterVec,
    windows: WindowTable,
    /// Seconds a checkpoint took from marker to file.
    pub checkpoint_seconds: Histogram,
    /// The last checkpoint.
    pub checkpoint_seq: IntGauge,
    /// Records after the last checkpoint.
    pub checkpoint_lag: IntGauge,
    /// Bytes that may still be written to the data directory's disk.
    pub disk_free_bytes: IntGauge,
    /// Files that may still be created there.
    pub disk_free_inodes: IntGauge,
    /// Bytes of journal on disk.
    pub journal_bytes: IntGauge,
    /// Segments on disk.
    pub journal_segments: IntGauge,
    /// Keys the deduplication index holds.
    pub dedup_keys: IntGauge,
    /// Batches up to this seq may be unknown to deduplication.
    pub dedup_horizon_seq: IntGauge,
    /// Retries of batches received before this (Unix seconds) may be counted again; 0 while nothing was forgotten.
    pub dedup_horizon_timestamp: IntGauge,
    /// Records replayed at start.
    pub replayed_records: IntGauge,
    /// Seconds the replay took.
    pub replay_seconds: Gauge,
    /// Records written again at start because they were not known durable.
    pub rewritten_records: IntGauge,
    /// Bytes cut off the journal as a torn tail at start.
    pub torn_bytes: IntGauge,
    /// 1 while the journal takes nothing more: see the log.
    pub latched: IntGauge,
    /// 1 while `/readyz` answers 200.
    pub ready: IntGauge,
}

/// What the committer measures.
#[derive(Clone)]
pub struct JournalMetrics {
    /// Seconds to write a group.
    pub append_seconds: Histogram,
    /// Seconds to sync it.
    pub sync_seconds: Histogram,
    /// Batches in a group.
    pub group_batches: Histogram,
    /// Bytes in the segment being written.
    pub segment_bytes: IntGauge,
    /// Segments begun.
    pub segments_begun: IntCounter,
    /// Groups that could not be written and were cut back.
    pub write_errors: IntCounter,
}

/// What queries measure.
#[derive(Clone)]
pub struct QueryMetrics {
    /// Windows answered from memory.
    pub resident_windows: IntCounter,
    /// Windows read from their files.
    pub file_windows: IntCounter,
    /// Bytes of those files.
    pub file_bytes: IntCounter,
    /// Seconds a query ran once it had its turn, by path.
    pub seconds: HistogramVec,
    /// Queries that were not answered, by what they ran into.
    pub refused: IntCounterVec,
    /// Queries that run now.
    pub running: IntGauge,
}

struct WindowTable {
    resident_windows: IntGaugeVec,
    resident_keys: IntGaugeVec,
    resident_bytes: IntGaugeVec,
    flush_seconds: Histogram,
    flushed_bytes: IntCounter,
    flush_errors: IntCounter,
    loaded: IntCounter,
    evicted: IntCounter,
    quarantined: IntCounter,
    incomplete: IntCounter,
    folded_keys: IntCounter,
}

/// What one window worker measures.
#[derive(Clone)]
pub struct WindowMetrics {
    created: IntCounterVec,
    /// Windows in memory.
    pub resident_windows: IntGauge,
    /// Keys in memory.
    pub resident_keys: IntGauge,
    /// Bytes of windows in memory, roughly.
    pub resident_bytes: IntGauge,
    /// Seconds to write one window's file.
    pub flush_seconds: Histogram,
    /// Bytes of window files written.
    pub flushed_bytes: IntCounter,
    /// Window files that could not be written and stayed dirty.
    pub flush_errors: IntCounter,
    /// Windows read back from their file.
    pub loaded: IntCounter,
    /// Windows dropped from memory.
    pub evicted: IntCounter,
    /// Damaged window files found.
    pub quarantined: IntCounter,
    /// Windows that could not be counted again in full.
    pub incomplete: IntCounter,
    /// Keys that were folded into `(other)`.
    pub folded_keys: IntCounter,
}

impl WindowMetrics {
    /// Counts a new window in its bucket: `minute-03`, `hour-18`, `day-28`.
    pub fn created(&self, window: WindowId) {
        let stamp = time::format_start(window.start);
        let number = match window.size {
            WindowSize::Minute => &stamp[14..16],
            WindowSize::Hour => &stamp[11..13],
            WindowSize::Day => &stamp[8..10],
        };
        self.created.with_label_values(&[&format!("{}-{number}", window.size.as_str())]).inc();
    }
}

/// Makes metrics and registers them.
pub(crate) struct Table<'a>(&'a Registry);

impl Table<'_> {
    pub(crate) fn add<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<C>,
    ) -> C {
        // Names and labels are constants of this file; a wrong one fails every test.
        let collector = made.expect("metric names and labels are well formed");
        self.0.register(Box::new(collector.clone())).expect("metric names are distinct");
        collector
    }

    pub(crate) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::new(format!("log_analytics_{name}"), help))
    }

    pub(crate) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::new(format!("log_analytics_{name}"), help))
    }

    pub(crate) fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Histogram {
        let opts = HistogramOpts::new(format!("log_analytics_{name}"), help).buckets(buckets.to_vec());
        self.add(Histogram::with_opts(opts))
    }

    pub(crate) fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(format!("log_analytics_{name}"), help), labels))
    }

    pub(crate) fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(format!("log_analytics_{name}"), help), labels))
    }
}

/// The labels of a request.
const REQUEST_LABELS: &[&str] = &["method", "path", "status", "error_code"];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A table of zeros.
    pub fn new() -> Self {
        let registry = Registry::new();
        let t = Table(&registry);
        let latency =
            HistogramOpts::new("log_analytics_http_request_latency", "Seconds from request to answer")
                .buckets(LATENCY_BUCKETS.to_vec());
        let http_latency = t.add(HistogramVec::new(latency, REQUEST_LABELS));
        let published = t.counters(
            "stream_partial_insight_published_total",
            "Insights given to the workers",
            &["stream_id"],
        );
        let consumed = t.counters(
            "stream_partial_insight_consumed_total",
            "Insights merged by the workers",
            &["stream_id", "error_code"],
        );
        let build = t.gauges("build_info", "Always 1", &["version"]);
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Self {
            http_requests: t.counters("http_http_requests_total", "Requests answered", REQUEST_LABELS),
            http_latency,
            batches: t.counters(
                "ingestion_batch_ingested_total",
                "Batches by outcome; an empty error_code is 202",
                &["error_code"],
            ),
            entries: t.counter("ingestion_entries_total", "Entries of accepted batches"),
            body_bytes: t.counter("ingestion_body_bytes_total", "Decoded body bytes of accepted batches"),
            duplicates: t.counter("ingestion_duplicates_total", "Batches that were counted already"),
            rejects: t.counters("ingestion_rejects_total", "Batches not taken, by reason", &["reason"]),
            altered_fields: t.counters(
                "altered_fields_total",
                "Fields cut, read with odd bytes replaced, or left out as unreadable, by field",
                &["field"],
            ),
            late_seconds: t.histogram(
                "ingestion_entry_age_seconds",
                "Age of minute windows when a batch adds to them",
                AGE_BUCKETS,
            ),
            inflight_bytes: t.gauge("inflight_bytes", "Bytes held by batches between arrival and merge"),
            connections: t.gauge("http_connections", "Open connections"),
            connection_events: Mutex::new(t.counters(
                "http_connection_events_total",
                "What became of connections",
                &["event"],
            )),
            insights_published: published.with_label_values(&[STREAM]),
            insights_consumed: consumed.with_label_values(&[STREAM, ""]),
            queue_depth: t.gauges("stream_queue_depth", "Messages waiting for a worker", &["partition"]),
            journal: JournalMetrics {
                append_seconds: t.histogram("journal_append_seconds", "Writing a group", LATENCY_BUCKETS),
                sync_seconds: t.histogram("journal_sync_seconds", "Syncing a group", LATENCY_BUCKETS),
                group_batches: t.histogram("journal_group_batches", "Batches in a group", GROUP_BUCKETS),
                segment_bytes: t.gauge("journal_segment_bytes", "Bytes in the segment being written"),
                segments_begun: t.counter("journal_segments_begun_total", "Segments begun"),
                write_errors: t.counter("journal_write_errors_total", "Groups cut back after a failed write"),
            },
            queries: {
                let read = t.counters("query_windows_read_total", "Windows queries looked at", &["source"]);
                let seconds = HistogramOpts::new("log_analytics_query_seconds", "Seconds a query ran")
                    .buckets(LATENCY_BUCKETS.to_vec());
                QueryMetrics {
                    resident_windows: read.with_label_values(&["memory"]),
                    file_windows: read.with_label_values(&["file"]),
                    file_bytes: t.counter("query_bytes_read_total", "Bytes of window files queries read"),
                    seconds: t.add(HistogramVec::new(seconds, &["path"])),
                    refused: t.counters("query_refused_total", "Queries without an answer", &["reason"]),
                    running: t.gauge("queries_running", "Queries that run now"),
                }
            },
            windows_created: t.counters(
                "aggregation_window_aggregate_created_total",
                "Windows created, by bucket",
                &["bucket_id"],
            ),
            windows: WindowTable {
                resident_windows: t.gauges("windows_resident", "Windows in memory", &["partition"]),
                resident_keys: t.gauges("windows_resident_keys", "Keys in memory", &["partition"]),
                resident_bytes: t.gauges(
                    "windows_resident_bytes",
                    "Bytes in memory, roughly",
                    &["partition"],
                ),
                flush_seconds: t.histogram(
                    "windows_flush_seconds",
                    "Writing one window file",
                    LATENCY_BUCKETS,
                ),
                flushed_bytes: t.counter("windows_flushed_bytes_total", "Bytes of window files written"),
                flush_errors: t
                    .counter("windows_flush_errors_total", "Window files that could not be written"),
                loaded: t.counter("windows_loaded_total", "Windows read back from their file"),
                evicted: t.counter("windows_evicted_total", "Windows dropped from memory"),
                quarantined: t.counter("windows_quarantined_total", "Damaged window files found"),
                incomplete: t
                    .counter("windows_incomplete_total", "Damaged windows not counted again in full"),
                folded_keys: t.counter(
                    "windows_folded_keys_total",
                    "Keys of full windows that were folded into (other)",
                ),
            },
            checkpoint_seconds: t.histogram("checkpoint_seconds", "From marker to file", LATENCY_BUCKETS),
            checkpoint_seq: t.gauge("checkpoint_seq", "The last record the checkpoint covers"),
            checkpoint_lag: t.gauge("checkpoint_lag_records", "Records after the checkpoint"),
            disk_free_bytes: t.gauge("disk_free_bytes", "Bytes free on the data directory's disk"),
            disk_free_inodes: t.gauge("disk_free_inodes", "Files that may still be created there"),
            journal_bytes: t.gauge("journal_bytes", "Bytes of journal on disk"),
            journal_segments: t.gauge("journal_segments", "Segments on disk"),
            dedup_keys: t.gauge("dedup_keys", "Keys the deduplication index holds"),
            dedup_horizon_seq: t.gauge("dedup_horizon_seq", "Batches up to this record may be unknown"),
            dedup_horizon_timestamp: t.gauge(
                "dedup_horizon_timestamp_seconds",
                "A retry of a batch received before this may be counted again; 0: none",
            ),
            replayed_records: t.gauge("recovery_replayed_records", "Records replayed at start"),
            replay_seconds: t
                .add(Gauge::new("log_analytics_recovery_replay_seconds", "How long the replay took")),
            rewritten_records: t.gauge("recovery_rewritten_records", "Records made durable again at start"),
            torn_bytes: t.gauge("recovery_torn_bytes", "Bytes cut off the journal at start"),
            latched: t.gauge("journal_latched", "1 after a failed sync, until the restart"),
            ready: t.gauge("ready", "1 while /readyz answers 200"),
            registry,
        }
    }

    /// The metrics of one window worker.
    pub fn worker(&self, partition: usize) -> WindowMetrics {
        let partition = partition.to_string();
        let labels = &[partition.as_str()];
        let table = &self.windows;
        WindowMetrics {
            created: self.windows_created.clone(),
            resident_windows: table.resident_windows.with_label_values(labels),
            resident_keys: table.resident_keys.with_label_values(labels),
            resident_bytes: table.resident_bytes.with_label_values(labels),
            flush_seconds: table.flush_seconds.clone(),
            flushed_bytes: table.flushed_bytes.clone(),
            flush_errors: table.flush_errors.clone(),
            loaded: table.loaded.clone(),
            evicted: table.evicted.clone(),
            quarantined: table.quarantined.clone(),
            incomplete: table.incomplete.clone(),
            folded_keys: table.folded_keys.clone(),
        }
    }

    /// Raises the counter of one connection event to a total that the front end keeps. Totals only grow.
    pub fn raise_connection_events(&self, event: &str, total: u64) {
        // Two scrapes at once must not both add what is missing.
        let counters = lock(&self.connection_events);
        let counter = counters.with_label_values(&[event]);
        counter.inc_by(total.saturating_sub(counter.get()));
    }

    /// Where further metrics are added, each once.
    #[cfg(feature = "cluster")]
    pub(crate) fn table(&self) -> Table<'_> {
        Table(&self.registry)
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
            metrics.worker(0).created(WindowId { size, start: minute.start.floor(size) });
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
