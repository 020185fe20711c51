//! Disks that fail once, at one place: what is refused, what latches, and what is left after the restart.

use std::sync::Arc;

use log_analytics::journal::retention::{self, Retention, Round};
use log_analytics::model::Seq;
use log_analytics::outcome::{Outcome, Reason};

use crate::support::engine::Stop;
use crate::support::sim_disk::{EIO, ENOSPC, Fault, Op, Survival};
use crate::support::workloads::{self, Workload};
use crate::support::world::{End, How, World};

const CUT_CLEAN: How = How::PowerCut(Survival::Nothing);

fn fault(op: Op, path: &'static str, skip: u32, errno: i32) -> Fault {
    Fault { op, path, skip, times: 1, errno }
}

/// A world in which the n-th such operation fails; how its first process ended, unless the failure never came.
fn failing(workload: &Workload, seed: u64, faults: &[Fault]) -> Option<(World, End)> {
    let mut world = World::new(workload, seed);
    world.model.label += &format!(", {faults:?}");
    faults.iter().for_each(|fault| world.disk.fail(fault.clone()));
    let end = match world.start() {
        Ok(()) => world.live(),
        // The operation belonged to the start; then there was none.
        Err(Stop::Io(_)) => End::Latched,
        Err(stop) => panic!("{}: {stop:?}", world.label()),
    };
    (world.disk.faults_met() > 0).then_some((world, end))
}

/// The disk that a latched process leaves must be recovered rightly after every kind of crash.
fn survives_restarts(world: &mut World) {
    for hows in [
        &[How::Kill, CUT_CLEAN][..],
        &[How::Kill, How::Kill, CUT_CLEAN],
        &[How::PowerCut(Survival::Random(1)), CUT_CLEAN],
        &[How::PowerCut(Survival::OnlyContent), How::Kill],
    ] {
        world.crash(hows[0]);
        let mut next = world.fork();
        next.model.label += &format!(", {hows:?}");
        for how in &hows[1..] {
            let started = next.start();
            assert!(started.is_ok(), "{}: {started:?}", next.label());
            next.crash(*how);
        }
        next.run(&[]);
    }
}

#[test]
fn a_failed_journal_sync_latches_and_what_it_dropped_is_made_durable_or_gone_after_the_restart() {
    let mut latched = 0;
    for workload in [workloads::plain(), workloads::tiny_segments(), workloads::repeats()] {
        for skip in 0..12 {
            let Some((mut world, end)) =
                failing(&workload, u64::from(skip), &[fault(Op::SyncData, ".log", skip, EIO)])
            else {
                continue;
            };
            assert_eq!(end, End::Latched, "{}", world.label());
            latched += 1;
            survives_restarts(&mut world);
        }
    }
    assert!(latched > 10, "only {latched} syncs failed");
}

#[test]
fn a_failed_directory_sync_latches_or_ends_the_start() {
    let mut failed = 0;
    for workload in [workloads::plain(), workloads::tiny_segments(), workloads::short_retention()] {
        for dir in ["store", "journal", "aggregate-results", "customer-0"] {
            for skip in 0..8 {
                let faults = [fault(Op::SyncDir, dir, skip, EIO)];
                let Some((mut world, end)) = failing(&workload, u64::from(skip), &faults) else { continue };
                failed += 1;
                match end {
                    End::Latched => survives_restarts(&mut world),
                    // Upkeep leaves what fails for its next round.
                    _ => world.run(&[]),
                }
            }
        }
    }
    assert!(failed > 20, "only {failed} directory syncs failed");
}

#[test]
fn a_segment_is_removed_only_once_its_index_is_durable() {
    let mut failed = 0;
    for seed in 0..4 {
        for skip in 0..8 {
            let mut world = World::new(&workloads::short_retention(), seed);
            world.model.label += &format!(", directory sync {skip} of the upkeep fails");
            world.start().unwrap();
            for number in 0..world.model.batches.len() {
                world.submit(&[number]).unwrap();
            }
            world.disk.fail(fault(Op::SyncDir, "journal", skip, EIO));
            let mut now = world.now;
            for _ in 0..2 {
                assert!(world.engine().shut_down(&mut now).unwrap(), "{}", world.label());
            }
            failed += world.disk.faults_met();
            let removed = world.engine().maintained.removed;
            assert!(removed > 0, "{}", world.label());
            world.stop();
            for survival in (0..12).map(Survival::Random) {
                let mut world = world.fork();
                world.model.label += &format!(", {survival:?}");
                world.crash(How::PowerCut(survival));
                world.run(&[]);
            }
        }
    }
    assert!(failed > 10, "only {failed} syncs failed");
}

