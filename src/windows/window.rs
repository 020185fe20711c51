//! One window: its counts in memory and its file. Pure: no disk, clock or channel.
//!
//! A file is one line of JSON in canonical form: fields in this order, map keys sorted by bytes, and a checksum
//! (XXH3-128 in hex) over everything before it:
//!
//! `{"customerId":…,"windowStart":"2025-12-28T18:03:00Z","windowSize":"minute","requests":16000,"requestsByPath":{"GET /":4000,…},"requestsByUserAgent":{…},"appliedThrough":3200,"checksum":"…"}`
//!
//! `"incomplete":true` stands before `appliedThrough` where earlier counts were lost to damage. Both maps always sum
//! to `requests`.

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::Deserialize;

use crate::base::sealed::{is_sealed, seal_json};
use crate::model::{Counts, CustomerId, KeyTable, Keys, Seq, WindowId, WindowSize};
use crate::time;

/// Where counts go whose key would be one too many. No path or family has this name: a path begins with a method,
/// which holds no parenthesis, and families do not begin with one.
pub const OTHER: &str = "(other)";

/// How much a window may remember. What is beyond goes to [`OTHER`].
#[derive(Clone, Copy, Debug)]
pub struct WindowLimits {
    /// Distinct paths.
    pub max_paths: usize,
    /// Distinct families.
    pub max_agents: usize,
    /// Bytes of all keys together.
    pub max_key_bytes: usize,
}

impl Default for WindowLimits {
    /// What a busy site names in a day, and no more memory than a few hundred windows together may take.
    fn default() -> Self {
        Self { max_paths: 50_000, max_agents: 2_000, max_key_bytes: 4 << 20 }
    }
}

/// What an entry of a map costs besides the key's bytes: the pointer, length and count in the table, at a load of
/// three quarters, and the allocation of the key.
const ENTRY_OVERHEAD_BYTES: usize = 24 * 4 / 3 + 16;
/// What a window costs besides its entries.
const WINDOW_OVERHEAD_BYTES: usize = 512;

type CountMap = HashMap<Box<str>, u64, RandomState>;

/// One window's counts.
#[derive(Clone, Debug)]
pub struct Window {
    customer: CustomerId,
    id: WindowId,
    requests: u64,
    paths: CountMap,
    agents: CountMap,
    key_bytes: usize,
    applied_through: Seq,
    incomplete: bool,
}

/// Why a file is not the window it should be.
#[derive(Debug, PartialEq, Eq)]
pub enum Damaged {
    /// The checksum is wrong, or there is none.
    Checksum,
    /// The checksum holds, but the content is not a window: a bug or somebody else wrote it.
    Content(String),
    /// It is the window of somebody else or of another time: the file was moved.
    Misplaced(String),
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damaged::Checksum => f.write_str("the checksum is wrong"),
            Damaged::Content(what) => f.write_str(what),
            Damaged::Misplaced(whose) => write!(f, "the file holds the window of {whose}"),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    customer_id: String,
    window_start: String,
    window_size: String,
    requests: u64,
    requests_by_path: BTreeMap<String, u64>,
    requests_by_user_agent: BTreeMap<String, u64>,
    #[serde(default)]
    incomplete: bool,
    applied_through: u64,
    #[serde(rename = "checksum")]
    _checksum: String,
}

impl Window {
    /// An empty window.
    pub fn new(customer: CustomerId, id: WindowId) -> Self {
        Self {
            customer,
            id,
            requests: 0,
            paths: CountMap::default(),
            agents: CountMap::default(),
            key_bytes: 0,
            applied_through: Seq::ZERO,
            incomplete: false,
        }
    }

    /// Whose it is.
    pub fn customer(&self) -> &CustomerId {
        &self.customer
    }

    /// Which it is.
    pub fn id(&self) -> WindowId {
        self.id
    }

    /// Entries counted.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// The last record merged into it.
    pub fn applied_through(&self) -> Seq {
        self.applied_through
    }

    /// Whether earlier counts were lost.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Says that earlier counts were lost.
    pub fn mark_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// Whether some keys were one too many, so that counts by key depend on the order of arrival.
    pub fn has_other(&self) -> bool {
        self.paths.contains_key(OTHER) || self.agents.contains_key(OTHER)
    }

