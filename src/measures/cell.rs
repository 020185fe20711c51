//! The cells of measures: a status code, or a bucket of the durations' histogram.
//!
//! Input: status codes and whole microseconds. Output: cells, and the quantiles of counted durations.
//! Never: a floating logarithm, whose last bit differs between machines: counts must be equal everywhere.
//!
//! # The histogram
//!
//! Durations are counted in a zero bucket and in buckets that grow exponentially: bucket *i* holds durations above
//! 2^((i−1)/8) seconds up to 2^(i/8) seconds (the native histograms of Prometheus with schema 3; OpenTelemetry's scale 3,
//! whose index is one lower). Eight buckets double the duration, so that the geometric middle of a bucket is within
//! 2^(1/16) − 1 = 4.4 % of whatever the bucket holds.
//!
//! [`UPPER_MICROS`] holds for each bucket the most whole microseconds that lie in it: ⌊2^(i/8) · 10⁶⌋. With *i* = 8·e + j
//! it is ⌊2^(j/8) · 10⁶ · 2^e⌋, and 2^(j/8) comes from [`ROOTS`] with 64 binary places. What those lack (less than 2⁻⁶⁴
//! each) makes less than 10⁶ · 2²⁰ · 2⁻⁶⁴ < 10⁻⁷ microseconds, and no boundary but the whole ones (j = 0) is that close
//! above a whole number; a test compares the eighth power of every boundary and of its successor with 2^i · 10⁴⁸.

use std::cmp::Ordering;

/// A status code, the zero bucket, or a bucket of the histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell(u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Responses with this status code, 0 to 999.
    Status(u16),
    /// Durations below a microsecond.
    ZeroDuration,
    /// Durations of the bucket with this index.
    Bucket(i16),
}

/// The lowest bucket that holds a whole microsecond.
pub const MIN_BUCKET: i16 = -159;
/// The highest bucket: durations are at most 10⁶ seconds.
pub const MAX_BUCKET: i16 = 160;
/// Status codes from 0 on.
const STATUS_CODES: u16 = 1_000;
const ZERO: u16 = STATUS_CODES;
const FIRST_BUCKET: u16 = ZERO + 1;
const BUCKETS: usize = (MAX_BUCKET - MIN_BUCKET + 1) as usize;

pub const CELL_COUNT: usize = FIRST_BUCKET as usize + BUCKETS;

impl Cell {
    /// The cell of a status code; `None` above 999.
    pub fn status(code: u16) -> Option<Cell> {
        (code < STATUS_CODES).then_some(Cell(code))
    }

    /// The cell of a duration. One that is longer than the last bucket counts there.
    #[inline]
    pub fn duration(micros: u64) -> Cell {
        if micros == 0 {
            return Cell(ZERO);
        }
        // An octave of microseconds contains at most eight boundaries; the ninth is beyond it.
        let octave = (micros.ilog2() as usize).min(OCTAVES - 1);
        let first = FIRST_OF_OCTAVE[octave];
        let above = UPPER_MICROS[first..first + 9].iter().filter(|upper| **upper < micros).count();
        Cell(FIRST_BUCKET + (first + above).min(BUCKETS - 1) as u16)
    }

    pub fn bucket(index: i16) -> Option<Cell> {
        (MIN_BUCKET..=MAX_BUCKET).contains(&index).then(|| Cell(FIRST_BUCKET + (index - MIN_BUCKET) as u16))
    }

    /// The zero bucket.
    pub fn zero_duration() -> Cell {
        Cell(ZERO)
    }

    /// What it stands for.
    #[inline]
    pub fn kind(self) -> CellKind {
        match self.0.cmp(&ZERO) {
            Ordering::Less => CellKind::Status(self.0),
            Ordering::Equal => CellKind::ZeroDuration,
            Ordering::Greater => CellKind::Bucket((self.0 - FIRST_BUCKET) as i16 + MIN_BUCKET),
        }
    }

    /// The duration that it stands for, in seconds: the geometric middle of its bucket.
    pub fn seconds(self) -> f64 {
        match self.kind() {
            CellKind::Bucket(index) => ((2.0 * f64::from(index) - 1.0) / 16.0).exp2(),
            CellKind::ZeroDuration | CellKind::Status(_) => 0.0,
        }
    }

    /// Whether it counts durations rather than a status.
    #[inline]
    pub fn is_duration(self) -> bool {
        self.0 >= ZERO
    }

    /// Whether it is a status from 400 to 499.
    #[inline]
    pub fn is_client_error(self) -> bool {
        (400..500).contains(&self.0)
    }

    /// Whether it is a status from 500 to 599.
    #[inline]
    pub fn is_server_error(self) -> bool {
        (500..600).contains(&self.0)
    }

