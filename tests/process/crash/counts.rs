//! The counts that windows must hold of a campaign's entries: plain maps and sums, and the same read from a window's
//! file. Nothing here is taken from the program under test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Requests and what was measured of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    requests: u64,
    robots: u64,
    bytes: u64,
    micros: u64,
    zeros: u64,
    statuses: BTreeMap<String, u64>,
    buckets: BTreeMap<String, u64>,
}

/// What counts in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    all: Sums,
    of_robots: Sums,
    /// By the suffix of the dimension's fields.
    by: BTreeMap<&'static str, BTreeMap<String, Sums>>,
}

/// The counts of one entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) is_robot: bool,
    pub(crate) status: Option<u64>,
    pub(crate) bytes: u64,
    pub(crate) micros: Option<u64>,
    /// The keys it is counted under, by the suffix of their dimension.
    pub(crate) keys: Vec<(&'static str, String)>,
}

const SUFFIXES: [&str; 5] = ["Path", "UserAgent", "Host", "Referrer", "Country"];
const MEASURED: [&str; 2] = ["Path", "Host"];

impl Sums {
    fn add(&mut self, said: &Said, is_measured: bool) {
        self.requests += 1;
        self.robots += u64::from(said.is_robot);
        if !is_measured {
            return;
        }
        self.bytes += said.bytes;
        if let Some(status) = said.status {
            *self.statuses.entry(status.to_string()).or_default() += 1;
        }
        match said.micros {
            None => {}
            Some(0) => self.zeros += 1,
            Some(micros) => {
                self.micros += micros;
                // No duration of a campaign is on a boundary, where the last bit of a logarithm would matter.
                let bucket = ((micros as f64 / 1e6).log2() * 8.0).ceil();
                *self.buckets.entry(format!("{bucket}")).or_default() += 1;
            }
        }
    }

    /// Reads the measures of a file.
    fn measure(&mut self, fields: &Value) {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let map = |value: &Value| match value {
            Value::Null => BTreeMap::new(),
            map => serde_json::from_value(map.clone()).unwrap(),
        };
        self.bytes = number(&fields["responseBytes"]);
        self.statuses = map(&fields["status"]);
        let duration = &fields["duration"];
        (self.micros, self.zeros) = (number(&duration["micros"]), number(&duration["zeroCount"]));
        self.buckets = map(&duration["buckets"]);
    }
}

impl Counts {
    /// Counts one entry.
    pub(crate) fn add(&mut self, said: &Said) {
        self.all.add(said, true);
        if said.is_robot {
            self.of_robots.add(said, true);
        }
        for (suffix, key) in &said.keys {
            let sums = self.by.entry(suffix).or_default().entry(key.clone()).or_default();
            sums.add(said, MEASURED.contains(suffix));
        }
    }

    /// Reads a window's file.
    pub(crate) fn of_file(window: &Value) -> Self {
        let mut counts = Self::default();
        let requests = |value: &Value| value["requests"].as_u64().unwrap_or(0);
        counts.all.requests = requests(window);
        counts.all.measure(window);
        counts.all.robots = requests(&window["robots"]);
        counts.of_robots.requests = counts.all.robots;
        counts.of_robots.robots = counts.all.robots;
        counts.of_robots.measure(&window["robots"]);
        for suffix in SUFFIXES {
            let Some(keys) = window[format!("requestsBy{suffix}")].as_object() else { continue };
            let by = counts.by.entry(suffix).or_default();
            for (key, requests) in keys {
                let robots = window[format!("robotsBy{suffix}")][key].as_u64().unwrap_or(0);
                let mut sums = Sums { requests: requests.as_u64().unwrap(), robots, ..Sums::default() };
                sums.measure(&window[format!("measuresBy{suffix}")][key]);
                by.insert(key.clone(), sums);
            }
        }
        counts
    }
}

/// Visitors of a window: client and agent, robots left out.
pub(crate) type Visitors = BTreeSet<(String, usize)>;

/// Compares the registers in a window's file with the visitors. The hash is keyed, so that only the number of
/// registers is known: two visitors may share a register.
pub(crate) fn assert_visitors(window: &Value, visitors: &Visitors, label: &str) {
    let text = window["visitors"].as_str().unwrap_or("");
    let registers = text.len() / 3;
    assert_eq!(text.len() % 3, 0, "{label}: few visitors are written sparse");
    let shared = visitors.len() - registers.min(visitors.len());
    assert!(registers <= visitors.len() && shared <= 3, "{label}: {registers} registers of {visitors:?}");
}
