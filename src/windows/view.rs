//! A window as lists, for files, answers and reports.
//!
//! Input: a window in memory, the counts of a summary, or (through [`super::file`]) the bytes of a file; and how much of it
//! is wanted. Output: a [`WindowView`], sorted by key, which [`super::json`] writes.
//! Never: a copy of what is not wanted: keys and measures are borrowed as long as they can be, and of a file nothing is read
//! that the question does not need. A query of a day of minutes looks at 1,440 files, and most of their keys are cut away.

use std::borrow::Cow;

use super::table::{CountTable, KeyTotals, TableRow};
use super::window::Window;
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS, OTHER};
use crate::measures::{Measures, Totals, Visitors};
use crate::model::{Counts, Keys, Seq, WindowId};

/// How much of a window is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// For each dimension how many of its largest keys, the rest in [`OTHER`]; `None` leaves it out.
    pub by: [Option<usize>; DIMENSION_COUNT],
    /// Whether the measures by key are wanted.
    pub measures: bool,
}

impl Wanted {
    /// Everything there is.
    pub const ALL: Self = Self { by: [Some(usize::MAX); DIMENSION_COUNT], measures: true };
    /// Totals alone.
    pub const TOTALS: Self = Self { by: [None; DIMENSION_COUNT], measures: false };
}

/// A window's counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowView<'a> {
    pub id: WindowId,
    pub all: Totals,
    pub robots: Totals,
    /// The visitors among the other requests.
    pub visitors: Visitors,
    /// Counts of the wanted dimensions, ascending by key.
    pub by: [Vec<KeyView<'a>>; DIMENSION_COUNT],
    /// How much a key's true count may be above the one shown, by dimension.
    pub folded: [u64; DIMENSION_COUNT],
    /// Whether earlier counts were lost to damage.
    pub incomplete: bool,
    /// The last record merged into it.
    pub applied_through: Seq,
}

/// The counts of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView<'a> {
    /// The key; [`OTHER`] for what has no name.
    pub key: Cow<'a, str>,
    pub tally: KeyTotals,
    /// Its measures, if it has any and they are wanted.
    pub measures: Option<Cow<'a, Measures>>,
}

impl<'a> KeyView<'a> {
    fn of(row: TableRow<'a>, measures: bool) -> Self {
        let measures = row.measures.filter(|_| measures).map(Cow::Borrowed);
        KeyView { key: row.key.into(), tally: row.tally, measures }
    }

    fn into_owned(self) -> KeyView<'static> {
        let measures = self.measures.map(|measures| Cow::Owned(measures.into_owned()));
        KeyView { key: Cow::Owned(self.key.into_owned()), tally: self.tally, measures }
    }

    /// The same with borrowed text and measures.
    fn borrowed(&self) -> KeyView<'_> {
        let measures = self.measures.as_deref().map(Cow::Borrowed);
        KeyView { key: Cow::Borrowed(&self.key), tally: self.tally, measures }
    }

    fn merge_measures(&mut self, measures: &Measures) {
        if !measures.is_empty() {
            self.measures.get_or_insert_default().to_mut().merge(measures);
        }
    }
}

impl<'a> WindowView<'a> {
    /// A window without counts.
    pub fn empty(id: WindowId) -> Self {
        Self {
            id,
            all: Totals::default(),
            robots: Totals::default(),
            visitors: Visitors::default(),
            by: Default::default(),
            folded: [0; DIMENSION_COUNT],
            incomplete: false,
            applied_through: Seq::ZERO,
        }
    }

    /// What is wanted of a window in memory.
    pub fn of(window: &'a Window, wanted: &Wanted) -> Self {
        let mut view = Self {
            all: window.all().clone(),
            robots: window.robots().clone(),
            visitors: window.visitors().clone(),
            folded: window.folded(),
            incomplete: window.is_incomplete(),
            applied_through: window.applied_through(),
            ..Self::empty(window.id())
        };
        for (dimension, table) in window.tables().iter().enumerate() {
            if let Some(top) = wanted.by[dimension] {
                view.set(dimension, rows(table, wanted.measures), top);
            }
        }
        view
    }

