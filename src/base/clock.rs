//! The only place that reads the clock. Everything that decides takes the time as an argument, so that tests
//! can give it one.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A moment: milliseconds since 1970-01-01T00:00Z.
pub type UnixMs = u64;

/// Wall-clock time in milliseconds; zero for a clock set before 1970.
#[allow(clippy::disallowed_methods, reason = "this is the one reader of the clock")]
pub fn now_ms() -> UnixMs {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// Monotonic time, for durations and deadlines.
#[allow(clippy::disallowed_methods, reason = "this is the one reader of the clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}
