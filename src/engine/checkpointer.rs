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

use super::keeper::CheckpointKeeper;
use super::replayed::await_ack;
use super::watch::{ClockWatch, DiskWatch};
use super::{Ack, EngineShared, Marked, ToCommitter, ToWorker};
use crate::base::clock;
use crate::base::disk::FileIdentity;
use crate::base::plural::counted;
use crate::base::shutdown::end_process;
use crate::base::sync::lock;
use crate::journal::checkpoint::CheckpointError;
use crate::journal::committer::Position;
use crate::journal::ledger::Cutoffs;
use crate::model::Seq;
use crate::windows::router::partition;
use crate::windows::worker::MarkerId;

/// How long after a failure the next try begins, and how often a waiting checkpoint checks the latch.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// The data directory, its disk and the clock are checked this often: clients should not go on sending to a directory
/// that is gone.
const LOOK: Duration = Duration::from_secs(1);
/// How long `/readyz` reports that the data directory is gone before the process ends.
const GONE_SHOWN: Duration = Duration::from_secs(3);
/// Time between two searches for old windows.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The thread's channels.
pub(super) struct CheckpointerChannels {
    pub(super) to_committer: Sender<ToCommitter>,
    pub(super) to_workers: Vec<Sender<ToWorker>>,
    pub(super) acks: Receiver<Ack>,
    /// Enough journal was written for a checkpoint.
    pub(super) poked: Receiver<()>,
    pub(super) stopped: Receiver<()>,
    /// Set to whether the last checkpoint was written.
    pub(super) done: Sender<bool>,
}

/// Sends a marker through all channels, waits until every worker has written its dirty windows, writes the
/// checkpoint, and removes old segments and windows.
pub(super) struct CheckpointerThread {
    shared: Arc<EngineShared>,
    channels: CheckpointerChannels,
    keeper: CheckpointKeeper,
    next_marker: MarkerId,
    clock_read_at: Instant,
    /// When old windows were last searched for.
    expired_at: Option<Instant>,
    /// The identity of the journal's directory at start.
    journal: FileIdentity,
    clock_watch: ClockWatch,
    disk_watch: DiskWatch,
}

impl CheckpointerThread {
    pub(super) fn new(
        shared: Arc<EngineShared>,
        channels: CheckpointerChannels,
        keeper: CheckpointKeeper,
        checkpoint: Seq,
    ) -> io::Result<Self> {
        let journal = shared.disk.identity(&shared.dir.journal())?;
        shared.metrics.checkpoint_seq.set(checkpoint.0);
        let disk_watch = DiskWatch::new(&shared.dir.journal(), shared.options.commit.min_free_bytes);
        Ok(Self {
            shared,
            channels,
            keeper,
            next_marker: 1,
            clock_read_at: clock::monotonic(),
            expired_at: None,
            journal,
            clock_watch: ClockWatch::default(),
            disk_watch,
        })
    }

    /// Runs until told to stop; then makes one last checkpoint and reports whether it was written.
    pub(super) fn run(mut self) {
        let mut due = clock::monotonic() + self.shared.options.checkpoint_interval;
        self.look_at_clock_and_disk();
        let complete = loop {
            let wait = due.saturating_duration_since(clock::monotonic()).min(LOOK);
            let poked = select! {
                recv(self.channels.stopped) -> _ => break self.checkpoint(),
                recv(self.channels.poked) -> _ => true,
                default(wait) => false,
            };
            self.end_if_directory_is_gone();
            self.look_at_clock_and_disk();
            if poked || clock::monotonic() >= due {
                // If the checkpoint could not be written, try again soon.
                let wait = if self.checkpoint() { self.shared.options.checkpoint_interval } else { RETRY };
                due = clock::monotonic() + wait;
            }
        };
        let _ = self.channels.done.send(complete);
    }

    /// Ends the process if the data directory is gone, or another directory lies under its name. Everything written
    /// from now on would be lost; `/readyz` says so for a few seconds, so that it is noticed.
    fn end_if_directory_is_gone(&self) {
        let (disk, dir, latch) = (&*self.shared.disk, &self.shared.dir, &self.shared.latch);
        match disk.identity(&dir.journal()) {
            Ok(identity) if identity == self.journal => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => {}
            _ => latch.close_gone(dir.root()),
        }
        if latch.is_gone() {
            std::thread::sleep(GONE_SHOWN);
            end_process(latch.reason().unwrap_or_default());
        }
    }

    /// Logs a wrong clock or a full disk, once, when it begins.
    fn look_at_clock_and_disk(&mut self) {
        let (shared, now) = (&self.shared, clock::monotonic());
        let last_batch_ms = shared.last_received_at_ms.load(Ordering::Relaxed);
        if let Some(warning) = self.clock_watch.look(clock::now_ms(), last_batch_ms, now) {
            log::warn!("{warning}");
        }
        // If the free space is not known, the next batch is refused with the reason.
        let Ok(free) = shared.disk.free_space(&shared.dir.journal()) else { return };
        if let Some((level, line)) = self.disk_watch.look(free, now) {
            log::log!(level, "{line}");
        }
    }

