//! How the items of a batch are strung together: what stands around the four texts.
//!
//! One program writes all entries of a batch, so that mostly only the texts differ from item to item: the
//! same fields in the same order, the same white space, the same constants. What stood between the texts of
//! one item, which was read with care, is compared as a whole in the next. Same bytes around plain strings
//! are the same JSON, so this can take only what that care would take too.

use wide::u8x16;

use super::error::Field;
use super::scan::halves;

/// The longest stretch between two texts that is remembered.
const MAX_BYTES: usize = 32;

/// The order of the fields, and what stands before, between and behind their texts, quotes included.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) order: [Field; 4],
    pub(super) before: [Stretch; 4],
    pub(super) behind: Stretch,
}

/// Bytes to compare with, at most [`MAX_BYTES`], zeros behind them; none at all match where they are not known yet.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    text: [u8x16; 2],
    masks: [u8x16; 2],
    bytes: usize,
}

/// Where the text of a field stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) field: Field,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Layout {
    /// A layout that no item has.
    pub(super) fn unknown() -> Self {
        let stretch = Stretch { text: [u8x16::splat(1); 2], masks: [u8x16::splat(0); 2], bytes: 0 };
        Self { order: Field::ALL, before: [stretch; 4], behind: stretch }
    }

    /// The layout of the item from `start` to `end`, whose texts are at these places in their order. `None`
    /// where too much stands between them.
    pub(super) fn of(bytes: &[u8], start: usize, places: [Place; 4], end: usize) -> Option<Self> {
        let before = |index: usize| {
            let start = if index == 0 { start } else { places[index - 1].end };
            Stretch::of(&bytes[start..places[index].start])
        };
        Some(Self {
            order: places.map(|place| place.field),
            before: [before(0)?, before(1)?, before(2)?, before(3)?],
            behind: Stretch::of(&bytes[places[3].end..end])?,
        })
    }
}

impl Stretch {
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut padded = [0; MAX_BYTES];
        let mut mask = [0; MAX_BYTES];
        padded.get_mut(..bytes.len())?.copy_from_slice(bytes);
        mask[..bytes.len()].fill(u8::MAX);
        Some(Self { text: halves(&padded), masks: halves(&mask), bytes: bytes.len() })
    }

    /// The position behind this stretch, if it stands at `pos`, and not too near the end to be read at once.
    #[inline(always)]
    pub(super) fn skip(&self, bytes: &[u8], pos: usize) -> Option<usize> {
        let rest = bytes.get(pos..)?;
        if self.bytes <= MAX_BYTES / 2 {
            let first = u8x16::new(*rest.first_chunk()?) & self.masks[0];
            return (first.simd_eq(self.text[0]).to_bitmask() == 0xFFFF).then_some(pos + self.bytes);
        }
        let [first, second] = halves(rest.first_chunk()?);
        let (first, second) = (first & self.masks[0], second & self.masks[1]);
        let are_same = first.simd_eq(self.text[0]) & second.simd_eq(self.text[1]);
        (are_same.to_bitmask() == 0xFFFF).then_some(pos + self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_skipped_only_where_all_of_it_stands() {
        for len in 0..=MAX_BYTES {
            let text: Vec<u8> = (0..len as u8).map(|i| b'a' + i % 26).collect();
            let stretch = Stretch::of(&text).unwrap();
            let mut body = [b"..", text.as_slice(), &[b'-'; MAX_BYTES]].concat();
            assert_eq!(stretch.skip(&body, 2), Some(2 + len));
            assert_eq!(stretch.skip(&body[..2 + len.min(15)], 2), None);
            for place in 2..2 + len {
                body[place] ^= 1;
                assert_eq!(stretch.skip(&body, 2), None);
                body[place] ^= 1;
            }
        }
        assert!(Stretch::of(&[0; MAX_BYTES + 1]).is_none());
        assert_eq!(Layout::unknown().before[0].skip(&[0; 64], 0), None);
    }
}
