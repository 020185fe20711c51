//! The right to remove files: one thread at a time has it, and none while a backup is being made.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use crate::base::disk::FileLock;
use crate::base::sync::lock;
use crate::data_dir::{DataDir, at};

/// See the module.
#[derive(Debug)]
pub(super) struct Removals {
    retain: PathBuf,
    turn: Mutex<()>,
}

/// Held while files are removed.
pub(super) struct RemovalsGuard<'a> {
    _turn: MutexGuard<'a, ()>,
    _lock: FileLock,
}

impl Removals {
    pub(super) fn new(dir: &DataDir) -> Self {
        Self { retain: dir.retain(), turn: Mutex::new(()) }
    }

    /// Waits for the other thread. `None` while a backup is being made.
    pub(super) fn begin(&self) -> Option<RemovalsGuard<'_>> {
        let turn = lock(&self.turn);
        let locked = FileLock::try_exclusive(&self.retain).map_err(at(&self.retain));
        let lock = locked.unwrap_or_else(|error| {
            log::warn!("nothing is removed: {error}");
            None
        });
        Some(RemovalsGuard { _turn: turn, _lock: lock? })
    }
}
