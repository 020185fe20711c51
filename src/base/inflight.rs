//! Bytes in flight: one ceiling on the memory that batches may hold between arrival and merge.
//!
//! A [`Charge`] grows in steps of [`STEP_BYTES`] as a body arrives or decodes, travels with the batch, and is
//! released when it is dropped. The body's part ends with the answer; the record's part shrinks to what the insights
//! hold once the record is durable, and ends with the merge of the last of them. Growing never waits: where the budget
//! is used up it fails at once, so that nobody waits while holding some.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Charges are rounded up to this many bytes.
pub const STEP_BYTES: usize = 64 * 1024;

/// The budget all charges are taken from.
#[derive(Debug)]
pub struct Budget {
    max_bytes: usize,
    used_bytes: AtomicUsize,
}

/// The budget is used up: answer 503 and let the client come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    /// A budget of this many bytes.
    pub fn new(max_bytes: usize) -> Arc<Self> {
        Arc::new(Self { max_bytes, used_bytes: AtomicUsize::new(0) })
    }

    /// Bytes charged now.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), Exhausted> {
        let fits = |used: usize| used.checked_add(bytes).filter(|total| *total <= self.max_bytes);
        self.used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map(drop)
            .map_err(|_| Exhausted)
    }
}

/// Bytes taken from a budget, given back on drop.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// A charge of nothing yet.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Makes the charge cover at least `bytes`, rounded up to a whole step.
    ///
    /// # Errors
    /// [`Exhausted`] where the budget has not enough left; the charge stays as it was.
    pub fn grow_to(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let wanted = bytes.div_ceil(STEP_BYTES).saturating_mul(STEP_BYTES);
        if wanted > self.bytes {
            self.budget.take(wanted - self.bytes)?;
            self.bytes = wanted;
        }
        Ok(())
    }

    /// Takes what is above `bytes` out of this charge into one of its own.
    #[must_use]
    pub fn split_off(&mut self, bytes: usize) -> Charge {
        let taken = self.bytes.saturating_sub(bytes);
        self.bytes -= taken;
        Charge { budget: Arc::clone(&self.budget), bytes: taken }
    }

    /// Gives back what is above `bytes`, to the byte: what stays may be small and wait long.
    pub fn shrink_to(&mut self, bytes: usize) {
        drop(self.split_off(bytes));
    }

    /// Bytes this charge holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
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
