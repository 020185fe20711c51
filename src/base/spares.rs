//! A small pool of values that are expensive to make, kept for their next use.
//!
//! Input: work that needs such a value. Output: the result of the work. Never: waits for a value, or keeps more than
//! `max` of them.

use std::sync::Mutex;

use super::sync::lock;

/// The values that wait, at most `max`.
pub(crate) struct Spares<T> {
    idle: Mutex<Vec<T>>,
    max: usize,
}

impl<T: Default> Spares<T> {
    pub(crate) const fn new(max: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), max }
    }

    /// Lends a value to some work; makes a new one if none waits. The lock is held only to take the value and to
    /// bring it back.
    pub(crate) fn lend<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut spare = self.take();
        let done = work(&mut spare);
        self.give_back(spare);
        done
    }

    /// A value that waits, or a new one.
    pub(crate) fn take(&self) -> T {
        lock(&self.idle).pop().unwrap_or_default()
    }

    /// Keeps a value for its next use, if there is room.
    pub(crate) fn give_back(&self, spare: T) {
        let mut idle = lock(&self.idle);
        if idle.len() < self.max {
            idle.push(spare);
        }
    }
}
