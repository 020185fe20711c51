//! A sending thread of an import: one region after the other, each walked to its end.
//!
//! Input: regions. Output: their lines sent, the totals raised, the files' trackers told. Never: a second region before
//! the first is answered.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender as Channel};

use super::customers::walk_customers;
use super::position::Tracker;
use super::region::Region;
use super::run::{Import, ImportFailure};
use super::send::Sender;
use super::walk::{Conflict, RegionProgress, Walked, walk};
use crate::base::sync::lock;
use crate::entry::Skip;

/// A region to import, and whose it is.
pub(super) struct Task {
    pub(super) input: Arc<str>,
    pub(super) tracker: Arc<Tracker>,
    pub(super) region: Region,
    pub(super) progress: RegionProgress,
    /// The region will not get more lines while this import runs, so that a conflict in it is final.
    pub(super) is_last_look: bool,
}

/// Takes regions and sends them.
pub(super) struct ImportWorker<'i> {
    import: &'i Import,
    sender: Sender,
}

impl<'i> ImportWorker<'i> {
    pub(super) fn new(import: &'i Import) -> Self {
        let (stop, is_told) = (Arc::clone(&import.stop), Arc::clone(&import.is_trouble_told));
        let sender = Sender::new(Arc::clone(&import.options.delivery), stop, is_told);
        Self { import, sender }
    }

    pub(super) fn run(mut self, tasks: &Receiver<Task>, give_back: &Channel<Vec<u8>>) {
        for mut task in tasks {
            if self.import.is_over() || self.region(&mut task).is_none() {
                break;
            }
            let _ = give_back.try_send(task.region.bytes);
        }
    }

    /// Imports what is left of a region. `None` where the import is over.
    pub(super) fn region(&mut self, task: &mut Task) -> Option<()> {
        let import = self.import;
        let from = task.progress;
        task.tracker.begin();
        let walked = match &import.options.customers {
            None => walk(&task.region, task.is_last_look, &mut task.progress, &mut self.sender),
            Some(by) => {
                walk_customers(by, &task.region, task.is_last_look, &mut task.progress, &mut self.sender)
            }
        };
        let walked = match walked {
            Ok(walked) => walked,
            Err(why) => {
                let at = format!("{}: a batch from line {} on", task.input, task.region.number(from.lines));
                import.fail(ImportFailure::Undelivered { at, why });
                return None;
            }
        };
        if walked.conflict.is_none() {
            task.answered();
        }
        task.tracker.settle();
        import.take(task, walked, from)
    }
}

impl Task {
    /// A region of the file that `tracker` follows, to be sent.
    pub(super) fn new(
        (input, tracker): (&Arc<str>, &Arc<Tracker>),
        region: Region,
        progress: RegionProgress,
        is_last_look: bool,
    ) -> Self {
        tracker.hand_out();
        Self { input: Arc::clone(input), tracker: Arc::clone(tracker), region, progress, is_last_look }
    }

    /// Notes how far the region is answered.
    fn answered(&self) {
        let region = &self.region;
        let (reached, bytes) = match &region.next {
            Some(next) => ((next.clone(), RegionProgress::default()), next.offset),
            None => {
                let bytes = region.start.offset + region.slice(0, self.progress.lines).len() as u64;
                ((region.start.clone(), self.progress), bytes)
            }
        };
        self.tracker.answered(region.start.offset, reached, bytes);
    }
}

impl Import {
    /// Adds up what became of a region. `None` where the import is over.
    fn take(&self, task: &Task, walked: Walked, from: RegionProgress) -> Option<()> {
        let Walked { counted, already, skipped, conflict } = walked;
        let first = skipped.first().map(|(reason, line)| shown(&task.input, reason, line.number, &line.text));
        let mut totals = lock(&self.totals);
        for (reason, _, lines) in skipped.by_reason() {
            for (line, before) in lines.iter().zip(totals.skipped.total()..) {
                (self.tell)(&shown(&task.input, reason, line.number, &line.text), before);
            }
        }
        // All of them, though a copy that ends within a block makes no progress at its end. A line without end that was told of
        // before is not told of again.
        let is_whole = conflict.is_none() && (from.cut_bytes == 0 || from != task.progress);
        let end = if is_whole { task.region.lines() } else { task.progress.lines };
        totals.lines += (end - from.lines.min(end)) as u64;
        totals.counted += counted;
        totals.already += already;
        totals.skipped.merge(skipped);
        if let Some(Conflict { line, lines }) = conflict.filter(|_| task.is_last_look) {
            totals.conflicts += lines as u64;
            let what = format!(
                "{}:{}: {lines} lines overlap an earlier import and are not sent: the server counted others under the same \
                 keys. Either they were imported with other options, or as part of a longer copy of the file whose lines the server \
                 no longer keeps, or another file begins with the same lines (then use --source)",
                task.input,
                task.region.number(line),
            );
            (self.tell)(&what, 0);
        }
        drop(totals);
        if self.options.strict
            && let Some(line) = first
        {
            self.fail(ImportFailure::Strict(line));
            return None;
        }
        Some(())
    }
}

/// A line that is not an entry, for people.
fn shown(input: &str, reason: Skip, number: u64, text: &str) -> String {
    format!("{input}:{number}: {reason}: {text}")
}
