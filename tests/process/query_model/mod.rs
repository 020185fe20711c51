//! Queries of the real binary against a plain model: any ranges, steps, zones, cuts, orders and pages, several customers, with
//! so little memory that windows come from files as often as from workers. Every question follows its batches at once, so
//! this also shows that what was answered 202 is seen.

mod lines;
mod plain;
mod top;

use std::cell::RefCell;
use std::collections::BTreeMap;

use log_analytics::batch::agent;
use log_analytics::dimension::{DIMENSION_COUNT, DIMENSIONS, TEXT_COUNT};
use log_analytics::time;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::properties::cases;
use crate::support::server::Server;
use plain::{AGENTS, Entry, MINUTE_MS, PlainEntry, STATUSES, assert_same, counts, window, window_of};

/// 2025-10-25T20:00:00Z: a few hours before clocks in Europe are set back.
const BASE_MS: u64 = 1_761_422_400_000;
const ZONES: [&str; 5] =
    ["UTC", "Europe/Vienna", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"];
const STEPS: [&str; 5] = ["minute", "hour", "day", "month", "all"];

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
    step: usize,
    zone: usize,
    by: Option<[bool; DIMENSION_COUNT]>,
    top: Option<usize>,
    classes: bool,
    limit: usize,
}

impl Query {
    fn range(&self) -> String {
        format!("from={}&to={}", instant(self.from_ms), instant(self.to_ms))
    }

    /// The entries whose minutes are in the range.
    fn inside<'e>(&self, entries: &'e [PlainEntry]) -> Vec<&'e PlainEntry> {
        let is_inside =
            |entry: &&PlainEntry| entry.minute_ms < self.to_ms && entry.minute_ms + MINUTE_MS > self.from_ms;
        entries.iter().filter(is_inside).collect()
    }
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    // Some batches cover minutes, some cover months; some name few paths, so that those have many requests.
    let minutes = prop_oneof![0u64..20, 0u64..4_000, 0u64..50_000];
    let paths = prop_oneof![0usize..2, 0usize..12];
    let micros = prop::option::of(prop_oneof![Just(0u64), 1u64..5_000, 1_000u64..100_000_000]);
    let measured = (0..STATUSES.len(), prop::option::of(0u64..1_000_000), micros, prop::option::of(0u8..6));
    let texts = prop::array::uniform::<_, TEXT_COUNT>(prop::option::of(any::<bool>()));
    let entry = (minutes, 0u64..60, paths, 0..AGENTS.len(), measured, texts).prop_map(
        |(minute, second, path, agent, (status, bytes, micros, client), texts)| Entry {
            minute,
            second,
            path,
            agent,
            status,
            bytes,
            micros,
            client,
            texts,
        },
    );
    prop::collection::vec(entry, 1..80)
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let batch = (0usize..2, entries()).prop_map(|(customer, entries)| Batch { customer, entries });
    prop::collection::vec(batch, 1..5)
}

