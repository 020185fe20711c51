//! The engine's checkpoints: the proof at a start that needs one, markers, cutoffs, and the upkeep that follows.

use std::sync::Arc;

use log_analytics::journal::checkpoint::{Checkpoint, CheckpointError};
use log_analytics::journal::retention::{self, Maintained, Round};
use log_analytics::journal::start_error::StartError;
use log_analytics::windows::expiry;
use log_analytics::windows::proof::sum_windows;
use log_analytics::windows::router::partition;
use log_analytics::windows::worker::{Fatal, RETRY_MS};

use super::{Engine, Message, Outstanding, Stop};
use crate::support::sim_disk::SimDisk;

impl Engine {
    /// What a start does in a directory whose checkpoint proves nothing.
    pub(super) fn prove(&mut self, now: u64) -> Result<(), Stop> {
        let io = |disk: &SimDisk, error: std::io::Error| {
            if disk.is_off() { Stop::Crashed } else { Stop::Io(error.to_string()) }
        };
        self.write_windows(now)?;
        let cutoffs = self.ledger.cutoffs();
        let mut sums = sum_windows(&self.disk, &self.dir, &cutoffs).map_err(|error| io(&self.disk, error))?;
        if !sums.damaged.is_empty() {
            for (customer, id) in sums.damaged.into_iter().filter_map(|damaged| damaged.window) {
                let number = partition(&customer, id, self.workers.len());
                let rebuilt = self.workers[number].take_up(&customer, id, now);
                rebuilt.map_err(|text| self.fatal(Fatal(text)))?;
            }
            self.write_windows(now)?;
            sums = sum_windows(&self.disk, &self.dir, &cutoffs).map_err(|error| io(&self.disk, error))?;
        }
        let unequal = sums.unequal(&self.ledger);
        if !unequal.is_empty() {
            return Err(Stop::Refused(StartError::UnequalSums(unequal)));
        }
        match Checkpoint::write(&self.disk, &self.dir, &self.ledger, self.clock.now_ms(), now) {
            Ok(()) => Ok(()),
            Err(CheckpointError::NotWritten(error) | CheckpointError::NotSynced(error)) => {
                Err(io(&self.disk, error))
            }
        }
    }

    fn write_windows(&mut self, now: u64) -> Result<(), Stop> {
        for worker in &mut self.workers {
            worker.mark(0);
            let mut later = now;
            while worker.work(later) != Some(0) {
                if self.latch.is_closed() || self.disk.is_off() {
                    let off = self.disk.is_off();
                    return Err(if off { Stop::Crashed } else { Stop::Io("latched".to_owned()) });
                }
                later += RETRY_MS;
            }
            self.ledger.add_expired(&worker.take_expired());
        }
        Ok(())
    }

    /// Sends a marker, if none is on its way. Says whether it did.
    pub fn begin_checkpoint(&mut self, now: u64) -> bool {
        if self.outstanding.is_some() || self.latch.is_closed() {
            return false;
        }
        self.clock.advance(now.saturating_sub(self.clock_read_at), now);
        self.clock_read_at = now;
        let marker = self.next_marker;
        self.next_marker += 1;
        let mut cutoffs = None;
        let mut moves = Vec::new();
        if self.moving.is_empty() && !self.holds_removals && self.options.retain_windows_days != [0; 3] {
            let (days, now) = (self.options.retain_windows_days, self.clock.now_ms());
            if let Ok(plan) = expiry::plan(&self.disk, &self.dir, &self.ledger, days, now) {
                moves = plan.moves;
            }
            if !moves.is_empty() {
                let mut moved = self.ledger.cutoffs();
                moves.iter().for_each(|to| moved.set(&to.customer, to.size, to.cutoff));
                cutoffs = Some(Arc::new(moved));
            }
            self.moving.clone_from(&moves);
        }
        let acknowledged = vec![false; self.workers.len()];
        let position = self.committer.position();
        let counted = self.committer.take_counted();
        self.ledger.add(position.through, &counted);
        self.outstanding = Some(Outstanding { marker, position, acknowledged, moves });
        self.queues.iter_mut().for_each(|queue| queue.push_back(Message::Marker(marker, cutoffs.clone())));
        true
    }

    /// Moves the checkpoint if every worker acknowledged, and looks after journal and windows. Says whether it moved.
    pub fn finish_checkpoint(&mut self, now: u64) -> Result<bool, Stop> {
        let all = |outstanding: &mut Outstanding| outstanding.acknowledged.iter().all(|ack| *ack);
        let Some(Outstanding { position, moves, .. }) = self.outstanding.take_if(all) else {
            return Ok(false);
        };
        if self.latch.is_closed() {
            return Ok(false);
        }
        let old = self.ledger.cutoffs();
        while let Some(moved) = self.moving.last() {
            match expiry::sum(&self.disk, &self.dir, &old, moved) {
                Ok(removed) => self.ledger.expire(&moved.customer, moved.size, moved.cutoff, removed),
                Err(_) => return self.alive().map(|()| false),
            }
            self.moving.pop();
        }
        match Checkpoint::write(&self.disk, &self.dir, &self.ledger, self.clock.now_ms(), now) {
            Ok(()) => {}
            Err(CheckpointError::NotWritten(_)) => return self.alive().map(|()| false),
            Err(CheckpointError::NotSynced(error)) => {
                self.latch.close(format!("the data directory could not be synced: {error}"));
                return self.alive().map(|()| false);
            }
        }
        self.checkpoints += 1;
        self.checkpointed_bytes = position.bytes;
        if self.holds_removals {
            return self.alive().map(|()| true);
        }
        // What fails is tried again after a later checkpoint.
        let cutoffs = self.ledger.cutoffs();
        for moved in &moves {
            self.expired += expiry::remove(&self.disk, &self.dir, &cutoffs, &moved.customer).unwrap_or(0);
        }
        let round = Round {
            retention: self.options.retention,
            checkpoint: position.through,
            active_segment: position.active_segment,
            forgotten_through: position.horizon.after,
            now_ms: self.clock.now_ms(),
        };
        if let Ok(done) = retention::maintain(&self.disk, &self.dir, &round) {
            self.maintained = Maintained { removed: self.maintained.removed + done.removed, ..done };
        }
        self.alive().map(|()| true)
    }
}
