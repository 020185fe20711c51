//! The bounds of the front ends that are settings, or that tests change; every other bound is a constant of the
//! module that uses it.
//!
//! Input: nothing. Output: the bounds, and whether they fit each other. Never: a bound of the tiny_http library,
//! which has none.

use std::time::Duration;

const MIB: usize = 1024 * 1024;
/// More connections than one process can hold: each has a thread and a descriptor.
const MAX_CONNECTIONS: usize = 65_536;
/// A longer time is a mistake, and could overflow a clock.
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// `Default` has the values of the HTTP contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontLimits {
    /// Connections open at once, each with a thread of its own. At this many, the one that has waited longest
    /// without a complete head makes room.
    pub max_connections: usize,
    /// How long a connection may stay open without a byte of a new request.
    pub idle_timeout: Duration,
    /// Bytes of request line and headers together, with their line ends; more is 431.
    pub max_head_bytes: usize,
    /// Bytes of the request target; more is 414.
    pub max_target_bytes: usize,
    /// From the first byte of a request to the end of its head; later is 408.
    pub head_timeout: Duration,
    /// Time a body or an answer has before its rate counts, and the longest that a body may be silent: enough for a
    /// lost packet to be sent again. Later is 408, or the end of the connection.
    pub grace: Duration,
    /// Bytes per second that a body must bring on average, counted on the wire from the moment when the server waits
    /// for it. The whole body has no other deadline: 2 MiB at this rate take 32 s.
    pub min_body_rate: u64,
    /// Bytes per second of an answer that the client must take on average.
    pub min_answer_rate: u64,
    /// Bytes still read and thrown away after an answer that closes the connection: a close while the client is sending
    /// would reset the connection and cost it the answer.
    pub linger_bytes: usize,
    /// The longest time for reading those bytes.
    pub linger_timeout: Duration,
    /// Stack of a connection thread, in bytes.
    pub thread_stack_bytes: usize,
    /// How long a connection thread without a connection stays for the next one.
    pub thread_idle_timeout: Duration,
    /// Connections answered 503 at the cap that are held at once until the client has read the answer; more are closed.
    pub max_rejections: usize,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            idle_timeout: Duration::from_secs(60),
            max_head_bytes: 16 * 1024,
            max_target_bytes: 8 * 1024,
            head_timeout: Duration::from_secs(5),
            grace: Duration::from_secs(2),
            min_body_rate: 64 * 1024,
            min_answer_rate: 16 * 1024,
            linger_bytes: 4 * MIB,
            linger_timeout: Duration::from_secs(1),
            thread_stack_bytes: 512 * 1024,
            thread_idle_timeout: Duration::from_secs(5),
            max_rejections: 128,
        }
    }
}

impl FrontLimits {
    /// Checks the bounds one by one and together.
    ///
    /// # Errors
    /// The rule that does not hold, in words that begin with the name of the field.
    pub fn check(&self) -> Result<(), String> {
        for (name, time) in [
            ("head_timeout", self.head_timeout),
            ("grace", self.grace),
            ("idle_timeout", self.idle_timeout),
            ("linger_timeout", self.linger_timeout),
            ("thread_idle_timeout", self.thread_idle_timeout),
        ] {
            if !(Duration::from_millis(1)..=MAX_TIME).contains(&time) {
                return Err(format!("{name} must be between 1ms and 24h"));
            }
        }
        let rules = [
            (
                (1..=MAX_CONNECTIONS).contains(&self.max_connections),
                "max_connections must be between 1 and 65536",
            ),
            (self.max_target_bytes >= 1, "max_target_bytes must be at least 1"),
            (self.max_target_bytes < self.max_head_bytes, "max_target_bytes must be below max_head_bytes"),
            (self.max_head_bytes <= MIB, "max_head_bytes must be at most 1MiB"),
            (self.min_body_rate >= 1, "min_body_rate must be at least 1 byte a second"),
            (self.min_answer_rate >= 1, "min_answer_rate must be at least 1 byte a second"),
            (self.thread_stack_bytes >= MIB / 8, "thread_stack_bytes must be at least 128KiB"),
            (self.max_rejections >= 1, "max_rejections must be at least 1"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err((*rule).to_owned()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_limits_hold_together_and_bad_ones_are_named() {
        let good = FrontLimits::default;
        good().check().unwrap();
        for (bad, says) in [
            (FrontLimits { max_target_bytes: 1 << 20, ..good() }, "max_target_bytes must be below"),
            (FrontLimits { max_connections: 0, ..good() }, "max_connections must be between"),
            (FrontLimits { idle_timeout: Duration::ZERO, ..good() }, "idle_timeout must be between"),
            (FrontLimits { grace: Duration::MAX, ..good() }, "grace must be between"),
            (FrontLimits { min_answer_rate: 0, ..good() }, "min_answer_rate must be at least"),
        ] {
            let rule = bad.check().unwrap_err();
            assert!(rule.starts_with(says), "{rule}");
        }
    }
}
