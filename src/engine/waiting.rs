//! How a connection's thread waits for the fate of its batch: parked, woken once.
//!
//! A channel of one message would do the same, but waiting on one begins with spinning and giving up the processor
//! over and over. That is right where the answer is near; a sync takes a thousand times longer, and the yields of many
//! waiting connections cost more than the batches do.

use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use crate::journal::committer::{Fate, Refusal};

/// Whoever decides gives the answer here. Dropped without one, it refuses: nobody is left waiting.
pub(super) struct Answer {
    fate: Arc<OnceLock<Fate>>,
    waiter: Thread,
}

/// The calling thread's side.
pub(super) struct Waiting(Arc<OnceLock<Fate>>);

/// An answer that the calling thread waits for.
pub(super) fn pair() -> (Answer, Waiting) {
    let fate = Arc::new(OnceLock::new());
    (Answer { fate: Arc::clone(&fate), waiter: thread::current() }, Waiting(fate))
}

impl Answer {
    /// Answers, and wakes who waits.
    pub(super) fn give(self, fate: Fate) {
        // Only a drop comes after this.
        let _ = self.fate.set(fate);
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let _ = self.fate.set(Fate::Refused(Refusal::Stopping));
        self.waiter.unpark();
    }
}

impl Waiting {
    /// Waits. Must be called by the thread that made the pair.
    pub(super) fn wait(self) -> Fate {
        loop {
            if let Some(fate) = self.0.get() {
                return *fate;
            }
            // May return early, for another wake-up that came late.
            thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::shutdown::spawn;
    use crate::model::Seq;

    #[test]
    fn an_answer_arrives_and_a_lost_one_is_a_refusal() {
        for (given, expected) in
            [(Some(Fate::Accepted(Seq(7))), Fate::Accepted(Seq(7))), (None, Fate::Refused(Refusal::Stopping))]
        {
            let (answer, waiting) = pair();
            let thread = spawn("answers", move || {
                if let Some(fate) = given {
                    answer.give(fate);
                }
            });
            // Without a fate the closure is dropped, and the answer with it.
            assert_eq!(waiting.wait(), expected);
            drop(thread);
        }
    }
}
