//! Whole segments: deleted, emptied, copied to other names, exchanged.

use super::fixture::{ALL_BEFORE, Before, Outcome, fixture, goes_on, log, outcome, read, segment_firsts};
use crate::support::sim_disk::Survival;
use crate::support::world::{How, World};

fn check(world: &mut World, wanted: &Outcome) {
    assert_eq!(&outcome(world), wanted, "{}", world.label());
    if matches!(wanted, Outcome::Exact | Outcome::Cut(_) | Outcome::Lost(_)) {
        goes_on(world);
    }
}

#[test]
fn a_deleted_segment_is_refused_unless_the_checkpoint_covers_it() {
    for before in ALL_BEFORE {
        for first in [1, 3, 5] {
            let mut world = fixture(before);
            world.model.label += &format!(": segment {first} deleted");
            world.disk.delete(&log(first));
            let wanted = match (before, first) {
                (Before::Stopped, 1 | 3) | (Before::HalfCheckpointed, 1) => Outcome::Exact,
                (Before::Stopped, _) => Outcome::Behind(4),
                // The segment before it is looked at too, and does not reach to 5.
                (Before::HalfCheckpointed, 3) => Outcome::Gap(3, 5),
                // Nothing tells that there was a segment 5.
                (Before::HalfCheckpointed, _) => Outcome::Lost(vec![5, 6]),
                (_, 1) => Outcome::Gap(1, 3),
                (_, 3) => Outcome::Gap(3, 5),
                (Before::WindowsWritten, _) => Outcome::Ahead,
                _ => Outcome::Lost(vec![5, 6]),
            };
            check(&mut world, &wanted);
        }
    }
}

#[test]
fn a_window_ahead_of_what_is_left_of_the_journal_behind_the_checkpoint_is_refused() {
    // The checkpoint is at 3, and windows were written through 6 since, as minute windows are when they are due.
    let mut written = fixture(Before::HalfCheckpointed);
    written.start().unwrap();
    for _ in 0..20 {
        written.now += 2_000;
        let now = written.now;
        for worker in 0..written.engine().partitions() {
            written.engine().turn(worker, usize::MAX, true, now).unwrap();
        }
    }
    written.crash(How::PowerCut(Survival::Everything));
    let firsts = segment_firsts(&written);
    assert_eq!(firsts[..3], [1, 3, 5]);

    // All from 5 on is lost, and nothing in the journal tells; a window that record 4 counts in does.
    let mut world = written.fork();
    firsts.iter().filter(|first| **first >= 5).for_each(|first| world.disk.delete(&log(*first)));
    check(&mut world, &Outcome::Ahead);
    check(&mut written, &Outcome::Exact);
}

#[test]
fn an_emptied_segment_is_refused_unless_it_is_the_last_or_the_checkpoint_covers_it() {
    for before in ALL_BEFORE {
        for first in [1, 3, 5] {
            let mut world = fixture(before);
            world.model.label += &format!(": segment {first} emptied");
            world.disk.put(&log(first), b"");
            let wanted = match (before, first) {
                (Before::Stopped, 1 | 3) | (Before::HalfCheckpointed, 1) => Outcome::Exact,
                (Before::Stopped, _) => Outcome::Behind(4),
                (Before::WindowsWritten, 5) => Outcome::Ahead,
                (_, 5) => Outcome::Lost(vec![5, 6]),
                _ => Outcome::Gap(first, first + 2),
            };
            check(&mut world, &wanted);
        }
    }
}

#[test]
fn a_segment_under_a_later_name_adds_nothing() {
    for before in ALL_BEFORE {
        for from in [1, 3, 5] {
            let mut world = fixture(before);
            world.model.label += &format!(": segment {from} copied to 7");
            let bytes = read(&world, &log(from));
            world.disk.put(&log(7), &bytes);
            // The first record in it is not the one its name says.
            check(&mut world, &Outcome::Cut(vec![]));
        }
    }
}

#[test]
fn exchanged_segments_are_refused_at_their_first_byte() {
    for before in ALL_BEFORE {
        for (one, other) in [(1, 3), (3, 5), (1, 5)] {
            let mut world = fixture(before);
            world.model.label += &format!(": segments {one} and {other} exchanged");
            let (a, b) = (read(&world, &log(one)), read(&world, &log(other)));
            world.disk.put(&log(one), &b);
            world.disk.put(&log(other), &a);
            let wanted = match (before, one, other) {
                (Before::Stopped, 1, 3) => Outcome::Exact,
                (Before::Stopped, ..) => Outcome::Damage(5, 0),
                (Before::HalfCheckpointed, 1, 3) => Outcome::Damage(3, 0),
                (Before::HalfCheckpointed, 1, 5) => Outcome::Cut(vec![5, 6]),
                _ => Outcome::Damage(one, 0),
            };
            check_exchanged(&mut world, &wanted);
        }
    }
}

/// Segments before the checkpoint stay exchanged, which only `verify` sees.
fn check_exchanged(world: &mut World, wanted: &Outcome) {
    assert_eq!(&outcome(world), wanted, "{}", world.label());
}

#[test]
fn a_lost_journal_is_refused() {
    for before in ALL_BEFORE {
        let mut world = fixture(before);
        world.model.label += ": all segments deleted";
        [1, 3, 5].into_iter().for_each(|first| world.disk.delete(&log(first)));
        let wanted = match before {
            Before::NothingWritten => Outcome::Lost((1..=6).collect()),
            Before::WindowsWritten => Outcome::NoJournal,
            _ => Outcome::Behind(0),
        };
        check(&mut world, &wanted);
    }
}

#[test]
fn a_zero_tail_is_cut_without_a_word() {
    for before in ALL_BEFORE {
        for zeros in [1, 93, 94, 600, 5000] {
            let mut world = fixture(before);
            world.model.label += &format!(": {zeros} zeros at the end");
            let mut bytes = read(&world, &log(5));
            bytes.resize(bytes.len() + zeros, 0);
            world.disk.put(&log(5), &bytes);
            check(&mut world, &Outcome::Exact);
        }
    }
}

#[test]
fn rubbish_at_the_end_is_cut_as_a_torn_tail() {
    for before in ALL_BEFORE {
        for rubbish in [&b"x"[..], b"LAJ2", &[0xFF; 700]] {
            let mut world = fixture(before);
            world.model.label += ": rubbish at the end";
            let mut bytes = read(&world, &log(5));
            bytes.extend_from_slice(rubbish);
            world.disk.put(&log(5), &bytes);
            check(&mut world, &Outcome::Cut(vec![]));
        }
    }
}
