//! The summary of a batch as an object, and its windows as records of `insight-events`.

use serde::{Deserialize, Serialize};

use super::{BatchEvent, BatchWindow, RecordError, parse, text, to_json};
use crate::cluster::names;
use crate::model::{BatchId, CustomerId, Summary};

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
    pub windows: Vec<BatchWindow>,
}

/// One window of one batch on its way to the window job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InsightEvent {
    #[serde(with = "text")]
    pub batch_id: BatchId,
    /// XXH3-128 of the batch's decoded body.
    #[serde(with = "text")]
    pub fingerprint: u128,
    /// When the batch was received, in milliseconds.
    #[serde(rename = "receivedAt", with = "text")]
    pub received_at_ms: u64,
    pub window: BatchWindow,
}

impl SummaryObject {
    /// Each entry has a few hundred bytes of counts at most.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// The summary object of an event's batch.
    pub fn of(event: &BatchEvent, summary: &Summary) -> Self {
        let windows = summary
            .minutes
            .iter()
            .map(|(start, counts)| BatchWindow::of(&event.customer, *start, &summary.keys, counts));
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

    pub fn decode(object: &[u8]) -> Result<Self, RecordError> {
        let summary: Self = parse(object)?;
        let windows = &summary.windows;
        if windows.is_empty() || !windows.is_sorted_by(|a, b| a.start < b.start) {
            return Err(RecordError::Field("windows"));
        }
        if windows.iter().any(|window| window.customer != summary.customer) {
            return Err(RecordError::Field("customerId"));
        }
        let requests = windows.iter().map(|window| window.requests);
        if requests.fold(0, u64::saturating_add) != u64::from(summary.entries) {
            return Err(RecordError::Sums("windows and entries"));
        }
        Ok(summary)
    }

    /// The insights of its windows, ascending.
    pub fn insights(self) -> impl Iterator<Item = InsightEvent> {
        let Self { batch_id, fingerprint, received_at_ms, windows, .. } = self;
        windows.into_iter().map(move |window| InsightEvent {
            batch_id: batch_id.clone(),
            fingerprint,
            received_at_ms,
            window,
        })
    }
}

impl InsightEvent {
    /// The key of its record: all insights of a window lie in one partition.
    pub fn key(&self) -> String {
        names::window_key(&self.window.customer, self.window.start)
    }

    /// The value of its record.
    pub fn encode(&self) -> Vec<u8> {
        to_json(self)
    }

    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        parse(value)
    }
}
