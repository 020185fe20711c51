//! Removing windows that are older than `--retain-windows-days` says.
//!
//! Input: the ledger, the days to keep and the clock of retention. Output: cutoffs to move, what the windows before them
//! hold, and in the end the removed files. Never: removes a file before its cutoff is durable.
//!
//! A round goes with a checkpoint: [`plan`] finds the cutoffs; from the checkpoint's marker on no worker merges into a
//! window before them; once all windows are written [`sum`] counts what those hold; the checkpoint makes cutoff and sum
//! durable together; then [`remove`] removes the files. A crash before that leaves the old cutoff and every file.

use std::io;

use super::shelf::Shelf;
use super::window::Window;
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, at, pack_file_name, pack_in_file_name, window_in_file_name};
use crate::journal::ledger::{Cutoffs, Ledger, Removed};
use crate::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use crate::time;

/// Window files that one round removes at most, so that a checkpoint is not held up for long: about a second of reading.
const MAX_FILES: usize = 20_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutoffMove {
    pub customer: CustomerId,
    pub size: WindowSize,
    /// The new cutoff.
    pub cutoff: WindowStart,
}

/// What a round is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpiryPlan {
    pub moves: Vec<CutoffMove>,
    /// Customers with files before a cutoff that is durable already: a crash came before they were removed.
    pub leftovers: Vec<CustomerId>,
}

/// The start of the first window that is kept, if windows are kept for so many days: windows that begin in an earlier
/// UTC day ended longer ago.
fn first_kept(days: u32, clock_ms: u64) -> WindowStart {
    time::minute_of(clock_ms.saturating_sub(u64::from(days) * time::DAY_MS)).floor(WindowSize::Day)
}

/// For how many days a customer's windows are kept, by size, finest first; 0 for ever.
pub type RetainDaysOf<'a> = &'a dyn Fn(&CustomerId) -> [u32; 3];

/// Finds the cutoffs to move. A cutoff moves only behind the last day that holds a file to remove, so that a clock
/// that was wrong once does not exclude days to come.
pub fn plan(
    disk: &dyn Disk,
    dir: &DataDir,
    ledger: &Ledger,
    retain_days: RetainDaysOf<'_>,
    clock_ms: u64,
) -> io::Result<ExpiryPlan> {
    let mut plan = ExpiryPlan::default();
    let old = ledger.cutoffs();
    let mut files = 0;
    for customer in ledger.customers.keys() {
        let retain_days = retain_days(customer);
        if retain_days == [0; 3] && WindowSize::ALL.iter().all(|size| old.of(customer, *size).is_none()) {
            continue;
        }
        let mut last: [Option<WindowStart>; 3] = [None; 3];
        let mut is_left = false;
        disk.names(&dir.customer(customer), &mut |name| {
            let Some(window) = first_window_in(name) else { return };
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
pub fn sum(disk: &dyn Disk, dir: &DataDir, ledger: &Ledger, moved: &CutoffMove) -> io::Result<Removed> {
    let CutoffMove { customer, size, cutoff } = moved;
    let totals = ledger.customers.get(customer).copied().unwrap_or_default();
    let mut removed = Removed::default();
    let mut shelf = Shelf::new(disk, dir.customer(customer));
    let list = shelf.list()?;
    let exists = |window| totals.has_window(window, Seq(u64::MAX));
    for pack in list.damaged {
        let first = WindowId { size: pack.size, start: pack.day };
        removed.unprovable |= pack.size == *size && pack.day < *cutoff && exists(first);
    }
    for id in list.windows {
        if id.size != *size || id.start >= *cutoff || !exists(id) {
            continue;
        }
        let Some(stored) = shelf.read(id)? else { continue };
        match stored.content.and_then(|bytes| Window::decode(&bytes, customer, id)) {
            Ok(window) if !totals.has_window(id, window.applied_through()) => {}
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
pub fn remove(disk: &dyn Disk, dir: &DataDir, cutoffs: &Cutoffs, customer: &CustomerId) -> io::Result<u64> {
    let mut names = Vec::new();
    disk.names(&dir.customer(customer), &mut |name| {
        let window = first_window_in(name).filter(|window| cutoffs.excludes(customer, *window));
        names.extend(window.map(|_| name.to_owned()));
    })?;
    for name in &names {
        disk.remove(&dir.customer(customer).join(name))?;
    }
    Ok(names.len() as u64)
}

/// Removes the packs of a deleted customer that hold nothing from after its deletion. Returns the windows in files of their own.
/// No other thread may remove or pack meanwhile.
pub fn remove_deleted_packs(
    disk: &dyn Disk,
    dir: &DataDir,
    customer: &CustomerId,
    through: Seq,
) -> io::Result<Vec<WindowId>> {
    let customer_dir = dir.customer(customer);
    let mut shelf = Shelf::new(disk, customer_dir.clone());
    let list = shelf.list()?;
    for pack in list.packs.iter().filter(|pack| !list.damaged.contains(pack)) {
        if shelf.last_packed(*pack)? <= through {
            let path = customer_dir.join(pack_file_name(*pack));
            disk.remove(&path).map_err(at(&path))?;
        }
    }
    Ok(list.plain.into_iter().collect())
}

/// The window of a file, or the first one that a pack may hold: cutoffs are the beginnings of days, so a pack lies on
/// one side of them.
fn first_window_in(name: &str) -> Option<WindowId> {
    let pack = || pack_in_file_name(name).map(|pack| WindowId { size: pack.size, start: pack.day });
    window_in_file_name(name).or_else(pack)
}
