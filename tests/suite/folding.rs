//! A scanner and a bot fill a window before real traffic comes: the real keys are named all the same, within the bound that
//! the window tells, and the window stays as small as it must.

use std::collections::HashMap;

use log_analytics::dimension::{DIMENSIONS, PATH, TEXTS, USER_AGENT};
use log_analytics::measures::{Cell, Measures};
use log_analytics::model::{
    Counts, CustomerId, KeyCount, KeyTable, Keys, Seq, WindowId, WindowSize, WindowStart,
};
use log_analytics::windows::fold::WindowLimits;
use log_analytics::windows::window::Window;

use super::support::rng::Rng;

/// A request: its path and status, and what the text dimension with the most keys says.
struct Request {
    path: String,
    status: Option<u16>,
    text: Option<String>,
}

/// The text dimension with the most keys.
fn text_dimension() -> usize {
    TEXTS.into_iter().max_by_key(|dimension| DIMENSIONS[*dimension].max_keys).unwrap()
}

/// The rows of distinct keys, which come with their requests by status.
fn rows(
    keys: impl Iterator<Item = (String, Option<u16>)>,
) -> (KeyTable, Vec<KeyCount>, Vec<HashMap<u16, u32>>) {
    let mut by_key: std::collections::BTreeMap<String, (u32, HashMap<u16, u32>)> = Default::default();
    for (key, status) in keys {
        let (requests, statuses) = by_key.entry(key).or_default();
        *requests += 1;
        status.into_iter().for_each(|status| *statuses.entry(status).or_default() += 1);
    }
    let table = by_key.keys().map(String::as_str).collect();
    let count = |(index, (requests, _)): (u32, &(u32, _))| KeyCount { index, requests: *requests, robots: 0 };
    let counts = (0..).zip(by_key.values()).map(count).collect();
    (table, counts, by_key.into_values().map(|(_, statuses)| statuses).collect())
}

fn insight(requests: &[Request]) -> (Keys, Counts) {
    let (mut keys, mut counts) = (Keys::default(), Counts::default());
    let status = |request: &Request| request.status;
    let (paths, path_rows, statuses) =
        rows(requests.iter().map(|request| (request.path.clone(), status(request))));
    let texts = requests.iter().filter_map(|request| request.text.clone());
    let (texts, text_rows, _) = rows(texts.map(|text| (text, None)));
    counts.all.requests = requests.len() as u64;
    for statuses in statuses {
        let mut cells = Measures::default();
        for (status, count) in statuses {
            cells.add_cell(Cell::status(status).unwrap(), u64::from(count));
        }
        counts.all.measures.merge(&cells);
        let cells: Vec<(Cell, u32)> = cells.cells().map(|(cell, count)| (cell, count as u32)).collect();
        counts.by[PATH].measures.push(0, 0, cells);
    }
    counts.by[PATH].rows = path_rows;
    counts.by[USER_AGENT].rows = vec![KeyCount { index: 0, requests: requests.len() as u32, robots: 0 }];
    counts.by[text_dimension()].rows = text_rows;
    keys.tables[PATH] = paths;
    keys.tables[USER_AGENT] = ["curl"].into_iter().collect();
    keys.tables[text_dimension()] = texts;
    (keys, counts)
}

struct Day {
    window: Window,
    seq: Seq,
    pending: Vec<Request>,
}

impl Day {
    fn new() -> Self {
        let id = WindowId { size: WindowSize::Day, start: WindowStart(29_448_000) };
        let window = Window::new(CustomerId::new("acme").unwrap(), id);
        Self { window, seq: Seq::ZERO, pending: Vec::new() }
    }

    fn add(&mut self, request: Request) {
        self.pending.push(request);
        if self.pending.len() == 5_000 {
            self.seq = self.seq.next();
            let (keys, counts) = insight(&std::mem::take(&mut self.pending));
            self.window.merge(self.seq, &keys, &counts, &WindowLimits::default());
            let weights = self.window.tables().iter().map(|table| table.weight()).sum::<usize>();
            assert!(weights <= 16 << 20, "{weights} bytes of keys and cells");
        }
    }
}

/// A million paths and referrers that come once each, then 2,000 real ones by Zipf's law.
fn scanned_day(scan_status: Option<u16>, real_status: Option<u16>) -> (Day, Vec<u64>) {
    let (mut day, mut rng) = (Day::new(), Rng::new(1));
    for _ in 0..1_000_000 {
        let (path, text) = (rng.next(), rng.next());
        day.add(Request {
            path: format!("GET /{path:016x}.php"),
            status: scan_status,
            text: Some(format!("{text:016x}.example")),
        });
    }
    // The harmonic numbers, by which a random one is a rank.
    let harmonic: Vec<f64> = (1..=2_000)
        .scan(0.0, |sum, rank| {
            *sum += 1.0 / f64::from(rank);
            Some(*sum)
        })
        .collect();
    let mut exact = vec![0; 2_000];
    for _ in 0..500_000 {
        let at = rng.below(1 << 52) as f64 / (1u64 << 52) as f64 * harmonic.last().unwrap();
        let rank = harmonic.partition_point(|sum| *sum < at);
        exact[rank] += 1;
        // Real paths sort behind and before the scanner's.
        let path = format!("GET /{}/articles/{rank}", ["~real", "0"][rank % 2]);
        day.add(Request { path, status: real_status, text: Some(format!("www.{rank}.example")) });
    }
    (day, exact)
}

#[test]
fn a_scanner_with_a_million_paths_hides_none_of_the_500_biggest() {
    for (scan_status, real_status) in [(None, None), (Some(404), Some(200)), (Some(200), Some(200))] {
        let (day, exact) = scanned_day(scan_status, real_status);
        let Day { window, .. } = day;
        for (dimension, key) in [
            (
                PATH,
                (|rank| format!("GET /{}/articles/{rank}", ["~real", "0"][rank % 2])) as fn(usize) -> String,
            ),
            (text_dimension(), |rank| format!("www.{rank}.example")),
        ] {
            let (table, folded) = (&window.tables()[dimension], window.folded()[dimension]);
            let shown: HashMap<&str, u64> = table.iter().map(|row| (row.key, row.tally.requests)).collect();
            let max_keys = DIMENSIONS[dimension].max_keys;
            assert!(shown.len() <= max_keys && shown.len() > max_keys / 2, "{} keys", shown.len());
            for (rank, exact) in exact.iter().enumerate() {
                let shown = shown.get(&*key(rank)).copied();
                assert!(shown.is_some() || rank >= 500, "rank {rank} has no name, folded {folded}");
                let shown = shown.unwrap_or(0);
                assert!(
                    (shown..=shown + folded).contains(exact),
                    "rank {rank}: {shown} of {exact}, {folded}"
                );
            }
            let rest = table.rest().unwrap().tally.requests;
            assert_eq!(shown.values().sum::<u64>() + rest, window.requests(), "sums are exact");
            println!("{scan_status:?}: by {} counts are up to {folded} too low", DIMENSIONS[dimension].name);
        }
        assert_eq!(window.wrong_sum(), None);
        println!("{scan_status:?}: {} keys take {} bytes of memory", window.keys(), window.resident_bytes());
        assert!(window.resident_bytes() < 24 << 20);
    }
}
