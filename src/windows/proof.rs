//! The proof that windows hold what was counted: sums of requests by customer and size, beside the ledger.
//!
//! Input: all window files, everything written; the ledger as of the same record. Output: the sums that are unequal. Never:
//! changes a file. A window can only lack records, so equal sums prove every window. A customer with a window that is marked
//! incomplete is left out: what it lost is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use super::file::decode_any;
use super::scan::{OnShelf, visit_shelves};
use super::shelf::StoredWindow;
use super::view::Wanted;
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, customer_dir_name, customer_in_dir_name};
use crate::journal::ledger::Ledger;
use crate::journal::start_error::UnequalSum;
use crate::model::{CustomerId, WindowId, WindowSize};

/// A window file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedWindow {
    pub path: PathBuf,
    /// Whose window it is, by the names of file and directory.
    pub window: Option<(CustomerId, WindowId)>,
}

/// What the window files hold together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowSums {
    /// Requests by customer and size, finest first.
    pub requests: BTreeMap<CustomerId, [u64; 3]>,
    /// Customers with a window that is marked incomplete.
    pub incomplete: BTreeSet<CustomerId>,
    /// Files that cannot be read.
    pub damaged: Vec<DamagedWindow>,
}

impl WindowSums {
    /// Adds one window that exists.
    pub fn add(&mut self, customer: &CustomerId, size: WindowSize, requests: u64, is_incomplete: bool) {
        let sum = &mut self.requests.entry(customer.clone()).or_default()[size as usize];
        *sum = sum.saturating_add(requests);
        if is_incomplete {
            self.incomplete.insert(customer.clone());
        }
    }

    /// The sums that are not what was counted. Where a removed window had lost counts, its size cannot be compared.
    pub fn unequal(&self, ledger: &Ledger) -> Vec<UnequalSum> {
        let mut unequal = Vec::new();
        let customers: BTreeSet<&CustomerId> = self.requests.keys().chain(ledger.customers.keys()).collect();
        for customer in customers.into_iter().filter(|customer| !self.incomplete.contains(*customer)) {
            let totals = ledger.customers.get(customer).copied().unwrap_or_default();
            let in_windows = self.requests.get(customer).copied().unwrap_or_default();
            for size in WindowSize::ALL.into_iter().filter(|size| !totals.sizes[*size as usize].unprovable) {
                let (in_windows, counted) = (in_windows[size as usize], totals.in_windows(size));
                if in_windows != counted {
                    unequal.push(UnequalSum { customer: customer.clone(), size, in_windows, counted });
                }
            }
        }
        unequal
    }
}

/// Sums the files of all windows that exist, by the ledger's cutoffs and deletions.
pub fn sum_windows(disk: &dyn Disk, dir: &DataDir, ledger: &Ledger) -> io::Result<WindowSums> {
    let mut sums = WindowSums::default();
    visit_shelves::<io::Error>(disk, dir, |found| {
        let (customer_name, id, StoredWindow { path, content }) = match found {
            OnShelf::Window { customer_name, id, stored } => (customer_name, id, stored),
            OnShelf::DamagedPack(path) => {
                sums.damaged.push(DamagedWindow { path, window: None });
                return Ok(());
            }
            OnShelf::Other(_) => return Ok(()),
        };
        let totals = content.and_then(|bytes| {
            let (customer, view) = decode_any(&bytes, &Wanted::TOTALS)?;
            Ok((customer, view.id, view.all.requests, view.applied_through, view.incomplete))
        });
        match totals {
            Ok((customer, found, requests, through, incomplete))
                if found == id && customer_dir_name(&customer) == customer_name =>
            {
                if ledger.has_window(&customer, id, through) {
                    sums.add(&customer, id.size, requests, incomplete);
                }
            }
            _ => {
                let window = customer_in_dir_name(customer_name).map(|customer| (customer, id));
                sums.damaged.push(DamagedWindow { path, window });
            }
        }
        Ok(())
    })?;
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ledger::{CountedSince, Removed};
    use crate::model::{Seq, WindowStart};

    fn customer(name: &str) -> CustomerId {
        CustomerId::new(name).unwrap()
    }

    fn ledger(counted: &[(&str, u32)]) -> Ledger {
        let mut since = CountedSince::default();
        counted
            .iter()
            .for_each(|(name, entries)| since.entry(customer(name)).or_default().count(*entries, 1));
        let mut ledger = Ledger::default();
        ledger.add(Seq(1), &since);
        ledger
    }

    fn sums(of: &[(&str, [u64; 3])]) -> WindowSums {
        let mut sums = WindowSums::default();
        for (name, requests) in of {
            for (size, requests) in WindowSize::ALL.into_iter().zip(requests) {
                sums.add(&customer(name), size, *requests, false);
            }
        }
        sums
    }

    #[test]
    fn a_lacking_window_of_any_size_and_an_unknown_customer_are_unequal() {
        let ledger = ledger(&[("a", 5), ("b", 7)]);
        assert_eq!(sums(&[("a", [5; 3]), ("b", [7; 3])]).unequal(&ledger), []);
        for (found, customer_name, size) in [
            (sums(&[("a", [4, 5, 5]), ("b", [7; 3])]), "a", WindowSize::Minute),
            (sums(&[("a", [5; 3]), ("b", [7, 7, 6])]), "b", WindowSize::Day),
            (sums(&[("a", [5; 3]), ("b", [7, 8, 7])]), "b", WindowSize::Hour),
        ] {
            let unequal = found.unequal(&ledger);
            assert_eq!((unequal.len(), unequal[0].size), (1, size));
            assert_eq!(unequal[0].customer, customer(customer_name));
        }
        assert_eq!(sums(&[("a", [5; 3])]).unequal(&ledger).len(), 3, "all of b's windows are gone");
        assert_eq!(sums(&[("a", [5; 3]), ("b", [7; 3]), ("c", [1; 3])]).unequal(&ledger).len(), 3);
    }

    #[test]
    fn what_retention_removed_and_what_is_incomplete_is_not_asked_for() {
        let mut ledger = ledger(&[("a", 5)]);
        let removed = Removed { requests: 2, unprovable: false };
        ledger.expire(&customer("a"), WindowSize::Minute, WindowStart(1_440), removed);
        assert_eq!(sums(&[("a", [3, 5, 5])]).unequal(&ledger), []);
        let removed = Removed { requests: 1, unprovable: true };
        ledger.expire(&customer("a"), WindowSize::Minute, WindowStart(2_880), removed);
        assert_eq!(sums(&[("a", [1, 5, 5])]).unequal(&ledger), []);
        let mut incomplete = sums(&[("a", [2, 1, 4])]);
        assert_eq!(incomplete.unequal(&ledger).len(), 2);
        incomplete.incomplete.insert(customer("a"));
        assert_eq!(incomplete.unequal(&ledger), []);
    }
}
