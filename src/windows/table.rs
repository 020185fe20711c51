//! The counts of one window by the keys of one dimension, in memory.
//!
//! Input: rows of insights, or of a file. Output: counts by key, and how much memory they take.
//! Never: a bound on how many keys there are: see [`super::fold`].
//!
//! The keys lie one behind the other in one text, and rows refer to them: a window has up to 50,000 keys, and neither an
//! allocation for each nor a copy of each is needed when a query takes a snapshot of the window.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::dimension::OTHER;
use crate::measures::{MeasureRow, Measures, saturating_sum};
use crate::model::{KeyCounts, KeyTable};

/// What a cell of measures counts in [`CountTable::weight`].
pub const CELL_WEIGHT: usize = 8;

/// The counts of a key, besides its measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyTotals {
    pub requests: u64,
    pub robots: u64,
}

impl KeyTotals {
    pub fn merge(&mut self, other: KeyTotals) {
        self.requests = saturating_sum(self.requests, other.requests);
        self.robots = saturating_sum(self.robots, other.robots);
    }
}

/// Counts by key.
#[derive(Clone, Debug, Default)]
pub struct CountTable {
    text: String,
    rows: Vec<Row>,
    /// Of the first rows; those behind have none.
    measures: Vec<Measures>,
    /// The places of the rows, found by the hash of their keys.
    places: HashTable<u32>,
    hasher: RandomState,
    /// The number of cells in all measures together.
    cells: usize,
    /// The counts of keys without a name.
    rest: KeyTotals,
    rest_measures: Measures,
    /// Whether keys that it does not have count in the rest.
    is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    start: u32,
    bytes: u32,
    tally: KeyTotals,
}

impl Row {
    fn key<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start as usize..][..self.bytes as usize]
    }
}

/// One key of a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableRow<'a> {
    pub key: &'a str,
    pub tally: KeyTotals,
    pub measures: Option<&'a Measures>,
}

impl CountTable {
    /// Adds the counts of an insight.
    pub fn merge(&mut self, keys: &KeyTable, counts: &KeyCounts) {
        self.reserve_for(keys, counts);
        let is_measured = !counts.measures.is_empty();
        for (index, row) in counts.rows.iter().enumerate() {
            let tally = KeyTotals { requests: u64::from(row.requests), robots: u64::from(row.robots) };
            let key = keys.get(row.index);
            if self.is_closed && self.find(key).is_none() {
                let mut measures = Measures::default();
                if is_measured {
                    measures.merge_row(counts.measures.get(index));
                }
                self.add_rest(tally, Some(&measures));
                continue;
            }
            let place = self.add(key, tally);
            if is_measured {
                self.measure(place, counts.measures.get(index));
            }
        }
    }

    /// Most windows are begun by the insight that fills them.
    fn reserve_for(&mut self, keys: &KeyTable, counts: &KeyCounts) {
        if !self.rows.is_empty() {
            return;
        }
        let bytes = counts.rows.iter().map(|row| keys.get(row.index).len()).sum();
        self.reserve(counts.rows.len(), bytes);
    }

    /// Makes room for rows whose keys take so many bytes together.
    pub fn reserve(&mut self, rows: usize, bytes: usize) {
        self.text.reserve_exact(bytes);
        self.rows.reserve_exact(rows);
        let (rows, text, hasher) = (&self.rows, &self.text, &self.hasher);
        self.places.reserve(self.rows.capacity() - rows.len(), |place| {
            hasher.hash_one(rows[*place as usize].key(text).as_bytes())
        });
    }

    /// A table of the same keys, which counts all others in the rest. Nothing is counted yet.
    pub fn naming_the_same(&self) -> Self {
        let mut table = CountTable { is_closed: true, ..CountTable::default() };
        table.reserve(self.rows.len(), self.text.len());
        self.iter().for_each(|row| {
            table.add(row.key, KeyTotals::default());
        });
        table
    }

