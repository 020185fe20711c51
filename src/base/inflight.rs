//! Bytes in flight: one ceiling on the memory that batches may hold between arrival and merge.
//!
//! Input: the bytes that bodies and records need. Output: a [`Charge`], or [`Exhausted`]. A charge grows in steps of
//! [`STEP_BYTES`] as a body arrives or decodes, travels with the batch, and is released when it is dropped. The body's
//! part ends with the answer; the record's part shrinks to what the insights hold once the record is durable, and ends
//! with the merge of the last of them.
//!
//! A charge may belong to an owner (a customer). An owner may hold at most twice as much as is free, so that one
//! customer cannot keep the others out; the module `shares` explains the factor.
//!
//! Where the budget is used up, an upload whose client sends nothing gives way: the one that has been silent longest is
//! asked to end, and its bytes are waited for. Never: a wait for anything else while holding bytes. An upload that was
//! asked needs no bytes to end, so no two charges wait for each other.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::clock::monotonic;
use super::shares::{ShareId, Shares};
use super::sync::{lock, wait};

/// Charges are rounded up to this many bytes.
pub const STEP_BYTES: usize = 64 * 1024;
/// How long an upload's client must have been silent before it gives way: longer than most round trips, so that a client
/// that is merely far away does not lose its upload, and short beside the two seconds after which it ends in any case.
const MIN_SILENCE: Duration = Duration::from_millis(100);
/// How often an upload that waits for its client looks whether it should give way.
pub(crate) const GIVE_WAY_INTERVAL: Duration = Duration::from_millis(50);
/// How long a charge waits for an upload that was asked to give way: it looks at that interval, but its thread may have
/// to wait for a busy machine.
const RECLAIM_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a charge that holds nothing waits for an upload to become silent long enough, or to be read to where it stops:
/// that takes longest where many are read at once.
const SILENCE_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a charge that holds nothing waits for its owner's earlier batches to be merged; merging takes less.
const SHARE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a charge looks for an upload that has become silent.
const RECLAIM_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Budget {
    max_bytes: usize,
    used_bytes: AtomicUsize,
    shares: Shares,
    uploads: Mutex<Vec<Arc<Upload>>>,
    /// Threads that wait for bytes now.
    waiting: AtomicUsize,
    freed: Condvar,
}

/// The budget is used up: answer 503 and let the client come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    pub fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            used_bytes: AtomicUsize::new(0),
            shares: Shares::new(),
            uploads: Mutex::default(),
            waiting: AtomicUsize::new(0),
            freed: Condvar::new(),
        })
    }

    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Takes bytes for a charge of `own_bytes`.
    fn take(&self, bytes: usize, share: Option<ShareId>, own_bytes: usize) -> Result<(), Exhausted> {
        let fits = |used: usize| used.checked_add(bytes).filter(|total| *total <= self.max_bytes);
        let used =
            self.used_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).map_err(|_| Exhausted)?;
        let free_bytes = self.max_bytes - used - bytes;
        if share.is_none_or(|share| self.shares.take(share, own_bytes, bytes, free_bytes)) {
            return Ok(());
        }
        self.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
        Err(Exhausted)
    }

    /// Takes bytes that silent uploads hold. A charge that holds none yet may wait until an upload has been silent
    /// long enough, or until its owner's share has room.
    fn reclaim(&self, bytes: usize, share: Option<ShareId>, own_bytes: usize) -> Result<(), Exhausted> {
        let began = monotonic();
        let mut uploads = lock(&self.uploads);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let result = loop {
            if self.take(bytes, share, own_bytes).is_ok() {
                break Ok(());
            }
            let now = monotonic();
            // Ask one upload at a time: the bytes that it gives back may be enough.
            let asked = uploads.iter().any(|upload| upload.was_asked()) || ask_one(&uploads, now);
            let holds_none = own_bytes == 0;
            let expects_share = holds_none && share.is_some_and(|share| self.shares.holds_any(share));
            let may_become_silent = holds_none && !uploads.is_empty();
            let timeout = match () {
                () if asked => RECLAIM_TIMEOUT,
                () if expects_share => SHARE_TIMEOUT,
                () if may_become_silent => SILENCE_TIMEOUT,
                () => Duration::ZERO,
            };
            if now.saturating_duration_since(began) >= timeout {
                break Err(Exhausted);
            }
            uploads = wait(&self.freed, uploads, RECLAIM_INTERVAL);
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn give_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            // Under the lock, because a thread that has just found too few bytes holds it until it waits: it cannot
            // miss this.
            drop(lock(&self.uploads));
            self.freed.notify_all();
        }
    }
}

/// Asks the upload that has been silent longest to give way, if it has been silent for `MIN_SILENCE`.
fn ask_one(uploads: &[Arc<Upload>], now: Instant) -> bool {
    let silent = uploads.iter().filter(|upload| upload.is_waiting() && upload.silence(now) >= MIN_SILENCE);
    silent.max_by_key(|upload| upload.silence(now)).is_some_and(|upload| upload.ask())
}

