//! The committer: the one place where a batch becomes counted.
//!
//! Comes in: groups of checked batches. Goes out: for each its fate, after one write and one `fdatasync` for the
//! whole group. A state machine without thread, channel or clock; the shell in `engine` routes the insights of
//! what was accepted and then wakes the waiters, in this order.
//!
//! It must never answer anything that is not durable, write a group before the one before it is synced, or write
//! after a failed sync.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::dedup::{DedupEntry, DedupIndex, DedupKey, Horizon};
use super::format::Draft;
use crate::base::disk::{Disk, DiskFile};
use crate::base::inflight::Charge;
use crate::base::latch::Latch;
use crate::data_dir::DataDir;
use crate::metrics::JournalMetrics;
use crate::model::{Insight, Seq};

/// A checked batch, ready to be written.
#[derive(Debug)]
pub struct Submission {
    /// What it is deduplicated by; `None` where the client sent no key.
    pub key: Option<DedupKey>,
    /// XXH3-128 of the decoded body.
    pub fingerprint: u128,
    /// The record, without its numbers.
    pub draft: Draft,
    /// When it was received.
    pub received_at_ms: u64,
    /// What is routed once it is durable.
    pub insights: Vec<Insight>,
    /// The memory it holds; travels on with the insights.
    pub charge: Charge,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Durable now, under this number: 202.
    Accepted(Seq),
    /// The same batch is durable already: 409.
    Duplicate,
    /// Another batch with the same key is durable: 422.
    Conflict,
    /// Not counted, and not in the journal: 503.
    Refused(Refusal),
}

/// Why a good batch was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The disk has less than `--min-free-bytes`, or a write failed and was taken back.
    DiskFull,
    /// More than [`MAX_UNCHECKPOINTED_BYTES`] of journal, or twice `--max-resident-bytes` of windows, wait for
    /// windows to be written.
    Backlog,
    /// A sync failed: see [`Latch`].
    Latched,
    /// The engine has been told to stop.
    Stopping,
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
    /// With more journal than this after the checkpoint nothing is taken.
    pub max_uncheckpointed_bytes: u64,
}

/// What the rest of the engine says about how far behind it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    /// [`Position::bytes`] as it was when the last finished checkpoint was begun.
    pub checkpointed_bytes: u64,
    /// A worker holds more dirty windows than it may and cannot write them.
    pub windows_overfull: bool,
}

/// Where the journal stands: everything up to `through` was routed before this was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last durable record.
    pub through: Seq,
    /// Bytes of journal written since the start of the process, replayed bytes included.
    pub bytes: u64,
    /// The first seq of the segment being written.
    pub active_segment: Seq,
    /// What deduplication knows.
    pub horizon: Horizon,
    /// How many keys it knows.
    pub dedup_keys: usize,
}

/// The segment being written.
pub struct ActiveSegment {
    /// Its first seq, and its name.
    pub first: Seq,
    /// The open file.
    pub file: Box<dyn DiskFile>,
    /// Bytes of valid records in it.
    pub bytes: u64,
}

/// See the module.
pub struct Committer {
    disk: Arc<dyn Disk>,
    dir: Arc<DataDir>,
    limits: CommitLimits,
    latch: Latch,
    metrics: JournalMetrics,
    segment: ActiveSegment,
    /// The last durable record; the next gets the number after it.
    durable: Seq,
    /// The latest time of receipt in the journal; later records do not go back before it.
    received_at_ms: u64,
    /// See [`Position::bytes`].
    bytes: u64,
    dedup: DedupIndex,
}

/// What recovery hands to a new committer.
pub struct CommitterState {
    /// Where to write on.
    pub segment: ActiveSegment,
    /// The last durable record.
    pub durable: Seq,
    /// When it was received.
    pub received_at_ms: u64,
    /// Bytes of journal after the checkpoint.
    pub uncheckpointed_bytes: u64,
    /// What is known of earlier batches.
    pub dedup: DedupIndex,
}

/// What a group member is, before the group is durable.
enum Plan {
    /// It is the n-th record of the group.
    Record(usize),
    /// It repeats a record of this very group: its fate hangs on that record.
    Repeats { fate: Fate },
    /// Its fate is known already.
    Known(Fate),
}

impl Committer {
    /// A committer that goes on where recovery ended.
    pub fn new(
        disk: Arc<dyn Disk>,
        dir: Arc<DataDir>,
        limits: CommitLimits,
        latch: Latch,
        metrics: JournalMetrics,
        state: CommitterState,
    ) -> Self {
        let CommitterState { segment, durable, received_at_ms, uncheckpointed_bytes, dedup } = state;
        Self {
            disk,
            dir,
            limits,
            latch,
            metrics,
            segment,
            durable,
            received_at_ms,
            bytes: uncheckpointed_bytes,
            dedup,
        }
    }

    /// Where the journal stands.
    pub fn position(&self) -> Position {
        Position {
            through: self.durable,
            bytes: self.bytes,
            active_segment: self.segment.first,
            horizon: self.dedup.horizon(),
            dedup_keys: self.dedup.len(),
        }
    }

