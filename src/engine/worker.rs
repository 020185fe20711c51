//! A window worker's thread: gives its machine messages as they come and time to write in between.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::{Shared, ToWorker};
use crate::base::clock;
use crate::base::shutdown::end_process;
use crate::windows::worker::{Fatal, MarkerId, Worker};

/// How long a worker with nothing to write waits for a message at a time.
const IDLE: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct WorkerThread {
    number: usize,
    worker: Worker,
    messages: Receiver<ToWorker>,
    acks: Sender<MarkerId>,
    shared: Arc<Shared>,
}

impl WorkerThread {
    pub(super) fn new(
        number: usize,
        worker: Worker,
        messages: Receiver<ToWorker>,
        acks: Sender<MarkerId>,
        shared: Arc<Shared>,
    ) -> Self {
        Self { number, worker, messages, acks, shared }
    }

    /// Runs until told to stop, or until nobody can send any more.
    pub(super) fn run(mut self) {
        loop {
            let now = clock::now_ms();
            let wait =
                self.worker.next_work_at().map_or(IDLE, |at| Duration::from_millis(at.saturating_sub(now)));
            match self.messages.recv_timeout(wait) {
                Ok(message) => {
                    // What has come by now goes first, so that a write never holds up the committer for longer than
                    // itself; what comes meanwhile waits for one write.
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
                // There is room: one marker is outstanding at a time, and each worker answers once.
                let _ = self.acks.try_send(marker);
                self.worker.report();
            }
            self.shared.overfull[self.number].store(self.worker.is_overfull(), Ordering::Relaxed);
        }
    }

    /// Takes one message; `false` where it was the last.
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
            ToWorker::Mark(id) => self.worker.mark(id),
            ToWorker::Ask { question, answer } => {
                // Whoever asked may have given up.
                let _ = answer.try_send(self.worker.answer(&question));
            }
            ToWorker::TakeUp { customer, window, answer } => {
                let _ = answer.try_send(self.worker.take_up(&customer, window, clock::now_ms()));
            }
            ToWorker::Stop => return false,
        }
        true
    }
}
