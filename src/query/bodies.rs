//! The source of batches' bodies: the seam between a `where` and the journal, or a cluster's object store.
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

/// The work for each body, on any thread.
pub type BodyTask<'t> = &'t (dyn Fn(StoredBody<'_>) -> Result<(), QueryError> + Sync);

/// A place where bodies are kept.
pub trait BodySource: Send + Sync {
    /// Calls `task` with every body of a customer that is kept and may hold entries of these minutes. Charges `meter`
    /// for each. Returns the instant from which on no body is missing, in milliseconds.
    fn scan(
        &self,
        customer: &CustomerId,
        minutes: &Range<WindowStart>,
        meter: &mut Meter,
        task: BodyTask<'_>,
    ) -> Result<u64, QueryError>;

    /// The key that clients are hashed under.
    fn visitor_key(&self) -> Subkey;
}
