//! The batches that the cluster and the single machine are sent: single entries, and random weeks of three customers with all
//! fields that an entry can have, each batch made from a seed and its number alone.

use log_analytics::time;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::support::rng::Rng;

pub(crate) const CUSTOMERS: [&str; 3] = ["north", "./so|uth\"", "~%41west'\\"];
pub(crate) const MINUTE_MS: u64 = 60_000;
pub(crate) const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;
pub(crate) const WEEK_DAYS: usize = 7;
const AGENTS: [&str; 5] =
    ["curl/8.5", "Wget/1.21", "Mozilla/5.0 (compatible; Googlebot/2.1)", "GPTBot/1.2", "Firefox"];

/// A batch of a customer.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) customer: &'static str,
    pub(crate) key: String,
    pub(crate) body: Vec<u8>,
}

fn entry(at_ms: u64, path: &str, agent: &str) -> Value {
    json!({"receivedAt": time::format_rfc3339(at_ms), "method": "GET", "path": path, "userAgent": agent})
}

/// Adds each of the optional fields to most entries.
fn with_optional_fields(mut entry: Value, rng: &mut Rng) -> Value {
    let fields = [
        ("status", json!(rng.pick(&[200, 200, 304, 404, 429, 503]))),
        ("responseBytes", json!(rng.below(1 << 20))),
        ("durationSeconds", json!(rng.pick(&[0.0, 0.000_3, 0.02, 0.25, 1.0, 31.5]))),
        ("host", json!(format!("Shop{}.example", rng.below(3)))),
        ("referrer", json!(format!("https://news{}.example/?q=\"x\"", rng.below(4)))),
        ("clientIp", json!(format!("192.0.2.{}", rng.below(200)))),
        ("country", json!(rng.pick(&["de", "AT", "JP"]))),
        ("route", json!(format!("/päth/{{id}}/{}", rng.below(2)))),
    ];
    for (name, value) in fields {
        if rng.below(4) > 0 {
            entry[name] = value;
        }
    }
    entry
}

pub(crate) fn one_entry(customer: &'static str, key: &str, at_ms: u64) -> Batch {
    let body = serde_json::to_vec(&[entry(at_ms, "/one", AGENTS[0])]).unwrap();
    Batch { customer, key: key.to_owned(), body }
}

/// A week of seven whole days for every customer.
#[derive(Clone, Copy)]
pub(crate) struct Week {
    pub(crate) seed: u64,
    pub(crate) name: &'static str,
    pub(crate) from_ms: u64,
}

impl Week {
    pub(crate) fn end_ms(&self) -> u64 {
        self.from_ms + WEEK_DAYS as u64 * DAY_MS
    }

    /// The batch of this number. Any 21 in a row touch every day of every customer; each customer's first one also holds
    /// the week's first and last millisecond.
    pub(crate) fn batch(&self, number: usize) -> Batch {
        let key = format!("{}/{number}_'%\\", self.name);
        let mut rng = Rng::new(self.seed ^ xxh3_64(key.as_bytes()));
        let day = (number / CUSTOMERS.len() % WEEK_DAYS) as u64;
        let start = self.from_ms + day * DAY_MS + rng.below(24) * HOUR_MS;
        let spread = rng.pick(&[MINUTE_MS, 10 * MINUTE_MS, HOUR_MS]);
        let mut times: Vec<u64> = (0..rng.between(1, 40)).map(|_| start + rng.below(spread)).collect();
        if number < CUSTOMERS.len() {
            times.extend([self.end_ms() - 1, self.from_ms]);
        }
        let entries: Vec<Value> = times
            .into_iter()
            .map(|at_ms| {
                let path = format!("/päth \"{}\"\\'\t{}", rng.below(9), rng.below(3));
                let agent = AGENTS[rng.index(AGENTS.len())];
                with_optional_fields(entry(at_ms, &path, agent), &mut rng)
            })
            .collect();
        Batch {
            customer: CUSTOMERS[number % CUSTOMERS.len()],
            key,
            body: serde_json::to_vec(&entries).unwrap(),
        }
    }
}
