//! Counts by cell in eight bytes each.
//!
//! Input: cells and counts. Output: the counts that are above zero, ascending by cell.
//! Never: a count above [`MAX_SUM`], or two forms of the same counts.
//!
//! A full window keeps millions of these, and nearly all are small. So 48 bits of a word are for the count and 16 for the
//! cell; a count that needs more has its upper 15 bits in a second word right behind.

use super::{Cell, MAX_SUM, saturating_sum};

const LOW_BITS: u32 = 48;
const LOW: u64 = (1 << LOW_BITS) - 1;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CellCounts(Vec<u64>);

/// The word with a cell's low bits is tagged with twice the cell's number, that with its high bits with one more.
fn tag(cell: Cell) -> u64 {
    u64::from(cell.number()) << 1
}

impl CellCounts {
    /// The counts that are above zero, ascending by cell.
    pub(super) fn iter(&self) -> CellCountsIter<'_> {
        CellCountsIter(&self.0)
    }

    pub(super) fn get(&self, cell: Cell) -> u64 {
        let place = self.place(cell);
        CellCountsIter(&self.0[place..])
            .next()
            .filter(|(found, _)| *found == cell)
            .map_or(0, |(_, count)| count)
    }

    pub(super) fn add(&mut self, cell: Cell, count: u64) {
        let place = self.place(cell);
        match self.0.get_mut(place) {
            // The usual case. (A second word, if there is one, does not change.)
            Some(word) if *word >> LOW_BITS == tag(cell) && count <= LOW - (*word & LOW) => *word += count,
            _ => self.set(cell, saturating_sum(self.get(cell), count)),
        }
    }

    /// Sets the count of a cell, at most [`MAX_SUM`]; zero removes the cell.
    pub(super) fn set(&mut self, cell: Cell, count: u64) {
        assert!(count <= MAX_SUM, "sums saturate");
        let place = self.place(cell);
        let words =
            self.0[place..].iter().take_while(|word| *word >> (LOW_BITS + 1) == u64::from(cell.number()));
        let words = place..place + words.count();
        let low = (count > 0).then_some(tag(cell) << LOW_BITS | count & LOW);
        let high = (count > LOW).then_some((tag(cell) + 1) << LOW_BITS | count >> LOW_BITS);
        self.0.splice(words, low.into_iter().chain(high));
    }

    /// Where the words of a cell are or would be.
    fn place(&self, cell: Cell) -> usize {
        self.0.partition_point(|word| *word >> LOW_BITS < tag(cell))
    }

    /// How many words there are: usually as many as cells.
    pub(super) fn words(&self) -> usize {
        self.0.len()
    }

    /// The memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<u64>()
    }
}

/// Goes over the counts of cells.
#[derive(Clone, Debug)]
pub(super) struct CellCountsIter<'c>(&'c [u64]);

impl Iterator for CellCountsIter<'_> {
    type Item = (Cell, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let (word, rest) = self.0.split_first()?;
        self.0 = rest;
        let tag = word >> LOW_BITS;
        let cell = Cell::from_number((tag >> 1) as u16).expect("words are tagged with cells");
        let mut count = word & LOW;
        if let Some((high, rest)) = rest.split_first().filter(|(high, _)| **high >> LOW_BITS == tag + 1) {
            self.0 = rest;
            count |= (high & LOW) << LOW_BITS;
        }
        Some((cell, count))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::measures::CELL_COUNT;

    proptest! {
        #[test]
        fn counts_are_those_of_a_plain_map(
            steps in prop::collection::vec((0..CELL_COUNT as u16, 0..5u32, any::<u64>()), 0..60),
        ) {
            let (mut counts, mut plain) = (CellCounts::default(), BTreeMap::new());
            for (number, kind, random) in steps {
                // Few cells, so that they meet; counts around the ends of both words.
                let cell = Cell::from_number(number % 6 * 200).unwrap();
                let count = [random % 10, LOW - random % 3, LOW + random % 3, MAX_SUM - random % 3, random & MAX_SUM][kind as usize];
                if random % 7 == 0 {
                    counts.set(cell, count);
                    plain.insert(cell, count);
                } else {
                    counts.add(cell, count);
                    let sum = plain.entry(cell).or_insert(0);
                    *sum = saturating_sum(*sum, count);
                }
                plain.retain(|_, count| *count > 0);
                prop_assert_eq!(counts.iter().collect::<BTreeMap<_, _>>(), plain.clone());
                prop_assert_eq!(counts.iter().count(), plain.len());
                prop_assert_eq!(counts.get(cell), plain.get(&cell).copied().unwrap_or(0));
                let highs = plain.values().filter(|count| **count > LOW).count();
                prop_assert_eq!(counts.words(), plain.len() + highs);
            }
        }
    }
}