    /// Its number in journal records.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The cell with this number in journal records.
    pub fn from_number(number: u16) -> Option<Cell> {
        (usize::from(number) < CELL_COUNT).then_some(Cell(number))
    }
}

/// The `percent`th percentile of durations in seconds. `cells` ascend; those of status codes are skipped. `None` if
/// no duration was counted.
pub fn percentile_seconds(cells: impl Iterator<Item = (Cell, u64)> + Clone, percent: u64) -> Option<f64> {
    percentile_cells(cells, [percent]).map(|[cell]| cell.seconds())
}

/// The cells that hold these percentiles of durations, by nearest rank; the percentiles ascend. Otherwise like
/// [`percentile_seconds`].
pub fn percentile_cells<const N: usize>(
    cells: impl Iterator<Item = (Cell, u64)> + Clone,
    percents: [u64; N],
) -> Option<[Cell; N]> {
    let durations = cells.filter(|(cell, _)| cell.is_duration());
    let total: u128 = durations.clone().map(|(_, count)| u128::from(count)).sum();
    let mut ranks = percents.map(|percent| (total * u128::from(percent)).div_ceil(100).max(1)).into_iter();
    let (mut found, mut filled, mut seen) = ([Cell(ZERO); N], 0, 0);
    let mut rank = ranks.next()?;
    for (cell, count) in durations {
        seen += u128::from(count);
        while seen >= rank {
            found[filled] = cell;
            filled += 1;
            match ranks.next() {
                Some(next) => rank = next,
                None => return Some(found),
            }
        }
    }
    None
}

/// ⌊2^(j/8) · 2⁶⁴⌋ for j from 0 to 7.
const ROOTS: [u128; 8] = [
    0x1_0000_0000_0000_0000,
    0x1_172b_83c7_d517_adcd,
    0x1_306f_e0a3_1b71_52de,
    0x1_4bfd_ad53_62a2_71d4,
    0x1_6a09_e667_f3bc_c908,
    0x1_8ace_5422_aa0d_b5ba,
    0x1_ae89_f995_ad3a_d5e8,
    0x1_d581_8dcf_ba48_725d,
];

/// Binary octaves of microseconds up to the last bucket's.
const OCTAVES: usize = 40;

/// The most whole microseconds in each bucket, from [`MIN_BUCKET`] on; then eight values that nothing exceeds, so
/// that the search may look at nine entries without a bound.
const UPPER_MICROS: [u64; BUCKETS + 8] = {
    let mut uppers = [u64::MAX; BUCKETS + 8];
    let mut bucket = 0;
    while bucket < BUCKETS {
        let index = bucket as i32 + MIN_BUCKET as i32;
        let micros = ROOTS[index.rem_euclid(8) as usize] * 1_000_000;
        let shift = 64 - index.div_euclid(8);
        uppers[bucket] = (micros >> shift) as u64;
        bucket += 1;
    }
    uppers
};

