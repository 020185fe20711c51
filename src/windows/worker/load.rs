//! How a window becomes resident: from its file, counted again from the journal where that is damaged, else empty.
//!
//! Input: a window's name. Output: the resident window. Never: takes a window for whole that holds what the journal does not.

use std::io;
use std::sync::Arc;

use super::{Fatal, Resident, WindowKey, Worker};
use crate::base::clock::UnixMs;
use crate::data_dir::at;
use crate::model::{CustomerId, PackId, Seq, WindowId, WindowSize};
use crate::windows::file::Damaged;
use crate::windows::rebuild::{LostWindow, rebuild};
use crate::windows::shelf::{Shelf, StoredWindow};
use crate::windows::window::Window;

impl Worker {
    /// Makes a window resident: from its file, rebuilt from the journal where that is damaged, else empty.
    pub(super) fn load(&mut self, key: &WindowKey, seq: Seq, now: UnixMs) -> Result<(), Fatal> {
        let fail = |error: io::Error| Fatal(error.to_string());
        let mut shelf = Shelf::new_with(&*self.disk, self.dir.customer(&key.0), self.last_pack.take());
        let stored = shelf.read(key.1).map_err(fail)?;
        self.last_pack = shelf.into_last_open();
        let path =
            stored.as_ref().map_or_else(|| self.dir.window(&key.0, key.1), |stored| stored.path.clone());
        let mut dirty = false;
        let window = match stored {
            None => {
                self.metrics.count_created(key.1);
                Window::new(key.0.clone(), key.1)
            }
            Some(StoredWindow { content, .. }) => {
                let read = content.as_ref().map_err(Damaged::clone);
                match read.and_then(|bytes| Window::decode(bytes, &key.0, key.1)) {
                    Ok(window) if self.late.is_deleted(&key.0, window.applied_through()) => {
                        self.metrics.count_created(key.1);
                        Window::new(key.0.clone(), key.1)
                    }
                    Ok(window) => {
                        self.metrics.loaded.inc();
                        window
                    }
                    Err(why) => {
                        dirty = true;
                        let content = content.as_ref().ok().map(Vec::as_slice);
                        self.recount(key, seq, &path, content, &why, now).map_err(at(&path)).map_err(fail)?
                    }
                }
            }
        };
        if window.applied_through() > self.journal_end.max(self.through) {
            return Err(Fatal(format!(
                "{} holds record {}, but the journal ends at {}: journal files were lost. Restore the data \
                 directory from a backup, or go on from what there is with \
                 `log-analytics repair --accept-lost-journal`",
                path.display(),
                window.applied_through(),
                self.journal_end.max(self.through)
            )));
        }
        if seq <= self.journal_end {
            // After a kill the file may stand in a directory that was never synced. The next checkpoint relies on the
            // files that replay finds.
            self.unsynced.insert(key.0.clone());
        }
        self.resident_bytes += window.resident_bytes();
        self.resident_keys += window.keys();
        self.windows.insert(key.clone(), Resident { window: Arc::new(window), dirty, referenced: true });
        self.hand.push_back(key.clone());
        if dirty && key.1.size == WindowSize::Minute {
            self.due.push_back((now, key.clone()));
        }
        Ok(())
    }

    /// Whether a pack has this replayed record in its copy of the window, told by its index. A start of a copy replays days of
    /// packed windows, and to load each would decode a part of its pack.
    pub(super) fn is_packed(&mut self, key: &WindowKey, seq: Seq) -> Result<bool, Fatal> {
        let Some(pack) = PackId::of(key.1) else { return Ok(false) };
        let mut shelf = Shelf::new_with(&*self.disk, self.dir.customer(&key.0), self.last_pack.take());
        let packed_through =
            shelf.packed_through(pack, key.1.start).map_err(|error| Fatal(error.to_string()))?;
        self.last_pack = shelf.into_last_open();
        // Loading the window refuses one that is ahead of the journal.
        let is_packed = (seq..=self.journal_end).contains(&packed_through);
        if is_packed {
            self.through = self.through.max(seq);
            self.unsynced.insert(key.0.clone());
        }
        Ok(is_packed)
    }

    /// Makes a window resident for a query that found its file damaged: what was lost is counted again from the
    /// journal, and a good file replaces it soon. `None` where there is no such window, or not any more.
    ///
    /// # Errors
    /// In words: the file or the journal cannot be read. Nothing has changed then.
    pub fn rebuild_for_query(
        &mut self,
        customer: &CustomerId,
        id: WindowId,
        now: UnixMs,
    ) -> Result<Option<Arc<Window>>, String> {
        let key = (customer.clone(), id);
        if self.late.excludes(customer, id) {
            return Ok(None);
        }
        if !self.windows.contains_key(&key) {
            let mut shelf = Shelf::new(&*self.disk, self.dir.customer(customer));
            if shelf.read(id).map_err(|error| error.to_string())?.is_none() {
                return Ok(None);
            }
            // Questions come after the replay: every insight up to the end of the opened journal, and up to the last
            // one merged, has reached this worker, and none beyond it.
            let after = self.journal_end.max(self.through).next();
            self.load(&key, after, now).map_err(|Fatal(reason)| reason)?;
        }
        let window = self.windows.get(&key).map(|resident| Arc::clone(&resident.window));
        self.make_room(now);
        Ok(window.filter(|window| !window.is_nothing()))
    }

    /// Counts a damaged window again, without the record that is about to be merged.
    fn recount(
        &self,
        key: &WindowKey,
        seq: Seq,
        path: &std::path::Path,
        content: Option<&[u8]>,
        why: &Damaged,
        now: UnixMs,
    ) -> io::Result<Window> {
        let lost = LostWindow {
            customer: &key.0,
            id: key.1,
            through: Seq(seq.0 - 1),
            deleted_through: self.late.deleted_through(&key.0),
        };
        let window = rebuild(&*self.disk, &self.dir, &lost, &self.limits.window, self.limits.max_future_ms)?;
        // Copied only now: a query that is repeated after a failure must not fill the disk with copies. The file
        // itself stays until the good one replaces it.
        let copy = content.map(|content| self.dir.quarantine(&*self.disk, path, content, now)).transpose()?;
        self.metrics.quarantined.inc();
        if window.is_incomplete() {
            self.metrics.incomplete.inc();
        }
        log::error!(
            "{}: {why}; {}; counted again from the journal{}",
            path.display(),
            copy.map_or_else(|| "it cannot be read".into(), |copy| format!("kept as {}", copy.display())),
            if window.is_incomplete() { ", which does not reach back far enough: incomplete" } else { "" }
        );
        Ok(window)
    }
}
