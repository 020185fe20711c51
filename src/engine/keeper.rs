//! Keeps ledger, checkpoint and cutoffs: the state machine of the checkpointer, without thread, channel or clock.
//!
//! Input: replayed records; markers with what was counted before them; time. Output: checkpoints; cutoffs for the workers;
//! removed windows and segments; the proof of the windows where a start needs one. Never: removes a window before its cutoff is
//! durable, or writes a checkpoint without the cutoffs that the workers keep to already.

use std::io;
use std::sync::Arc;

use crate::base::disk::{Disk, if_exists};
use crate::data_dir::DataDir;
use crate::journal::checkpoint::{Checkpoint, CheckpointError};
use crate::journal::committer::Position;
use crate::journal::ledger::{CountedSince, Cutoffs, ExpiredSince, Ledger, count_record};
use crate::journal::reader::JournalRecord;
use crate::journal::retention::{self, Maintained, Retention, RetentionClock, Round};
use crate::journal::start_error::UnequalSum;
use crate::model::{CustomerId, Seq, WindowId};
use crate::windows::expiry::{self, CutoffMove};
use crate::windows::proof::sum_windows;

/// How long everything is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeptFor {
    pub journal: Retention,
    /// Windows of customers without days of their own, in days by size, finest first; 0 for ever.
    pub windows_days: [u32; 3],
}

/// A customer's own days of retention, by window size, finest first; `None` for the days of all. Asked again each time.
pub type OwnRetainDays = Arc<dyn Fn(&CustomerId) -> Option<[u32; 3]> + Send + Sync>;

/// The result of comparing the sums of all windows with the ledger.
#[derive(Debug)]
pub enum Proof {
    /// They are equal. Customers with an incomplete window, listed here, are left out.
    Proven(Vec<CustomerId>),
    /// These windows cannot be read: their owners must count them again first.
    Damaged(Vec<(CustomerId, WindowId)>),
    /// These sums are unequal.
    Unequal(Vec<UnequalSum>),
}

pub struct CheckpointKeeper {
    disk: Arc<dyn Disk>,
    dir: Arc<DataDir>,
    kept_for: KeptFor,
    ledger: Ledger,
    clock: RetentionClock,
    /// The counts of replayed records that the ledger does not have.
    replayed: CountedSince,
    /// Cutoffs that the workers obey already and that no checkpoint holds yet.
    moving: Vec<CutoffMove>,
    /// Customers with files before a durable cutoff.
    removable: Vec<CustomerId>,
    /// The deleted customer whose files are being removed.
    cleaning: Option<Cleaning>,
}

/// A deleted customer's files, as they were listed; those that were not looked at yet.
struct Cleaning {
    customer: CustomerId,
    through: Seq,
    left: Vec<WindowId>,
}

/// Files of deleted customers that are removed between two checks for a stop of the server.
const CLEANED_AT_ONCE: usize = 256;

impl CheckpointKeeper {
    /// A keeper that goes on from a stored ledger and clock.
    pub fn new(
        disk: Arc<dyn Disk>,
        dir: Arc<DataDir>,
        kept_for: KeptFor,
        ledger: Ledger,
        clock: RetentionClock,
    ) -> Self {
        Self {
            disk,
            dir,
            kept_for,
            ledger,
            clock,
            replayed: CountedSince::new(),
            moving: Vec::new(),
            removable: Vec::new(),
            cleaning: None,
        }
    }

    /// The customers' sums.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Counts a replayed record, unless the ledger has it.
    pub fn replay(&mut self, found: &JournalRecord<'_>) {
        if found.record.header.seq > self.ledger.through {
            count_record(&mut self.replayed, found);
        }
    }

    /// Notes that everything up to the end of the journal was replayed.
    pub fn end_replay(&mut self, end: Seq) {
        let replayed = std::mem::take(&mut self.replayed);
        self.ledger.add(end, &replayed);
    }

    /// The cutoffs of windows that do not exist any more, or will not exist once the next checkpoint is written.
    pub fn cutoffs(&self) -> Cutoffs {
        let mut cutoffs = self.ledger.cutoffs();
        self.moving.iter().for_each(|to| cutoffs.set(&to.customer, to.size, to.cutoff));
        cutoffs
    }

    /// Advances the clock of retention.
    pub fn advance_clock(&mut self, elapsed_ms: u64, wall_ms: u64) {
        self.clock.advance(elapsed_ms, wall_ms);
    }

    /// Looks for old windows; `own_days` are a customer's own. The workers must keep to the cutoffs that this returns
    /// from the next marker on. While a backup is being made this must not be called.
    ///
    /// # Errors
    /// What the disk says; nothing has changed then.
    pub fn plan_expiry(
        &mut self,
        own_days: &dyn Fn(&CustomerId) -> Option<[u32; 3]>,
    ) -> io::Result<Option<Arc<Cutoffs>>> {
        // One round at a time; the workers obey the cutoffs of a round that could not be finished.
        if !self.moving.is_empty() {
            return Ok(None);
        }
        let days = |customer: &CustomerId| own_days(customer).unwrap_or(self.kept_for.windows_days);
        let plan = expiry::plan(&*self.disk, &self.dir, &self.ledger, &days, self.clock.now_ms())?;
        self.moving = plan.moves;
        self.removable = plan.leftovers;
        Ok((!self.moving.is_empty()).then(|| Arc::new(self.cutoffs())))
    }

