//! `summaries/<customer>/<batch>` and `insight-events`: the same counts, by batch and by window.

use serde::{Deserialize, Serialize};

use super::{
    BatchEvent, Counts, RecordError, SCHEMA_VERSION, batch_id, customer, fingerprint, format_fingerprint,
    format_instant, instant, parse, to_json, window_start,
};
use crate::dimension::{PATH, USER_AGENT};
use crate::model::{BatchId, CustomerId, Summary, WindowSize, WindowStart};
use crate::time;

/// One minute window of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowCounts {
    /// When it begins.
    pub start: WindowStart,
    /// Entries in it.
    pub requests: u32,
    /// Requests by `METHOD path`.
    pub by_path: Counts,
    /// Requests by user-agent family.
    pub by_agent: Counts,
}

impl WindowCounts {
    fn check(&self) -> Result<(), RecordError> {
        let requests = u64::from(self.requests);
        match () {
            () if requests == 0 => Err(RecordError::Field("requests")),
            () if self.by_path.sum() != requests => Err(RecordError::Sums("requestsByPath and requests")),
            () if self.by_agent.sum() != requests => {
                Err(RecordError::Sums("requestsByUserAgent and requests"))
            }
            () => Ok(()),
        }
    }
}

/// A batch reduced to its windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryObject {
    /// Whose it is.
    pub customer: CustomerId,
    /// Its name.
    pub batch_id: BatchId,
    /// XXH3-128 of the decoded body.
    pub fingerprint: u128,
    /// When it was received, in milliseconds.
    pub received_at_ms: u64,
    /// Entries in it: the sum of its windows.
    pub entries: u32,
    /// One per distinct minute, ascending.
    pub windows: Vec<WindowCounts>,
}

/// One window of one batch on its way to the window job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightEvent {
    /// Whose window it is.
    pub customer: CustomerId,
    /// The batch it comes from.
    pub batch_id: BatchId,
    /// XXH3-128 of the batch's decoded body.
    pub fingerprint: u128,
    /// When the batch was received, in milliseconds.
    pub received_at_ms: u64,
    /// What to add.
    pub window: WindowCounts,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSummary {
    schema_version: u32,
    customer_id: String,
    batch_id: String,
    fingerprint: String,
    received_at: String,
    entries: u32,
    windows: Vec<WireWindow>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireWindow {
    window_start: String,
    requests: u32,
    requests_by_path: Counts,
    requests_by_user_agent: Counts,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireInsight {
    schema_version: u32,
    customer_id: String,
    batch_id: String,
    fingerprint: String,
    window_size: String,
    window_start: String,
    requests: u32,
    requests_by_path: Counts,
    requests_by_user_agent: Counts,
    received_at: String,
}

impl SummaryObject {
    /// What a batch was reduced to.
    pub fn of(event: &BatchEvent, summary: &Summary) -> Self {
        let windows = summary.minutes.iter().map(|(start, counts)| WindowCounts {
            start: *start,
            requests: counts.requests(),
            by_path: Counts::of(&summary.keys.tables[PATH], &counts.by[PATH]),
            by_agent: Counts::of(&summary.keys.tables[USER_AGENT], &counts.by[USER_AGENT]),
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
    pub fn encode(self) -> Vec<u8> {
        let windows = self.windows.into_iter().map(|window| WireWindow {
            window_start: time::format_start(window.start),
            requests: window.requests,
            requests_by_path: window.by_path,
            requests_by_user_agent: window.by_agent,
        });
        to_json(&WireSummary {
            schema_version: SCHEMA_VERSION,
            customer_id: self.customer.as_str().to_owned(),
            batch_id: self.batch_id.as_str().to_owned(),
            fingerprint: format_fingerprint(self.fingerprint),
            received_at: format_instant(self.received_at_ms),
            entries: self.entries,
            windows: windows.collect(),
        })
    }

    /// Reads an object.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(object: &[u8]) -> Result<Self, RecordError> {
        let wire: WireSummary = parse(object)?;
        let windows = wire.windows.into_iter().map(|window| {
            let window = WindowCounts {
                start: window_start(&window.window_start)?,
                requests: window.requests,
                by_path: window.requests_by_path,
                by_agent: window.requests_by_user_agent,
            };
            window.check().map(|()| window)
        });
        let summary = Self {
            customer: customer(&wire.customer_id)?,
            batch_id: batch_id(&wire.batch_id)?,
            fingerprint: fingerprint(&wire.fingerprint)?,
            received_at_ms: instant(&wire.received_at)?,
            entries: wire.entries,
            windows: windows.collect::<Result<_, _>>()?,
        };
        let total: u64 = summary.windows.iter().map(|window| u64::from(window.requests)).sum();
        if summary.windows.is_empty() || !summary.windows.is_sorted_by(|a, b| a.start < b.start) {
            return Err(RecordError::Field("windows"));
        }
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
            received_at_ms,
            window,
        })
    }
}

impl InsightEvent {
    /// The value of its record.
    pub fn encode(self) -> Vec<u8> {
        to_json(&WireInsight {
            schema_version: SCHEMA_VERSION,
            customer_id: self.customer.as_str().to_owned(),
            batch_id: self.batch_id.as_str().to_owned(),
            fingerprint: format_fingerprint(self.fingerprint),
            window_size: WindowSize::Minute.as_str().to_owned(),
            window_start: time::format_start(self.window.start),
            requests: self.window.requests,
            requests_by_path: self.window.by_path,
            requests_by_user_agent: self.window.by_agent,
            received_at: format_instant(self.received_at_ms),
        })
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let wire: WireInsight = parse(value)?;
        if wire.window_size != WindowSize::Minute.as_str() {
            return Err(RecordError::Field("windowSize"));
        }
        let window = WindowCounts {
            start: window_start(&wire.window_start)?,
            requests: wire.requests,
            by_path: wire.requests_by_path,
            by_agent: wire.requests_by_user_agent,
        };
        window.check()?;
        Ok(Self {
            customer: customer(&wire.customer_id)?,
            batch_id: batch_id(&wire.batch_id)?,
            fingerprint: fingerprint(&wire.fingerprint)?,
            received_at_ms: instant(&wire.received_at)?,
            window,
        })
    }
}
