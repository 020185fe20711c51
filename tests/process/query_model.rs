//! Queries of the real binary against a naive model: any ranges, sizes, cuts and pages, several customers, with so
//! little memory that windows come from files as often as from workers. Every question follows its batches at once, so
//! this also shows that what was answered 202 is seen.

use std::cell::RefCell;
use std::collections::BTreeMap;

use log_analytics::batch::agent;
use log_analytics::time;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;

/// 2025-12-28T18:00:00Z.
const BASE_MS: u64 = 1_766_944_800_000;
const MINUTE_MS: u64 = 60_000;
const AGENTS: [&str; 5] =
    ["curl/8.5", "Wget/1.21", "Mozilla/5.0 (compatible; Googlebot/2.1)", "GPTBot/1.2", "Firefox"];

type Counts = BTreeMap<String, u64>;

#[derive(Clone, Debug)]
struct Entry {
    minute: u64,
    second: u64,
    path: usize,
    agent: usize,
}

/// A batch of one of two customers.
#[derive(Clone, Debug)]
struct Batch {
    customer: usize,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Query {
    customer: usize,
    from_ms: u64,
    to_ms: u64,
    size: usize,
    top: Option<usize>,
    classes: bool,
    limit: usize,
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    // Some batches cover minutes, some cover days.
    let minutes = prop_oneof![0u64..20, 0u64..4_000];
    let entry = (minutes, 0u64..60, 0usize..12, 0..AGENTS.len())
        .prop_map(|(minute, second, path, agent)| Entry { minute, second, path, agent });
    prop::collection::vec(entry, 1..60)
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let batch = (0usize..2, entries()).prop_map(|(customer, entries)| Batch { customer, entries });
    prop::collection::vec(batch, 1..5)
}

fn queries() -> impl Strategy<Value = Vec<Query>> {
    // Instants to the millisecond, some before and far behind all entries.
    let near = || (0u64..30 * 60).prop_map(|second| BASE_MS + second * 1_000);
    let far = || (0u64..14_000).prop_map(|minute| BASE_MS - 5_000 * MINUTE_MS + minute * MINUTE_MS + 1);
    let instant = || prop_oneof![near(), far()];
    let top = prop::option::of(0usize..6);
    let query = (0usize..2, instant(), instant(), 0usize..3, top, any::<bool>(), 1usize..40).prop_map(
        |(customer, a, b, size, top, classes, limit)| Query {
            customer,
            from_ms: a.min(b),
            to_ms: a.max(b) + 1,
            size,
            top,
            classes,
            limit,
        },
    );
    prop::collection::vec(query, 1..8)
}

fn instant(ms: u64) -> String {
    time::format_rfc3339(ms).replace('Z', &format!(".{:03}Z", ms % 1_000))
}

fn body(batch: &Batch) -> Vec<u8> {
    let entry = |entry: &Entry| {
        json!({
            "receivedAt": time::format_rfc3339(BASE_MS + entry.minute * MINUTE_MS + entry.second * 1_000),
            "method": "GET",
            "path": path(entry.path),
            "userAgent": AGENTS[entry.agent],
        })
    };
    serde_json::to_vec(&batch.entries.iter().map(entry).collect::<Vec<_>>()).unwrap()
}

fn path(number: usize) -> String {
    ["/", "/a\"b\\", "/\u{202e}é"]
        .get(number)
        .map_or_else(|| format!("/p{number}"), |path| (*path).to_owned())
}

/// The entries of a customer as (ms, path, family).
fn model(batches: &[Batch], customer: usize) -> Vec<(u64, String, String)> {
    batches
        .iter()
        .filter(|batch| batch.customer == customer)
        .flat_map(|batch| &batch.entries)
        .map(|entry| {
            let family = agent::family(AGENTS[entry.agent]).name().to_owned();
            (BASE_MS + entry.minute * MINUTE_MS, format!("GET {}", path(entry.path)), family)
        })
        .collect()
}

fn cut(counts: &Counts, top: Option<usize>) -> Counts {
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

fn counts<'a>(keys: impl Iterator<Item = &'a String>) -> Counts {
    let mut counts = Counts::new();
    keys.for_each(|key| *counts.entry(key.clone()).or_insert(0) += 1);
    counts
}

const SIZES: [(&str, u64); 3] = [("minute", 1), ("hour", 60), ("day", 1_440)];

fn expected_windows(entries: &[(u64, String, String)], customer: &str, query: &Query) -> Vec<Value> {
    let (size, minutes) = SIZES[query.size];
    let mut windows: BTreeMap<u64, Vec<&(u64, String, String)>> = BTreeMap::new();
    for entry in entries {
        windows.entry(entry.0 / (minutes * MINUTE_MS) * minutes * MINUTE_MS).or_default().push(entry);
    }
    windows
        .into_iter()
        .filter(|(start, _)| (query.from_ms..query.to_ms).contains(start))
        .map(|(start, entries)| {
            let mut window = json!({
                "customerId": customer,
                "windowStart": time::format_rfc3339(start),
                "windowSize": size,
                "requests": entries.len(),
                "requestsByPath": cut(&counts(entries.iter().map(|entry| &entry.1)), query.top),
                "requestsByUserAgent": cut(&counts(entries.iter().map(|entry| &entry.2)), query.top),
            });
            if query.classes {
                let classes: Vec<String> =
                    entries.iter().map(|entry| agent::class_of(&entry.2).to_string()).collect();
                window["requestsByClass"] = json!(counts(classes.iter()));
            }
            window
        })
        .collect()
}

/// Follows the pages of a query to their end.
fn ask(client: &mut Client, customer: &str, query: &Query) -> Vec<Value> {
    let (from, to) = (instant(query.from_ms), instant(query.to_ms));
    let mut target =
        format!("/aggregates?from={from}&to={to}&window={}&limit={}", SIZES[query.size].0, query.limit);
    if let Some(top) = query.top {
        target.push_str(&format!("&top={top}"));
    }
    if query.classes {
        target.push_str("&classes=true");
    }
    let mut windows: Vec<Value> = Vec::new();
    let mut next = String::new();
    loop {
        let answer = client.get(&format!("{target}{next}"), &[("x-customer-id", customer)]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut page = answer.json();
        assert_eq!(
            (&page["customerId"], &page["windowSize"]),
            (&json!(customer), &json!(SIZES[query.size].0))
        );
        assert_eq!(time::parse_rfc3339(page["from"].as_str().unwrap()), Ok(query.from_ms));
        assert_eq!(time::parse_rfc3339(page["to"].as_str().unwrap()), Ok(query.to_ms));
        let page_windows = page["windows"].as_array_mut().unwrap();
        let full = page_windows.len() == query.limit;
        assert!(page_windows.len() <= query.limit);
        windows.append(page_windows);
        match page.get("next") {
            None => return windows,
            Some(cursor) => {
                assert!(full, "only a full page has a next one");
                next = format!("&next={}", cursor.as_str().unwrap());
            }
        }
    }
}

fn check_top(client: &mut Client, customer: &str, entries: &[(u64, String, String)], query: &Query) {
    let n = query.top.unwrap_or(3);
    let (from, to) = (instant(query.from_ms), instant(query.to_ms));
    let inside: Vec<_> =
        entries.iter().filter(|entry| (query.from_ms..query.to_ms).contains(&entry.0)).collect();
    for dimension in ["path", "agent"] {
        let target = format!("/aggregates/top?dimension={dimension}&from={from}&to={to}&n={n}");
        let answer = client.get(&target, &[("x-customer-id", customer)]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let all = counts(inside.iter().map(|entry| if dimension == "path" { &entry.1 } else { &entry.2 }));
        assert_eq!(answer["requests"], inside.len(), "{target}");
        assert_eq!(answer["keys"], all.len());
        let rows = answer["top"].as_array().unwrap();
        let mut found: Counts = rows
            .iter()
            .map(|row| (row["key"].as_str().unwrap().into(), row["count"].as_u64().unwrap()))
            .collect();
        let descending = rows.windows(2).all(|pair| pair[0]["count"].as_u64() >= pair[1]["count"].as_u64());
        assert!(descending && found.len() == rows.len());
        let other = answer["other"].as_u64().unwrap();
        if other > 0 {
            found.insert("(other)".to_owned(), other);
        }
        assert_eq!(found, cut(&all, Some(n)), "{target}");
        if dimension == "agent" {
            let mut classes = Counts::new();
            for (family, count) in &all {
                *classes.entry(agent::class_of(family).to_string()).or_insert(0) += count;
            }
            assert_eq!(answer["byClass"], json!(classes));
            assert!(
                rows.iter().all(|row| row["class"] == agent::class_of(row["key"].as_str().unwrap()).as_str())
            );
        }
    }
}

#[test]
fn every_answer_is_that_of_the_model() {
    let temp = tempfile::tempdir().unwrap();
    let flags = ["--max-resident-bytes", "64KiB", "--partitions", "3", "--tune", "flush_interval=5ms"];
    let server = Server::start(temp.path(), &flags);
    let client = RefCell::new(server.client());
    let case = RefCell::new(0);
    let mut runner = TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() });
    runner
        .run(&(batches(), queries()), |(batches, queries)| {
            let client = &mut *client.borrow_mut();
            *case.borrow_mut() += 1;
            let customer = |number: usize| format!("case-{}/{number}", case.borrow());
            for (number, batch) in batches.iter().enumerate() {
                let answer =
                    client.post(&customer(batch.customer), &format!("b{number}"), &body(batch)).unwrap();
                assert_eq!(answer.status, 202, "{}", answer.text());
                // Asked in between, so that windows are in every state.
                let query = &queries[number % queries.len()];
                let entries = model(&batches[..=number], query.customer);
                let customer = customer(query.customer);
                prop_assert_eq!(ask(client, &customer, query), expected_windows(&entries, &customer, query));
            }
            for query in &queries {
                let entries = model(&batches, query.customer);
                let customer = customer(query.customer);
                prop_assert_eq!(ask(client, &customer, query), expected_windows(&entries, &customer, query));
                check_top(client, &customer, &entries, query);
            }
            Ok(())
        })
        .unwrap();
    let read = |source: &str| {
        server.metric(&format!("log_analytics_query_windows_read_total{{source=\"{source}\"}}"))
    };
    assert!(read("file") > 100.0 && read("memory") > 100.0, "{} {}", read("file"), read("memory"));
}
