//! `batch-ingested`: a batch lies in the object store and must be counted.

use serde::{Deserialize, Serialize};

use super::{RecordError, parse, text, to_json};
use crate::batch::{Content, Encoding, Limits};
use crate::cluster::names;
use crate::cluster::span::MinuteSpan;
use crate::model::{BatchId, CustomerId};

/// A batch that ingest accepted: where its body is, and everything else that its summary depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchEvent {
    pub customer: CustomerId,
    pub batch_id: BatchId,
    /// See [`Content::fingerprint`].
    pub fingerprint: u128,
    /// What the decoded body is.
    pub content: Content,
    /// Of the stored object.
    pub encoding: Encoding,
    pub entries: u32,
    /// Length of the decoded body.
    pub body_bytes: u32,
    /// In milliseconds. Entries may be up to a day later.
    pub received_at_ms: u64,
    /// The minutes that it has entries of.
    pub minutes: MinuteSpan,
    /// The name of the path rules that it is counted by, if there are any: see [`crate::cluster::texts`].
    pub path_rules: Option<u128>,
    /// The limits that it was checked against; only those that are settings are written.
    pub limits: Limits,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEvent {
    #[serde(with = "text")]
    customer_id: CustomerId,
    #[serde(with = "text")]
    batch_id: BatchId,
    raw_key: String,
    #[serde(with = "text")]
    fingerprint: u128,
    format: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<String>,
    encoding: Encoding,
    entries: u32,
    body_bytes: u32,
    #[serde(with = "text")]
    received_at: u64,
    #[serde(with = "text")]
    minutes: MinuteSpan,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::optional")]
    path_rules: Option<u128>,
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

    /// The key of the object that holds its summary.
    pub fn summary_key(&self) -> String {
        names::summary_key(&self.customer, &self.batch_id, self.minutes)
    }

    /// The value of its record.
    pub fn encode(&self) -> Vec<u8> {
        let Limits { max_entries, keep_query, .. } = self.limits;
        to_json(&WireEvent {
            customer_id: self.customer.clone(),
            batch_id: self.batch_id.clone(),
            raw_key: self.raw_key(),
            fingerprint: self.fingerprint,
            format: self.content.name().to_owned(),
            parameters: self.content.parameters().map(str::to_owned),
            encoding: self.encoding,
            entries: self.entries,
            body_bytes: self.body_bytes,
            received_at: self.received_at_ms,
            minutes: self.minutes,
            path_rules: self.path_rules,
            limits: WireLimits { max_entries, keep_query },
        })
    }

    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let wire: WireEvent = parse(value)?;
        let WireLimits { max_entries, keep_query } = wire.limits;
        let content = Content::named(&wire.format, wire.parameters.as_deref());
        let content = content.ok_or(RecordError::Field("format or parameters"))?;
        let event = Self {
            customer: wire.customer_id,
            batch_id: wire.batch_id,
            fingerprint: wire.fingerprint,
            content,
            encoding: wire.encoding,
            entries: wire.entries,
            body_bytes: wire.body_bytes,
            received_at_ms: wire.received_at,
            minutes: wire.minutes,
            path_rules: wire.path_rules,
            limits: Limits { max_entries, keep_query, ..Limits::default() },
        };
        if event.entries == 0 || event.body_bytes == 0 {
            return Err(RecordError::Field("entries or bodyBytes"));
        }
        if event.raw_key() != wire.raw_key {
            return Err(RecordError::Field("rawKey"));
        }
        Ok(event)
    }
}
