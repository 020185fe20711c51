//! Sums of what entries measured, by minute and key.
//!
//! Input: samples, one for each entry that has a status, a length or a duration. Output: their sums and cells by row.
//! Never: an allocation for a key of few different cells; most keys of a minute have few.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use wide::u16x8;

use super::grid::{Cells, Requests};
use crate::measures::{Cell, saturating_sum};

/// What one entry measured.
#[derive(Clone, Copy, Debug)]
pub(in crate::batch) struct Sample {
    pub(super) response_bytes: u64,
    pub(super) duration_micros: u64,
    /// Numbers of cells, or [`NO_CELL`].
    cells: [u16; 2],
}

/// The number of no cell.
const NO_CELL: u16 = u16::MAX;
/// Cells of a key that are kept in place.
const CELLS_IN_PLACE: usize = 6;

impl Sample {
    /// Of an entry that measured nothing.
    pub(in crate::batch) const NONE: Self =
        Self { response_bytes: 0, duration_micros: 0, cells: [NO_CELL; 2] };

    #[inline(always)]
    pub(in crate::batch) fn set_status(&mut self, status: u16) {
        self.cells[0] = Cell::status(status).map_or(NO_CELL, Cell::number);
    }

    #[inline(always)]
    pub(in crate::batch) fn set_bytes(&mut self, bytes: u64) {
        self.response_bytes = bytes;
    }

    #[inline(always)]
    pub(in crate::batch) fn set_duration(&mut self, micros: u64) {
        self.duration_micros = micros;
        self.cells[1] = Cell::duration(micros).number();
    }

    /// Whether it adds nothing to any sum: a length of zero does not.
    #[inline(always)]
    pub(super) fn is_none(&self) -> bool {
        self.cells == [NO_CELL; 2] && self.response_bytes == 0
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.cells.into_iter().filter_map(Cell::from_number)
    }
}

/// The sums of one key in one minute: one line of the processor's cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Sums {
    response_bytes: u64,
    duration_micros: u64,
    requests: Requests,
    counts: [u32; CELLS_IN_PLACE],
    /// The numbers of the cells counted here; those not in use are [`NO_CELL`].
    cells: [u16; CELLS_IN_PLACE],
    /// Where the cells lie that found no place here, plus one; zero where all did.
    more: u32,
}

impl Sums {
    const ZERO: Self = Self {
        response_bytes: 0,
        duration_micros: 0,
        requests: Requests::ZERO,
        counts: [0; CELLS_IN_PLACE],
        cells: [NO_CELL; CELLS_IN_PLACE],
        more: 0,
    };

    /// Adds to a cell that is kept in place, or can be. Otherwise returns false.
    #[inline(always)]
    fn add(&mut self, cell: u16, count: u32) -> bool {
        let [a, b, c, d, e, f] = self.cells;
        let cells = u16x8::new([a, b, c, d, e, f, NO_CELL, NO_CELL]);
        let place = cells.simd_eq(u16x8::splat(cell)).to_bitmask().trailing_zeros() as usize;
        if let Some(known) = self.counts.get_mut(place) {
            *known += count;
            return true;
        }
        // Places fill in their order.
        if self.cells[CELLS_IN_PLACE - 1] != NO_CELL { false } else { self.add_new(cell, count) }
    }

    #[inline(never)]
    fn add_new(&mut self, cell: u16, count: u32) -> bool {
        let free = self.cells.iter().position(|known| *known == NO_CELL);
        if let Some(free) = free {
            self.cells[free] = cell;
            self.counts[free] = count;
        }
        free.is_some()
    }
}

/// The cells of a key of many different ones. Durations of one key lie near each other, so that an array from the lowest
/// to the highest is found without a search; of statuses there are few.
#[derive(Default)]
struct ManyCells {
    statuses: Vec<(u16, u32)>,
    /// The number of the first of `durations`.
    first: u16,
    durations: Vec<u32>,
}

impl ManyCells {
    /// Adds to a cell; returns how many bytes more that takes.
    #[inline(always)]
    fn add(&mut self, cell: u16, count: u32) -> usize {
        match self.durations.get_mut(usize::from(cell).wrapping_sub(usize::from(self.first))) {
            Some(known) => {
                *known += count;
                0
            }
            None => self.add_new(cell, count),
        }
    }

