//! Deleted customers, as queries and the list of customers see them.
//!
//! Input: the deletions of the ledger and of later records, and batches that are counted after them. Output: which windows exist.
//! Never: decides anything for the committer or the workers, who have their own copies in the order of the journal.

use std::collections::HashSet;

use crate::journal::deletions::Deletions;
use crate::journal::ledger::Ledger;
use crate::model::{CustomerId, Seq};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct DeletedCustomers {
    deletions: Deletions,
    /// Of whom nothing was counted since.
    gone: HashSet<CustomerId>,
}

impl DeletedCustomers {
    /// Those of a ledger that holds every record there is.
    pub(super) fn of(ledger: &Ledger) -> Self {
        let is_gone = |customer: &&CustomerId| ledger.customers[*customer].entries == 0;
        let deletions = ledger.deletions();
        let gone = ledger.customers.keys().filter(|customer| deletions.through(customer) > Seq::ZERO);
        Self { gone: gone.filter(is_gone).cloned().collect(), deletions }
    }

    /// The customer was deleted by this record.
    pub(super) fn delete(&mut self, customer: &CustomerId, through: Seq) {
        self.deletions.add(customer, through);
        self.gone.insert(customer.clone());
    }

    /// A batch of the customer was counted.
    pub(super) fn count(&mut self, customer: &CustomerId) {
        if !self.gone.is_empty() {
            self.gone.remove(customer);
        }
    }

    /// Whether nothing of the customer is left.
    pub(super) fn is_gone(&self, customer: &CustomerId) -> bool {
        self.gone.contains(customer)
    }

    /// The record of the customer's last deletion; zero where there was none.
    pub(super) fn through(&self, customer: &CustomerId) -> Seq {
        self.deletions.through(customer)
    }
}
