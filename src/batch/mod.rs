//! From the bytes of a body to a [`Summary`]: parse, check, window and count. Pure: no clock, disk or channel;
//! equal bytes, limits and time give equal results.
//!
//! [`decode`] undoes the content coding, [`summarize`] makes the summary, [`insights`] cuts it into what the
//! window workers merge. [`reference()`] defines what [`summarize`] must answer, error for error. [`LineCounter`] is for
//! input without end.

pub mod agent;
mod checks;
mod decode;
mod error;
mod fast;
mod intern;
mod layout;
mod learnt;
mod lines;
mod parse;
mod scan;
mod split;
mod summarize;
mod tally;
mod walk;

pub use decode::{DecodeError, Encoding, decode};
pub use error::{BatchError, Field, ItemError};
pub use lines::LineCounter;
pub use summarize::{insights, windows};

use serde::{Deserialize, Serialize};

use crate::model::Summary;
use checks::Rules;
use learnt::Learnt;
use tally::Tally;
use walk::{Piece, Way};

/// How the entries of a body are strung together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON array of objects.
    JsonArray,
    /// One object a line, ended by `\n` or `\r\n`; blank lines are skipped.
    Ndjson,
}

impl Format {
    /// The format named by a `content-type` header; `None` for one we do not know.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let name = content_type.to_ascii_lowercase();
        if name.contains("ndjson") || name.contains("jsonl") {
            Some(Self::Ndjson)
        } else {
            (name.contains("json") && !name.contains("json-seq")).then_some(Self::JsonArray)
        }
    }
}

/// What happens to a path or user agent that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Overlong {
    /// The batch is refused.
    Refuse,
    /// It is cut at a character boundary, and counted.
    Truncate,
}

/// What a batch may be. Limits on texts hold after trimming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries in a batch; counts have 32 bits, so more than `u32::MAX` are never taken.
    pub max_entries: usize,
    /// Distinct minutes in a batch.
    pub max_minutes: usize,
    /// Bytes of a path.
    pub max_path_bytes: usize,
    /// Bytes of a user agent.
    pub max_agent_bytes: usize,
    /// How far `receivedAt` may be ahead of the clock, in milliseconds.
    pub max_future_ms: u64,
    /// What happens to a path or user agent that is too long.
    pub overlong: Overlong,
    /// Bodies of at least this many bytes are divided over the rayon pool.
    pub parallel_from_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: 50_000,
            max_minutes: 1_440,
            max_path_bytes: 2_048,
            max_agent_bytes: 1_024,
            max_future_ms: 24 * 60 * 60 * 1_000,
            overlong: Overlong::Refuse,
            parallel_from_bytes: 64 * 1024,
        }
    }
}

/// A batch reduced to its summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summarized {
    /// The counts.
    pub summary: Summary,
    /// Paths and user agents that were cut to their limit.
    pub truncated: u32,
}

/// Reduces a decoded body to its summary. All or nothing: one bad item refuses the batch.
///
/// `now_ms` (milliseconds since 1970) is what "the future" begins after. A body of `parallel_from_bytes` or
/// more is divided over the rayon pool that the caller runs in (the global one outside of any).
///
/// # Errors
/// The first thing wrong in document order; see [`BatchError`].
pub fn summarize(
    body: &[u8],
    format: Format,
    limits: &Limits,
    now_ms: u64,
) -> Result<Summarized, BatchError> {
    let limits = capped(limits);
    let rules = Rules::new(&limits, now_ms);
    let pieces =
        if body.len() >= limits.parallel_from_bytes { split::tally(body, format, &rules) } else { None };
    match pieces {
        Some(tally) => Ok(finish(tally)),
        // Small, or unusual, or wrong: from start to end, which also tells what is wrong first.
        None => in_one_piece(body, format, Way::Quick, &rules),
    }
}

/// What [`summarize`] must answer, by the shortest way through serde_json: one thread, one item at a time.
///
/// # Errors
/// The first thing wrong in document order; see [`BatchError`].
pub fn reference(
    body: &[u8],
    format: Format,
    limits: &Limits,
    now_ms: u64,
) -> Result<Summarized, BatchError> {
    let limits = capped(limits);
    in_one_piece(body, format, Way::Reference, &Rules::new(&limits, now_ms))
}

/// The limits, with room for every count in 32 bits.
fn capped(limits: &Limits) -> Limits {
    Limits { max_entries: limits.max_entries.min(u32::MAX as usize), ..limits.clone() }
}

fn in_one_piece(body: &[u8], format: Format, way: Way, rules: &Rules<'_>) -> Result<Summarized, BatchError> {
    if body.starts_with(b"\xEF\xBB\xBF") {
        return Err(BatchError::Bom);
    }
    let (mut tally, mut learnt) = (Tally::for_bytes(body.len()), Learnt::for_bytes(body.len()));
    // That it is no text is said before anything that is wrong in it.
    walk::walk(Piece::whole(body), format, way, rules, &mut learnt, &mut tally)
        .map_err(|error| utf8(body).err().unwrap_or(error))?;
    if tally.entries == 0 {
        return Err(BatchError::NoEntries);
    }
    Ok(finish(tally))
}

fn finish(tally: Tally) -> Summarized {
    Summarized { truncated: tally.truncated, summary: summarize::finish(tally) }
}

/// The body as text; the slower second look that tells where it is bad is taken only if it is.
fn utf8(body: &[u8]) -> Result<&str, BatchError> {
    simdutf8::basic::from_utf8(body).map_err(|_| BatchError::NotUtf8 {
        offset_bytes: simdutf8::compat::from_utf8(body).map_or_else(|e| e.valid_up_to(), str::len),
    })
}
