//! The sums' part of a check: compares what each customer's windows hold with what was counted.
//!
//! Input: the sums of the windows that were found, and what a replay would add to them. Output: problems. Never: reads a file.

use super::recount::Unmerged;
use super::{KnownJournal, VerifyReport};
use crate::data_dir::DataDir;
use crate::model::WindowSize;
use crate::windows::proof::WindowSums;

pub(super) fn check(
    dir: &DataDir,
    known: &KnownJournal,
    mut sums: WindowSums,
    unmerged: &Unmerged,
    report: &mut VerifyReport,
) {
    let stored = &known.stored;
    if stored.ledger.through < known.after {
        let what = format!(
            "it is as of record {}, and the journal begins at record {} only: the sums of the windows are not known",
            stored.ledger.through,
            known.after.next()
        );
        report.problem(&dir.customers(), None, what);
        return;
    }
    // The state after the next start, which replays records that are not in the ledger or in their windows yet.
    let mut ledger = stored.ledger.clone();
    ledger.add(known.end, &unmerged.counted);
    ledger.add_expired(&unmerged.expired);
    for (customer, by_size) in &unmerged.requests {
        for size in WindowSize::ALL {
            sums.add(customer, size, by_size[size as usize], false);
        }
    }
    let unequal = sums.unequal(&ledger);
    let mut wrong: Vec<_> = unequal.iter().map(|sum| &sum.customer).collect();
    wrong.dedup();
    let left_out = sums.incomplete.iter().filter(|customer| ledger.customers.contains_key(*customer)).count();
    report.proven_customers = (ledger.customers.len().saturating_sub(left_out + wrong.len())) as u64;
    for sum in &unequal {
        report.problem(&dir.customer(&sum.customer), None, sum.to_string());
    }
}
