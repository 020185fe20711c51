//! Which files go for a pack: those that hold no more than the pack does.

use std::sync::Arc;

use log_analytics::base::disk::{Disk, RealDisk};
use log_analytics::base::latch::Latch;
use log_analytics::data_dir::DataDir;
use log_analytics::metrics::Metrics;
use log_analytics::model::{CustomerId, PackId, Seq, WindowId, WindowSize, WindowStart};
use log_analytics::windows::fold::WindowLimits;
use log_analytics::windows::window::Window;
use log_analytics::windows::worker::{Worker, WorkerLimits};

use crate::support::lines::bare_requests;

/// 2025-12-28T18:03:00Z in minutes.
const START: WindowStart = WindowStart(29_449_083);

#[test]
fn a_file_that_holds_more_than_its_pack_stays() {
    let temp = tempfile::tempdir().unwrap();
    let (customer, id) =
        (CustomerId::new("acme").unwrap(), WindowId { size: WindowSize::Minute, start: START });
    let dir = Arc::new(DataDir::new(temp.path()));
    dir.prepare(&RealDisk).unwrap();
    let (keys, counts) = bare_requests(1);
    let mut window = Window::new(customer.clone(), id);
    window.merge(Seq(7), &keys, &counts, &WindowLimits::default());
    RealDisk.create_dir(&dir.customer(&customer)).unwrap();
    let path = dir.window(&customer, id);
    RealDisk.create(&path).unwrap().write_at(0, &[&window.encode()]).unwrap();
    let limits = WorkerLimits {
        window: WindowLimits::default(),
        max_resident_bytes: 1 << 20,
        flush_interval_ms: 1_000,
        max_future_ms: 0,
    };
    let metrics = Metrics::new().worker(0);
    let worker = Worker::new(
        RealDisk::shared(),
        Arc::clone(&dir),
        limits,
        Latch::new(),
        metrics,
        Seq(7),
        Arc::default(),
    );
    let pack = PackId::of(id).unwrap();
    let remove = |through| worker.remove_packed(&customer, pack, &[(START, Seq(through))]).unwrap();
    assert_eq!((remove(6), path.exists()), (0, true));
    assert_eq!((remove(7), path.exists()), (1, false));
    assert_eq!(remove(7), 0);
}
