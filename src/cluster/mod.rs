//! Past one machine: the roles that put Kafka, an object store and ClickHouse behind the same HTTP contract.
//!
//! ```text
//!  gateway ─▶ ingest ─▶ object store raw/… (PUT If-None-Match: *) ─▶ topic batch-ingested ─▶ 202
//!             summarize-worker ─▶ GET raw/… ─▶ object store summaries/… ─▶ topic insight-events
//!             window job (Flink, deploy/flink) ─▶ deduplicates by (customer, window, batch) ─▶ ClickHouse
//!             query ─▶ ClickHouse ─▶ GET /aggregates
//! ```
//!
//! The conditional PUT decides which body a batch id names; from there on everything may happen more than once, because
//! whoever adds counts together remembers which batches are in them. Every role is a stateless process.

pub mod clickhouse;
pub mod credentials;
pub mod ingest;
pub mod kafka;
pub mod metrics;
pub mod names;
pub mod options;
pub mod probe;
pub mod reconcile;
pub mod records;
pub mod retry;
pub mod s3;
pub mod source;
pub mod worker;
