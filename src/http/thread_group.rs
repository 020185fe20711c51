//! Threads that are named, counted and joined.
//!
//! Input: work for new threads. Output: whether all of it has ended. Each thread that ends joins the one that ended
//! before it, so that at most one ended thread keeps its stack. Never: a thread that is not joined.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::base::clock::monotonic;
use crate::base::sync::{lock, wait};

#[derive(Default)]
pub(crate) struct ThreadGroup {
    state: Mutex<ThreadGroupState>,
    changed: Condvar,
}

#[derive(Default)]
struct ThreadGroupState {
    next_id: u64,
    running: HashMap<u64, JoinHandle<()>>,
    /// The thread that ended last and is not joined yet.
    ended: Option<JoinHandle<()>>,
}

impl ThreadGroup {
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
        // The lock is held until the handle is stored, so that a thread that ends at once finds it.
        let mut state = lock(&self.state);
        let id = state.next_id;
        state.next_id += 1;
        let thread_group = Arc::clone(self);
        let run = move || {
            let _leave = ThreadExit { thread_group, id };
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

/// Ignores a panic: the panic hook has reported it, and the work itself handles what it means.
fn join_quietly(handle: Option<JoinHandle<()>>) {
    if let Some(handle) = handle {
        drop(handle.join());
    }
}

struct ThreadExit {
    thread_group: Arc<ThreadGroup>,
    id: u64,
}

impl Drop for ThreadExit {
    fn drop(&mut self) {
        let mut state = lock(&self.thread_group.state);
        let own = state.running.remove(&self.id);
        let before = mem::replace(&mut state.ended, own);
        self.thread_group.changed.notify_all();
        drop(state);
        join_quietly(before);
    }
}
