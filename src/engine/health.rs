//! Whether the engine can do its work, and the gauges that it sets.
//!
//! Input: latch, disk, queues. Output: readiness and gauges. Never: changes anything.

use super::Engine;
use crate::intake::{Health, Reason};

impl Health for Engine {
    fn ready(&self) -> Result<(), Reason> {
        if self.shared.latch.is_gone() {
            return Err(Reason::DataDirGone);
        }
        if self.shared.latch.is_closed() {
            return Err(Reason::Latched);
        }
        match self.shared.disk.free_space(self.shared.dir.root()) {
            Ok(free) if !free.is_below(self.shared.options.commit.min_free_bytes) => Ok(()),
            _ => Err(Reason::DiskFull),
        }
    }

    fn report(&self) {
        for (number, worker) in self.to_workers.iter().enumerate() {
            let label = number.to_string();
            self.shared.metrics.queue_depth.with_label_values(&[&label]).set(worker.len() as u64);
        }
        self.shared.metrics.queries.cache_bytes.set(self.shared.views.bytes() as u64);
        self.shared.metrics.latched.set(u64::from(self.shared.latch.is_closed()));
        if let Ok(free) = self.shared.disk.free_space(self.shared.dir.root()) {
            self.shared.metrics.disk_free_bytes.set(free.bytes);
            self.shared.metrics.disk_free_inodes.set(free.inodes);
        }
    }
}
