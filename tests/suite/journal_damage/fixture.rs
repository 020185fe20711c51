//! A data directory to damage: six batches in three segments of two, and the outcomes that a start may have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log_analytics::base::disk::Disk;
use log_analytics::data_dir::DataDir;
use log_analytics::journal::start_error::StartError;
use log_analytics::model::Seq;
use log_analytics::offline::verify::{VerifyReport, verify};

use crate::support::engine::{ROOT, Stop};
use crate::support::sim_disk::Survival;
use crate::support::workloads::{self, Workload};
use crate::support::world::{How, World};

/// The state of the directory when the engine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// The power went before any window was written or checkpoint made.
    NothingWritten,
    /// The power went after every minute window was written, before any checkpoint.
    WindowsWritten,
    /// A checkpoint after record 3; the later windows were not written.
    HalfCheckpointed,
    /// A clean stop: the checkpoint is at record 6.
    Stopped,
}

pub(crate) const ALL_BEFORE: [Before; 4] =
    [Before::NothingWritten, Before::WindowsWritten, Before::HalfCheckpointed, Before::Stopped];

fn workload() -> Workload {
    let mut workload = Workload { name: "damage", partitions: &[2], ..workloads::plain() };
    workload.traffic.keyless_percent = 0;
    workload.traffic.late_percent = 0;
    workload.traffic.batches = 8;
    workload.traffic.customers = 1;
    workload.traffic.body_bytes = 400;
    workload
}

/// The directory, the six records in it known to the model as acknowledged. Batches 6 and 7 are not sent yet.
pub(crate) fn fixture(before: Before) -> World {
    fixture_of(&workload(), before)
}

/// The same with segments removed as soon as they may be.
pub(crate) fn fixture_with_retention(before: Before) -> World {
    let mut workload = workload();
    workload.options.kept_for.journal.max_bytes = 0;
    fixture_of(&workload, before)
}

fn fixture_of(workload: &Workload, before: Before) -> World {
    let mut workload = workload.clone();
    // A segment is full once it holds two records.
    workload.options.commit.segment_bytes = 500;
    let mut world = World::new(&workload, 4);
    world.model.label = format!("{before:?}");
    world.start().unwrap();
    for number in 0..6 {
        // Each batch is a group of its own, so each record proves the one before it.
        assert_eq!(world.submit(&[number]).unwrap(), [Ok(Seq(number as u64 + 1))]);
        if number == 2 && before == Before::HalfCheckpointed || number == 5 && before == Before::Stopped {
            let mut now = world.now;
            assert!(world.engine().shut_down(&mut now).unwrap());
            world.now = now;
        }
    }
    if before == Before::WindowsWritten {
        for _ in 0..20 {
            world.now += 1_000;
            let now = world.now;
            for worker in 0..world.engine().partitions() {
                world.engine().turn(worker, usize::MAX, true, now).unwrap();
            }
        }
    }
    world.crash(How::PowerCut(Survival::Everything));
    if workload.options.kept_for.journal.max_bytes > 0 {
        assert_eq!(segment_firsts(&world), [1, 3, 5], "two records to a segment");
    }
    world
}

/// The first records of the segments there are.
pub(crate) fn segment_firsts(world: &World) -> Vec<u64> {
    let names = world.disk.list(&DataDir::new(ROOT).journal()).unwrap();
    names.iter().filter_map(|entry| entry.name.strip_suffix(".log")?.parse().ok()).collect()
}

pub(crate) fn log(first: u64) -> PathBuf {
    DataDir::new(ROOT).segment(Seq(first))
}

pub(crate) fn idx(first: u64) -> PathBuf {
    DataDir::new(ROOT).index(Seq(first))
}

pub(crate) fn read(world: &World, path: &Path) -> Vec<u8> {
    world.disk.read(path).unwrap()
}

/// Where the records of a segment begin, and where the last ends.
pub(crate) fn offsets(bytes: &[u8]) -> Vec<usize> {
    let mut offsets = vec![0];
    let length = |at: usize| u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    while offsets[offsets.len() - 1] < bytes.len() {
        let at = offsets[offsets.len() - 1];
        offsets.push(at + length(at));
    }
    offsets
}

