//! The files beside the journal: `.idx`, `checkpoint.json`, `secret`.

use std::path::{Path, PathBuf};

use log_analytics::base::disk::Disk;
use log_analytics::base::sealed::seal_json;
use log_analytics::data_dir::DataDir;
use log_analytics::journal::checkpoint::Checkpoint;
use log_analytics::journal::ledger::{CountedSince, Ledger};
use log_analytics::journal::stored::Unproven;
use log_analytics::model::Seq;
use log_analytics::offline::verify::verify;

use super::fixture::{
    ALL_BEFORE, Before, Outcome, fixture, fixture_with_retention, goes_on, idx, log, outcome, read,
    segment_firsts,
};
use crate::support::engine::ROOT;
use crate::support::world::World;

/// Every way to damage one small file.
fn damages(bytes: &[u8]) -> Vec<(String, Option<Vec<u8>>)> {
    let mut damages: Vec<(String, Option<Vec<u8>>)> = vec![("deleted".into(), None)];
    for at in (0..bytes.len()).step_by(5).chain([bytes.len() - 1]) {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x10;
        damages.push((format!("byte {at} flipped"), Some(flipped)));
        damages.push((format!("cut at {at}"), Some(bytes[..at].to_vec())));
    }
    damages.push(("zeroed".into(), Some(vec![0; bytes.len()])));
    damages.push(("written twice".into(), Some([bytes, bytes].concat())));
    damages
}

fn damage(world: &mut World, path: &Path, what: &str, content: Option<&[u8]>) {
    let name = path.file_name().unwrap().to_str().unwrap();
    world.model.label += &format!(": {name} {what}");
    match content {
        Some(bytes) => world.disk.put(path, bytes),
        None => world.disk.delete(path),
    }
}

fn checkpoint() -> PathBuf {
    DataDir::new(ROOT).checkpoint()
}

fn customers() -> PathBuf {
    DataDir::new(ROOT).customers()
}

fn secret() -> PathBuf {
    DataDir::new(ROOT).root().join("secret")
}

#[test]
fn a_damaged_index_is_made_again_from_its_segment() {
    let bytes = read(&fixture(Before::Stopped), &idx(1));
    for first in [1, 3] {
        for (what, content) in damages(&bytes) {
            let mut world = fixture(Before::Stopped);
            damage(&mut world, &idx(first), &what, content.as_deref());
            // The start asks for every batch again, and every one is known.
            assert_eq!(outcome(&mut world), Outcome::Exact, "{}", world.label());
            goes_on(&mut world);
        }
    }
}

#[test]
fn exchanged_indices_are_made_again() {
    let mut world = fixture(Before::Stopped);
    let (one, other) = (read(&world, &idx(1)), read(&world, &idx(3)));
    world.disk.put(&idx(1), &other);
    world.disk.put(&idx(3), &one);
    assert_eq!(outcome(&mut world), Outcome::Exact);
    goes_on(&mut world);
}

#[test]
fn where_index_and_segment_are_gone_the_horizon_says_so() {
    let whole = fixture_with_retention(Before::Stopped);
    assert_eq!(segment_firsts(&whole), [5], "the others were removed");
    let bytes = read(&whole, &idx(1));
    for (first, horizon) in [(1, 2), (3, 4)] {
        for (what, content) in damages(&bytes) {
            let mut world = fixture_with_retention(Before::Stopped);
            damage(&mut world, &idx(first), &what, content.as_deref());
            // Fewer keys than batches: the start may then know less than all.
            world.workload.options.dedup_keys = 7;
            world.start().unwrap();
            assert_eq!(world.engine().horizon(), Seq(horizon), "{}", world.label());
            goes_on(&mut world);
        }
    }
}

#[test]
fn without_a_good_checkpoint_everything_is_replayed_and_nothing_counts_twice() {
    for before in [Before::HalfCheckpointed, Before::Stopped] {
        let bytes = read(&fixture(before), &checkpoint());
        for (what, content) in damages(&bytes) {
            for retention in [false, true] {
                let mut world = if retention { fixture_with_retention(before) } else { fixture(before) };
                damage(&mut world, &checkpoint(), &what, content.as_deref());
                assert_eq!(outcome(&mut world), Outcome::Exact, "{} {retention}", world.label());
                assert_eq!(world.engine().report.unproven, Some(Unproven::NoCheckpoint));
                goes_on(&mut world);
            }
        }
    }
}

/// The sums as they were at this record, in the fixture.
fn ledger_at(world: &World, through: u64) -> Ledger {
    let mut counted = CountedSince::new();
    for batch in &world.model.batches[..through.min(6) as usize] {
        counted.entry(batch.customer.clone()).or_default().count(batch.summary.entries, world.now);
    }
    let mut ledger = Ledger::default();
    ledger.add(Seq(through), &counted);
    ledger
}

/// Puts back the checkpoint and the sums of an earlier record.
fn put_back(world: &World, through: u64) {
    let ledger = ledger_at(world, through);
    Checkpoint::write(&world.disk, &DataDir::new(ROOT), &ledger, world.now, world.now).unwrap();
}

#[test]
fn an_old_checkpoint_replays_more_or_is_refused_where_that_is_gone() {
    for through in 0..=6 {
        for with_its_ledger in [true, false] {
            let put_back = |world: &World| {
                let newest = read(world, &customers());
                put_back(world, through);
                if !with_its_ledger {
                    world.disk.put(&customers(), &newest);
                }
            };
            let label = format!("checkpoint {through}, with its ledger: {with_its_ledger}");
            let mut world = fixture(Before::Stopped);
            put_back(&world);
            assert_eq!(outcome(&mut world), Outcome::Exact, "{label}");
            goes_on(&mut world);

            let mut world = fixture_with_retention(Before::Stopped);
            put_back(&world);
            let wanted = if through < 4 { Outcome::Gap(through + 1, 5) } else { Outcome::Exact };
            assert_eq!(outcome(&mut world), wanted, "{label}");
        }
    }
}

