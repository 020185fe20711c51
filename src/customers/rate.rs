//! Rates: how many entries a customer may send. A bucket holds ten seconds of its rate.
//!
//! Input: a customer, its rate, the time, and the entries of accepted batches. Output: whether a batch may be read, or after
//! how many seconds to come again. A batch is judged before its body is read and charged after it was accepted, so the
//! bucket can go into debt, and a duplicate costs nothing.

use std::sync::Mutex;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::model::CustomerId;

/// A full bucket holds this many seconds of the rate. A burst after a pause is not an overload.
const BUCKET_SECONDS: u64 = 10;
/// The most buckets. A customer without one has a full bucket.
const MAX_BUCKETS: usize = 100_000;
/// The largest rate, so that levels fit into 63 bits.
pub const MAX_ENTRIES_PER_SECOND: u64 = 1_000_000_000;

/// The buckets of all customers that have a rate.
#[derive(Debug, Default)]
pub struct RateLimiter {
    buckets: Mutex<HashMap<CustomerId, Bucket, RandomState>>,
}

/// What one customer may still send, in thousandths of an entry. Negative: it owes.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: i64,
    /// The time of `level`, in milliseconds of a clock that never goes back.
    at_ms: u64,
}

impl Bucket {
    fn full(entries_per_second: u64, at_ms: u64) -> Self {
        Self { level: capacity(entries_per_second), at_ms }
    }

    fn refill(&mut self, entries_per_second: u64, now_ms: u64) {
        let elapsed_ms = now_ms.saturating_sub(self.at_ms);
        let refilled =
            elapsed_ms.saturating_mul(entries_per_second).min(i64::MAX.cast_unsigned()).cast_signed();
        self.level = self.level.saturating_add(refilled).min(capacity(entries_per_second));
        self.at_ms = self.at_ms.max(now_ms);
    }
}

fn capacity(entries_per_second: u64) -> i64 {
    (entries_per_second.min(MAX_ENTRIES_PER_SECOND) * BUCKET_SECONDS * 1_000).cast_signed()
}

impl RateLimiter {
    /// Whether a customer may send a batch now.
    ///
    /// # Errors
    /// Whole seconds after which its bucket is no longer empty, at least 1.
    pub fn admit(&self, customer: &CustomerId, entries_per_second: u64, now_ms: u64) -> Result<(), u64> {
        let mut buckets = self.lock();
        let Some(bucket) = buckets.get_mut(customer) else { return Ok(()) };
        bucket.refill(entries_per_second, now_ms);
        if bucket.level > 0 {
            return Ok(());
        }
        let owed = bucket.level.unsigned_abs() + 1;
        Err(owed.div_ceil(entries_per_second.max(1) * 1_000).max(1))
    }

    /// Charges the entries of an accepted batch.
    pub fn charge(&self, customer: &CustomerId, entries_per_second: u64, entries: u32, now_ms: u64) {
        let mut buckets = self.lock();
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(customer) {
            // After the time that an empty bucket takes to fill, a bucket is full, unless the customer owed more.
            buckets.retain(|_, bucket| bucket.level < 0 || now_ms < bucket.at_ms + BUCKET_SECONDS * 1_000);
            if buckets.len() >= MAX_BUCKETS {
                // If that is not enough, forget all buckets but those in debt. If all are in debt, the new one is not
                // charged.
                buckets.retain(|_, bucket| bucket.level < 0);
            }
            if buckets.len() >= MAX_BUCKETS {
                return;
            }
        }
        let bucket =
            buckets.entry(customer.clone()).or_insert_with(|| Bucket::full(entries_per_second, now_ms));
        bucket.refill(entries_per_second, now_ms);
        bucket.level = bucket.level.saturating_sub(i64::from(entries) * 1_000);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CustomerId, Bucket, RandomState>> {
        self.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acme() -> CustomerId {
        CustomerId::new("acme").unwrap()
    }

    #[test]
    fn a_full_bucket_holds_ten_seconds_and_goes_into_debt() {
        let rates = RateLimiter::default();
        assert_eq!(rates.admit(&acme(), 100, 0), Ok(()));
        rates.charge(&acme(), 100, 999, 0);
        assert_eq!(rates.admit(&acme(), 100, 0), Ok(()), "one entry is left");
        rates.charge(&acme(), 100, 501, 0);
        // 500 entries are owed: five seconds, and a little more to have any.
        assert_eq!(rates.admit(&acme(), 100, 0), Err(6));
        assert_eq!(rates.admit(&acme(), 100, 4_000), Err(2));
        assert_eq!(rates.admit(&acme(), 100, 5_000), Err(1));
        assert_eq!(rates.admit(&acme(), 100, 5_001), Ok(()));
    }

    #[test]
    fn a_bucket_never_holds_more_than_ten_seconds() {
        let rates = RateLimiter::default();
        rates.charge(&acme(), 100, 1, 0);
        rates.charge(&acme(), 100, 1_001, 1_000_000);
        assert_eq!(rates.admit(&acme(), 100, 1_000_000), Err(1));
        // A clock that goes back refills nothing.
        assert_eq!(rates.admit(&acme(), 100, 0), Err(1));
    }

    #[test]
    fn a_changed_rate_holds_at_once() {
        let rates = RateLimiter::default();
        rates.charge(&acme(), 1, 1_010, 0);
        assert_eq!(rates.admit(&acme(), 1, 0), Err(1_001));
        assert_eq!(rates.admit(&acme(), 1_000, 0), Err(2));
        assert_eq!(rates.admit(&acme(), MAX_ENTRIES_PER_SECOND, 10_000), Ok(()));
    }

    #[test]
    fn buckets_of_idle_customers_are_dropped_and_debts_are_kept() {
        let rates = RateLimiter::default();
        rates.charge(&acme(), 1, 1_000, 0);
        for number in 1..MAX_BUCKETS {
            rates.charge(&CustomerId::new(&format!("c{number}")).unwrap(), 10, 1, 0);
        }
        rates.charge(&CustomerId::new("new").unwrap(), 10, 1, 10_000);
        assert_eq!(rates.lock().len(), 2);
        assert_eq!(rates.admit(&acme(), 1, 10_000), Err(981));
    }

    #[test]
    fn there_are_never_more_buckets_than_their_limit() {
        let rates = RateLimiter::default();
        let customer = |number: usize| CustomerId::new(&format!("c{number}")).unwrap();
        for number in 0..MAX_BUCKETS {
            rates.charge(&customer(number), 10, if number % 2 == 0 { 1 } else { 200 }, 0);
        }
        // None is idle: those that owe nothing are full again.
        rates.charge(&acme(), 10, 200, 0);
        assert_eq!(rates.lock().len(), MAX_BUCKETS / 2 + 1);
        assert_eq!(rates.admit(&customer(1), 10, 0), Err(11));
        for number in (0..MAX_BUCKETS).step_by(2) {
            rates.charge(&customer(number), 10, 200, 0);
        }
        assert_eq!(rates.lock().len(), MAX_BUCKETS, "all owe");
        let late = CustomerId::new("late").unwrap();
        rates.charge(&late, 10, 200, 0);
        assert_eq!(rates.admit(&late, 10, 0), Ok(()));
        assert_eq!(rates.lock().len(), MAX_BUCKETS);
    }
}
