//! Window files: damaged, exchanged, lost. They are counted again from the journal where it reaches back; where it does
//! not, they say so.

use std::path::PathBuf;

use log_analytics::base::disk::Disk;
use log_analytics::data_dir::DataDir;
use log_analytics::model::{WindowId, WindowSize, WindowStart};
use log_analytics::windows::window::Window;

use super::fixture::{Before, fixture, fixture_with_retention, goes_on, log, read, verified};
use crate::support::batches::customer;
use crate::support::engine::{ROOT, Stop};
use crate::support::sim_disk::Survival;
use crate::support::world::{How, World};

/// The windows batch 6 will be counted in, one of each size.
fn touched(world: &World) -> Vec<WindowId> {
    let minute = WindowStart(world.model.batches[6].lines[0].minute);
    WindowSize::ALL.into_iter().map(|size| WindowId { size, start: minute.floor(size) }).collect()
}

fn path(id: WindowId) -> PathBuf {
    DataDir::new(ROOT).window(&customer(0), id)
}

/// Every way to damage a window's file. `other` is another window of the customer.
fn damages(bytes: &[u8], other: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flip = |at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    vec![
        ("first byte flipped", flip(0)),
        ("a byte in the middle flipped", flip(bytes.len() / 2)),
        ("its checksum flipped", flip(bytes.len() - 10)),
        ("its last byte flipped", flip(bytes.len() - 1)),
        ("zeroed", vec![0; bytes.len()]),
        ("cut in the middle", bytes[..bytes.len() / 2].to_vec()),
        ("cut before its last byte", bytes[..bytes.len() - 1].to_vec()),
        ("emptied", Vec::new()),
        ("written twice", [bytes, bytes].concat()),
        ("another window's", other.to_vec()),
    ]
}

fn quarantined(world: &World) -> Vec<Vec<u8>> {
    let dir = DataDir::new(ROOT).quarantine_dir();
    let names = world.disk.list(&dir).unwrap();
    names.iter().map(|entry| read(world, &dir.join(&entry.name))).collect()
}

#[test]
fn a_damaged_window_is_kept_aside_and_counted_again_from_the_journal() {
    for before in [Before::HalfCheckpointed, Before::Stopped] {
        let whole = fixture(before);
        let ids = touched(&whole);
        for (id, other) in ids.iter().zip(ids.iter().rev().cycle().skip(1)) {
            let (bytes, other) = (read(&whole, &path(*id)), read(&whole, &path(*other)));
            for (what, damaged) in damages(&bytes, &other) {
                if damaged == bytes {
                    continue;
                }
                let mut world = fixture(before);
                world.model.label += &format!(": {} window {what}", id.size.as_str());
                world.expects_damage = true;
                world.disk.put(&path(*id), &damaged);
                assert!(!verified(&world).is_clean(), "{}", world.label());
                // A window that is not touched by the replay is looked at when a batch comes for it.
                let counted: Vec<usize> = (0..6).collect();
                world.start_blind().unwrap();
                world.submit(&[6]).unwrap();
                let mut now = world.now;
                assert!(world.engine().shut_down(&mut now).unwrap(), "{}", world.label());
                assert_eq!(quarantined(&world), [damaged], "{}", world.label());
                assert!(counted.iter().all(|number| world.model.standings[*number].counted == 1));
                goes_on(&mut world);
            }
        }
    }
}

#[test]
fn a_crash_while_a_damaged_window_is_counted_again_changes_nothing() {
    for after in 0..40 {
        let mut world = fixture(Before::HalfCheckpointed);
        let id = touched(&world)[1];
        let mut bytes = read(&world, &path(id));
        bytes[5] ^= 1;
        world.model.label += &format!(": power cut after {after}");
        world.expects_damage = true;
        world.disk.put(&path(id), &bytes);
        world.disk.crash_after(Some(after));
        let _ = world.start_blind().and_then(|()| world.submit(&[6]).map(drop));
        world.crash(How::PowerCut(Survival::Random(after)));
        world.start_blind().unwrap();
        // Its client was not answered and asks again, before anybody looks whether the batch is counted.
        world.submit(&[6]).unwrap();
        goes_on(&mut world);
    }
}

