//! A checkpoint completes however busy its worker is.

use std::sync::Arc;

use log_analytics::base::disk::RealDisk;
use log_analytics::base::latch::Latch;
use log_analytics::data_dir::DataDir;
use log_analytics::metrics::Metrics;
use log_analytics::model::{CustomerId, Insight, Seq, WindowId, WindowSize, WindowStart};
use log_analytics::windows::fold::WindowLimits;
use log_analytics::windows::worker::{Routed, Worker, WorkerLimits};

use crate::support::lines::bare_requests;

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
    let done = (0..2 * dirty as u64 + 2).find(|round| {
        busy(&mut worker, 50 + round);
        worker.work(50 + round) == Some(7)
    });
    assert!(done.is_some(), "{dirty} windows were dirty");
}
