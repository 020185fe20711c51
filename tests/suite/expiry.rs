//! Which windows go when: by size and UTC day, with a cutoff that is never ahead of what was removed.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use log_analytics::base::disk::{Disk, RealDisk};
use log_analytics::data_dir::DataDir;
use log_analytics::engine::keeper::{CheckpointKeeper, KeptFor};
use log_analytics::journal::ledger::{CountedSince, Cutoffs, Ledger, Removed};
use log_analytics::journal::retention::{Retention, RetentionClock};
use log_analytics::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use log_analytics::windows::expiry::{CutoffMove, plan, remove, sum};
use log_analytics::windows::fold::WindowLimits;
use log_analytics::windows::window::Window;

use crate::support::lines::bare_requests;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// 2025-12-28T00:00:00Z in minutes.
const MIDNIGHT: u32 = 29_448_000;

fn customer() -> CustomerId {
    CustomerId::new("acme").unwrap()
}

/// Writes a window that holds so many requests.
fn write(dir: &DataDir, size: WindowSize, start: u32, requests: u32) {
    let (keys, counts) = bare_requests(requests);
    let id = WindowId { size, start: WindowStart(start) };
    let mut window = Window::new(customer(), id);
    window.merge(Seq(1), &keys, &counts, &WindowLimits::default());
    RealDisk.create_dir(&dir.customer(&customer())).unwrap();
    let mut file = RealDisk.create(&dir.window(&customer(), id)).unwrap();
    file.write_at(0, &[&window.encode()]).unwrap();
}

fn ledger() -> Ledger {
    let mut counted = CountedSince::new();
    counted.entry(customer()).or_default().count(9, 1);
    let mut ledger = Ledger::default();
    ledger.add(Seq(1), &counted);
    ledger
}

fn prepared(root: &Path) -> Arc<DataDir> {
    let dir = Arc::new(DataDir::new(root));
    dir.prepare(&RealDisk).unwrap();
    // Two minutes, an hour and a day of one UTC day, and a minute of the next.
    write(&dir, WindowSize::Minute, MIDNIGHT + 1_083, 4);
    write(&dir, WindowSize::Minute, MIDNIGHT + 1_439, 2);
    write(&dir, WindowSize::Hour, MIDNIGHT + 1_080, 6);
    write(&dir, WindowSize::Day, MIDNIGHT, 6);
    write(&dir, WindowSize::Minute, MIDNIGHT + 1_440, 3);
    dir
}

#[test]
fn a_round_that_the_workers_keep_to_is_not_planned_again() {
    let temp = tempfile::tempdir().unwrap();
    let dir = prepared(temp.path());
    let clock_ms = u64::from(MIDNIGHT) * 60_000 + 2 * DAY_MS;
    let kept_for = KeptFor { journal: Retention { max_age_ms: 0, max_bytes: 0 }, windows_days: [1, 0, 0] };
    let clock = RetentionClock::new(None, clock_ms);
    let mut keeper = CheckpointKeeper::new(Arc::new(RealDisk), dir, kept_for, ledger(), clock);
    let cutoff = |cutoffs: &Cutoffs| cutoffs.of(&customer(), WindowSize::Minute);
    let sent = keeper.plan_expiry(&|_| None).unwrap().unwrap();
    assert_eq!(cutoff(&sent), Some(WindowStart(MIDNIGHT + 1_440)));
    // Before its checkpoint could be written the operator has the customer kept for ever: late entries are left out by the
    // workers all the same, and the next checkpoint must say so.
    assert!(keeper.plan_expiry(&|_| Some([0; 3])).unwrap().is_none());
    assert_eq!(cutoff(&keeper.cutoffs()), cutoff(&sent));
}

