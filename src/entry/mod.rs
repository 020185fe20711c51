//! Log lines and foreign JSON to entries: one reader for the server, `summarize` and `import`.
//!
//! Input: the lines of a log, as they are. Output: entries whose texts are what the client and the server meant, and skipped
//! lines with their reasons. Never: a clock, a disk, a channel or a global that changes; the result depends on the bytes and
//! the options alone, so that a log read twice, or in regions, gives the same entries.
//!
//! # The way of a line
//!
//! ```text
//! bytes ─▶ lines ─▶ reader ─▶ envelope, csv, json (Docker, journald) ─▶ line inside, joined by carry
//!                               │
//!                               ▼
//!          format given by name or string, or told by the line itself:
//!          json (names, products; logfmt too) · w3c (columns of its header) · known (templates, in order)
//!                               │ fields: spans with their escaping
//!                               ▼
//!                             build ─▶ LogEntry
//! ```
//!
//! Formats are data: rows of `known::rows`, `json::names`, `json::products` and the tables of variables and directives in
//! `format`. `template` is the one engine behind all text formats; `quick` takes lines that it can read in one way only.
//!
//! # What no client can do
//!
//! Hide a line, or move it in time. A template's texts end only where all the rest of the line fits, the time is the last one
//! before the request, and a line that is broken costs itself alone.

mod build;
mod carry;
mod client;
mod csv;
mod diagnose;
mod envelope;
mod field;
mod format;
mod json;
mod known;
mod lines;
mod message;
mod ndjson;
mod number;
mod parameters;
mod quick;
mod reader;
mod request;
mod skip;
mod template;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod w3c;

pub use carry::InvalidState;
pub use diagnose::nearest_format;
pub use format::{FormatError, LineFormat};
pub use lines::{LineSplitter, is_utf16};
pub use ndjson::{format_micros, write_ndjson};
pub use parameters::{LineParameters, ParameterError};
pub use reader::Reader;
pub use skip::{Skip, SkipTally, SkippedLine};
pub use time::zone::{UnknownZone, Zone};

/// A longer line is skipped. Servers take request heads of at most some 64 KiB, which JSON's escapes make six times as long.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// How a log is read.
#[derive(Clone, Debug, Default)]
pub struct ReaderOptions {
    /// What its lines are.
    pub format: LineFormat,
    /// The zone of times without offset.
    pub timezone: Option<Zone>,
    /// Query strings stay part of paths.
    pub keep_query: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineOutcome<'a> {
    Entry {
        entry: LogEntry<'a>,
        /// The name of the format that read it.
        format: &'static str,
    },
    /// It is not an entry.
    Skipped {
        /// Why.
        reason: Skip,
        line: &'a [u8],
    },
}

/// One access-log line, read. The texts are as the client sent them, without the log's escapes; nothing is cut to a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LogEntry<'a> {
    /// When the request came, in microseconds since 1970.
    pub received_at_micros: u64,
    /// In capitals; `-` where there was no request.
    pub method: &'a str,
    /// The path, with its query if that is kept; the authority of a CONNECT; `(invalid)` where there was no request.
    pub path: &'a str,
    /// Empty where the log has none.
    pub user_agent: &'a str,
    /// What the client got.
    pub status: Option<u16>,
    /// Bytes that the client got.
    pub response_bytes: Option<u64>,
    /// The whole time of the request, in microseconds.
    pub duration_micros: Option<u64>,
    /// The host that was asked for: in small letters, without port.
    pub host: Option<&'a str>,
    /// The page that linked here.
    pub referrer: Option<&'a str>,
    /// The client's address or name, without port, brackets and zone.
    pub client_ip: Option<&'a str>,
    /// The template that the gateway matched; entries of our own have it.
    pub route: Option<&'a str>,
    /// Two letters; entries of our own have it.
    pub country: Option<&'a str>,
}

impl<'a> LogEntry<'a> {
    /// The text field of this name, as JSON entries call it.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        match name {
            "host" => self.host,
            "referrer" => self.referrer,
            "country" => self.country,
            _ => None,
        }
    }
}
