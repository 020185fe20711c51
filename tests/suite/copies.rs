//! Copies of a data directory, made while its server writes: by `backup`, which must always be whole, and file by file in
//! any order, which may be refused and must never be wrong without a word.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_analytics::base::disk::Disk;
use log_analytics::data_dir::DataDir;
use log_analytics::journal::start_error::StartError;
use log_analytics::model::Seq;
use log_analytics::offline::backup::{BackedUp, backup};
use log_analytics::offline::repair::{Accept, repair};
use log_analytics::offline::verify::{VerifyReport, verify};

use crate::support::engine::{ROOT, Stop};
use crate::support::rng::Rng;
use crate::support::sim_disk::{SimDisk, Survival};
use crate::support::workloads::{self, Workload};
use crate::support::world::{How, World};

/// Where a copy is made.
const COPY: &str = "/srv/copy";

/// What a seed makes up, without failures of the disk; where keys may be forgotten, without two batches of one key.
fn workload(rng: &mut Rng, may_forget_keys: bool) -> Workload {
    let mut workload = workloads::random(rng);
    while workload.blurred || may_forget_keys && workload.traffic.twin_percent > 0 {
        workload = workloads::random(rng);
    }
    workload.checkpoint_percent = workload.checkpoint_percent.max(5);
    workload
}

/// A world that has worked for a while.
fn begun(rng: &mut Rng, label: String, may_forget_keys: bool) -> World {
    let workload = workload(rng, may_forget_keys);
    let mut world = World::new(&workload, rng.next());
    world.model.label = label;
    world.start().unwrap();
    world.steps(rng.between(1, 60)).unwrap();
    world
}

/// All files of the data directory that are copied: not its locks.
fn files(disk: &SimDisk) -> Vec<PathBuf> {
    let dir = DataDir::new(ROOT);
    let mut files = vec![dir.secret_file(), dir.checkpoint(), dir.customers()];
    let mut dirs = vec![dir.journal(), dir.windows()];
    while let Some(path) = dirs.pop() {
        for entry in disk.list(&path).unwrap() {
            if entry.is_dir { dirs.push(path.join(entry.name)) } else { files.push(path.join(entry.name)) }
        }
    }
    files
}

/// Puts a file at its place on another disk, with the directories above it.
fn put(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.pop();
    for dir in above.iter().rev() {
        disk.create_dir(dir).unwrap();
    }
    disk.put(path, bytes);
}

/// Copies file by file while the world works on; `order` says which comes next. Files that were removed are left out.
fn copy_file_by_file(world: &mut World, rng: &mut Rng, sorted: bool) -> SimDisk {
    let copy = SimDisk::new(rng.next());
    let mut left = files(&world.disk);
    let pause = rng.pick(&[0, 1, 3, 10]);
    while !left.is_empty() {
        let next = if sorted { 0 } else { rng.index(left.len()) };
        let path = left.remove(next);
        if let Ok(bytes) = world.disk.read(&path) {
            put(&copy, &path, &bytes);
        }
        world.steps(rng.below(pause + 1)).unwrap();
    }
    for dir in [DataDir::new(ROOT).journal(), DataDir::new(ROOT).windows()] {
        put(&copy, &dir.join("x"), b"");
        copy.delete(&dir.join("x"));
    }
    copy.sync_all();
    copy.restart_count();
    copy
}

/// The world that goes on from a copy: its clients may find every batch counted or not.
fn world_of(world: &World, copy: SimDisk) -> World {
    let mut moved = world.moved_to(copy);
    // It may be of the time before.
    moved.deleted.clear();
    for standing in &mut moved.model.standings {
        standing.unsettled += standing.counted + standing.erased;
        if standing.erased > 0 {
            // It may be another record that counts there.
            standing.seq = None;
        }
        (standing.counted, standing.erased) = (0, 0);
        // What it conflicted with may not be in the copy.
        standing.conflict = false;
    }
    moved
}

