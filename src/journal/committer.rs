//! The committer: the one place where a batch becomes counted.
//!
//! Input: groups of checked batches. Output: the outcome of each, after one write and one `fdatasync` for the whole group.
//! Never: answers anything that is not durable, writes a group before the one before it is synced, or writes after a failed
//! sync. A state machine without thread, channel or clock; its thread in `engine` routes the insights of what was counted
//! and then wakes the waiters, in this order.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use super::dedup::{DedupEntry, DedupIndex, DedupKey, Horizon};
use super::deletions::Deletions;
use super::format::{RecordDraft, RecordKey};
use super::ledger::{CountedSince, CustomerTotals, Ledger};
use crate::base::disk::{Disk, DiskFile};
use crate::base::inflight::Charge;
use crate::base::latch::Latch;
use crate::data_dir::DataDir;
use crate::metrics::JournalMetrics;
use crate::model::{CustomerId, Insight, Seq};
use crate::outcome::{Outcome, Reason};

/// A checked batch, ready to be written.
#[derive(Debug)]
pub struct Submission {
    pub customer: CustomerId,
    pub entries: u32,
    /// The key for deduplication; `None` if the client sent no key.
    pub key: Option<DedupKey>,
    /// XXH3-128 of the decoded body.
    pub fingerprint: u128,
    /// The record, without its numbers.
    pub draft: RecordDraft,
    pub received_at_ms: u64,
    /// Routed to the workers once the record is durable.
    pub insights: Vec<Insight>,
    /// The memory it holds; travels on with the insights.
    pub charge: Charge,
}

/// A customer to be deleted.
#[derive(Debug)]
pub struct Deletion {
    pub customer: CustomerId,
    /// The record, without its numbers.
    pub draft: RecordDraft,
    /// When it was asked for.
    pub received_at_ms: u64,
}

/// Length of a segment: retention removes whole segments, and a start reads the last one.
pub const SEGMENT_BYTES: u64 = 256 << 20;
/// Journal after the checkpoint beyond which nothing is taken: twice what lies between two checkpoints.
pub const MAX_UNCHECKPOINTED_BYTES: u64 = 2 << 30;

/// The committer's limits.
#[derive(Clone, Copy, Debug)]
pub struct CommitLimits {
    /// A segment longer than this is sealed before the next group.
    pub segment_bytes: u64,
    /// With less free space than this the journal takes nothing, so that windows can still be written.
    pub min_free_bytes: u64,
    /// With more journal than this after the checkpoint no batch is taken.
    pub max_uncheckpointed_bytes: u64,
}

/// How far the rest of the engine is behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    /// [`Position::bytes`] as it was when the last finished checkpoint was begun.
    pub checkpointed_bytes: u64,
    /// A worker holds more dirty windows than it may and cannot write them.
    pub windows_overfull: bool,
}

/// The end of the journal: everything up to `through` was routed before this was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last durable record.
    pub through: Seq,
    /// Bytes of journal written since the start of the process, replayed bytes included.
    pub bytes: u64,
    /// The first seq of the segment being written.
    pub active_segment: Seq,
    /// How far back deduplication reaches.
    pub horizon: Horizon,
    /// Keys that deduplication knows.
    pub dedup_keys: usize,
}

/// The segment being written.
pub struct ActiveSegment {
    /// Its first seq, and its name.
    pub first: Seq,
    pub file: Box<dyn DiskFile>,
    /// Bytes of valid records in it.
    pub bytes: u64,
}

pub struct Committer {
    disk: Arc<dyn Disk>,
    dir: Arc<DataDir>,
    limits: CommitLimits,
    /// The key for the tags of records.
    key: RecordKey,
    latch: Latch,
    metrics: JournalMetrics,
    segment: ActiveSegment,
    /// The last durable record; the next one gets the following number.
    durable: Seq,
    /// The latest time of receipt in the journal; it never falls from one record to the next.
    received_at_ms: u64,
    /// See [`Position::bytes`].
    bytes: u64,
    dedup: DedupIndex,
    /// The sums of the batches that were counted since [`Committer::take_counted`].
    counted: CountedSince,
    /// Every customer that was ever counted.
    customers: HashSet<CustomerId>,
    deletions: Deletions,
}

/// The result of recovery, from which a new committer starts.
pub struct CommitterState {
    /// The segment to continue.
    pub segment: ActiveSegment,
    /// The last durable record.
    pub durable: Seq,
    pub received_at_ms: u64,
    /// Bytes of journal after the checkpoint.
    pub uncheckpointed_bytes: u64,
    /// The keys of earlier batches.
    pub dedup: DedupIndex,
}

/// The plan for a batch of a group, before the group is durable.
enum CommitPlan {
    /// A new record.
    Record,
    /// It repeats a record of this group: its outcome if that record is written.
    Repeats(Outcome),
    /// Its outcome is known before the group is written.
    Known(Outcome),
}

