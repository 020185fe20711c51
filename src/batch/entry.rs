//! One access-log line after checking: what counting sees of it.
//!
//! Input: what `rules` made of each field. Output: plain values, borrowed from the batch.

use super::client::ClientAddress;
use crate::dimension::TEXT_COUNT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When the request was received: milliseconds since 1970-01-01T00:00Z, years 1970 to 9999.
    pub received_at_ms: u64,
    /// Upper-cased method, 1 to 32 token characters.
    pub method: &'a str,
    /// The path, or the route where the entry has one; not empty, at most
    /// [`MAX_PATH_BYTES`](super::limits::MAX_PATH_BYTES).
    pub path: &'a str,
    /// Whether `path` is the route, to which no path rule applies.
    pub is_route: bool,
    /// Trimmed user agent, at most [`MAX_AGENT_BYTES`](super::limits::MAX_AGENT_BYTES); may be empty.
    pub user_agent: &'a str,
    /// The status, 0 to 999.
    pub status: Option<u16>,
    /// The length of the answer.
    pub response_bytes: Option<u64>,
    /// How long the answer took.
    pub duration_micros: Option<u64>,
    /// Who asked.
    pub client: Option<&'a ClientAddress<'a>>,
    /// The keys of the text dimensions, in the order of [`crate::dimension::TEXTS`].
    pub texts: [Option<&'a str>; TEXT_COUNT],
}
