//! Every bound of the front ends, in one struct, and how they must stand to each other.
//!
//! `config` gives each a flag and a variable; what is bounded by a constant elsewhere in `http` cannot be reached by a
//! client, or is a word of the HTTP contract.

use std::time::Duration;

/// Room for header lines; `max_headers` may not be above it.
pub const MAX_HEADERS: usize = 256;

const MIB: usize = 1024 * 1024;
/// A thread and a descriptor each: more are not what one process is for.
const MAX_CONNECTIONS: usize = 65_536;
/// No deadline is meant to be longer, and none this short overflows a clock.
const MAX_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Every bound of the front ends. `Default` is what DESIGN asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrontLimits {
    /// Connections open at once, each with a thread of its own. At this many, the one that has waited longest
    /// without a complete head makes room.
    pub max_connections: usize,
    /// Bytes of request line and headers together, with their line ends; more is 431.
    pub max_head_bytes: usize,
    /// Bytes of the request target; more is 414.
    pub max_target_bytes: usize,
    /// Header lines of one request, at most [`MAX_HEADERS`]; more is 431.
    pub max_headers: usize,
    /// From the first byte of a request to the end of its head; later is 408.
    pub head_timeout: Duration,
    /// Time a body or an answer has before its rate counts, and the longest that a body may be silent: enough for a
    /// lost packet to be sent again. Later is 408, or the end of the connection.
    pub grace: Duration,
    /// Bytes a second that a body must bring on the whole, counted on the wire from the moment it is waited for. Why
    /// there is no time for all of it: a body of 2 MiB at this rate takes 32 s.
    pub min_body_rate: u64,
    /// Bytes a second of an answer that the client must take on the whole.
    pub min_answer_rate: u64,
    /// How long a connection may stay open without a byte of a new request.
    pub idle_timeout: Duration,
    /// Bytes still read and thrown away after an answer that closes, so that the client sees the answer.
    pub linger_bytes: usize,
    /// Time spent on that.
    pub linger_timeout: Duration,
    /// Bytes of one chunk-size line, extensions included; more is 400.
    pub max_chunk_line_bytes: usize,
    /// Bytes of all trailers of a chunked body together; more is 400.
    pub max_trailer_bytes: usize,
    /// Bytes of chunk framing that a body may have before framing is measured against data: above this it may have
    /// eight bytes for each byte of data, more is 400. Chunks of one byte have five; only extensions and leading
    /// zeros have more, and they are a way to keep a server busy with nothing.
    pub free_framing_bytes: usize,
    /// Bytes of an unread body that are skipped to keep a connection alive; with more left it closes.
    pub max_skipped_body_bytes: usize,
    /// Largest buffer in bytes that a connection keeps from one request to the next.
    pub kept_buffer_bytes: usize,
    /// Stack of a connection thread, in bytes.
    pub thread_stack_bytes: usize,
    /// How long a connection thread without a connection stays for the next one.
    pub thread_idle_timeout: Duration,
    /// Connections that the kernel holds ready until they are accepted; it cuts this to its own limit
    /// (`net.core.somaxconn`, 4096 on a current Linux). With 128, std's, a burst of 200 loses some for a second.
    pub backlog: u32,
    /// Clients turned away at the cap that are seen out at once, each with its answer; more are just closed.
    pub max_turned_away: usize,
    /// Time between two log lines about the same trouble (no file descriptors, no threads, cap reached).
    pub log_interval: Duration,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            max_head_bytes: 16 * 1024,
            max_target_bytes: 8 * 1024,
            max_headers: 100,
            head_timeout: Duration::from_secs(5),
            grace: Duration::from_secs(2),
            min_body_rate: 64 * 1024,
            min_answer_rate: 16 * 1024,
            idle_timeout: Duration::from_secs(60),
            linger_bytes: 4 * 1024 * 1024,
            linger_timeout: Duration::from_secs(1),
            max_chunk_line_bytes: 4 * 1024,
            max_trailer_bytes: 8 * 1024,
            free_framing_bytes: 64 * 1024,
            max_skipped_body_bytes: 64 * 1024,
            kept_buffer_bytes: 64 * 1024,
            thread_stack_bytes: 512 * 1024,
            thread_idle_timeout: Duration::from_secs(5),
            backlog: 4096,
            max_turned_away: 128,
            log_interval: Duration::from_secs(30),
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
            ("log_interval", self.log_interval),
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
            ((1..=MAX_HEADERS).contains(&self.max_headers), "max_headers must be between 1 and 256"),
            (self.min_body_rate >= 1, "min_body_rate must be at least 1 byte a second"),
            (self.min_answer_rate >= 1, "min_answer_rate must be at least 1 byte a second"),
            (
                (8..=MIB).contains(&self.max_chunk_line_bytes),
                "max_chunk_line_bytes must be between 8 and 1MiB",
            ),
            (self.max_trailer_bytes <= MIB, "max_trailer_bytes must be at most 1MiB"),
            (self.kept_buffer_bytes <= 16 * MIB, "kept_buffer_bytes must be at most 16MiB"),
            (self.thread_stack_bytes >= MIB / 8, "thread_stack_bytes must be at least 128KiB"),
            ((1..=65_536).contains(&self.backlog), "backlog must be between 1 and 65536"),
            ((1..=4_096).contains(&self.max_turned_away), "max_turned_away must be between 1 and 4096"),
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
            (FrontLimits { max_headers: 257, ..good() }, "max_headers must be between"),
            (FrontLimits { idle_timeout: Duration::ZERO, ..good() }, "idle_timeout must be between"),
            (FrontLimits { grace: Duration::MAX, ..good() }, "grace must be between"),
            (FrontLimits { min_answer_rate: 0, ..good() }, "min_answer_rate must be at least"),
        ] {
            let rule = bad.check().unwrap_err();
            assert!(rule.starts_with(says), "{rule}");
        }
    }
}