    fn find(&self, key: &str) -> Option<usize> {
        let is_key = |place: &u32| self.rows[*place as usize].key(&self.text) == key;
        self.places.find(self.hasher.hash_one(key.as_bytes()), is_key).map(|place| *place as usize)
    }

    /// Adds to a key and returns its place.
    #[inline]
    pub fn add(&mut self, key: &str, tally: KeyTotals) -> usize {
        let (rows, text, hasher) = (&mut self.rows, &mut self.text, &self.hasher);
        let entry = self.places.entry(
            hasher.hash_one(key.as_bytes()),
            |place| rows[*place as usize].key(text).as_bytes() == key.as_bytes(),
            |place| hasher.hash_one(rows[*place as usize].key(text).as_bytes()),
        );
        match entry {
            Entry::Occupied(entry) => {
                let place = *entry.get() as usize;
                rows[place].tally.merge(tally);
                place
            }
            Entry::Vacant(entry) => {
                let place = rows.len();
                let start =
                    u32::try_from(text.len()).expect("a folded table and one insight are under 4 GiB");
                entry.insert(place as u32);
                rows.push(Row { start, bytes: key.len() as u32, tally });
                text.push_str(key);
                place
            }
        }
    }

    /// Adds to the measures of the row at this place.
    fn measure(&mut self, place: usize, row: MeasureRow<'_>) {
        if !row.is_empty() {
            let measures = self.measures_at(place);
            let before = measures.cell_words();
            measures.merge_row(row);
            self.cells += self.measures[place].cell_words() - before;
        }
    }

    /// Adds to the measures of the row at this place.
    pub fn merge_measures(&mut self, place: usize, measured: &Measures) {
        if !measured.is_empty() {
            let measures = self.measures_at(place);
            let before = measures.cell_words();
            measures.merge(measured);
            self.cells += self.measures[place].cell_words() - before;
        }
    }

    /// Gives the row at this place, which has none, its measures.
    pub fn set_measures(&mut self, place: usize, measures: Measures) {
        self.cells += measures.cell_words();
        *self.measures_at(place) = measures;
    }

    fn measures_at(&mut self, place: usize) -> &mut Measures {
        if self.measures.len() <= place {
            self.measures.reserve_exact(self.rows.capacity() - self.measures.len());
            self.measures.resize_with(self.rows.len(), Measures::default);
        }
        &mut self.measures[place]
    }

    /// Adds to the counts of keys without a name.
    pub fn add_rest(&mut self, tally: KeyTotals, measures: Option<&Measures>) {
        self.rest.merge(tally);
        if let Some(measures) = measures {
            self.rest_measures.merge(measures);
        }
    }

    /// Moves the counts of the rows at these places, which ascend, to those of keys without a name.
    pub fn remove(&mut self, places: &[u32]) {
        let mut kept = CountTable {
            hasher: self.hasher.clone(),
            rest: self.rest,
            rest_measures: std::mem::take(&mut self.rest_measures),
            ..CountTable::default()
        };
        kept.reserve(self.rows.len() - places.len(), self.text.len());
        let mut removed = places.iter().peekable();
        for (place, row) in self.rows.iter().enumerate() {
            let measures = self.measures.get_mut(place).map(std::mem::take).filter(|sums| !sums.is_empty());
            if removed.next_if(|removed| **removed as usize == place).is_some() {
                kept.add_rest(row.tally, measures.as_ref());
                continue;
            }
            let place = kept.add(row.key(&self.text), row.tally);
            if let Some(measures) = measures {
                kept.set_measures(place, measures);
            }
        }
        assert!(removed.next().is_none(), "the places of rows ascend");
        *self = kept;
    }

