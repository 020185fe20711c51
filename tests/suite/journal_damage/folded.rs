//! Windows that have folded keys: a check counts them again by the keys they name, and their counts must lie within the bound
//! they tell.

use std::sync::Arc;

use log_analytics::base::disk::Disk;
use log_analytics::base::sealed::seal_json;
use log_analytics::data_dir::DataDir;
use log_analytics::dimension::{OTHER, PATH};
use log_analytics::model::{WindowId, WindowSize, WindowStart};
use log_analytics::windows::fold::WindowLimits;
use log_analytics::windows::window::Window;

use super::fixture::{read, verified};
use crate::support::batches::{Batch, FIRST_MINUTE};
use crate::support::engine::ROOT;
use crate::support::lines::{Line, Measured, summarize};
use crate::support::sim_disk::Survival;
use crate::support::workloads;
use crate::support::world::{How, World};

/// Three batches of one minute, each of a big path, a middle one and five that come once, in windows that name four.
fn world() -> World {
    let mut workload = workloads::plain();
    workload.traffic.keyless_percent = 0;
    workload.traffic.customers = 1;
    workload.traffic.batches = 3;
    workload.options.worker.window = WindowLimits::same(4, 1 << 20);
    workload.blurred = true;
    let mut world = World::new(&workload, 1);
    let line =
        |path: String| Line { minute: FIRST_MINUTE, path, agent: "curl", measured: Measured::default() };
    for (number, batch) in world.model.batches.iter_mut().enumerate() {
        let big = (0..5).map(|_| "GET /big".to_owned()).chain((0..4).map(|_| "GET /mid".to_owned()));
        let small = (0..5).map(|small| format!("GET /{}", (number + small) % 7));
        let lines: Vec<Line> = big.chain(small).map(line).collect();
        *batch = Arc::new(Batch { summary: summarize(&lines), lines, ..(**batch).clone() });
    }
    world.start().unwrap();
    world.submit(&[0, 1, 2]).unwrap();
    let mut now = world.now;
    assert!(world.engine().shut_down(&mut now).unwrap());
    world.crash(How::PowerCut(Survival::Everything));
    world
}

/// What `verify` says once some texts of the day's counts are others. The sums of requests stay what they are.
fn complaint(changes: &[(&str, u64, u64)]) -> Option<String> {
    let world = world();
    let id = WindowId { size: WindowSize::Day, start: WindowStart(FIRST_MINUTE).floor(WindowSize::Day) };
    let customer = world.model.batches[0].customer.clone();
    let path = DataDir::new(ROOT).window(&customer, id);
    let file = String::from_utf8(read(&world, &path)).unwrap();
    let mut text = file.split(",\"checksum\"").next().unwrap().to_owned();
    for (key, from, to) in changes {
        let (from, to) = (format!("\"{key}\":{from}"), format!("\"{key}\":{to}"));
        assert_eq!(text.matches(&from).count(), 1, "{from} in {text}");
        text = text.replace(&from, &to);
    }
    world.disk.put(&path, seal_json(text).as_bytes());
    let report = verified(&world);
    assert_eq!(report.recounted_windows, 3);
    assert!(report.problems.iter().all(|problem| problem.file == path), "{report:?}");
    report.problems.first().map(|problem| problem.what.clone())
}

#[test]
fn folded_windows_are_counted_again_by_the_keys_they_name() {
    let world = world();
    let id = WindowId { size: WindowSize::Day, start: WindowStart(FIRST_MINUTE).floor(WindowSize::Day) };
    let customer = world.model.batches[0].customer.clone();
    let day =
        Window::decode(&world.disk.read(&DataDir::new(ROOT).window(&customer, id)).unwrap(), &customer, id);
    let day = day.unwrap();
    let mut shown: Vec<_> = day.tables()[PATH].iter().map(|row| (row.key, row.tally.requests)).collect();
    shown.sort_unstable();
    // Each batch folds the greatest of what came once: two keys stay besides the smallest.
    assert_eq!(shown, [("GET /0", 1), ("GET /big", 15), ("GET /mid", 12)]);
    assert_eq!((day.tables()[PATH].rest().unwrap().tally.requests, day.folded()[PATH]), (14, 3));
    assert_eq!(complaint(&[]), None);
}

#[test]
fn folded_windows_may_count_a_key_too_low_by_no_more_than_they_say() {
    assert_eq!(complaint(&[("GET /mid", 12, 9), (OTHER, 14, 17)]), None);
    let wrong = complaint(&[("GET /mid", 12, 8), (OTHER, 14, 18)]).unwrap();
    assert_eq!(wrong, "by path: it counts 8 for \"GET /mid\", the journal 12");
}

#[test]
fn folded_windows_must_not_count_a_key_too_high() {
    let wrong = complaint(&[("GET /mid", 12, 13), (OTHER, 14, 13)]).unwrap();
    assert_eq!(wrong, "by path: it counts 13 for \"GET /mid\", the journal 12");
}
