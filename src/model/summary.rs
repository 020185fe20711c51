//! A batch reduced to minute windows, and its parts.
//!
//! Input: keys, counts and measures of a batch's minutes. Output: the same summed into coarser windows.
//! Never: anything that depends on the order of the batch's entries: equal batches have equal summaries.

use std::sync::Arc;

use super::{CustomerId, WindowId, WindowStart};
use crate::dimension::DIMENSION_COUNT;
use crate::measures::{MeasureRows, Measures, Totals, Visitors};

/// Distinct strings in one allocation, addressed by index. A summary's keys of one dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyTable {
    text: String,
    ends: Vec<u32>,
}

impl KeyTable {
    /// An empty table with room for this many keys of this many bytes together.
    pub fn with_capacity(keys: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(keys) }
    }

    /// Appends a key and returns its index.
    pub fn push(&mut self, key: &str) -> u32 {
        let index = u32::try_from(self.ends.len()).expect("a batch has fewer than 2^32 keys");
        self.text.push_str(key);
        self.ends.push(u32::try_from(self.text.len()).expect("a batch's keys are under 4 GiB"));
        index
    }

    /// The key at this index. Panics where there is none.
    pub fn get(&self, index: u32) -> &str {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    pub fn bytes(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The keys in index order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index as u32))
    }
}

impl<'a> FromIterator<&'a str> for KeyTable {
    fn from_iter<I: IntoIterator<Item = &'a str>>(keys: I) -> Self {
        let mut table = KeyTable::default();
        keys.into_iter().for_each(|key| {
            table.push(key);
        });
        table
    }
}

/// The keys a summary's counts refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// For each dimension its keys, sorted by bytes, distinct.
    pub tables: [KeyTable; DIMENSION_COUNT],
}

impl Keys {
    pub fn bytes(&self) -> usize {
        self.tables.iter().map(KeyTable::bytes).sum()
    }
}

/// The requests of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCount {
    /// The index of the key in its [`KeyTable`].
    pub index: u32,
    /// Above zero.
    pub requests: u32,
    /// How many of them were of robots.
    pub robots: u32,
}

/// The counts of one window by the keys of one dimension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// Ascending by index.
    pub rows: Vec<KeyCount>,
    /// What was measured of each row; no rows at all where nothing was, or the dimension is not measured.
    pub measures: MeasureRows,
}

impl KeyCounts {
    pub fn bytes(&self) -> usize {
        self.rows.len() * size_of::<KeyCount>() + self.measures.bytes()
    }

    /// The requests of all keys.
    pub fn requests(&self) -> u64 {
        self.rows.iter().map(|row| u64::from(row.requests)).sum()
    }

    /// Counts without measures from rows in any order, an index more than once perhaps. Indices are below `keys`.
    pub fn from_rows(rows: impl Iterator<Item = KeyCount> + Clone, keys: usize) -> KeyCounts {
        KeyCounts { rows: sum_rows(rows, keys), measures: MeasureRows::default() }
    }

    /// The counts of several windows together. Their indices are below `keys`.
    fn sum<'a>(parts: impl Iterator<Item = &'a KeyCounts> + Clone, keys: usize) -> KeyCounts {
        let rows = sum_rows(parts.clone().flat_map(|part| part.rows.iter().copied()), keys);
        if parts.clone().all(|part| part.measures.is_empty()) {
            return KeyCounts { rows, measures: MeasureRows::default() };
        }
        let mut sums = vec![Measures::default(); rows.len()];
        for part in parts {
            for (row, measures) in part.rows.iter().zip(part.measures.iter()) {
                let place = rows.binary_search_by_key(&row.index, |row| row.index);
                sums[place.expect("every row of a part has a sum")].merge_row(measures);
            }
        }
        let mut measures =
            MeasureRows::with_capacity(sums.len(), sums.iter().map(Measures::cell_words).sum());
        for sum in &sums {
            // A sum of a batch is at most the number of its entries, which has 32 bits.
            let cells = sum.cells().map(|(cell, count)| (cell, count as u32));
            measures.push(sum.response_bytes, sum.duration_micros, cells);
        }
        KeyCounts { rows, measures }
    }
}