    /// Counts by path, in no order.
    pub fn paths(&self) -> impl Iterator<Item = (&str, u64)> {
        self.paths.iter().map(|(key, count)| (&**key, *count))
    }

    /// Counts by family, in no order.
    pub fn agents(&self) -> impl Iterator<Item = (&str, u64)> {
        self.agents.iter().map(|(key, count)| (&**key, *count))
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        self.paths.len() + self.agents.len()
    }

    /// Roughly how much memory it takes.
    pub fn resident_bytes(&self) -> usize {
        WINDOW_OVERHEAD_BYTES + self.key_bytes + self.keys() * ENTRY_OVERHEAD_BYTES
    }

    /// Adds one insight. Says how many entries went to [`OTHER`].
    pub fn merge(&mut self, seq: Seq, keys: &Keys, counts: &Counts, limits: &WindowLimits) -> u64 {
        assert!(seq > self.applied_through, "insights reach a window in sequence order, each once");
        self.applied_through = seq;
        self.requests += u64::from(counts.requests);
        let mut budget = limits.max_key_bytes.saturating_sub(self.key_bytes);
        let before = budget;
        let other = add(&mut self.paths, &keys.paths, &counts.by_path, limits.max_paths, &mut budget)
            + add(&mut self.agents, &keys.agents, &counts.by_agent, limits.max_agents, &mut budget);
        self.key_bytes += before - budget;
        other
    }

    /// The bytes of its file.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = self.encode_counts();
        if self.incomplete {
            text.push_str(",\"incomplete\":true");
        }
        text.push_str(&format!(",\"appliedThrough\":{}", self.applied_through));
        seal_json(text).into_bytes()
    }

    /// The beginning of its file, up to and with both maps: what does not depend on how the counts came together. The
    /// closing brace is missing.
    pub fn encode_counts(&self) -> String {
        let bytes = self.key_bytes + self.keys() * 16;
        encode_counts(
            &self.customer,
            self.id,
            self.requests,
            bytes,
            sorted(&self.paths),
            sorted(&self.agents),
        )
    }

    /// Reads a file that should be the window `id` of `customer`.
    ///
    /// # Errors
    /// See [`Damaged`].
    pub fn decode(bytes: &[u8], customer: &CustomerId, id: WindowId) -> Result<Window, Damaged> {
        let window = Self::decode_any(bytes)?;
        if window.customer != *customer || window.id != id {
            let start = time::format_start(window.id.start);
            let whose = format!("{} {} {start}", window.customer, window.id.size.as_str());
            return Err(Damaged::Misplaced(whose));
        }
        Ok(window)
    }

    /// Reads a file, whosever window it is.
    ///
    /// # Errors
    /// [`Damaged::Checksum`] and [`Damaged::Content`].
    pub fn decode_any(bytes: &[u8]) -> Result<Window, Damaged> {
        if !is_sealed(bytes) {
            return Err(Damaged::Checksum);
        }
        let file: File =
            serde_json::from_slice(bytes).map_err(|error| Damaged::Content(error.to_string()))?;
        let wrong = |what: &str| Damaged::Content(what.to_owned());
        let customer = CustomerId::new(&file.customer_id).ok_or_else(|| wrong("customerId is not one"))?;
        let size = WindowSize::from_name(&file.window_size).ok_or_else(|| wrong("windowSize is not one"))?;
        let start = time::parse_rfc3339(&file.window_start)
            .ok()
            .map(time::minute_of)
            .filter(|start| start.floor(size) == *start && time::format_start(*start) == file.window_start)
            .ok_or_else(|| wrong("windowStart is not one"))?;
        let sum =
            |map: &BTreeMap<String, u64>| map.values().try_fold(0u64, |sum, count| sum.checked_add(*count));
        if sum(&file.requests_by_path) != Some(file.requests)
            || sum(&file.requests_by_user_agent) != Some(file.requests)
        {
            return Err(wrong("the maps do not sum to requests"));
        }
        let key_bytes = file
            .requests_by_path
            .keys()
            .chain(file.requests_by_user_agent.keys())
            .filter(|key| *key != OTHER)
            .map(String::len)
            .sum();
        let map = |from: BTreeMap<String, u64>| -> CountMap {
            from.into_iter().map(|(key, count)| (key.into_boxed_str(), count)).collect()
        };
        Ok(Window {
            customer,
            id: WindowId { size, start },
            requests: file.requests,
            paths: map(file.requests_by_path),
            agents: map(file.requests_by_user_agent),
            key_bytes,
            applied_through: Seq(file.applied_through),
            incomplete: file.incomplete,
        })
    }
}

