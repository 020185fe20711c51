//! Records that cross processes: what the topics and the object store hold, exactly as `deploy/schemas/v2` describes it.
//!
//! Input: bytes or metadata from anyone. Output: records whose fields are valid and whose counts add up, or an error that
//! says what is wrong. Never: I/O; two encodings of equal records.

mod event;
mod metadata;
mod summary;
mod text;
mod window;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use event::BatchEvent;
pub use metadata::{METADATA_PREFIX, MadeBy};
pub use summary::{InsightEvent, SummaryObject};
pub use window::BatchWindow;

/// The version of every record that is written, and the only one that is read.
pub const SCHEMA_VERSION: u32 = 2;

/// Why bytes are not a valid record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Not JSON, or a field is missing or invalid.
    Json(String),
    /// Of a version that this program does not know.
    Version(u32),
    /// The field of this name is invalid.
    Field(&'static str),
    /// A window is not valid, or not in canonical form.
    Window(String),
    /// Counts do not add up.
    Sums(&'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not a valid record: {error}"),
            Self::Version(version) => {
                write!(f, "schemaVersion is {version}, but this program reads {SCHEMA_VERSION} only")
            }
            Self::Field(name) => write!(f, "{name} is invalid"),
            Self::Window(what) => write!(f, "the window is invalid: {what}"),
            Self::Sums(what) => write!(f, "counts do not add up: {what}"),
        }
    }
}

impl std::error::Error for RecordError {}

/// A record with its version in front.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Versioned<T> {
    schema_version: u32,
    #[serde(flatten)]
    record: T,
}

/// Parses JSON of a known version.
fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, RecordError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        schema_version: u32,
    }
    let json = |error: serde_json::Error| RecordError::Json(error.to_string());
    // Before anything else: a later version may lack a field, or hold something else in it.
    let Version { schema_version } = serde_json::from_slice(bytes).map_err(json)?;
    if schema_version != SCHEMA_VERSION {
        return Err(RecordError::Version(schema_version));
    }
    serde_json::from_slice(bytes).map_err(json)
}

fn to_json(record: &impl Serialize) -> Vec<u8> {
    let versioned = Versioned { schema_version: SCHEMA_VERSION, record };
    serde_json::to_vec(&versioned).expect("text and numbers are written into memory")
}
