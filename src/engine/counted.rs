//! The sums of each customer as of now: the ledger of the start and every batch since.
//!
//! Input: the ledger after replay; batches and deletions in the order of the journal, before they are answered.
//! Output: the list behind `GET /customers`, and which windows exist for a query. Never: used for a checkpoint; the
//! keeper counts its ledger from markers, so that the ledger holds exactly the records up to the one it names.

use std::sync::Mutex;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::sync::lock;
use crate::journal::ledger::{CustomerTotals, Ledger};
use crate::model::{CustomerId, Seq};
use crate::query::{CountedEntries, KnownCustomer};

#[derive(Debug, Default)]
pub(super) struct CountedCustomers(Mutex<HashMap<CustomerId, CustomerTotals, RandomState>>);

impl CountedCustomers {
    /// Starts from the sums of the ledger.
    pub(super) fn begin_with(&self, ledger: &Ledger) {
        let mut counted = lock(&self.0);
        counted.extend(ledger.customers.iter().map(|(customer, totals)| (customer.clone(), *totals)));
    }

    /// Notes that this durable record deletes the customer.
    pub(super) fn delete(&self, customer: &CustomerId, through: Seq) {
        lock(&self.0).insert(customer.clone(), CustomerTotals::deleted(through));
    }

    /// The record of the customer's last deletion; zero where there was none.
    pub(super) fn deleted_through(&self, customer: &CustomerId) -> Seq {
        lock(&self.0).get(customer).map_or(Seq::ZERO, |totals| totals.deleted_through)
    }

    /// Counts a durable batch.
    pub(super) fn count(&self, customer: &CustomerId, entries: u32, received_at_ms: u64) {
        lock(&self.0).entry(customer.clone()).or_default().count(entries, received_at_ms);
    }

    /// All customers with entries, sorted.
    pub(super) fn list(&self) -> Vec<KnownCustomer> {
        let counted = lock(&self.0);
        let counted = counted.iter().filter(|(_, totals)| totals.entries > 0);
        let mut list: Vec<_> = counted
            .map(|(customer, totals)| KnownCustomer {
                id: customer.clone(),
                counted: Some(CountedEntries {
                    entries: totals.entries,
                    first_seen_ms: totals.first_seen_ms,
                    last_seen_ms: totals.last_seen_ms,
                }),
            })
            .collect();
        list.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        list
    }
}
