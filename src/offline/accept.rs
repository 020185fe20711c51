//! Makes windows and ledger consistent after a loss was accepted.
//!
//! Input: the sums that are unequal. Output: windows that are marked incomplete, and a ledger that agrees with the
//! windows. Never: changes a count.

use std::io;

use crate::base::disk::{self, Disk};
use crate::data_dir::{DataDir, at};
use crate::journal::ledger::Ledger;
use crate::journal::start_error::UnequalSum;
use crate::model::{CustomerId, WindowSize};
use crate::windows::proof::WindowSums;
use crate::windows::shelf::{Shelf, StoredWindow};
use crate::windows::window::Window;

/// Marks all of a customer's windows of one size incomplete, because nobody knows which of them lacks records.
/// Returns how many.
///
/// # Errors
/// What the disk says, naming the file.
pub(super) fn mark_incomplete(
    disk: &dyn Disk,
    dir: &DataDir,
    ledger: &Ledger,
    customer: &CustomerId,
    size: WindowSize,
) -> io::Result<u64> {
    let customer_dir = dir.customer(customer);
    let mut marked = 0;
    let mut shelf = Shelf::new(disk, customer_dir.clone());
    for id in shelf.list()?.windows {
        if id.size != size {
            continue;
        }
        // A damaged window is marked when it is next needed and counted again.
        let Some(StoredWindow { content: Ok(bytes), .. }) = shelf.read(id)? else { continue };
        let Ok(mut window) = Window::decode(&bytes, customer, id) else { continue };
        if !window.is_incomplete() && ledger.has_window(customer, id, window.applied_through()) {
            window.mark_incomplete();
            // A plain file with the same last record counts before a packed copy.
            let path = dir.window(customer, id);
            disk::replace_file(disk, &dir.temp(), &path, &[&window.encode()]).map_err(at(&path))?;
            marked += 1;
        }
    }
    // The directory does not exist if all of its windows are lost; then there is nothing to mark.
    disk::if_exists(disk.sync_dir(&customer_dir)).map_err(at(&customer_dir))?;
    Ok(marked)
}

/// Makes the ledger agree with the windows of these customers.
pub(super) fn accept_sums(ledger: &mut Ledger, sums: &WindowSums, accepted: &[UnequalSum]) {
    let mut customers: Vec<_> = accepted.iter().map(|sum| &sum.customer).collect();
    customers.dedup();
    for customer in customers {
        ledger.accept(customer, sums.requests.get(customer).copied().unwrap_or_default());
    }
}
