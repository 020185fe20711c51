//! Threads that are named, joined and never silently dead, and the end of the process.
//!
//! A panic in any of the program's own threads ends the process: the supervisor restarts it and recovery makes it
//! whole, which is better than a dead worker behind a live port. Only a panic inside one request's own parsing is
//! contained, and that is done where requests are handled.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use crate::base::clock;

/// The process ends with this after a panic in one of its threads, as Rust's own `main` would.
pub const EXIT_PANIC: i32 = 101;
/// The process ends with this where it cannot go on, and where it cannot start.
pub const EXIT_FAILURE: i32 = 1;
/// The process ends with this where it could not write everything within `--shutdown-timeout`. Nothing is lost: the
/// next start replays.
pub const EXIT_UNFINISHED: i32 = 3;

/// A thread that will be joined.
pub struct Joined {
    handle: JoinHandle<()>,
    ended: Receiver<()>,
}

/// Starts a thread whose panic ends the process.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Joined> {
    let (end, ended) = bounded(1);
    let thread_name = name.to_owned();
    let handle = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _end = end;
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            log::error!("thread {thread_name} panicked (see above); the process ends, restart it to recover");
            log::logger().flush();
            std::process::exit(EXIT_PANIC);
        }
    })?;
    Ok(Joined { handle, ended })
}

impl Joined {
    /// Waits for the thread to end. `false` where it did not by the deadline; it is then left alone.
    #[must_use]
    pub fn join_until(self, deadline: Instant) -> bool {
        // The sender is dropped when the thread ends.
        let wait = deadline.saturating_duration_since(clock::monotonic()).max(Duration::from_millis(1));
        if self.ended.recv_timeout(wait) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
            return false;
        }
        self.handle.join().is_ok()
    }
}

/// Ends the process because it cannot go on without breaking its promise. Nothing acknowledged is lost.
pub fn end_process(reason: &str) -> ! {
    log::error!("{reason}");
    log::logger().flush();
    std::process::exit(EXIT_FAILURE);
}
