//! The plain model: every answer worked out anew from the list of all entries, in the words of the API's description.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use log_analytics::batch::agent;
use log_analytics::dimension::{DIMENSIONS, TEXT_COUNT, TEXTS, text_field};
use serde_json::{Map, Value, json};

pub const MINUTE_MS: u64 = 60_000;
pub const AGENTS: [&str; 5] =
    ["curl/8.5", "Wget/1.21", "Mozilla/5.0 (compatible; Googlebot/2.1)", "GPTBot/1.2", "Firefox"];
/// Statuses of entries; the first means that there is none.
pub const STATUSES: [u16; 6] = [0, 200, 301, 404, 499, 503];

pub type Counts = BTreeMap<String, u64>;

/// An entry as it is made.
#[derive(Clone, Debug)]
pub struct Entry {
    pub minute: u64,
    pub second: u64,
    pub path: usize,
    pub agent: usize,
    pub status: usize,
    pub bytes: Option<u64>,
    pub micros: Option<u64>,
    pub client: Option<u8>,
    /// Which of two values each text has.
    pub texts: [Option<bool>; TEXT_COUNT],
}

pub fn path(number: usize) -> String {
    ["/", "/a\"b\\", "/\u{202e}é"]
        .get(number)
        .map_or_else(|| format!("/p{number}"), |path| (*path).to_owned())
}

/// A text of an entry: two for each field, of two letters, all different.
pub fn text(field: usize, second: bool) -> String {
    let letter = char::from(b'a' + 2 * field as u8 + u8::from(second));
    format!("{letter}{letter}")
}