    #[inline(never)]
    fn add_new(&mut self, cell: u16, count: u32) -> usize {
        if Cell::from_number(cell).is_some_and(Cell::is_duration) {
            return self.add_duration(cell, count);
        }
        match self.statuses.iter_mut().find(|(known, _)| *known == cell) {
            Some((_, known)) => *known += count,
            None => {
                self.statuses.push((cell, count));
                return size_of::<(u16, u32)>();
            }
        }
        0
    }

    fn add_duration(&mut self, cell: u16, count: u32) -> usize {
        let before = self.durations.len();
        if before == 0 {
            self.first = cell;
        }
        if cell < self.first {
            let more = usize::from(self.first - cell);
            self.durations.splice(..0, std::iter::repeat_n(0, more));
            self.first = cell;
        }
        let place = usize::from(cell - self.first);
        if self.durations.len() <= place {
            self.durations.resize(place + 1, 0);
        }
        self.durations[place] += count;
        (self.durations.len() - before) * size_of::<u32>()
    }

    fn cells(&self) -> impl Iterator<Item = (u16, u32)> {
        let durations = (self.first..).zip(self.durations.iter().copied()).filter(|(_, count)| *count > 0);
        self.statuses.iter().copied().chain(durations)
    }
}

/// Sums by row and number.
#[derive(Default)]
pub(in crate::batch) struct SumGrid {
    /// Places in `sums` plus one; zero where there are none yet.
    places: Cells<u32>,
    /// The same for what has no cell.
    beyond: HashMap<(u32, u32), u32, RandomState>,
    sums: Vec<Sums>,
    /// `beyond` by row, once it was sorted.
    sorted_beyond: Vec<(u32, u32, u32)>,
    /// The cells that found no place in their sums.
    more: Vec<ManyCells>,
    more_bytes: usize,
}

impl SumGrid {
    /// Adds one entry.
    #[inline(always)]
    pub(super) fn add(&mut self, row: u32, id: u32, requests: Requests, sample: &Sample) {
        let place = self.place(row, id);
        let sums = &mut self.sums[place as usize];
        sums.requests.add(requests);
        sums.response_bytes = saturating_sum(sums.response_bytes, sample.response_bytes);
        sums.duration_micros = saturating_sum(sums.duration_micros, sample.duration_micros);
        for cell in sample.cells {
            if cell != NO_CELL {
                self.add_cell(place, cell, 1);
            }
        }
    }

    #[inline(always)]
    fn add_cell(&mut self, place: u32, cell: u16, count: u32) {
        let sums = &mut self.sums[place as usize];
        if !sums.add(cell, count) {
            if sums.more == 0 {
                self.more.push(ManyCells::default());
                sums.more = u32::try_from(self.more.len()).expect("a batch has fewer than 2^32 keys");
            }
            self.more_bytes += self.more[sums.more as usize - 1].add(cell, count);
        }
    }

    #[inline(always)]
    fn place(&mut self, row: u32, id: u32) -> u32 {
        let place = match self.places.get(row, id) {
            Some(place) => place,
            None => self.beyond.entry((row, id)).or_default(),
        };
        if *place == 0 {
            self.sums.push(Sums::ZERO);
            *place = u32::try_from(self.sums.len()).expect("a batch has fewer than 2^32 keys");
        }
        *place - 1
    }

    /// Something of what the next [`SumGrid::add`] of this pair needs.
    #[inline(always)]
    pub(super) fn touch(&self, row: u32, id: u32) -> u64 {
        let place = self.places.look(row, id).map_or(0, |place| *place);
        self.sums.get((place as usize).wrapping_sub(1)).map_or(0, |sums| sums.response_bytes)
    }

