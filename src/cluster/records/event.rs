//! `batch-ingested`: a batch lies in the object store and must be counted.

use serde::{Deserialize, Serialize};

use super::{
    RecordError, SCHEMA_VERSION, batch_id, customer, encoding_name, encoding_of, fingerprint,
    format_fingerprint, format_instant, format_name, format_of, instant, parse, to_json,
};
use crate::batch::{Encoding, Format, Limits};
use crate::cluster::names;
use crate::model::{BatchId, CustomerId};

/// A batch that was taken: where it is, and all that its summary depends on besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchEvent {
    /// Whose it is.
    pub customer: CustomerId,
    /// Its name.
    pub batch_id: BatchId,
    /// XXH3-128 of the decoded body.
    pub fingerprint: u128,
    /// How the decoded body is strung together.
    pub format: Format,
    /// How the object is coded.
    pub encoding: Encoding,
    /// Entries it counts.
    pub entries: u32,
    /// Length of the decoded body.
    pub body_bytes: u32,
    /// When it was received, in milliseconds: what the future begins after.
    pub received_at_ms: u64,
    /// What it was checked against; of them only those are written that are settings.
    pub limits: Limits,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u32,
    customer_id: String,
    batch_id: String,
    raw_key: String,
    fingerprint: String,
    format: String,
    encoding: String,
    entries: u32,
    body_bytes: u32,
    received_at: String,
    limits: WireLimits,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireLimits {
    max_entries: usize,
    keep_query: bool,
}

impl BatchEvent {
    /// The key of the object that holds the body.
    pub fn raw_key(&self) -> String {
        names::raw_key(&self.customer, &self.batch_id)
    }

    /// The value of its record.
    pub fn encode(&self) -> Vec<u8> {
        let limits = &self.limits;
        to_json(&Wire {
            schema_version: SCHEMA_VERSION,
            customer_id: self.customer.as_str().to_owned(),
            batch_id: self.batch_id.as_str().to_owned(),
            raw_key: self.raw_key(),
            fingerprint: format_fingerprint(self.fingerprint),
            format: format_name(self.format).to_owned(),
            encoding: encoding_name(self.encoding).to_owned(),
            entries: self.entries,
            body_bytes: self.body_bytes,
            received_at: format_instant(self.received_at_ms),
            limits: WireLimits { max_entries: limits.max_entries, keep_query: limits.keep_query },
        })
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let wire: Wire = parse(value)?;
        let event = Self {
            customer: customer(&wire.customer_id)?,
            batch_id: batch_id(&wire.batch_id)?,
            fingerprint: fingerprint(&wire.fingerprint)?,
            format: format_of(&wire.format)?,
            encoding: encoding_of(&wire.encoding)?,
            entries: wire.entries,
            body_bytes: wire.body_bytes,
            received_at_ms: instant(&wire.received_at)?,
            limits: Limits {
                max_entries: wire.limits.max_entries,
                keep_query: wire.limits.keep_query,
                ..Limits::default()
            },
        };
        let (not_empty, in_place) =
            (event.entries > 0 && event.body_bytes > 0, event.raw_key() == wire.raw_key);
        match (not_empty, in_place) {
            (true, true) => Ok(event),
            (false, _) => Err(RecordError::Field("entries or bodyBytes")),
            (_, false) => Err(RecordError::Field("rawKey")),
        }
    }
}
