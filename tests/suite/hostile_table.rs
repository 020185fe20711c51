//! What hostile clients send: every row of the table against the guarded front end in this process.

use log_analytics::http::server::{FrontKind, FrontLimits};

use crate::support::front::TestFront;
use crate::support::hostile::{Cut, run, table};

#[test]
fn the_table_is_large_and_names_are_unique() {
    let mut names: Vec<_> = table().iter().map(|case| case.name).collect();
    assert!(names.len() >= 120, "{} rows", names.len());
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before);
    eprintln!("{before} rows");
}

#[test]
fn every_row_is_answered_as_it_should_be() {
    let front = TestFront::start(FrontKind::Guarded, FrontLimits::default());
    let accepted = run(front.addr(), Cut::Whole);
    assert_eq!(front.entries(), accepted, "batches counted");
    front.stop();
}

#[test]
fn every_row_is_answered_the_same_when_it_comes_byte_by_byte() {
    let front = TestFront::start(FrontKind::Guarded, FrontLimits::default());
    let accepted = run(front.addr(), Cut::Bytes);
    assert_eq!(front.entries(), accepted, "batches counted");
    front.stop();
}
