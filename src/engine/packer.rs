//! The packer's thread: packs old days that are not merged into any more.
//!
//! Input: time; the days that workers merged into lately. Output: packs; the workers remove the files that these
//! replace.
//! Never: works for more than half of the time, packs while a backup is being made, or removes a file itself.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{EngineShared, ToWorker};
use crate::base::clock;
use crate::model::{CustomerId, PackId, Seq, WindowId, WindowSize, WindowStart};
use crate::time;
use crate::windows::packing::{DayToPack, PackError, PackVeto, PackedDay, unpacked_days};
use crate::windows::router::partition;

/// Windows that a worker removes between two messages: about 5 ms.
const REMOVED_AT_ONCE: usize = 64;

/// When days are packed.
#[derive(Clone, Copy, Debug)]
pub struct PackOptions {
    /// How long after its end a day is packed.
    pub after: Duration,
    /// For how long before that nothing may have been merged into it.
    pub quiet: Duration,
    /// How often days to pack are looked for.
    pub interval: Duration,
}

/// For how long nothing may have been merged into a day that is packed: a shipper that comes back sends for a while.
pub const PACK_QUIET: Duration = Duration::from_secs(60 * 60);
/// How often days to pack are looked for.
pub const PACK_INTERVAL: Duration = Duration::from_secs(10 * 60);

pub(super) struct PackerThread {
    pub(super) shared: Arc<EngineShared>,
    pub(super) to_workers: Vec<Sender<ToWorker>>,
    pub(super) stopped: Receiver<()>,
}

/// Why a round ends early.
enum Ended {
    /// The engine stops.
    Stopped,
    /// The disk failed: the next round tries again.
    Failed(io::Error),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Ended::Failed(error)
    }
}

impl PackerThread {
    /// Runs until told to stop.
    pub(super) fn run(self) {
        let started_at = clock::now_ms();
        loop {
            match self.wait(self.shared.options.pack.interval).and_then(|()| self.round(started_at)) {
                Ok(()) => {}
                Err(Ended::Stopped) => return,
                Err(Ended::Failed(error)) => log::warn!("packing failed and will be tried again: {error}"),
            }
        }
    }

    fn wait(&self, time: Duration) -> Result<(), Ended> {
        match self.stopped.recv_timeout(time) {
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => Ok(()),
            _ => Err(Ended::Stopped),
        }
    }

    /// Packs every day that is due, unless it was merged into lately.
    fn round(&self, started_at: u64) -> Result<(), Ended> {
        let (now, options) = (clock::now_ms(), &self.shared.options.pack);
        let quiet_ms = u64::try_from(options.quiet.as_millis()).unwrap_or(u64::MAX);
        let Some(since) = now.checked_sub(quiet_ms).filter(|since| *since >= started_at) else {
            return Ok(());
        };
        let Some(busy) = self.busy_days(since)? else { return Ok(()) };
        let after_ms = u64::try_from(options.after.as_millis()).unwrap_or(u64::MAX);
        let end = time::minute_of(now.saturating_sub(after_ms)).floor(WindowSize::Day);
        let (disk, dir) = (&*self.shared.disk, &self.shared.dir);
        let mut names = Vec::new();
        disk.names(&dir.windows(), &mut |name| names.push(name.to_owned()))?;
        names.sort_unstable();
        for name in names {
            for pack in unpacked_days(disk, dir, &name, end)? {
                let began = clock::monotonic();
                self.pack(&name, pack, &busy)?;
                self.wait(clock::monotonic().saturating_duration_since(began))?;
            }
        }
        Ok(())
    }

    /// The days that were merged into since then; `None` if there were too many to remember.
    fn busy_days(&self, since: u64) -> Result<Option<HashSet<(CustomerId, WindowStart)>>, Ended> {
        let mut busy = HashSet::new();
        for worker in &self.to_workers {
            let (answer, days) = bounded(1);
            worker.send(ToWorker::AskMerged { since, answer }).map_err(|_| Ended::Stopped)?;
            let Some(days) = days.recv().map_err(|_| Ended::Stopped)? else { return Ok(None) };
            busy.extend(days);
        }
        Ok(Some(busy))
    }

    fn pack(&self, name: &str, pack: PackId, busy: &HashSet<(CustomerId, WindowStart)>) -> Result<(), Ended> {
        let Some(_guard) = self.shared.removals.begin() else { return Ok(()) };
        let veto = PackVeto {
            is_busy: &|customer| busy.contains(&(customer.clone(), pack.day)),
            is_stopped: &|| !self.stopped.is_empty(),
        };
        match DayToPack::new(&*self.shared.disk, &self.shared.dir, (name, pack), veto).pack() {
            Ok(None) => Ok(()),
            Ok(Some(packed)) => {
                let removed = self.remove_files(&packed)?;
                self.shared.metrics.packed_windows.inc_by(removed);
                log::debug!("packed {removed} {} windows of {}", pack.size.as_str(), packed.customer);
                Ok(())
            }
            // The next query or merge that needs the window finds the damage and counts it again; until then the day
            // is not packed.
            Err(PackError::Damaged(what)) => {
                log::error!(
                    "{what}. This day is not packed; `log-analytics verify` on the stopped server says more"
                );
                Ok(())
            }
            Err(PackError::Stopped) => Err(Ended::Stopped),
            Err(PackError::Io(error)) => Err(error.into()),
            Err(PackError::NotSynced(error)) => {
                self.shared.latch.close(format!("the windows' directories could not be synced: {error}"));
                Err(error.into())
            }
        }
    }

    /// Has the workers remove the files that the pack replaces, few at a time.
    fn remove_files(&self, packed: &PackedDay) -> Result<u64, Ended> {
        let mut of_workers: Vec<Vec<(WindowStart, Seq)>> = vec![Vec::new(); self.to_workers.len()];
        for (start, through) in &packed.plain {
            let id = WindowId { size: packed.pack.size, start: *start };
            of_workers[partition(&packed.customer, id, self.to_workers.len())].push((*start, *through));
        }
        let mut removed = 0;
        for (worker, windows) in self.to_workers.iter().zip(of_workers) {
            for windows in windows.chunks(REMOVED_AT_ONCE) {
                let (answer, done) = bounded(1);
                let message = ToWorker::RemovePacked {
                    customer: packed.customer.clone(),
                    pack: packed.pack,
                    windows: windows.to_vec(),
                    answer,
                };
                worker.send(message).map_err(|_| Ended::Stopped)?;
                removed += done.recv().map_err(|_| Ended::Stopped)??;
            }
        }
        Ok(removed)
    }
}