    /// Notes that a marker was sent: everything up to this record was counted before it.
    pub fn mark(&mut self, through: Seq, counted: &CountedSince) {
        self.ledger.add(through, counted);
    }

    /// Notes that a worker has written everything before the marker, and how many requests came too late for its
    /// windows.
    pub fn acknowledge(&mut self, expired: &ExpiredSince) {
        self.ledger.add_expired(expired);
    }

    /// Writes the checkpoint of the last marker, which all workers have acknowledged. It holds the cutoffs that move,
    /// and the sums of the windows before them: all of those windows are written, and nothing is merged into them any
    /// more.
    pub fn write(&mut self, now_ms: u64) -> Result<(), CheckpointError> {
        while let Some(moved) = self.moving.last() {
            let removed = expiry::sum(&*self.disk, &self.dir, &self.ledger, moved)
                .map_err(CheckpointError::NotWritten)?;
            self.ledger.expire(&moved.customer, moved.size, moved.cutoff, removed);
            self.removable.push(moved.customer.clone());
            self.moving.pop();
        }
        Checkpoint::write(&*self.disk, &self.dir, &self.ledger, self.clock.now_ms(), now_ms)
    }

    /// Removes the files of windows before their cutoff, after the checkpoint with that cutoff is written. Returns
    /// how many.
    ///
    /// # Errors
    /// What the disk says; the rest is found by a later round.
    pub fn remove_windows(&mut self) -> io::Result<u64> {
        let cutoffs = self.ledger.cutoffs();
        let mut removed = 0;
        while let Some(customer) = self.removable.pop() {
            removed += expiry::remove(&*self.disk, &self.dir, &cutoffs, &customer)?;
        }
        Ok(removed)
    }

    /// Windows of one customer that may be left from before its durable deletion. Their owners must be asked to
    /// remove those that are, before this is called again. `None` if there are no more.
    ///
    /// # Errors
    /// What the disk says; a later round starts again.
    pub fn next_leftovers(&mut self) -> io::Result<Option<(CustomerId, Vec<WindowId>)>> {
        loop {
            let Some(mut cleaning) = self.cleaning.take() else {
                let mut customers = self.ledger.customers.iter();
                let Some((customer, totals)) = customers.find(|(_, totals)| totals.has_leftovers) else {
                    return Ok(None);
                };
                let (customer, through) = (customer.clone(), totals.deleted_through);
                let left = expiry::remove_deleted_packs(&*self.disk, &self.dir, &customer, through)?;
                self.cleaning = Some(Cleaning { customer, through, left });
                continue;
            };
            if cleaning.left.is_empty() {
                self.end_cleaning(&cleaning)?;
                continue;
            }
            let next = cleaning.left.split_off(cleaning.left.len().saturating_sub(CLEANED_AT_ONCE));
            let customer = cleaning.customer.clone();
            self.cleaning = Some(cleaning);
            return Ok(Some((customer, next)));
        }
    }

    /// Notes that a file could not be removed: a later round looks at all of them again.
    pub fn begin_cleaning_anew(&mut self) {
        self.cleaning = None;
    }

    /// Makes the removal of a customer's old files durable, and notes it for the next checkpoint.
    fn end_cleaning(&mut self, cleaning: &Cleaning) -> io::Result<()> {
        if_exists(self.disk.sync_dir(&self.dir.customer(&cleaning.customer)))?;
        if let Some(totals) = self.ledger.customers.get_mut(&cleaning.customer)
            && totals.deleted_through == cleaning.through
        {
            totals.has_leftovers = false;
        }
        Ok(())
    }

    /// Indexes sealed segments and removes old ones, after a checkpoint at this position.
    ///
    /// # Errors
    /// What the disk says; the rest is left for a later round.
    pub fn maintain_journal(&self, position: &Position) -> io::Result<Maintained> {
        let round = Round {
            retention: self.kept_for.journal,
            checkpoint: position.through,
            active_segment: position.active_segment,
            forgotten_through: position.horizon.after,
            now_ms: self.clock.now_ms(),
        };
        retention::maintain(&*self.disk, &self.dir, &round)
    }

    /// Compares the sums of all windows with the ledger. Every window must be written.
    pub fn prove(&self) -> io::Result<Proof> {
        let sums = sum_windows(&*self.disk, &self.dir, &self.ledger)?;
        let damaged: Vec<_> = sums.damaged.iter().filter_map(|damaged| damaged.window.clone()).collect();
        if !damaged.is_empty() {
            return Ok(Proof::Damaged(damaged));
        }
        let unequal = sums.unequal(&self.ledger);
        Ok(match unequal.is_empty() {
            true => Proof::Proven(sums.incomplete.into_iter().collect()),
            false => Proof::Unequal(unequal),
        })
    }
}
