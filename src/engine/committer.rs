//! The committer's thread.
//!
//! Input: batches and checkpoint marks. Output: insights to the workers, then the outcome to each waiting connection. Never:
//! gives an outcome before the insights of its group are in the channels.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender};

use super::waiting::OutcomeSender;
use super::{EngineOptions, EngineShared, Marked, ToCommitter, ToWorker};
use crate::journal::committer::{Committer, Deletion, Position, Submission};
use crate::model::Insight;
use crate::outcome::{DeletionOutcome, Outcome, Reason};
use crate::windows::router::partition;
use crate::windows::worker::Routed;

/// Gathers groups, has them committed, routes their insights and wakes the waiters.
pub(super) struct CommitterThread {
    committer: Committer,
    messages: Receiver<ToCommitter>,
    to_workers: Vec<Sender<ToWorker>>,
    /// Tells the checkpointer that enough journal was written; full where it was told already.
    poke: Sender<()>,
    shared: Arc<EngineShared>,
    /// Batches that came and are in no group yet.
    pending: Vec<PendingBatch>,
    /// How many batches came.
    arrived: u64,
    /// The group being gathered and who waits for it; kept to keep their memory.
    group: Vec<Submission>,
    waiters: Vec<OutcomeSender>,
}

struct PendingBatch {
    /// Its number among those that came.
    arrival: u64,
    submission: Submission,
    answer: OutcomeSender,
}

impl PendingBatch {
    /// Its arrival and its size.
    fn place(&self) -> (u64, usize) {
        (self.arrival, self.submission.draft.bytes().len())
    }
}

impl CommitterThread {
    pub(super) fn new(
        committer: Committer,
        messages: Receiver<ToCommitter>,
        to_workers: Vec<Sender<ToWorker>>,
        poke: Sender<()>,
        shared: Arc<EngineShared>,
    ) -> Self {
        Self {
            committer,
            messages,
            to_workers,
            poke,
            shared,
            pending: Vec::new(),
            arrived: 0,
            group: Vec::new(),
            waiters: Vec::new(),
        }
    }

    /// Runs until told to stop, or until all senders are gone.
    pub(super) fn run(mut self) {
        self.report();
        while let Some(message) = self.next() {
            match message {
                ToCommitter::Commit { .. } => unreachable!("a batch is no message of its own here"),
                ToCommitter::Mark { id, cutoffs, answer } => {
                    let marked = Marked {
                        position: self.committer.position(),
                        counted: self.committer.take_counted(),
                    };
                    for worker in &self.to_workers {
                        let _ = worker.send(ToWorker::Mark { id, cutoffs: cutoffs.clone() });
                    }
                    let _ = answer.send(marked);
                }
                ToCommitter::AskKnown { customer, key, answer } => {
                    let _ = answer.send(self.committer.known(&customer, key));
                }
                ToCommitter::Delete { deletion, answer } => self.delete(deletion, &answer),
                ToCommitter::Stop => break,
            }
        }
        for message in self.messages.try_iter() {
            if let ToCommitter::Commit { answer, .. } = message {
                answer.give(Outcome::Unavailable(Reason::Stopping));
            }
        }
        for worker in &self.to_workers {
            let _ = worker.send(ToWorker::Stop);
        }
    }

    /// Commits batches until there is something else to do, and every batch that came before it is committed. `None` where all
    /// senders are gone.
    fn next(&mut self) -> Option<ToCommitter> {
        let mut next = None;
        loop {
            // Everything that arrived while the last group was synced.
            while next.is_none() {
                let received = match self.pending.is_empty() {
                    true => Some(self.messages.recv().ok()?),
                    false => self.messages.try_recv().ok(),
                };
                match received {
                    Some(ToCommitter::Commit { submission, answer }) => {
                        self.arrived += 1;
                        self.pending.push(PendingBatch { arrival: self.arrived, submission, answer });
                    }
                    None => break,
                    other => next = other,
                }
            }
            if self.pending.is_empty() {
                return next;
            }
            self.gather();
            self.commit();
        }
    }

    /// Moves the next group out of what is pending.
    fn gather(&mut self) {
        let EngineOptions { max_group_batches, max_group_bytes, .. } = self.shared.options;
        let count = next_group(&mut self.pending, PendingBatch::place, max_group_batches, max_group_bytes);
        for PendingBatch { submission, answer, .. } in self.pending.drain(..count) {
            self.group.push(submission);
            self.waiters.push(answer);
        }
    }

