//! Counting: distinct texts become small numbers, and requests are counted per minute and number.
//!
//! In come entries that are already checked, one by one or as another tally; out goes what `summarize` turns
//! into a canonical summary. Memory is bounded by the entries counted, whatever they are. Hashes are seeded
//! anew for each tally, against inputs made to collide, and leave no trace in the result.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use wide::u8x16;

use super::checks;
use super::intern::{BLOCK, Interner};
use super::scan::Short;
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
    /// Short methods as they were sent, packed, and their numbers. A few occur in nearly all entries.
    known_methods: [(u64, u32); METHODS],
    rows: HashMap<WindowStart, u32, RandomState>,
    /// The rows of the minutes seen lately, by the lowest bits of the minute.
    recent: [(WindowStart, u32); RECENT],
}

/// One entry with a short path on its way to be counted.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    /// Of the minute, see [`Tally::row`].
    pub(super) row: u32,
    /// See [`Tally::method`].
    pub(super) method: u32,
    pub(super) path: Short,
    /// The number of the user agent in [`Tally::agents`].
    pub(super) agent: u32,
}

impl Pending {
    /// Not an entry yet.
    pub(super) const NONE: Self =
        Self { row: 0, method: 0, path: Short { parts: [u8x16::ZERO; 3], bytes: 0 }, agent: 0 };
}

/// Logs are nearly in order of time, so that few minutes alternate.
const RECENT: usize = 16;
const METHODS: usize = 16;

/// The slot of a short method. The factor is one (found by trying) that keeps the methods of RFC 9110 and PATCH
/// apart, so that which of them comes next makes no branch that the processor could guess wrong.
#[inline(always)]
fn method_slot(packed: u64) -> usize {
    (packed.wrapping_mul(0xF3C6_4AF7_75A8_9295) >> 60) as usize % METHODS
}

/// No minute of ours is this late.
const NO_MINUTE: WindowStart = WindowStart(u32::MAX);

impl Tally {
    /// An empty tally for entries that take this many bytes of a body. A guess at what they will need saves
    /// growing again and again; for a small batch that would be most of the work.
    pub(super) fn for_bytes(bytes: usize) -> Self {
        let keys = (bytes / 256).clamp(16, 512);
        Self {
            truncated: 0,
            entries: 0,
            methods: Interner::with_capacity(8, 8),
            paths: Interner::with_capacity(keys, 40),
            agents: Interner::with_capacity(keys.min(64), 128),
            minutes: Vec::new(),
            by_path: Grid::default(),
            by_agent: Grid::default(),
            known_methods: [(0, 0); METHODS],
            rows: HashMap::default(),
            recent: [(NO_MINUTE, 0); RECENT],
        }
    }

    /// How many distinct minutes there are.
    pub(super) fn minutes(&self) -> usize {
        self.minutes.len()
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let keys = [&self.methods, &self.paths, &self.agents].map(Interner::memory_bytes);
        keys.iter().sum::<usize>() + self.by_path.bytes() + self.by_agent.bytes()
    }

    /// The number of a method, which is checked and upper-cased.
    pub(super) fn method(&mut self, method: &str) -> u32 {
        self.methods.intern(method, 0)
    }

    /// The number of a short method as it was sent, packed by `scan::short_plain`, if it was met before.
    #[inline(always)]
    pub(super) fn known_method(&self, packed: u64) -> Option<u32> {
        let known = self.known_methods[method_slot(packed)];
        (known.0 == packed && packed != 0).then_some(known.1)
    }

    /// The number of a method as it was sent, packed where it is short (else 0). `None` where it is refused.
    #[cold]
    pub(super) fn learn_method(&mut self, packed: u64, text: &str) -> Option<u32> {
        let id = self.method(&checks::method(text).ok()?);
        self.known_methods[method_slot(packed)] = (packed, id);
        Some(id)
    }

    /// Counts entries, at most [`BLOCK`].
    pub(super) fn count(&mut self, entries: &[Pending]) {
        let mut ids = [0; BLOCK];
        self.paths.intern_short(entries.iter().map(|entry| (&entry.path, entry.method)), &mut ids);
        entries.iter().zip(ids).for_each(|(entry, id)| self.by_path.add(entry.row, id, 1));
        entries.iter().for_each(|entry| self.by_agent.add(entry.row, entry.agent, 1));
        self.entries += entries.len() as u32;
    }

    /// Counts one entry, with any path.
    pub(super) fn count_one(&mut self, row: u32, method: u32, path: &str, agent: u32) {
        let path = self.paths.intern(path, method);
        self.by_path.add(row, path, 1);
        self.by_agent.add(row, agent, 1);
        self.entries += 1;
    }

    /// The row of a minute in both grids.
    #[inline(always)]
    pub(super) fn row(&mut self, minute: WindowStart) -> u32 {
        let slot = minute.0 as usize % RECENT;
        if self.recent[slot].0 == minute { self.recent[slot].1 } else { self.find_row(minute) }
    }

    #[cold]
    fn find_row(&mut self, minute: WindowStart) -> u32 {
        let next = u32::try_from(self.minutes.len()).expect("there are fewer than 2^32 minutes");
        let row = *self.rows.entry(minute).or_insert(next);
        if row == next {
            self.minutes.push(minute);
        }
        self.recent[minute.0 as usize % RECENT] = (minute, row);
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

    fn bytes(&self) -> usize {
        self.cells * size_of::<u32>() + self.beyond.capacity() * size_of::<(u32, u32, u32)>()
    }

    /// Every (row, number, count) with a count above zero; a pair may come more than once.
    pub(super) fn for_each(&self, mut visit: impl FnMut(u32, u32, u32)) {
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
    pub(super) fn row(&self, row: u32) -> impl Iterator<Item = (u32, u32)> + Clone {
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
    fn the_usual_methods_have_slots_of_their_own() {
        let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
        let slots = methods.map(|method| {
            let mut packed = [0; 8];
            packed[..method.len()].copy_from_slice(method.as_bytes());
            method_slot(u64::from_le_bytes(packed))
        });
        assert_eq!(std::collections::HashSet::from(slots).len(), methods.len());
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
