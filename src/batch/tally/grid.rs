//! Counts by minute and key, in arrays while that pays.
//!
//! Input: rows (minutes) and numbers of keys, both dense from 0. Output: what was counted of each pair, by row.
//! Never: memory that a batch of many minutes times many keys, each seen once, could make grow beyond a fixed multiple of
//! what was counted.

/// Cells that a table may have for each pair that was counted.
const CELLS_PER_COUNT: usize = 8;
/// Cells that every table may have.
const FREE_CELLS: usize = 64 * 1024;

/// A number of requests, and how many of them were of robots, added up together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::batch) struct Requests(u64);

impl Requests {
    pub(super) const ZERO: Self = Self(0);

    /// One request.
    #[inline(always)]
    pub(in crate::batch) fn one(is_robot: bool) -> Self {
        Self(1 | u64::from(is_robot) << 32)
    }

    #[inline(always)]
    pub(in crate::batch) fn add(&mut self, more: Requests) {
        self.0 += more.0;
    }

    pub(in crate::batch) fn all(self) -> u32 {
        self.0 as u32
    }

    pub(in crate::batch) fn robots(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(in crate::batch) fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// A row of cells for each minute, each as long as it has to be.
pub(super) struct Cells<T> {
    rows: Vec<Vec<T>>,
    held: usize,
    /// How often a cell was asked for.
    asked: usize,
}

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), held: 0, asked: 0 }
    }
}

impl<T: Copy + Default> Cells<T> {
    /// The cell of a pair. `None` where too many cells would stay empty for it.
    #[inline(always)]
    pub(super) fn get(&mut self, row: u32, id: u32) -> Option<&mut T> {
        self.asked += 1;
        let (row, id) = (row as usize, id as usize);
        let is_there = self.rows.get(row).is_some_and(|cells| id < cells.len());
        if is_there || self.grow(row, id) { self.rows[row].get_mut(id) } else { None }
    }

    #[cold]
    fn grow(&mut self, row: usize, id: usize) -> bool {
        if self.rows.len() <= row {
            self.rows.resize_with(row + 1, Vec::new);
        }
        let wanted = (id + 1).next_power_of_two().max(16);
        let more = wanted - self.rows[row].len();
        if self.held + more > FREE_CELLS + CELLS_PER_COUNT * self.asked {
            return false;
        }
        self.rows[row].resize(wanted, T::default());
        self.held += more;
        true
    }

    /// The cell of a pair, if it is there.
    #[inline(always)]
    pub(super) fn look(&self, row: u32, id: u32) -> Option<&T> {
        self.rows.get(row as usize)?.get(id as usize)
    }

    /// The cells of a row, by number.
    pub(super) fn row(&self, row: u32) -> &[T] {
        self.rows.get(row as usize).map_or(&[], Vec::as_slice)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[T]> {
        self.rows.iter().map(Vec::as_slice)
    }

    pub(super) fn bytes(&self) -> usize {
        self.held * size_of::<T>()
    }
}

/// Requests by row and number.
#[derive(Default)]
pub(in crate::batch) struct CountGrid {
    cells: Cells<Requests>,
    /// What has no cell: (row, number, requests), unordered, not distinct.
    beyond: Vec<(u32, u32, Requests)>,
}

impl CountGrid {
    #[inline(always)]
    pub(super) fn add(&mut self, row: u32, id: u32, requests: Requests) {
        match self.cells.get(row, id) {
            Some(cell) => cell.add(requests),
            None => self.beyond.push((row, id, requests)),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.cells.bytes() + self.beyond.capacity() * size_of::<(u32, u32, Requests)>()
    }

    /// Every (row, number, requests); a pair may come more than once.
    pub(super) fn for_each(&self, mut visit: impl FnMut(u32, u32, Requests)) {
        for (cells, row) in self.cells.rows().zip(0..) {
            for (requests, id) in cells.iter().zip(0..).filter(|(requests, _)| !requests.is_zero()) {
                visit(row, id, *requests);
            }
        }
        self.beyond.iter().for_each(|(row, id, requests)| visit(*row, *id, *requests));
    }

    /// Puts what has no cell in the order of rows, so that [`CountGrid::row`] finds its part.
    pub(in crate::batch) fn sort(&mut self) {
        self.beyond.sort_unstable_by_key(|(row, ..)| *row);
    }

    /// Every (number, requests) of a row after [`CountGrid::sort`]; a number may come more than once.
    pub(in crate::batch) fn row(&self, row: u32) -> impl Iterator<Item = (u32, Requests)> + Clone {
        let start = self.beyond.partition_point(|(other, ..)| *other < row);
        let beyond = self.beyond[start..].iter().take_while(move |(other, ..)| *other == row);
        let cells = self.cells.row(row).iter().zip(0..).filter(|(requests, _)| !requests.is_zero());
        cells.map(|(requests, id)| (id, *requests)).chain(beyond.map(|(_, id, requests)| (*id, *requests)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_counts_the_same_beyond_its_cells() {
        let (mut grid, mut want) = (CountGrid::default(), std::collections::BTreeMap::new());
        for i in 0..200_000_u32 {
            let (row, id, is_robot) = (i % 1_440, i.wrapping_mul(2_654_435_761) % 30_000, i % 3 == 0);
            grid.add(row, id, Requests::one(is_robot));
            let counts: &mut (u32, u32) = want.entry((row, id)).or_default();
            *counts = (counts.0 + 1, counts.1 + u32::from(is_robot));
        }
        assert!(
            !grid.beyond.is_empty() && grid.cells.held <= FREE_CELLS + CELLS_PER_COUNT * grid.cells.asked
        );
        grid.sort();
        let (mut by_row, mut visited) =
            (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
        let add = |sums: &mut std::collections::BTreeMap<_, (u32, u32)>, row, id, requests: Requests| {
            let counts = sums.entry((row, id)).or_default();
            *counts = (counts.0 + requests.all(), counts.1 + requests.robots());
        };
        for row in 0..1_440 {
            grid.row(row).for_each(|(id, requests)| add(&mut by_row, row, id, requests));
        }
        grid.for_each(|row, id, requests| add(&mut visited, row, id, requests));
        assert_eq!((&by_row, &visited), (&want, &want));
    }
}
