//! What a worker writes: a checkpoint completes however busy it is, and holds what it says.

use std::sync::Arc;

use log_analytics::base::disk::{Disk, RealDisk};
use log_analytics::base::latch::Latch;
use log_analytics::data_dir::DataDir;
use log_analytics::metrics::Metrics;
use log_analytics::model::{CustomerId, Insight, Seq, WindowId, WindowSize, WindowStart};
use log_analytics::windows::fold::WindowLimits;
use log_analytics::windows::window::Window;
use log_analytics::windows::worker::{RETRY_MS, Routed, Worker, WorkerLimits};

use crate::support::lines::bare_requests;
use crate::support::sim_disk::{EIO, Fault, Op, SimDisk, Survival};

/// Longer than a worker waits after a failure.
const FLUSH_INTERVAL_MS: u64 = 2 * RETRY_MS;

/// A worker on a simulated disk, and what it merged last.
struct Writing {
    disk: SimDisk,
    dir: Arc<DataDir>,
    worker: Worker,
    seq: Seq,
}

impl Writing {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let dir = Arc::new(DataDir::new("/data"));
        disk.create_dir(dir.root()).unwrap();
        dir.prepare(&disk).unwrap();
        disk.sync_all();
        let limits = WorkerLimits {
            window: WindowLimits::default(),
            max_resident_bytes: 64 << 20,
            flush_interval_ms: FLUSH_INTERVAL_MS,
            max_future_ms: 0,
        };
        let metrics = Metrics::new().worker(0);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let worker =
            Worker::new(shared, Arc::clone(&dir), limits, Latch::new(), metrics, Seq::ZERO, Arc::default());
        Self { disk, dir, worker, seq: Seq::ZERO }
    }

    fn customer() -> CustomerId {
        CustomerId::new("acme").unwrap()
    }

    fn window(size: WindowSize, number: u32) -> WindowId {
        WindowId { size, start: WindowStart(number * size.minutes()) }
    }

    fn merge(&mut self, window: WindowId, now: u64) {
        self.seq = self.seq.next();
        let (keys, counts) = bare_requests(1);
        let insight =
            Insight { customer: Self::customer(), window, keys: Arc::new(keys), counts: Arc::new(counts) };
        self.worker.merge(&Routed { seq: self.seq, insight, charge: None }, now).unwrap();
    }

    /// Works until nothing is left to do at this time, or the disk stops. Returns the marker that was acknowledged.
    fn work(&mut self, now: u64) -> Option<u64> {
        while !self.disk.is_off() && self.worker.next_work_at().is_some_and(|at| at <= now) {
            if let Some(marker) = self.worker.work(now) {
                return Some(marker);
            }
        }
        None
    }

    /// The requests in a window's file; `None` where there is none.
    fn stored(&self, window: WindowId) -> Option<u64> {
        let bytes = self.disk.read(&self.dir.window(&Self::customer(), window)).ok()?;
        Some(Window::decode_any(&bytes).unwrap().requests())
    }
}

#[test]
fn what_a_marker_waited_for_survives_a_power_cut() {
    // There may be more than a group of them.
    for files in [1, 2, 31, 32, 33, 150] {
        let mut writing = Writing::new();
        let windows = || (0..files).map(|number| Writing::window(WindowSize::Hour, number));
        windows().for_each(|window| writing.merge(window, 0));
        writing.worker.mark(7);
        assert_eq!(writing.work(0), Some(7));
        writing.disk.power_cut(Survival::Nothing);
        for window in windows() {
            assert_eq!(writing.stored(window), Some(1), "{window:?} of {files}");
        }
    }
}

#[test]
fn no_file_is_in_its_place_before_it_is_durable() {
    let mut ops = 0..;
    loop {
        let mut writing = Writing::new();
        let windows = || (0..20).map(|number| Writing::window(WindowSize::Hour, number));
        windows().for_each(|window| writing.merge(window, 0));
        writing.worker.mark(7);
        writing.disk.restart_count();
        writing.disk.crash_after(ops.next());
        let done = writing.work(0).is_some();
        writing.disk.power_cut(Survival::OnlyEntries);
        // Decoding fails where a file has its name but not its content.
        for window in windows() {
            let _ = writing.stored(window);
        }
        if done {
            return;
        }
    }
}

#[test]
fn what_is_merged_while_a_file_is_on_its_way_is_written_next() {
    for size in [WindowSize::Minute, WindowSize::Hour] {
        for steps in 1..4 {
            let mut writing = Writing::new();
            let window = Writing::window(size, 3);
            writing.merge(window, 0);
            writing.worker.mark(1);
            for _ in 0..steps {
                let _ = writing.worker.work(0);
            }
            writing.merge(window, 0);
            writing.work(0);
            assert_eq!(writing.worker.resident(), (1, 1), "{size:?}, {steps} steps");
            // The second marker comes while the file of the first one may be on its way again.
            writing.merge(window, 0);
            writing.work(FLUSH_INTERVAL_MS);
            writing.merge(window, FLUSH_INTERVAL_MS);
            writing.worker.mark(2);
            assert_eq!(writing.work(FLUSH_INTERVAL_MS), Some(2));
            assert_eq!((writing.stored(window), writing.worker.resident()), (Some(4), (1, 0)));
        }
    }
}