    /// Adds the sums of another grid, given the row and the number that each pair has here.
    pub(super) fn merge(&mut self, other: &SumGrid, rows: &[u32], ids: &[u32]) {
        other.for_each(|row, id, theirs| {
            let place = self.place(rows[row as usize], ids[id as usize]);
            let (from, cells) = other.parts(theirs);
            let sums = &mut self.sums[place as usize];
            sums.requests.add(from.requests);
            sums.response_bytes = saturating_sum(sums.response_bytes, from.response_bytes);
            sums.duration_micros = saturating_sum(sums.duration_micros, from.duration_micros);
            for (cell, count) in cells {
                self.add_cell(place, cell, count);
            }
        });
    }

    /// Every (row, number, place of its sums).
    pub(super) fn for_each(&self, mut visit: impl FnMut(u32, u32, u32)) {
        for (places, row) in self.places.rows().zip(0..) {
            for (place, id) in places.iter().zip(0..).filter(|(place, _)| **place > 0) {
                visit(row, id, place - 1);
            }
        }
        self.beyond.iter().for_each(|((row, id), place)| visit(*row, *id, place - 1));
    }

    /// Puts what has no cell in the order of rows, so that [`SumGrid::row`] finds its part.
    pub(in crate::batch) fn sort(&mut self) {
        self.sorted_beyond = self.beyond.iter().map(|((row, id), place)| (*row, *id, *place)).collect();
        self.sorted_beyond.sort_unstable();
    }

    /// Every number of a row after [`SumGrid::sort`], each once, with the place of its sums.
    pub(in crate::batch) fn row(&self, row: u32) -> impl Iterator<Item = (u32, SumPlace)> {
        let start = self.sorted_beyond.partition_point(|(other, ..)| *other < row);
        let beyond = self.sorted_beyond[start..].iter().take_while(move |(other, ..)| *other == row);
        let cells = self.places.row(row).iter().zip(0..).filter(|(place, _)| **place > 0);
        let all = cells.map(|(place, id)| (id, *place)).chain(beyond.map(|(_, id, place)| (*id, *place)));
        all.map(|(id, place)| (id, SumPlace(place - 1)))
    }

    /// The requests of the key with these sums.
    pub(in crate::batch) fn requests(&self, place: SumPlace) -> Requests {
        self.sums[place.0 as usize].requests
    }

    /// Adds the sums at this place to a row of measures that is being put together.
    pub(in crate::batch) fn add_to(&self, row: &mut RowSums, place: SumPlace) {
        let (sums, cells) = self.parts(place.0);
        row.response_bytes = saturating_sum(row.response_bytes, sums.response_bytes);
        row.duration_micros = saturating_sum(row.duration_micros, sums.duration_micros);
        row.cells.extend(cells.filter_map(with_cell));
    }

    /// The sums at a place, and all their cells.
    fn parts(&self, place: u32) -> (&Sums, impl Iterator<Item = (u16, u32)>) {
        let sums = &self.sums[place as usize];
        let in_place = sums.cells.into_iter().zip(sums.counts).filter(|(cell, _)| *cell != NO_CELL);
        let more = (sums.more as usize).checked_sub(1).map(|more| self.more[more].cells());
        (sums, in_place.chain(more.into_iter().flatten()))
    }

    pub(super) fn bytes(&self) -> usize {
        let beyond = self.beyond.capacity() * size_of::<(u32, u32, u32)>();
        let more = self.more.capacity() * size_of::<ManyCells>() + 2 * self.more_bytes;
        self.places.bytes() + beyond + self.sums.capacity() * size_of::<Sums>() + more
    }
}

fn with_cell((number, count): (u16, u32)) -> Option<(Cell, u32)> {
    Cell::from_number(number).map(|cell| (cell, count))
}

/// Where the sums of a key lie in a [`SumGrid`].
#[derive(Clone, Copy, Debug)]
pub(in crate::batch) struct SumPlace(u32);

/// The sums of one key being put together from those of one or more numbers.
#[derive(Default)]
pub(in crate::batch) struct RowSums {
    pub(in crate::batch) response_bytes: u64,
    pub(in crate::batch) duration_micros: u64,
    /// In any order until [`RowSums::sort`], a cell perhaps more than once.
    pub(in crate::batch) cells: Vec<(Cell, u32)>,
}