/// Starts from a copy. Where that comes about every batch up to the end of the copied journal is counted once, in every
/// window, and the clients go on to the end; returns the last record of the copy.
fn start_copy(original: &World, mut copy: World) -> Result<Seq, StartError> {
    match copy.start() {
        Ok(()) => {}
        Err(Stop::Refused(error)) => return Err(error),
        Err(stop) => panic!("{}: {stop:?}", copy.label()),
    }
    let end = copy.engine().report.end;
    for (number, standing) in original.model.standings.iter().enumerate() {
        let counted = copy.model.standings[number].counted;
        match standing.seq {
            Some(seq) if standing.erased == 0 || seq <= end => {
                assert_eq!(counted, u64::from(seq <= end), "{}: batch {number}, record {seq}", copy.label());
            }
            Some(_) => {}
            // Nothing of a customer is left in a copy that holds its deletion.
            None if standing.counted == 0 && standing.erased > 0 => {
                let deleted = original.deleted[&original.model.batches[number].customer];
                assert!(counted == 0 || deleted > end, "{}: batch {number} was deleted", copy.label());
            }
            None => {}
        }
    }
    // The records behind it are given again.
    copy.model.last_seq = end;
    copy.run_on();
    Ok(end)
}

#[test]
fn week_01_no_copy_file_by_file_starts_with_wrong_counts() {
    let (mut started, mut refused) = (0, 0);
    for seed in 0..400 {
        let mut rng = Rng::new(seed);
        let mut world = begun(&mut rng, format!("copy, seed {seed}"), true);
        let sorted = rng.percent(30);
        let copy = copy_file_by_file(&mut world, &mut rng, sorted);
        world.stop();
        let mut moved = world_of(&world, copy.fork());
        moved.may_forget_keys = true;
        match start_copy(&world, moved) {
            Ok(_) => started += 1,
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains("repair --accept-lost"), "{}: {text}", world.label());
                repaired(&world, &copy);
            }
        }
    }
    println!("{started} copies started, {refused} were refused");
    assert!(started > 20 && refused > 20, "{started} copies started, {refused} were refused");
}

/// With both losses accepted a refused copy starts, and `verify` finds nothing but windows that say that they lost counts.
fn repaired(world: &World, copy: &SimDisk) {
    let dir = Arc::new(DataDir::new(ROOT));
    let accept = Accept { lost_journal: true, lost_windows: true };
    let limits = world.workload.options.worker;
    let repaired = repair(&copy.shared(), &dir, limits, accept, world.now);
    assert!(repaired.is_ok(), "{}: {repaired:?}", world.label());
    let mut moved = world_of(world, copy.clone());
    moved.start_blind().unwrap();
    moved.stop();
    let report = verify(copy, &dir, &world.verify_options(), &mut |_, _| {}).unwrap();
    assert!(report.problems.iter().all(|problem| !is_sum(&problem.what)), "{}: {report:?}", world.label());
}

#[test]
fn week_01_windows_copied_before_the_checkpoint_are_replayed_or_the_copy_is_refused() {
    for (retention_bytes, wanted) in [(1 << 40, true), (0, false)] {
        let mut workload = workloads::tiny_segments();
        workload.options.kept_for.journal.max_bytes = retention_bytes;
        workload.traffic.batches = 12;
        workload.checkpoint_percent = 0;
        let mut world = World::new(&workload, 11);
        world.start().unwrap();
        let copy = SimDisk::new(1);
        let checkpoint = |world: &mut World| {
            let mut now = world.now;
            assert!(world.engine().shut_down(&mut now).unwrap());
        };
        world.submit(&[0, 1, 2]).unwrap();
        checkpoint(&mut world);
        let dir = DataDir::new(ROOT);
        let windows = |path: &PathBuf| path.starts_with(dir.windows());
        for path in files(&world.disk).into_iter().filter(windows) {
            put(&copy, &path, &world.disk.read(&path).unwrap());
        }
        for number in 3..9 {
            world.submit(&[number]).unwrap();
        }
        checkpoint(&mut world);
        for path in files(&world.disk).into_iter().filter(|path| !windows(path)) {
            put(&copy, &path, &world.disk.read(&path).unwrap());
        }
        copy.sync_all();
        world.stop();
        let outcome = start_copy(&world, world_of(&world, copy));
        match (outcome, wanted) {
            (Ok(end), true) => assert_eq!(end, Seq(9)),
            (Err(StartError::UnequalSums(sums)), false) => {
                assert!(sums.iter().all(|sum| sum.in_windows < sum.counted), "{sums:?}");
            }
            (outcome, _) => panic!("retention of {retention_bytes} bytes: {outcome:?}"),
        }
    }
}

