//! Small workloads, crashed at every single operation: power cuts, kills, one after the other, and inside recovery.

use crate::support::engine::Stop;
use crate::support::sim_disk::Survival;
use crate::support::workloads::{self, Workload};
use crate::support::world::{Crash, End, How, World};

const CUT_CLEAN: How = How::PowerCut(Survival::Nothing);

/// How many operations a run without crashes takes.
fn operations(workload: &Workload, seed: u64) -> u64 {
    let mut world = World::new(workload, seed);
    world.start().unwrap();
    assert_eq!(world.live(), End::Done);
    world.disk.ops()
}

fn world(workload: &Workload, seed: u64, crashes: &[Crash]) -> World {
    let mut world = World::new(workload, seed);
    world.model.label += &format!(", {crashes:?}");
    world
}

#[test]
fn acked_batches_survive_a_power_cut_after_every_operation() {
    for workload in workloads::all() {
        let operations = operations(&workload, 0);
        println!("workload {}: {operations} operations", workload.name);
        for after in 0..operations {
            let crashed = crashed(&workload, 0, after);
            for survival in [
                Survival::Nothing,
                Survival::Everything,
                Survival::OnlyEntries,
                Survival::OnlyContent,
                Survival::Random(after),
            ] {
                let mut world = crashed.fork();
                world.model.label += &format!(", {survival:?} after {after}");
                world.crash(How::PowerCut(survival));
                world.run(&[]);
            }
        }
    }
}

#[test]
fn acked_batches_survive_a_kill_after_every_operation() {
    for workload in workloads::all() {
        for after in 0..operations(&workload, 2) {
            let crashes = [Crash { after, how: How::Kill }];
            world(&workload, 2, &crashes).run(&crashes);
        }
    }
}

/// A world that ran into a crash after so many operations. The disk waits for what the crash was.
fn crashed(workload: &Workload, seed: u64, after: u64) -> World {
    let mut world = World::new(workload, seed);
    world.disk.crash_after(Some(after));
    let end = match world.start() {
        Ok(()) => world.live(),
        Err(Stop::Crashed) => End::Crashed,
        Err(stop) => panic!("{}: {stop:?}", world.label()),
    };
    assert_eq!(end, End::Crashed, "{}", world.label());
    world.stop();
    world
}

/// How many operations the recovery of this world takes.
fn recovery_operations(world: &World) -> u64 {
    let mut recovered = world.fork();
    recovered.start().unwrap();
    recovered.disk.ops()
}

/// Crashes a workload after every operation, and each recovery after every one of its operations and a few later, in
/// these ways by turns.
fn crash_recoveries(workload: &Workload, seed: u64, first: How, second: &[How], steps_after: u64) {
    for after in 0..operations(workload, seed) {
        let mut world = crashed(workload, seed, after);
        world.crash(first);
        for again in 0..recovery_operations(&world) + steps_after {
            let how = second[(after + again) as usize % second.len()];
            let mut world = world.fork();
            world.model.label += &format!(", {first:?} after {after}, {how:?} after {again}");
            world.run(&[Crash { after: again, how }]);
        }
    }
}

#[test]
fn acked_batches_survive_a_kill_and_then_a_power_cut_in_recovery_or_soon_after() {
    let random = How::PowerCut(Survival::Random(7));
    crash_recoveries(&workloads::plain(), 3, How::Kill, &[CUT_CLEAN, random], 8);
    crash_recoveries(&workloads::tiny_segments(), 3, How::Kill, &[CUT_CLEAN], 4);
    crash_recoveries(&workloads::short_retention(), 4, How::Kill, &[CUT_CLEAN], 0);
}

#[test]
fn acked_batches_survive_a_crash_after_every_operation_of_recovery() {
    let random = How::PowerCut(Survival::Random(11));
    crash_recoveries(&workloads::plain(), 5, random, &[random, How::Kill], 0);
    crash_recoveries(&workloads::tiny_segments(), 6, CUT_CLEAN, &[random], 0);
    crash_recoveries(&workloads::short_retention(), 6, random, &[CUT_CLEAN], 0);
}

#[test]
fn acked_batches_survive_two_kills_and_then_a_power_cut() {
    for (workload, seed) in [(workloads::plain(), 7), (workloads::tiny_segments(), 7)] {
        for after in (0..operations(&workload, seed)).step_by(2) {
            let mut first = crashed(&workload, seed, after);
            first.crash(How::Kill);
            for again in 0..recovery_operations(&first) {
                let mut second = first.fork();
                second.disk.crash_after(Some(again));
                assert!(matches!(second.start(), Err(Stop::Crashed)));
                second.crash(How::Kill);
                for cut in 0..recovery_operations(&second) {
                    let mut third = second.fork();
                    third.model.label += &format!(", kill after {after} and {again}, power cut after {cut}");
                    third.disk.crash_after(Some(cut));
                    assert!(matches!(third.start(), Err(Stop::Crashed)));
                    third.crash(CUT_CLEAN);
                    let started = third.start();
                    assert!(started.is_ok(), "{}: {started:?}", third.label());
                }
            }
        }
    }
}

#[test]
fn removed_segments_may_come_back_with_a_power_cut() {
    let workload = workloads::short_retention();
    let mut removed = 0;
    for seed in 0..40 {
        let operations = operations(&workload, seed);
        for after in [operations / 2, operations * 3 / 4, operations - 2] {
            // No removal is durable before the directory is next synced.
            let crashes = [
                Crash { after, how: How::PowerCut(Survival::OnlyContent) },
                Crash { after: operations / 3, how: How::PowerCut(Survival::Random(seed)) },
            ];
            let mut world = world(&workload, seed, &crashes);
            world.run(&crashes);
            removed += world.stats.removed;
        }
    }
    assert!(removed > 100, "only {removed} segments were removed");
}
