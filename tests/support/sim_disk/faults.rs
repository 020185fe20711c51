//! What may fail on a simulated disk, and how.

use super::super::rng::Rng;

impl Rng {
    /// True with this probability.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// The kinds of operations that are counted and may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Create,
    Write,
    SyncData,
    SetLen,
    Rename,
    Remove,
    CreateDir,
    SyncDir,
}

/// "No space left on device" on Linux.
pub const ENOSPC: i32 = 28;
/// "Input/output error" on Linux.
pub const EIO: i32 = 5;

/// Operations that fail: of one kind, on paths that contain `path`, after letting `skip` of them pass, `times` times.
#[derive(Clone, Debug)]
pub struct Fault {
    pub op: Op,
    pub path: &'static str,
    pub skip: u32,
    pub times: u32,
    pub errno: i32,
}

/// Failures that come by chance.
#[derive(Clone, Debug)]
pub struct Chance {
    pub rng: Rng,
    /// Operations that fail, per ten thousand.
    pub per_10_000: u64,
    /// Which operations may.
    pub ops: &'static [Op],
}
