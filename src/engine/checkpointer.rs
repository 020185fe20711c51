//! The checkpointer's thread.
//!
//! Input: time, and how much journal was written. Output: checkpoints; removed segments and windows. Never: moves the
//! checkpoint before every worker acknowledged its marker, nor after the latch closed; removes anything while a backup is
//! being made.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::replayed::await_ack;
use super::{Ack, Marked, Shared, ToCommitter};
use crate::base::clock;
use crate::base::disk::FileLock;
use crate::data_dir::at;
use crate::journal::checkpoint::{Checkpoint, CheckpointError};
use crate::journal::committer::Position;
use crate::journal::ledger::{Cutoffs, Ledger};
use crate::journal::retention::{self, RetentionClock, Round};
use crate::model::Seq;
use crate::windows::expiry::{self, CutoffMove, ExpiryPlan};
use crate::windows::worker::MarkerId;

/// How long after a failure the next try comes, and how often a waiting checkpoint looks at the latch.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// Old windows are looked for this often.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The thread's channels.
pub(super) struct CheckpointerChannels {
    pub(super) to_committer: Sender<ToCommitter>,
    pub(super) acks: Receiver<Ack>,
    /// Enough journal was written for a checkpoint.
    pub(super) poked: Receiver<()>,
    pub(super) stopped: Receiver<()>,
    /// Whether the last checkpoint was written.
    pub(super) done: Sender<bool>,
}

/// Has a marker sent through all channels, waits until every worker has written what was dirty, writes the checkpoint, and
/// removes old segments and windows.
pub(super) struct CheckpointerThread {
    shared: Arc<Shared>,
    channels: CheckpointerChannels,
    next_marker: MarkerId,
    /// The customers' sums as of the last marker.
    ledger: Ledger,
    /// The last checkpoint this process wrote; `None` before the first. Until then the one on disk may not be durable.
    written: Option<Seq>,
    clock: RetentionClock,
    clock_read_at: Instant,
    /// When windows were last looked through for old ones.
    expired_at: Option<Instant>,
    /// Cutoffs that the workers keep to already and no checkpoint holds yet.
    moving: Vec<CutoffMove>,
}

/// A round of removing old windows, for as long as it lasts.
struct ExpiryRound {
    plan: ExpiryPlan,
    _lock: FileLock,
}

impl CheckpointerThread {
    pub(super) fn new(
        shared: Arc<Shared>,
        channels: CheckpointerChannels,
        ledger: Ledger,
        clock: RetentionClock,
        checkpoint: Seq,
    ) -> io::Result<Self> {
        shared.metrics.checkpoint_seq.set(i64::try_from(checkpoint.0).unwrap_or(i64::MAX));
        Ok(Self {
            shared,
            channels,
            next_marker: 1,
            ledger,
            written: None,
            clock,
            clock_read_at: clock::monotonic(),
            expired_at: None,
            moving: Vec::new(),
        })
    }

    /// Runs until told to stop; then makes one last checkpoint and reports whether it was written.
    pub(super) fn run(mut self) {
        let mut wait = self.shared.options.checkpoint_interval;
        let complete = loop {
            select! {
                recv(self.channels.stopped) -> _ => break self.checkpoint(),
                recv(self.channels.poked) -> _ => {}
                default(wait) => {}
            }
            // What could not be written is tried again soon.
            wait = if self.checkpoint() { self.shared.options.checkpoint_interval } else { RETRY };
        };
        let _ = self.channels.done.send(complete);
    }

    /// One checkpoint from marker to file, and the upkeep after it. Returns whether the checkpoint was written.
    fn checkpoint(&mut self) -> bool {
        let began = clock::monotonic();
        self.advance_clock(began);
        let expiry = self.plan_expiry(began);
        let Some(position) = self.mark(expiry.as_ref()) else { return false };
        if self.shared.latch.is_closed() || !self.move_cutoffs() || !self.write(position.through) {
            return false;
        }
        self.shared.checkpointed_bytes.store(position.bytes, Ordering::Relaxed);
        let metrics = &self.shared.metrics;
        metrics.checkpoint_seq.set(i64::try_from(position.through.0).unwrap_or(i64::MAX));
        metrics.checkpoint_lag.set(0);
        metrics.checkpoint_seconds.observe(began.elapsed().as_secs_f64());
        if let Some(round) = expiry {
            self.remove_expired(&round.plan);
        }
        self.remove_old_segments(&position);
        true
    }

