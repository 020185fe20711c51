//! A run's deletions, beside the model.

use log_analytics::model::{CustomerId, Seq};
use log_analytics::outcome::Reason;

use super::engine::Stop;
use super::world::World;

impl World {
    /// No deletion is lost, and one without an answer happened or not.
    pub fn settle_deletions(&mut self) {
        let known = self.engine().deletions.clone();
        for (customer, seq) in &self.deleted {
            assert!(known.through(customer) >= *seq, "{}: {customer} is back", self.label());
        }
        if let Some(customer) = self.unsettled_deletion.take() {
            let seq = known.through(&customer);
            if seq > self.deleted.get(&customer).copied().unwrap_or(Seq::ZERO) {
                self.model.deleted(&customer, seq);
                self.deleted.insert(customer, seq);
            }
        }
    }

    /// Deletes a customer.
    pub fn delete(&mut self, customer: &CustomerId) -> Result<(), Stop> {
        let now = self.now;
        self.unsettled_deletion = Some(customer.clone());
        match self.engine().delete(customer, now)? {
            Ok(Some(seq)) => {
                self.model.deleted(customer, seq);
                self.deleted.insert(customer.clone(), seq);
                self.stats.deleted += 1;
            }
            Ok(None) => {
                let mut batches = self.model.batches.iter().zip(&self.model.standings);
                let seen =
                    batches.any(|(batch, standing)| batch.customer == *customer && standing.counted > 0);
                assert!(!seen, "{}: {customer} was counted", self.label());
            }
            // It may be in the journal.
            Err(Reason::Latched) => return Ok(()),
            Err(_) => {}
        }
        self.unsettled_deletion = None;
        Ok(())
    }
}