impl Committer {
    /// A committer that continues after recovery.
    pub fn new(
        disk: Arc<dyn Disk>,
        dir: Arc<DataDir>,
        limits: CommitLimits,
        latch: Latch,
        metrics: JournalMetrics,
        state: CommitterState,
    ) -> Self {
        let CommitterState { segment, durable, received_at_ms, uncheckpointed_bytes, dedup } = state;
        let key = RecordKey::new(dir.secret());
        Self {
            disk,
            dir,
            limits,
            key,
            latch,
            metrics,
            segment,
            durable,
            received_at_ms,
            bytes: uncheckpointed_bytes,
            dedup,
            counted: CountedSince::new(),
            customers: HashSet::new(),
            deletions: Deletions::default(),
        }
    }

    /// Takes the customers of a ledger that contains every record.
    pub fn begin_with(&mut self, ledger: &Ledger) {
        self.customers = ledger.customers.keys().cloned().collect();
        self.deletions = ledger.deletions();
    }

    pub fn position(&self) -> Position {
        Position {
            through: self.durable,
            bytes: self.bytes,
            active_segment: self.segment.first,
            horizon: self.dedup.horizon(),
            dedup_keys: self.dedup.len(),
        }
    }

    /// The latest time of receipt in the journal.
    pub fn last_received_at_ms(&self) -> u64 {
        self.received_at_ms
    }

    /// The customer's batch with this key, if it is durable.
    ///
    /// # Errors
    /// The journal is latched, so that nobody may rely on its counts.
    pub fn known(&self, customer: &CustomerId, key: DedupKey) -> Result<Option<DedupEntry>, Reason> {
        if self.latch.is_closed() {
            return Err(self.latched());
        }
        Ok(self.find(customer, key).copied())
    }

    /// The batch that was counted under this key, unless its customer was deleted since.
    fn find(&self, customer: &CustomerId, key: DedupKey) -> Option<&DedupEntry> {
        self.dedup.get(key).filter(|known| !self.deletions.cover(customer, known.seq))
    }

    /// The sums of the batches that were counted since this was last called, up to [`Position::through`].
    pub fn take_counted(&mut self) -> CountedSince {
        std::mem::take(&mut self.counted)
    }

    /// Commits a group: one write, one sync. Outcomes come in the order of the group; the drafts of counted batches have
    /// ascending numbers.
    pub fn commit(&mut self, group: &mut [Submission], pressure: Pressure) -> Vec<Outcome> {
        if self.latch.is_closed() {
            return vec![Outcome::Unavailable(self.latched()); group.len()];
        }
        let (plans, records) = self.plan(group);
        let written = if records == 0 {
            Ok(())
        } else {
            self.admit(pressure).and_then(|()| self.write(&new_records(group, &plans)))
        };
        let outcomes: Vec<Outcome> = plans
            .into_iter()
            .map(|plan| match (plan, written) {
                (CommitPlan::Known(outcome), _) if !self.latch.is_closed() => outcome,
                (CommitPlan::Known(_), _) => Outcome::Unavailable(self.latched()),
                (_, Err(reason)) => Outcome::Unavailable(reason),
                (CommitPlan::Record, Ok(())) => Outcome::Counted,
                (CommitPlan::Repeats(outcome), Ok(())) => outcome,
            })
            .collect();
        if written.is_ok() && records > 0 {
            self.remember(group, &outcomes, records);
        }
        outcomes
    }

    /// Finds new records and repetitions, and numbers the new records.
    fn plan(&self, group: &mut [Submission]) -> (Vec<CommitPlan>, usize) {
        let mut records = 0;
        let mut in_group: HashMap<DedupKey, u128> = HashMap::new();
        let mut received_at_ms = self.received_at_ms;
        let plans = group
            .iter_mut()
            .map(|submission| {
                let judge = |fingerprint: u128| {
                    if fingerprint == submission.fingerprint { Outcome::Duplicate } else { Outcome::Conflict }
                };
                if let Some(key) = submission.key {
                    if let Some(known) = self.find(&submission.customer, key) {
                        return CommitPlan::Known(judge(known.fingerprint()));
                    }
                    if let Some(fingerprint) = in_group.get(&key) {
                        return CommitPlan::Repeats(judge(*fingerprint));
                    }
                    in_group.insert(key, submission.fingerprint);
                }
                received_at_ms = received_at_ms.max(submission.received_at_ms);
                submission.received_at_ms = received_at_ms;
                let seq = Seq(self.durable.0 + 1 + records as u64);
                submission.draft.number(seq, self.durable, received_at_ms, &self.key);
                records += 1;
                CommitPlan::Record
            })
            .collect();
        (plans, records)
    }