    fn advance_clock(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.clock_read_at);
        self.clock_read_at = now;
        self.clock.advance(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), clock::now_ms());
    }

    /// Finds the cutoffs to move, once in a while, unless a backup is being made.
    fn plan_expiry(&mut self, now: Instant) -> Option<ExpiryRound> {
        let (shared, days) = (&self.shared, self.shared.options.retain_windows_days);
        let is_due =
            self.expired_at.is_none_or(|last| now.saturating_duration_since(last) >= EXPIRY_INTERVAL);
        if days == [0; 3] || !is_due || !self.moving.is_empty() {
            return None;
        }
        let lock = self.lock_removals()?;
        self.expired_at = Some(now);
        match expiry::plan(&*shared.disk, &shared.dir, &self.ledger, days, self.clock.now_ms()) {
            Ok(plan) => {
                self.moving.clone_from(&plan.moves);
                Some(ExpiryRound { plan, _lock: lock })
            }
            Err(error) => {
                log::warn!("old windows could not be looked for: {error}");
                None
            }
        }
    }

    /// The lock that backups share. `None` while one is being made.
    fn lock_removals(&self) -> Option<FileLock> {
        let path = self.shared.dir.retain();
        match FileLock::try_exclusive(&path).map_err(at(&path)) {
            Ok(lock) => lock,
            Err(error) => {
                log::warn!("nothing is removed: {error}");
                None
            }
        }
    }

    /// Sends a marker through all channels and waits until every worker is done with it.
    fn mark(&mut self, expiry: Option<&ExpiryRound>) -> Option<Position> {
        let id = self.next_marker;
        self.next_marker += 1;
        let cutoffs = expiry.filter(|round| !round.plan.moves.is_empty()).map(|round| {
            let mut cutoffs = self.ledger.cutoffs();
            round.plan.moves.iter().for_each(|moved| cutoffs.set(&moved.customer, moved.size, moved.cutoff));
            Arc::new(cutoffs)
        });
        let (answer, marked) = bounded(1);
        self.channels.to_committer.send(ToCommitter::Mark { id, cutoffs, answer }).ok()?;
        let Marked { position, counted } = marked.recv().ok()?;
        self.ledger.add(position.through, &counted);
        for _ in 0..self.shared.options.partitions {
            let Ack { marker, expired } = await_ack(&self.shared, &self.channels.acks)?;
            assert_eq!(marker, id, "one marker is outstanding at a time");
            self.ledger.add_expired(&expired);
        }
        Some(position)
    }

    /// Moves the cutoffs in the ledger, now that every window before them is written and nothing is merged into it.
    fn move_cutoffs(&mut self) -> bool {
        let old: Cutoffs = self.ledger.cutoffs();
        while let Some(moved) = self.moving.last() {
            match expiry::sum(&*self.shared.disk, &self.shared.dir, &old, moved) {
                Ok(removed) => self.ledger.expire(&moved.customer, moved.size, moved.cutoff, removed),
                Err(error) => {
                    log::warn!("the windows to be removed could not be read, the checkpoint waits: {error}");
                    return false;
                }
            }
            self.moving.pop();
        }
        true
    }

    fn write(&mut self, through: Seq) -> bool {
        let (disk, dir) = (&*self.shared.disk, &*self.shared.dir);
        match Checkpoint::write(disk, dir, &self.ledger, self.clock.now_ms(), clock::now_ms()) {
            Ok(()) => {
                self.written = Some(through);
                log::debug!("checkpoint at record {through}");
                true
            }
            Err(CheckpointError::NotWritten(error)) => {
                log::warn!("the checkpoint could not be written and will be tried again: {error}");
                false
            }
            Err(CheckpointError::NotSynced(error)) => {
                self.shared.latch.close(format!("the data directory could not be synced: {error}"));
                false
            }
        }
    }

    fn remove_expired(&self, plan: &ExpiryPlan) {
        let cutoffs = self.ledger.cutoffs();
        let mut customers: Vec<_> =
            plan.moves.iter().map(|moved| &moved.customer).chain(&plan.leftovers).collect();
        customers.dedup();
        let mut removed = 0;
        for customer in customers {
            match expiry::remove(&*self.shared.disk, &self.shared.dir, &cutoffs, customer) {
                Ok(files) => removed += files,
                Err(error) => log::warn!("old windows of customer {customer} could not be removed: {error}"),
            }
        }
        if removed > 0 {
            log::info!("removed {removed} window files beyond --retain-windows-days");
        }
    }

    fn remove_old_segments(&self, position: &Position) {
        let shared = &self.shared;
        let Some(_lock) = self.lock_removals() else { return };
        let round = Round {
            retention: shared.options.retention,
            checkpoint: position.through,
            active_segment: position.active_segment,
            forgotten_through: position.horizon.after,
            now_ms: self.clock.now_ms(),
        };
        match retention::maintain(&*shared.disk, &shared.dir, &round) {
            Ok(done) => {
                shared.metrics.journal_bytes.set(i64::try_from(done.bytes).unwrap_or(i64::MAX));
                shared.metrics.journal_segments.set(i64::try_from(done.segments).unwrap_or(i64::MAX));
                if done.removed > 0 {
                    log::info!("removed {} old journal segments", done.removed);
                }
            }
            Err(error) => log::warn!("journal upkeep failed and will be tried again: {error}"),
        }
    }
}
