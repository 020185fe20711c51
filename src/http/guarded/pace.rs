//! The lowest rate at which a body may arrive and an answer may be taken.
//!
//! Input: when a transfer began, and how many bytes have moved. Output: the deadline for the next bytes. Never: one
//! deadline for the whole transfer, which large ones would exceed.

use std::time::{Duration, Instant};

use crate::base::clock::monotonic;
use crate::http::limits::FrontLimits;

/// A sender sees a steady reader take nothing for a while and then this much at once, because the receiving kernel opens
/// its window in steps: 128 KiB on loopback (measured), less over a network. A wait for progress must therefore last as
/// long as one step takes at the lowest rate.
const ANSWER_STEP_BYTES: u64 = 128 * 1024;

#[derive(Clone, Copy)]
pub(super) struct Pace {
    begin: Instant,
    grace: Duration,
    bytes_per_second: u64,
    /// The longest wait for the next byte.
    max_silence: Duration,
}

impl Pace {
    /// For a body that is read from now on.
    pub(super) fn of_body(limits: &FrontLimits) -> Self {
        Self {
            begin: monotonic(),
            grace: limits.grace,
            bytes_per_second: limits.min_body_rate,
            max_silence: limits.grace,
        }
    }

    /// For an answer that is sent from now on.
    pub(super) fn of_answer(limits: &FrontLimits) -> Self {
        let step = time_of(ANSWER_STEP_BYTES, limits.min_answer_rate);
        Self {
            begin: monotonic(),
            grace: limits.grace,
            bytes_per_second: limits.min_answer_rate,
            max_silence: limits.grace + step,
        }
    }

    /// The deadline for the next byte, after this many have moved.
    pub(super) fn until(&self, bytes: usize) -> Instant {
        let on_the_whole = self.begin + self.grace + time_of(bytes as u64, self.bytes_per_second);
        on_the_whole.min(monotonic() + self.max_silence)
    }
}

fn time_of(bytes: u64, bytes_per_second: u64) -> Duration {
    Duration::from_micros(bytes.saturating_mul(1_000_000) / bytes_per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_earn_time_but_never_more_than_the_longest_silence() {
        let limits = FrontLimits::default();
        let (body, answer) = (Pace::of_body(&limits), Pace::of_answer(&limits));
        let left = |until: Instant| until.saturating_duration_since(monotonic()).as_secs_f64().ceil();
        assert_eq!((left(body.until(0)), left(answer.until(0))), (2.0, 2.0));
        // 2 MiB allow 32 s, 4 MiB 256 s.
        assert_eq!((left(body.until(2 << 20)), left(answer.until(4 << 20))), (2.0, 10.0));
        let begun = |pace: Pace, ago: u64| Pace { begin: pace.begin - Duration::from_secs(ago), ..pace };
        assert_eq!(left(begun(body, 33).until(2 << 20)), 1.0);
        assert_eq!(left(begun(body, 35).until(2 << 20)), 0.0);
        assert_eq!(left(begun(answer, 259).until(4 << 20)), 0.0);
    }
}
