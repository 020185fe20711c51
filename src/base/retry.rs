//! The waits between tries.
//!
//! Input: how long to wait, and a condition that ends the wait. Output: when to try again, or that the time is over.
//! Never: the work that is tried.

use std::time::{Duration, Instant};

use super::clock::monotonic;
use super::random;

/// How often a pause looks whether it is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Waits that double up to the longest. Each is shortened at random by up to half, so that many clients that failed together
/// do not try again together.
#[derive(Debug)]
pub struct Backoff {
    wait: Duration,
    longest: Duration,
    deadline: Option<Instant>,
}

impl Backoff {
    /// Tries until `timeout` has passed; without one for ever.
    pub fn new(first: Duration, longest: Duration, timeout: Option<Duration>) -> Self {
        Self { wait: first, longest, deadline: timeout.map(|timeout| monotonic() + timeout) }
    }

    /// How long to wait before the next try; `None` if the time is over.
    pub fn next_wait(&mut self) -> Option<Duration> {
        let wait = self.wait.mul_f64(0.5 + f64::from(random::bytes::<1>()[0]) / 512.0);
        self.wait = (self.wait * 2).min(self.longest);
        match self.deadline {
            Some(deadline) if monotonic() + wait >= deadline => None,
            _ => Some(wait),
        }
    }

    /// Waits before the next try; returns `false` at once if the time is over.
    pub fn wait(&mut self) -> bool {
        self.next_wait().map(std::thread::sleep).is_some()
    }
}

/// Waits for this time, or until `is_over` returns true.
pub(crate) fn pause(wait: Duration, is_over: impl Fn() -> bool) {
    let until = monotonic() + wait;
    while !is_over() {
        let left = until.saturating_duration_since(monotonic());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(LOOK_INTERVAL));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_end_at_the_deadline() {
        let (first, longest) = (Duration::from_millis(20), Duration::from_secs(2));
        let mut endless = Backoff::new(first, longest, None);
        let waits: Vec<Duration> = (0..20).filter_map(|_| endless.next_wait()).collect();
        assert_eq!(waits.len(), 20);
        assert!(waits[0] >= first / 2 && waits[0] < first);
        assert!(waits[19] >= longest / 2 && waits[19] < longest);
        assert_eq!(Backoff::new(first, longest, Some(Duration::ZERO)).next_wait(), None);
    }
}
