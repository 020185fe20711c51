//! The seam on the way in: who takes a checked batch, makes it durable exactly once, and says what happened.
//!
//! The HTTP routes know only this; behind it is the local [`crate::engine`], or a cluster.

use crate::batch::{Encoding, Format};
use crate::inflight::Charge;
use crate::model::{BatchId, CustomerId, Summary};

/// A batch that passed every check that needs no memory of other batches.
#[derive(Debug)]
pub struct CheckedBatch<'a> {
    /// Whose it is.
    pub customer: &'a CustomerId,
    /// Its idempotency key, or the ULID made in place of one.
    pub batch_id: &'a BatchId,
    /// The client sent no key, so the batch cannot be deduplicated.
    pub server_made_id: bool,
    /// How the decoded body is strung together.
    pub format: Format,
    /// The decoded body.
    pub body: &'a [u8],
    /// The body as it came, where it came compressed.
    pub coded: Option<(Encoding, &'a [u8])>,
    /// What it counts.
    pub summary: Summary,
    /// When it was received, in milliseconds.
    pub received_at_ms: u64,
    /// The memory it holds.
    pub charge: Charge,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable and counted: 202.
    Counted,
    /// Counted before: 409.
    Duplicate,
    /// Another batch was counted under its key: 422.
    Conflict,
    /// Not counted: 503, for this reason.
    Unavailable(&'static str),
}

/// Takes batches.
pub trait Intake: Send + Sync {
    /// Takes one batch; returns when its fate is durable.
    fn take(&self, batch: CheckedBatch<'_>) -> Outcome;
}
