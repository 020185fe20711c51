//! How the items of a batch are strung together: the cache of what stands around their values.
//!
//! One program writes all entries of a batch, so that mostly only the values differ from item to item: the same fields in
//! the same order, the same white space. What stood before each value of one item, which was read token by token, is
//! compared as a whole in the next. Same bytes before values are the same JSON, so this can take only what reading token
//! by token would take too. An item may leave fields out: then the stretch before the next one follows. No field can come
//! twice, for each stretch is passed at most once.
//!
//! Input: the places of an item's values. Output: stretches of bytes to pass over.

use wide::u8x16;

use super::field::Field;
use super::json::{Place, read_object, value_end};
use super::scan::halves;

/// Fields that a layout may have; entries with more are read token by token.
const MAX_STEPS: usize = 64;
/// Bytes of a stretch that are compared at once.
const STRETCH_BYTES: usize = 32;

/// The stretches of an item. Without steps it is the layout of no item.
#[derive(Default)]
pub(super) struct Layout {
    /// Before each value.
    steps: Vec<Step>,
    /// Behind the last value.
    behind: Stretch,
}

/// One field of an item.
struct Step {
    /// From the end of the value before it to its own value.
    before: Stretch,
    /// The known field it is.
    field: Option<Field>,
    /// Whether an item without it may be an entry all the same.
    may_be_left_out: bool,
}

/// Bytes to compare with.
struct Stretch {
    text: [u8x16; 2],
    /// A bit for each byte of the text above.
    wanted: u32,
    bytes: usize,
    /// What is behind the first [`STRETCH_BYTES`].
    rest: Box<[u8]>,
}

impl Default for Stretch {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl Layout {
    /// Takes over the layout of the entry from `start` to `end`, whose values are at these places in their order.
    pub(super) fn set(&mut self, bytes: &[u8], start: usize, places: &[Place], end: usize) {
        self.steps.clear();
        let Some(last) = places.last().filter(|_| places.len() <= MAX_STEPS) else { return };
        let mut from = start;
        for place in places {
            let field = place.field;
            // The first stretch holds the opening bracket.
            let may_be_left_out = from > start && field.is_none_or(|field| field.index() >= Field::REQUIRED);
            self.steps.push(Step { before: Stretch::of(&bytes[from..place.start]), field, may_be_left_out });
            from = place.end;
        }
        self.behind = Stretch::of(&bytes[last.end..end]);
    }

    /// As [`read_object`], and mostly without reading keys: where the object at `start` is laid out as the one before.
    pub(super) fn read_object<const LINE: bool>(
        &mut self,
        bytes: &[u8],
        start: usize,
        places: &mut Vec<Place>,
    ) -> Option<usize> {
        if let Some(end) = self.places::<LINE>(bytes, start, places) {
            return Some(end);
        }
        let end = read_object::<LINE>(bytes, start, places)?;
        self.set(bytes, start, places, end);
        Some(end)
    }

    fn places<const LINE: bool>(&self, bytes: &[u8], start: usize, places: &mut Vec<Place>) -> Option<usize> {
        places.clear();
        self.pass(bytes, start, |field, start| {
            let end = value_end::<LINE>(bytes, start)?;
            places.push(Place { field, start, end });
            Some(end)
        })
    }

    /// Goes from value to value of the item at `start`, and returns the position behind the item. `pass_value` gets
    /// each value's field and position, and returns the position behind the value. `None` where `pass_value` returns
    /// it, or where the item has another layout.
    #[inline(always)]
    pub(super) fn pass(
        &self,
        bytes: &[u8],
        start: usize,
        mut pass_value: impl FnMut(Option<Field>, usize) -> Option<usize>,
    ) -> Option<usize> {
        if self.steps.is_empty() {
            return None;
        }
        let mut pos = start;
        for step in &self.steps {
            match step.before.skip(bytes, pos) {
                Some(value) => pos = pass_value(step.field, value)?,
                None if step.may_be_left_out => {}
                None => return None,
            }
        }
        self.behind.skip(bytes, pos)
    }
}

impl Stretch {
    fn of(bytes: &[u8]) -> Self {
        let (first, rest) = bytes.split_at(bytes.len().min(STRETCH_BYTES));
        let mut padded = [0; STRETCH_BYTES];
        padded[..first.len()].copy_from_slice(first);
        let wanted = if first.len() == STRETCH_BYTES { u32::MAX } else { (1 << first.len()) - 1 };
        Self { text: halves(&padded), wanted, bytes: bytes.len(), rest: rest.into() }
    }

    /// The position behind this stretch, if it stands at `pos`, and not too near the end to be read at once.
    #[inline(always)]
    fn skip(&self, bytes: &[u8], pos: usize) -> Option<usize> {
        let [first, second] = halves(bytes.get(pos..)?.first_chunk()?);
        let same = first.simd_eq(self.text[0]).to_bitmask() | second.simd_eq(self.text[1]).to_bitmask() << 16;
        if same & self.wanted != self.wanted {
            return None;
        }
        let end = pos + self.bytes;
        let is_whole = self.rest.is_empty() || bytes.get(pos + STRETCH_BYTES..end) == Some(&*self.rest);
        is_whole.then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_skipped_only_where_all_of_it_stands() {
        for len in 0..=100 {
            let text: Vec<u8> = (0..len as u8).map(|i| b'a' + i % 26).collect();
            let stretch = Stretch::of(&text);
            let mut body = [b"..", text.as_slice(), &[b'-'; STRETCH_BYTES]].concat();
            assert_eq!(stretch.skip(&body, 2), Some(2 + len));
            assert_eq!(stretch.skip(&body[..2 + len.min(31)], 2), None);
            for place in 2..2 + len {
                body[place] ^= 1;
                assert_eq!(stretch.skip(&body, 2), None);
                body[place] ^= 1;
            }
        }
    }

    #[test]
    fn layouts_of_no_or_too_many_fields_have_no_steps() {
        let mut layout = Layout::default();
        let item = [b'1'; 1_000];
        let places =
            |count| (0..count).map(|place| Place { field: None, start: 2 * place + 1, end: 2 * place + 2 });
        let set = |layout: &mut Layout, count: usize| {
            layout.set(&item, 0, &places(count).collect::<Vec<_>>(), 1_000)
        };
        set(&mut layout, 1);
        assert_eq!(layout.steps.len(), 1);
        set(&mut layout, MAX_STEPS + 1);
        assert!(layout.steps.is_empty());
        set(&mut layout, MAX_STEPS);
        assert_eq!(layout.steps.len(), MAX_STEPS);
        set(&mut layout, 0);
        assert!(layout.steps.is_empty());
    }
}
