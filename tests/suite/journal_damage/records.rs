//! Bytes inside a record: flipped, zeroed, cut off; records written twice or in the wrong order.

use super::fixture::{ALL_BEFORE, Before, Outcome, fixture, goes_on, log, offsets, outcome, read};

/// Where in a record: its name, and its offset from the beginning (`None`: the record's last byte).
const PLACES: [(&str, Option<usize>); 9] = [
    ("magic, on the record's boundary", Some(0)),
    ("length", Some(4)),
    ("header checksum", Some(8)),
    ("tag", Some(16)),
    ("payload checksum", Some(24)),
    ("seq", Some(32)),
    ("durableThrough", Some(40)),
    ("summary", Some(116)),
    ("end of the body", None),
];

/// The segment a record is in, and its place there.
fn home(record: u64) -> (u64, usize) {
    ((record - 1) / 2 * 2 + 1, ((record - 1) % 2) as usize)
}

/// The outcome of damage inside a record: a start notices it in everything it reads, and only the last record can be taken
/// for a torn tail.
fn expected(before: Before, record: u64, offset: u64) -> Outcome {
    let segment = home(record).0;
    match (before, record) {
        // The start reads the segments from the checkpoint on, and the last.
        (Before::Stopped, 1..=4) | (Before::HalfCheckpointed, 1..=2) => Outcome::Exact,
        // Nothing but the checkpoint can prove that the last record was durable; a window may, if it was written.
        (Before::NothingWritten | Before::HalfCheckpointed, 6) => Outcome::Cut(vec![6]),
        (Before::WindowsWritten, 6) => Outcome::Ahead,
        _ => Outcome::Damage(segment, offset),
    }
}

#[test]
fn a_flipped_or_zeroed_byte_is_refused_by_offset_or_cut_if_it_is_in_the_last_group() {
    for before in ALL_BEFORE {
        for record in 1..=6 {
            for (place, at) in PLACES {
                for zero in [false, true] {
                    let mut world = fixture(before);
                    let (first, index) = home(record);
                    let mut bytes = read(&world, &log(first));
                    let offsets = offsets(&bytes);
                    let at = at.map_or(offsets[index + 1] - 1, |at| offsets[index] + at);
                    let was = bytes.clone();
                    if zero {
                        let end = (at + 24).min(offsets[index + 1]);
                        bytes[at..end].fill(0);
                    } else {
                        bytes[at] ^= 0x41;
                    }
                    if bytes == was {
                        continue;
                    }
                    world.disk.put(&log(first), &bytes);
                    world.model.label += &format!(": record {record}, {place}, zeroed: {zero}");
                    let wanted = expected(before, record, offsets[index] as u64);
                    assert_eq!(outcome(&mut world), wanted, "{}", world.label());
                    if matches!(wanted, Outcome::Exact) && before == Before::Stopped {
                        // `verify` finds the damage that a start does not read.
                        let report = super::fixture::verified(&world);
                        let found = report.problems.iter().any(|problem| problem.file == log(first));
                        assert!(found, "{}: {report:?}", world.label());
                    } else if matches!(wanted, Outcome::Cut(_)) {
                        goes_on(&mut world);
                    }
                }
            }
        }
    }
}

#[test]
fn a_segment_cut_short_is_refused_unless_it_is_the_last() {
    for before in ALL_BEFORE {
        for record in 1..=6 {
            for (place, at) in PLACES {
                for zeros_instead in [false, true] {
                    let mut world = fixture(before);
                    let (first, index) = home(record);
                    let mut bytes = read(&world, &log(first));
                    let offsets = offsets(&bytes);
                    let at = at.map_or(offsets[index + 1] - 1, |at| offsets[index] + at);
                    if zeros_instead {
                        bytes[at..].fill(0);
                    } else {
                        bytes.truncate(at);
                    }
                    world.disk.put(&log(first), &bytes);
                    world.model.label += &format!(": record {record} cut at its {place}, {zeros_instead}");
                    let offset = offsets[index] as u64;
                    let on_boundary = at == offsets[index];
                    let lost: Vec<u64> = (record..=6).collect();
                    let wanted = match (before, record) {
                        (Before::Stopped, 1..=4) | (Before::HalfCheckpointed, 1..=2) => Outcome::Exact,
                        (Before::Stopped, _) if on_boundary && !zeros_instead => Outcome::Behind(record - 1),
                        (Before::Stopped, _) => Outcome::Damage(first, offset),
                        // The end of the journal may be missing without a trace, but for windows that have it.
                        (Before::WindowsWritten, 5..=6) => Outcome::Ahead,
                        (_, 5..=6) if on_boundary => Outcome::Lost(lost),
                        (_, 5..=6) => Outcome::Cut(lost),
                        (_, _) if on_boundary && !zeros_instead => Outcome::Gap(record, first + 2),
                        _ => Outcome::Damage(first, offset),
                    };
                    assert_eq!(outcome(&mut world), wanted, "{}", world.label());
                    if matches!(wanted, Outcome::Cut(_) | Outcome::Lost(_)) {
                        goes_on(&mut world);
                    }
                }
            }
        }
    }
}

#[test]
fn a_record_written_twice_is_not_counted_twice() {
    for before in ALL_BEFORE {
        for record in 1..=6 {
            let mut world = fixture(before);
            let (first, index) = home(record);
            let bytes = read(&world, &log(first));
            let at = offsets(&bytes);
            let twice = [&bytes[..at[index + 1]], &bytes[at[index]..]].concat();
            world.disk.put(&log(first), &twice);
            world.model.label += &format!(": record {record} twice");
            let offset = at[index + 1] as u64;
            let wanted = match (before, record) {
                (Before::Stopped, 1..=4) | (Before::HalfCheckpointed, 1..=2) => Outcome::Exact,
                // Behind everything else, the copy is a torn tail and proves nothing.
                (_, 6) => Outcome::Cut(vec![]),
                // Two copies behind which the next segment begins.
                (_, 2 | 4) => Outcome::Exact,
                (Before::Stopped, 5) => Outcome::Damage(first, offset),
                (Before::WindowsWritten, 5) => Outcome::Ahead,
                // Record 6 proves that 5 was durable, but nothing that 6 was.
                (_, 5) => Outcome::Cut(vec![6]),
                _ => Outcome::Damage(first, offset),
            };
            assert_eq!(outcome(&mut world), wanted, "{}", world.label());
            let is_cut = matches!(wanted, Outcome::Cut(_));
            if is_cut || matches!((before, record), (Before::NothingWritten | Before::WindowsWritten, 2 | 4))
            {
                goes_on(&mut world);
            }
        }
    }
}

#[test]
fn records_in_the_wrong_order_are_refused() {
    for before in ALL_BEFORE {
        for first in [1, 3, 5] {
            let mut world = fixture(before);
            let bytes = read(&world, &log(first));
            let at = offsets(&bytes);
            world.disk.put(&log(first), &[&bytes[at[1]..], &bytes[..at[1]]].concat());
            world.model.label += &format!(": records of segment {first} swapped");
            let wanted = match (before, first) {
                (Before::Stopped, 1 | 3) | (Before::HalfCheckpointed, 1) => Outcome::Exact,
                _ => Outcome::Damage(first, 0),
            };
            assert_eq!(outcome(&mut world), wanted, "{}", world.label());
        }
    }
}