/// Adds up rows with indices below `keys`: ascending by index, distinct.
fn sum_rows(rows: impl Iterator<Item = KeyCount> + Clone, keys: usize) -> Vec<KeyCount> {
    let add = |sum: &mut KeyCount, row: &KeyCount| {
        sum.requests += row.requests;
        sum.robots += row.robots;
    };
    // An array over all keys is faster than sorting, unless only few of very many keys occur.
    let count = rows.clone().count();
    if count >= keys / 16 {
        let mut sums: Vec<KeyCount> =
            (0..keys as u32).map(|index| KeyCount { index, requests: 0, robots: 0 }).collect();
        rows.for_each(|row| add(&mut sums[row.index as usize], &row));
        sums.retain(|sum| sum.requests > 0);
        return sums;
    }
    let mut sums: Vec<KeyCount> = rows.collect();
    sums.sort_unstable_by_key(|row| row.index);
    sums.dedup_by(|next, kept| {
        let is_same = next.index == kept.index;
        if is_same {
            add(kept, next);
        }
        is_same
    });
    sums
}

/// The counts of a batch in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub all: Totals,
    pub robots: Totals,
    /// The visitors among the other requests.
    pub visitors: Visitors,
    /// For each dimension its counts by key. Where every entry has a key they sum to the requests, else to no more.
    pub by: [KeyCounts; DIMENSION_COUNT],
}

impl Counts {
    /// How many entries there are.
    pub fn requests(&self) -> u32 {
        u32::try_from(self.all.requests).expect("a batch's entries are counted in 32 bits")
    }

    pub fn bytes(&self) -> usize {
        let totals = self.all.measures.bytes() + self.robots.measures.bytes() + self.visitors.bytes();
        size_of::<Self>() + totals + self.by.iter().map(KeyCounts::bytes).sum::<usize>()
    }

    /// The counts of several windows of one batch together.
    pub fn sum(parts: &[&Counts], keys: &Keys) -> Counts {
        let mut sum = Counts::default();
        for part in parts {
            sum.all.merge(&part.all);
            sum.robots.merge(&part.robots);
            sum.visitors.merge(&part.visitors);
        }
        for (dimension, by) in sum.by.iter_mut().enumerate() {
            let parts = parts.iter().map(|part| &part.by[dimension]);
            *by = KeyCounts::sum(parts, keys.tables[dimension].len());
        }
        sum
    }
}

/// A batch reduced to minute windows, in canonical form: equal batches give equal summaries, whatever the
/// order of their entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries in the batch.
    pub entries: u32,
    /// The keys the counts refer to.
    pub keys: Arc<Keys>,
    /// One per distinct minute, ascending by start.
    pub minutes: Vec<(WindowStart, Arc<Counts>)>,
}

/// One window of one summary: the unit that is routed to a window worker.
#[derive(Clone, Debug)]
pub struct Insight {
    pub customer: CustomerId,
    pub window: WindowId,
    /// The keys the counts refer to, shared by all insights of the batch.
    pub keys: Arc<Keys>,
    pub counts: Arc<Counts>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::Cell;

    fn part(rows: &[(u32, u32)], is_measured: bool) -> Counts {
        let mut counts = Counts::default();
        for (index, requests) in rows {
            counts.by[0].rows.push(KeyCount { index: *index, requests: *requests, robots: requests / 2 });
            counts.all.requests += u64::from(*requests);
            if is_measured {
                let cells = [(Cell::status(200).unwrap(), *requests)];
                counts.by[0].measures.push(u64::from(*index), 1, cells);
            }
        }
        counts
    }

    #[test]
    fn parts_sum_to_the_same_by_array_and_by_sorting() {
        let parts = [part(&[(1, 3), (4, 2)], true), part(&[(0, 5), (4, 7)], false), part(&[(4, 1)], true)];
        let parts: Vec<&Counts> = parts.iter().collect();
        // The number of keys decides which of the two ways is used.
        for keys in [5, 500] {
            let mut table = Keys::default();
            table.tables[0] =
                (0..keys).map(|key| key.to_string()).collect::<Vec<_>>().iter().map(|key| &**key).collect();
            let sum = Counts::sum(&parts, &table);
            let rows: Vec<_> =
                sum.by[0].rows.iter().map(|row| (row.index, row.requests, row.robots)).collect();
            assert_eq!(rows, [(0, 5, 2), (1, 3, 1), (4, 10, 4)]);
            let bytes: Vec<_> =
                sum.by[0].measures.iter().map(|row| (row.response_bytes, row.cells.len())).collect();
            assert_eq!(bytes, [(0, 0), (1, 1), (8, 1)]);
            assert_eq!((sum.all.requests, sum.by[0].requests()), (18, 18));
        }
    }
}
