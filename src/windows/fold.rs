//! Folding: how a full table of counts stays bounded and keeps its biggest keys, not its first ones.
//!
//! Input: a table after an insight was merged whole. Output: the same table within its bounds, and by how much a key may be
//! counted too low.
//! Never: a loss of counts, or a choice that depends on anything but the table's counts: merging the same records
//! in the same order, now or at a replay, gets the same table.
//!
//! A table over its number of keys or its bytes is folded down to seven eighths of both, so that the next fold is some
//! thousand keys away. First go the keys whose every response was a client error (what a scanner leaves), then those with
//! the fewest requests, and of equals the greater by bytes. Their counts go to the rest. `folded` grows by the most requests
//! a key of this fold had. So a key's true count is between what is shown and that plus `folded`, and a key that is not shown
//! has at most `folded`: whatever it lost, it lost in folds, each time no more than that fold's most.

use super::table::{CELL_WEIGHT, CountTable, TableRow};
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS};
use crate::measures::{Cell, saturating_sum};

/// How much the table of one dimension may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// Keys, those of the rest left out.
    pub max_keys: usize,
    /// Bytes, as [`CountTable::weight`] counts them.
    pub max_bytes: usize,
}

/// How much a window may hold by each dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowLimits {
    /// In the order of [`DIMENSIONS`].
    pub by: [TableLimits; DIMENSION_COUNT],
}

impl Default for WindowLimits {
    fn default() -> Self {
        Self {
            by: std::array::from_fn(|dimension| TableLimits {
                max_keys: DIMENSIONS[dimension].max_keys,
                max_bytes: DIMENSIONS[dimension].max_bytes,
            }),
        }
    }
}

impl WindowLimits {
    /// Nothing is folded.
    pub const NONE: Self = Self::same(usize::MAX, usize::MAX);

    /// The same limits for every dimension.
    pub const fn same(max_keys: usize, max_bytes: usize) -> Self {
        Self { by: [TableLimits { max_keys, max_bytes }; DIMENSION_COUNT] }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// Keys that lost their name.
    pub keys: u64,
    pub requests: u64,
    /// The most requests that one of them had.
    pub most: u64,
}

/// Folds a table that is over a limit; `None` where it is not.
pub fn fold(table: &mut CountTable, limits: TableLimits) -> Option<Folded> {
    if table.len() <= limits.max_keys && table.weight() <= limits.max_bytes {
        return None;
    }
    let seven_eighths = |bound: usize| bound - bound.div_ceil(8);
    let keys_over = table.len().saturating_sub(seven_eighths(limits.max_keys));
    let bytes_over = table.weight().saturating_sub(seven_eighths(limits.max_bytes));
    let mut order: Vec<Candidate> = (0..table.len()).map(|place| Candidate::of(table, place)).collect();
    let folded = smallest(table, &mut order, keys_over, bytes_over);
    let mut places: Vec<u32> = order[..folded].iter().map(|candidate| candidate.place).collect();
    places.sort_unstable();
    let mut sums = Folded { keys: places.len() as u64, ..Folded::default() };
    for place in &places {
        let requests = table.row(*place as usize).tally.requests;
        sums.requests = saturating_sum(sums.requests, requests);
        sums.most = sums.most.max(requests);
    }
    table.remove(&places);
    Some(sums)
}

/// A row of the table and its place in the order of folding, but for the bytes of its key.
#[derive(Clone, Copy)]
struct Candidate {
    is_named_longer: bool,
    requests: u64,
    place: u32,
}

impl Candidate {
    fn of(table: &CountTable, place: usize) -> Self {
        let row = table.row(place);
        Self {
            is_named_longer: !is_all_client_errors(&row),
            requests: row.tally.requests,
            place: place as u32,
        }
    }

