//! Removing windows that are older than `--retain-windows-days` says.
//!
//! Input: the ledger, the days to keep and the clock of retention. Output: cutoffs to move, what the windows before them
//! hold, and in the end the removed files. Never: removes a file before its cutoff is durable.
//!
//! A round goes with a checkpoint: [`plan`] finds the cutoffs; from the checkpoint's marker on no worker merges into a
//! window before them; once all windows are written [`sum`] counts what those hold; the checkpoint makes cutoff and sum
//! durable together; then [`remove`] removes the files. A crash before that leaves the old cutoff and every file.

use std::io;

use super::window::Window;
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, window_in_file_name};
use crate::journal::ledger::{Cutoffs, Ledger, Removed};
use crate::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use crate::time;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Window files that one round removes at most, so that a checkpoint is not held up for long: about a second of reading.
const MAX_FILES: usize = 20_000;

/// One cutoff that moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutoffMove {
    /// Whose windows.
    pub customer: CustomerId,
    /// Of which size.
    pub size: WindowSize,
    /// The new cutoff.
    pub cutoff: WindowStart,
}

/// What a round is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiryPlan {
    /// The cutoffs that move.
    pub moves: Vec<CutoffMove>,
    /// Customers with files before a cutoff that is durable already: a crash came before they were removed.
    pub leftovers: Vec<CustomerId>,
}

/// The first window that is kept for so many days: windows that begin in an earlier UTC day ended longer ago.
fn first_kept(days: u32, clock_ms: u64) -> WindowStart {
    time::minute_of(clock_ms.saturating_sub(u64::from(days) * DAY_MS)).floor(WindowSize::Day)
}

/// Finds the cutoffs to move: by size, finest first, so many days are kept; 0 for ever. A cutoff is moved only behind the
/// last day that holds a file to remove, so that a clock that was wrong once does not exclude days to come.
///
/// # Errors
/// What the disk says.
pub fn plan(
    disk: &dyn Disk,
    dir: &DataDir,
    ledger: &Ledger,
    retain_days: [u32; 3],
    clock_ms: u64,
) -> io::Result<ExpiryPlan> {
    let mut plan = ExpiryPlan::default();
    let old = ledger.cutoffs();
    let mut files = 0;
    for customer in ledger.customers.keys() {
        let mut last: [Option<WindowStart>; 3] = [None; 3];
        let mut is_left = false;
        disk.names(&dir.customer(customer), &mut |name| {
            let Some(window) = window_in_file_name(name) else { return };
            let (size, days) = (window.size as usize, retain_days[window.size as usize]);
            if old.excludes(customer, window) {
                is_left = true;
            } else if days > 0 && window.start < first_kept(days, clock_ms) {
                last[size] = last[size].max(Some(window.start));
                files += 1;
            }
        })?;
        for (size, last) in WindowSize::ALL.into_iter().zip(last) {
            let Some(last) = last else { continue };
            let cutoff = WindowStart(last.floor(WindowSize::Day).0 + WindowSize::Day.minutes());
            plan.moves.push(CutoffMove { customer: customer.clone(), size, cutoff });
        }
        if is_left {
            plan.leftovers.push(customer.clone());
        }
        if files > MAX_FILES {
            break;
        }
    }
    Ok(plan)
}

/// What the windows between a customer's cutoff in the ledger and the new one hold. All of them must be written.
///
/// # Errors
/// What the disk says.
pub fn sum(disk: &dyn Disk, dir: &DataDir, ledger: &Ledger, moved: &CutoffMove) -> io::Result<Removed> {
    let CutoffMove { customer, size, cutoff } = moved;
    let totals = ledger.customers.get(customer).copied().unwrap_or_default();
    let mut removed = Removed::default();
    for (name, window) in windows_of(disk, dir, customer)? {
        if window.size != *size || window.start >= *cutoff || !totals.has_window(window, Seq(u64::MAX)) {
            continue;
        }
        match Window::decode(&disk.read(&dir.customer(customer).join(name))?, customer, window) {
            Ok(found) if !totals.has_window(window, found.applied_through()) => {}
            Ok(window) => {
                removed.requests = removed.requests.saturating_add(window.requests());
                removed.unprovable |= window.is_incomplete();
            }
            Err(_) => removed.unprovable = true,
        }
    }
    Ok(removed)
}

/// Removes a customer's files before its cutoffs, which are durable. Returns how many.
///
/// # Errors
/// What the disk says.
pub fn remove(disk: &dyn Disk, dir: &DataDir, cutoffs: &Cutoffs, customer: &CustomerId) -> io::Result<u64> {
    let mut removed = 0;
    for (name, window) in windows_of(disk, dir, customer)? {
        if cutoffs.excludes(customer, window) {
            disk.remove(&dir.customer(customer).join(name))?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The windows of a customer that have a file, with the file's name.
///
/// # Errors
/// What the disk says.
pub fn windows_of(
    disk: &dyn Disk,
    dir: &DataDir,
    customer: &CustomerId,
) -> io::Result<Vec<(String, WindowId)>> {
    let mut windows = Vec::new();
    disk.names(&dir.customer(customer), &mut |name| {
        windows.extend(window_in_file_name(name).map(|window| (name.to_owned(), window)));
    })?;
    Ok(windows)
}
