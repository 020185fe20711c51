//! `/aggregates/top` against the plain model: every dimension, every order, prefixes.

use log_analytics::batch::agent;
use log_analytics::dimension::DIMENSIONS;
use serde_json::{Map, Value, json};

use super::Query;
use super::lines::encoded;
use super::plain::{Counts, PlainEntry, assert_same, counts, keys_of, measures, percentile};
use crate::support::client::Client;

const ORDERS: [&str; 13] = [
    "by=requests",
    "by=people",
    "by=robots",
    "by=clientErrors",
    "by=serverErrors",
    "by=responseBytes",
    "by=durationSum",
    "status=404",
    "status=4xx",
    "status=503",
    "by=p50",
    "by=p95",
    "by=p99",
];
/// The first of them that need measures.
const FIRST_MEASURED: usize = 3;
const FIRST_QUANTILE: usize = 10;

/// Asks for the top of every dimension, each time by another order.
pub(super) fn check(
    client: &mut Client,
    customer: &str,
    entries: &[PlainEntry],
    query: &Query,
    condition: Option<&str>,
) {
    let inside = query.inside(entries);
    for (place, dimension) in DIMENSIONS.iter().enumerate() {
        let orders = if dimension.is_measured { ORDERS.len() } else { FIRST_MEASURED };
        let number = (query.limit + place + inside.len()) % orders;
        let prefix = ["", "", "GET /p1", "b", "G"][(query.limit + number) % 5];
        let name = if place == 1 && query.classes { "agent" } else { dimension.name };
        let n = query.top.unwrap_or(3);
        let prefix_text = encoded(prefix);
        let condition =
            condition.map(|condition| format!("&where={}", encoded(condition))).unwrap_or_default();
        let target = format!(
            "/aggregates/top?dimension={name}&{}&n={n}&{}&prefix={prefix_text}&tz={}{condition}",
            query.range(),
            ORDERS[number],
            super::ZONES[query.zone]
        );
        let answer = client.get(&target, &[("x-customer-id", customer)]).unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        let asked = Asked { target: &target, place, order: ORDERS[number], prefix, n };
        asked.check(&answer.json(), &inside);
        if number >= FIRST_QUANTILE {
            asked.check_quantiles(&answer.json(), &inside);
        } else {
            asked.check_rows(&answer.json(), &inside);
        }
    }
}

struct Asked<'t> {
    target: &'t str,
    place: usize,
    order: &'t str,
    prefix: &'t str,
    n: usize,
}

