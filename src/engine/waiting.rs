//! How a connection's thread waits for the outcome of its batch: parked, woken once.
//!
//! Input: one outcome from the committer's thread. Output: that outcome in the connection's thread. Never: leaves a thread
//! waiting: a sender that is dropped refuses the batch.
//!
//! A channel of one message would do the same, but a thread that waits on one first spins and yields the processor
//! many times. That pays where the answer comes soon; a sync takes a thousand times longer, and the yields of many
//! waiting connections cost more than the batches do.

use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use crate::outcome::{Outcome, Reason};

/// The sending half; dropping it refuses the batch.
pub(super) struct OutcomeSender {
    outcome: Arc<OnceLock<Outcome>>,
    waiter: Thread,
}

/// The receiving half, for the thread that waits.
pub(super) struct OutcomeReceiver(Arc<OnceLock<Outcome>>);

/// Both halves; the calling thread is the one that waits.
pub(super) fn pair() -> (OutcomeSender, OutcomeReceiver) {
    let outcome = Arc::new(OnceLock::new());
    (OutcomeSender { outcome: Arc::clone(&outcome), waiter: thread::current() }, OutcomeReceiver(outcome))
}

impl OutcomeSender {
    /// Sends the outcome, and wakes the waiting thread.
    pub(super) fn give(self, outcome: Outcome) {
        // Fails only if the outcome was set before, and this is the only call.
        let _ = self.outcome.set(outcome);
    }
}

impl Drop for OutcomeSender {
    fn drop(&mut self) {
        let _ = self.outcome.set(Outcome::Unavailable(Reason::Stopping));
        self.waiter.unpark();
    }
}

impl OutcomeReceiver {
    /// Waits for the outcome. Must be called by the thread that made the pair.
    pub(super) fn wait(self) -> Outcome {
        loop {
            if let Some(outcome) = self.0.get() {
                return *outcome;
            }
            // May return early, for an earlier wake-up.
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::shutdown::spawn;

    #[test]
    fn an_answer_arrives_and_a_lost_one_is_a_refusal() {
        for (given, expected) in
            [(Some(Outcome::Counted), Outcome::Counted), (None, Outcome::Unavailable(Reason::Stopping))]
        {
            let (answer, waiting) = pair();
            let thread = spawn("answers", move || {
                if let Some(outcome) = given {
                    answer.give(outcome);
                }
            });
            // Without an outcome the closure is dropped, and the sender with it.
            assert_eq!(waiting.wait(), expected);
            drop(thread);
        }
    }
}
