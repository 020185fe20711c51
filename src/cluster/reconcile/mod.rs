//! `reconcile`: repairs what a crash between two steps left behind. It may run at any time, as often as wanted, beside
//! everything else; a second run finds nothing to do, or does the same again.
//!
//! - **Orphans** ([`orphans`]): a body in the object store whose event was never emitted, because the ingest died between
//!   the two. Its event is emitted again, from its metadata. The ingest's own lists say which bodies these may be.
//! - **Late windows** ([`late`]): windows named by `late-insights`: these insights came after the window job had forgotten
//!   the window. Such a window is counted again from the summaries of all batches that touch it, which their keys say.

pub mod late;
pub mod orphans;

use std::fmt;

use super::clickhouse::DatabaseError;
use super::kafka::NotDurable;
use super::s3::StoreError;

/// Why a run stopped. What it had done stays done; the next run goes on.
#[derive(Debug)]
pub enum ReconcileError {
    Store(StoreError),
    Stream(String),
    Database(DatabaseError),
}

impl fmt::Display for ReconcileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Stream(error) => write!(f, "Kafka: {error}"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReconcileError {}

impl From<StoreError> for ReconcileError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DatabaseError> for ReconcileError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

impl From<NotDurable> for ReconcileError {
    fn from(error: NotDurable) -> Self {
        Self::Stream(error.to_string())
    }
}

impl From<rdkafka::error::KafkaError> for ReconcileError {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        Self::Stream(error.to_string())
    }
}