impl Asked<'_> {
    fn of_key<'e>(&self, key: &str, inside: &[&'e PlainEntry]) -> Vec<&'e PlainEntry> {
        let is_it = |entry: &&&PlainEntry| entry.keys[self.place].as_deref() == Some(key);
        inside.iter().filter(is_it).copied().collect()
    }

    fn keys(&self, inside: &[&PlainEntry]) -> Counts {
        let mut keys = keys_of(inside, self.place);
        keys.retain(|key, _| key.starts_with(self.prefix));
        keys
    }

    /// What does not depend on the order.
    fn check(&self, answer: &Value, inside: &[&PlainEntry]) {
        let keys = self.keys(inside);
        assert_eq!(answer["requests"], inside.len(), "{}", self.target);
        assert_eq!((&answer["keys"], &answer["folded"]), (&json!(keys.len()), &json!(0)), "{}", self.target);
        let rows = answer["top"].as_array().unwrap();
        let shown: u64 = rows.iter().map(|row| row["count"].as_u64().unwrap()).sum();
        assert_eq!(answer["other"], keys.values().sum::<u64>() - shown, "{}", self.target);
        for row in rows {
            let key = row["key"].as_str().unwrap();
            let these = self.of_key(key, inside);
            let mut expected = if DIMENSIONS[self.place].is_measured { measures(&these) } else { Map::new() };
            let robots = these.iter().filter(|entry| entry.is_robot).count();
            for (name, value) in
                [("key", json!(key)), ("count", json!(these.len())), ("robots", json!(robots))]
            {
                expected.insert(name.to_owned(), value);
            }
            expected.insert("requests".to_owned(), json!(these.len()));
            if self.place == 1 {
                expected.insert("class".to_owned(), json!(agent::class_of(key).as_str()));
            }
            assert_same(row, &Value::Object(expected), self.target);
        }
        let mut total = measures(inside);
        total.insert("requests".to_owned(), json!(inside.len()));
        total.insert("robots".to_owned(), json!(inside.iter().filter(|entry| entry.is_robot).count()));
        assert_same(&answer["total"], &Value::Object(total), self.target);
        if self.place == 1 {
            let class = |entry: &&PlainEntry| agent::class_of(entry.keys[1].as_ref().unwrap()).to_string();
            assert_eq!(answer["byClass"], json!(counts(inside.iter().map(class))));
        }
    }

    /// Which keys there are and in which order.
    fn check_rows(&self, answer: &Value, inside: &[&PlainEntry]) {
        let rank = |key: &String| -> u64 {
            let these = self.of_key(key, inside);
            let count =
                |of: &dyn Fn(&PlainEntry) -> bool| these.iter().filter(|entry| of(entry)).count() as u64;
            let status = |from: u16, to: u16| {
                count(&|entry| entry.status.is_some_and(|status| (from..to).contains(&status)))
            };
            match self.order {
                "by=requests" => these.len() as u64,
                "by=people" => count(&|entry| !entry.is_robot),
                "by=robots" => count(&|entry| entry.is_robot),
                "by=clientErrors" | "status=4xx" => status(400, 500),
                "by=serverErrors" => status(500, 600),
                "by=responseBytes" => these.iter().map(|entry| entry.bytes).sum(),
                "by=durationSum" => these.iter().filter_map(|entry| entry.micros).sum(),
                "status=404" => status(404, 405),
                "status=503" => status(503, 504),
                other => panic!("{other} is an order that the model knows"),
            }
        };
        let mut expected: Vec<(u64, String)> =
            self.keys(inside).into_keys().map(|key| (rank(&key), key)).collect();
        expected.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let expected: Vec<&str> = expected.iter().take(self.n).map(|(_, key)| key.as_str()).collect();
        let rows = answer["top"].as_array().unwrap();
        let found: Vec<&str> = rows.iter().map(|row| row["key"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{}", self.target);
    }

    /// Quantiles are read from a histogram: they descend, and no key that is left out has a larger one.
    fn check_quantiles(&self, answer: &Value, inside: &[&PlainEntry]) {
        let percent: usize = self.order["by=p".len()..].parse().unwrap();
        let truth = |key: &str| {
            let these = self.of_key(key, inside);
            let mut micros: Vec<u64> = these.iter().filter_map(|entry| entry.micros).collect();
            micros.sort_unstable();
            (micros.len() >= 20).then(|| percentile(&micros, percent))
        };
        let keys = self.keys(inside);
        let mut quantiles: Vec<f64> = keys.keys().filter_map(|key| truth(key)).collect();
        quantiles.sort_by(|a, b| b.total_cmp(a));
        quantiles.truncate(self.n);
        let rows = answer["top"].as_array().unwrap();
        assert_eq!(rows.len(), quantiles.len(), "{}", self.target);
        for (row, quantile) in rows.iter().zip(quantiles) {
            let found = truth(row["key"].as_str().unwrap()).expect("keys have 20 timed requests");
            assert!(found >= quantile * 0.9, "{}: {found} stands where {quantile} should", self.target);
        }
        let name = format!("p{percent}");
        let shown: Vec<f64> = rows.iter().map(|row| row["duration"][&name].as_f64().unwrap()).collect();
        assert!(shown.is_sorted_by(|a, b| a >= b), "{}", self.target);
    }
}
