//! The workloads of the simulation: small ones whose every operation is a crash, and what a seed makes up.

use log_analytics::engine::keeper::KeptFor;
use log_analytics::journal::committer::CommitLimits;
use log_analytics::journal::retention::Retention;
use log_analytics::windows::fold::WindowLimits;
use log_analytics::windows::worker::WorkerLimits;

use super::batches::Traffic;
use super::engine::Options;
use super::rng::Rng;
use super::sim_disk::Op;

/// One way to use the engine.
#[derive(Clone, Debug)]
pub struct Workload {
    pub name: &'static str,
    pub traffic: Traffic,
    pub options: Options,
    /// How many workers there are, start after start.
    pub partitions: &'static [usize],
    /// Batches in a group, at most.
    pub group_batches: u64,
    /// Chances of a step, in percent.
    pub checkpoint_percent: u64,
    pub query_percent: u64,
    pub repeat_percent: u64,
    pub delete_percent: u64,
    pub pack_percent: u64,
    /// The most that the clock advances in a step; sometimes it goes back.
    pub tick_ms: u64,
    /// Keys are folded into `(other)`.
    pub blurred: bool,
    /// Operations that fail, per ten thousand,
    pub faults_per_10_000: u64,
    /// of these kinds.
    pub faulty: &'static [Op],
    /// Steps, in percent, in which the disk becomes full or has space again.
    pub full_percent: u64,
    /// After so many of a hundred crashes the directory is copied, and the copy takes its place.
    pub copy_percent: u64,
    /// How much later than the first lines the clock begins.
    pub late_start_ms: u64,
}

/// Everything that may fail.
pub const ALL_OPS: &[Op] =
    &[Op::Create, Op::Write, Op::SyncData, Op::SetLen, Op::Rename, Op::Remove, Op::CreateDir, Op::SyncDir];

fn worker(max_resident_bytes: usize, window: WindowLimits) -> WorkerLimits {
    WorkerLimits { window, max_resident_bytes, flush_interval_ms: 1_000, max_future_ms: 86_400_000 }
}

const WIDE: WindowLimits = WindowLimits::same(50_000, 4 << 20);
const KEEP: Retention = Retention { max_age_ms: 7 * 86_400_000, max_bytes: 1 << 40 };

/// Six batches, two workers, nothing special.
pub fn plain() -> Workload {
    Workload {
        name: "plain",
        traffic: Traffic {
            batches: 6,
            customers: 2,
            lines: 3,
            body_bytes: 700,
            keyless_percent: 20,
            twin_percent: 0,
            late_percent: 10,
        },
        options: Options {
            partitions: 2,
            queue_length: 20,
            commit: CommitLimits {
                segment_bytes: 1 << 20,
                min_free_bytes: 1 << 20,
                max_uncheckpointed_bytes: 1 << 30,
            },
            worker: worker(1 << 30, WIDE),
            dedup_keys: 1000,
            kept_for: KeptFor { journal: KEEP, windows_days: [0; 3] },
        },
        partitions: &[2],
        group_batches: 3,
        checkpoint_percent: 10,
        query_percent: 5,
        repeat_percent: 10,
        delete_percent: 0,
        pack_percent: 0,
        tick_ms: 400,
        blurred: false,
        faults_per_10_000: 0,
        faulty: &[],
        full_percent: 0,
        copy_percent: 0,
        late_start_ms: 0,
    }
}

/// Every group or two begins a segment.
pub fn tiny_segments() -> Workload {
    let mut workload = Workload { name: "tiny_segments", partitions: &[1, 3, 2], ..plain() };
    workload.options.commit.segment_bytes = 600;
    workload.traffic.batches = 8;
    workload.checkpoint_percent = 15;
    workload
}

/// Segments are removed as soon as the checkpoint has passed them.
pub fn short_retention() -> Workload {
    let mut workload = Workload { name: "short_retention", checkpoint_percent: 25, ..tiny_segments() };
    workload.options.kept_for.journal = Retention { max_age_ms: 7 * 86_400_000, max_bytes: 700 };
    workload
}

/// One window at a time is resident.
pub fn tiny_memory() -> Workload {
    let mut workload = Workload { name: "tiny_memory", partitions: &[1, 2], ..plain() };
    workload.options.worker.max_resident_bytes = 700;
    workload.traffic.batches = 5;
    workload
}

/// The same batch again and again, in the same group too, and other batches under its key.
pub fn repeats() -> Workload {
    let mut workload = Workload { name: "repeats", repeat_percent: 60, group_batches: 5, ..plain() };
    workload.traffic.twin_percent = 40;
    workload.traffic.batches = 8;
    workload.options.commit.segment_bytes = 1500;
    workload
}

