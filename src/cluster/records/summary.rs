//! What a batch was reduced to: a summary as an object, and its windows as records of `insight-events`.

use serde::{Deserialize, Serialize};

use super::{BatchEvent, RecordCounts, RecordError, parse, text, to_json};
use crate::cluster::names;
use crate::dimension::{PATH, USER_AGENT};
use crate::model::{BatchId, CustomerId, Summary, WindowStart};

/// One minute window of one batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowCounts {
    #[serde(rename = "windowStart", with = "text")]
    pub start: WindowStart,
    pub requests: u32,
    /// By `METHOD path`.
    #[serde(rename = "requestsByPath")]
    pub by_path: RecordCounts,
    /// By user-agent family.
    #[serde(rename = "requestsByUserAgent")]
    pub by_agent: RecordCounts,
}

impl WindowCounts {
    fn check(&self) -> Result<(), RecordError> {
        let requests = u64::from(self.requests);
        if requests == 0 {
            return Err(RecordError::Field("requests"));
        }
        if self.by_path.sum() != requests {
            return Err(RecordError::Sums("requestsByPath and requests"));
        }
        if self.by_agent.sum() != requests {
            return Err(RecordError::Sums("requestsByUserAgent and requests"));
        }
        Ok(())
    }
}

/// A batch reduced to its windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SummaryObject {
    #[serde(rename = "customerId", with = "text")]
    pub customer: CustomerId,
    #[serde(with = "text")]
    pub batch_id: BatchId,
    /// XXH3-128 of the decoded body.
    #[serde(with = "text")]
    pub fingerprint: u128,
    /// When the batch was received, in milliseconds.
    #[serde(rename = "receivedAt", with = "text")]
    pub received_at_ms: u64,
    /// The sum of its windows.
    pub entries: u32,
    /// One per distinct minute, ascending.
    pub windows: Vec<WindowCounts>,
}

/// One window of one batch on its way to the window job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InsightEvent {
    #[serde(rename = "customerId", with = "text")]
    pub customer: CustomerId,
    #[serde(with = "text")]
    pub batch_id: BatchId,
    /// XXH3-128 of the batch's decoded body.
    #[serde(with = "text")]
    pub fingerprint: u128,
    window_size: InsightSize,
    #[serde(flatten)]
    pub window: WindowCounts,
    /// When the batch was received, in milliseconds.
    #[serde(rename = "receivedAt", with = "text")]
    pub received_at_ms: u64,
}

/// Larger windows are added up from minutes behind the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum InsightSize {
    Minute,
}

impl SummaryObject {
    /// A summary is at most a few times as large as the largest body (64 MiB).
    pub const MAX_BYTES: u64 = 256 << 20;

    /// What a batch was reduced to.
    pub fn of(event: &BatchEvent, summary: &Summary) -> Self {
        let windows = summary.minutes.iter().map(|(start, counts)| WindowCounts {
            start: *start,
            requests: counts.requests(),
            by_path: RecordCounts::of(&summary.keys.tables[PATH], &counts.by[PATH]),
            by_agent: RecordCounts::of(&summary.keys.tables[USER_AGENT], &counts.by[USER_AGENT]),
        });
        Self {
            customer: event.customer.clone(),
            batch_id: event.batch_id.clone(),
            fingerprint: event.fingerprint,
            received_at_ms: event.received_at_ms,
            entries: summary.entries,
            windows: windows.collect(),
        }
    }

    /// The bytes of its object.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(object: &[u8]) -> Result<Self, RecordError> {
        let summary: Self = parse(object)?;
        summary.windows.iter().try_for_each(WindowCounts::check)?;
        if summary.windows.is_empty() || !summary.windows.is_sorted_by(|a, b| a.start < b.start) {
            return Err(RecordError::Field("windows"));
        }
        let total: u64 = summary.windows.iter().map(|window| u64::from(window.requests)).sum();
        if total != u64::from(summary.entries) {
            return Err(RecordError::Sums("windows and entries"));
        }
        Ok(summary)
    }

    /// The insights of its windows, ascending.
    pub fn insights(self) -> impl Iterator<Item = InsightEvent> {
        let Self { customer, batch_id, fingerprint, received_at_ms, windows, .. } = self;
        windows.into_iter().map(move |window| InsightEvent {
            customer: customer.clone(),
            batch_id: batch_id.clone(),
            fingerprint,
            window_size: InsightSize::Minute,
            window,
            received_at_ms,
        })
    }
}

impl InsightEvent {
    /// The key of its record: all insights of a window lie in one partition.
    pub fn key(&self) -> String {
        names::window_key(&self.customer, self.window.start)
    }

    /// The value of its record.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let insight: Self = parse(value)?;
        insight.window.check().map(|()| insight)
    }
}
