//! Past one machine: the roles that put Kafka, an object store and ClickHouse behind the same HTTP contract.
//!
//! ```text
//!  gateway ─▶ ingest ─▶ object store raw/… (PUT If-None-Match: *) ─▶ topic batch-ingested ─▶ 202
//!             summarize-worker ─▶ GET raw/… ─▶ object store summaries/… ─▶ topic insight-events
//!             window job (Flink, deploy/flink) ─▶ deduplicates by (customer, window, batch) ─▶ ClickHouse
//!             query ─▶ ClickHouse ─▶ GET /aggregates
//! ```
//!
//! Records, the window job's state and ClickHouse hold what windows hold on one machine: totals, robots, visitors, and counts
//! and measures by the keys of every dimension. What merges is a sum or a maximum, so that the order never matters.
//!
//! The conditional PUT decides which body a batch id names; from there on everything may happen more than once, because
//! every sum remembers which batches are in it. Every role is a stateless process.

pub mod bodies;
pub mod clickhouse;
pub mod credentials;
pub mod ingest;
pub mod kafka;
pub mod metrics;
pub mod names;
pub mod probe;
pub mod raw;
pub mod reconcile;
pub mod records;
pub mod rows;
pub mod s3;
pub mod shared_secret;
pub mod source;
pub mod span;
pub mod summaries;
pub mod texts;
pub mod unsettled;
pub mod worker;

use std::time::Duration;

use ureq::Agent;

use crate::base::retry::Backoff;

/// An HTTP client of a service. `timeout` is for one request. Every status is returned as an answer; redirects are
/// not followed.
fn http_agent(timeout: Duration) -> Agent {
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
    /// As many as the threads that send at once.
    const IDLE_CONNECTIONS: usize = 64;
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(timeout))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .max_idle_connections(IDLE_CONNECTIONS)
        .max_idle_connections_per_host(IDLE_CONNECTIONS)
        .build()
        .into()
}

/// The waits between tries of a request to a service; without a timeout it is tried for ever.
fn backoff(timeout: Option<Duration>) -> Backoff {
    Backoff::new(Duration::from_millis(20), Duration::from_secs(2), timeout)
}

/// Times that tests shorten. What else is bounded is a constant of its module.
#[derive(Clone, Copy, Debug)]
pub struct ClusterLimits {
    /// For the object store to take a batch, with all tries; then the batch gets 503.
    pub store_timeout: Duration,
    /// For a record to be on all replicas, and for every other request to Kafka.
    pub kafka_timeout: Duration,
    /// A worker that is silent for so long counts as dead, and other workers get its partitions.
    pub session_timeout: Duration,
    /// Bodies younger than this may still be on their way to `batch-ingested`.
    pub reconcile_grace: Duration,
}

impl Default for ClusterLimits {
    fn default() -> Self {
        Self {
            // Two tries of five seconds: clients wait longer than that for few servers.
            store_timeout: Duration::from_secs(10),
            // A broker's failover takes some seconds.
            kafka_timeout: Duration::from_secs(10),
            // Above the longest pause of a healthy process, below what a reader of windows notices.
            session_timeout: Duration::from_secs(10),
            // Ten times as long as an ingest tries.
            reconcile_grace: Duration::from_secs(10 * 60),
        }
    }
}