/// The outcome of a cell of the matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every batch is counted once, nothing was cut.
    Exact,
    /// A tail was cut off. The batches of these records are gone, as if never answered; the rest is exact.
    Cut(Vec<u64>),
    /// The tail was empty or zeros; else as [`Outcome::Cut`].
    Lost(Vec<u64>),
    /// Refused: damage in this segment at this offset.
    Damage(u64, u64),
    /// Refused: these records are missing.
    Gap(u64, u64),
    /// Refused: the journal ends here, before the checkpoint.
    Behind(u64),
    /// Refused: a window holds more than the journal.
    Ahead,
    /// Refused: the checkpoint is damaged, or the windows are alone.
    NoJournal,
    /// Refused: the sums are as of this record, and the journal begins behind it.
    LedgerBehind(u64),
    /// Refused: windows do not hold what was counted.
    Unequal,
    /// Refused: the secret is lost.
    NoSecret,
    /// Refused: the secret is another one.
    WrongSecret,
    /// Refused: this file is of another version.
    OtherVersion(String, u64),
}

/// Starts the engine and returns the outcome. A refusal must change nothing on disk and name the file.
pub(crate) fn outcome(world: &mut World) -> Outcome {
    let lost_before: Vec<u64> = world.model.standings.iter().map(|standing| standing.counted).collect();
    // The caller decides what damage may take away: here the model allows every batch to be there or not.
    for standing in &mut world.model.standings {
        standing.unsettled += standing.counted;
        standing.counted = 0;
    }
    let before = snapshot(world);
    match world.start() {
        Ok(()) => {
            // The numbers of lost records are given again.
            world.model.last_seq = world.engine().report.end;
            let lost: Vec<u64> = (0..6)
                .filter(|number| world.model.standings[*number].counted < lost_before[*number])
                .map(|number| number as u64 + 1)
                .collect();
            match world.engine().report.torn_bytes {
                Some(_) => Outcome::Cut(lost),
                None if lost.is_empty() => Outcome::Exact,
                None => Outcome::Lost(lost),
            }
        }
        Err(Stop::Refused(error)) => {
            let says_what_to_do =
                ["repair --accept-lost-journal", "repair --accept-lost-windows", "another --data-dir"]
                    .iter()
                    .any(|remedy| error.to_string().contains(remedy));
            assert!(says_what_to_do, "{error}");
            // A proof comes after the replay, which writes windows.
            if !matches!(error, StartError::UnequalSums(_)) {
                assert_eq!(snapshot(world), before, "a refused start changes nothing");
            }
            match error {
                StartError::Damage { file, offset, .. } => {
                    let text = file.to_string_lossy().into_owned();
                    let name = file.file_stem().unwrap().to_str().unwrap();
                    assert!(text.starts_with(ROOT), "{text}");
                    Outcome::Damage(name.parse().unwrap(), offset)
                }
                StartError::Gap { from, to } => Outcome::Gap(from.0, to.0),
                StartError::BehindCheckpoint { end, .. } => Outcome::Behind(end.0),
                StartError::WindowAhead { .. } => Outcome::Ahead,
                StartError::WindowsWithoutJournal | StartError::CheckpointDamaged => Outcome::NoJournal,
                StartError::LedgerBehind { ledger, .. } => Outcome::LedgerBehind(ledger.0),
                StartError::UnequalSums(_) => Outcome::Unequal,
                StartError::SecretLost(_) => Outcome::NoSecret,
                StartError::WrongSecret(_) => Outcome::WrongSecret,
                StartError::OtherVersion { file, version } => {
                    Outcome::OtherVersion(file.file_name().unwrap().to_str().unwrap().into(), version)
                }
                StartError::Io(error) => panic!("{}: {error}", world.label()),
            }
        }
        Err(Stop::Fatal(text)) if text.contains("journal files were lost") => Outcome::Ahead,
        Err(stop) => panic!("{}: {stop:?}", world.label()),
    }
}

/// After a successful start: all clients retry, then every count is exact and `verify` finds nothing wrong.
pub(crate) fn goes_on(world: &mut World) {
    assert_eq!(world.live(), crate::support::world::End::Done, "{}", world.label());
    world.crash(How::PowerCut(Survival::Nothing));
    world.run(&[]);
}

/// All files, without temporary ones.
fn snapshot(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let dir = DataDir::new(ROOT);
    let mut dirs = vec![dir.root().to_owned(), dir.journal(), dir.windows()];
    while let Some(path) = dirs.pop() {
        for entry in world.disk.list(&path).unwrap() {
            let path = path.join(&entry.name);
            match entry.is_dir {
                true if path.starts_with(dir.windows()) => dirs.push(path),
                true => {}
                false => {
                    files.insert(path.clone(), read(world, &path));
                }
            }
        }
    }
    files
}

/// Runs `verify` on the directory as it is.
pub(crate) fn verified(world: &World) -> VerifyReport {
    verify(&world.disk, &DataDir::new(ROOT), &world.verify_options(), &mut |_, _| {}).unwrap()
}
