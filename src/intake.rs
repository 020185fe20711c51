//! The seam on the way in: who takes a checked batch, makes it durable exactly once, and says what happened.
//!
//! The HTTP routes know only this; behind it is the local [`crate::engine`], or a cluster.

use crate::base::inflight::Charge;
use crate::batch::{Encoding, Format};
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
    /// Not counted: a path or user agent holds the bytes of a journal record, which nobody's does by chance: 400.
    Forged,
    /// Not counted: 503.
    Unavailable(Reason),
}

/// Why no batch is taken at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The bytes in flight are used up.
    Busy,
    /// The disk is full.
    DiskFull,
    /// Too much waits to be written to window files.
    Backlog,
    /// A sync failed: see [`crate::base::latch`].
    Latched,
    /// The server is starting.
    Starting,
    /// The server is stopping.
    Stopping,
    /// A cluster's object store is away.
    ObjectStore,
    /// A cluster's event stream is away.
    Stream,
    /// A cluster's database of windows is away.
    Database,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 6] = [
        Reason::Busy,
        Reason::DiskFull,
        Reason::Backlog,
        Reason::Latched,
        Reason::Starting,
        Reason::Stopping,
    ];

    /// The name used in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Reason::Busy => "busy",
            Reason::DiskFull => "disk_full",
            Reason::Backlog => "backlog",
            Reason::Latched => "latched",
            Reason::Starting => "starting",
            Reason::Stopping => "stopping",
            Reason::ObjectStore => "object_store",
            Reason::Stream => "stream",
            Reason::Database => "database",
        }
    }

    /// In words, for the client.
    pub fn description(self) -> &'static str {
        match self {
            Reason::Busy => "too many bytes are in flight (--max-inflight-bytes): try again",
            Reason::DiskFull => "the disk is full (--min-free-bytes): try again when there is space",
            Reason::Backlog => "too much waits to be written to window files: try again",
            Reason::Latched => "the journal is latched after a failed sync: the server must be restarted",
            Reason::Starting => "the server is starting: try again",
            Reason::Stopping => "the server is stopping: try again",
            Reason::ObjectStore => "the object store is away: try again",
            Reason::Stream => "the event stream is away: try again",
            Reason::Database => "the database of windows is away: try again",
        }
    }
}

/// Says how a part of the server is.
pub trait Health: Send + Sync {
    /// Whether it can do its work now.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), Reason>;

    /// Fills in the metrics that are looked up rather than counted.
    fn report(&self);
}

/// Takes batches.
pub trait Intake: Health {
    /// Takes one batch; returns when its fate is durable.
    fn take(&self, batch: CheckedBatch<'_>) -> Outcome;
}
