//! The promise, under every crash a small machine can have: a batch answered 202 is counted exactly once.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]

mod support;

use support::sim_disk::Survival;
use support::workloads::{self, Workload};
use support::world::{Crash, How, World};

/// How many operations a run without crashes takes.
fn operations(workload: &Workload, seed: u64) -> u64 {
    let mut world = World::new(workload, seed);
    world.start().unwrap();
    assert_eq!(world.live(), support::world::End::Done);
    world.disk.ops()
}

#[test]
fn acked_batches_survive_a_power_cut_after_every_operation() {
    for workload in workloads::all() {
        for seed in 0..2 {
            let operations = operations(&workload, seed);
            println!("workload {}, seed {seed}: {operations} operations", workload.name);
            for after in 0..operations {
                for survival in [
                    Survival::Nothing,
                    Survival::Everything,
                    Survival::Random(after),
                    Survival::Random(!after),
                ] {
                    let mut world = World::new(&workload, seed);
                    world.model.label += &format!(", power cut after {after}, {survival:?}");
                    world.run(&[Crash { after, how: How::PowerCut(survival) }]);
                }
            }
        }
    }
}