/// The upload does not wait for its client.
const WORKING: u8 = 0;
/// The upload waits for its client.
const WAITING: u8 = 1;
/// The upload waits for its client, and should give way.
const ASKED: u8 = 2;
/// The upload ends, and its bytes will be given back.
const GAVE_WAY: u8 = 3;

/// The upload that a connection reads, as it looks to threads that need bytes. A connection uses one for all its
/// uploads.
#[derive(Debug)]
pub struct Upload {
    epoch: Instant,
    state: AtomicU8,
    /// Since when it waits, in milliseconds after `epoch`.
    since_ms: AtomicU64,
}

impl Upload {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { epoch: monotonic(), state: AtomicU8::new(WORKING), since_ms: AtomicU64::new(0) })
    }

    /// Notes that the connection waits for its client from now on.
    pub(crate) fn wait(&self) {
        self.since_ms.store(self.ms(monotonic()), Ordering::Relaxed);
        self.state.store(WAITING, Ordering::Release);
    }

    /// Notes that the client has sent something, or is gone.
    pub(crate) fn resume(&self) {
        self.state.store(WORKING, Ordering::Release);
    }

    /// Returns whether the upload must end because others need its bytes. Asked at intervals while the client sends
    /// nothing.
    pub(crate) fn gives_way(&self) -> bool {
        self.state.compare_exchange(ASKED, GAVE_WAY, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn gave_way(&self) -> bool {
        self.state.load(Ordering::Acquire) == GAVE_WAY
    }

    fn ask(&self) -> bool {
        self.state.compare_exchange(WAITING, ASKED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Acquire) == WAITING
    }

    fn was_asked(&self) -> bool {
        matches!(self.state.load(Ordering::Acquire), ASKED | GAVE_WAY)
    }

    fn silence(&self, now: Instant) -> Duration {
        Duration::from_millis(self.ms(now).saturating_sub(self.since_ms.load(Ordering::Relaxed)))
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

/// Bytes taken from a budget, given back on drop.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
    /// The share of its owner, if it has an owner.
    share: Option<ShareId>,
    /// The upload that these bytes are for, while it may give way.
    upload: Option<Arc<Upload>>,
}

impl Charge {
    /// A charge of nothing yet.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0, share: None, upload: None }
    }

    /// A charge of nothing yet, in the share of this owner.
    pub fn of(budget: &Arc<Budget>, owner: &str) -> Self {
        let mut charge = Self::new(budget);
        charge.share = Some(budget.shares.of(owner));
        charge
    }

    /// Makes the charge cover at least `bytes`, rounded up to a whole step.
    ///
    /// # Errors
    /// [`Exhausted`] where the budget has not enough left for this owner and no silent upload gives way; the charge stays as
    /// it was.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let wanted = bytes.div_ceil(STEP_BYTES).saturating_mul(STEP_BYTES);
        if wanted > self.bytes {
            let missing = wanted - self.bytes;
            let (budget, share) = (&self.budget, self.share);
            let taken = budget.take(missing, share, self.bytes);
            taken.or_else(|_| budget.reclaim(missing, share, self.bytes))?;
            self.bytes = wanted;
        }
        Ok(())
    }

    /// From now on this upload may be asked to give way, until [`Charge::has_arrived`] or the end of the charge.
    pub(crate) fn arrives_by(&mut self, upload: &Arc<Upload>) {
        upload.resume();
        lock(&self.budget.uploads).push(Arc::clone(upload));
        self.upload = Some(Arc::clone(upload));
    }

    /// Notes that the whole body has arrived, so that nothing waits for its client any more.
    pub(crate) fn has_arrived(&mut self) {
        if let Some(arrived) = self.upload.take() {
            lock(&self.budget.uploads).retain(|upload| !Arc::ptr_eq(upload, &arrived));
        }
    }

    /// Takes what is above `bytes` out of this charge into one of its own.
    #[must_use]
    pub fn split_off(&mut self, bytes: usize) -> Charge {
        let taken = self.bytes.saturating_sub(bytes);
        self.bytes -= taken;
        Charge { budget: Arc::clone(&self.budget), bytes: taken, share: self.share, upload: None }
    }

    /// Gives back what is above `bytes`: exact, because the rest may be held for long.
    pub fn shrink_to(&mut self, bytes: usize) {
        drop(self.split_off(bytes));
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(share) = self.share {
            self.budget.shares.give_back(share, self.bytes);
        }
        self.budget.give_back(self.bytes);
        self.has_arrived();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_are_stepped_bounded_and_given_back() {
        let budget = Budget::new(2 * STEP_BYTES);
        let mut first = Charge::new(&budget);
        first.grow_to(1).unwrap();
        assert_eq!(budget.used_bytes(), STEP_BYTES);
        first.grow_to(STEP_BYTES).unwrap();
        assert_eq!(budget.used_bytes(), STEP_BYTES);
        let mut second = Charge::new(&budget);
        second.grow_to(STEP_BYTES).unwrap();
        assert_eq!(first.grow_to(STEP_BYTES + 1), Err(Exhausted));
        assert_eq!(first.bytes(), STEP_BYTES);
        drop(second);
        first.grow_to(STEP_BYTES + 1).unwrap();
        drop(first);
        assert_eq!(budget.used_bytes(), 0);
    }

    /// A charge of this many steps for an upload that has been silent this long.
    fn upload(budget: &Arc<Budget>, steps: usize, silent_ms: u64) -> (Charge, Arc<Upload>) {
        let mut charge = Charge::new(budget);
        let epoch = monotonic() - Duration::from_millis(silent_ms);
        let upload = Arc::new(Upload { epoch, state: AtomicU8::new(WORKING), since_ms: AtomicU64::new(0) });
        charge.arrives_by(&upload);
        charge.grow_to(steps * STEP_BYTES).unwrap();
        upload.state.store(WAITING, Ordering::Release);
        (charge, upload)
    }

    #[test]
    fn the_upload_that_has_been_silent_longest_gives_way_and_no_other() {
        let budget = Budget::new(4 * STEP_BYTES);
        let (shorter, shorter_upload) = upload(&budget, 2, 1_000);
        let (longer, longer_upload) = upload(&budget, 2, 2_000);
        std::thread::scope(|scope| {
            let newcomer = std::thread::Builder::new();
            let newcomer = newcomer.spawn_scoped(scope, || {
                let mut charge = Charge::new(&budget);
                charge.grow_to(1).map(|()| charge.bytes())
            });
            // What the thread that reads the upload does at each interval.
            while !longer_upload.gives_way() {
                std::thread::yield_now();
            }
            drop(longer);
            assert_eq!(newcomer.unwrap().join().unwrap(), Ok(STEP_BYTES));
        });
        assert!(!shorter_upload.gives_way() && shorter_upload.is_waiting());
        drop(shorter);
        assert_eq!((budget.used_bytes(), lock(&budget.uploads).len()), (0, 0));
    }

    #[test]
    fn an_upload_that_receives_does_not_give_way() {
        let budget = Budget::new(STEP_BYTES);
        let (charge, upload) = upload(&budget, 1, 1_000);
        upload.resume();
        assert_eq!(Charge::new(&budget).grow_to(1), Err(Exhausted));
        // It was asked, and something came before it looked.
        upload.wait();
        upload.since_ms.store(0, Ordering::Relaxed);
        assert!(upload.ask());
        upload.resume();
        assert!(!upload.gives_way() && !upload.gave_way());
        drop(charge);
        Charge::new(&budget).grow_to(1).unwrap();
    }

    #[test]
    fn an_owner_leaves_room_for_the_next_one_and_waits_for_its_own_share() {
        let budget = Budget::new(15 * STEP_BYTES);
        let charge = |owner: &str, steps: usize| {
            let mut charge = Charge::of(&budget, owner);
            charge.grow_to(steps * STEP_BYTES).map(|()| charge)
        };
        // Two charges of an owner, of which one takes all it can; and how many steps they hold.
        let greedy = |owner: &str| {
            let mut charges = vec![charge(owner, 1).unwrap(), charge(owner, 1).unwrap()];
            let most = (2..=15).take_while(|steps| charges[1].grow_to(steps * STEP_BYTES).is_ok()).last();
            (charges, 1 + most.unwrap_or(1))
        };
        let (mut first, first_steps) = greedy("first");
        let (second, second_steps) = greedy("second");
        assert_eq!((first_steps, second_steps), (10, 3), "twice what is then free");
        // A third finds room at once.
        drop(charge("third", 1).unwrap());
        // The first one waits for what it holds itself.
        std::thread::scope(|scope| {
            let more = std::thread::Builder::new().spawn_scoped(scope, || charge("first", 1)).unwrap();
            while budget.waiting.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            first.truncate(1);
            assert!(more.join().unwrap().is_ok());
        });
        // A single charge may always grow: its share of a small budget must not be too little for a batch.
        drop((first, second));
        drop(charge("first", 15).unwrap());
        assert_eq!(budget.used_bytes(), 0);
        assert!(budget.shares.is_unused());
    }

    #[test]
    fn a_charge_is_divided_and_shrunk_to_the_byte() {
        let budget = Budget::new(4 * STEP_BYTES);
        let mut body = Charge::new(&budget);
        body.grow_to(3 * STEP_BYTES).unwrap();
        let mut record = body.split_off(STEP_BYTES);
        assert_eq!(
            (body.bytes(), record.bytes(), budget.used_bytes()),
            (STEP_BYTES, 2 * STEP_BYTES, 3 * STEP_BYTES)
        );
        record.shrink_to(100);
        record.shrink_to(200);
        assert_eq!((record.bytes(), budget.used_bytes()), (100, STEP_BYTES + 100));
        drop((body, record));
        assert_eq!(budget.used_bytes(), 0);
    }
}