    fn cmp(&self, other: &Self, table: &CountTable) -> std::cmp::Ordering {
        let key = |candidate: &Self| table.row(candidate.place as usize).key;
        (self.is_named_longer, self.requests)
            .cmp(&(other.is_named_longer, other.requests))
            .then_with(|| key(other).cmp(key(self)))
    }
}

fn is_all_client_errors(row: &TableRow<'_>) -> bool {
    let errors = row.measures.map_or(0, |measures| measures.sum_of(Cell::is_client_error));
    errors == row.tally.requests
}

/// Brings the candidates to the front that are folded first: as few as hold at least so many keys and bytes together.
/// Returns how many.
fn smallest(table: &CountTable, order: &mut [Candidate], keys: usize, bytes: usize) -> usize {
    let mut folded = keys.min(order.len());
    if folded > 0 && folded < order.len() {
        // Usually a table has too many keys, and then the order of the folded ones among themselves does not matter.
        order.select_nth_unstable_by(folded, |a, b| a.cmp(b, table));
    }
    let weight = |candidate: &Candidate| {
        let row = table.row(candidate.place as usize);
        row.key.len() + row.measures.map_or(0, |measures| measures.cell_words()) * CELL_WEIGHT
    };
    let mut freed: usize = order[..folded].iter().map(weight).sum();
    if freed < bytes {
        order[folded..].sort_unstable_by(|a, b| a.cmp(b, table));
        while freed < bytes && folded < order.len() {
            freed += weight(&order[folded]);
            folded += 1;
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::Measures;
    use crate::windows::table::KeyTotals;

    fn table(rows: &[(&str, u64, u64)]) -> CountTable {
        let mut table = CountTable::default();
        for (key, requests, not_found) in rows {
            let place = table.add(key, KeyTotals { requests: *requests, robots: 0 });
            let mut measures = Measures::default();
            measures.add_cell(Cell::status(404).unwrap(), *not_found);
            table.merge_measures(place, &measures);
        }
        table
    }

    fn shown(table: &CountTable) -> Vec<(&str, u64)> {
        let mut shown: Vec<_> =
            table.iter().chain(table.rest()).map(|row| (row.key, row.tally.requests)).collect();
        shown.sort_unstable();
        shown
    }

    const ROWS: [(&str, u64, u64); 9] = [
        ("a", 5, 0),
        ("b", 2, 1),
        ("c", 9, 9),
        ("d", 1, 0),
        ("e", 1, 0),
        ("f", 1, 1),
        ("g", 7, 0),
        ("h", 6, 0),
        ("i", 4, 0),
    ];

    #[test]
    fn errors_go_first_then_the_smallest_then_the_greater_key() {
        let wide = usize::MAX;
        let mut all = table(&ROWS);
        assert_eq!(fold(&mut all, TableLimits { max_keys: 9, max_bytes: wide }), None);

        // Seven eighths of eight: two of nine go.
        let folded = fold(&mut all, TableLimits { max_keys: 8, max_bytes: wide }).unwrap();
        assert_eq!(folded, Folded { keys: 2, requests: 10, most: 9 });
        assert_eq!(
            shown(&all),
            [("(other)", 10), ("a", 5), ("b", 2), ("d", 1), ("e", 1), ("g", 7), ("h", 6), ("i", 4)]
        );

        let mut equals = table(&ROWS.map(|(key, ..)| (key, 3, 0)));
        let folded = fold(&mut equals, TableLimits { max_keys: 8, max_bytes: wide }).unwrap();
        assert_eq!(folded, Folded { keys: 2, requests: 6, most: 3 });
        assert_eq!(shown(&equals)[..2], [("(other)", 6), ("a", 3)]);
        assert_eq!(shown(&equals).last(), Some(&("g", 3)));
    }

    #[test]
    fn bytes_are_a_limit_too_and_cells_count_as_bytes() {
        let mut all = table(&ROWS);
        // Nine keys of one byte, three cells of eight.
        assert_eq!(all.weight(), 33);
        let folded = fold(&mut all, TableLimits { max_keys: 99, max_bytes: 32 }).unwrap();
        // Down to 28 bytes: f frees nine.
        assert_eq!((folded, all.weight()), (Folded { keys: 1, requests: 1, most: 1 }, 24));
        let folded = fold(&mut all, TableLimits { max_keys: 7, max_bytes: 8 }).unwrap();
        // Two keys would be few enough; c, e, d and b free 20 bytes.
        assert_eq!((folded, all.weight()), (Folded { keys: 4, requests: 13, most: 9 }, 4));
        let folded = fold(&mut all, TableLimits { max_keys: 0, max_bytes: 8 }).unwrap();
        assert_eq!((folded.keys, shown(&all)), (4, vec![("(other)", 36)]));
    }

    #[test]
    fn what_is_folded_does_not_depend_on_the_order_of_rows() {
        let mut reversed = ROWS;
        reversed.reverse();
        for max_keys in 0..9 {
            for max_bytes in [5, 20, 33] {
                let limits = TableLimits { max_keys, max_bytes };
                let (mut left, mut right) = (table(&ROWS), table(&reversed));
                assert_eq!(fold(&mut left, limits), fold(&mut right, limits));
                assert_eq!(shown(&left), shown(&right), "{limits:?}");
            }
        }
    }
}
