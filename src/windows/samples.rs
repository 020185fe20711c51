//! Windows for the tests of this folder.
//!
//! Input: rows of keys and counts. Output: insights and windows made of them.
//! Never: anything outside tests.

use super::fold::WindowLimits;
use super::window::Window;
use crate::dimension::{DIMENSIONS, OTHER, PATH, USER_AGENT};
use crate::measures::{Cell, Measures, Totals};
use crate::model::{Counts, CustomerId, KeyCount, Keys, Seq, WindowId, WindowSize, WindowStart};

/// 2025-12-28T18:03Z.
pub(super) fn minute() -> WindowId {
    WindowId { size: WindowSize::Minute, start: WindowStart(29_449_083) }
}

/// A customer whose name needs an escape.
pub(super) fn customer() -> CustomerId {
    CustomerId::new("a\"b").unwrap()
}

/// An insight of bare entries: requests by path, all of one family.
pub(super) fn bare(paths: &[(&str, u32)], agent: &str) -> (Keys, Counts) {
    let (mut keys, mut counts) = (Keys::default(), Counts::default());
    let mut paths = paths.to_vec();
    paths.sort_unstable();
    keys.tables[PATH] = paths.iter().map(|(path, _)| *path).collect();
    keys.tables[USER_AGENT] = [agent].into_iter().collect();
    let row = |index: usize, requests: u32| KeyCount { index: index as u32, requests, robots: 0 };
    counts.by[PATH].rows =
        paths.iter().enumerate().map(|(index, (_, requests))| row(index, *requests)).collect();
    counts.all.requests = counts.by[PATH].requests();
    counts.by[USER_AGENT].rows = vec![row(0, counts.requests())];
    (keys, counts)
}

/// An insight of requests with everything measured: for each path its requests, robots first, and their status. Every
/// dimension but the path has one key, and optional ones lack it in the first request.
pub(super) fn full(paths: &[(&str, u32, u32, u16)]) -> (Keys, Counts) {
    let requests: Vec<(&str, u32)> = paths.iter().map(|(path, requests, ..)| (*path, *requests)).collect();
    let (mut keys, mut counts) = bare(&requests, "Chrome");
    let mut all = Measures::default();
    let mut robots = Totals::default();
    let mut sorted = paths.to_vec();
    sorted.sort_unstable();
    for (place, (_, requests, of_robots, status)) in sorted.iter().enumerate() {
        let measured = |requests: u32| {
            let mut measures = Measures::new(u64::from(requests) * 1_000, u64::from(requests) * 250_000);
            measures.add_cell(Cell::status(*status).unwrap(), u64::from(requests));
            measures.add_cell(Cell::duration(250_000 * place as u64), u64::from(requests));
            measures
        };
        let sums = measured(*requests);
        let cells: Vec<(Cell, u32)> = sums.cells().map(|(cell, count)| (cell, count as u32)).collect();
        counts.by[PATH].measures.push(sums.response_bytes, sums.duration_micros, cells);
        counts.by[PATH].rows[place].robots = *of_robots;
        all.merge(&sums);
        robots.requests += u64::from(*of_robots);
        robots.measures.merge(&measured(*of_robots));
        for visitor in 0..u64::from(requests - of_robots) {
            counts
                .visitors
                .insert((place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(visitor as u32));
        }
    }
    counts.by[USER_AGENT].rows[0].robots = robots.requests as u32;
    for (dimension, by) in counts.by.iter_mut().enumerate().skip(USER_AGENT + 1) {
        keys.tables[dimension] = ["example.com"].into_iter().collect();
        by.rows = vec![KeyCount { index: 0, requests: counts.all.requests as u32 - 1, robots: 0 }];
        if DIMENSIONS[dimension].is_measured {
            by.measures.push(7, 0, [(Cell::status(paths[0].3).unwrap(), 1)]);
        }
    }
    counts.all.measures = all;
    counts.robots = robots;
    (keys, counts)
}

pub(super) fn window(insight: &(Keys, Counts), limits: &WindowLimits) -> Window {
    let mut window = Window::new(customer(), minute());
    window.merge(Seq(4), &insight.0, &insight.1, limits);
    window
}

/// The keys of a dimension and their requests, by key.
pub(super) fn shown(window: &Window, dimension: usize) -> Vec<(&str, u64)> {
    let table = &window.tables()[dimension];
    let mut shown: Vec<_> =
        table.iter().chain(table.rest()).map(|row| (row.key, row.tally.requests)).collect();
    shown.sort_unstable();
    assert!(shown.iter().filter(|(key, _)| *key == OTHER).count() <= 1);
    shown
}
