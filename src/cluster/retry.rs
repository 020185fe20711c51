//! The waits between tries of a request.
//!
//! Input: a time limit, or none. Output: how long to wait before the next try, or that the time is over. Never: the request.

use std::time::{Duration, Instant};

use crate::base::clock;
use crate::base::random;

const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Waits that double up to two seconds. Each is shortened at random by up to half, so that many clients that failed together
/// do not try again together.
#[derive(Debug)]
pub struct Backoff {
    wait: Duration,
    deadline: Option<Instant>,
}

impl Backoff {
    /// Tries until `timeout` has passed.
    pub fn within(timeout: Duration) -> Self {
        Self { wait: FIRST_WAIT, deadline: Some(clock::monotonic() + timeout) }
    }

    /// Tries for ever.
    pub fn endless() -> Self {
        Self { wait: FIRST_WAIT, deadline: None }
    }

    /// How long to wait before the next try; `None` if the time is over.
    pub fn next_wait(&mut self) -> Option<Duration> {
        let wait = self.wait.mul_f64(0.5 + f64::from(random::bytes::<1>()[0]) / 512.0);
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        match self.deadline {
            Some(deadline) if clock::monotonic() + wait >= deadline => None,
            _ => Some(wait),
        }
    }

    /// Waits before the next try; returns `false` at once if the time is over.
    pub fn wait(&mut self) -> bool {
        self.next_wait().map(std::thread::sleep).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_limit_and_end_at_the_deadline() {
        let mut endless = Backoff::endless();
        let waits: Vec<Duration> = (0..20).filter_map(|_| endless.next_wait()).collect();
        assert_eq!(waits.len(), 20);
        assert!(waits[0] >= FIRST_WAIT / 2 && waits[0] < FIRST_WAIT);
        assert!(waits[19] >= LONGEST_WAIT / 2 && waits[19] < LONGEST_WAIT);
        assert_eq!(Backoff::within(Duration::ZERO).next_wait(), None);
    }
}
