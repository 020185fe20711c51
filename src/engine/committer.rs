//! The committer's thread.
//!
//! Input: batches and checkpoint marks. Output: insights to the workers, then the outcome to each waiting connection. Never:
//! gives an outcome before the insights of its group are in the channels.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender};

use super::waiting::OutcomeSender;
use super::{EngineShared, Marked, ToCommitter, ToWorker};
use crate::journal::committer::{Committer, Deletion, Position, Submission};
use crate::model::Insight;
use crate::outcome::{DeletionOutcome, Outcome, Reason};
use crate::windows::router::partition;
use crate::windows::worker::Routed;

/// Collects groups, commits them, routes their insights and wakes the waiting connections.
pub(super) struct CommitterThread {
    committer: Committer,
    messages: Receiver<ToCommitter>,
    to_workers: Vec<Sender<ToWorker>>,
    /// Tells the checkpointer that enough journal was written; full if it was told already.
    poke: Sender<()>,
    shared: Arc<EngineShared>,
    /// The group being collected and the connections that wait for it; kept to reuse their memory.
    group: Vec<Submission>,
    waiters: Vec<OutcomeSender>,
}

impl CommitterThread {
    pub(super) fn new(
        committer: Committer,
        messages: Receiver<ToCommitter>,
        to_workers: Vec<Sender<ToWorker>>,
        poke: Sender<()>,
        shared: Arc<EngineShared>,
    ) -> Self {
        Self { committer, messages, to_workers, poke, shared, group: Vec::new(), waiters: Vec::new() }
    }

    /// Runs until told to stop, or until all senders are gone.
    pub(super) fn run(mut self) {
        self.report();
        while let Ok(message) = self.messages.recv() {
            let mut next = Some(message);
            let mut group_bytes = 0;
            // All batches that arrived while the last group was synced form the next one.
            while let Some(ToCommitter::Commit { submission, answer }) = next {
                group_bytes += submission.draft.bytes().len();
                self.group.push(submission);
                self.waiters.push(answer);
                let full = self.group.len() >= self.shared.options.max_group_batches
                    || group_bytes >= self.shared.options.max_group_bytes;
                next = if full { None } else { self.messages.try_recv().ok() };
            }
            self.commit();
            match next {
                Some(ToCommitter::Mark { id, cutoffs, answer }) => {
                    let marked = Marked {
                        position: self.committer.position(),
                        counted: self.committer.take_counted(),
                    };
                    for worker in &self.to_workers {
                        let _ = worker.send(ToWorker::Mark { id, cutoffs: cutoffs.clone() });
                    }
                    let _ = answer.send(marked);
                }
                Some(ToCommitter::AskKnown { customer, key, answer }) => {
                    let _ = answer.send(self.committer.known(&customer, key));
                }
                Some(ToCommitter::Delete { deletion, answer }) => self.delete(deletion, &answer),
                Some(ToCommitter::Stop) => break,
                Some(ToCommitter::Commit { .. }) | None => {}
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

    fn commit(&mut self) {
        if self.group.is_empty() {
            return;
        }
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
            // The record is written: only the memory of the insights is still needed.
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
        // A connection may be gone; its batch counts anyway.
        for (waiter, outcome) in self.waiters.drain(..).zip(outcomes) {
            waiter.give(outcome);
        }
        self.shared.metrics.insights_published.inc_by(insights);
        self.report();
    }

    /// Deletes a customer. If that is done, each worker answers for its windows.
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
                // The next checkpoint removes the files.
                let _ = self.poke.try_send(());
                self.report();
            }
            // The channel has room for one answer of each worker.
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

/// The memory of a batch's insights until the last one is merged.
fn insight_bytes(insights: &[Insight]) -> usize {
    let keys = insights.first().map_or(0, |insight| insight.keys.bytes());
    keys + insights.iter().map(|insight| size_of::<Routed>() + insight.counts.bytes()).sum::<usize>()
}
