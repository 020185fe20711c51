//! A whole body to its summary: by the fast way, and by the reference that defines what the fast way must answer.
//!
//! Input: the decoded body. Output: a summary and what had to be altered, or the first thing wrong. Never: a part of a
//! batch; one bad item refuses it.

use super::cache::Caches;
use super::error::{BatchError, ItemError};
use super::fast::FastReader;
use super::field::Altered;
use super::limits::{Format, Limits};
use super::reference::read_item;
use super::repair::RepairedText;
use super::rules::Rules;
use super::split;
use super::summarize::to_summary;
use super::tally::Tally;
use super::walk::{ItemReader, Piece, Stop, walk};
use crate::entry::SkipTally;
use crate::model::Summary;

/// A byte order mark. RFC 8259 forbids it; it is named, because editors hide it.
pub(super) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A batch reduced to its summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summarized {
    pub summary: Summary,
    /// What had to be altered to count it.
    pub altered: Altered,
    /// Lines that are not entries; of JSON there are none.
    pub skips: SkipTally,
}

/// Reduces a decoded body to its summary. All or nothing: one bad item refuses the batch.
///
/// `now_ms` (milliseconds since 1970) is what "the future" begins after. A body of `parallel_from_bytes` or more is
/// divided over the rayon pool that the caller runs in (the global one outside of any).
///
/// # Errors
/// The first thing wrong in document order; see [`BatchError`].
pub fn summarize(
    body: &[u8],
    format: Format,
    limits: &Limits,
    now_ms: u64,
) -> Result<Summarized, BatchError> {
    let limits = limits.capped();
    let rules = Rules::new(&limits, now_ms);
    let in_pieces = body.len() >= limits.parallel_from_bytes;
    let tally = if in_pieces { split::tally(body, format, &rules) } else { None };
    match tally.or_else(|| in_one_piece(body, format, &rules)) {
        Some(tally) => Ok(finish(tally)),
        // Something is wrong; the reference finds the words.
        None => reference(body, format, &limits, now_ms),
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
    if body.starts_with(BOM) {
        return Err(BatchError::Bom);
    }
    let limits = limits.capped();
    let rules = Rules::new(&limits, now_ms);
    let (text, mut tally) = (RepairedText::of(body), Tally::for_bytes(body.len(), &limits));
    let mut reader = ReferenceReader { body: &text, rules: &rules, tally: &mut tally, error: None };
    let walked = walk(Piece::whole(text.text.as_bytes()), format, &limits, &mut reader);
    match (walked, reader.error) {
        (Ok(_), _) if tally.entries == 0 => Err(BatchError::NoEntries),
        (Ok(_), _) => Ok(finish(tally)),
        (Err(Stop::Item(at)), error) => {
            Err(BatchError::Item { at, error: error.expect("the reader says why") })
        }
        (Err(Stop::Batch(error)), _) => Err(in_body(error, &text)),
    }
}

/// The error with its offset in the body, not in the repaired text.
fn in_body(error: BatchError, text: &RepairedText<'_>) -> BatchError {
    match error {
        BatchError::NoSeparator { offset_bytes } => {
            BatchError::NoSeparator { offset_bytes: text.offset_in_body(offset_bytes) }
        }
        BatchError::TextAfterArray { offset_bytes } => {
            BatchError::TextAfterArray { offset_bytes: text.offset_in_body(offset_bytes) }
        }
        error => error,
    }
}

/// The body counted by the fast way on this thread. `None` where anything is wrong.
fn in_one_piece(body: &[u8], format: Format, rules: &Rules<'_>) -> Option<Tally> {
    let (mut tally, mut caches) = (Tally::for_bytes(body.len(), rules.limits), Caches::for_bytes(body.len()));
    let mut reader = FastReader::new(body, rules, &mut caches, &mut tally);
    walk(Piece::whole(body), format, rules.limits, &mut reader).ok()?;
    reader.finish();
    (tally.entries > 0 && !body.starts_with(BOM)).then_some(tally)
}

pub(super) fn finish(tally: Tally) -> Summarized {
    Summarized { altered: tally.altered, summary: to_summary(tally), skips: SkipTally::default() }
}

/// Counts the items that [`read_item`] reads.
struct ReferenceReader<'t, 'r> {
    body: &'t RepairedText<'t>,
    rules: &'r Rules<'r>,
    tally: &'r mut Tally,
    /// What was wrong with the item that was not taken.
    error: Option<ItemError>,
}

impl ReferenceReader<'_, '_> {
    fn try_item(&mut self, pos: usize, stop: usize) -> Result<usize, ItemError> {
        let (raw, end) = read_item(self.body, pos, stop)?;
        let checked = self.rules.check(&raw)?;
        self.tally.add(&checked.entry(), checked.altered);
        Ok(end)
    }
}

impl ItemReader for ReferenceReader<'_, '_> {
    fn item<const LINE: bool>(&mut self, pos: usize) -> Option<usize> {
        let bytes = self.body.text.as_bytes();
        let line_end = if LINE { memchr::memchr(b'\n', &bytes[pos..]).map(|end| pos + end) } else { None };
        self.try_item(pos, line_end.unwrap_or(bytes.len())).map_err(|error| self.error = Some(error)).ok()
    }

    fn minutes(&self) -> usize {
        self.tally.minutes.len()
    }
}
