//! What happened in a run of the simulation.

/// What happened in a run, to show that something did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub crashes: u64,
    pub latches: u64,
    pub checkpoints: u64,
    pub removed: u64,
    pub rewritten: u64,
    pub torn: u64,
    pub refused: u64,
    pub duplicates: u64,
    pub faults: u64,
    pub failed_starts: u64,
    pub copies: u64,
    pub expired: u64,
    pub packed: u64,
    pub deleted: u64,
}

impl std::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Stats) {
        self.crashes += other.crashes;
        self.latches += other.latches;
        self.checkpoints += other.checkpoints;
        self.removed += other.removed;
        self.rewritten += other.rewritten;
        self.torn += other.torn;
        self.refused += other.refused;
        self.duplicates += other.duplicates;
        self.faults += other.faults;
        self.failed_starts += other.failed_starts;
        self.copies += other.copies;
        self.expired += other.expired;
        self.packed += other.packed;
        self.deleted += other.deleted;
    }
}
