//! Which customers were deleted, and through which record.
//!
//! Input: the deletions of a ledger and of later records. Output: whether a record, or a window that holds nothing later, still
//! exists. Never: forgets a deletion.

use std::collections::HashMap;

use crate::model::{CustomerId, Seq};

/// The last deletion of each customer that was ever deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deletions(HashMap<CustomerId, Seq>);

impl Deletions {
    /// The record of the customer's last deletion; zero if there was none.
    pub fn through(&self, customer: &CustomerId) -> Seq {
        self.0.get(customer).copied().unwrap_or(Seq::ZERO)
    }

    /// Whether a deletion of the customer came with this record or after it. Then this record does not exist any
    /// more, nor does a window whose last record it is.
    pub fn cover(&self, customer: &CustomerId, seq: Seq) -> bool {
        !self.0.is_empty() && self.0.get(customer).is_some_and(|through| seq <= *through)
    }

    /// Adds the deletion of this record.
    pub fn add(&mut self, customer: &CustomerId, through: Seq) {
        let known = self.0.entry(customer.clone()).or_default();
        *known = through.max(*known);
    }
}

impl FromIterator<(CustomerId, Seq)> for Deletions {
    fn from_iter<T: IntoIterator<Item = (CustomerId, Seq)>>(deletions: T) -> Self {
        Self(deletions.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_deletion_covers_everything_up_to_its_record_and_nothing_of_others() {
        let [acme, other] = ["acme", "other"].map(|name| CustomerId::new(name).unwrap());
        let mut deletions = Deletions::default();
        assert!(!deletions.cover(&acme, Seq::ZERO));
        deletions.add(&acme, Seq(9));
        deletions.add(&acme, Seq(5));
        assert_eq!((deletions.through(&acme), deletions.through(&other)), (Seq(9), Seq::ZERO));
        assert!(deletions.cover(&acme, Seq(9)) && !deletions.cover(&acme, Seq(10)));
        assert!(!deletions.cover(&other, Seq(1)));
    }
}
