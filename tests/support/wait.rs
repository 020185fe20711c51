//! Waiting for what comes about by itself, with an end.

use std::time::Duration;

/// Waits until something is so; fails with `what` where it does not become so in ten seconds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not within ten seconds: {what}");
}
