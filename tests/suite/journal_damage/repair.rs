//! What `repair` counts stays counted once.

use std::sync::Arc;

use log_analytics::data_dir::DataDir;
use log_analytics::journal::start_error::StartError;
use log_analytics::offline::repair::{Accept, Repaired, repair};
use log_analytics::outcome::{Outcome, Reason};

use super::fixture::{Before, fixture, log, offsets, read};
use crate::support::batches::batch_of_minutes;
use crate::support::engine::{Answer, ROOT, Stop};
use crate::support::sim_disk::{EIO, Fault, Op, Survival};
use crate::support::workloads;
use crate::support::world::{How, World};

const JOURNAL: Accept = Accept { lost_journal: true, lost_windows: false };

#[test]
fn a_batch_that_repair_found_in_the_page_cache_is_known_after_a_power_cut() {
    for survival in [Survival::Nothing, Survival::OnlyContent, Survival::OnlyEntries, Survival::Random(3)] {
        let mut world = fixture(Before::NothingWritten);
        world.model.label += &format!(": {survival:?}");
        world.start_blind().unwrap();
        world.disk.fail(Fault { op: Op::SyncData, path: ".log", skip: 0, times: 1, errno: EIO });
        assert_eq!(world.submit(&[6]).unwrap(), [Err(Outcome::Unavailable(Reason::Latched))]);
        world.crash(How::Kill);
        let mut bytes = read(&world, &log(1));
        let second = offsets(&bytes)[1];
        bytes[second + 100] ^= 1;
        world.disk.put(&log(1), &bytes);
        assert!(matches!(world.start_blind(), Err(Stop::Refused(_))), "{}", world.label());

        let dir = Arc::new(DataDir::new(ROOT));
        let limits = world.workload.options.worker;
        let repaired = repair(&world.disk.shared(), &dir, limits, JOURNAL, world.now).unwrap();
        assert_eq!((repaired.applied, repaired.lost, repaired.through.0), (6, 1, 7), "{}", world.label());
        world.disk.power_cut(survival);
        world.start_blind().unwrap();
        // Counted by repair, though the record itself never was on the disk.
        assert_eq!(world.submit(&[6]).unwrap(), [Err(Outcome::Duplicate)], "{}", world.label());
        // What was lost is new, and what was whole is known.
        let (now, batches) = (world.now, world.model.batches.clone());
        let engine = world.engine();
        let mut again = |number: usize| {
            let submission = engine.submission(&batches[number], now);
            engine.commit(vec![submission]).unwrap()[0]
        };
        let fates: Vec<Answer> = (0..6).map(&mut again).collect();
        let accepted = fates.iter().filter(|fate| fate.is_ok()).count();
        let duplicates = fates.iter().filter(|fate| **fate == Err(Outcome::Duplicate)).count();
        assert_eq!((accepted, duplicates), (1, 5), "{}: {fates:?}", world.label());
        world.stop();
    }
}

/// A directory whose journal alone holds a batch of so many minutes.
fn unwritten(minutes: u32) -> World {
    let mut world = World::new(&workloads::plain(), 5);
    world.model.label = format!("{minutes} windows");
    world.model.batches[0] = batch_of_minutes(0, minutes);
    world.start().unwrap();
    assert!(world.submit(&[0]).unwrap()[0].is_ok());
    world.crash(How::Kill);
    world
}

fn repair_world(world: &World) -> Result<Repaired, StartError> {
    let dir = Arc::new(DataDir::new(ROOT));
    repair(&world.disk.shared(), &dir, world.workload.options.worker, JOURNAL, world.now)
}

#[test]
fn week_02_repair_writes_however_many_windows_there_are() {
    for minutes in [100, 300, 5_000] {
        let mut world = unwritten(minutes);
        let repaired = repair_world(&world).unwrap();
        assert_eq!((repaired.applied, repaired.lost), (1, 0), "{}", world.label());
        world.disk.power_cut(Survival::Nothing);
        world.start().unwrap();
        let report = world.engine().report.clone();
        assert_eq!(report.checkpoint, report.end, "{}: the windows are written", world.label());
        assert_eq!(world.submit(&[0]).unwrap(), [Err(Outcome::Duplicate)], "{}", world.label());
        world.stop();
    }
}

#[test]
fn week_02_a_repair_that_cannot_write_a_window_names_it_and_the_reason_and_can_be_run_again() {
    let mut world = unwritten(300);
    world.disk.fail(Fault { op: Op::Rename, path: ".json", skip: 100, times: 10, errno: EIO });
    let error = repair_world(&world).unwrap_err().to_string();
    assert!(error.contains("cannot write window /srv/store/aggregate-results/customer-0/"), "{error}");
    assert!(error.contains("os error 5"), "{error}");
    assert_eq!(repair_world(&world).unwrap().applied, 1);
    world.start().unwrap();
    world.stop();
}
