//! The batches of a campaign, each made from seed and number alone, and how what they count is held against the windows on
//! disk. Nothing here is taken from the program under test.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value, json};

use super::counts::{Counts, Said, Visitors, assert_visitors};
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

/// User agents, the families they are counted under, and whether those are robots.
const AGENTS: [(&str, &str, bool); 3] = [
    ("curl/8.5.0", "curl", false),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox", false),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", true),
];

/// A directory and a stamp.
type Key = (String, String);

pub(crate) struct Entry {
    minute: usize,
    second: u64,
    path: String,
    agent: usize,
    /// The optional fields, as they are sent.
    optional: Map<String, Value>,
    client: Option<String>,
    said: Said,
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

impl Entry {
    /// An entry with optional fields, or a bare one.
    fn new(minute: usize, second: u64, path: String, agent: usize, others: Option<&mut Rng>) -> Self {
        let (_, family, is_robot) = AGENTS[agent];
        let keys = vec![("Path", format!("GET {path}")), ("UserAgent", family.to_owned())];
        let said = Said { is_robot, keys, ..Said::default() };
        let mut entry = Self { minute, second, path, agent, optional: Map::new(), client: None, said };
        if let Some(others) = others {
            entry.measure(others);
            entry.say_where(others);
        }
        entry
    }

    fn measure(&mut self, rng: &mut Rng) {
        self.said.status = rng.pick(&[None, Some(200), Some(200), Some(301), Some(404), Some(503), Some(0)]);
        if let Some(status) = self.said.status {
            let text = rng.percent(30).then(|| json!(status.to_string()));
            self.optional.insert("status".into(), text.unwrap_or(json!(status)));
        }
        self.said.bytes = rng.pick(&[0, 1, 512, 1 << 40]);
        self.optional.insert("responseBytes".into(), json!(self.said.bytes));
        self.said.micros = rng.pick(&[None, Some(0), Some(1_500), Some(37_000), Some(2_500_000)]);
        if let Some(micros) = self.said.micros {
            self.optional.insert("durationSeconds".into(), json!(micros as f64 / 1e6));
        }
    }

    fn say_where(&mut self, rng: &mut Rng) {
        let host =
            rng.pick(&[None, Some(("Shop.Example:8443", "shop.example")), Some(("b.example", "b.example"))]);
        let referrer = rng.pick(&[
            Some(("-", None)),
            Some(("https://News.example/story?id=1", Some("news.example"))),
            Some(("http://b.example/", Some("b.example"))),
            None,
        ]);
        let country = rng.pick(&[None, Some(("de", "DE")), Some(("US", "US"))]);
        let mut say = |name: &str, text: &str| drop(self.optional.insert(name.into(), json!(text)));
        if let Some((text, host)) = host {
            say("host", text);
            self.said.keys.push(("Host", host.to_owned()));
        }
        if let Some((text, from)) = referrer {
            say("referrer", text);
            let from = from.filter(|from| host.is_none_or(|(_, host)| host != *from));
            self.said.keys.extend(from.map(|from| ("Referrer", from.to_owned())));
        }
        if let Some((text, country)) = country {
            say("country", text);
            self.said.keys.push(("Country", country.to_owned()));
        }
        if rng.percent(70) {
            let client = format!("203.0.113.{}", rng.below(20));
            say("clientIp", &client);
            self.client = Some(client);
        }
    }
}

impl Batch {
    /// The batch of this number.
    pub(crate) fn new(seed: u64, number: usize) -> Batch {
        let mut rng = Rng::new(seed ^ (number as u64).wrapping_mul(0xD134_2543_DE82_EF95));
        let (customer, dir) = rng.pick(&CUSTOMERS);
        let own_path = format!("/own/{number}");
        let around = rng.index(MINUTES.len());
        // Optional fields have numbers of their own, so that they do not change the course of a seed.
        let mut others = Rng::new(seed.rotate_left(32) ^ number as u64);
        let entries = (0..rng.between(1, 12))
            .map(|index| {
                let minute = (around + rng.index(3)) % MINUTES.len();
                let second = rng.below(60);
                let path = if index == 0 { own_path.clone() } else { format!("/page/{}", rng.below(30)) };
                Entry::new(
                    minute,
                    second,
                    path,
                    rng.index(AGENTS.len()),
                    (!number.is_multiple_of(3)).then_some(&mut others),
                )
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
            let agent = AGENTS[entry.agent].0;
            let mut sent = entry.optional.clone();
            let required = [
                ("receivedAt", time.as_str()),
                ("method", "GET"),
                ("path", &entry.path),
                ("userAgent", agent),
            ];
            sent.extend(required.map(|(name, text)| (name.to_owned(), json!(text))));
            Value::Object(sent)
        };
        let entries: Vec<Value> = self.entries.iter().map(entry).collect();
        if !self.ndjson {
            return serde_json::to_vec(&entries).unwrap();
        }
        entries.iter().flat_map(|entry| format!("{entry}\n").into_bytes()).collect()
    }

    /// Counts it in its minute, hour and day windows.
    fn count(&self, windows: &mut BTreeMap<Key, (Counts, Visitors)>) {
        for entry in &self.entries {
            let stamp = MINUTES[entry.minute];
            for stamp in [stamp, &stamp[..11], &stamp[..8]] {
                let (counts, visitors) =
                    windows.entry((self.dir.to_owned(), format!("{stamp}Z"))).or_default();
                counts.add(&entry.said);
                if !entry.said.is_robot {
                    visitors.extend(entry.client.clone().map(|client| (client, entry.agent)));
                }
            }
        }
    }

    /// Whether these windows hold it: by its own path, in the day of its first entry.
    fn is_in(&self, windows: &BTreeMap<Key, Value>) -> bool {
        let stamp = format!("{}Z", &MINUTES[self.entries[0].minute][..8]);
        let day = windows.get(&(self.dir.to_owned(), stamp));
        day.is_some_and(|day| day["requestsByPath"].get(format!("GET {}", self.own_path)).is_some())
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
fn windows_on_disk(dir: &std::path::Path) -> BTreeMap<Key, Value> {
    let mut windows = BTreeMap::new();
    let root = dir.join("store/aggregate-results");
    for customer in std::fs::read_dir(root).unwrap() {
        let customer = customer.unwrap().path();
        let name = customer.file_name().unwrap().to_str().unwrap().to_owned();
        for file in std::fs::read_dir(&customer).unwrap() {
            let path = file.unwrap().path();
            let window: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert_eq!(window.get("incomplete"), None, "{}", path.display());
            let stamp = path.file_stem().unwrap().to_str().unwrap().to_owned();
            windows.insert((name.clone(), stamp), window);
        }
    }
    windows
}

/// Holds what is on disk against the model, window by window, none missing and none too many.
pub(crate) fn assert_exact(seed: u64, dir: &std::path::Path, fates: Fates, forgets: bool) {
    let found = windows_on_disk(dir);
    let mut expected = BTreeMap::new();
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
    for (key, (counts, visitors)) in &expected {
        let label = format!("seed {seed}: {key:?}");
        let window = found.get(key).unwrap_or_else(|| panic!("{label}: no such window"));
        assert_eq!(Counts::of_file(window), *counts, "{label}");
        assert_visitors(window, visitors, &label);
    }
    assert_eq!(found.len(), expected.len(), "seed {seed}: windows of nobody");
    let report = assert_verified(dir);
    if !forgets {
        assert_eq!(report["records"], records, "seed {seed}: records in the journal");
    }
}
