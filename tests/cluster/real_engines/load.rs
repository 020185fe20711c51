//! Clients that send batches to the cluster until each is acknowledged, by whichever ingest, some of them to both ingests at
//! once, and then once to the single machine. How far they may go can be changed while they send.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::batches::Batch;
use super::ingests::Ingests;
use crate::support::client::Client;
use crate::support::server::Server;

const CLIENTS: usize = 16;
/// Every so many batches one is sent to all ingests at once first.
const AT_ONCE_EVERY: usize = 4;
/// Longer than any component is gone.
const PATIENCE: Duration = Duration::from_secs(180);

/// State shared by the clients and the thread that kills components.
pub(crate) struct Load<'a> {
    make: &'a (dyn Fn(usize) -> Batch + Sync),
    /// Batches below this number may be sent.
    quota: AtomicUsize,
    /// The quota will not be raised any more.
    done: AtomicBool,
    /// The killing thread has failed, so batches may never be acknowledged.
    hopeless: AtomicBool,
    next: AtomicUsize,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    accepted: Mutex<HashMap<String, usize>>,
}

impl<'a> Load<'a> {
    /// Batches `0..count`, and no more.
    pub(crate) fn new(count: usize, make: &'a (dyn Fn(usize) -> Batch + Sync)) -> Load<'a> {
        Load {
            make,
            quota: AtomicUsize::new(count),
            done: AtomicBool::new(true),
            hopeless: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            acknowledged: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            accepted: Mutex::default(),
        }
    }

    /// Batches without end, until [`Load::finish`].
    pub(crate) fn endless(make: &'a (dyn Fn(usize) -> Batch + Sync)) -> Load<'a> {
        Load { done: AtomicBool::new(false), ..Self::new(usize::MAX, make) }
    }

    /// Lets clients send as fast as they can.
    pub(crate) fn flow(&self) {
        self.quota.store(usize::MAX, Ordering::SeqCst);
    }

    /// Lets clients send so many more than they have, and wait then.
    pub(crate) fn at_most(&self, more: usize) {
        self.quota.store(self.offered() + more, Ordering::SeqCst);
    }

    /// Nothing is begun any more.
    pub(crate) fn finish(&self) {
        self.at_most(0);
        self.done.store(true, Ordering::SeqCst);
    }

    /// Batches that a client has begun to send.
    pub(crate) fn offered(&self) -> usize {
        self.next.load(Ordering::SeqCst)
    }

    /// Batches that the cluster has acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Requests that were answered 503, refused a connection, or broken off.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// Sends, with so many clients, while `disturb` runs. How often each batch was answered 202.
    pub(crate) fn run(
        self,
        ingests: &Ingests,
        single: &Server,
        disturb: impl FnOnce(&Self),
    ) -> HashMap<String, usize> {
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| self.send(ingests, single));
            }
            let _end = EndOnPanic(&self);
            disturb(&self);
        });
        self.accepted.into_inner().unwrap()
    }

    fn send(&self, ingests: &Ingests, single: &Server) {
        let mut single = single.client();
        while let Some(number) = self.take() {
            let batch = (self.make)(number);
            if number.is_multiple_of(AT_ONCE_EVERY) {
                self.send_at_once(ingests, &batch);
            }
            if self.until_acknowledged(ingests, &batch).is_none() {
                return;
            }
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
            let status = single.post(batch.customer, &batch.key, &batch.body).unwrap().status;
            assert!(matches!(status, 202 | 409), "the single machine answers {status}");
        }
    }

    /// The number of the next batch; waits for quota.
    fn take(&self) -> Option<usize> {
        let below_quota = |next| (next < self.quota.load(Ordering::SeqCst)).then_some(next + 1);
        loop {
            // In this order: the quota is raised for the last time before `done` is set.
            let done = self.done.load(Ordering::SeqCst);
            if self.hopeless.load(Ordering::SeqCst) {
                return None;
            }
            match self.next.fetch_update(Ordering::SeqCst, Ordering::SeqCst, below_quota) {
                Ok(number) => return Some(number),
                Err(_) if done => return None,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// The same batch under one key to all ingests at once.
    fn send_at_once(&self, ingests: &Ingests, batch: &Batch) {
        std::thread::scope(|scope| {
            for ingest in ingests.all() {
                scope.spawn(move || self.is_acknowledged(ingest, batch));
            }
        });
    }

    /// Sends until it is acknowledged; `None` if that cannot happen any more.
    fn until_acknowledged(&self, ingests: &Ingests, batch: &Batch) -> Option<()> {
        let began = Instant::now();
        while !self.hopeless.load(Ordering::SeqCst) {
            if self.is_acknowledged(ingests.next(), batch) {
                return Some(());
            }
            assert!(began.elapsed() < PATIENCE, "{} is not acknowledged", batch.key);
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    fn is_acknowledged(&self, ingest: SocketAddr, batch: &Batch) -> bool {
        match Client::new(ingest).post(batch.customer, &batch.key, &batch.body).map(|answer| answer.status) {
            Ok(202) => {
                *self.accepted.lock().unwrap().entry(batch.key.clone()).or_insert(0) += 1;
                true
            }
            Ok(409) => true,
            Ok(503) | Err(_) => {
                self.refused.fetch_add(1, Ordering::SeqCst);
                false
            }
            Ok(other) => panic!("{} is answered {other}", batch.key),
        }
    }
}

/// Lets clients end where the thread that disturbs them panics: it is joined with them.
struct EndOnPanic<'a>(&'a Load<'a>);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.hopeless.store(true, Ordering::SeqCst);
        }
    }
}
