//! From item to item through a body, in document order: where items begin and what must stand between them.
//!
//! Input: the whole body, or a piece of it that [`super::split`] cut at an item, and a reader that takes an item at a
//! position. Output: the first thing wrong. Never: a look behind the end of the piece. A piece is walked by the very code
//! that walks a whole body, so that what holds for one holds for the other.

use super::error::{BatchError, ItemError, ItemPlace};
use super::json::skip_space;
use super::limits::{Format, Limits};

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

/// Takes items.
pub(super) trait ItemReader {
    /// Takes the item at `pos`, which with `LINE` must end on its line, and gives the position behind it. `None` where
    /// it is not an entry.
    fn item<const LINE: bool>(&mut self, pos: usize) -> Option<usize>;

    /// How many distinct minutes the items taken so far have.
    fn minutes(&self) -> usize;
}

/// Why a walk ended before the end of its piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The reader did not take this item.
    Item(ItemPlace),
    /// What stands between items is wrong, or there are too many.
    Batch(BatchError),
}

impl From<BatchError> for Stop {
    fn from(error: BatchError) -> Self {
        Stop::Batch(error)
    }
}

/// Gives every item of a piece to `reader`. Gives the number of line ends in a piece of NDJSON, 0 for an array.
///
/// A piece of an array that is not the first begins with an item; one that is not the last must end behind the comma
/// before the next item. Pieces of NDJSON are whole lines. Places in errors count from the start of the piece.
pub(super) fn walk<R: ItemReader>(
    piece: Piece<'_>,
    format: Format,
    limits: &Limits,
    reader: &mut R,
) -> Result<u64, Stop> {
    let mut walk = Walk { bytes: piece.bytes, limits, reader, items: 0 };
    match format {
        Format::JsonArray => walk.array(piece.is_first, piece.is_last).map(|()| 0),
        Format::Ndjson => walk.lines(),
    }
}

struct Walk<'t, 'w, R> {
    bytes: &'t [u8],
    limits: &'w Limits,
    reader: &'w mut R,
    /// How many items were taken.
    items: usize,
}

impl<R: ItemReader> Walk<'_, '_, R> {
    fn array(&mut self, is_first: bool, is_last: bool) -> Result<(), Stop> {
        let bytes = self.bytes;
        let mut pos = skip_space::<false>(bytes, 0);
        if is_first {
            if bytes.get(pos) != Some(&b'[') {
                return Err(BatchError::NotAnArray.into());
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
            pos = self.item::<false>(pos, ItemPlace::Index)?;
            pos = skip_space::<false>(bytes, pos);
            match bytes.get(pos) {
                Some(b',') => pos = skip_space::<false>(bytes, pos + 1),
                Some(b']') if is_last => return end_of_array(bytes, pos),
                _ => return Err(BatchError::NoSeparator { offset_bytes: pos }.into()),
            }
        }
    }

    fn lines(&mut self) -> Result<u64, Stop> {
        let bytes = self.bytes;
        let (mut pos, mut line_ends) = (0, 0);
        loop {
            while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = bytes.get(pos) {
                line_ends += u64::from(*byte == b'\n');
                pos += 1;
            }
            if pos == bytes.len() {
                return Ok(line_ends);
            }
            let at = ItemPlace::Line(line_ends + 1);
            pos = self.item::<true>(pos, |_| at)?;
            pos = skip_space::<true>(bytes, pos);
            if !matches!(bytes.get(pos), None | Some(b'\n')) {
                return Err(BatchError::Item { at, error: ItemError::TextAfterItem }.into());
            }
        }
    }

    /// Takes the item at `pos`; gives the position behind it.
    #[inline]
    fn item<const LINE: bool>(
        &mut self,
        pos: usize,
        place: impl FnOnce(usize) -> ItemPlace,
    ) -> Result<usize, Stop> {
        let Limits { max_entries, max_minutes, .. } = *self.limits;
        if self.items >= max_entries {
            return Err(BatchError::TooManyEntries { max_entries }.into());
        }
        let end = self.reader.item::<LINE>(pos).ok_or_else(|| Stop::Item(place(self.items)))?;
        if self.reader.minutes() > max_minutes {
            return Err(BatchError::TooManyMinutes { max_minutes }.into());
        }
        self.items += 1;
        Ok(end)
    }
}

fn end_of_array(bytes: &[u8], bracket: usize) -> Result<(), Stop> {
    match skip_space::<false>(bytes, bracket + 1) {
        pos if pos == bytes.len() => Ok(()),
        offset_bytes => Err(BatchError::TextAfterArray { offset_bytes }.into()),
    }
}
