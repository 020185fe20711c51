//! From item to item through a body, in document order: where items begin and what must stand between them.
//!
//! In comes the whole body or a piece of it that [`super::split`] cut at an item; every item is counted into a
//! [`Tally`]. What is taken is UTF-8; where an error is told of what is not, the caller looks whether it is. A piece is
//! walked by the very code that walks a whole body, so that what holds for one holds for the other. Nothing here looks
//! behind the end of its text.

use super::checks::Rules;
use super::error::{BatchError, ItemError};
use super::fast::Reader;
use super::learnt::Learnt;
use super::tally::Tally;
use super::{Format, parse, utf8};
use crate::time;

/// A stretch of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'t> {
    /// From its first byte to its last.
    pub(super) bytes: &'t [u8],
    /// The body begins here.
    pub(super) is_first: bool,
    /// The body ends here.
    pub(super) is_last: bool,
}

impl<'t> Piece<'t> {
    /// A body in one piece.
    pub(super) fn whole(bytes: &'t [u8]) -> Self {
        Self { bytes, is_first: true, is_last: true }
    }
}

/// Which parser sees an item first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `fast`, and `parse` for the items that it does not take.
    Quick,
    /// `parse` only.
    Reference,
}

/// Counts every entry of a piece into `tally`.
///
/// A piece of an array that is not the first begins with an item; one that is not the last must end behind
/// the comma before the next item. Pieces of NDJSON are whole lines. Item indices in errors count from the
/// start of the piece. `learnt` is what the quick way learnt from earlier pieces counted into this tally.
/// Gives the number of line ends in a piece of NDJSON, 0 for an array.
pub(super) fn walk(
    piece: Piece<'_>,
    format: Format,
    way: Way,
    rules: &Rules<'_>,
    learnt: &mut Learnt,
    tally: &mut Tally,
) -> Result<u64, BatchError> {
    let mut walk = Walk {
        reader: Reader::new(piece.bytes, rules, learnt, tally),
        text: None,
        way,
        index: 0,
        line_ends: 0,
    };
    match format {
        Format::JsonArray => walk.array(piece.is_first, piece.is_last)?,
        Format::Ndjson => walk.lines()?,
    }
    walk.reader.finish();
    Ok(walk.line_ends)
}

struct Walk<'t, 'w> {
    reader: Reader<'t, 'w>,
    /// The whole piece, once somebody needed to know that it is UTF-8.
    text: Option<&'t str>,
    way: Way,
    /// How many items were read.
    index: usize,
    line_ends: u64,
}

impl Walk<'_, '_> {
    fn array(&mut self, is_first: bool, is_last: bool) -> Result<(), BatchError> {
        let bytes = self.reader.bytes;
        let mut pos = skip_space::<false>(bytes, 0);
        if is_first {
            if bytes.get(pos) != Some(&b'[') {
                return Err(BatchError::NotAnArray);
            }
            pos = skip_space::<false>(bytes, pos + 1);
            if bytes.get(pos) == Some(&b']') {
                return end_of_array(bytes, pos);
            }
        }
        loop {
            if !is_last && pos == bytes.len() {
                return Ok(());
            }
            pos = self.item::<false>(pos)?;
            pos = skip_space::<false>(bytes, pos);
            match bytes.get(pos) {
                Some(b',') => pos = skip_space::<false>(bytes, pos + 1),
                Some(b']') if is_last => return end_of_array(bytes, pos),
                _ => return Err(BatchError::NoSeparator { offset_bytes: pos }),
            }
        }
    }

    fn lines(&mut self) -> Result<(), BatchError> {
        let bytes = self.reader.bytes;
        let mut pos = 0;
        loop {
            while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = bytes.get(pos) {
                self.line_ends += u64::from(*byte == b'\n');
                pos += 1;
            }
            if pos == bytes.len() {
                return Ok(());
            }
            let index = self.index;
            pos = self.item::<true>(pos)?;
            pos = skip_space::<true>(bytes, pos);
            if !matches!(bytes.get(pos), None | Some(b'\n')) {
                return Err(BatchError::Item { index, error: ItemError::TextAfterItem });
            }
        }
    }

    /// Counts the item at `pos`, which with `LINE` must end on its line; gives the position behind it.
    #[inline]
    fn item<const LINE: bool>(&mut self, pos: usize) -> Result<usize, BatchError> {
        let limits = self.reader.rules.limits;
        if self.index >= limits.max_entries {
            return Err(BatchError::TooManyEntries { max_entries: limits.max_entries });
        }
        let quick = match self.way {
            Way::Quick => self.reader.item::<LINE>(pos),
            Way::Reference => None,
        };
        let end = match quick {
            Some(end) => end,
            None => {
                let text = match self.text {
                    Some(text) => text,
                    None => *self.text.insert(utf8(self.reader.bytes)?),
                };
                self.reference_item::<LINE>(text, pos)
                    .map_err(|error| BatchError::Item { index: self.index, error })?
            }
        };
        if self.reader.tally.minutes() > limits.max_minutes {
            return Err(BatchError::TooManyMinutes { max_minutes: limits.max_minutes });
        }
        self.index += 1;
        Ok(end)
    }

    #[cold]
    fn reference_item<const LINE: bool>(&mut self, text: &str, pos: usize) -> Result<usize, ItemError> {
        let Reader { rules, tally, .. } = &mut self.reader;
        let rest = &text[pos..];
        let line_end = if LINE { memchr::memchr(b'\n', rest.as_bytes()) } else { None };
        let outer_levels = if LINE { 0 } else { 1 };
        let (item, length) = parse::item(&rest[..line_end.unwrap_or(rest.len())], outer_levels)?;
        let checked = item.check(rules)?;
        let entry = checked.entry();
        let row = tally.row(time::minute_of(entry.received_at_ms));
        let method = tally.method(entry.method);
        let agent = tally.agents.intern(entry.user_agent, 0);
        tally.count_one(row, method, entry.path, agent);
        tally.truncated = tally.truncated.saturating_add(checked.truncated);
        Ok(pos + length)
    }
}

fn end_of_array(bytes: &[u8], bracket: usize) -> Result<(), BatchError> {
    match skip_space::<false>(bytes, bracket + 1) {
        pos if pos == bytes.len() => Ok(()),
        offset_bytes => Err(BatchError::TextAfterArray { offset_bytes }),
    }
}

/// The position of the first byte from `pos` on that is no JSON white space. Within a `LINE`, its end is none.
#[inline]
pub(super) fn skip_space<const LINE: bool>(bytes: &[u8], mut pos: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(pos) {
        if LINE && bytes[pos] == b'\n' {
            break;
        }
        pos += 1;
    }
    pos
}