    /// Refuses good batches, for any reason, before anything is written.
    fn admit(&self, pressure: Pressure) -> Result<(), Reason> {
        let uncheckpointed_bytes = self.bytes.saturating_sub(pressure.checkpointed_bytes);
        if pressure.windows_overfull || uncheckpointed_bytes > self.limits.max_uncheckpointed_bytes {
            return Err(Reason::Backlog);
        }
        match self.disk.free_space(&self.dir.journal()) {
            Ok(free) if free.is_below(self.limits.min_free_bytes) => Err(Reason::DiskFull),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.latch.close_gone(self.dir.root());
                Err(self.latched())
            }
            Err(error) => {
                log::warn!("cannot tell how much space is free: {error}");
                Err(Reason::DiskFull)
            }
        }
    }

    /// The reason for which nothing is taken once the latch is closed.
    fn latched(&self) -> Reason {
        if self.latch.is_gone() { Reason::DataDirGone } else { Reason::Latched }
    }

    fn write(&mut self, records: &[&[u8]]) -> Result<(), Reason> {
        if self.segment.bytes >= self.limits.segment_bytes {
            self.begin_segment()?;
        }
        let written_bytes: u64 = records.iter().map(|record| record.len() as u64).sum();
        let timer = self.metrics.append_seconds.start_timer();
        let written = self.segment.file.write_at(self.segment.bytes, records);
        timer.observe_duration();
        if let Err(error) = written {
            self.metrics.write_errors.inc();
            return Err(self.take_back(&error));
        }
        let timer = self.metrics.sync_seconds.start_timer();
        let synced = self.segment.file.sync_data();
        timer.observe_duration();
        if let Err(error) = synced {
            self.latch.close(format!("the journal could not be synced: {error}"));
            return Err(Reason::Latched);
        }
        self.segment.bytes += written_bytes;
        self.bytes += written_bytes;
        self.metrics.group_batches.observe(records.len() as f64);
        self.metrics.segment_bytes.set(self.segment.bytes);
        Ok(())
    }

    /// Durably cuts a group that could not be written whole off the segment, so that its batches can be refused
    /// without ever coming back.
    fn take_back(&mut self, error: &io::Error) -> Reason {
        let cut = self.segment.file.set_len(self.segment.bytes).and_then(|()| self.segment.file.sync_data());
        match cut {
            Ok(()) => {
                log::warn!("the journal could not be written and was cut back: {error}");
                Reason::DiskFull
            }
            Err(cut_error) => {
                self.latch.close(format!(
                    "the journal could not be written ({error}), nor cut back to what it was ({cut_error})"
                ));
                Reason::Latched
            }
        }
    }

    /// Starts a new segment. The one before it is synced already: every group is.
    fn begin_segment(&mut self) -> Result<(), Reason> {
        let first = self.durable.next();
        let path = self.dir.segment(first);
        let file = self.disk.create(&path).map_err(|error| {
            log::warn!("{}: no new journal segment could be begun: {error}", path.display());
            Reason::DiskFull
        })?;
        if let Err(error) = self.disk.sync_dir(&self.dir.journal()) {
            self.latch.close(format!("the journal's directory could not be synced: {error}"));
            return Err(Reason::Latched);
        }
        self.segment = ActiveSegment { first, file, bytes: 0 };
        self.metrics.segments_begun.inc();
        Ok(())
    }

    /// Adds a durable group to the index, and advances.
    fn remember(&mut self, group: &[Submission], outcomes: &[Outcome], records: usize) {
        let counted = group.iter().zip(outcomes).filter(|(_, outcome)| **outcome == Outcome::Counted);
        for (submission, _) in counted {
            self.received_at_ms = submission.received_at_ms;
            let totals = self.counted.entry(submission.customer.clone()).or_default();
            totals.count(submission.entries, submission.received_at_ms);
            if !self.customers.contains(&submission.customer) {
                self.customers.insert(submission.customer.clone());
            }
            if let Some(key) = submission.key {
                let seq = submission.draft.seq();
                let entry = DedupEntry::new(key, submission.fingerprint, seq, submission.received_at_ms);
                self.dedup.insert(entry);
            }
        }
        self.durable = Seq(self.durable.0 + records as u64);
    }

    /// Deletes everything of a customer that was counted before, by one record that is durable when this returns its number.
    /// `None` for a customer that was never counted.
    ///
    /// # Errors
    /// Why it was not deleted.
    pub fn delete(&mut self, deletion: Deletion, pressure: Pressure) -> Result<Option<Seq>, Reason> {
        if self.latch.is_closed() {
            return Err(self.latched());
        }
        let Deletion { customer, mut draft, received_at_ms } = deletion;
        if !self.customers.contains(&customer) {
            return Ok(None);
        }
        self.admit(pressure)?;
        let (seq, received_at_ms) = (self.durable.next(), received_at_ms.max(self.received_at_ms));
        draft.number(seq, self.durable, received_at_ms, &self.key);
        self.write(&[draft.bytes()])?;
        (self.durable, self.received_at_ms) = (seq, received_at_ms);
        self.deletions.add(&customer, seq);
        self.counted.insert(customer, CustomerTotals::deleted(seq));
        Ok(Some(seq))
    }
}

/// The bytes of the group's new records.
fn new_records<'a>(group: &'a [Submission], plans: &[CommitPlan]) -> Vec<&'a [u8]> {
    let planned = group.iter().zip(plans).filter(|(_, plan)| matches!(plan, CommitPlan::Record));
    planned.map(|(submission, _)| submission.draft.bytes()).collect()
}
