//! Packing, as the packer and the workers share it: a day is packed, then the owners of its windows remove their files.

use log_analytics::model::{PackId, WindowId, WindowStart};
use log_analytics::windows::packing::{DayToPack, PackError, PackVeto, PackedDay, unpacked_days};
use log_analytics::windows::router::partition;

use super::super::rng::Rng;
use super::{Engine, Stop};

/// No day is too young.
const EVERY_DAY: WindowStart = WindowStart(u32::MAX);

impl Engine {
    /// Packs one day of one customer and removes the files of its windows, or of some of them, as a round that ends early does.
    pub fn pack(&mut self, rng: &mut Rng) -> Result<(), Stop> {
        if self.holds_removals || self.latch.is_closed() {
            return Ok(());
        }
        let disk = self.disk.shared();
        let mut days = Vec::new();
        for customer in disk.list(&self.dir.windows()).map_err(|error| Stop::Io(error.to_string()))? {
            let unpacked = unpacked_days(&*disk, &self.dir, &customer.name, EVERY_DAY).unwrap_or_default();
            days.extend(unpacked.into_iter().map(|pack| (customer.name.clone(), pack)));
        }
        self.alive()?;
        days.sort_unstable();
        if days.is_empty() {
            return Ok(());
        }
        let (name, pack): &(String, PackId) = &days[rng.index(days.len())];
        let veto = PackVeto { is_busy: &|_| false, is_stopped: &|| false };
        let packed = DayToPack::new(&*disk, &self.dir, (name, *pack), veto).pack();
        self.alive()?;
        match packed {
            Ok(Some(packed)) => self.remove_packed(&packed, rng),
            Ok(None) | Err(PackError::Io(_) | PackError::Damaged(_) | PackError::Stopped) => Ok(()),
            Err(PackError::NotSynced(error)) => {
                self.latch.close(format!("the windows' directories could not be synced: {error}"));
                Ok(())
            }
        }
    }

    fn remove_packed(&mut self, packed: &PackedDay, rng: &mut Rng) -> Result<(), Stop> {
        let PackedDay { customer, pack, plain } = packed;
        let removes_all = rng.percent(80);
        for window in plain {
            let id = WindowId { size: pack.size, start: window.0 };
            let worker = &self.workers[partition(customer, id, self.workers.len())];
            if removes_all || rng.percent(50) {
                // What fails is found by the next round.
                self.packed += worker.remove_packed(customer, *pack, &[*window]).unwrap_or(0);
            }
            self.alive()?;
        }
        Ok(())
    }
}
