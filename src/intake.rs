//! The seam on the way in: takes a checked batch, makes it durable exactly once, and returns what happened.
//!
//! Input: checked batches. Output: [`Outcome`]s. Never: knows its implementation: the HTTP routes use only this seam,
//! and behind it is the local [`crate::engine`] or a cluster.

use crate::base::inflight::Charge;
use crate::base::secret::Subkey;
use crate::batch::{Content, Encoding, Limits};
use crate::model::{BatchId, CustomerId, Summary};
pub use crate::outcome::{DeletionOutcome, Outcome, Reason};

/// A batch that passed every check that does not need earlier batches.
#[derive(Debug)]
pub struct CheckedBatch<'a> {
    pub customer: &'a CustomerId,
    /// Its idempotency key, or the ULID made in place of one.
    pub batch_id: &'a BatchId,
    /// The client sent no key, so the batch cannot be deduplicated.
    pub server_made_id: bool,
    /// What the decoded body is.
    pub content: &'a Content,
    /// The decoded body.
    pub body: &'a [u8],
    /// The body as it was received, if it was compressed.
    pub coded: Option<(Encoding, &'a [u8])>,
    pub summary: Summary,
    /// The limits by which it was read and checked.
    pub limits: &'a Limits,
    /// When it was received, in milliseconds.
    pub received_at_ms: u64,
    /// The memory it holds.
    pub charge: Charge,
}

/// The state of a part of the server.
pub trait Health: Send + Sync {
    /// Whether it can do its work now.
    fn ready(&self) -> Result<(), Reason>;

    /// Sets the metrics that are looked up rather than counted.
    fn report(&self);
}

/// Takes batches.
pub trait Intake: Health {
    /// Takes one batch; returns when its outcome is durable.
    fn take(&self, batch: CheckedBatch<'_>) -> Outcome;

    /// The outcome of the batch with this name and fingerprint (see [`Content::fingerprint`]), if it came before.
    /// Asked for batches that today's limits refuse.
    fn known(&self, customer: &CustomerId, batch_id: &BatchId, fingerprint: u128) -> Option<Outcome>;

    /// Whether the batch that was counted under this name begins with these lines, of which the last may be cut, and
    /// was read by the same parameters. `false` also if its body is not kept.
    fn begins_with(&self, customer: &CustomerId, batch_id: &BatchId, content: &Content, lines: &[u8])
    -> bool;

    /// Deletes everything of a customer that was counted before; returns when no query sees it any more.
    fn delete(&self, customer: &CustomerId) -> DeletionOutcome;

    /// The latest time of receipt of any batch, in milliseconds: a clock that is before it is wrong. Zero if that is
    /// not known.
    fn last_received_at_ms(&self) -> u64;

    /// The key that clients are hashed under.
    fn visitor_key(&self) -> Subkey;
}
