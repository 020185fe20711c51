//! Bounds the number of queries that run at once. Reading windows takes a core and some memory; ingestion needs the
//! rest.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::QueryError;
use crate::base::clock;
use crate::base::sync::{lock, wait};

/// For every query that runs, this many may wait.
const WAITING_PER_RUNNING: usize = 8;

/// Lets a bounded number of queries in, and a bounded number wait for a bounded time.
#[derive(Debug)]
pub struct Gate {
    max_running: usize,
    max_wait: Duration,
    inside: Mutex<Inside>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    running: usize,
    waiting: usize,
}

/// The right to run; given back on drop.
#[derive(Debug)]
pub struct GatePass<'a>(&'a Gate);

impl Gate {
    /// A gate that nobody has passed yet.
    pub fn new(max_running: usize, max_wait: Duration) -> Self {
        Self { max_running, max_wait, inside: Mutex::default(), left: Condvar::new() }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`QueryError::Busy`] where too many wait already, or none has ended in time.
    pub fn enter(&self) -> Result<GatePass<'_>, QueryError> {
        let mut inside = lock(&self.inside);
        if inside.running >= self.max_running {
            if inside.waiting >= self.max_running * WAITING_PER_RUNNING {
                return Err(QueryError::Busy);
            }
            let deadline = clock::monotonic() + self.max_wait;
            inside.waiting += 1;
            while inside.running >= self.max_running {
                let left = deadline.saturating_duration_since(clock::monotonic());
                if left.is_zero() {
                    inside.waiting -= 1;
                    return Err(QueryError::Busy);
                }
                inside = wait(&self.left, inside, left);
            }
            inside.waiting -= 1;
        }
        inside.running += 1;
        Ok(GatePass(self))
    }

    /// Queries that run now.
    pub fn running(&self) -> usize {
        lock(&self.inside).running
    }
}

impl Drop for GatePass<'_> {
    fn drop(&mut self) {
        lock(&self.0.inside).running -= 1;
        self.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_run_than_may_and_who_leaves_lets_the_next_one_in() {
        let gate = Gate::new(2, Duration::ZERO);
        let (first, _second) = (gate.enter().unwrap(), gate.enter().unwrap());
        assert_eq!(gate.enter().unwrap_err(), QueryError::Busy);
        drop(first);
        let _third = gate.enter().unwrap();
        assert_eq!(gate.running(), 2);

        let patient = Gate::new(1, Duration::from_secs(60));
        let pass = patient.enter().unwrap();
        std::thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..4).map(|_| scope.spawn(|| patient.enter().map(|_| ()).is_ok())).collect();
            drop(pass);
            assert!(waiting.into_iter().all(|waiting| waiting.join().unwrap()));
        });
        assert_eq!(patient.running(), 0);
    }
}