#[test]
fn a_window_that_cannot_be_counted_again_is_not_copied_at_every_question() {
    let mut world = fixture(Before::Stopped);
    let id = touched(&world)[2];
    world.start_blind().unwrap();
    let mut bytes = read(&world, &path(id));
    bytes[5] ^= 1;
    world.disk.put(&path(id), &bytes);
    let journal = read(&world, &log(5));
    let mut damaged = journal.clone();
    damaged[100] ^= 1;
    world.disk.put(&log(5), &damaged);
    let quarantined = |world: &World| world.disk.list(&DataDir::new(ROOT).quarantine_dir()).unwrap().len();
    let (customers, now) = (world.customers(), world.now);
    for _ in 0..3 {
        assert!(matches!(world.engine().observe(&customers, now), Err(Stop::Fatal(_))));
        assert_eq!(quarantined(&world), 0);
    }
    // The journal can be read again: one copy, and the counts.
    world.disk.put(&log(5), &journal);
    for _ in 0..2 {
        let windows = world.engine().observe(&customers, now).unwrap();
        world.model.check_live(&windows);
        assert_eq!(quarantined(&world), 1);
    }
    world.stop();
}

#[test]
fn a_damaged_window_the_journal_does_not_reach_back_to_says_that_it_is_incomplete() {
    let whole = fixture_with_retention(Before::Stopped);
    let ids = touched(&whole);
    for (id, other) in ids.iter().zip(ids.iter().rev().cycle().skip(1)) {
        let (bytes, other) = (read(&whole, &path(*id)), read(&whole, &path(*other)));
        for (what, damaged) in damages(&bytes, &other) {
            if damaged == bytes {
                continue;
            }
            let mut world = fixture_with_retention(Before::Stopped);
            world.model.label += &format!(": {} window {what}", id.size.as_str());
            world.disk.put(&path(*id), &damaged);
            world.start_blind().unwrap();
            world.submit(&[6]).unwrap();
            let mut now = world.now;
            assert!(world.engine().shut_down(&mut now).unwrap(), "{}", world.label());
            world.stop();
            let window = Window::decode(&read(&world, &path(*id)), &customer(0), *id).unwrap();
            assert!(window.is_incomplete(), "{}", world.label());
            let expected = world.model.expected(|number| world.model.standings[number].counted);
            let true_count = expected[&(customer(0), *id)].all.requests;
            assert!(window.requests() < true_count || id.size == WindowSize::Minute, "{}", world.label());
            let report = verified(&world);
            assert!(!report.is_clean() && report.incomplete_windows == 1, "{}: {report:?}", world.label());
        }
    }
}

#[test]
fn a_window_is_counted_again_from_behind_a_gap_that_a_power_cut_left() {
    // Segments 1 and 3 were removed; a power cut brought 1 back, and 3 not.
    let mut world = fixture(Before::Stopped);
    world.disk.delete(&log(3));
    let id = touched(&world)[2];
    world.disk.put(&path(id), b"rubbish");
    world.start_blind().unwrap();
    world.submit(&[6]).unwrap();
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
    world.stop();
    let window = Window::decode(&read(&world, &path(id)), &customer(0), id).unwrap();
    assert!(window.is_incomplete());
}

#[test]
fn a_window_is_counted_again_from_behind_a_damaged_old_segment() {
    let mut world = fixture(Before::Stopped);
    let mut bytes = read(&world, &log(3));
    bytes[40] ^= 1;
    world.disk.put(&log(3), &bytes);
    let id = touched(&world)[2];
    world.disk.put(&path(id), b"rubbish");
    world.start_blind().unwrap();
    world.submit(&[6]).unwrap();
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
    world.stop();
    let window = Window::decode(&read(&world, &path(id)), &customer(0), id).unwrap();
    assert!(window.is_incomplete());
}

#[test]
fn a_lost_or_old_window_file_is_not_seen_by_a_start_and_named_by_verify() {
    let old = fixture(Before::HalfCheckpointed);
    for id in touched(&old) {
        let stale = read(&old, &path(id));
        for content in [None, Some(stale)] {
            let mut world = fixture(Before::Stopped);
            match &content {
                Some(bytes) if *bytes == read(&world, &path(id)) => continue,
                Some(bytes) => world.disk.put(&path(id), bytes),
                None => world.disk.delete(&path(id)),
            }
            let report = verified(&world);
            assert!(report.problems.iter().any(|problem| problem.file == path(id)), "{id:?}: {report:?}");
            world.start_blind().unwrap();
        }
    }
}

#[test]
fn lost_window_files_that_a_replay_covers_are_exact_again() {
    let mut world = fixture(Before::WindowsWritten);
    for id in touched(&world) {
        if world.disk.read(&path(id)).is_ok() {
            world.disk.delete(&path(id));
        }
    }
    world.start().unwrap();
    goes_on(&mut world);
}