    /// One checkpoint, from marker to file, and the removal of old files after it. Returns whether the checkpoint was
    /// written.
    fn checkpoint(&mut self) -> bool {
        let began = clock::monotonic();
        let elapsed = began.saturating_duration_since(self.clock_read_at);
        self.clock_read_at = began;
        self.keeper.advance_clock(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), clock::now_ms());
        // Held until everything is removed. `None` means that a backup is being made; then nothing is removed.
        let shared = Arc::clone(&self.shared);
        let lock = shared.removals.begin();
        let cutoffs = if lock.is_some() { self.plan_expiry(began) } else { None };
        let Some(position) = self.mark(cutoffs) else { return false };
        if self.shared.latch.is_closed() || !self.write(position.through) {
            return false;
        }
        self.shared.checkpointed_bytes.store(position.bytes, Ordering::Relaxed);
        let metrics = &self.shared.metrics;
        metrics.checkpoint_seq.set(position.through.0);
        metrics.checkpoint_lag.set(0);
        metrics.checkpoint_seconds.observe(began.elapsed().as_secs_f64());
        if lock.is_some() {
            self.remove_old(&position);
        }
        true
    }

    /// Finds cutoffs to move, at most once an hour.
    fn plan_expiry(&mut self, now: Instant) -> Option<Arc<Cutoffs>> {
        if self.expired_at.is_some_and(|last| now.saturating_duration_since(last) < EXPIRY_INTERVAL) {
            return None;
        }
        self.expired_at = Some(now);
        let planned = self.keeper.plan_expiry(&*self.shared.own_retain_days);
        planned.unwrap_or_else(|error| {
            log::warn!("old windows could not be looked for: {error}");
            None
        })
    }

    /// Sends a marker through all channels and waits until every worker is done with it.
    fn mark(&mut self, cutoffs: Option<Arc<Cutoffs>>) -> Option<Position> {
        let id = self.next_marker;
        self.next_marker += 1;
        if let Some(cutoffs) = &cutoffs {
            *lock(&self.shared.cutoffs) = Arc::clone(cutoffs);
        }
        let (answer, marked) = bounded(1);
        self.channels.to_committer.send(ToCommitter::Mark { id, cutoffs, answer }).ok()?;
        let Marked { position, counted } = marked.recv().ok()?;
        self.keeper.mark(position.through, &counted);
        for _ in 0..self.shared.options.partitions {
            let Ack { marker, expired } = await_ack(&self.shared, &self.channels.acks)?;
            assert_eq!(marker, id, "one marker is outstanding at a time");
            self.keeper.acknowledge(&expired);
        }
        Some(position)
    }

    fn write(&mut self, through: Seq) -> bool {
        match self.keeper.write(clock::now_ms()) {
            Ok(()) => {
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

    /// Lets the windows' owners remove the files of deleted customers. A stop does not wait for that.
    fn remove_leftovers(&mut self) {
        while self.channels.stopped.is_empty() {
            let (customer, windows) = match self.keeper.next_leftovers() {
                Ok(Some(next)) => next,
                Ok(None) => return,
                Err(error) => {
                    return log::warn!("files of a deleted customer could not be removed: {error}");
                }
            };
            let workers = &self.channels.to_workers;
            let (done, removed) = bounded(windows.len());
            for window in windows {
                let customer = customer.clone();
                let worker = &workers[partition(&customer, window, workers.len())];
                let _ = worker.send(ToWorker::RemoveLeftover { customer, window, done: done.clone() });
            }
            drop(done);
            if let Some(error) = removed.iter().find_map(Result::err) {
                self.keeper.begin_cleaning_anew();
                return log::warn!("files of deleted customer {customer} could not be removed: {error}");
            }
        }
    }

    fn remove_old(&mut self, position: &Position) {
        match self.keeper.remove_windows() {
            Ok(0) => {}
            Ok(removed) => {
                log::info!("removed {} beyond --retain-windows-days", counted(removed, "window file"))
            }
            Err(error) => log::warn!("old windows could not be removed: {error}"),
        }
        self.remove_leftovers();
        match self.keeper.maintain_journal(position) {
            Ok(done) => {
                let metrics = &self.shared.metrics;
                metrics.journal_bytes.set(done.bytes);
                metrics.journal_segments.set(done.segments);
                if done.removed > 0 {
                    log::info!("removed {}", counted(done.removed, "old journal segment"));
                }
            }
            Err(error) => log::warn!("journal upkeep failed and will be tried again: {error}"),
        }
    }
}
