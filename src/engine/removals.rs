//! The right to remove files: one thread at a time has it, and none while a backup is being made.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use crate::base::disk::FileLock;
use crate::base::sync::lock;
use crate::data_dir::{DataDir, at};

#[derive(Debug)]
pub(super) struct Removals {
    retain: PathBuf,
    turn: Mutex<()>,
}

/// Held while files are removed.
pub(super) struct RemovalsGuard<'a> {
    /// Dropped first: if the next thread found the file lock held, it would take that for a backup.
    _lock: FileLock,
    _turn: MutexGuard<'a, ()>,
}

impl Removals {
    pub(super) fn new(dir: &DataDir) -> Self {
        Self { retain: dir.retain(), turn: Mutex::new(()) }
    }

    /// Waits while another thread holds it. `None` while a backup is being made.
    pub(super) fn begin(&self) -> Option<RemovalsGuard<'_>> {
        let turn = lock(&self.turn);
        let locked = FileLock::try_exclusive(&self.retain).map_err(at(&self.retain));
        let lock = locked.unwrap_or_else(|error| {
            log::warn!("nothing is removed: {error}");
            None
        });
        Some(RemovalsGuard { _lock: lock?, _turn: turn })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn only_a_backup_refuses_and_never_another_thread() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temp.path());
        let removals = Removals::new(&dir);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|round| assert!(removals.begin().is_some(), "{round}")));
            }
        });
        let _backup = FileLock::shared(&dir.retain()).unwrap();
        assert!(removals.begin().is_none());
    }
}
