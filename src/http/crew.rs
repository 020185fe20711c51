//! Threads that are named, counted and joined.
//!
//! In: work to run on a thread of its own. Out: whether all of it has ended. A thread that ends joins the one
//! that ended before it, so at any time at most one ended thread keeps its stack; it must never be left to the
//! operating system to collect them.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::base::clock::monotonic;
use crate::base::sync::{lock, wait};

/// A group of threads.
#[derive(Default)]
pub(crate) struct Crew {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next_id: u64,
    running: HashMap<u64, JoinHandle<()>>,
    /// The thread that ended last, not joined yet.
    ended: Option<JoinHandle<()>>,
}

impl Crew {
    /// Runs `work` on a new thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn spawn(
        self: &Arc<Self>,
        name: String,
        stack_bytes: usize,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        // The lock is held until the handle is stored, so that a thread cannot leave before it has come.
        let mut state = lock(&self.state);
        let id = state.next_id;
        state.next_id += 1;
        let crew = Arc::clone(self);
        let run = move || {
            let _leave = Leave { crew, id };
            work();
        };
        let handle = Builder::new().name(name).stack_size(stack_bytes).spawn(run)?;
        state.running.insert(id, handle);
        Ok(())
    }

    /// Waits until every thread has ended; `false` where that takes longer than `within`.
    pub(crate) fn join(&self, within: Duration) -> bool {
        let until = monotonic() + within;
        let mut state = lock(&self.state);
        while !state.running.is_empty() {
            let left = until.saturating_duration_since(monotonic());
            if left.is_zero() {
                return false;
            }
            state = wait(&self.changed, state, left);
        }
        let ended = state.ended.take();
        drop(state);
        join_quietly(ended);
        true
    }
}

/// A panic was already reported by the panic hook, and contained or not by whoever owns the thread's work.
fn join_quietly(handle: Option<JoinHandle<()>>) {
    if let Some(handle) = handle {
        drop(handle.join());
    }
}

struct Leave {
    crew: Arc<Crew>,
    id: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut state = lock(&self.crew.state);
        let own = state.running.remove(&self.id);
        let before = mem::replace(&mut state.ended, own);
        self.crew.changed.notify_all();
        drop(state);
        join_quietly(before);
    }
}
