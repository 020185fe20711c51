//! What a batch may be: its limits, and how its entries are strung together.
//!
//! Input: settings. Output: constants and plain values that every way of reading a batch obeys.

use std::sync::Arc;

use super::path_rules::PathRules;
use crate::base::secret::{Secret, Subkey};

/// The longest path or route that is counted; a longer one is cut. Browsers and proxies cut URLs at 2 to 8 KiB.
pub const MAX_PATH_BYTES: usize = 2_048;
/// The longest user agent that is read; a longer one is cut.
pub const MAX_AGENT_BYTES: usize = 1_024;
/// The longest client address or name, brackets, zone and port included: an IPv6 address has 45 bytes at most.
pub(super) const MAX_CLIENT_BYTES: usize = 64;
/// The highest status.
pub(super) const MAX_STATUS: u64 = 999;
/// The most bytes of one answer: 1 TiB.
pub(super) const MAX_RESPONSE_BYTES: u64 = 1 << 40;
/// The longest duration: eleven days. What claims to take longer did not measure an answer.
pub(super) const MAX_DURATION_SECONDS: u64 = 1_000_000;
/// How far `receivedAt` may be ahead of the clock: a day, so that a client's wrong time zone does no harm.
pub const MAX_FUTURE_MS: u64 = 24 * 60 * 60 * 1_000;
/// The largest value of `--max-body-bytes`, so that everything that reads stored bodies has a bound.
pub const LARGEST_BODY_BYTES: u64 = 64 << 20;
/// Distinct minutes in a batch. Each is a window to merge into, and its file to write.
pub const MAX_MINUTES: usize = 10_000;
/// Bodies of at least this many bytes are divided over the rayon pool: below it, handing work over costs more than it
/// saves.
pub(super) const PARALLEL_FROM_BYTES: usize = 64 * 1024;

/// What a batch may be, where that is not the same for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries in a batch; counts have 32 bits, so more than `u32::MAX` are never taken.
    pub max_entries: usize,
    /// Distinct minutes in a batch.
    pub max_minutes: usize,
    /// Whether paths and routes keep their query string.
    pub keep_query: bool,
    /// What paths count under; `None` where each counts under itself.
    pub path_rules: Option<Arc<PathRules>>,
    /// Bodies of at least this many bytes are divided over the rayon pool.
    pub parallel_from_bytes: usize,
    /// What clients are hashed under: [`visitor_key`].
    pub visitors: Subkey,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: 50_000,
            max_minutes: MAX_MINUTES,
            keep_query: false,
            path_rules: None,
            parallel_from_bytes: PARALLEL_FROM_BYTES,
            visitors: fixed_visitor_key(),
        }
    }
}

impl Limits {
    /// The limits, with room for every count in 32 bits.
    pub(super) fn capped(&self) -> Limits {
        Limits { max_entries: self.max_entries.min(u32::MAX as usize), ..self.clone() }
    }
}

/// The key under which clients are hashed, so that a window does not give away who was there.
pub fn visitor_key(secret: &Secret) -> Subkey {
    secret.subkey("visitors")
}

/// The key of what has no data directory, such as `summarize`: equal files give equal results everywhere. The hashes protect
/// nobody's address then.
pub fn fixed_visitor_key() -> Subkey {
    visitor_key(&Secret::from_file(&[0; 16]).expect("a secret has sixteen bytes"))
}

/// How the entries of a body are strung together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON array of objects.
    JsonArray,
    /// One object a line, ended by `\n` or `\r\n`; blank lines are skipped.
    Ndjson,
}

impl Format {
    /// The format named by a `content-type` header; `None` for an unknown one.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let name = content_type.to_ascii_lowercase();
        if name.contains("ndjson") || name.contains("jsonl") {
            Some(Self::Ndjson)
        } else {
            (name.contains("json") && !name.contains("json-seq")).then_some(Self::JsonArray)
        }
    }
}
