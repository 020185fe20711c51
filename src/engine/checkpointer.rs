//! The checkpointer's thread: has a marker sent through all channels, waits until every worker has written what was
//! dirty, moves `checkpoint.json`, and looks after old segments and windows.
//!
//! It must never move the checkpoint before every worker acknowledged, nor after the latch closed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::{Shared, ToCommitter};
use crate::base::clock;
use crate::journal::checkpoint::{Checkpoint, WriteError};
use crate::journal::committer::Position;
use crate::journal::retention::{self, Round};
use crate::model::Seq;
use crate::windows::expiry;
use crate::windows::worker::MarkerId;

/// See the module.
pub(super) struct CheckpointerThread {
    shared: Arc<Shared>,
    to_committer: Sender<ToCommitter>,
    acks: Receiver<MarkerId>,
    poked: Receiver<()>,
    stopped: Receiver<()>,
    done: Sender<bool>,
    next_marker: MarkerId,
    /// The last checkpoint this process wrote; `None` before the first. Until then the one on disk may not be durable.
    written: Option<Seq>,
    /// When windows were last looked through for old ones.
    expired_at_ms: u64,
}

/// Old windows are looked for this often.
const EXPIRY_INTERVAL_MS: u64 = 60 * 60 * 1000;

impl CheckpointerThread {
    pub(super) fn new(
        shared: Arc<Shared>,
        to_committer: Sender<ToCommitter>,
        acks: Receiver<MarkerId>,
        poked: Receiver<()>,
        stopped: Receiver<()>,
        done: Sender<bool>,
        checkpoint: Seq,
    ) -> Self {
        shared.metrics.checkpoint_seq.set(checkpoint.0);
        Self {
            shared,
            to_committer,
            acks,
            poked,
            stopped,
            done,
            next_marker: 1,
            written: None,
            expired_at_ms: 0,
        }
    }

    /// Runs until told to stop; then makes one last checkpoint and says whether that came about.
    pub(super) fn run(mut self) {
        let mut wait = self.shared.options.checkpoint_interval;
        let complete = loop {
            select! {
                recv(self.stopped) -> _ => break self.checkpoint(),
                recv(self.poked) -> _ => {}
                default(wait) => {}
            }
            // What could not be written is tried again soon.
            wait = if self.checkpoint() { self.shared.options.checkpoint_interval } else { RETRY };
        };
        let _ = self.done.send(complete);
    }

    /// One checkpoint from marker to file, and the round of upkeep after it. Says whether it came about.
    fn checkpoint(&mut self) -> bool {
        let began = clock::monotonic();
        let Some(position) = self.mark() else { return false };
        if self.shared.latch.is_closed() {
            return false;
        }
        if self.written != Some(position.through) {
            let (disk, dir) = (&*self.shared.disk, &*self.shared.dir);
            match Checkpoint::write(disk, dir, position.through, clock::now_ms()) {
                Ok(()) => {}
                Err(WriteError::NotWritten(error)) => {
                    log::warn!("the checkpoint could not be written and will be tried again: {error}");
                    return false;
                }
                Err(WriteError::NotSynced(error)) => {
                    self.shared.latch.close(format!("the data directory could not be synced: {error}"));
                    return false;
                }
            }
            self.written = Some(position.through);
            log::debug!("checkpoint at record {}", position.through);
        }
        self.shared.checkpointed_bytes.store(position.bytes, Ordering::Relaxed);
        let metrics = &self.shared.metrics;
        metrics.checkpoint_seq.set(position.through.0);
        metrics.checkpoint_lag.set(0);
        metrics.checkpoint_seconds.observe(began.elapsed().as_secs_f64());
        self.upkeep(&position);
        true
    }

    /// Sends a marker through all channels and waits until every worker is done with it.
    fn mark(&mut self) -> Option<Position> {
        let id = self.next_marker;
        self.next_marker += 1;
        let (answer, position) = bounded(1);
        self.to_committer.send(ToCommitter::Mark { id, answer }).ok()?;
        let position = position.recv().ok()?;
        for _ in 0..self.shared.options.partitions {
            let acknowledged = loop {
                match self.acks.recv_timeout(RETRY) {
                    Ok(id) => break id,
                    // A worker that cannot sync never answers; then there is no checkpoint any more.
                    Err(_) if self.shared.latch.is_closed() => return None,
                    Err(_) => {}
                }
            };
            assert_eq!(acknowledged, id, "one marker is outstanding at a time");
        }
        Some(position)
    }

    fn upkeep(&mut self, position: &Position) {
        let shared = &self.shared;
        let now_ms = clock::now_ms();
        let round = Round {
            retention: shared.options.retention,
            checkpoint: position.through,
            active_segment: position.active_segment,
            forgotten_through: position.horizon.after,
            now_ms,
        };
        match retention::maintain(&*shared.disk, &shared.dir, &round) {
            Ok(done) => {
                shared.metrics.journal_bytes.set(done.bytes);
                shared.metrics.journal_segments.set(done.segments);
                if done.removed > 0 {
                    log::info!("removed {} old journal segments", done.removed);
                }
            }
            Err(error) => log::warn!("journal upkeep failed and will be tried again: {error}"),
        }
        if now_ms.saturating_sub(self.expired_at_ms) >= EXPIRY_INTERVAL_MS {
            self.expired_at_ms = now_ms;
            match expiry::expire(&*shared.disk, &shared.dir, shared.options.retain_windows_days, now_ms) {
                Ok(0) => {}
                Ok(removed) => log::info!("removed {removed} window files beyond --retain-windows-days"),
                Err(error) => log::warn!("old windows could not be removed: {error}"),
            }
        }
    }
}

/// How long after a failure the next try comes, and how often a waiting checkpoint looks at the latch.
const RETRY: Duration = Duration::from_secs(1);