/// What [`Window::encode_counts`] gives, for counts in ascending order of their keys. `map_bytes` is about how long both
/// maps will be.
pub fn encode_counts<'k>(
    customer: &CustomerId,
    id: WindowId,
    requests: u64,
    map_bytes: usize,
    paths: impl Iterator<Item = (&'k str, u64)>,
    agents: impl Iterator<Item = (&'k str, u64)>,
) -> String {
    let mut text = String::with_capacity(512 + map_bytes);
    text.push_str("{\"customerId\":");
    push_quoted(&mut text, customer.as_str());
    text.push_str(",\"windowStart\":\"");
    text.push_str(&time::format_start(id.start));
    text.push_str("\",\"windowSize\":\"");
    text.push_str(id.size.as_str());
    text.push_str("\",\"requests\":");
    push_number(&mut text, requests);
    text.push_str(",\"requestsByPath\":");
    push_map(&mut text, paths);
    text.push_str(",\"requestsByUserAgent\":");
    push_map(&mut text, agents);
    text
}

/// Counts in ascending order of their keys.
fn sorted(map: &CountMap) -> impl Iterator<Item = (&str, u64)> {
    let mut sorted: Vec<(&str, u64)> = map.iter().map(|(key, count)| (&**key, *count)).collect();
    sorted.sort_unstable();
    sorted.into_iter()
}

fn push_map<'k>(text: &mut String, counts: impl Iterator<Item = (&'k str, u64)>) {
    text.push('{');
    for (position, (key, count)) in counts.enumerate() {
        if position > 0 {
            text.push(',');
        }
        push_quoted(text, key);
        text.push(':');
        push_number(text, count);
    }
    text.push('}');
}

/// A JSON string; nearly all keys need no escapes.
fn push_quoted(text: &mut String, key: &str) {
    let escapes = key.bytes().fold(false, |any, byte| any | matches!(byte, b'"' | b'\\' | 0..=0x1F));
    if escapes {
        text.push_str(&serde_json::Value::from(key).to_string());
    } else {
        text.push('"');
        text.push_str(key);
        text.push('"');
    }
}

fn push_number(text: &mut String, number: u64) {
    if number < 10 {
        text.push(char::from(b'0' + number as u8));
    } else {
        text.push_str(&number.to_string());
    }
}

