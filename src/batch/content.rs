//! What a decoded body holds: entries as JSON, or log lines with the parameters they are read by.
//!
//! Input: how the client described the body. Output: its summary and its fingerprint; and the description as names and texts
//! that a record keeps, so that the body can be read again. Never: a second description elsewhere.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

use super::error::BatchError;
use super::limits::{Format, Limits};
use super::lines;
use super::whole::{Summarized, summarize};
use crate::entry::LineParameters;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Entries; one bad one refuses the batch.
    Json(Format),
    /// Lines of a log; what is not an entry is skipped.
    Lines(LineParameters),
}

/// The name of log lines, beside those of [`Format`].
const LINES: &str = "log-lines";

impl Content {
    /// What has this [`name`](Self::name) and these [`parameters`](Self::parameters).
    pub fn named(name: &str, parameters: Option<&str>) -> Option<Self> {
        match (name, parameters) {
            ("json-array", None) => Some(Self::Json(Format::JsonArray)),
            ("ndjson", None) => Some(Self::Json(Format::Ndjson)),
            (LINES, parameters) => LineParameters::from_text(parameters.unwrap_or("")).ok().map(Self::Lines),
            _ => None,
        }
    }

    /// What a record calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Json(Format::JsonArray) => "json-array",
            Self::Json(Format::Ndjson) => "ndjson",
            Self::Lines(_) => LINES,
        }
    }

    /// The canonical text of the parameters of log lines; empty where none was given, `None` for JSON.
    pub fn parameters(&self) -> Option<&str> {
        match self {
            Self::Json(_) => None,
            Self::Lines(parameters) => Some(parameters.text()),
        }
    }

    /// XXH3-128 of the body. The same log lines read by other parameters are other entries, so that the parameters, if
    /// there are any, are its seed.
    pub fn fingerprint(&self, body: &[u8]) -> u128 {
        match self.parameters() {
            None | Some("") => xxh3_128(body),
            Some(parameters) => xxh3_128_with_seed(body, xxh3_64(parameters.as_bytes())),
        }
    }

    /// Whether a body of this content begins with these bytes of another.
    pub fn begins_with(&self, body: &[u8], other: &Content, bytes: &[u8]) -> bool {
        self == other && body.starts_with(bytes)
    }

    /// Reduces a decoded body to its summary, as [`super::summarize`] does for JSON. Of log lines there may be no entry.
    ///
    /// # Errors
    /// See [`BatchError`]; log lines pass a limit, or are counted.
    pub fn summarize(&self, body: &[u8], limits: &Limits, now_ms: u64) -> Result<Summarized, BatchError> {
        match self {
            Self::Json(format) => summarize(body, *format, limits, now_ms),
            Self::Lines(parameters) => lines::summarize(body, parameters, limits, now_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_found_again_by_its_name_and_parameters() {
        let zoned = LineParameters::from_text("timezone=UTC").unwrap();
        for content in [
            Content::Json(Format::JsonArray),
            Content::Json(Format::Ndjson),
            Content::Lines(LineParameters::from_text("").unwrap()),
            Content::Lines(zoned.clone()),
        ] {
            assert_eq!(Content::named(content.name(), content.parameters()), Some(content));
        }
        assert_eq!(Content::named("ndjson", Some("")), None);
        assert_eq!(Content::named("log-lines", Some("x=y")), None);
        let (plain, zoned) = (Content::named("log-lines", None).unwrap(), Content::Lines(zoned));
        assert_eq!(plain.fingerprint(b"a"), xxh3_128(b"a"));
        assert_ne!(zoned.fingerprint(b"a"), plain.fingerprint(b"a"));
    }
}
