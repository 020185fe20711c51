//! Lists of the batches that an ingest is working on, written before their bodies. A process that dies between a body
//! and its event leaves such a list, so that `reconcile` finds the bodies that may lack an event without listing all
//! bodies.
//!
//! Input: batches that a client can send again under their id. Output: an object `unsettled/<ULID>` with a line for each, durable
//! before the body is written; it is deleted when all of its batches have their event. Batches that come while one list is
//! written share the next, so that a busy ingest writes few. [`super::reconcile`] looks at the lists that are left. Never: a
//! list that changes.

use std::io;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::backoff;
use super::names::UNSETTLED;
use super::s3::{ObjectStore, StoreError};
use crate::base::random;
use crate::base::shutdown;
use crate::base::sync::{lock, wait};

/// Lists that wait to be deleted. When there are more, they stay; `reconcile` reads them and finds nothing to do.
const MAX_DELETIONS: usize = 4_096;
/// How often a batch checks whether its list was written, should it miss the notification.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The lists of one process.
pub struct Unsettled {
    store: Arc<ObjectStore>,
    /// Time for the object store to take a list, with all tries.
    timeout: Duration,
    state: Mutex<ListState>,
    written: Condvar,
    deletions: Sender<String>,
}

struct ListState {
    /// The list that new batches are added to.
    open: Arc<UnsettledList>,
    /// One line for each of its batches.
    stems: Vec<String>,
    is_writing: bool,
}

struct UnsettledList {
    key: String,
    written: OnceLock<Result<(), StoreError>>,
    deletions: Sender<String>,
    /// Set where one of its batches may have no event.
    unsettled: OnceLock<()>,
}

/// A batch in a list. Unless it is settled before it is dropped, the list stays.
#[must_use]
pub struct UnsettledBatch {
    list: Arc<UnsettledList>,
    is_settled: bool,
}

impl Unsettled {
    /// Starts the thread that deletes lists. The thread ends when this is dropped.
    pub fn start(store: Arc<ObjectStore>, timeout: Duration) -> io::Result<Self> {
        let (deletions, queue) = bounded::<String>(MAX_DELETIONS);
        let of_thread = Arc::clone(&store);
        // Not joined: `reconcile` reads a list that was not deleted in time.
        shutdown::spawn("unsettled", move || {
            for key in queue {
                if let Err(error) = of_thread.delete(&key) {
                    log::warn!("{key} is left to reconcile: {error}");
                }
            }
        })?;
        let open = UnsettledList::new(&deletions);
        let state = Mutex::new(ListState { open, stems: Vec::new(), is_writing: false });
        Ok(Self { store, timeout, state, written: Condvar::new(), deletions })
    }

    /// Returns when a list with this batch is durable.
    pub fn note(&self, stem: String) -> Result<UnsettledBatch, StoreError> {
        let mut state = lock(&self.state);
        state.stems.push(stem);
        let batch = UnsettledBatch { list: Arc::clone(&state.open), is_settled: false };
        loop {
            if let Some(written) = batch.list.written.get() {
                return written.clone().map(|()| batch);
            }
            if state.is_writing {
                state = wait(&self.written, state, LOOK_INTERVAL);
                continue;
            }
            // Nobody is writing, and this batch's list is not written: it is the open one, so this thread writes it.
            state.is_writing = true;
            let list = std::mem::replace(&mut state.open, UnsettledList::new(&self.deletions));
            let stems = std::mem::take(&mut state.stems);
            drop(state);
            let written = self.write(&list, &stems);
            state = lock(&self.state);
            state.is_writing = false;
            let _ = list.written.set(written);
            self.written.notify_all();
        }
    }

    fn write(&self, list: &UnsettledList, stems: &[String]) -> Result<(), StoreError> {
        let text = stems.join("\n");
        let mut tries = backoff(Some(self.timeout));
        loop {
            match self.store.put(&list.key, text.as_bytes()) {
                Err(StoreError::Unavailable(_)) if tries.wait() => {}
                other => return other,
            }
        }
    }
}

impl UnsettledList {
    fn new(deletions: &Sender<String>) -> Arc<Self> {
        let key = format!("{UNSETTLED}{}", random::ulid());
        let deletions = deletions.clone();
        Arc::new(Self { key, written: OnceLock::new(), deletions, unsettled: OnceLock::new() })
    }
}

impl Drop for UnsettledList {
    fn drop(&mut self) {
        if self.written.get().is_some() && self.unsettled.get().is_none() {
            let _ = self.deletions.try_send(std::mem::take(&mut self.key));
        }
    }
}

impl UnsettledBatch {
    /// Notes that nothing is missing: the batch's event is durable, or its body was not written.
    pub fn settle(mut self) {
        self.is_settled = true;
    }
}

impl Drop for UnsettledBatch {
    fn drop(&mut self) {
        if !self.is_settled {
            let _ = self.list.unsettled.set(());
        }
    }
}