#[test]
fn a_segment_with_a_record_that_the_checkpoint_has_not_passed_is_not_removed() {
    let mut workload = workloads::tiny_segments();
    // Every group begins a segment.
    workload.options.commit.segment_bytes = 1;
    for checkpoint in 0..4 {
        let mut world = World::new(&workload, 1);
        world.start().unwrap();
        for number in 0..6 {
            assert_eq!(world.submit(&[number]).unwrap(), [Ok(Seq(number as u64 + 1))]);
        }
        // A round of an engine stays below the segment that was written to at its checkpoint. One that is told of a
        // checkpoint further back does not rely on that.
        let round = Round {
            retention: Retention { max_age_ms: 0, max_bytes: 0 },
            checkpoint: Seq(checkpoint),
            active_segment: world.engine().committer.position().active_segment,
            forgotten_through: Seq::ZERO,
            now_ms: world.now + 1,
        };
        let (disk, dir) = (world.disk.clone(), Arc::clone(&world.engine().dir));
        let done = retention::maintain(&disk, &dir, &round).unwrap();
        assert_eq!((done.removed, done.oldest), (checkpoint, Seq(checkpoint + 1)));
    }
}

#[test]
fn a_short_write_is_cut_back_before_it_is_refused() {
    let mut refused = 0;
    for workload in [workloads::plain(), workloads::tiny_segments()] {
        for skip in 0..8 {
            for (errno, survival) in [(ENOSPC, Survival::Everything), (EIO, Survival::Random(5))] {
                let seed = u64::from(skip) + 50;
                let mut world = World::new(&workload, seed);
                world.model.label += &format!(", write {skip} fails with {errno}, {survival:?}");
                world.disk.fail(fault(Op::Write, ".log", skip, errno));
                world.start().unwrap();
                let numbers: Vec<usize> = (0..world.model.batches.len()).collect();
                for number in numbers {
                    let fates = world.submit(&[number]).unwrap();
                    if fates == [Err(Outcome::Unavailable(Reason::DiskFull))] {
                        refused += 1;
                        // Refused for good: whatever survives now, the batch does not turn up.
                        world.crash(How::PowerCut(survival));
                        let started = world.start();
                        assert!(started.is_ok(), "{}: {started:?}", world.label());
                        assert_eq!(world.model.standings[number].counted, 0, "{}", world.label());
                    } else {
                        assert!(matches!(fates[..], [Ok(_)]), "{}: {fates:?}", world.label());
                    }
                }
                world.crash(How::Kill);
                world.run(&[]);
            }
        }
    }
    assert!(refused > 10, "only {refused} batches were refused");
}