    /// What a batch counts in one of its windows, with all keys.
    pub fn of_counts(id: WindowId, keys: &'a Keys, counts: &Counts) -> Self {
        let by = std::array::from_fn(|dimension| {
            let by = &counts.by[dimension];
            let rows = by.rows.iter().enumerate().map(|(place, row)| {
                let tally = KeyTotals { requests: u64::from(row.requests), robots: u64::from(row.robots) };
                let mut key =
                    KeyView { key: keys.tables[dimension].get(row.index).into(), tally, measures: None };
                if !by.measures.is_empty() {
                    let mut measures = Measures::default();
                    measures.merge_row(by.measures.get(place));
                    key.merge_measures(&measures);
                }
                key
            });
            rows.collect()
        });
        Self {
            all: counts.all.clone(),
            robots: counts.robots.clone(),
            visitors: counts.visitors.clone(),
            by,
            ..Self::empty(id)
        }
    }

    pub fn into_owned(self) -> WindowView<'static> {
        let by = self.by.map(|rows| rows.into_iter().map(KeyView::into_owned).collect());
        WindowView {
            id: self.id,
            all: self.all,
            robots: self.robots,
            visitors: self.visitors,
            by,
            folded: self.folded,
            incomplete: self.incomplete,
            applied_through: self.applied_through,
        }
    }

    /// The same with borrowed keys and measures.
    pub fn borrowed(&self) -> WindowView<'_> {
        WindowView {
            id: self.id,
            all: self.all.clone(),
            robots: self.robots.clone(),
            visitors: self.visitors.clone(),
            by: self.by.each_ref().map(|rows| rows.iter().map(KeyView::borrowed).collect()),
            folded: self.folded,
            incomplete: self.incomplete,
            applied_through: self.applied_through,
        }
    }

    /// The memory behind it, where it borrows nothing.
    pub fn heap_bytes(&self) -> usize {
        let measures = |measures: &Measures| size_of::<Measures>() + measures.bytes();
        let row = |row: &KeyView<'_>| {
            size_of::<KeyView<'_>>() + row.key.len() + row.measures.as_deref().map_or(0, measures)
        };
        let rows: usize = self.by.iter().flatten().map(row).sum();
        rows + self.all.measures.bytes() + self.robots.measures.bytes() + self.visitors.bytes()
    }

    /// Takes the counts of a dimension, in any order, and keeps the largest.
    pub fn set(&mut self, dimension: usize, mut rows: Vec<KeyView<'a>>, top: usize) {
        rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        self.by[dimension] = rows;
        self.cut(dimension, top);
    }

    /// Cuts every dimension to its largest keys; `None` leaves none.
    pub fn cut_to(mut self, by: &[Option<usize>; DIMENSION_COUNT]) -> Self {
        for (dimension, top) in by.iter().enumerate() {
            match top {
                Some(top) => self.cut(dimension, *top),
                None => self.by[dimension].clear(),
            }
        }
        self
    }

    /// Whether [`cut_to`](Self::cut_to) would change nothing.
    pub fn is_within(&self, by: &[Option<usize>; DIMENSION_COUNT]) -> bool {
        let has_other = |rows: &[KeyView<'_>]| rows.iter().any(|row| row.key == OTHER);
        self.by.iter().zip(by).all(|(rows, top)| match top {
            Some(top) => rows.len() <= *top || (rows.len() - 1 == *top && has_other(rows)),
            None => rows.is_empty(),
        })
    }

    /// Keeps the `top` largest keys of a dimension, of equals the smaller by bytes; the counts of the others, and what
    /// has no name, are summed under [`OTHER`].
    pub fn cut(&mut self, dimension: usize, top: usize) {
        let rows = &mut self.by[dimension];
        let mut cut = take_beyond(rows, top);
        let Some(mut other) = cut.pop() else { return };
        other.key = OTHER.into();
        // If the keys sum to the totals, the cut ones need not be read.
        let is_measured = rows.iter().chain(&cut).any(|row| row.measures.is_some());
        let left = match is_measured && DIMENSIONS[dimension].source.is_in_every_entry() {
            true => self.all.measures.without(rows.iter().filter_map(|row| row.measures.as_deref())),
            false => None,
        };
        for row in cut {
            other.tally.merge(row.tally);
            if let Some(measures) = row.measures.as_ref().filter(|_| left.is_none()) {
                other.merge_measures(measures);
            }
        }
        if let Some(left) = left {
            other.measures = Some(left).filter(|left| !left.is_empty()).map(Cow::Owned);
        }
        insert(rows, other);
    }
}

