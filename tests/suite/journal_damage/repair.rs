//! What `repair` counts stays counted once.

use std::sync::Arc;

use log_analytics::data_dir::DataDir;
use log_analytics::offline::repair::repair;
use log_analytics::outcome::{Outcome, Reason};

use super::fixture::{Before, fixture, log, offsets, read};
use crate::support::engine::{Answer, ROOT, Stop};
use crate::support::sim_disk::{EIO, Fault, Op, Survival};
use crate::support::world::How;

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
        let repaired = repair(&world.disk.shared(), &dir, limits, world.now).unwrap();
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
