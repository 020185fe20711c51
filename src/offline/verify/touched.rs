//! The windows that records of the journal touch, and what is stored of each: all that a recount needs to know about
//! windows.
//!
//! Input: the journal's records, then the windows that are stored. Output: how far a stored window holds the journal, and the
//! bytes of all of them. Never: remembers a window that no record touches. There may be a thousand times as many.

use std::collections::HashMap;

use crate::model::{CustomerId, Seq, Summary, WindowId, WindowSize};

/// The stored state of a window; by default nothing is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TouchedWindow {
    pub(super) applied_through: Seq,
    /// Whether keys were folded, so that the file does not name all of them.
    pub(super) is_folded: bool,
}

#[derive(Debug, Default)]
pub(super) struct TouchedWindows {
    by_customer: HashMap<CustomerId, HashMap<WindowId, TouchedWindow>>,
    /// Bytes of those windows that are stored.
    pub(super) bytes: u64,
}

impl TouchedWindows {
    /// Notes the windows of a record.
    pub(super) fn touch(&mut self, customer: &CustomerId, summary: &Summary) {
        if summary.minutes.is_empty() {
            return;
        }
        let windows = match self.by_customer.get_mut(customer) {
            Some(windows) => windows,
            None => self.by_customer.entry(customer.clone()).or_default(),
        };
        for (minute, _) in &summary.minutes {
            for size in WindowSize::ALL {
                windows.entry(WindowId { size, start: minute.floor(size) }).or_default();
            }
        }
    }

    /// Notes that all records of the customer so far are deleted: a recount skips them.
    pub(super) fn forget(&mut self, customer: &CustomerId) {
        self.by_customer.remove(customer);
    }

    /// Notes that no record so far can be recounted.
    pub(super) fn forget_all(&mut self) {
        self.by_customer.clear();
    }

    /// Notes what is stored of a window, if it is touched.
    pub(super) fn store(&mut self, customer: &CustomerId, id: WindowId, stored: TouchedWindow, bytes: u64) {
        let touched = self.by_customer.get_mut(customer).and_then(|windows| windows.get_mut(&id));
        if let Some(touched) = touched {
            *touched = stored;
            self.bytes += bytes;
        }
    }

    /// What is stored of a window that is touched.
    pub(super) fn stored(&self, customer: &CustomerId, id: WindowId) -> TouchedWindow {
        let windows = self.by_customer.get(customer);
        windows.and_then(|windows| windows.get(&id)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::WindowStart;

    #[test]
    fn only_windows_of_records_that_are_recounted_are_remembered() {
        let [acme, other] = ["acme", "other"].map(|name| CustomerId::new(name).unwrap());
        let minutes = [61, 62].map(|start| (WindowStart(start), Arc::default()));
        let record = Summary { minutes: minutes.into(), ..Summary::default() };
        let stored = TouchedWindow { applied_through: Seq(7), is_folded: true };
        let [hour, next_hour] =
            [60, 120].map(|start| WindowId { size: WindowSize::Hour, start: WindowStart(start) });

        let mut touched = TouchedWindows::default();
        touched.touch(&acme, &record);
        touched.touch(&other, &record);
        for (customer, window) in [(&acme, hour), (&acme, next_hour), (&other, hour)] {
            touched.store(customer, window, stored, 100);
        }
        assert_eq!(touched.bytes, 200);
        assert_eq!(touched.by_customer[&acme].len(), 4, "two minutes, their hour and their day");
        assert_eq!(touched.stored(&acme, hour), stored);
        assert_eq!(touched.stored(&acme, next_hour), TouchedWindow::default());

        touched.forget(&acme);
        assert_eq!(touched.stored(&acme, hour), TouchedWindow::default());
        assert_eq!(touched.stored(&other, hour), stored);
    }
}