/// Removes the rows that are not among the `top` largest keys, [`OTHER`] included, and returns them. The rest ascends
/// by key.
pub(super) fn take_beyond<'a>(rows: &mut Vec<KeyView<'a>>, top: usize) -> Vec<KeyView<'a>> {
    let other = rows.iter().position(|row| row.key == OTHER);
    if rows.len() - usize::from(other.is_some()) <= top {
        return Vec::new();
    }
    let other = other.map(|place| rows.swap_remove(place));
    if top > 0 {
        rows.select_nth_unstable_by(top - 1, |a, b| {
            b.tally.requests.cmp(&a.tally.requests).then_with(|| a.key.cmp(&b.key))
        });
    }
    let mut beyond = rows.split_off(top);
    beyond.extend(other);
    rows.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    beyond
}

/// Puts a row where its key belongs.
pub(super) fn insert<'a>(rows: &mut Vec<KeyView<'a>>, row: KeyView<'a>) {
    let place = rows.partition_point(|other| other.key < row.key);
    rows.insert(place, row);
}

/// All rows of a table, the row of keys without a name included.
pub fn rows(table: &CountTable, measures: bool) -> Vec<KeyView<'_>> {
    table.iter().chain(table.rest()).map(|row| KeyView::of(row, measures)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimension::{PATH, USER_AGENT};
    use crate::windows::file;
    use crate::windows::fold::WindowLimits;
    use crate::windows::samples::{customer, full, minute, window};

    fn sample(limits: &WindowLimits) -> Window {
        let paths =
            [("GET /", 6, 2, 200), ("GET /a\"}", 3, 0, 404), ("GET /b", 3, 3, 503), ("GET /c\n", 1, 1, 200)];
        window(&full(&paths), limits)
    }

    fn wanted() -> Vec<Wanted> {
        let mut all = vec![Wanted::ALL, Wanted::TOTALS, Wanted { measures: false, ..Wanted::ALL }];
        for top in 0..5 {
            for measures in [true, false] {
                all.push(Wanted { by: [Some(top); DIMENSION_COUNT], measures });
                for dimension in 0..DIMENSION_COUNT {
                    let mut by = [None; DIMENSION_COUNT];
                    by[dimension] = Some(top);
                    all.push(Wanted { by, measures });
                }
            }
        }
        all
    }

    #[test]
    fn the_view_of_a_file_is_that_of_its_window() {
        let mut incomplete = sample(&WindowLimits::default());
        incomplete.mark_incomplete();
        let folded = sample(&WindowLimits::same(2, 1_000));
        assert!(folded.folded()[PATH] > 0);
        for window in
            [&sample(&WindowLimits::default()), &folded, &incomplete, &Window::new(customer(), minute())]
        {
            let file = window.encode();
            for wanted in wanted() {
                let view = file::decode(&file, &customer(), minute(), &wanted).unwrap();
                assert_eq!(view, WindowView::of(window, &wanted), "{wanted:?}");
                assert_eq!(view.clone().into_owned().borrowed(), view);
                assert_eq!(view.all, *window.all());
            }
        }
    }

    #[test]
    fn a_cut_keeps_the_largest_and_sums_the_rest_with_all_its_measures() {
        let window = sample(&WindowLimits::default());
        for top in 0..6 {
            let wanted = Wanted { by: [Some(top); DIMENSION_COUNT], measures: true };
            let view = WindowView::of(&window, &wanted);
            let keys: Vec<(&str, u64)> =
                view.by[PATH].iter().map(|row| (&*row.key, row.tally.requests)).collect();
            let expected: &[(&str, u64)] = match top {
                0 => &[("(other)", 13)],
                1 => &[("(other)", 7), ("GET /", 6)],
                2 => &[("(other)", 4), ("GET /", 6), ("GET /a\"}", 3)],
                3 => &[("(other)", 1), ("GET /", 6), ("GET /a\"}", 3), ("GET /b", 3)],
                _ => &[("GET /", 6), ("GET /a\"}", 3), ("GET /b", 3), ("GET /c\n", 1)],
            };
            assert_eq!(keys, expected, "top {top}");
            let mut sum = Totals::default();
            for row in &view.by[PATH] {
                sum.requests += row.tally.requests;
                row.measures.iter().for_each(|measures| sum.measures.merge(measures));
            }
            assert_eq!(sum, *window.all(), "top {top}");
        }
        let mut view = WindowView::of(&window, &Wanted::ALL);
        view.cut(USER_AGENT, 0);
        assert_eq!((&*view.by[USER_AGENT][0].key, view.by[USER_AGENT][0].tally.robots), (OTHER, 6));
    }
}