impl RowSums {
    pub(in crate::batch) fn clear(&mut self) {
        (self.response_bytes, self.duration_micros) = (0, 0);
        self.cells.clear();
    }

    /// Puts the cells in their order, each once.
    pub(in crate::batch) fn sort(&mut self) {
        self.cells.sort_unstable_by_key(|(cell, _)| *cell);
        self.cells.dedup_by(|next, kept| {
            let is_same = next.0 == kept.0;
            if is_same {
                kept.1 += next.1;
            }
            is_same
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::measures::Measures;

    fn sample(number: u32) -> Sample {
        let mut sample = Sample::NONE;
        sample.set_bytes(u64::from(number) * 1_000_000_000_000);
        if !number.is_multiple_of(5) {
            sample.set_status(200 + (number % 23) as u16);
        }
        if !number.is_multiple_of(7) {
            sample.set_duration(u64::from(number % 1_000_000) * 997);
        }
        sample
    }

    /// What plain measures make of the same samples.
    type Plain = BTreeMap<(u32, u32), (u32, Measures)>;

    fn fill(grid: &mut SumGrid, numbers: std::ops::Range<u32>, ids: u32, want: &mut Plain) {
        for number in numbers {
            let (row, id) = (number % 700, number.wrapping_mul(2_654_435_761) % ids);
            let sample = sample(number);
            grid.add(row, id, Requests::one(false), &sample);
            let (requests, measures) = want.entry((row, id)).or_default();
            *requests += 1;
            let mut one = Measures::new(sample.response_bytes, sample.duration_micros);
            sample.cells().for_each(|cell| one.add_cell(cell, 1));
            measures.merge(&one);
        }
    }

    fn read(grid: &mut SumGrid) -> Plain {
        grid.sort();
        let (mut got, mut row_sums) = (Plain::new(), RowSums::default());
        for row in 0..700 {
            for (id, place) in grid.row(row) {
                row_sums.clear();
                grid.add_to(&mut row_sums, place);
                row_sums.sort();
                let mut measures = Measures::new(row_sums.response_bytes, row_sums.duration_micros);
                row_sums.cells.iter().for_each(|(cell, count)| measures.add_cell(*cell, u64::from(*count)));
                assert!(got.insert((row, id), (grid.requests(place).all(), measures)).is_none());
            }
        }
        got
    }

    #[test]
    fn sums_are_those_of_plain_measures_with_and_without_cells() {
        for ids in [3, 30_000] {
            let (mut grid, mut want) = (SumGrid::default(), Plain::new());
            fill(&mut grid, 0..100_000, ids, &mut want);
            assert!(ids < 1_000 || !grid.beyond.is_empty(), "too many pairs for cells");
            assert!(ids > 1_000 || !grid.more.is_empty(), "too many cells to be kept in place");
            assert!(read(&mut grid) == want, "{ids} keys");
        }
    }

    #[test]
    fn grids_merge_under_the_numbers_of_the_other() {
        let (mut first, mut second, mut want) = (SumGrid::default(), SumGrid::default(), Plain::new());
        fill(&mut first, 0..50_000, 40, &mut want);
        let mut theirs = Plain::new();
        fill(&mut second, 50_000..90_000, 40, &mut theirs);
        let (rows, ids): (Vec<u32>, Vec<u32>) =
            ((0..700).rev().collect(), (0..40).map(|id| id * 3 % 40).collect());
        for ((row, id), (requests, measures)) in theirs {
            let sum = want.entry((rows[row as usize], ids[id as usize])).or_default();
            sum.0 += requests;
            sum.1.merge(&measures);
        }
        first.merge(&second, &rows, &ids);
        assert!(read(&mut first) == want);
    }

    #[test]
    fn a_sample_without_anything_to_add_is_none() {
        let mut sample = Sample::NONE;
        sample.set_bytes(0);
        assert!(sample.is_none());
        sample.set_duration(0);
        assert!(!sample.is_none());
        let mut sample = Sample::NONE;
        sample.set_status(1_000);
        assert!(sample.is_none() && sample.cells().next().is_none());
        sample.set_status(999);
        assert!(!sample.is_none());
    }
}