#[test]
fn windows_put_back_in_place_are_not_proven_by_a_start_but_by_verify() {
    assert!(!windows_put_back(&workloads::plain()).is_clean());
    // Where the journal does not reach back to what they lack, the sums tell it.
    let mut workload = workloads::tiny_segments();
    workload.options.kept_for.journal.max_bytes = 0;
    workload.checkpoint_percent = 0;
    let report = windows_put_back(&workload);
    assert!(report.problems.iter().any(|problem| is_sum(&problem.what)), "{report:?}");
}

/// Whether a problem is that windows hold less than what was counted.
fn is_sum(problem: &str) -> bool {
    problem.contains("requests") && problem.contains("than")
}

/// What `verify` says of a directory whose windows are those of an earlier checkpoint.
fn windows_put_back(workload: &Workload) -> VerifyReport {
    let mut world = World::new(workload, 3);
    world.start().unwrap();
    world.submit(&[0]).unwrap();
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
    let dir = DataDir::new(ROOT);
    let old: Vec<(PathBuf, Vec<u8>)> = files(&world.disk)
        .into_iter()
        .filter(|path| path.starts_with(dir.windows()))
        .map(|path| (path.clone(), world.disk.read(&path).unwrap()))
        .collect();
    for number in 1..6 {
        world.submit(&[number]).unwrap();
    }
    assert!(world.engine().shut_down(&mut now).unwrap());
    world.crash(How::Kill);
    let verified = |world: &World| {
        verify(&world.disk, &DataDir::new(ROOT), &world.verify_options(), &mut |_, _| {}).unwrap()
    };
    assert!(verified(&world).is_clean());
    let changed = old.iter().filter(|(path, bytes)| world.disk.read(path).unwrap() != *bytes).count();
    assert!(changed > 0, "no window changed");
    old.iter().for_each(|(path, bytes)| world.disk.put(path, bytes));
    verified(&world)
}

#[test]
fn a_backup_ends_with_the_last_whole_record() {
    let mut workload = workloads::plain();
    workload.checkpoint_percent = 0;
    let mut world = World::new(&workload, 5);
    world.start().unwrap();
    for number in 0..4 {
        world.submit(&[number]).unwrap();
    }
    world.crash(How::Kill);
    let dir = DataDir::new(ROOT);
    let segment = files(&world.disk).into_iter().find(|path| path.starts_with(dir.journal())).unwrap();
    let bytes = world.disk.read(&segment).unwrap();
    // As it looks while a record is being written.
    world.disk.put(&segment, &bytes[..bytes.len() - 10]);
    let done = backup(&world.disk, &dir, Path::new(COPY), &mut |_| {}).unwrap();
    assert_eq!(done.through, Seq(3));
    let copied = world.disk.read(&DataDir::new(COPY).segment(Seq(1))).unwrap();
    assert!(copied.len() < bytes.len() - 10 && bytes.starts_with(&copied));
}