/// Adds counts to a map, new keys as long as there is room for them. Says how many went to [`OTHER`].
fn add(
    map: &mut CountMap,
    keys: &KeyTable,
    counts: &[(u32, u32)],
    max_keys: usize,
    key_byte_budget: &mut usize,
) -> u64 {
    let mut other = 0;
    if map.is_empty() {
        map.reserve(counts.len().min(max_keys));
    }
    for (index, count) in counts {
        let (key, count) = (keys.get(*index), u64::from(*count));
        if let Some(known) = map.get_mut(key) {
            *known += count;
        } else if map.len() < max_keys && key.len() <= *key_byte_budget {
            *key_byte_budget -= key.len();
            map.insert(key.into(), count);
        } else {
            other += count;
        }
    }
    if other > 0 {
        *map.entry(OTHER.into()).or_insert(0) += other;
    }
    other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WindowStart;

    const LIMITS: WindowLimits = WindowLimits { max_paths: 2, max_agents: 2, max_key_bytes: 1000 };

    fn id() -> WindowId {
        WindowId { size: WindowSize::Minute, start: WindowStart(29_449_083) }
    }

    fn window() -> Window {
        let mut keys = Keys::default();
        for path in ["GET /", "GET /\"é\\\u{1}", "PUT /x"] {
            keys.paths.push(path);
        }
        keys.agents.push("Chrome");
        let counts = Counts { requests: 6, by_path: vec![(0, 1), (1, 2), (2, 3)], by_agent: vec![(0, 6)] };
        let mut window = Window::new(CustomerId::new("a\"b").unwrap(), id());
        assert_eq!(window.merge(Seq(4), &keys, &counts, &LIMITS), 3);
        window
    }

    #[test]
    fn keys_beyond_the_limit_count_under_other() {
        let mut window = window();
        let mut keys = Keys::default();
        keys.paths.push("GET /");
        keys.paths.push("GET /new");
        keys.agents.push("curl");
        let counts = Counts { requests: 3, by_path: vec![(0, 1), (1, 2)], by_agent: vec![(0, 3)] };
        assert_eq!(window.merge(Seq(9), &keys, &counts, &LIMITS), 2);
        let paths: BTreeMap<&str, u64> = window.paths().collect();
        assert_eq!(paths, BTreeMap::from([("(other)", 5), ("GET /", 2), ("GET /\"é\\\u{1}", 2)]));
        assert_eq!((window.requests(), window.applied_through()), (9, Seq(9)));
    }

    #[test]
    fn key_bytes_are_limited_too() {
        let tight = WindowLimits { max_key_bytes: 5, ..LIMITS };
        let mut keys = Keys::default();
        keys.paths.push("GET /");
        keys.agents.push("Chrome");
        let counts = Counts { requests: 1, by_path: vec![(0, 1)], by_agent: vec![(0, 1)] };
        let mut window = Window::new(CustomerId::new("a").unwrap(), id());
        assert_eq!(window.merge(Seq(1), &keys, &counts, &tight), 1);
        assert_eq!(window.agents().collect::<Vec<_>>(), [(OTHER, 1)]);
    }

    #[test]
    fn the_file_is_canonical_and_read_back() {
        let mut window = window();
        let text = String::from_utf8(window.encode()).unwrap();
        let start = "{\"customerId\":\"a\\\"b\",\"windowStart\":\"2025-12-28T18:03:00Z\",\"windowSize\":\"minute\",\
                     \"requests\":6,\"requestsByPath\":{\"(other)\":3,\"GET /\":1,\"GET /\\\"é\\\\\\u0001\":2},\
                     \"requestsByUserAgent\":{\"Chrome\":6},\"appliedThrough\":4,\"checksum\":\"";
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with("\"}\n") && text.lines().count() == 1);
        let read = Window::decode(text.as_bytes(), window.customer(), id()).unwrap();
        assert_eq!(read.encode(), text.as_bytes());
        assert_eq!(read.resident_bytes(), window.resident_bytes());

        window.mark_incomplete();
        let read = Window::decode(&window.encode(), window.customer(), id()).unwrap();
        assert!(read.is_incomplete());
    }

    #[test]
    fn damage_and_misplaced_files_are_noticed() {
        let window = window();
        let bytes = window.encode();
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert_eq!(Window::decode_any(&changed).unwrap_err(), Damaged::Checksum, "byte {position}");
            assert_eq!(Window::decode_any(&bytes[..position]).unwrap_err(), Damaged::Checksum);
        }
        let other = CustomerId::new("other").unwrap();
        assert!(matches!(Window::decode(&bytes, &other, id()), Err(Damaged::Misplaced(_))));
        let hour = WindowId { size: WindowSize::Hour, start: WindowStart(0) };
        assert!(matches!(Window::decode(&bytes, window.customer(), hour), Err(Damaged::Misplaced(_))));
        let bad_sum = seal_json(
            "{\"customerId\":\"a\",\"windowStart\":\"2025-12-28T18:03:00Z\",\"windowSize\":\"minute\",\"requests\":2,\
             \"requestsByPath\":{},\"requestsByUserAgent\":{},\"appliedThrough\":1"
                .to_owned(),
        );
        assert!(matches!(Window::decode_any(bad_sum.as_bytes()), Err(Damaged::Content(_))));
    }
}