impl Entry {
    /// The entry as it is sent.
    pub fn body(&self, base_ms: u64) -> Value {
        let mut entry = json!({
            "receivedAt": log_analytics::time::format_rfc3339(base_ms + self.minute * MINUTE_MS + self.second * 1_000),
            "method": "GET",
            "path": path(self.path),
            "userAgent": AGENTS[self.agent],
        });
        if self.status > 0 {
            entry["status"] = json!(STATUSES[self.status]);
        }
        if let Some(bytes) = self.bytes {
            entry["responseBytes"] = json!(bytes);
        }
        if let Some(micros) = self.micros {
            entry["durationSeconds"] = json!(format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
        }
        if let Some(client) = self.client {
            entry["clientIp"] = json!(format!("192.0.2.{client}"));
        }
        for (field, value) in self.texts.iter().enumerate() {
            if let Some(second) = value {
                entry[text_field(field).name] = json!(text(field, *second));
            }
        }
        entry
    }

    /// The entry as it is counted.
    pub fn counted(&self, base_ms: u64) -> PlainEntry {
        let family = agent::family(AGENTS[self.agent]);
        let mut keys = vec![None; DIMENSIONS.len()];
        keys[0] = Some(format!("GET {}", path(self.path)));
        keys[1] = Some(family.name().to_owned());
        for (field, value) in self.texts.iter().enumerate() {
            let text = value.map(|second| text(field, second));
            keys[TEXTS[field]] = text.map(|text| (text_field(field).key)(&text).unwrap().into_owned());
        }
        PlainEntry {
            minute_ms: base_ms + self.minute * MINUTE_MS,
            is_robot: matches!(family.class().as_str(), "bot" | "ai"),
            keys,
            status: (self.status > 0).then(|| STATUSES[self.status]),
            bytes: self.bytes.unwrap_or(0),
            micros: self.micros,
            visitor: self.client.map(|client| (client, self.agent)),
        }
    }
}

/// See [`Entry::counted`].
#[derive(Clone, Debug)]
pub struct PlainEntry {
    pub minute_ms: u64,
    pub is_robot: bool,
    /// By dimension.
    pub keys: Vec<Option<String>>,
    pub status: Option<u16>,
    pub bytes: u64,
    pub micros: Option<u64>,
    pub visitor: Option<(u8, usize)>,
}

/// The place of the window that holds a minute: its start, and the first instant after it.
pub fn window_of(ms: u64, step: &str, zone: &str) -> (u64, u64) {
    let fixed = |minutes: u64| {
        let start = ms - ms % (minutes * MINUTE_MS);
        (start, start + minutes * MINUTE_MS)
    };
    let zone = TimeZone::get(zone).unwrap();
    let local =
        Timestamp::from_millisecond(ms as i64).unwrap().to_zoned_datetime(zone).start_of_day().unwrap();
    let ms = |at: jiff::ZonedDateTime| at.timestamp().as_millisecond() as u64;
    match step {
        "minute" => fixed(1),
        "hour" => fixed(60),
        "day" => (ms(local.clone()), ms(local.tomorrow().unwrap().start_of_day().unwrap())),
        _ => {
            let first = local.first_of_month().unwrap().start_of_day().unwrap();
            (ms(first.clone()), ms(first.checked_add(1.month()).unwrap().start_of_day().unwrap()))
        }
    }
}

/// Keeps the `top` largest, of equals the smaller by bytes, and sums the rest.
pub fn cut(counts: &Counts, top: Option<usize>) -> Counts {
    let mut sorted: Vec<(&String, u64)> = counts.iter().map(|(key, count)| (key, *count)).collect();
    sorted.sort_by(|(a, count_a), (b, count_b)| count_b.cmp(count_a).then(a.cmp(b)));
    let kept = top.unwrap_or(usize::MAX).min(sorted.len());
    let mut cut: Counts = sorted[..kept].iter().map(|(key, count)| ((*key).clone(), *count)).collect();
    let other: u64 = sorted[kept..].iter().map(|(_, count)| count).sum();
    if other > 0 {
        cut.insert("(other)".to_owned(), other);
    }
    cut
}

pub fn counts(keys: impl Iterator<Item = String>) -> Counts {
    let mut counts = Counts::new();
    keys.for_each(|key| *counts.entry(key).or_insert(0) += 1);
    counts
}

pub fn keys_of(entries: &[&PlainEntry], dimension: usize) -> Counts {
    counts(entries.iter().filter_map(|entry| entry.keys[dimension].clone()))
}

/// What is measured of entries, as answers show it. In place of `duration` stands the sorted list of all, see
/// [`assert_same`].
pub fn measures(entries: &[&PlainEntry]) -> Map<String, Value> {
    let mut measures = Map::new();
    let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let statuses: Vec<u16> = entries.iter().filter_map(|entry| entry.status).collect();
    let of = |from: u16| statuses.iter().filter(|status| (from..from + 100).contains(*status)).count();
    let mut micros: Vec<u64> = entries.iter().filter_map(|entry| entry.micros).collect();
    micros.sort_unstable();
    let numbers =
        [("responseBytes", bytes), ("clientErrors", of(400) as u64), ("serverErrors", of(500) as u64)];
    for (name, number) in numbers.into_iter().filter(|(_, number)| *number > 0) {
        measures.insert(name.to_owned(), json!(number));
    }
    if !statuses.is_empty() {
        measures.insert("status".to_owned(), json!(counts(statuses.iter().map(u16::to_string))));
    }
    if !micros.is_empty() {
        measures.insert("duration".to_owned(), json!(micros));
    }
    measures
}

/// A window of the answer, but for its name.
pub fn window(entries: &[&PlainEntry], by: &[bool], top: Option<usize>) -> Map<String, Value> {
    let robots: Vec<&PlainEntry> = entries.iter().filter(|entry| entry.is_robot).copied().collect();
    let people = entries.iter().filter(|entry| !entry.is_robot);
    let visitors: BTreeSet<_> = people.filter_map(|entry| entry.visitor).collect();
    let mut window = measures(entries);
    window.insert("requests".to_owned(), json!(entries.len()));
    if !visitors.is_empty() {
        window.insert("visitors".to_owned(), json!(visitors.len()));
    }
    if !robots.is_empty() {
        let mut all = measures(&robots);
        all.insert("requests".to_owned(), json!(robots.len()));
        window.insert("robots".to_owned(), Value::Object(all));
    }
    for (place, dimension) in DIMENSIONS.iter().enumerate().filter(|(place, _)| by[*place]) {
        let shown = cut(&keys_of(entries, place), top);
        let name = |entry: &PlainEntry| {
            let key = entry.keys[place].clone()?;
            Some(if shown.contains_key(&key) { key } else { "(other)".to_owned() })
        };
        let mut insert = |what: &str, value: Value| {
            if value.as_object().is_some_and(|map| !map.is_empty()) {
                window.insert(format!("{what}By{}", dimension.suffix), value);
            }
        };
        insert("requests", json!(shown));
        insert("robots", json!(counts(robots.iter().filter_map(|entry| name(entry)))));
        if dimension.is_measured {
            let of_key = |key: &String| {
                let these: Vec<&PlainEntry> =
                    entries.iter().filter(|entry| name(entry).as_ref() == Some(key)).copied().collect();
                (key.clone(), Value::Object(measures(&these)))
            };
            let by_key: Map<String, Value> = shown.keys().map(of_key).collect();
            let is_measured = |value: &Value| value.as_object().is_some_and(|map| !map.is_empty());
            insert("measures", by_key.into_iter().filter(|(_, value)| is_measured(value)).collect());
        }
    }
    window
}

/// The nearest rank of sorted durations, in seconds.
pub fn percentile(sorted_micros: &[u64], percent: usize) -> f64 {
    let rank = (sorted_micros.len() * percent).div_ceil(100).max(1);
    sorted_micros[rank - 1] as f64 / 1e6
}

/// Whether a quantile is as near to the true one as promised.
fn is_near(found: f64, truth: f64) -> bool {
    if truth == 0.0 { found == 0.0 } else { (found / truth - 1.0).abs() < 0.0443 }
}

/// Compares an answer with what the model says, where `duration` is a list of all.
#[track_caller]
pub fn assert_same(found: &Value, expected: &Value, what: &str) {
    let (Value::Object(found_map), Value::Object(expected_map)) = (found, expected) else {
        return assert_eq!(found, expected, "{what}");
    };
    let names = |map: &Map<String, Value>| map.keys().cloned().collect::<BTreeSet<String>>();
    assert_eq!(names(found_map), names(expected_map), "{what}: {found}");
    for (name, value) in found_map {
        let expected = &expected_map[name];
        match (name.as_str(), expected.as_array()) {
            ("duration", Some(all)) => {
                let micros: Vec<u64> = all.iter().map(|micros| micros.as_u64().unwrap()).collect();
                assert_durations(value, &micros, what);
            }
            ("visitors", None) => assert_visitors(value, expected, what),
            _ => assert_same(value, expected, what),
        }
    }
}

/// A few visitors are counted one by one, but for two that share one of 4,096 registers: the server's secret, which is another
/// in each run, decides which do.
#[track_caller]
fn assert_visitors(found: &Value, expected: &Value, what: &str) {
    let (found, expected) = (found.as_u64().unwrap(), expected.as_u64().unwrap());
    let fewest = if expected < 2 { expected } else { expected - 1 - expected / 20 };
    assert!((fewest..=expected + expected / 20).contains(&found), "{what}: {found} visitors of {expected}");
}

#[track_caller]
fn assert_durations(found: &Value, sorted_micros: &[u64], what: &str) {
    let sum: u64 = sorted_micros.iter().sum();
    assert_eq!(found["count"], sorted_micros.len(), "{what}");
    assert_eq!(found["sumSeconds"].as_f64().unwrap(), sum as f64 / 1e6, "{what}");
    assert_eq!(found.get("micros").and_then(Value::as_u64).unwrap_or(0), sum, "{what}");
    for percent in [50, 90, 95, 99] {
        let quantile = found[format!("p{percent}")].as_f64().unwrap();
        let truth = percentile(sorted_micros, percent);
        assert!(is_near(quantile, truth), "{what}: p{percent} is {quantile} and not {truth}");
    }
    let zeros = found.get("zeroCount").and_then(Value::as_u64).unwrap_or(0);
    let buckets = found.get("buckets").and_then(Value::as_object);
    let others: u64 =
        buckets.map_or(0, |buckets| buckets.values().map(|count| count.as_u64().unwrap()).sum());
    assert_eq!(zeros + others, sorted_micros.len() as u64, "{what}");
    assert_eq!(zeros, sorted_micros.iter().filter(|micros| **micros == 0).count() as u64, "{what}");
}
