//! Deleted customers: what was counted before the deletion comes back in no way. (Crashes at every operation, copies and backups
//! with deletions among them are in `simulate` and `copies`; the binary's side is in `tests/process/deletion.rs`; which test is for what says `crossings`.)

use std::path::PathBuf;
use std::sync::Arc;

use log_analytics::base::disk::Disk;
use log_analytics::data_dir::DataDir;
use log_analytics::model::Seq;
use log_analytics::offline::repair::{Accept, repair};
use log_analytics::offline::verify::{VerifyReport, verify};

use crate::support::batches::customer;
use crate::support::engine::ROOT;
use crate::support::workloads;
use crate::support::world::{How, World};

/// One customer whose first two batches are counted, in a segment each.
fn begun() -> World {
    let mut workload = workloads::tiny_segments();
    workload.traffic.customers = 1;
    workload.traffic.late_percent = 0;
    workload.options.commit.segment_bytes = 1;
    workload.partitions = &[2];
    let mut world = World::new(&workload, 7);
    world.start().unwrap();
    world.submit(&[0]).unwrap();
    world.submit(&[1]).unwrap();
    world
}

fn checkpoint(world: &mut World) {
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
}

fn window_files(world: &World) -> Vec<PathBuf> {
    let dir = DataDir::new(ROOT).customer(&customer(0));
    world.disk.list(&dir).unwrap().into_iter().map(|file| dir.join(file.name)).collect()
}

fn verified(world: &World) -> VerifyReport {
    verify(&world.disk, &DataDir::new(ROOT), &world.verify_options(), &mut |_, _| {}).unwrap()
}

#[test]
fn a_customer_that_was_never_counted_is_not_deleted() {
    let mut world = begun();
    let now = world.now;
    assert_eq!(world.engine().delete(&customer(1), now).unwrap(), Ok(None));
    assert_eq!(world.engine().delete(&customer(0), now).unwrap(), Ok(Some(Seq(3))));
    assert_eq!(world.engine().delete(&customer(0), now).unwrap(), Ok(Some(Seq(4))), "again is no error");
}

#[test]
fn deleted_windows_that_are_put_back_do_not_exist() {
    let mut world = begun();
    checkpoint(&mut world);
    let old: Vec<_> =
        window_files(&world).into_iter().map(|path| (world.disk.read(&path).unwrap(), path)).collect();
    world.delete(&customer(0)).unwrap();
    checkpoint(&mut world);
    assert_eq!(window_files(&world), [] as [PathBuf; 0], "the files are removed");
    world.stop();
    old.iter().for_each(|(bytes, path)| world.disk.put(path, bytes));
    let report = verified(&world);
    assert!(report.is_clean() && report.requests == 0, "{report:?}");
    assert!(report.notes.iter().any(|note| note.contains("was deleted")), "{report:?}");
    // In place, and as a copy, whose sums are proven.
    world.start().unwrap();
    world.stop();
    world.disk.replace_by_copy();
    world.start().unwrap();
    world.submit(&[2]).unwrap();
    checkpoint(&mut world);
    world.crash(How::Kill);
    assert!(verified(&world).is_clean());
}

#[test]
fn a_damaged_window_is_counted_again_without_what_was_deleted() {
    for is_old_journal_left in [true, false] {
        let mut world = begun();
        world.delete(&customer(0)).unwrap();
        world.submit(&[2]).unwrap();
        checkpoint(&mut world);
        world.crash(How::Kill);
        if !is_old_journal_left {
            (1..3).for_each(|first| world.disk.delete(&DataDir::new(ROOT).segment(Seq(first))));
        }
        for path in window_files(&world) {
            let mut bytes = world.disk.read(&path).unwrap();
            bytes[20] ^= 1;
            world.disk.put(&path, &bytes);
        }
        world.expects_damage = true;
        world.may_forget_keys = true;
        world.start().unwrap();
        checkpoint(&mut world);
        world.crash(How::Kill);
        let report = verified(&world);
        assert!(report.is_clean() && report.recounted_windows > 0, "{is_old_journal_left}: {report:?}");
    }
}

#[test]
fn a_repair_keeps_to_deletions() {
    let mut world = begun();
    world.delete(&customer(0)).unwrap();
    world.submit(&[2]).unwrap();
    world.crash(How::Kill);
    let (dir, limits) = (Arc::new(DataDir::new(ROOT)), world.workload.options.worker);
    let accept = Accept { lost_journal: true, lost_windows: false };
    let repaired = repair(&world.disk.shared(), &dir, limits, accept, world.now).unwrap();
    assert_eq!((repaired.applied, repaired.accepted.len()), (4, 0), "{repaired:?}");
    assert!(verified(&world).is_clean());
    world.start().unwrap();
    world.run_on();
}
