//! A worker's part of packing and deletion: it knows which old days are still merged into, and removes files that a
//! pack replaces or that a deletion leaves.
//!
//! Input: merges and their times; packed days. Output: the days that were merged into lately. Never: removes a file that holds
//! more than its pack, or a record after the deletion, or whose window has merged something since.

use std::collections::HashMap;
use std::io;

use super::Worker;
use crate::base::clock::UnixMs;
use crate::data_dir::at;
use crate::model::{CustomerId, PackId, Seq, WindowId, WindowSize, WindowStart};
use crate::time;
use crate::windows::file::decode_any;
use crate::windows::shelf::{Shelf, StoredWindow};
use crate::windows::view::Wanted;

/// The most days that are remembered: about 10 MB in each worker, and more than an import of ten years for 20
/// customers touches.
const MAX_DAYS: usize = 100_000;

/// When days that may be packed were merged into last.
#[derive(Debug, Default)]
pub(super) struct LastMerges {
    days: HashMap<(CustomerId, WindowStart), UnixMs>,
    /// Merges before this may be forgotten.
    forgotten_until: UnixMs,
}

impl LastMerges {
    /// Notes a merge. Today and yesterday are never packed.
    pub(super) fn note(&mut self, customer: &CustomerId, window: WindowId, now: UnixMs) {
        let day = window.start.floor(WindowSize::Day);
        let is_recent = day.0 + 2 * WindowSize::Day.minutes() > time::minute_of(now).0;
        if window.size != WindowSize::Minute || is_recent {
            return;
        }
        if self.days.len() >= MAX_DAYS {
            self.days.clear();
            self.forgotten_until = now;
        }
        self.days.insert((customer.clone(), day), now);
    }

    /// The days that were merged into since then; `None` where that is not known of all. Forgets the others.
    fn since(&mut self, since: UnixMs) -> Option<Vec<(CustomerId, WindowStart)>> {
        self.days.retain(|_, merged_at| *merged_at >= since);
        (self.forgotten_until < since).then(|| self.days.keys().cloned().collect())
    }
}

impl Worker {
    /// The old days that were merged into since then; `None` where too many were to know.
    pub fn merged_since(&mut self, since: UnixMs) -> Option<Vec<(CustomerId, WindowStart)>> {
        self.last_merges.since(since)
    }

    /// Removes the files of windows that lie in a durable pack as well. Each is given with the last record that the pack has
    /// of it, and all are this worker's. Returns how many were removed.
    ///
    /// # Errors
    /// What the disk says; the rest is found by the next round of packing.
    pub fn remove_packed(
        &self,
        customer: &CustomerId,
        pack: PackId,
        windows: &[(WindowStart, Seq)],
    ) -> io::Result<u64> {
        let shelf = Shelf::new(&*self.disk, self.dir.customer(customer));
        let mut removed = 0;
        for (start, packed_through) in windows {
            let id = WindowId { size: pack.size, start: *start };
            if self.is_dirty(&(customer.clone(), id)) {
                continue;
            }
            let Some(StoredWindow { path, content: Ok(bytes) }) = shelf.read_plain(id)? else { continue };
            let is_packed = decode_any(&bytes, &Wanted::TOTALS)
                .is_ok_and(|(_, view)| view.applied_through <= *packed_through);
            if is_packed {
                self.disk.remove(&path).map_err(at(&path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes a window's own file from before its customer's deletion. A file that cannot be read stays until the
    /// window is next needed.
    pub fn remove_leftover(&self, customer: &CustomerId, window: WindowId) -> io::Result<()> {
        let shelf = Shelf::new(&*self.disk, self.dir.customer(customer));
        let Some(StoredWindow { path, content: Ok(bytes) }) = shelf.read_plain(window)? else {
            return Ok(());
        };
        match decode_any(&bytes, &Wanted::TOTALS) {
            Ok((_, view)) if self.late.is_deleted(customer, view.applied_through) => {
                self.disk.remove(&path).map_err(at(&path))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_days_are_noted_and_too_many_are_all_taken_for_busy() {
        let (now, day) = (30_000_000 * 60_000, WindowSize::Day.minutes());
        let today = time::minute_of(now).floor(WindowSize::Day).0;
        let customer = CustomerId::new("acme").unwrap();
        let minute = |start| WindowId { size: WindowSize::Minute, start: WindowStart(start) };
        let mut merges = LastMerges::default();
        merges.note(&customer, minute(today), now);
        merges.note(&customer, minute(today - 1), now);
        assert_eq!(merges.since(now), Some(vec![]));
        merges.note(&customer, minute(today - day - 1), now);
        assert_eq!(merges.since(now), Some(vec![(customer.clone(), WindowStart(today - 2 * day))]));
        assert_eq!(merges.since(now + 1), Some(vec![]));
        for days in 2..=MAX_DAYS as u32 + 2 {
            let customer = CustomerId::new(&format!("customer-{days}")).unwrap();
            merges.note(&customer, minute(today - 2 * day), now + 1);
        }
        assert_eq!(merges.since(now + 1), None);
        assert_eq!(merges.since(now + 2), Some(vec![]));
    }
}
