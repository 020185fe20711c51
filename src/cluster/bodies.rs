//! The object store as a source of bodies: the answer to `/entries` and `where` in a cluster.
//!
//! Input: a customer and minutes. Output: the body of every batch that was counted and may have entries of these minutes. Batches
//! are found by the keys of their summaries, so that only those of the customer and near the range are listed; what a query lists
//! and reads is bounded by `max_query_objects`. A batch whose event was never emitted has no summary and is not shown: no
//! window has it. Never: a write.
//!
//! A body that is gone or cannot be used limits what the answer covers: the answer then covers only what follows its
//! last minute.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::bounded;
use xxhash_rust::xxh3::xxh3_64;

use super::names;
use super::raw;
use super::s3::{ObjectError, ObjectStore, StoreError};
use super::shared_secret::SharedSecret;
use super::summaries::{ListedSummary, SummaryListing};
use crate::base::secret::Subkey;
use crate::base::sync::{into_inner, lock};
use crate::model::{CustomerId, Seq, WindowStart};
use crate::query::bodies::{BodySource, BodyTask, StoredBody};
use crate::query::{Meter, QueryError};
use crate::time;

/// Bodies that one query reads at once: most of the time each waits for the store. Each holds a body twice.
pub const READERS: usize = 8;
/// Bits of a batch's number that tell batches of one millisecond apart; the others hold its time until the year 2109.
const HASH_BITS: u32 = 22;

/// Bodies in the object store.
pub struct BucketBodies {
    store: Arc<ObjectStore>,
    secret: Arc<SharedSecret>,
}

/// What the readers of one query share.
struct BodyScan<'s> {
    store: &'s ObjectStore,
    customer: &'s CustomerId,
    meter: Mutex<&'s mut Meter>,
    task: BodyTask<'s>,
    complete_since_ms: AtomicU64,
    /// The first failure.
    failure: Mutex<Option<QueryError>>,
}

impl BucketBodies {
    pub fn new(store: Arc<ObjectStore>, secret: Arc<SharedSecret>) -> Self {
        Self { store, secret }
    }
}

impl BodySource for BucketBodies {
    fn scan(
        &self,
        customer: &CustomerId,
        minutes: &Range<WindowStart>,
        meter: &mut Meter,
        task: BodyTask<'_>,
    ) -> Result<u64, QueryError> {
        self.secret.prove_reading(&self.store).map_err(|error| unreadable(&error))?;
        let scan = BodyScan {
            store: &self.store,
            customer,
            meter: Mutex::new(meter),
            task,
            complete_since_ms: AtomicU64::new(time::start_ms(minutes.start)),
            failure: Mutex::default(),
        };
        let (found, queue) = bounded::<ListedSummary>(READERS);
        std::thread::scope(|scope| {
            for _ in 0..READERS {
                let (scan, queue) = (&scan, queue.clone());
                scope.spawn(move || {
                    queue.iter().take_while(|_| !scan.has_failed()).for_each(|summary| scan.read(&summary))
                });
            }
            // Readers that failed have dropped their ends of the queue.
            drop(queue);
            if let Err(error) = scan.list(minutes, |summary| found.send(summary).is_ok()) {
                scan.fail(error);
            }
            drop(found);
        });
        match into_inner(scan.failure) {
            Some(error) => Err(error),
            None => Ok(scan.complete_since_ms.into_inner()),
        }
    }

    fn visitor_key(&self) -> Subkey {
        self.secret.visitors()
    }
}

impl BodyScan<'_> {
    /// Lists the batches of these minutes, until nothing takes them any more.
    fn list(
        &self,
        minutes: &Range<WindowStart>,
        wanted: impl Fn(ListedSummary) -> bool,
    ) -> Result<(), QueryError> {
        let mut listing = SummaryListing::new(self.store, self.customer, minutes);
        loop {
            lock(&self.meter).check_time()?;
            let Some(listed) = listing.next_summary().map_err(|error| unreadable(&error))? else {
                return Ok(());
            };
            lock(&self.meter).charge_object()?;
            if listed.is_some_and(|summary| !wanted(summary)) {
                return Ok(());
            }
        }
    }

    fn read(&self, summary: &ListedSummary) {
        if let Err(error) = self.try_read(summary) {
            self.fail(error);
        }
    }

    fn try_read(&self, summary: &ListedSummary) -> Result<(), QueryError> {
        lock(&self.meter).charge_object()?;
        let key = names::raw_key(self.customer, &summary.batch_id);
        let found = match raw::batch_in(self.store, &key, summary.batch_id.clone()) {
            Ok(found) => found,
            Err(ObjectError::Store(error)) => return Err(unreadable(&error)),
            Err(ObjectError::Unusable(why)) => {
                log::error!("{why}; found by a query");
                None
            }
        };
        let Some((event, body)) = found else {
            let end_ms = time::start_ms(WindowStart(summary.minutes.last.0 + 1));
            self.complete_since_ms.fetch_max(end_ms, Ordering::Relaxed);
            return Ok(());
        };
        lock(&self.meter).charge_body(u64::from(event.body_bytes))?;
        let seq = place(event.received_at_ms, &key);
        (self.task)(StoredBody { seq, content: &event.content, bytes: &body })
    }

    fn fail(&self, error: QueryError) {
        lock(&self.failure).get_or_insert(error);
    }

    fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }
}

/// A number for a batch among all batches of its customer, used in place of a record's seq: its time of receipt and,
/// within a millisecond, an order that is the same in every process.
fn place(received_at_ms: u64, key: &str) -> Seq {
    Seq(received_at_ms << HASH_BITS | xxh3_64(key.as_bytes()) >> (u64::BITS - HASH_BITS))
}

fn unreadable(error: &StoreError) -> QueryError {
    QueryError::Unreadable(error.to_string())
}
