//! Who holds how much of a budget: an owner may hold twice what is free.
//!
//! Input: owners by name, and bytes that they take and give back. Output: whether an owner may take more. So one owner that
//! takes all it gets leaves a third of the budget free, two leave a fifth, and one that begins to send finds room at once,
//! without anybody counting who is there (Choudhury and Hahne, "Dynamic queue length thresholds in a shared memory ATM
//! switch", INFOCOM 1996). An owner with a single charge may always grow it: a third of a small budget must not be
//! too little for a batch. Never: a table that grows with the number of owners. Two owners whose hashes collide count
//! as one, which costs them something only while the budget is nearly used up.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;

const SHARE_COUNT: usize = 4_096;
/// How many times what is free an owner may hold.
const TIMES_FREE: usize = 2;

/// The share of one owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ShareId(usize);

#[derive(Debug)]
pub(super) struct Shares {
    held_bytes: Box<[AtomicUsize]>,
    hash: RandomState,
}

impl Shares {
    pub(super) fn new() -> Self {
        Self {
            held_bytes: (0..SHARE_COUNT).map(|_| AtomicUsize::new(0)).collect(),
            hash: RandomState::default(),
        }
    }

    pub(super) fn of(&self, owner: &str) -> ShareId {
        ShareId(self.hash.hash_one(owner) as usize % SHARE_COUNT)
    }

    /// Adds to a share, of which a charge holds `own_bytes` and wants `more_bytes`, where `free_bytes` would be left of the
    /// budget. Returns whether it may.
    pub(super) fn take(
        &self,
        share: ShareId,
        own_bytes: usize,
        more_bytes: usize,
        free_bytes: usize,
    ) -> bool {
        let held = self.held(share).fetch_add(more_bytes, Ordering::SeqCst);
        let is_over = held.saturating_add(more_bytes) > free_bytes.saturating_mul(TIMES_FREE);
        if is_over && held > own_bytes {
            self.give_back(share, more_bytes);
            return false;
        }
        true
    }

    pub(super) fn give_back(&self, share: ShareId, bytes: usize) {
        self.held(share).fetch_sub(bytes, Ordering::SeqCst);
    }

    /// Whether the owner holds anything.
    pub(super) fn holds_any(&self, share: ShareId) -> bool {
        self.held(share).load(Ordering::SeqCst) > 0
    }

    #[cfg(test)]
    pub(super) fn is_unused(&self) -> bool {
        self.held_bytes.iter().all(|held| held.load(Ordering::SeqCst) == 0)
    }

    fn held(&self, share: ShareId) -> &AtomicUsize {
        &self.held_bytes[share.0]
    }
}
