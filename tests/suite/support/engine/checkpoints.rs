//! The engine's checkpoints: the proof at a start that needs one, markers, and the upkeep that follows.

use std::io;

use log_analytics::engine::keeper::Proof;
use log_analytics::journal::checkpoint::CheckpointError;
use log_analytics::journal::retention::Maintained;
use log_analytics::journal::start_error::StartError;
use log_analytics::windows::router::partition;
use log_analytics::windows::worker::{Fatal, RETRY_MS};

use super::{Engine, Message, Outstanding, Stop};

impl Engine {
    /// What a start does in a directory whose checkpoint proves nothing.
    pub(super) fn prove(&mut self, now: u64) -> Result<(), Stop> {
        self.write_windows(now)?;
        let mut proof = self.keeper.prove().map_err(|error| self.io(&error))?;
        if let Proof::Damaged(damaged) = proof {
            for (customer, id) in damaged {
                let number = partition(&customer, id, self.workers.len());
                let rebuilt = self.workers[number].rebuild_for_query(&customer, id, now);
                rebuilt.map_err(|text| self.fatal(Fatal(text)))?;
            }
            self.write_windows(now)?;
            proof = self.keeper.prove().map_err(|error| self.io(&error))?;
        }
        match proof {
            Proof::Proven(_) => {}
            Proof::Unequal(sums) => return Err(Stop::Refused(StartError::UnequalSums(sums))),
            Proof::Damaged(damaged) => panic!("{damaged:?} are damaged again"),
        }
        self.keeper.write(now).map_err(|error| match error {
            CheckpointError::NotWritten(error) | CheckpointError::NotSynced(error) => self.io(&error),
        })
    }

    fn io(&self, error: &io::Error) -> Stop {
        if self.disk.is_off() { Stop::Crashed } else { Stop::Io(error.to_string()) }
    }

    fn write_windows(&mut self, now: u64) -> Result<(), Stop> {
        for number in 0..self.workers.len() {
            self.workers[number].mark(0);
            let mut later = now;
            while self.workers[number].work(later) != Some(0) {
                if self.latch.is_closed() || self.disk.is_off() {
                    return Err(self.io(&io::Error::other("latched")));
                }
                later += RETRY_MS;
            }
            let expired = self.workers[number].late_entries().take();
            self.keeper.acknowledge(&expired);
        }
        Ok(())
    }

    /// Sends a marker if none is outstanding; returns whether it did.
    pub fn begin_checkpoint(&mut self, now: u64) -> bool {
        if self.outstanding.is_some() || self.latch.is_closed() {
            return false;
        }
        self.keeper.advance_clock(now.saturating_sub(self.clock_read_at), now);
        self.clock_read_at = now;
        let marker = self.next_marker;
        self.next_marker += 1;
        let plan = if self.holds_removals { Ok(None) } else { self.keeper.plan_expiry(&|_| None) };
        let cutoffs = plan.unwrap_or(None);
        let position = self.committer.position();
        let counted = self.committer.take_counted();
        self.keeper.mark(position.through, &counted);
        let acknowledged = vec![false; self.workers.len()];
        self.outstanding = Some(Outstanding { marker, position, acknowledged });
        self.queues.iter_mut().for_each(|queue| queue.push_back(Message::Marker(marker, cutoffs.clone())));
        true
    }

    /// Moves the checkpoint if every worker acknowledged, then applies retention. Returns whether it moved.
    pub fn finish_checkpoint(&mut self, now: u64) -> Result<bool, Stop> {
        let all = |outstanding: &mut Outstanding| outstanding.acknowledged.iter().all(|ack| *ack);
        let Some(Outstanding { position, .. }) = self.outstanding.take_if(all) else {
            return Ok(false);
        };
        if self.latch.is_closed() {
            return Ok(false);
        }
        match self.keeper.write(now) {
            Ok(()) => {}
            Err(CheckpointError::NotWritten(_)) => return self.alive().map(|()| false),
            Err(CheckpointError::NotSynced(error)) => {
                self.latch.close(format!("the data directory could not be synced: {error}"));
                return self.alive().map(|()| false);
            }
        }
        self.checkpoints += 1;
        self.checkpointed_bytes = position.bytes;
        if !self.holds_removals {
            // What fails is tried again after a later checkpoint.
            self.expired += self.keeper.remove_windows().unwrap_or(0);
            let _ = self.remove_leftovers();
            if let Ok(done) = self.keeper.maintain_journal(&position) {
                self.maintained = Maintained { removed: self.maintained.removed + done.removed, ..done };
            }
        }
        self.alive().map(|()| true)
    }
}
