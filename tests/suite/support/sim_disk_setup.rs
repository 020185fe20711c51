//! What only the tests in this process do with a simulated disk: forks of it, failures by chance, damage.

use std::path::Path;
use std::sync::{Arc, Mutex};

use log_analytics::base::disk::Disk;

use super::sim_disk::files::{FileNode, Node};
use super::sim_disk::{Chance, SimDisk, next_device};

impl SimDisk {
    /// Another disk with the same state.
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Everything there is to be read is copied to another disk, durably, which takes the place of this one.
    pub fn replace_by_copy(&self) {
        self.sync_all();
        self.state().device = next_device();
    }

    /// The disk as the program takes it.
    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Operations since the last crash or [`SimDisk::restart_count`].
    pub fn ops(&self) -> u64 {
        self.state().ops
    }

    /// Sets failures by chance; `None` ends them, and those that were set one by one.
    pub fn chance(&self, chance: Option<Chance>) {
        let mut state = self.state();
        if chance.is_none() {
            state.faults.clear();
        }
        state.chance = chance;
    }

    /// Sets what `free_bytes` returns.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.state().free.bytes = bytes;
    }

    /// How many files may still be created.
    pub fn set_free_inodes(&self, inodes: u64) {
        self.state().free.inodes = inodes;
    }

    /// Puts a durable file there, or replaces its content: the damage of tests.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let content = FileNode { live: bytes.to_vec(), durable: bytes.to_vec(), pending: Vec::new() };
        let node = state.add(Node::File(content));
        let (dir, name) = state.parent(path).unwrap();
        let entries = state.dir_mut(dir).unwrap();
        entries.change(&name, Some(node));
        entries.sync();
    }

    /// Removes a file durably.
    pub fn delete(&self, path: &Path) {
        let mut state = self.state();
        let (dir, name) = state.parent(path).unwrap();
        let entries = state.dir_mut(dir).unwrap();
        entries.change(&name, None);
        entries.sync();
    }
}
