//! Where the bodies of batches come from: the seam between a `where` and the journal, or a cluster's object store.
//!
//! Input: a customer and minutes. Output: every body that may hold entries of these minutes. Never: an order of bodies; they
//! are read on several threads.

use std::ops::Range;

use super::{Meter, QueryError};
use crate::base::secret::Subkey;
use crate::batch::Content;
use crate::model::{CustomerId, Seq, WindowStart};

/// The body of one batch.
#[derive(Clone, Copy, Debug)]
pub struct StoredBody<'b> {
    /// Its record, or in a cluster its place among all batches.
    pub seq: Seq,
    pub content: &'b Content,
    /// The decoded bytes.
    pub bytes: &'b [u8],
}

/// What is done with each body, on whatever thread.
pub type BodyTask<'t> = &'t (dyn Fn(StoredBody<'_>) -> Result<(), QueryError> + Sync);

/// Keeps bodies.
pub trait BodySource: Send + Sync {
    /// Gives `task` every body of a customer that is kept and may hold entries of these minutes. Charges `meter` for each.
    /// Returns the instant from which on none is missing, in milliseconds.
    fn scan(
        &self,
        customer: &CustomerId,
        minutes: &Range<WindowStart>,
        meter: &mut Meter,
        task: BodyTask<'_>,
    ) -> Result<u64, QueryError>;

    /// What clients are hashed under.
    fn visitor_key(&self) -> Subkey;
}
