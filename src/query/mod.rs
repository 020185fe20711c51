//! The reading side: which windows a question needs, what it may cost, and its answer.
//!
//! Input: a customer, a range and how much detail is wanted. Output: JSON or CSV. Where windows come from is behind one
//! trait, [`WindowSource`]: the local engine, or a cluster's store. Everything here runs in the thread that asked
//! (but for a `where`, whose bodies the rayon pool reads), holds one window at a time, and gives up at its limits
//! ([`QueryLimits`]). Never: a change to anything.

pub mod aggregates;
pub mod bodies;
pub mod calendar;
mod classes;
mod csv;
pub mod entries;
pub mod filtered;
pub mod gate;
mod merged;
pub mod meter;
mod plan;
pub mod range;
pub mod top;

use std::ops::ControlFlow;
use std::time::Duration;

pub use meter::Meter;
use range::{Kept, TimeRange};

use crate::model::CustomerId;
pub use crate::model::Question;
use crate::windows::view::{Wanted, WindowView};

/// What queries may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// Windows one query reads.
    pub max_windows: usize,
    /// Bytes of windows one query reads.
    pub max_bytes: u64,
    /// Bytes of bodies one query reads.
    pub max_body_bytes: u64,
    /// Objects of a cluster's bucket one query lists and reads.
    pub max_objects: usize,
    /// Bytes one query holds in memory: keys it merges, the answer it builds.
    pub max_memory_bytes: usize,
    /// How long one query runs.
    pub max_time: Duration,
    /// Queries that run at once.
    pub max_running: usize,
    /// How long a query waits for its turn.
    pub max_wait: Duration,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            // Almost a week of minutes.
            max_windows: 10_000,
            max_bytes: 256 << 20,
            // More than two cores read before the time is over.
            max_body_bytes: 4 << 30,
            // A listing of a thousand takes some ten milliseconds, and so does a body: more are not done in time.
            max_objects: 100_000,
            // A page of windows ends at a quarter of it.
            max_memory_bytes: 64 << 20,
            max_time: Duration::from_secs(5),
            // Each takes a core; the rest is for ingestion.
            max_running: 4,
            // A dashboard asks a few questions at once.
            max_wait: Duration::from_secs(1),
        }
    }
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryForm {
    /// One object.
    Json,
    /// A line for each window or key, behind a line of names.
    Csv,
    /// An object in each line.
    Ndjson,
}

#[derive(Clone, Debug)]
pub struct QueryAnswer {
    /// Its text.
    pub body: Vec<u8>,
    /// The parameter that asks for the next page, if there is one.
    pub next: Option<String>,
    /// The part of the range that bodies cover, where they were read.
    pub covered: Option<TimeRange>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// More windows than [`QueryLimits::max_windows`].
    Windows(usize),
    /// More bytes than [`QueryLimits::max_bytes`].
    Bytes(u64),
    /// More bytes than [`QueryLimits::max_body_bytes`].
    BodyBytes(u64),
    /// More objects than [`QueryLimits::max_objects`].
    Objects(usize),
    /// No bodies are kept, so a `where` has nothing to read.
    NoBodies,
    /// More distinct keys than [`QueryLimits::max_memory_bytes`] can hold.
    Memory(usize),
    /// Longer than [`QueryLimits::max_time`].
    Time(Duration),
    /// Too many others run: try again.
    Busy,
    /// A damaged window is being counted again, which takes longer than a query may: try again.
    Rebuilding,
    /// Retention has removed everything in the range.
    NothingKept,
    /// `next` does not name a window of this query.
    Cursor,
    /// A window cannot be read. The details are for the log.
    Unreadable(String),
}

impl QueryError {
    /// The name in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            QueryError::Windows(_) => "windows",
            QueryError::Bytes(_) => "bytes",
            QueryError::BodyBytes(_) => "body_bytes",
            QueryError::Objects(_) => "objects",
            QueryError::NoBodies => "no_bodies",
            QueryError::Memory(_) => "memory",
            QueryError::Time(_) => "time",
            QueryError::Busy => "busy",
            QueryError::Rebuilding => "rebuilding",
            QueryError::NothingKept => "nothing_kept",
            QueryError::Cursor => "cursor",
            QueryError::Unreadable(_) => "unreadable",
        }
    }
}