/// Backs a running world up, and lets it work on between files. Returns what was copied, and the last record before.
fn back_up(world: &mut World, rng: &mut Rng) -> (BackedUp, Seq) {
    let (disk, dir) = (world.disk.clone(), DataDir::new(ROOT));
    let before = world.engine().committer.position().through;
    let pause = rng.pick(&[0, 1, 3, 10]);
    world.engine().holds_removals = true;
    let done = backup(&disk, &dir, Path::new(COPY), &mut |_| world.steps(rng.below(pause + 1)).unwrap());
    world.engine().holds_removals = false;
    let done = done.unwrap_or_else(|error| panic!("{}: {error}", world.label()));
    (done, before)
}

/// The disk on which the copy has taken the place of the data directory, after the power went.
fn restored(world: &World) -> SimDisk {
    let disk = world.disk.fork();
    disk.power_cut(Survival::Nothing);
    disk.rename(Path::new(ROOT), Path::new("/srv/old")).unwrap();
    disk.rename(Path::new(COPY), Path::new(ROOT)).unwrap();
    disk.sync_all();
    disk.restart_count();
    disk
}

#[test]
fn a_backup_under_load_holds_every_batch_answered_before_it_and_starts() {
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let mut world = begun(&mut rng, format!("backup, seed {seed}"), false);
        let (done, before) = back_up(&mut world, &mut rng);
        assert!(done.through >= before, "{}: {done:?}", world.label());
        world.stop();
        let disk = restored(&world);
        let report = verify(&disk, &DataDir::new(ROOT), &world.verify_options(), &mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{}: {report:?}", world.label());
        assert!(report.notes.iter().any(|note| note.contains("this directory is a copy")), "{report:?}");
        let end = start_copy(&world, world_of(&world, disk));
        assert!(matches!(end, Ok(end) if end >= before), "{}: {end:?}", world.label());
    }
}

#[test]
fn a_backup_that_was_interrupted_leaves_nothing_under_its_name() {
    for crash_after in 0..60 {
        let mut rng = Rng::new(crash_after);
        let mut world = World::new(&workloads::tiny_segments(), 5);
        world.start().unwrap();
        world.submit(&[0, 1, 2]).unwrap();
        world.disk.crash_after(Some(world.disk.ops() + crash_after));
        let dir = DataDir::new(ROOT);
        let done = backup(&world.disk, &dir, Path::new(COPY), &mut |_| {});
        world.crash(How::PowerCut(rng.pick(&[
            Survival::Nothing,
            Survival::OnlyEntries,
            Survival::Everything,
        ])));
        if world.disk.identity(Path::new(COPY)).is_err() {
            assert!(done.is_err(), "{crash_after}: it said that it was done");
            continue;
        }
        // The crash came after the rename: then all of it is there.
        let disk = restored(&world);
        assert_eq!(start_copy(&world, world_of(&world, disk)).unwrap(), Seq(3), "{crash_after}");
    }
}

#[test]
fn a_backup_of_damaged_or_foreign_data_is_refused() {
    let mut world = World::new(&workloads::tiny_segments(), 5);
    world.start().unwrap();
    for number in 0..4 {
        world.submit(&[number]).unwrap();
    }
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
    world.submit(&[4, 5]).unwrap();
    world.stop();
    world.disk.kill();
    let dir = DataDir::new(ROOT);
    let back_up = |world: &World| backup(&world.disk, &DataDir::new(ROOT), Path::new(COPY), &mut |_| {});

    let mut foreign = world.fork();
    foreign.disk.put(&dir.secret_file(), &[7; 16]);
    assert!(matches!(back_up(&foreign), Err(StartError::WrongSecret(_))));
    foreign.stop();
    let lost = world.fork();
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "log");
    let last = files(&lost.disk).into_iter().filter(is_segment).max().unwrap();
    lost.disk.delete(&last);
    assert!(matches!(
        back_up(&lost),
        Err(StartError::BehindCheckpoint { .. } | StartError::WindowAhead { .. })
    ));
    assert!(back_up(&world).is_ok());
    // The name is taken now, and so is that of one that did not finish.
    assert!(back_up(&world).is_err());
}
