//! The metadata of a body in the object store, from which its event can be made again.

use serde::{Deserialize, Serialize};

use super::text::{Text, field};
use super::{BatchEvent, RecordError, SCHEMA_VERSION};
use crate::batch::{Content, Limits};
use crate::data_dir::{decode_name, encode_name};
use crate::model::{BatchId, CustomerId};

/// The prefix of user metadata in HTTP headers.
pub const METADATA_PREFIX: &str = "x-amz-meta-";

/// Parameters of log lines up to this length stand in the metadata; longer ones are a text of their own. S3 takes 2 KB of
/// metadata, and everything else has less than 1,000 bytes.
const MAX_PARAMETER_BYTES: usize = 1_000;

/// Who made a batch id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MadeBy {
    /// The client: it sends the batch again under the same id until it is answered.
    Client,
    /// The server, for a batch without an id: nobody can send the batch again under it.
    Server,
}

impl BatchEvent {
    /// The parameters of its log lines, if they are too long for metadata.
    pub fn long_parameters(&self) -> Option<&str> {
        self.content.parameters().filter(|parameters| parameters.len() > MAX_PARAMETER_BYTES)
    }

    /// The customer and the name of the text that holds the parameters, if the metadata names one in their place.
    pub fn parameters_in<'a>(
        metadata: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Result<Option<(CustomerId, u128)>, RecordError> {
        let Some(name) = metadata("parameters-in") else { return Ok(None) };
        let encoded = metadata("customer-id").ok_or(RecordError::Field("customer-id"))?;
        Ok(Some((customer(encoded)?, field("parameters-in", name)?)))
    }

    /// The user metadata of the body's object: names without prefix, ascending. Long parameters are named by `parameters_in`.
    pub fn metadata(&self, id_by: MadeBy, parameters_in: Option<u128>) -> Vec<(&'static str, String)> {
        let limits = &self.limits;
        let parameters = match (self.content.parameters(), parameters_in) {
            (_, Some(name)) => Some(("parameters-in", name.write().into())),
            (Some(parameters), None) => Some(("parameters", parameters.to_owned())),
            (None, None) => None,
        };
        let path_rules = self.path_rules.map(|name| ("path-rules", name.write().into()));
        let mut metadata = vec![
            ("batch-id-by", id_by.write().into()),
            ("body-bytes", self.body_bytes.to_string()),
            ("customer-id", encode_name(self.customer.as_str())),
            ("encoding", self.encoding.write().into()),
            ("entries", self.entries.to_string()),
            ("fingerprint", self.fingerprint.write().into()),
            ("format", self.content.name().to_owned()),
            ("limits", format!("max-entries={},keep-query={}", limits.max_entries, limits.keep_query)),
            ("minutes", self.minutes.write().into()),
        ];
        metadata.extend(parameters.into_iter().chain(path_rules));
        metadata.push(("received-at", self.received_at_ms.write().into()));
        metadata.push(("schema-version", SCHEMA_VERSION.to_string()));
        metadata
    }

    /// The event of an object, from its metadata (looked up by name without prefix) and the batch id in its key.
    pub fn from_metadata<'a>(
        batch_id: BatchId,
        metadata: impl Fn(&'static str) -> Option<&'a str>,
    ) -> Result<(Self, MadeBy), RecordError> {
        let value = |name: &'static str| metadata(name).ok_or(RecordError::Field(name));
        let number = |name: &'static str| {
            value(name)?.parse().ok().filter(|number: &u32| *number > 0).ok_or(RecordError::Field(name))
        };
        let version = number("schema-version")?;
        if version != SCHEMA_VERSION {
            return Err(RecordError::Version(version));
        }
        let made_by = metadata("batch-id-by").map(|name| field("batch-id-by", name)).transpose()?;
        let event = Self {
            customer: customer(value("customer-id")?)?,
            batch_id,
            fingerprint: field("fingerprint", value("fingerprint")?)?,
            content: Content::named(value("format")?, metadata("parameters"))
                .ok_or(RecordError::Field("format or parameters"))?,
            encoding: field("encoding", value("encoding")?)?,
            entries: number("entries")?,
            body_bytes: number("body-bytes")?,
            received_at_ms: field("received-at", value("received-at")?)?,
            minutes: field("minutes", value("minutes")?)?,
            path_rules: metadata("path-rules").map(|name| field("path-rules", name)).transpose()?,
            limits: limits(value("limits")?).ok_or(RecordError::Field("limits"))?,
        };
        Ok((event, made_by.unwrap_or(MadeBy::Client)))
    }
}

fn customer(encoded: &str) -> Result<CustomerId, RecordError> {
    let id = decode_name(encoded).ok_or(RecordError::Field("customer-id"))?;
    field("customer-id", &id)
}

/// Reads the limits, which stand in one order.
fn limits(text: &str) -> Option<Limits> {
    let mut parts = text.split(',');
    let mut value = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
    let limits = Limits {
        max_entries: value("max-entries")?.parse().ok()?,
        keep_query: value("keep-query")?.parse().ok()?,
        ..Limits::default()
    };
    parts.next().is_none().then_some(limits)
}