    /// Decides the fate of a group: one write, one sync. Fates come in the order of the group; accepted batches have
    /// ascending numbers.
    pub fn commit(&mut self, group: &mut [Submission], pressure: Pressure) -> Vec<Fate> {
        if self.latch.is_closed() {
            return vec![Fate::Refused(Refusal::Latched); group.len()];
        }
        let (plans, records) = self.plan(group);
        let outcome =
            if records == 0 { Ok(()) } else { self.admit(pressure).and_then(|()| self.write(group, &plans)) };
        let before = self.durable;
        let fates: Vec<Fate> = plans
            .into_iter()
            .map(|plan| match (plan, outcome) {
                (Plan::Known(fate), _) if !self.latch.is_closed() => fate,
                (Plan::Known(_), _) => Fate::Refused(Refusal::Latched),
                (_, Err(refusal)) => Fate::Refused(refusal),
                (Plan::Record(position), Ok(())) => Fate::Accepted(Seq(before.0 + 1 + position as u64)),
                (Plan::Repeats { fate }, Ok(())) => fate,
            })
            .collect();
        if outcome.is_ok() && records > 0 {
            self.remember(group, &fates, records);
        }
        fates
    }

    /// Finds what is a new record and what repeats something, and numbers the new records.
    fn plan(&self, group: &mut [Submission]) -> (Vec<Plan>, usize) {
        let mut records = 0;
        let mut in_group: HashMap<DedupKey, u128> = HashMap::new();
        let mut received_at_ms = self.received_at_ms;
        let plans = group
            .iter_mut()
            .map(|submission| {
                let judge = |fingerprint: u128| {
                    if fingerprint == submission.fingerprint { Fate::Duplicate } else { Fate::Conflict }
                };
                if let Some(key) = submission.key {
                    if let Some(known) = self.dedup.get(key) {
                        return Plan::Known(judge(known.fingerprint()));
                    }
                    if let Some(fingerprint) = in_group.get(&key) {
                        return Plan::Repeats { fate: judge(*fingerprint) };
                    }
                    in_group.insert(key, submission.fingerprint);
                }
                received_at_ms = received_at_ms.max(submission.received_at_ms);
                submission.received_at_ms = received_at_ms;
                let seq = Seq(self.durable.0 + 1 + records as u64);
                submission.draft.number(seq, self.durable, received_at_ms);
                records += 1;
                Plan::Record(records - 1)
            })
            .collect();
        (plans, records)
    }

    /// Everything that can refuse good batches, before anything is written.
    fn admit(&self, pressure: Pressure) -> Result<(), Refusal> {
        let uncheckpointed_bytes = self.bytes.saturating_sub(pressure.checkpointed_bytes);
        if pressure.windows_overfull || uncheckpointed_bytes > self.limits.max_uncheckpointed_bytes {
            return Err(Refusal::Backlog);
        }
        match self.disk.free_bytes(self.dir.root()) {
            Ok(free) if free < self.limits.min_free_bytes => Err(Refusal::DiskFull),
            Ok(_) => Ok(()),
            Err(error) => {
                log::warn!("cannot tell how much space is free: {error}");
                Err(Refusal::DiskFull)
            }
        }
    }

    fn write(&mut self, group: &[Submission], plans: &[Plan]) -> Result<(), Refusal> {
        if self.segment.bytes >= self.limits.segment_bytes {
            self.begin_segment()?;
        }
        let parts: Vec<&[u8]> = group
            .iter()
            .zip(plans)
            .filter(|(_, plan)| matches!(plan, Plan::Record(_)))
            .map(|(submission, _)| submission.draft.bytes())
            .collect();
        let written_bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let timer = self.metrics.append_seconds.start_timer();
        let written = self.segment.file.write_at(self.segment.bytes, &parts);
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
            return Err(Refusal::Latched);
        }
        self.segment.bytes += written_bytes;
        self.bytes += written_bytes;
        self.metrics.group_batches.observe(parts.len() as f64);
        self.metrics.segment_bytes.set(i64::try_from(self.segment.bytes).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Cuts a group that could not be written whole off the segment, durably, so that its batches can be refused
    /// without ever turning up.
    fn take_back(&mut self, error: &io::Error) -> Refusal {
        let cut = self.segment.file.set_len(self.segment.bytes).and_then(|()| self.segment.file.sync_data());
        match cut {
            Ok(()) => {
                log::warn!("the journal could not be written and was cut back: {error}");
                Refusal::DiskFull
            }
            Err(cut_error) => {
                self.latch.close(format!(
                    "the journal could not be written ({error}), nor cut back to what it was ({cut_error})"
                ));
                Refusal::Latched
            }
        }
    }

    /// Starts a new segment. The one before it is synced already: every group is.
    fn begin_segment(&mut self) -> Result<(), Refusal> {
        let first = self.durable.next();
        let path = self.dir.segment(first);
        let file = self.disk.create(&path).map_err(|error| {
            log::warn!("{}: no new journal segment could be begun: {error}", path.display());
            Refusal::DiskFull
        })?;
        if let Err(error) = self.disk.sync_dir(&self.dir.journal()) {
            self.latch.close(format!("the journal's directory could not be synced: {error}"));
            return Err(Refusal::Latched);
        }
        self.segment = ActiveSegment { first, file, bytes: 0 };
        self.metrics.segments_begun.inc();
        Ok(())
    }

    /// Takes a durable group into the index, and moves on.
    fn remember(&mut self, group: &[Submission], fates: &[Fate], records: usize) {
        for (submission, fate) in group.iter().zip(fates) {
            if let Fate::Accepted(seq) = *fate {
                self.received_at_ms = submission.received_at_ms;
                if let Some(key) = submission.key {
                    let entry = DedupEntry::new(key, submission.fingerprint, seq, submission.received_at_ms);
                    self.dedup.insert(entry);
                }
            }
        }
        self.durable = Seq(self.durable.0 + records as u64);
    }
}
