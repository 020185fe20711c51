//! The batches of a campaign, each made from seed and number alone, and the plain model of what they count: strings
//! and a map. Nothing here is taken from the program under test.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use super::load::Fates;
use crate::support::rng::Rng;
use crate::support::stored::assert_verified;

/// Customers and the directories of their windows.
const CUSTOMERS: [(&str, &str); 5] = [
    ("acme", "acme"),
    ("globex", "globex"),
    ("../etc/passwd", "%2E.%2Fetc%2Fpasswd"),
    ("50%/day@example.com", "50%25%2Fday%40example.com"),
    ("~", "%7E"),
];

/// The stamps of minutes that batches fall into, around an hour's, a day's and a year's end.
const MINUTES: [&str; 12] = [
    "20251228T2358",
    "20251228T2359",
    "20251229T0000",
    "20251229T0001",
    "20251229T0030",
    "20251229T0059",
    "20251229T0100",
    "20251229T1200",
    "20251231T2359",
    "20260101T0000",
    "20240229T1234",
    "19991231T2359",
];

/// User agents and the families they are counted under.
const AGENTS: [(&str, &str); 3] = [
    ("curl/8.5.0", "curl"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox"),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
];

/// What counts in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    pub(crate) paths: BTreeMap<String, u64>,
    pub(crate) families: BTreeMap<String, u64>,
}

/// Windows by directory and stamp.
pub(crate) type Windows = BTreeMap<(String, String), Counts>;

pub(crate) struct Entry {
    minute: usize,
    second: u64,
    path: String,
    agent: usize,
}

/// One batch.
pub(crate) struct Batch {
    pub(crate) customer: &'static str,
    pub(crate) dir: &'static str,
    pub(crate) key: String,
    /// A path that no other batch has.
    pub(crate) own_path: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) ndjson: bool,
}

impl Batch {
    /// The batch of this number.
    pub(crate) fn new(seed: u64, number: usize) -> Batch {
        let mut rng = Rng::new(seed ^ (number as u64).wrapping_mul(0xD134_2543_DE82_EF95));
        let (customer, dir) = rng.pick(&CUSTOMERS);
        let own_path = format!("/own/{number}");
        let around = rng.index(MINUTES.len());
        let entries = (0..rng.between(1, 12))
            .map(|index| Entry {
                minute: (around + rng.index(3)) % MINUTES.len(),
                second: rng.below(60),
                path: if index == 0 { own_path.clone() } else { format!("/page/{}", rng.below(30)) },
                agent: rng.index(AGENTS.len()),
            })
            .collect();
        // Keys are the customer's own: neighbours share theirs.
        Batch { customer, dir, key: format!("key-{number}"), own_path, entries, ndjson: rng.percent(30) }
    }

    pub(crate) fn content_type(&self) -> &'static str {
        if self.ndjson { "application/x-ndjson" } else { "application/json" }
    }

    /// The body as it is before it is encoded.
    pub(crate) fn body(&self) -> Vec<u8> {
        let entry = |entry: &Entry| {
            let stamp = MINUTES[entry.minute];
            let time = format!(
                "{}-{}-{}T{}:{}:{:02}Z",
                &stamp[..4],
                &stamp[4..6],
                &stamp[6..8],
                &stamp[9..11],
                &stamp[11..13],
                entry.second
            );
            json!({"receivedAt": time, "method": "GET", "path": entry.path, "userAgent": AGENTS[entry.agent].0})
        };
        let entries: Vec<Value> = self.entries.iter().map(entry).collect();
        if !self.ndjson {
            return serde_json::to_vec(&entries).unwrap();
        }
        entries.iter().flat_map(|entry| format!("{entry}\n").into_bytes()).collect()
    }

    /// Counts it in its minute, hour and day windows.
    pub(crate) fn count(&self, windows: &mut Windows) {
        for entry in &self.entries {
            let stamp = MINUTES[entry.minute];
            for stamp in [stamp, &stamp[..11], &stamp[..8]] {
                let key = (self.dir.to_owned(), format!("{stamp}Z"));
                let counts = windows.entry(key).or_default();
                counts.requests += 1;
                *counts.paths.entry(format!("GET {}", entry.path)).or_default() += 1;
                *counts.families.entry(AGENTS[entry.agent].1.to_owned()).or_default() += 1;
            }
        }
    }

    /// Whether these windows hold it: by its own path, in the day of its first entry.
    pub(crate) fn is_in(&self, windows: &Windows) -> bool {
        let stamp = format!("{}Z", &MINUTES[self.entries[0].minute][..8]);
        let day = windows.get(&(self.dir.to_owned(), stamp));
        day.is_some_and(|day| day.paths.contains_key(&format!("GET {}", self.own_path)))
    }
}

/// A body in one of the codings; `None` for as it is.
pub(crate) fn encoded(body: &[u8], rng: &mut Rng) -> (Option<&'static str>, Vec<u8>) {
    match rng.below(4) {
        0 => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(body).unwrap();
            (Some("gzip"), encoder.finish().unwrap())
        }
        1 => (Some("zstd"), zstd::encode_all(body, 1).unwrap()),
        _ => (None, body.to_vec()),
    }
}

/// All window files under `<dir>/store`.
pub(crate) fn windows_on_disk(dir: &std::path::Path) -> Windows {
    let mut windows = Windows::new();
    let root = dir.join("store/aggregate-results");
    for customer in std::fs::read_dir(root).unwrap() {
        let customer = customer.unwrap().path();
        let name = customer.file_name().unwrap().to_str().unwrap().to_owned();
        for file in std::fs::read_dir(&customer).unwrap() {
            let path = file.unwrap().path();
            let window: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(window.get("incomplete"), None, "{}", path.display());
            let map = |name: &str| serde_json::from_value(window[name].clone()).unwrap();
            let counts = Counts {
                requests: window["requests"].as_u64().unwrap(),
                paths: map("requestsByPath"),
                families: map("requestsByUserAgent"),
            };
            let stamp = path.file_stem().unwrap().to_str().unwrap().to_owned();
            windows.insert((name.clone(), stamp), counts);
        }
    }
    windows
}

/// Holds what is on disk against the model, window by window, none missing and none too many.
pub(crate) fn assert_exact(seed: u64, dir: &std::path::Path, fates: Fates, forgets: bool) {
    let found = windows_on_disk(dir);
    let mut expected = Windows::new();
    let mut records = fates.counted.len();
    fates.counted.iter().for_each(|number| Batch::new(seed, *number).count(&mut expected));
    for number in &fates.abandoned {
        // Counted or not, but if so then wholly: in all windows.
        let batch = Batch::new(seed, *number);
        if batch.is_in(&found) {
            batch.count(&mut expected);
            records += 1;
        }
    }
    for (window, counts) in &expected {
        assert_eq!(found.get(window), Some(counts), "seed {seed}: {window:?}");
    }
    assert_eq!(found.len(), expected.len(), "seed {seed}: windows of nobody");
    let report = assert_verified(dir);
    if !forgets {
        assert_eq!(report["records"], records, "seed {seed}: records in the journal");
    }
}
