//! Finds the batches of a customer that may have entries of a range, by the keys of their summaries.
//!
//! Input: a customer and minutes. Output: batches that were counted, one by one. A body without a summary is left
//! out: its event was never emitted, or no worker has processed it yet, so that no window has it either. Never: reads
//! a summary.

use std::ops::Range;

use super::names;
use super::s3::{Listing, ObjectStore, StoreError};
use super::span::{CLASSES, MinuteSpan, SpanClass};
use crate::model::{BatchId, CustomerId, WindowStart};

/// A summary in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSummary {
    pub key: String,
    pub batch_id: BatchId,
    pub minutes: MinuteSpan,
}

/// Lists the summaries of a customer that may overlap a range, class after class.
pub struct SummaryListing<'s> {
    store: &'s ObjectStore,
    customer: &'s CustomerId,
    range: &'s Range<WindowStart>,
    classes: std::slice::Iter<'static, SpanClass>,
    /// The listing of one class, and the text that its keys must stay below.
    part: Option<(Listing<'s>, String)>,
}

impl<'s> SummaryListing<'s> {
    pub fn new(store: &'s ObjectStore, customer: &'s CustomerId, range: &'s Range<WindowStart>) -> Self {
        Self { store, customer, range, classes: CLASSES.iter(), part: None }
    }

    /// The next summary: `Some(None)` for an object to skip, because it does not overlap the range or another program
    /// wrote it; `None` at the end.
    pub fn next_summary(&mut self) -> Result<Option<Option<ListedSummary>>, StoreError> {
        loop {
            if let Some((listing, below)) = &mut self.part
                && let Some(object) = listing.next_object()?
                && object.key < *below
            {
                return Ok(Some(self.read(object.key)));
            }
            let Some(class) = self.classes.next() else { return Ok(None) };
            let (prefix, above, below) = names::summaries_within(self.customer, *class, self.range);
            self.part = Some((self.store.list(&prefix, &above), below));
        }
    }

    fn read(&self, key: String) -> Option<ListedSummary> {
        let (minutes, batch_id) = names::batch_of_summary(self.customer, &key)?;
        minutes.overlaps(self.range).then_some(ListedSummary { key, batch_id, minutes })
    }
}