    pub fn row(&self, place: usize) -> TableRow<'_> {
        let row = &self.rows[place];
        let measures = self.measures.get(place).filter(|measures| !measures.is_empty());
        TableRow { key: row.key(&self.text), tally: row.tally, measures }
    }

    /// All keys with their counts, in no order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TableRow<'_>> {
        (0..self.rows.len()).map(|place| self.row(place))
    }

    /// The counts of keys without a name; `None` if there are none.
    pub fn rest(&self) -> Option<TableRow<'_>> {
        let measures = Some(&self.rest_measures).filter(|measures| !measures.is_empty());
        (self.rest.requests > 0).then_some(TableRow { key: OTHER, tally: self.rest, measures })
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The weight that the bound on its size limits: the text of the keys, and 8 bytes for each cell of their
    /// measures.
    pub fn weight(&self) -> usize {
        self.text.len() + self.cells * CELL_WEIGHT
    }

    /// Roughly the memory behind it.
    pub fn resident_bytes(&self) -> usize {
        // The memory for cells is between full and half empty.
        let cells = (self.cells + self.rest_measures.cell_words()) * CELL_WEIGHT * 3 / 2;
        self.text.capacity()
            + self.rows.capacity() * size_of::<Row>()
            + self.places.allocation_size()
            + self.measures.capacity() * size_of::<Measures>()
            + cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::Cell;
    use crate::model::KeyCount;

    fn tally(requests: u64) -> KeyTotals {
        KeyTotals { requests, robots: requests / 2 }
    }

    fn table() -> CountTable {
        let mut table = CountTable::default();
        for (number, key) in ["GET /", "GET /é", "", "PUT /x"].into_iter().enumerate() {
            let place = table.add(key, tally(number as u64 + 1));
            if number % 2 == 1 {
                let mut measures = Measures::new(10, 0);
                measures.add_cell(Cell::status(200).unwrap(), 2);
                table.merge_measures(place, &measures);
            }
        }
        table
    }

    fn shown(table: &CountTable) -> Vec<(String, u64, u64)> {
        let rows = table.iter().chain(table.rest());
        let bytes = |row: &TableRow<'_>| row.measures.map_or(0, |measures| measures.response_bytes);
        let mut shown: Vec<_> =
            rows.map(|row| (row.key.to_owned(), row.tally.requests, bytes(&row))).collect();
        shown.sort();
        shown
    }

    #[test]
    fn a_removed_key_counts_in_the_rest_and_may_come_back() {
        let mut table = table();
        assert_eq!((table.len(), table.weight()), (4, 5 + 7 + 6 + 2 * CELL_WEIGHT));
        table.remove(&[0, 3]);
        let row = |key: &str, requests, bytes| (key.to_owned(), requests, bytes);
        assert_eq!(shown(&table), [row("", 3, 0), row("(other)", 5, 10), row("GET /é", 2, 10)]);
        assert_eq!((table.len(), table.weight()), (2, 7 + CELL_WEIGHT));
        table.add("PUT /x", tally(1));
        table.add("GET /é", tally(1));
        assert_eq!(
            shown(&table),
            [row("", 3, 0), row("(other)", 5, 10), row("GET /é", 3, 10), row("PUT /x", 1, 0)]
        );
        assert_eq!(table.rest().unwrap().tally, KeyTotals { requests: 5, robots: 2 });
    }

    #[test]
    fn the_memory_of_a_bare_key_is_its_text_and_little_more() {
        let mut keys = KeyTable::default();
        let mut counts = KeyCounts::default();
        for number in 0..10_000 {
            let index = keys.push(&format!("GET /articles/2025/12/{number:06}"));
            counts.rows.push(KeyCount { index, requests: 1, robots: 0 });
        }
        let mut table = CountTable::default();
        table.merge(&keys, &counts);
        let over = table.resident_bytes() / table.len() - keys.get(0).len();
        println!("a key takes {over} bytes besides its text");
        assert!(over <= 40, "{over}");
        assert_eq!(table.weight(), table.len() * keys.get(0).len());
    }
}