fn queries() -> impl Strategy<Value = Vec<Query>> {
    // Instants to the millisecond, some before and far behind all entries.
    let near = || (0u64..30 * 60).prop_map(|second| BASE_MS + second * 1_000);
    let far = || (0u64..60_000).prop_map(|minute| BASE_MS - 5_000 * MINUTE_MS + minute * MINUTE_MS + 1);
    let instants = (prop_oneof![near(), far()], prop_oneof![near(), far()]);
    let shape = (0..STEPS.len(), 0..ZONES.len(), prop::option::of(prop::array::uniform(any::<bool>())));
    let top = prop::option::of(0usize..6);
    let query = (0usize..2, instants, shape, top, any::<bool>(), 1usize..40).prop_map(
        |(customer, (a, b), (step, zone, by), top, classes, limit)| Query {
            customer,
            from_ms: a.min(b),
            to_ms: a.max(b) + 1,
            step,
            zone,
            by,
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

fn sent(batches: &[Batch], customer: usize) -> Vec<Entry> {
    let batches = batches.iter().filter(|batch| batch.customer == customer);
    batches.flat_map(|batch| batch.entries.clone()).collect()
}

fn model(batches: &[Batch], customer: usize) -> Vec<PlainEntry> {
    sent(batches, customer).iter().map(|entry| entry.counted(BASE_MS)).collect()
}

fn expected_windows(entries: &[PlainEntry], customer: &str, query: &Query) -> Vec<Value> {
    let (step, zone) = (STEPS[query.step], ZONES[query.zone]);
    let mut windows: BTreeMap<u64, Vec<&PlainEntry>> = BTreeMap::new();
    if step == "all" {
        let inside = query.inside(entries);
        if !inside.is_empty() {
            windows.insert(query.from_ms - query.from_ms % MINUTE_MS, inside);
        }
    } else {
        for entry in entries {
            let (start, end) = window_of(entry.minute_ms, step, zone);
            // The window that contains the start is included.
            if start < query.to_ms && end > query.from_ms {
                windows.entry(start).or_default().push(entry);
            }
        }
    }
    let by = query.by.unwrap_or(std::array::from_fn(|place| place < 2));
    let expected = windows.into_iter().map(|(start, entries)| {
        let mut window = window(&entries, &by, query.top);
        window.insert("customerId".to_owned(), json!(customer));
        window.insert("windowStart".to_owned(), json!(time::format_rfc3339(start)));
        window.insert("windowSize".to_owned(), json!(step));
        if query.classes {
            let class = |entry: &&PlainEntry| agent::class_of(entry.keys[1].as_ref().unwrap()).to_string();
            window.insert("requestsByClass".to_owned(), json!(counts(entries.iter().map(class))));
        }
        Value::Object(window)
    });
    expected.collect()
}

/// Follows the pages of a query to their end.
fn ask(client: &mut Client, customer: &str, query: &Query, condition: Option<&str>) -> Vec<Value> {
    let (step, zone) = (STEPS[query.step], ZONES[query.zone]);
    // Every page reads the bodies anew.
    let limit = if condition.is_some() { query.limit * 20 } else { query.limit };
    let mut target = format!("/aggregates?{}&window={step}&tz={zone}&limit={limit}", query.range());
    if let Some(by) = query.by {
        let names: Vec<&str> = DIMENSIONS
            .iter()
            .zip(by)
            .filter(|(_, shown)| *shown)
            .map(|(dimension, _)| dimension.name)
            .collect();
        target.push_str(&format!("&by={}", names.join(",")));
    }
    if let Some(top) = query.top {
        target.push_str(&format!("&top={top}"));
    }
    if query.classes {
        target.push_str("&classes=true");
    }
    if let Some(condition) = condition {
        target.push_str(&format!("&where={}", lines::encoded(condition)));
    }
    let mut windows: Vec<Value> = Vec::new();
    let mut next = String::new();
    loop {
        let answer = client.get(&format!("{target}{next}"), &[("x-customer-id", customer)]).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut page = answer.json();
        assert_eq!((&page["customerId"], &page["windowSize"]), (&json!(customer), &json!(step)));
        assert_eq!(time::parse_rfc3339(page["from"].as_str().unwrap()), Ok(query.from_ms));
        assert_eq!(time::parse_rfc3339(page["to"].as_str().unwrap()), Ok(query.to_ms));
        assert!(page.get("rounded").is_none());
        assert_eq!(page.get("bodies").is_some(), condition.is_some());
        let page_windows = page["windows"].as_array_mut().unwrap();
        let full = page_windows.len() == limit;
        assert!(page_windows.len() <= limit);
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

fn check_windows(
    client: &mut Client,
    customer: &str,
    entries: &[PlainEntry],
    query: &Query,
    condition: Option<&str>,
) {
    let (found, expected) =
        (ask(client, customer, query, condition), expected_windows(entries, customer, query));
    let starts = |windows: &[Value]| -> Vec<String> {
        windows.iter().map(|window| window["windowStart"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(starts(&found), starts(&expected), "{query:?}");
    for (found, expected) in found.iter().zip(&expected) {
        assert_same(found, expected, &format!("{query:?}"));
    }
}

#[test]
fn every_answer_is_that_of_the_model() {
    let temp = tempfile::tempdir().unwrap();
    // A machine that is busy with other tests may need longer than five seconds.
    let flags = [
        ["--max-resident-bytes", "64KiB"],
        ["--partitions", "3"],
        ["--tune", "flush_interval=5ms"],
        ["--tune", "max_query_time=120s"],
    ];
    let flags = flags.concat();
    let server = Server::start(temp.path(), &flags);
    let client = RefCell::new(server.client());
    let case = RefCell::new(0);
    let mut runner = TestRunner::new(cases(32));
    runner
        .run(&(batches(), queries()), |(batches, queries)| {
            let client = &mut *client.borrow_mut();
            *case.borrow_mut() += 1;
            let customer = |number: usize| format!("case-{}/{number}", case.borrow());
            for (number, batch) in batches.iter().enumerate() {
                let body: Vec<Value> = batch.entries.iter().map(|entry| entry.body(BASE_MS)).collect();
                let body = serde_json::to_vec(&body).unwrap();
                let answer = client.post(&customer(batch.customer), &format!("b{number}"), &body).unwrap();
                assert_eq!(answer.status, 202, "{}", answer.text());
                // Asked in between, so that windows are in every state.
                let query = &queries[number % queries.len()];
                let entries = model(&batches[..=number], query.customer);
                check_windows(client, &customer(query.customer), &entries, query, None);
            }
            for query in &queries {
                let entries = model(&batches, query.customer);
                let customer = customer(query.customer);
                check_windows(client, &customer, &entries, query, None);
                top::check(client, &customer, &entries, query, None);
                let (condition, is_met) = lines::choice(query);
                let sent = sent(&batches, query.customer);
                lines::check(client, &customer, &sent, query);
                let chosen: Vec<PlainEntry> =
                    sent.iter().filter(|entry| is_met(entry)).map(|entry| entry.counted(BASE_MS)).collect();
                check_windows(client, &customer, &chosen, query, Some(condition));
                top::check(client, &customer, &chosen, query, Some(condition));
            }
            Ok(())
        })
        .unwrap();
    let read = |source: &str| {
        server.metric(&format!("log_analytics_query_windows_read_total{{source=\"{source}\"}}"))
    };
    assert!(read("file") > 100.0 && read("memory") > 100.0, "{} {}", read("file"), read("memory"));
}
