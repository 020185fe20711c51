//! Counting: distinct texts become small numbers, and requests are counted per minute and number.
//!
//! In come entries that are already checked, one by one or as another tally; out goes what `summarize` turns
//! into a canonical summary. Memory is bounded by the entries counted, whatever they are. Hashes are seeded
//! anew for each tally, against inputs made to collide, and leave no trace in the result.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::checks;
use crate::model::WindowStart;

/// Requests of a batch, or of a piece of one, per minute and path and per minute and user agent.
pub(super) struct Tally {
    /// Texts that were cut to their limit.
    pub(super) truncated: u32,
    pub(super) entries: u32,
    pub(super) methods: Interner,
    /// Tagged with the number of the method.
    pub(super) paths: Interner,
    pub(super) agents: Interner,
    /// In the order in which they were first seen; the rows of both grids.
    pub(super) minutes: Vec<WindowStart>,
    pub(super) by_path: Grid,
    pub(super) by_agent: Grid,
    known_methods: [KnownMethod; KNOWN_METHODS],
    rows: HashTable<u32>,
    seed: RandomState,
    /// The rows of the minutes seen lately, by the lowest bits of the minute.
    recent: [(WindowStart, u32); RECENT],
}

/// Logs are nearly in order of time, so that few minutes alternate.
const RECENT: usize = 16;
/// Slots for methods of up to eight bytes, as they were sent: a few occur in nearly all entries.
const KNOWN_METHODS: usize = 16;
/// No minute of ours is this late.
const NO_MINUTE: WindowStart = WindowStart(u32::MAX);

/// The number that a method of this text was given.
#[derive(Clone, Copy, Default)]
struct KnownMethod {
    /// See [`pack`].
    packed: (u64, usize),
    id: u32,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            truncated: 0,
            entries: 0,
            methods: Interner::new(),
            paths: Interner::new(),
            agents: Interner::new(),
            minutes: Vec::new(),
            by_path: Grid::default(),
            by_agent: Grid::default(),
            known_methods: Default::default(),
            rows: HashTable::new(),
            seed: RandomState::default(),
            recent: [(NO_MINUTE, 0); RECENT],
        }
    }

    /// How many distinct minutes there are.
    pub(super) fn minutes(&self) -> usize {
        self.minutes.len()
    }

    /// The number of a method, which is checked and upper-cased.
    pub(super) fn method(&mut self, method: &str) -> u32 {
        self.methods.intern(method, 0)
    }

    /// The number of a method as it was sent; `None` where it is refused.
    #[inline]
    pub(super) fn raw_method(&mut self, text: &str) -> Option<u32> {
        let Some(packed) = pack(text.as_bytes()) else {
            return Some(self.method(&checks::method(text).ok()?));
        };
        let slot = (packed.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60) as usize % KNOWN_METHODS;
        if self.known_methods[slot].packed != packed {
            let id = self.method(&checks::method(text).ok()?);
            self.known_methods[slot] = KnownMethod { packed, id };
        }
        Some(self.known_methods[slot].id)
    }

    /// Counts one entry.
    #[inline]
    pub(super) fn count(&mut self, minute: WindowStart, method: u32, path: &str, user_agent: &str) {
        let row = self.row(minute);
        let path = self.paths.intern(path, method);
        let agent = self.agents.intern(user_agent, 0);
        self.by_path.add(row, path, 1);
        self.by_agent.add(row, agent, 1);
        self.entries += 1;
    }

    #[inline]
    fn row(&mut self, minute: WindowStart) -> u32 {
        let slot = minute.0 as usize % RECENT;
        if self.recent[slot].0 != minute {
            self.recent[slot] = (minute, self.find_row(minute));
        }
        self.recent[slot].1
    }

    fn find_row(&mut self, minute: WindowStart) -> u32 {
        let Self { rows, minutes, seed, .. } = self;
        let found = rows.find(seed.hash_one(minute), |row| minutes[*row as usize] == minute);
        if let Some(row) = found {
            return *row;
        }
        let row = u32::try_from(minutes.len()).expect("there are fewer than 2^32 minutes");
        minutes.push(minute);
        rows.insert_unique(seed.hash_one(minute), row, |row| seed.hash_one(minutes[*row as usize]));
        row
    }

    /// Counts everything that another tally has counted. `None` where the entries together pass `u32`.
    pub(super) fn merge(&mut self, other: &Tally) -> Option<()> {
        self.entries = self.entries.checked_add(other.entries)?;
        self.truncated = self.truncated.saturating_add(other.truncated);
        let rows: Vec<u32> = other.minutes.iter().map(|minute| self.row(*minute)).collect();
        let methods: Vec<u32> = other.methods.iter().map(|(key, _)| self.methods.intern(key, 0)).collect();
        let paths: Vec<u32> = other
            .paths
            .iter()
            .map(|(key, method)| self.paths.intern(key, methods[method as usize]))
            .collect();
        let agents: Vec<u32> = other.agents.iter().map(|(key, _)| self.agents.intern(key, 0)).collect();
        other.by_path.for_each(|row, id, n| self.by_path.add(rows[row as usize], paths[id as usize], n));
        other.by_agent.for_each(|row, id, n| self.by_agent.add(rows[row as usize], agents[id as usize], n));
        Some(())
    }
}