#[test]
fn an_old_or_lost_ledger_is_brought_up_to_date_from_the_journal_or_refused_where_that_is_gone() {
    for through in (0..6).map(Some).chain([None]) {
        let put_back = |world: &World| match through {
            Some(through) => {
                let newest = read(world, &checkpoint());
                put_back(world, through);
                world.disk.put(&checkpoint(), &newest);
            }
            None => world.disk.put(&customers(), b"{}"),
        };
        let mut world = fixture(Before::Stopped);
        put_back(&world);
        assert_eq!(outcome(&mut world), Outcome::Exact, "ledger {through:?}");
        assert_eq!(world.engine().report.unproven, Some(Unproven::OtherLedger));
        goes_on(&mut world);

        let mut world = fixture_with_retention(Before::Stopped);
        put_back(&world);
        let behind = through.unwrap_or(0);
        let wanted = if behind < 4 { Outcome::LedgerBehind(behind) } else { Outcome::Exact };
        assert_eq!(outcome(&mut world), wanted, "ledger {through:?}");
    }
}

#[test]
fn a_damaged_ledger_is_never_believed() {
    let bytes = read(&fixture(Before::Stopped), &customers());
    for (what, content) in damages(&bytes) {
        for retention in [false, true] {
            let mut world =
                if retention { fixture_with_retention(Before::Stopped) } else { fixture(Before::Stopped) };
            damage(&mut world, &customers(), &what, content.as_deref());
            let wanted = if retention { Outcome::LedgerBehind(0) } else { Outcome::Exact };
            assert_eq!(outcome(&mut world), wanted, "{}", world.label());
            if !retention {
                goes_on(&mut world);
            }
        }
    }
}

#[test]
fn a_checkpoint_or_ledger_beyond_the_journal_is_refused() {
    for before in ALL_BEFORE {
        for only_ledger in [false, true] {
            let mut world = fixture(before);
            let old = read(&world, &checkpoint());
            put_back(&world, 7);
            if only_ledger {
                world.disk.put(&checkpoint(), &old);
            }
            assert_eq!(outcome(&mut world), Outcome::Behind(6), "{} {only_ledger}", world.label());
        }
    }
}

#[test]
fn a_damaged_checkpoint_without_a_journal_is_refused() {
    for content in [None, Some(&b"{}"[..])] {
        let mut world = fixture(Before::Stopped);
        [1, 3, 5].into_iter().for_each(|first| world.disk.delete(&log(first)));
        damage(&mut world, &checkpoint(), "damaged", content);
        assert_eq!(outcome(&mut world), Outcome::NoJournal);
    }
}

#[test]
fn a_lost_or_other_secret_beside_a_journal_is_refused_and_put_back_it_is_exact() {
    for before in ALL_BEFORE {
        for (content, wanted) in [
            (None, Outcome::NoSecret),
            (Some(&b"short"[..]), Outcome::NoSecret),
            (Some(&[7; 16][..]), Outcome::WrongSecret),
        ] {
            let mut world = fixture(before);
            let right = read(&world, &secret());
            damage(&mut world, &secret(), "lost", content);
            let mut put_back = world.fork();
            assert_eq!(outcome(&mut world), wanted, "{}", world.label());
            let checked = verify(&world.disk, &DataDir::new(ROOT), &world.verify_options(), &mut |_, _| {});
            assert!(checked.is_err(), "{}: {checked:?}", world.label());

            put_back.disk.put(&secret(), &right);
            assert_eq!(outcome(&mut put_back), Outcome::Exact, "{}", put_back.label());
            goes_on(&mut put_back);
        }
    }
}

#[test]
fn a_secret_is_made_anew_where_there_is_no_journal_yet() {
    let mut world = fixture(Before::NothingWritten);
    [1, 3, 5].into_iter().for_each(|first| world.disk.delete(&log(first)));
    damage(&mut world, &secret(), "lost", None);
    assert_eq!(outcome(&mut world), Outcome::Lost((1..=6).collect()));
    goes_on(&mut world);
}

#[test]
fn another_format_version_is_refused_by_the_file_that_has_it() {
    for (first, version) in [(1, 1), (5, 3)] {
        let mut world = fixture(Before::HalfCheckpointed);
        let mut bytes = read(&world, &log(first));
        bytes[3] = b'0' + version;
        world.disk.put(&log(first), &bytes);
        let wanted = Outcome::OtherVersion(format!("{first:020}.log"), version.into());
        assert_eq!(outcome(&mut world), wanted);
    }
    let mut world = fixture(Before::Stopped);
    let other = seal_json("{\"version\":1,\"appliedThrough\":6".to_owned());
    damage(&mut world, &checkpoint(), "of version 1", Some(other.as_bytes()));
    assert_eq!(outcome(&mut world), Outcome::OtherVersion("checkpoint.json".into(), 1));
}

#[test]
fn leftovers_on_their_way_to_a_rename_are_removed() {
    let mut world = fixture(Before::HalfCheckpointed);
    let path = DataDir::new(ROOT).temp_dir().join("0");
    world.disk.put(&path, b"half a file");
    assert_eq!(outcome(&mut world), Outcome::Exact);
    assert!(world.disk.read(&path).is_err());
    goes_on(&mut world);
}