#[test]
fn each_size_goes_by_the_day_when_its_days_have_passed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = prepared(temp.path());
    let midnight_ms = u64::from(MIDNIGHT) * 60_000;
    let cutoff = WindowStart(MIDNIGHT + 1_440);
    let moved = |size| CutoffMove { customer: customer(), size, cutoff };
    let asked = RefCell::new(Vec::new());
    let plan = |days, clock_ms| {
        let days = |whose: &CustomerId| {
            asked.borrow_mut().push(whose.clone());
            days
        };
        plan(&RealDisk, &dir, &ledger(), &days, clock_ms).unwrap().moves
    };
    assert_eq!(plan([0; 3], midnight_ms + 1_000 * DAY_MS), []);
    // A day after the end of the UTC day, to the millisecond.
    assert_eq!(plan([1, 0, 0], midnight_ms + 2 * DAY_MS - 1), []);
    assert_eq!(plan([1, 0, 0], midnight_ms + 2 * DAY_MS), [moved(WindowSize::Minute)]);
    assert_eq!(plan([0, 1, 2], midnight_ms + 2 * DAY_MS), [moved(WindowSize::Hour)]);
    assert_eq!(plan([0, 1, 2], midnight_ms + 3 * DAY_MS), [moved(WindowSize::Hour), moved(WindowSize::Day)]);
    assert!(asked.borrow().iter().all(|whose| *whose == customer()) && !asked.borrow().is_empty());
}

#[test]
fn a_cutoff_moves_behind_the_last_removed_day_however_far_the_clock_is_ahead() {
    let temp = tempfile::tempdir().unwrap();
    let dir = prepared(temp.path());
    let far = u64::from(MIDNIGHT) * 60_000 + 1_000 * DAY_MS;
    let moves = plan(&RealDisk, &dir, &ledger(), &|_| [30, 0, 0], far).unwrap().moves;
    assert_eq!(moves.len(), 1);
    assert_eq!(moves[0].cutoff, WindowStart(MIDNIGHT + 2 * 1_440));
}

#[test]
fn what_is_removed_is_summed_and_what_a_crash_left_is_found_again() {
    let temp = tempfile::tempdir().unwrap();
    let dir = prepared(temp.path());
    let mut ledger = ledger();
    let clock_ms = u64::from(MIDNIGHT) * 60_000 + 2 * DAY_MS;
    let moves = plan(&RealDisk, &dir, &ledger, &|_| [1, 0, 0], clock_ms).unwrap().moves;
    let removed = sum(&RealDisk, &dir, &ledger, &moves[0]).unwrap();
    assert_eq!(removed, Removed { requests: 6, unprovable: false });
    ledger.expire(&customer(), moves[0].size, moves[0].cutoff, removed);
    assert_eq!(ledger.customers[&customer()].in_windows(WindowSize::Minute), 3);

    // The crash came before a file was removed.
    let again = plan(&RealDisk, &dir, &ledger, &|_| [1, 0, 0], clock_ms).unwrap();
    assert_eq!((again.moves, again.leftovers), (vec![], vec![customer()]));
    assert_eq!(remove(&RealDisk, &dir, &ledger.cutoffs(), &customer()).unwrap(), 2);
    assert_eq!(remove(&RealDisk, &dir, &ledger.cutoffs(), &customer()).unwrap(), 0);
    let names: Vec<String> =
        RealDisk.list(&dir.customer(&customer())).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_window_that_cannot_be_read_leaves_its_size_without_proof() {
    let temp = tempfile::tempdir().unwrap();
    let dir = prepared(temp.path());
    let id = WindowId { size: WindowSize::Minute, start: WindowStart(MIDNIGHT + 1_083) };
    let mut file = RealDisk.open(&dir.window(&customer(), id)).unwrap();
    file.write_at(30, &[b"x"]).unwrap();
    let moved =
        CutoffMove { customer: customer(), size: WindowSize::Minute, cutoff: WindowStart(MIDNIGHT + 1_440) };
    let removed = sum(&RealDisk, &dir, &ledger(), &moved).unwrap();
    assert_eq!(removed, Removed { requests: 2, unprovable: true });
}