/// One to eight bytes as a number and their length; together they stand for no other text.
#[inline]
fn pack(text: &[u8]) -> Option<(u64, usize)> {
    let packed = match *text {
        [a, .., b] if text.len() < 4 => u64::from_le_bytes([a, text[1], b, 0, 0, 0, 0, 0]),
        [a] => u64::from(a),
        _ if text.len() > 8 => return None,
        _ => {
            // Two reads of four bytes, which overlap where there are fewer than eight.
            let (first, last) = (text.first_chunk::<4>()?, text.last_chunk::<4>()?);
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
    };
    Some((packed, text.len()))
}

/// Distinct (text, tag) pairs and their numbers, dense from 0. Texts are copied once, side by side, so that
/// looking one up touches little memory, wherever in a large body it first stood.
pub(super) struct Interner {
    keys: HashTable<Key>,
    /// By number.
    order: Vec<Key>,
    text: String,
    seed: RandomState,
}

#[derive(Clone, Copy)]
struct Key {
    start: usize,
    bytes: u32,
    tag: u32,
    id: u32,
}

impl Key {
    #[inline]
    fn text(self, text: &str) -> &[u8] {
        &text.as_bytes()[self.start..self.start + self.bytes as usize]
    }
}

impl Interner {
    fn new() -> Self {
        Self { keys: HashTable::new(), order: Vec::new(), text: String::new(), seed: RandomState::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The number of this pair, a new one where it was never seen.
    #[inline]
    pub(super) fn intern(&mut self, key: &str, tag: u32) -> u32 {
        let hash = hash(&self.seed, key.as_bytes(), tag);
        let is_same = |known: &Key| known.tag == tag && *known.text(&self.text) == *key.as_bytes();
        match self.keys.find(hash, is_same) {
            Some(known) => known.id,
            None => self.insert(hash, key, tag),
        }
    }

    #[cold]
    fn insert(&mut self, key_hash: u64, key: &str, tag: u32) -> u32 {
        let id = u32::try_from(self.order.len()).expect("a batch has fewer than 2^32 keys");
        let bytes = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
        let new = Key { start: self.text.len(), bytes, tag, id };
        self.text.push_str(key);
        self.order.push(new);
        let Self { keys, text, seed, .. } = self;
        keys.insert_unique(key_hash, new, |known| hash(seed, known.text(text), known.tag));
        id
    }

    /// The pair with this number.
    pub(super) fn get(&self, id: u32) -> (&str, u32) {
        let key = self.order[id as usize];
        (&self.text[key.start..key.start + key.bytes as usize], key.tag)
    }

    /// All pairs by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        (0..self.order.len()).map(|id| self.get(id as u32))
    }
}

#[inline]
fn hash(seed: &RandomState, key: &[u8], tag: u32) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write(key);
    hasher.write_u32(tag);
    hasher.finish()
}

/// Counts by row and number.
///
/// A row is an array while that pays: all rows together have at most [`CELLS_PER_COUNT`] cells for each count
/// made (and [`FREE_CELLS`]). What goes beyond is kept as a list, so that many minutes times many keys, each
/// seen once, cannot take more memory than a fixed multiple of the body.
#[derive(Default)]
pub(super) struct Grid {
    rows: Vec<Vec<u32>>,
    cells: usize,
    counts: usize,
    /// (row, number, count), unordered, not distinct.
    beyond: Vec<(u32, u32, u32)>,
}

const CELLS_PER_COUNT: usize = 8;
const FREE_CELLS: usize = 64 * 1024;

impl Grid {
    #[inline]
    fn add(&mut self, row: u32, id: u32, count: u32) {
        if let Some(cell) = self.rows.get_mut(row as usize).and_then(|row| row.get_mut(id as usize)) {
            *cell += count;
        } else {
            self.add_cell(row, id, count);
        }
        self.counts += 1;
    }

    #[cold]
    fn add_cell(&mut self, row: u32, id: u32, count: u32) {
        let (row_index, cell) = (row as usize, id as usize);
        if self.rows.len() <= row_index {
            self.rows.resize_with(row_index + 1, Vec::new);
        }
        let row_cells = &mut self.rows[row_index];
        let wanted = (cell + 1).next_power_of_two().max(16);
        let more = wanted - row_cells.len();
        if self.cells + more > FREE_CELLS + CELLS_PER_COUNT * self.counts {
            self.beyond.push((row, id, count));
            return;
        }
        row_cells.resize(wanted, 0);
        self.cells += more;
        row_cells[cell] = count;
    }

    /// Every (row, number, count) with a count above zero; a pair may come more than once.
    fn for_each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        for (row, cells) in self.rows.iter().enumerate() {
            for (id, count) in cells.iter().enumerate().filter(|(_, count)| **count > 0) {
                visit(row as u32, id as u32, *count);
            }
        }
        self.beyond.iter().for_each(|(row, id, count)| visit(*row, *id, *count));
    }

    /// Puts the list in the order of rows, so that [`Grid::row`] finds its part.
    pub(super) fn sort(&mut self) {
        self.beyond.sort_unstable_by_key(|(row, ..)| *row);
    }

    /// Every (number, count) of a row after [`Grid::sort`]; a number may come more than once.
    pub(super) fn row(&self, row: u32) -> impl Iterator<Item = (u32, u32)> {
        let cells = self.rows.get(row as usize).map_or(&[][..], Vec::as_slice);
        let start = self.beyond.partition_point(|(other, ..)| *other < row);
        let beyond = self.beyond[start..].iter().take_while(move |(other, ..)| *other == row);
        let cells = cells.iter().enumerate().filter(|(_, count)| **count > 0);
        cells.map(|(id, count)| (id as u32, *count)).chain(beyond.map(|(_, id, count)| (*id, *count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_depend_on_text_and_tag() {
        let mut interner = Interner::new();
        assert_eq!(
            [("a", 0), ("b", 0), ("a", 1), ("a", 0)].map(|(key, tag)| interner.intern(key, tag)),
            [0, 1, 2, 0]
        );
        for i in 0..10_000 {
            assert_eq!(interner.intern(&format!("/{i}"), 0), i + 3);
        }
        assert_eq!(interner.get(2), ("a", 1));
        assert_eq!(interner.len(), 10_003);
    }

    #[test]
    fn packed_texts_are_as_distinct_as_the_texts() {
        let texts =
            ["", "a", "b", "aa", "ab", "ba", "aaa", "aba", "GET", "HEAD", "HEAX", "POST", "PATCH", "PATCX"];
        let longer = ["TRACES", "OPTIONS", "CONNECT", "PROPFIND", "PROPFINX", "12345678"];
        let all: Vec<_> = texts.iter().chain(&longer).collect();
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
            if let (Some(x), Some(y)) = (pack(a.as_bytes()), pack(b.as_bytes())) {
                assert_eq!(x == y, a == b, "{a} {b}");
            }
        }
        assert_eq!((pack(b""), pack(b"123456789")), (None, None));
    }

    #[test]
    fn a_grid_counts_the_same_beyond_its_cells() {
        let (mut grid, mut want) = (Grid::default(), std::collections::BTreeMap::new());
        for i in 0..200_000_u32 {
            let (row, id) = (i % 1_440, i.wrapping_mul(2_654_435_761) % 30_000);
            grid.add(row, id, 1 + i % 2);
            *want.entry((row, id)).or_insert(0) += 1 + i % 2;
        }
        assert!(!grid.beyond.is_empty() && grid.cells <= FREE_CELLS + CELLS_PER_COUNT * grid.counts);
        grid.sort();
        let mut got = std::collections::BTreeMap::new();
        for row in 0..1_440 {
            grid.row(row).for_each(|(id, count)| *got.entry((row, id)).or_insert(0) += count);
        }
        assert_eq!(got, want);
        let mut visited = std::collections::BTreeMap::new();
        grid.for_each(|row, id, count| *visited.entry((row, id)).or_insert(0) += count);
        assert_eq!(visited, want);
    }
}