#[test]
fn a_cut_back_that_fails_latches() {
    for workload in [workloads::plain(), workloads::tiny_segments()] {
        for skip in 0..5u64 {
            for cut_back in [Op::SetLen, Op::SyncData] {
                let mut world = World::new(&workload, 60 + skip);
                world.model.label += &format!(", write {skip} and {cut_back:?} fail");
                world.start().unwrap();
                for number in 0..=skip as usize {
                    if number == skip as usize {
                        world.disk.fail(fault(Op::Write, ".log", 0, ENOSPC));
                        world.disk.fail(fault(cut_back, ".log", 0, EIO));
                    }
                    let fates = world.submit(&[number]).unwrap();
                    if number == skip as usize {
                        assert_eq!(fates, [Err(Outcome::Unavailable(Reason::Latched))], "{}", world.label());
                    }
                }
                let fates = world.submit(&[0]).unwrap();
                assert_eq!(fates, [Err(Outcome::Unavailable(Reason::Latched))], "{}", world.label());
                survives_restarts(&mut world);
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_without_a_restart_when_space_returns() {
    for workload in [workloads::plain(), workloads::tiny_segments(), workloads::tiny_memory()] {
        for seed in 0..10 {
            let mut world = World::new(&workload, seed);
            world.start().unwrap();
            for number in 0..world.model.batches.len() {
                world.disk.set_full(true);
                for _ in 0..3 {
                    let fates = world.submit(&[number]).unwrap();
                    assert!(
                        matches!(fates[..], [Err(Outcome::Unavailable(_))]),
                        "{}: {fates:?}",
                        world.label()
                    );
                    // Windows cannot be written either, and are not lost.
                    world.now += 2_000;
                    let now = world.now;
                    for worker in 0..world.engine().partitions() {
                        world.engine().turn(worker, usize::MAX, true, now).unwrap();
                    }
                }
                world.disk.set_full(false);
                world.now += 2_000;
                let now = world.now;
                for worker in 0..world.engine().partitions() {
                    world.engine().turn(worker, usize::MAX, true, now).unwrap();
                }
                let fates = world.submit(&[number]).unwrap();
                let taken = matches!(fates[..], [Ok(_) | Err(Outcome::Conflict)]);
                assert!(taken, "{}: {fates:?}", world.label());
            }
            assert_eq!(world.live(), End::Done, "{}", world.label());
            assert_eq!(world.starts, 1);
        }
    }
}

#[test]
fn below_the_least_free_space_nothing_is_taken_and_windows_are_still_written() {
    let mut world = World::new(&workloads::plain(), 1);
    world.start().unwrap();
    world.submit(&[0]).unwrap();
    world.disk.set_free_bytes(1000);
    assert_eq!(world.submit(&[1]).unwrap(), [Err(Outcome::Unavailable(Reason::DiskFull))]);
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
    world.disk.set_free_bytes(u64::MAX);
    assert_eq!(world.live(), End::Done);
    world.run(&[]);
}

#[test]
fn week_07_a_disk_without_inodes_is_as_full_as_one_without_bytes() {
    let mut world = World::new(&workloads::plain(), 1);
    world.start().unwrap();
    world.submit(&[0]).unwrap();
    world.disk.set_free_inodes(999);
    assert_eq!(world.submit(&[1]).unwrap(), [Err(Outcome::Unavailable(Reason::DiskFull))]);
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
    world.disk.set_free_inodes(1_000);
    assert_eq!(world.live(), End::Done);
    world.run(&[]);
}

#[test]
fn windows_that_cannot_be_written_hold_the_checkpoint_and_are_tried_again() {
    for (op, path) in
        [(Op::Write, "tmp"), (Op::SyncData, "tmp"), (Op::Rename, "json"), (Op::CreateDir, "customer")]
    {
        for seed in 0..6 {
            let mut world = World::new(&workloads::plain(), seed);
            world.model.label += &format!(", {op:?} {path} fails");
            world.start().unwrap();
            world.disk.fail(Fault { times: 4, ..fault(op, path, 0, EIO) });
            let mut next = 0;
            while world.disk.faults_met() < 4 {
                if next < world.model.batches.len() {
                    world.submit(&[next]).unwrap();
                    next += 1;
                }
                let checkpoints = world.engine().checkpoints;
                let met = world.disk.faults_met();
                // A marker from before may be done with: what fails now may have become dirty after it.
                let begun = {
                    let now = world.now;
                    world.engine().begin_checkpoint(now)
                };
                world.now += 1_000;
                let now = world.now;
                for worker in 0..world.engine().partitions() {
                    world.engine().turn(worker, usize::MAX, true, now).unwrap();
                }
                world.engine().finish_checkpoint(now).unwrap();
                let failed = world.disk.faults_met() > met;
                let moved = world.engine().checkpoints > checkpoints;
                assert!(!(begun && failed && moved), "{}", world.label());
            }
            assert_eq!(world.live(), End::Done, "{}", world.label());
            assert_eq!(world.starts, 1, "{}", world.label());
            world.crash(CUT_CLEAN);
            world.run(&[]);
        }
    }
}

/// Everything the workers have to do, and what is left to write tried again for so many seconds.
fn work_for(world: &mut World, seconds: u64) {
    for _ in 0..seconds {
        world.now += 1_000;
        let now = world.now;
        for worker in 0..world.engine().partitions() {
            world.engine().turn(worker, usize::MAX, true, now).unwrap();
        }
    }
}

#[test]
fn a_journal_that_no_checkpoint_follows_takes_nothing_more_until_one_does() {
    for workload in [workloads::plain(), workloads::tiny_segments()] {
        let mut workload = workload;
        workload.options.commit.max_uncheckpointed_bytes = 1_500;
        let mut world = World::new(&workload, 3);
        world.start().unwrap();
        let mut refused = None;
        for number in 0..world.model.batches.len() {
            let waiting = world.engine().committer.position().bytes;
            let fates = world.submit(&[number]).unwrap();
            if waiting > 1_500 {
                assert_eq!(fates, [Err(Outcome::Unavailable(Reason::Backlog))], "{}", world.label());
                refused = Some(number);
                break;
            }
            assert!(matches!(fates[..], [Ok(_)]), "{}: {fates:?}", world.label());
        }
        let refused = refused.expect("the batches are more than the limit");
        // What is known already is still said.
        assert_eq!(world.submit(&[0]).unwrap(), [Err(Outcome::Duplicate)], "{}", world.label());
        let mut now = world.now;
        assert!(world.engine().shut_down(&mut now).unwrap());
        let fates = world.submit(&[refused]).unwrap();
        assert!(matches!(fates[..], [Ok(_)]), "{}: {fates:?}", world.label());
        assert_eq!(world.live(), End::Done);
        world.crash(CUT_CLEAN);
        world.run(&[]);
    }
}

#[test]
fn windows_that_fill_the_memory_and_cannot_be_written_refuse_batches_until_they_are() {
    let mut workload = workloads::tiny_memory();
    workload.partitions = &[1];
    workload.traffic.batches = 8;
    let mut world = World::new(&workload, 3);
    world.start().unwrap();
    // As many as are met before the refusal, and a few more.
    world.disk.fail(Fault { times: 12, ..fault(Op::SyncData, "tmp", 0, EIO) });
    let mut refused = None;
    for number in 0..world.model.batches.len() {
        let fates = world.submit(&[number]).unwrap();
        if fates == [Err(Outcome::Unavailable(Reason::Backlog))] {
            refused = Some(number);
            break;
        }
        assert!(matches!(fates[..], [Ok(_)]), "{}: {fates:?}", world.label());
        work_for(&mut world, 1);
    }
    assert!((1..12).contains(&world.disk.faults_met()), "{} faults", world.disk.faults_met());
    let refused = refused.expect("no batch was refused though no window was written");
    work_for(&mut world, 30);
    assert_eq!(world.disk.faults_met(), 12);
    let fates = world.submit(&[refused]).unwrap();
    assert!(matches!(fates[..], [Ok(_)]), "{}: {fates:?}", world.label());
    assert_eq!(world.live(), End::Done);
    assert_eq!(world.starts, 1);
    world.crash(CUT_CLEAN);
    world.run(&[]);
}

#[test]
fn a_new_segment_whose_name_could_not_be_synced_takes_nothing() {
    let mut world = World::new(&workloads::tiny_segments(), 2);
    world.start().unwrap();
    let mut next = 0;
    while world.engine().committer.position().bytes < 600 {
        assert!(matches!(world.submit(&[next]).unwrap()[..], [Ok(_)]));
        next += 1;
    }
    world.disk.fail(fault(Op::SyncDir, "journal", 0, EIO));
    for number in [next, next, 0] {
        assert_eq!(
            world.submit(&[number]).unwrap(),
            [Err(Outcome::Unavailable(Reason::Latched))],
            "{number}"
        );
    }
    assert_eq!(world.disk.faults_met(), 1);
    survives_restarts(&mut world);
}

#[test]
fn no_checkpoint_follows_a_window_directory_that_could_not_be_synced_once() {
    for path in ["aggregate-results/", "aggregate-results"] {
        let mut world = World::new(&workloads::plain(), 2);
        world.start().unwrap();
        world.submit(&[0]).unwrap();
        world.disk.fail(fault(Op::SyncDir, path, 0, EIO));
        let mut now = world.now;
        assert!(!world.engine().shut_down(&mut now).unwrap(), "{path}");
        assert!(world.engine().latch.is_closed());
        // A second sync would succeed now, but it would prove nothing about the dropped pages.
        work_for(&mut world, 10);
        let now = world.now;
        assert!(!world.engine().finish_checkpoint(now).unwrap(), "{path}");
        assert_eq!((world.disk.faults_met(), world.engine().checkpoints), (1, 0), "{path}");
        survives_restarts(&mut world);
    }
}

#[test]
fn a_clock_that_goes_back_behind_an_empty_segment_does_not_turn_back_times_of_receipt() {
    let mut world = World::new(&workloads::tiny_segments(), 2);
    world.start().unwrap();
    while world.engine().committer.position().bytes < 600 {
        let number = world.engine().committer.position().through.0 as usize;
        assert!(matches!(world.submit(&[number]).unwrap()[..], [Ok(_)]));
    }
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
    // The next segment is begun and stays empty; the checkpoint has passed all before it.
    world.disk.fail(fault(Op::Write, ".log", 0, ENOSPC));
    let number = world.engine().committer.position().through.0 as usize;
    assert_eq!(world.submit(&[number]).unwrap(), [Err(Outcome::Unavailable(Reason::DiskFull))]);
    assert_eq!(world.engine().committer.position().active_segment.0, number as u64 + 1);
    world.crash(How::Kill);
    world.now -= 86_400_000;
    // Looks at all times at its end.
    world.run(&[]);
}
