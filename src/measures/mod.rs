//! Measures of requests, in a form that merges in any order: sums that saturate, and maxima.
//!
//! Input: what entries say of their responses. Output: [`Measures`] and [`Visitors`], which merge to the same whatever the
//! order and the grouping.
//! Never: an average, a sample, or anything else that depends on what was merged first.

mod cell;
mod cell_counts;
mod visitors;

use cell_counts::CellCounts;

pub use cell::{CELL_COUNT, Cell, CellKind, MAX_BUCKET, MIN_BUCKET, percentile_cells, percentile_seconds};
pub use visitors::{MAX_SPARSE, REGISTERS, Visitors};

/// No sum goes above this: the largest number that every reader of JSON and every database takes as a signed integer.
pub const MAX_SUM: u64 = i64::MAX as u64;

/// A sum that stays at [`MAX_SUM`]. In any order of adding the result is the same: that or the true sum.
#[inline]
pub fn saturating_sum(left: u64, right: u64) -> u64 {
    left.saturating_add(right).min(MAX_SUM)
}

/// Sums over requests: bytes, durations, and how many had which status and took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    pub response_bytes: u64,
    /// The durations, in microseconds.
    pub duration_micros: u64,
    cells: CellCounts,
}

impl Measures {
    /// Sums without cells.
    pub fn new(response_bytes: u64, duration_micros: u64) -> Self {
        Self { response_bytes, duration_micros, cells: CellCounts::default() }
    }

    /// Sums with these cells, in any order; `None` if a cell comes twice or counts nothing.
    pub fn with_cells(
        response_bytes: u64,
        duration_micros: u64,
        mut cells: Vec<(Cell, u64)>,
    ) -> Option<Self> {
        cells.sort_unstable();
        let is_sound = cells.is_sorted_by(|a, b| a.0 < b.0) && cells.iter().all(|(_, count)| *count > 0);
        let mut measures = Self::new(response_bytes, duration_micros);
        cells.iter().for_each(|(cell, count)| measures.cells.set(*cell, *count));
        is_sound.then_some(measures)
    }

    /// The counts by status and duration that are above zero, ascending by cell.
    pub fn cells(&self) -> impl Iterator<Item = (Cell, u64)> + Clone {
        self.cells.iter()
    }

    pub fn add_cell(&mut self, cell: Cell, count: u64) {
        self.cells.add(cell, count);
    }

    /// The counts of all cells for which `of` is true.
    pub fn sum_of(&self, of: impl Fn(Cell) -> bool) -> u64 {
        self.cells().filter(|(cell, _)| of(*cell)).fold(0, |sum, (_, count)| saturating_sum(sum, count))
    }

    pub fn merge(&mut self, other: &Measures) {
        self.add(other.response_bytes, other.duration_micros, other.cells());
    }

    /// Adds the sums of a row of a batch.
    pub fn merge_row(&mut self, row: MeasureRow<'_>) {
        let cells = row.cells.iter().map(|(cell, count)| (*cell, u64::from(*count)));
        self.add(row.response_bytes, row.duration_micros, cells);
    }

    fn add(&mut self, bytes: u64, micros: u64, cells: impl Iterator<Item = (Cell, u64)>) {
        self.response_bytes = saturating_sum(self.response_bytes, bytes);
        self.duration_micros = saturating_sum(self.duration_micros, micros);
        cells.for_each(|(cell, count)| self.add_cell(cell, count));
    }

    /// The difference of these sums and the `taken` ones. `None` if it is unknown: a sum has reached [`MAX_SUM`], or
    /// the `taken` ones are not part of these.
    pub fn without<'m>(&self, taken: impl Iterator<Item = &'m Measures>) -> Option<Measures> {
        let mut left = self.clone();
        let counts = self.cells().map(|(_, count)| count);
        if counts.chain([left.response_bytes, left.duration_micros]).any(|sum| sum == MAX_SUM) {
            return None;
        }
        for part in taken {
            left.response_bytes = left.response_bytes.checked_sub(part.response_bytes)?;
            left.duration_micros = left.duration_micros.checked_sub(part.duration_micros)?;
            for (cell, count) in part.cells() {
                left.cells.set(cell, left.cells.get(cell).checked_sub(count)?);
            }
        }
        Some(left)
    }

    /// Whether these sums can be part of `whole`.
    pub fn is_part_of(&self, whole: &Measures) -> bool {
        self.response_bytes <= whole.response_bytes
            && self.duration_micros <= whole.duration_micros
            && self.cells().all(|(cell, count)| count <= whole.cells.get(cell))
    }

    pub fn is_empty(&self) -> bool {
        self.response_bytes == 0 && self.duration_micros == 0 && self.cells.words() == 0
    }

    /// How many words of 8 bytes the cells take: one each, two for a count of 2^48 and more.
    pub fn cell_words(&self) -> usize {
        self.cells.words()
    }

    pub fn bytes(&self) -> usize {
        self.cells.bytes()
    }
}

/// The requests of a window, or those of robots, and what was measured of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: u64,
    pub measures: Measures,
}

impl Totals {
    /// Whether these totals can be part of `whole`.
    pub fn is_part_of(&self, whole: &Totals) -> bool {
        self.requests <= whole.requests && self.measures.is_part_of(&whole.measures)
    }

