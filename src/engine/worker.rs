//! A window worker's thread.
//!
//! Input: messages. Output: merged windows and their files; acknowledged markers; answers to queries. Never: waits for anything
//! but its own channel.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::{Ack, EngineShared, ToWorker};
use crate::base::clock;
use crate::base::shutdown::end_process;
use crate::outcome::DeletionOutcome;
use crate::windows::worker::{Fatal, Worker};

/// The longest time that a worker without anything to write waits for a message.
const IDLE: Duration = Duration::from_secs(60);

/// Gives a window worker messages as they come and time to write in between.
pub(super) struct WorkerThread {
    number: usize,
    worker: Worker,
    messages: Receiver<ToWorker>,
    acks: Sender<Ack>,
    shared: Arc<EngineShared>,
}

impl WorkerThread {
    pub(super) fn new(
        number: usize,
        worker: Worker,
        messages: Receiver<ToWorker>,
        acks: Sender<Ack>,
        shared: Arc<EngineShared>,
    ) -> Self {
        Self { number, worker, messages, acks, shared }
    }

    /// Runs until told to stop, or until all senders are gone.
    pub(super) fn run(mut self) {
        loop {
            let now = clock::now_ms();
            let wait =
                self.worker.next_work_at().map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now)));
            match self.messages.recv_timeout(wait) {
                Ok(message) => {
                    // All messages that are here now are handled before the next write, so that the committer waits
                    // for one write at most.
                    let waiting = self.messages.len();
                    if !self.handle(message) {
                        return;
                    }
                    for _ in 0..waiting {
                        let Ok(message) = self.messages.try_recv() else { break };
                        if !self.handle(message) {
                            return;
                        }
                    }
                    self.worker.report();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if let Some(marker) = self.worker.work(clock::now_ms()) {
                // The channel has room: one marker is outstanding at a time, and each worker answers once.
                let _ = self.acks.try_send(Ack { marker, expired: self.worker.late_entries().take() });
                self.worker.report();
            }
            self.shared.overfull[self.number].store(self.worker.is_overfull(), Ordering::Relaxed);
        }
    }

    /// Handles one message; `false` for the last one.
    fn handle(&mut self, message: ToWorker) -> bool {
        match message {
            ToWorker::Insights(insights) => {
                let now = clock::now_ms();
                for routed in &insights {
                    if let Err(Fatal(reason)) = self.worker.merge(routed, now) {
                        end_process(&reason);
                    }
                }
                self.shared.metrics.insights_consumed.inc_by(insights.len() as u64);
            }
            ToWorker::Mark { id, cutoffs } => {
                if let Some(cutoffs) = cutoffs {
                    self.worker.late_entries().move_cutoffs(cutoffs);
                }
                self.worker.mark(id);
            }
            ToWorker::Ask { question, answer } => {
                // The query may have timed out.
                let _ = answer.try_send(self.worker.answer(&question));
            }
            ToWorker::RebuildForQuery { customer, window, answer } => {
                let _ = answer.try_send(self.worker.rebuild_for_query(&customer, window, clock::now_ms()));
            }
            ToWorker::Delete { customer, through, done } => {
                self.worker.delete(&customer, through);
                if let Some(done) = done {
                    // There is room for the answers of all workers.
                    let _ = done.try_send(DeletionOutcome::Deleted);
                }
            }
            ToWorker::RemoveLeftover { customer, window, done } => {
                let _ = done.try_send(self.worker.remove_leftover(&customer, window));
            }
            ToWorker::AskMerged { since, answer } => {
                let _ = answer.try_send(self.worker.merged_since(since));
            }
            ToWorker::RemovePacked { customer, pack, windows, answer } => {
                let _ = answer.try_send(self.worker.remove_packed(&customer, pack, &windows));
            }
            ToWorker::Stop => return false,
        }
        true
    }
}
