//! The engine's deletions: the record, its way to the workers, and the files that are removed afterwards.

use std::io;

use log_analytics::journal::committer::Deletion;
use log_analytics::journal::format::RecordDraft;
use log_analytics::model::{BatchId, CustomerId, Seq};
use log_analytics::outcome::Reason;
use log_analytics::windows::router::partition;

use super::{Engine, Message, Stop};

impl Engine {
    /// Deletes a customer; returns when every worker has. `None` for one that was never counted.
    pub fn delete(&mut self, customer: &CustomerId, now: u64) -> Result<Result<Option<Seq>, Reason>, Stop> {
        let draft = RecordDraft::deletion(customer, &BatchId::new("deletion").unwrap());
        let deletion = Deletion { customer: customer.clone(), draft, received_at_ms: now };
        let outcome = self.committer.delete(deletion, self.pressure());
        self.alive()?;
        if let Ok(Some(through)) = outcome {
            self.deletions.add(customer, through);
            self.route_deletion(customer, through);
            self.drain(now)?;
        }
        Ok(outcome)
    }

    pub(super) fn route_deletion(&mut self, customer: &CustomerId, through: Seq) {
        for queue in &mut self.queues {
            queue.push_back(Message::Delete(customer.clone(), through));
        }
    }

    /// Removes the files of deleted customers. What fails is tried again after a later checkpoint.
    pub(super) fn remove_leftovers(&mut self) -> io::Result<()> {
        while let Some((customer, windows)) = self.keeper.next_leftovers()? {
            for window in windows {
                let number = partition(&customer, window, self.workers.len());
                if let Err(error) = self.workers[number].remove_leftover(&customer, window) {
                    self.keeper.begin_cleaning_anew();
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