#[test]
fn a_marker_takes_what_was_merged_into_a_file_on_its_way() {
    let mut writing = Writing::new();
    let window = Writing::window(WindowSize::Minute, 3);
    writing.merge(window, 0);
    // It is due, and written under its temporary name.
    assert_eq!(writing.worker.work(FLUSH_INTERVAL_MS), None);
    writing.merge(window, FLUSH_INTERVAL_MS);
    writing.worker.mark(1);
    assert_eq!(writing.work(FLUSH_INTERVAL_MS), Some(1));
    assert_eq!((writing.stored(window), writing.worker.resident()), (Some(2), (1, 0)));
}

#[test]
fn a_marker_waits_for_a_window_whose_group_failed_by_another_file() {
    let mut writing = Writing::new();
    let windows = [3, 4].map(|number| Writing::window(WindowSize::Minute, number));
    windows.iter().for_each(|window| writing.merge(*window, 0));
    // Both are written under their temporary names, and the first merges more.
    for _ in windows {
        assert_eq!(writing.worker.work(FLUSH_INTERVAL_MS), None);
    }
    writing.merge(windows[0], FLUSH_INTERVAL_MS);
    writing.worker.mark(1);
    writing.disk.fail(Fault { op: Op::Rename, path: "0004Z", skip: 0, times: 1, errno: EIO });
    assert_eq!(writing.work(FLUSH_INTERVAL_MS), None);
    assert_eq!(writing.disk.faults_met(), 1);
    assert_eq!(writing.work(FLUSH_INTERVAL_MS + RETRY_MS), Some(1));
    writing.disk.power_cut(Survival::Nothing);
    assert_eq!(windows.map(|window| writing.stored(window)), [Some(2), Some(1)]);
}

#[test]
fn a_file_on_its_way_ends_with_its_customers_deletion() {
    for steps in 0..6 {
        let mut writing = Writing::new();
        let window = Writing::window(WindowSize::Minute, 3);
        writing.merge(window, 0);
        writing.merge(Writing::window(WindowSize::Minute, 4), 0);
        for _ in 0..steps {
            let _ = writing.worker.work(FLUSH_INTERVAL_MS);
        }
        let before = writing.stored(window);
        writing.worker.delete(&Writing::customer(), writing.seq);
        writing.work(FLUSH_INTERVAL_MS);
        assert_eq!(writing.stored(window), before, "after {steps} steps");
        assert_eq!(writing.disk.list(&writing.dir.temp_dir()).unwrap(), [], "after {steps} steps");
    }
}

#[test]
fn a_checkpoint_ends_though_minute_windows_are_always_due() {
    let temp = tempfile::tempdir().unwrap();
    let dir = Arc::new(DataDir::new(temp.path()));
    dir.prepare(&RealDisk).unwrap();
    let limits = WorkerLimits {
        window: WindowLimits::default(),
        max_resident_bytes: 1 << 20,
        flush_interval_ms: 0,
        max_future_ms: 0,
    };
    let metrics = Metrics::new().worker(0);
    let mut worker =
        Worker::new(RealDisk::shared(), dir, limits, Latch::new(), metrics, Seq::ZERO, Arc::default());

    let customer = CustomerId::new("acme").unwrap();
    let (keys, counts) = bare_requests(1);
    let (keys, counts) = (Arc::new(keys), Arc::new(counts));
    let mut seq = Seq::ZERO;
    // Two more minute windows are dirty, and due at once, after every write.
    let mut busy = |worker: &mut Worker, now: u64| {
        for size in [WindowSize::Minute, WindowSize::Minute, WindowSize::Hour] {
            seq = seq.next();
            let start = WindowStart((seq.0 % 50) as u32 * 60).floor(size);
            let window = WindowId { size, start };
            let insight = Insight {
                customer: customer.clone(),
                window,
                keys: Arc::clone(&keys),
                counts: Arc::clone(&counts),
            };
            worker.merge(&Routed { seq, insight, charge: None }, now).unwrap();
        }
    };
    for now in 0..50 {
        busy(&mut worker, now);
    }
    worker.mark(7);
    let (_, dirty) = worker.resident();
    // A window takes two steps, and has its turn with one that is due; a group takes one more.
    let done = (0..5 * dirty as u64).find(|round| {
        busy(&mut worker, 50 + round);
        worker.work(50 + round) == Some(7)
    });
    assert!(done.is_some(), "{dirty} windows were dirty");
}