    pub fn merge(&mut self, other: &Totals) {
        self.requests = saturating_sum(self.requests, other.requests);
        self.measures.merge(&other.measures);
    }
}

/// The measures of many keys of a batch, one after the other: a batch may have 50,000 keys, and an allocation for
/// each would cost more than the sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeasureRows {
    rows: Vec<RowEnd>,
    cells: Vec<(Cell, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowEnd {
    response_bytes: u64,
    duration_micros: u64,
    cells_end: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeasureRow<'a> {
    pub response_bytes: u64,
    /// The durations, in microseconds.
    pub duration_micros: u64,
    /// Ascending by cell, counts above zero.
    pub cells: &'a [(Cell, u32)],
}

impl MeasureRow<'_> {
    pub fn is_empty(&self) -> bool {
        self.response_bytes == 0 && self.duration_micros == 0 && self.cells.is_empty()
    }
}

impl MeasureRows {
    pub fn with_capacity(rows: usize, cells: usize) -> Self {
        Self { rows: Vec::with_capacity(rows), cells: Vec::with_capacity(cells) }
    }

    /// Appends a row. Its cells ascend, with counts above zero.
    pub fn push(
        &mut self,
        response_bytes: u64,
        duration_micros: u64,
        cells: impl IntoIterator<Item = (Cell, u32)>,
    ) {
        let start = self.cells.len();
        self.cells.extend(cells);
        debug_assert!(self.cells[start..].is_sorted_by(|a, b| a.0 < b.0), "the cells of a row ascend");
        let cells_end = u32::try_from(self.cells.len()).expect("a batch has fewer than 2^32 cells");
        self.rows.push(RowEnd { response_bytes, duration_micros, cells_end });
    }

    /// The row at this place. Panics where there is none.
    pub fn get(&self, row: usize) -> MeasureRow<'_> {
        let start = if row == 0 { 0 } else { self.rows[row - 1].cells_end as usize };
        let RowEnd { response_bytes, duration_micros, cells_end } = self.rows[row];
        MeasureRow { response_bytes, duration_micros, cells: &self.cells[start..cells_end as usize] }
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = MeasureRow<'_>> {
        (0..self.rows.len()).map(|row| self.get(row))
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The memory it takes.
    pub fn bytes(&self) -> usize {
        self.rows.len() * size_of::<RowEnd>() + self.cells.len() * size_of::<(Cell, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Cell {
        Cell::status(code).unwrap()
    }

    #[test]
    fn sums_saturate_and_do_not_depend_on_order() {
        let part = |bytes, count| {
            let mut part = Measures::new(bytes, 3);
            part.add_cell(status(200), count);
            part
        };
        let parts = [part(MAX_SUM - 1, MAX_SUM), part(5, 1), part(7, MAX_SUM)];
        let sum = |order: [usize; 3]| {
            let mut sum = Measures::default();
            order.into_iter().for_each(|index| sum.merge(&parts[index]));
            sum
        };
        assert_eq!(sum([0, 1, 2]), sum([2, 1, 0]));
        assert_eq!((sum([0, 1, 2]).response_bytes, sum([0, 1, 2]).duration_micros), (MAX_SUM, 9));
        assert_eq!(sum([1, 0, 2]).cells().collect::<Vec<_>>(), [(status(200), MAX_SUM)]);
    }

    #[test]
    fn what_is_left_without_a_part_is_the_sum_of_the_others() {
        let part = |bytes, micros, code, count| {
            let mut part = Measures::new(bytes, micros);
            part.add_cell(status(code), count);
            part
        };
        let (first, second) = (part(5, 7, 200, 2), part(1, 0, 404, 3));
        let mut sum = first.clone();
        sum.merge(&second);
        assert_eq!(sum.without([&first].into_iter()), Some(second.clone()));
        assert_eq!(sum.without([&first, &second].into_iter()), Some(Measures::default()));
        assert_eq!(first.without([&second].into_iter()), None);
        assert!(first.is_part_of(&sum) && second.is_part_of(&sum) && Measures::default().is_part_of(&first));
        assert!(!sum.is_part_of(&first) && !first.is_part_of(&second));
        assert_eq!(part(0, 0, 200, MAX_SUM).without([&first].into_iter()), None);
    }

    #[test]
    fn rows_are_read_back_and_add_up_as_their_sums_do() {
        let mut rows = MeasureRows::default();
        rows.push(10, 0, [(status(200), 2), (status(404), 1)]);
        rows.push(0, 0, []);
        rows.push(1, 2, [(status(404), 3), (Cell::duration(7), 4)]);
        let mut sum = Measures::default();
        rows.iter().for_each(|row| sum.merge_row(row));
        assert_eq!((sum.response_bytes, sum.duration_micros), (11, 2));
        let cells: Vec<_> = sum.cells().collect();
        assert_eq!(cells, [(status(200), 2), (status(404), 4), (Cell::duration(7), 4)]);
        assert!(rows.get(1).is_empty() && !rows.get(2).is_empty() && !sum.is_empty());
        assert_eq!((rows.iter().len(), sum.cell_words()), (3, 3));
    }
}
