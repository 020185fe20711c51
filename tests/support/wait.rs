//! Waiting for a state, with a timeout.

use std::time::Duration;

/// Waits until `holds` returns true; panics with `what` after ten seconds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not within ten seconds: {what}");
}
