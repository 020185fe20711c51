//! Who holds how much of a budget: while others wait, no owner gets more than half of it.
//!
//! Input: owners by name, and bytes that they take and give back. Output: whether an owner may take more. The first charge
//! of an owner is always allowed, so that half of a small budget is enough for any batch. Never: a table that grows with
//! the number of owners; two whose hashes collide count as one, and lose nothing by it but while others wait.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use std::hash::BuildHasher;

use super::clock::monotonic;
use super::sync::lock;

const SHARE_COUNT: usize = 4_096;
/// How long an owner counts as waiting after it was refused: longer than the `retry-after` of a 503, so that bytes are
/// left for it when it comes again.
const WAITING_FOR: Duration = Duration::from_secs(2);

/// The share of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShareId(usize);

/// See the module.
#[derive(Debug)]
pub(super) struct Shares {
    half_bytes: usize,
    held_bytes: Box<[AtomicUsize]>,
    hash: RandomState,
    /// The last two owners that had to wait, and when. Whoever asks, one of them is another.
    waited: Mutex<[Option<(ShareId, Instant)>; 2]>,
    /// Whether `waited` may hold anything, so that there is nothing to lock while nobody waits.
    pub(super) may_wait: AtomicBool,
}

impl Shares {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            half_bytes: max_bytes / 2,
            held_bytes: (0..SHARE_COUNT).map(|_| AtomicUsize::new(0)).collect(),
            hash: RandomState::default(),
            waited: Mutex::default(),
            may_wait: AtomicBool::new(false),
        }
    }

    pub(super) fn of(&self, owner: &str) -> ShareId {
        ShareId(self.hash.hash_one(owner) as usize % SHARE_COUNT)
    }

    /// Adds to a share, of which a charge holds `own_bytes` and wants `more_bytes`. Returns whether it may: more than half
    /// is only for the owner of a single charge, or while nobody else waits.
    pub(super) fn take(&self, share: ShareId, own_bytes: usize, more_bytes: usize) -> bool {
        let held = self.held(share).fetch_add(more_bytes, Ordering::SeqCst);
        let is_over = held.saturating_add(more_bytes) > self.half_bytes && held > own_bytes;
        if is_over && self.another_waits(share) {
            self.give_back(share, more_bytes);
            return false;
        }
        true
    }

    pub(super) fn give_back(&self, share: ShareId, bytes: usize) {
        self.held(share).fetch_sub(bytes, Ordering::SeqCst);
    }

    /// Notes that an owner has to wait for bytes that are in its share already, and returns whether it can expect them:
    /// another one holds more than half.
    pub(super) fn wait(&self, share: ShareId) -> bool {
        if self.held(share).load(Ordering::SeqCst) > self.half_bytes {
            return false;
        }
        let mut waited = lock(&self.waited);
        if waited[0].is_some_and(|(last, _)| last != share) {
            waited[1] = waited[0];
        }
        waited[0] = Some((share, monotonic()));
        self.may_wait.store(true, Ordering::SeqCst);
        self.held_bytes.iter().any(|held| held.load(Ordering::SeqCst) > self.half_bytes)
    }

    fn another_waits(&self, share: ShareId) -> bool {
        if !self.may_wait.load(Ordering::SeqCst) {
            return false;
        }
        let (now, mut waited) = (monotonic(), lock(&self.waited));
        for place in &mut *waited {
            *place = place.filter(|(_, since)| now.saturating_duration_since(*since) < WAITING_FOR);
        }
        self.may_wait.store(waited.iter().any(Option::is_some), Ordering::SeqCst);
        waited.iter().flatten().any(|(other, _)| *other != share)
    }

    #[cfg(test)]
    pub(super) fn is_unused(&self) -> bool {
        self.held_bytes.iter().all(|held| held.load(Ordering::SeqCst) == 0)
    }

    fn held(&self, share: ShareId) -> &AtomicUsize {
        &self.held_bytes[share.0]
    }
}