    fn commit(&mut self) {
        let outcomes = self.committer.commit(&mut self.group, self.shared.pressure());
        let mut routes: Vec<Vec<Routed>> = self.to_workers.iter().map(|_| Vec::new()).collect();
        let mut insights = 0;
        for (submission, outcome) in self.group.drain(..).zip(&outcomes) {
            if *outcome != Outcome::Counted {
                continue;
            }
            let seq = submission.draft.seq();
            let Submission { customer, entries, received_at_ms, .. } = &submission;
            self.shared.counted.count(customer, *entries, *received_at_ms);
            let Submission { insights: of_batch, mut charge, .. } = submission;
            // The record is written: only the insights are left of it.
            charge.shrink_to(insight_bytes(&of_batch));
            let charge = Arc::new(charge);
            insights += of_batch.len() as u64;
            for insight in of_batch {
                let number = partition(&insight.customer, insight.window, routes.len());
                routes[number].push(Routed { seq, insight, charge: Some(Arc::clone(&charge)) });
            }
        }
        for (worker, insights) in self.to_workers.iter().zip(routes).filter(|(_, some)| !some.is_empty()) {
            let _ = worker.send(ToWorker::Insights(insights));
        }
        // A connection may be gone; its batch counts all the same.
        for (waiter, outcome) in self.waiters.drain(..).zip(outcomes) {
            waiter.give(outcome);
        }
        self.shared.metrics.insights_published.inc_by(insights);
        self.report();
    }

    /// Deletes a customer. Where that is done, each worker answers for its windows.
    fn delete(&mut self, deletion: Deletion, answer: &Sender<DeletionOutcome>) {
        let customer = deletion.customer.clone();
        match self.committer.delete(deletion, self.shared.pressure()) {
            Ok(Some(through)) => {
                log::info!("customer {customer} was deleted by record {through}");
                self.shared.counted.delete(&customer, through);
                for worker in &self.to_workers {
                    let (customer, done) = (customer.clone(), Some(answer.clone()));
                    let _ = worker.send(ToWorker::Delete { customer, through, done });
                }
                // Files are removed with a checkpoint.
                let _ = self.poke.try_send(());
                self.report();
            }
            // There is room for as many answers as there are workers.
            Ok(None) => drop(answer.try_send(DeletionOutcome::NeverSeen)),
            Err(reason) => drop(answer.try_send(DeletionOutcome::Unavailable(reason))),
        }
    }

    fn report(&self) {
        self.shared.last_received_at_ms.store(self.committer.last_received_at_ms(), Ordering::Relaxed);
        let Position { through, bytes, horizon, dedup_keys, .. } = self.committer.position();
        let metrics = &self.shared.metrics;
        metrics.dedup_keys.set(dedup_keys as u64);
        metrics.dedup_horizon_seq.set(horizon.after.0);
        metrics.dedup_horizon_timestamp.set(horizon.since_ms.unwrap_or(0) / 1000);
        metrics.checkpoint_lag.set(through.0.saturating_sub(metrics.checkpoint_seq.get()));
        let since = bytes.saturating_sub(self.shared.pressure().checkpointed_bytes);
        if since >= self.shared.options.checkpoint_bytes {
            let _ = self.poke.try_send(());
        }
    }
}

/// Puts what is pending in the order in which it is to be committed, and says how many the next group takes: the oldest, so
/// that none waits for ever, and then the smallest, so that small ones do not wait for large ones that came before them.
/// `place` gives the arrival and the bytes of each; a group ends with the one that reaches `max_bytes`.
fn next_group<T>(
    pending: &mut [T],
    place: impl Fn(&T) -> (u64, usize),
    max_count: usize,
    max_bytes: usize,
) -> usize {
    let oldest = pending.iter().map(|one| place(one).0).min();
    pending.sort_unstable_by_key(|one| {
        let (arrival, bytes) = place(one);
        (Some(arrival) != oldest, bytes, arrival)
    });
    let (mut count, mut group_bytes) = (0, 0);
    while count < pending.len().min(max_count) && group_bytes < max_bytes {
        group_bytes += place(&pending[count]).1;
        count += 1;
    }
    count
}

/// The memory that a batch's insights take until the last is merged.
fn insight_bytes(insights: &[Insight]) -> usize {
    let keys = insights.first().map_or(0, |insight| insight.keys.bytes());
    keys + insights.iter().map(|insight| size_of::<Routed>() + insight.counts.bytes()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_takes_the_oldest_and_then_the_smallest() {
        let mut pending = vec![(3, 10), (1, 70), (2, 50), (4, 10), (5, 90), (6, 20)];
        let mut group = |max_count, max_bytes| {
            let count = next_group(&mut pending, |one| *one, max_count, max_bytes);
            pending.drain(..count).collect::<Vec<_>>()
        };
        assert_eq!(group(9, 90), [(1, 70), (3, 10), (4, 10)]);
        assert_eq!(group(2, 1_000), [(2, 50), (6, 20)]);
        assert_eq!(group(9, 1), [(5, 90)]);
        assert_eq!(group(9, 1), []);
    }

    #[test]
    fn none_waits_for_ever_however_many_smaller_ones_come() {
        let mut pending = vec![(0, 1_000)];
        let mut taken = Vec::new();
        for arrival in 1..50 {
            pending.push((arrival, 10));
            let count = next_group(&mut pending, |one| *one, 9, 5);
            taken.extend(pending.drain(..count).map(|one| one.0));
        }
        assert_eq!(taken, (0..49).collect::<Vec<u64>>());
    }
}