impl std::fmt::Display for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const ADVICE: &str = "ask for a shorter range, a coarser window or a smaller limit";
        match self {
            QueryError::Windows(limit) => {
                write!(f, "the query reads more than {limit} windows (max_query_windows): {ADVICE}")
            }
            QueryError::Bytes(limit) => {
                write!(f, "the query reads more than {limit} bytes of windows (max_query_bytes): {ADVICE}")
            }
            QueryError::BodyBytes(limit) => {
                write!(f, "the query reads more than {limit} bytes of bodies (max_query_body_bytes): ask for a shorter range")
            }
            QueryError::Objects(limit) => {
                write!(f, "the query lists or reads more than {limit} objects of the bucket (max_query_objects): ask for a shorter range")
            }
            QueryError::NoBodies => f.write_str(
                "where and /entries read the bodies of batches, and this server keeps none (--raw-batches drop)",
            ),
            QueryError::Memory(limit) => {
                write!(f, "the query holds more than {limit} bytes (max_query_memory): {ADVICE}")
            }
            QueryError::Time(limit) => {
                let ms = limit.as_millis();
                write!(f, "the query runs for more than {ms} ms (max_query_time): {ADVICE}")
            }
            QueryError::Busy => f.write_str("too many queries are running (max_queries): try again"),
            QueryError::Rebuilding => {
                f.write_str("a damaged window is being counted again from the journal: try again")
            }
            QueryError::NothingKept => f.write_str(
                "retention has removed the windows of this range (retain-windows-days): ask for a later range or a coarser \
                 window",
            ),
            QueryError::Cursor => {
                f.write_str("next must be that of the page before, with the same from, to, window and tz")
            }
            QueryError::Unreadable(_) => f.write_str("a window cannot be read; see the server's log"),
        }
    }
}

/// Called with each window; `Break` if no more are wanted.
pub type Visit<'a> = &'a mut dyn FnMut(&WindowView<'_>) -> Result<ControlFlow<()>, QueryError>;

/// Windows to answer from.
pub trait WindowSource: Send + Sync {
    /// Visits the windows of one customer and size that start in a range, ascending by start. Everything that was
    /// acknowledged before the call is in them. A view shows what is `wanted` of its window. Charges `meter` for each.
    ///
    /// # Errors
    /// See [`QueryError`]; what was visited before it is of no use.
    fn visit(
        &self,
        question: &Question,
        wanted: &Wanted,
        meter: &mut Meter,
        visit: Visit<'_>,
    ) -> Result<(), QueryError>;
}

/// Everything that is stored: the seam on the way out. Behind it is the local [`crate::engine`], or a cluster.
pub trait StoredSource: WindowSource {
    /// Which windows of a customer retention has left.
    fn kept(&self, _customer: &CustomerId) -> Result<Kept, QueryError> {
        Ok(Kept::default())
    }

    /// The bodies that the windows were counted from.
    ///
    /// # Errors
    /// [`QueryError::NoBodies`] where there are none.
    fn bodies(&self) -> Result<&dyn bodies::BodySource, QueryError> {
        Err(QueryError::NoBodies)
    }

    /// Every customer of whom anything was counted, sorted. Everything that was acknowledged before the call is in it.
    fn customers(&self) -> Result<Vec<KnownCustomer>, QueryError>;

    /// Bytes of a customer's windows on disk; `None` if that is not known.
    fn bytes_on_disk(&self, _customer: &CustomerId) -> Result<Option<u64>, QueryError> {
        Ok(None)
    }
}

/// A customer with counted entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCustomer {
    pub id: CustomerId,
    /// Its counts; `None` if the source does not sum them up.
    pub counted: Option<CountedEntries>,
}

/// The counts of a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedEntries {
    /// Entries of all its batches.
    pub entries: u64,
    /// When the first of its batches was received: milliseconds since 1970.
    pub first_seen_ms: u64,
    /// When the last of its batches was received.
    pub last_seen_ms: u64,
}
