//! Access-log lines and what windows must hold of them, worked out line by line without the program's own counting.
//!
//! Input: lines. Output: the counts of a window, and the summary of a batch.
//! Never: the program's merging of counts, which is what the tests check.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use log_analytics::dimension::{DIMENSION_COUNT, DIMENSIONS, PATH, TEXT_COUNT, TEXTS, USER_AGENT};
use log_analytics::measures::{Cell, MeasureRows, Measures, Totals, Visitors};
use log_analytics::model::{Counts, KeyCount, KeyCounts, Keys, Summary, WindowStart};
use log_analytics::windows::table::TableRow;
use log_analytics::windows::window::Window;

use super::rng::Rng;

/// So many bare requests for `GET /` by curl.
pub fn bare_requests(requests: u32) -> (Keys, Counts) {
    let (mut keys, mut counts) = (Keys::default(), Counts::default());
    counts.all.requests = requests.into();
    for (dimension, key) in [(PATH, "GET /"), (USER_AGENT, "curl")] {
        keys.tables[dimension].push(key);
        counts.by[dimension].rows.push(KeyCount { index: 0, requests, robots: 0 });
    }
    (keys, counts)
}

/// One access-log line.
#[derive(Clone, Debug)]
pub struct Line {
    pub minute: u32,
    pub path: String,
    pub agent: &'static str,
    pub measured: Measured,
}

/// What a line says besides that a request was made; nothing for a bare one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    status: Option<u16>,
    bytes: u64,
    micros: Option<u64>,
    texts: [Option<&'static str>; TEXT_COUNT],
    /// Tells visitors apart.
    client: Option<u64>,
}

impl Measured {
    /// What a line of a batch says; those of every third batch are bare. Numbers of their own, so that lines can say more
    /// without changing the course of a seed.
    pub fn of_line(batch: usize, line: u64) -> Self {
        let mut rng = Rng::new((batch as u64) << 32 | line);
        if batch.is_multiple_of(3) {
            return Self::default();
        }
        Self {
            status: rng.pick(&[None, Some(200), Some(200), Some(404), Some(503), Some(0)]),
            bytes: rng.pick(&[0, 1, 61_440, 1 << 40]),
            micros: rng.pick(&[None, Some(0), Some(1), Some(250_000), Some(1_000_000_000_000)]),
            texts: std::array::from_fn(|_| rng.pick(&[None, Some("a.example"), Some("b.example")])),
            client: match rng.below(3) {
                0 => None,
                1 => Some(rng.below(5).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
                _ => Some(rng.next()),
            },
        }
    }
}

/// Whether requests of this family are those of robots.
fn is_robot(agent: &str) -> bool {
    agent == "Googlebot"
}

/// Requests and what was measured of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub requests: u64,
    pub robots: u64,
    bytes: u64,
    micros: u64,
    cells: BTreeMap<Cell, u64>,
}

impl Sums {
    fn add(&mut self, line: &Line, times: u64, is_measured: bool) {
        self.requests += times;
        self.robots += if is_robot(line.agent) { times } else { 0 };
        if !is_measured {
            return;
        }
        self.bytes += line.measured.bytes * times;
        self.micros += line.measured.micros.unwrap_or(0) * times;
        let status = line.measured.status.and_then(Cell::status);
        for cell in status.into_iter().chain(line.measured.micros.map(Cell::duration)) {
            *self.cells.entry(cell).or_default() += times;
        }
    }

    fn measures(&self) -> Measures {
        let cells = self.cells.iter().map(|(cell, count)| (*cell, *count)).collect();
        Measures::with_cells(self.bytes, self.micros, cells).unwrap()
    }

    fn of(requests: u64, robots: u64, measures: Option<&Measures>) -> Self {
        let mut sums = Sums { requests, robots, ..Sums::default() };
        if let Some(measures) = measures {
            sums.bytes = measures.response_bytes;
            sums.micros = measures.duration_micros;
            sums.cells = measures.cells().collect();
        }
        sums
    }