/// For each octave the first bucket that reaches its beginning.
const FIRST_OF_OCTAVE: [usize; OCTAVES] = {
    let mut firsts = [0; OCTAVES];
    let mut octave = 0;
    while octave < OCTAVES {
        let mut bucket = 0;
        while UPPER_MICROS[bucket] < 1 << octave {
            bucket += 1;
        }
        firsts[octave] = bucket;
        octave += 1;
    }
    firsts
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of any size: limbs of 32 bits, the lowest first.
    #[derive(Clone)]
    struct Big(Vec<u32>);

    impl Big {
        fn times(mut self, factor: u64) -> Big {
            let halves = [factor as u32, (factor >> 32) as u32];
            let mut product = vec![0u32; self.0.len() + 2];
            for (shift, half) in halves.into_iter().enumerate() {
                let mut carry = 0u64;
                for (position, limb) in self.0.iter().enumerate() {
                    let sum =
                        u64::from(product[position + shift]) + u64::from(*limb) * u64::from(half) + carry;
                    product[position + shift] = sum as u32;
                    carry = sum >> 32;
                }
                let mut position = self.0.len() + shift;
                while carry > 0 {
                    let sum = u64::from(product[position]) + carry;
                    product[position] = sum as u32;
                    carry = sum >> 32;
                    position += 1;
                }
            }
            while product.last() == Some(&0) {
                product.pop();
            }
            self.0 = product;
            self
        }

        fn power(base: u64, exponent: u32) -> Big {
            (0..exponent).fold(Big(vec![1]), |product, _| product.times(base))
        }

        fn cmp(&self, other: &Big) -> Ordering {
            let reversed = |big: &Big| big.0.iter().rev().copied().collect::<Vec<u32>>();
            self.0.len().cmp(&other.0.len()).then_with(|| reversed(self).cmp(&reversed(other)))
        }
    }

    /// How `micros` compares with 2^(index/8) seconds: eighth powers, so that everything is whole.
    fn compare(micros: u64, index: i16) -> Ordering {
        let (mut left, mut right) = (Big::power(micros, 8), Big::power(10, 48));
        for _ in 0..index.unsigned_abs() {
            if index > 0 {
                right = right.times(2);
            } else {
                left = left.times(2);
            }
        }
        left.cmp(&right)
    }

    #[test]
    fn every_boundary_is_exact() {
        for index in MIN_BUCKET..=MAX_BUCKET {
            let upper = UPPER_MICROS[(index - MIN_BUCKET) as usize];
            assert_ne!(compare(upper, index), Ordering::Greater, "bucket {index}");
            assert_eq!(compare(upper + 1, index), Ordering::Greater, "bucket {index}");
        }
        assert_eq!(compare(1_000_000, 0), Ordering::Equal);
        assert_eq!(
            compare(1, MIN_BUCKET - 1),
            Ordering::Greater,
            "no whole microsecond is in a lower bucket"
        );
    }

    #[test]
    fn durations_on_and_beside_every_boundary_find_their_bucket() {
        let bucket = |micros| match Cell::duration(micros).kind() {
            CellKind::Bucket(index) => index,
            other => panic!("{micros} is in {other:?}"),
        };
        for index in MIN_BUCKET..=MAX_BUCKET {
            let upper = UPPER_MICROS[(index - MIN_BUCKET) as usize];
            for micros in [upper.saturating_sub(1), upper, upper + 1] {
                if micros == 0 || micros > 1_000_000_000_000 {
                    continue;
                }
                let found = bucket(micros);
                assert_ne!(compare(micros, found), Ordering::Greater, "{micros}");
                assert_eq!(compare(micros, found - 1), Ordering::Greater, "{micros}");
            }
        }
        assert_eq!(Cell::duration(0).kind(), CellKind::ZeroDuration);
        assert_eq!((bucket(1), bucket(1_000_000), bucket(1_000_001)), (MIN_BUCKET, 0, 1));
        assert_eq!((bucket(1_000_000_000_000), bucket(u64::MAX)), (MAX_BUCKET, MAX_BUCKET));
    }

    #[test]
    fn cells_have_numbers_and_kinds_and_come_back() {
        for number in 0..CELL_COUNT as u16 {
            let cell = Cell::from_number(number).unwrap();
            let same = match cell.kind() {
                CellKind::Status(code) => Cell::status(code),
                CellKind::ZeroDuration => Some(Cell::zero_duration()),
                CellKind::Bucket(index) => Cell::bucket(index),
            };
            assert_eq!((same, cell.number()), (Some(cell), number));
            assert_eq!(cell.is_duration(), !matches!(cell.kind(), CellKind::Status(_)));
        }
        assert_eq!(Cell::from_number(CELL_COUNT as u16), None);
        assert_eq!((Cell::status(1_000), Cell::bucket(161), Cell::bucket(-160)), (None, None, None));
        assert!(Cell::status(404).unwrap().is_client_error() && Cell::status(503).unwrap().is_server_error());
        assert!(
            !Cell::status(500).unwrap().is_client_error() && !Cell::status(600).unwrap().is_server_error()
        );
    }

    #[test]
    fn a_percentile_is_within_a_bucket_of_the_nearest_rank() {
        let micros: Vec<u64> = (0..1_000).map(|n| n * n * 37 + 5).collect();
        let mut counts = std::collections::BTreeMap::new();
        micros.iter().for_each(|micros| *counts.entry(Cell::duration(*micros)).or_insert(0u64) += 1);
        counts.insert(Cell::status(200).unwrap(), 5_000);
        let cells = counts.iter().map(|(cell, count)| (*cell, *count));
        for percent in [1, 50, 90, 95, 99, 100] {
            let exact = micros[(percent as usize * micros.len()).div_ceil(100) - 1] as f64 / 1e6;
            let found = percentile_seconds(cells.clone(), percent).unwrap();
            assert!((found / exact - 1.0).abs() < 0.0443, "p{percent}: {found} instead of {exact}");
        }
        let together = percentile_cells(cells.clone(), [50, 50, 99, 100]).unwrap().map(Cell::seconds);
        assert_eq!(together, [50, 50, 99, 100].map(|p| percentile_seconds(cells.clone(), p).unwrap()));
        assert_eq!(percentile_seconds(std::iter::once((Cell::status(200).unwrap(), 3)), 50), None);
        let zeros = [(Cell::zero_duration(), 9), (Cell::duration(1_000_000), 1)];
        assert_eq!(percentile_seconds(zeros.into_iter(), 90), Some(0.0));
        assert_eq!(percentile_seconds(zeros.into_iter(), 91), Some((-1.0f64 / 16.0).exp2()));
    }
}
