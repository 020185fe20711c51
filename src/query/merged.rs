//! Windows added up to one that no file holds: a local day, a month, a whole range.
//!
//! Input: views of windows, each with all keys that are wanted. Output: one view of their sums. All of it merges in any
//! order; a key that some of them folded lies within the sum of their bounds.
//! Never: a cut of keys before everything is added up.

use super::QueryError;
use crate::dimension::{DIMENSION_COUNT, OTHER};
use crate::measures::{Totals, Visitors, saturating_sum};
use crate::model::WindowId;
use crate::windows::table::CountTable;
use crate::windows::view::{KeyView, WindowView, rows};

#[derive(Default)]
pub(super) struct MergedWindow {
    pub(super) all: Totals,
    pub(super) robots: Totals,
    visitors: Visitors,
    tables: [CountTable; DIMENSION_COUNT],
    /// How much a key's true count may be above the one shown, by dimension.
    pub(super) folded: [u64; DIMENSION_COUNT],
    /// Whether a window had lost counts to damage.
    pub(super) incomplete: bool,
}

impl MergedWindow {
    /// Adds a window.
    ///
    /// # Errors
    /// [`QueryError::Memory`] where the sums take more than `max_bytes`.
    pub(super) fn add(&mut self, view: &WindowView<'_>, max_bytes: usize) -> Result<(), QueryError> {
        self.all.merge(&view.all);
        self.robots.merge(&view.robots);
        self.visitors.merge(&view.visitors);
        self.incomplete |= view.incomplete;
        let mut bytes = 0;
        for (dimension, (table, rows)) in self.tables.iter_mut().zip(&view.by).enumerate() {
            self.folded[dimension] = saturating_sum(self.folded[dimension], view.folded[dimension]);
            rows.iter().for_each(|row| add_row(table, row));
            bytes += table.resident_bytes();
        }
        if bytes > max_bytes { Err(QueryError::Memory(max_bytes)) } else { Ok(()) }
    }

    /// The counts by the keys of a dimension.
    pub(super) fn table(&self, dimension: usize) -> &CountTable {
        &self.tables[dimension]
    }

    /// The sums. The id is a place in time; what is merged has no size of its own.
    pub(super) fn view(&self, id: WindowId) -> WindowView<'_> {
        let mut view = WindowView {
            all: self.all.clone(),
            robots: self.robots.clone(),
            visitors: self.visitors.clone(),
            folded: self.folded,
            incomplete: self.incomplete,
            ..WindowView::empty(id)
        };
        for (dimension, table) in self.tables.iter().enumerate() {
            view.set(dimension, rows(table, true), usize::MAX);
        }
        view
    }
}

fn add_row(table: &mut CountTable, row: &KeyView<'_>) {
    if row.key == OTHER {
        return table.add_rest(row.tally, row.measures.as_deref());
    }
    let place = table.add(&row.key, row.tally);
    if let Some(measures) = &row.measures {
        table.merge_measures(place, measures);
    }
}