    /// Adds what another counts, as far as sums go.
    pub fn merge(&mut self, other: &Sums) {
        self.requests += other.requests;
        self.robots += other.robots;
        self.bytes += other.bytes;
        self.micros += other.micros;
        other.cells.iter().for_each(|(cell, count)| *self.cells.entry(*cell).or_default() += count);
    }
}

/// What a window should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub all: Sums,
    pub of_robots: Sums,
    pub visitors: Visitors,
    pub by: [BTreeMap<String, Sums>; DIMENSION_COUNT],
    /// By how much the counts of keys may be low.
    pub folded: [u64; DIMENSION_COUNT],
}

impl Counted {
    /// Adds a line so many times.
    pub fn add(&mut self, line: &Line, times: u64) {
        self.all.add(line, times, true);
        if is_robot(line.agent) {
            self.of_robots.add(line, times, true);
        } else if let Some(client) = line.measured.client {
            self.visitors.insert(client);
        }
        for (dimension, by) in self.by.iter_mut().enumerate() {
            let text = TEXTS.iter().position(|place| *place == dimension);
            let key = match dimension {
                PATH => Some(line.path.as_str()),
                USER_AGENT => Some(line.agent),
                _ => text.and_then(|text| line.measured.texts[text]),
            };
            if let Some(key) = key {
                let sums = by.entry(key.to_owned()).or_default();
                sums.add(line, times, DIMENSIONS[dimension].is_measured);
            }
        }
    }

    /// What a window holds.
    pub fn of(window: &Window) -> Self {
        assert!(!window.is_incomplete(), "nothing was damaged, and {:?} is incomplete", window.id());
        assert_eq!(window.wrong_sum(), None, "{:?}", window.id());
        let row = |row: TableRow<'_>| {
            (row.key.to_owned(), Sums::of(row.tally.requests, row.tally.robots, row.measures))
        };
        let totals = |totals: &Totals, robots| Sums::of(totals.requests, robots, Some(&totals.measures));
        let robots = window.robots().requests;
        Self {
            all: totals(window.all(), robots),
            of_robots: totals(window.robots(), robots),
            visitors: window.visitors().clone(),
            by: window.tables().each_ref().map(|table| table.iter().chain(table.rest()).map(row).collect()),
            folded: window.folded(),
        }
    }

    fn counts(&self, keys: &Keys) -> Counts {
        let totals = |sums: &Sums| Totals { requests: sums.requests, measures: sums.measures() };
        Counts {
            all: totals(&self.all),
            robots: totals(&self.of_robots),
            visitors: self.visitors.clone(),
            by: std::array::from_fn(|dimension| {
                let place = |key: &str| keys.tables[dimension].iter().position(|other| other == key).unwrap();
                let mut counts = KeyCounts::default();
                for (key, sums) in &self.by[dimension] {
                    let (index, requests, robots) =
                        (place(key) as u32, sums.requests as u32, sums.robots as u32);
                    counts.rows.push(KeyCount { index, requests, robots });
                    let cells = sums.cells.iter().map(|(cell, count)| (*cell, *count as u32));
                    counts.measures.push(sums.bytes, sums.micros, cells);
                }
                if counts.measures.iter().all(|row| row.is_empty()) {
                    counts.measures = MeasureRows::default();
                }
                counts
            }),
        }
    }
}

/// The summary of a batch of these lines.
pub fn summarize(lines: &[Line]) -> Summary {
    let mut minutes: BTreeMap<u32, Counted> = BTreeMap::new();
    lines.iter().for_each(|line| minutes.entry(line.minute).or_default().add(line, 1));
    let keys = Keys {
        tables: std::array::from_fn(|dimension| {
            let keys: BTreeSet<&str> = minutes
                .values()
                .flat_map(|counted| counted.by[dimension].keys().map(String::as_str))
                .collect();
            keys.into_iter().collect()
        }),
    };
    let minutes = minutes
        .iter()
        .map(|(minute, counted)| (WindowStart(*minute), Arc::new(counted.counts(&keys))))
        .collect();
    Summary { entries: lines.len() as u32, keys: Arc::new(keys), minutes }
}
