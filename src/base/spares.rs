//! Things that are dear to make and wait for their next use.
//!
//! Input: work that needs one. Output: what it gives. Never: a wait, or more things kept than said.

use std::sync::Mutex;

use super::sync::lock;

/// At most so many things that wait.
pub(crate) struct Spares<T> {
    idle: Mutex<Vec<T>>,
    max: usize,
}

impl<T: Default> Spares<T> {
    pub(crate) const fn new(max: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), max }
    }

    /// Lends one to some work, a new one where none waits. The lock is held only to take it and to bring it back.
    pub(crate) fn lend<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut spare = lock(&self.idle).pop().unwrap_or_default();
        let done = work(&mut spare);
        let mut idle = lock(&self.idle);
        if idle.len() < self.max {
            idle.push(spare);
        }
        done
    }
}
