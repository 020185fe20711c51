//! Records that cross processes: what the topics and the object store hold, exactly as `deploy/schemas/v1` describes it.
//!
//! In come bytes or metadata of anybody; out come records whose fields are known to be good and whose counts add up, or
//! an error that says what is wrong. Encoding is deterministic: equal records have equal bytes. Nothing here does I/O.

mod counts;
mod event;
mod metadata;
mod summary;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use counts::Counts;
pub use event::BatchEvent;
pub use metadata::{METADATA_PREFIX, MadeBy};
pub use summary::{InsightEvent, SummaryObject, WindowCounts};

use crate::batch::{Encoding, Format};
use crate::model::{BatchId, CustomerId, WindowStart};
use crate::time;

/// The version of every record that is written, and the only one that is read.
pub const SCHEMA_VERSION: u32 = 1;

/// Why bytes are no record of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Not JSON, or a field is missing or of the wrong kind.
    Json(String),
    /// Of a version that this program does not know.
    Version(u32),
    /// A field does not hold what it must.
    Field(&'static str),
    /// Counts do not add up.
    Sums(&'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not a record: {error}"),
            Self::Version(version) => {
                write!(f, "schemaVersion {version} is not known here (known: {SCHEMA_VERSION})")
            }
            Self::Field(name) => write!(f, "{name} is not well formed"),
            Self::Sums(what) => write!(f, "counts do not add up: {what}"),
        }
    }
}

impl std::error::Error for RecordError {}

/// Parses JSON of a known version.
fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, RecordError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        schema_version: u32,
    }
    let parsed = serde_json::from_slice(bytes);
    // A later version may lack a field, or have another kind of it: then its number is the better answer.
    let version: Version =
        serde_json::from_slice(bytes).map_err(|error| RecordError::Json(error.to_string()))?;
    if version.schema_version != SCHEMA_VERSION {
        return Err(RecordError::Version(version.schema_version));
    }
    parsed.map_err(|error| RecordError::Json(error.to_string()))
}

fn to_json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("text and numbers are written into memory")
}

fn customer(text: &str) -> Result<CustomerId, RecordError> {
    CustomerId::new(text).ok_or(RecordError::Field("customerId"))
}

fn batch_id(text: &str) -> Result<BatchId, RecordError> {
    BatchId::new(text).ok_or(RecordError::Field("batchId"))
}

/// A fingerprint as it is written.
pub fn format_fingerprint(fingerprint: u128) -> String {
    format!("{fingerprint:032x}")
}

fn fingerprint(text: &str) -> Result<u128, RecordError> {
    let well_formed =
        text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    well_formed
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten()
        .ok_or(RecordError::Field("fingerprint"))
}

/// An instant as it is written: always with milliseconds.
pub fn format_instant(ms: u64) -> String {
    let seconds = time::format_rfc3339(ms);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), ms % 1_000)
}

fn instant(text: &str) -> Result<u64, RecordError> {
    let ms = time::parse_rfc3339(text).map_err(|_| RecordError::Field("receivedAt"))?;
    if format_instant(ms) == text { Ok(ms) } else { Err(RecordError::Field("receivedAt")) }
}

fn window_start(text: &str) -> Result<WindowStart, RecordError> {
    let ms = time::parse_rfc3339(text).map_err(|_| RecordError::Field("windowStart"))?;
    let start = time::minute_of(ms);
    if time::format_start(start) == text { Ok(start) } else { Err(RecordError::Field("windowStart")) }
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::JsonArray => "json-array",
        Format::Ndjson => "ndjson",
    }
}

fn format_of(name: &str) -> Result<Format, RecordError> {
    match name {
        "json-array" => Ok(Format::JsonArray),
        "ndjson" => Ok(Format::Ndjson),
        _ => Err(RecordError::Field("format")),
    }
}

fn encoding_name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Identity => "identity",
        Encoding::Gzip => "gzip",
        Encoding::Zstd => "zstd",
    }
}

fn encoding_of(name: &str) -> Result<Encoding, RecordError> {
    match name {
        "identity" => Ok(Encoding::Identity),
        "gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(RecordError::Field("encoding")),
    }
}
