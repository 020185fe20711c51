//! How a worker writes the files of its windows: a group of them is written, and then made durable.
//!
//! Input: dirty windows. Output: their files. Each file is written under a temporary name, made durable together with the
//! others of its group, and then renamed to its place. The worker takes messages between any two of these steps.
//! Never: renames a file that is not durable yet, or one that is older than the file in its place.

use std::io;
use std::path::PathBuf;

use prometheus::HistogramTimer;

use super::{WindowKey, Worker};
use crate::base::clock::UnixMs;
use crate::base::disk::{self, DiskFile};
use crate::model::{CustomerId, Seq, WindowSize};

/// Files in a group, at most. Each worker has its group's files open. Writing 32 files before their syncs took 0.6 of the time
/// of one after the other on ext4 with a journal, whose first sync makes most of the group durable, and 0.8 without one.
pub(crate) const MAX_GROUP_FILES: usize = 32;

/// A window's file under its temporary name.
struct WrittenFile {
    key: WindowKey,
    temp: PathBuf,
    file: Box<dyn DiskFile>,
    bytes: usize,
    /// The last record that the file holds.
    through: Seq,
    /// Measures until this is dropped.
    _timer: HistogramTimer,
}

/// Files that are not in their places yet.
#[derive(Default)]
pub(super) struct WriteGroup {
    written: Vec<WrittenFile>,
    /// These are renamed before any other file is written.
    durable: Vec<WrittenFile>,
}

impl WriteGroup {
    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.durable.is_empty()
    }

    /// Whether there are files that may be renamed to their places.
    pub(super) fn is_durable(&self) -> bool {
        !self.durable.is_empty()
    }

    fn holds(&self, key: &WindowKey) -> bool {
        self.written.iter().chain(&self.durable).any(|written| written.key == *key)
    }
}

impl Worker {
    /// Adds the file of a dirty window to the group, and makes a full group durable. If the group has a file of this
    /// window already, the window has merged more since then, and the earlier file goes to its place first.
    pub(super) fn add_to_group(&mut self, key: &WindowKey, now: UnixMs) {
        if self.group.holds(key) && !self.finish_group(now) {
            // The failed file may be that of another window.
            return self.write_later(key);
        }
        if self.is_dirty(key) {
            self.write_file(key, now);
        }
        if self.group.written.len() >= MAX_GROUP_FILES {
            self.sync_group(now);
        }
    }

    /// Writes the file of a window, if it is dirty, and renames it to its place. Returns whether the window is clean. After
    /// a failure it stays dirty, and nothing is written for a while.
    pub(super) fn write(&mut self, key: &WindowKey, now: UnixMs) -> bool {
        if !self.finish_group(now) {
            return false;
        }
        if self.is_dirty(key) {
            self.write_file(key, now);
        }
        self.finish_group(now) && !self.is_dirty(key)
    }

    /// Makes all files of the group durable and renames them to their places. Returns whether that succeeded.
    fn finish_group(&mut self, now: UnixMs) -> bool {
        self.sync_group(now);
        while self.group.is_durable() {
            self.place_file(now);
        }
        now >= self.retry_at
    }

    /// Writes a window's file under a temporary name.
    fn write_file(&mut self, key: &WindowKey, now: UnixMs) {
        let timer = self.metrics.flush_seconds.start_timer();
        let Some(resident) = self.windows.get(key) else { return };
        let (bytes, through) = (resident.window.encode(), resident.window.applied_through());
        let temp = self.dir.temp();
        let created = self.disk.create_dir(&self.dir.customer(&key.0));
        match created.and_then(|_| disk::write_new_file(&*self.disk, &temp, &[&bytes])) {
            Ok(file) => {
                let written =
                    WrittenFile { key: key.clone(), temp, file, bytes: bytes.len(), through, _timer: timer };
                self.group.written.push(written);
            }
            Err(error) => self.note_failure(key, &error, now),
        }
    }

    /// Makes the files of the group durable. After a failure none of them is used, because it is not known which are.
    pub(super) fn sync_group(&mut self, now: UnixMs) {
        let mut files = std::mem::take(&mut self.group.written);
        // Not one sync of the whole file system: FUSE does not hand that on, and the files would not be durable.
        match files.iter_mut().try_for_each(|written| written.file.sync_data()) {
            Ok(()) => self.group.durable.extend(files),
            Err(error) => {
                for written in files {
                    let _ = self.disk.remove(&written.temp);
                    self.note_failure(&written.key, &error, now);
                }
            }
        }
    }

    /// Renames one of the durable files to its place.
    pub(super) fn place_file(&mut self, now: UnixMs) {
        let Some(written) = self.group.durable.pop() else { return };
        let WrittenFile { key, temp, through, bytes, .. } = &written;
        if let Err(error) = self.disk.rename(temp, &self.dir.window(&key.0, key.1)) {
            let _ = self.disk.remove(temp);
            return self.note_failure(key, &error, now);
        }
        self.written.note(&key.0, key.1);
        self.unsynced.insert(key.0.clone());
        self.metrics.flushed_bytes.inc_by(*bytes as u64);
        let Some(resident) = self.windows.get_mut(key) else { return };
        resident.dirty = resident.window.applied_through() > *through;
        if resident.dirty && key.1.size == WindowSize::Minute {
            self.due.push_back((now + self.limits.flush_interval_ms, written.key));
        }
    }

    /// Removes the files of a deleted customer from the group.
    pub(super) fn forget_files(&mut self, customer: &CustomerId) {
        for files in [&mut self.group.written, &mut self.group.durable] {
            for theirs in files.extract_if(.., |written| written.key.0 == *customer) {
                let _ = self.disk.remove(&theirs.temp);
            }
        }
    }

    /// Notes that the file of a window could not be written. The window stays dirty, and is due again later.
    fn note_failure(&mut self, key: &WindowKey, error: &io::Error, now: UnixMs) {
        let reason = format!("cannot write window {}: {error}", self.dir.window(&key.0, key.1).display());
        log::warn!("{reason}; it will be tried again");
        self.write_error = Some(reason);
        self.metrics.flush_errors.inc();
        self.retry_at = now + super::RETRY_MS;
        self.write_later(key);
    }

    /// Has a window that is still dirty written after the next try, before the marker that waits for it is done.
    fn write_later(&mut self, key: &WindowKey) {
        if key.1.size == WindowSize::Minute {
            self.due.push_back((self.retry_at, key.clone()));
        }
        if let Some(marker) = &mut self.marker {
            marker.unwritten.push_back(key.clone());
        }
    }
}