/// Windows that remember few keys.
pub fn few_keys() -> Workload {
    let mut workload = Workload { name: "few_keys", blurred: true, ..plain() };
    workload.options.worker.window = WindowLimits::same(2, 60);
    workload.options.worker.max_resident_bytes = 1500;
    workload.traffic.keyless_percent = 0;
    workload.traffic.batches = 8;
    workload
}

/// The directory that a crash leaves is copied, and the copy goes on.
pub fn copied() -> Workload {
    Workload { name: "copied", copy_percent: 100, ..short_retention() }
}

/// Windows are removed while late entries for them come: all hours, and the minutes of the day before.
pub fn expiring() -> Workload {
    let mut workload = Workload {
        name: "expiring",
        late_start_ms: 2 * 86_400_000,
        copy_percent: 30,
        checkpoint_percent: 25,
        ..tiny_segments()
    };
    workload.options.kept_for.windows_days = [2, 1, 0];
    workload.traffic.late_percent = 40;
    workload.traffic.customers = 1;
    workload
}

/// Days are packed while entries for them come.
pub fn packing() -> Workload {
    Workload { name: "packing", pack_percent: 12, query_percent: 10, ..expiring() }
}

/// Customers are deleted, and come back.
pub fn deleting() -> Workload {
    Workload { name: "deleting", delete_percent: 20, copy_percent: 30, ..short_retention() }
}

/// Customers are deleted while their windows are packed and expire, and one window at a time is resident.
pub fn deleting_packed() -> Workload {
    let mut workload = Workload { name: "deleting_packed", delete_percent: 20, ..packing() };
    workload.options.worker.max_resident_bytes = 700;
    workload
}

/// All workloads that are crashed at every operation.
pub fn all() -> Vec<Workload> {
    vec![
        plain(),
        tiny_segments(),
        short_retention(),
        tiny_memory(),
        repeats(),
        few_keys(),
        copied(),
        expiring(),
        packing(),
        deleting(),
        deleting_packed(),
    ]
}

/// A random workload, chosen by the seed.
pub fn random(rng: &mut Rng) -> Workload {
    let blurred = rng.percent(15);
    let mut workload = Workload {
        name: "random",
        partitions: rng.pick(&[&[1usize][..], &[2], &[4, 1, 7], &[1, 16], &[3, 2]]),
        group_batches: rng.between(1, 8),
        checkpoint_percent: rng.pick(&[1, 5, 10, 30]),
        query_percent: rng.pick(&[1, 5]),
        repeat_percent: rng.pick(&[0, 10, 40]),
        delete_percent: rng.pick(&[0, 0, 3]),
        tick_ms: rng.pick(&[5, 300, 5_000]),
        blurred,
        copy_percent: rng.pick(&[0, 0, 40]),
        pack_percent: rng.pick(&[0, 0, 3, 20]),
        late_start_ms: rng.pick(&[0, 2 * 86_400_000]),
        ..plain()
    };
    workload.traffic = Traffic {
        batches: rng.between(5, 40) as usize,
        customers: rng.between(1, 6) as usize,
        lines: rng.between(1, 6),
        body_bytes: rng.pick(&[0, 200, 3_000]),
        keyless_percent: if blurred { 0 } else { rng.pick(&[0, 30]) },
        twin_percent: rng.pick(&[0, 20]),
        late_percent: rng.pick(&[0, 10, 50]),
    };
    let options = &mut workload.options;
    options.queue_length = rng.between(1, 40) as usize;
    options.commit.segment_bytes = rng.pick(&[1, 700, 2_000, 10_000, 1 << 20]);
    options.commit.max_uncheckpointed_bytes = rng.pick(&[4_000, 1 << 30, 1 << 30]);
    options.worker.max_resident_bytes = rng.pick(&[1, 800, 3_000, 1 << 30]);
    options.worker.flush_interval_ms = rng.pick(&[0, 1_000, 100_000]);
    // Beyond the horizon a retry is a new batch; a client that must not be counted twice has to be known.
    options.dedup_keys =
        if blurred || workload.traffic.twin_percent > 0 { 1000 } else { rng.pick(&[8, 1000]) };
    options.kept_for.journal.max_bytes = rng.pick(&[0, 2_000, 1 << 40]);
    options.kept_for.journal.max_age_ms = rng.pick(&[0, 1_000, 7 * 86_400_000]);
    options.kept_for.windows_days = rng.pick(&[[0; 3], [0; 3], [2, 1, 0], [1, 0, 0]]);
    if blurred {
        options.worker.window = WindowLimits::same(3, rng.pick(&[20, 100, 1 << 20]));
    }
    workload
}
