//! The summary of a batch as an object, and its windows as records of `insight-events`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{BatchEvent, BatchWindow, RecordError, parse, text, to_json};
use crate::cluster::names;
use crate::model::{BatchId, CustomerId, Summary};

/// A batch reduced to its windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryObject {
    pub customer: CustomerId,
    pub batch_id: BatchId,
    /// XXH3-128 of the decoded body.
    pub fingerprint: u128,
    /// When the batch was received, in milliseconds.
    pub received_at_ms: u64,
    /// The sum of its windows.
    pub entries: u32,
    /// One per distinct minute, ascending.
    pub windows: Vec<BatchWindow>,
}

/// One window of one batch on its way to the window job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightEvent {
    pub batch_id: BatchId,
    /// XXH3-128 of the batch's decoded body.
    pub fingerprint: u128,
    /// When the batch was received, in milliseconds.
    pub received_at_ms: u64,
    pub window: BatchWindow,
}

/// A summary without its windows.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SummaryHead {
    #[serde(with = "text")]
    customer_id: CustomerId,
    #[serde(with = "text")]
    batch_id: BatchId,
    #[serde(with = "text")]
    fingerprint: u128,
    #[serde(with = "text")]
    received_at: u64,
    entries: u32,
}

/// An insight without its window.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InsightHead {
    #[serde(with = "text")]
    batch_id: BatchId,
    #[serde(with = "text")]
    fingerprint: u128,
    #[serde(with = "text")]
    received_at: u64,
}

#[derive(Deserialize)]
struct SummaryWindows<'a> {
    #[serde(borrow)]
    windows: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct InsightWindow<'a> {
    #[serde(borrow)]
    window: &'a RawValue,
}

/// The JSON of a record whose last field, `name`, is JSON already.
fn with_last(head: &impl Serialize, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut json = to_json(head);
    assert_eq!(json.pop(), Some(b'}'), "the JSON of a record is an object");
    json.extend_from_slice(format!(",\"{name}\":").as_bytes());
    write(&mut json);
    json.push(b'}');
    json
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
        let head = SummaryHead {
            customer_id: self.customer.clone(),
            batch_id: self.batch_id.clone(),
            fingerprint: self.fingerprint,
            received_at: self.received_at_ms,
            entries: self.entries,
        };
        with_last(&head, "windows", |json| {
            json.push(b'[');
            for (position, window) in self.windows.iter().enumerate() {
                if position > 0 {
                    json.push(b',');
                }
                json.extend_from_slice(window.json().as_bytes());
            }
            json.push(b']');
        })
    }

    pub fn decode(object: &[u8]) -> Result<Self, RecordError> {
        let head: SummaryHead = parse(object)?;
        let SummaryWindows { windows } = parse(object)?;
        let windows: Vec<BatchWindow> =
            windows.into_iter().map(|window| BatchWindow::read(window.get())).collect::<Result<_, _>>()?;
        if windows.is_empty() || !windows.is_sorted_by(|a, b| a.start < b.start) {
            return Err(RecordError::Field("windows"));
        }
        if windows.iter().any(|window| window.customer != head.customer_id) {
            return Err(RecordError::Field("customerId"));
        }
        let requests = windows.iter().map(|window| window.requests);
        if requests.fold(0, u64::saturating_add) != u64::from(head.entries) {
            return Err(RecordError::Sums("windows and entries"));
        }
        Ok(Self {
            customer: head.customer_id,
            batch_id: head.batch_id,
            fingerprint: head.fingerprint,
            received_at_ms: head.received_at,
            entries: head.entries,
            windows,
        })
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
        let head = InsightHead {
            batch_id: self.batch_id.clone(),
            fingerprint: self.fingerprint,
            received_at: self.received_at_ms,
        };
        with_last(&head, "window", |json| json.extend_from_slice(self.window.json().as_bytes()))
    }

    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let head: InsightHead = parse(value)?;
        let InsightWindow { window } = parse(value)?;
        Ok(Self {
            batch_id: head.batch_id,
            fingerprint: head.fingerprint,
            received_at_ms: head.received_at,
            window: BatchWindow::read(window.get())?,
        })
    }
}
