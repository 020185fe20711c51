//! The cluster against one machine: the same batches through both, the same answers, though every component of the
//! cluster is killed once under load, duplicates come late, and insights come after their window was forgotten.
//!
//! Real engines on this machine, started by `deploy/cluster/up`: Kafka, Ceph's S3 gateway, Flink with the window job, and
//! the ClickHouse engine behind an HTTP layer of the harness's own.

mod batches;
mod halfway;
mod importing;
mod ingests;
mod kills;
mod lines;
mod load;
mod stored;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use batches::{Batch, CUSTOMERS, DAY_MS, MINUTE_MS, WEEK_DAYS, Week, one_entry};
use ingests::Ingests;
use load::Load;
use log_analytics::base::disk::RealDisk;
use log_analytics::batch::{Content, Encoding, Format, Limits};
use log_analytics::cluster::names;
use log_analytics::cluster::records::{BatchEvent, InsightEvent, MadeBy};
use log_analytics::cluster::s3::{ObjectStore, Put, StoreOptions};
use log_analytics::cluster::span::MinuteSpan;
use log_analytics::metrics::Metrics;
use log_analytics::model::{BatchId, CustomerId};
use log_analytics::time;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::support::client::Client;
use crate::support::engines::{Engines, Role, run_to_end, wait_for};
use crate::support::questions::{CSV_QUESTIONS, QUESTIONS, TOP_QUESTIONS};
use crate::support::scenario;
use crate::support::server::{Server, program};

/// 2026-01-01: after scenario 001, and long before anybody's clock.
const WEEK_MS: u64 = 1_767_225_600_000;
const QUERY: &[&str] = &["--tune", "max_query_time=30s"];
const WORKER: &[&str] = &["--worker-id", "worker-1", "--tune", "session_timeout=6s"];

/// The cluster, and one machine that is sent the same.
struct Both {
    engines: Engines,
    ingests: Ingests,
    worker: Mutex<Option<Role>>,
    query: Mutex<Option<Role>>,
    query_addr: RwLock<SocketAddr>,
    single: Server,
}

impl Both {
    fn start(dir: &std::path::Path) -> Both {
        // The same secret, so that visitors have the same hashes.
        let single = Server::start(dir, &[]);
        let engines = Engines::up(&dir.join("cluster"), dir.join("store/secret"));
        let ingests = Ingests::start(&engines);
        let worker = Role::start(&engines, "summarize-worker", WORKER);
        let query = Role::start(&engines, "query", QUERY);
        Both {
            ingests,
            worker: Mutex::new(Some(worker)),
            engines,
            query_addr: RwLock::new(query.addr),
            query: Mutex::new(Some(query)),
            single,
        }
    }

    /// Sends batches to both; how often each was answered 202 by the cluster.
    fn deliver(&self, batches: &[Batch]) -> HashMap<String, usize> {
        let make = |number: usize| batches[number].clone();
        Load::new(batches.len(), &make).run(&self.ingests, &self.single, |_| ())
    }

    /// Sends a batch to both that the cluster has already.
    fn assert_known(&self, batch: &Batch) {
        assert_eq!(self.deliver(std::slice::from_ref(batch)), HashMap::new(), "{} is new", batch.key);
    }

    fn answers(addr: SocketAddr, customer: &str, from_ms: u64, to_ms: u64) -> Option<Vec<Value>> {
        let (from, to) = (time::format_rfc3339(from_ms), time::format_rfc3339(to_ms));
        let mut client = Client::new(addr);
        let get = |client: &mut Client, target: String| {
            let answer = client.get(&target, &[("x-customer-id", customer)]).ok()?;
            (answer.status == 200).then(|| answer.json())
        };
        let mut answers = Vec::new();
        for question in QUESTIONS {
            let mut next = String::new();
            loop {
                let target = format!("/aggregates?from={from}&to={to}&limit=700&{question}{next}");
                let mut page = get(&mut client, target)?;
                // Which records a window has seen is counted differently.
                for window in page["windows"].as_array_mut().unwrap() {
                    window.as_object_mut().unwrap().remove("appliedThrough");
                }
                let cursor = page["next"].as_str().map(|next| format!("&next={next}"));
                answers.push(page);
                match cursor {
                    Some(cursor) => next = cursor,
                    None => break,
                }
            }
        }
        for question in TOP_QUESTIONS {
            answers.push(get(&mut client, format!("/aggregates/top?from={from}&to={to}&n=5&{question}"))?);
        }
        for (path, question) in CSV_QUESTIONS {
            let target = format!("/aggregates{path}?from={from}&to={to}&{question}");
            let headers = [("x-customer-id", customer), ("accept", "text/csv")];
            let answer = client.get(&target, &headers).ok().filter(|answer| answer.status == 200)?;
            answers.push(Value::String(answer.text()));
        }
        Some(answers)
    }

    /// Waits until the cluster answers as the single machine does.
    fn assert_same(&self, stage: &str, customers: &[&str], from_ms: u64, to_ms: u64) {
        for customer in customers {
            let expected = Self::answers(self.single.addr, customer, from_ms, to_ms).unwrap();
            assert!(!expected[0]["windows"].as_array().unwrap().is_empty(), "{stage}: nothing to compare");
            let deadline = std::time::Instant::now() + Duration::from_secs(120);
            loop {
                let found = Self::answers(*self.query_addr.read().unwrap(), customer, from_ms, to_ms);
                if found.as_ref() == Some(&expected) {
                    break;
                }
                if std::time::Instant::now() > deadline {
                    let found = found.expect("the cluster answers");
                    for (found, expected) in found.iter().zip(&expected) {
                        assert_eq!(found, expected, "{stage}, {customer}");
                    }
                    panic!("{stage}, {customer}: {} answers, not {}", found.len(), expected.len());
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        eprintln!("{stage}: the same answers");
    }

    /// Every customer has entries on each day of the week, and in its first and its last minute.
    fn assert_whole_week(&self, week: &Week) {
        let starts = |customer: &str, size: &str, from_ms: u64, to_ms: u64| -> Vec<String> {
            let (from, to) = (time::format_rfc3339(from_ms), time::format_rfc3339(to_ms));
            let target = format!("/aggregates?from={from}&to={to}&window={size}");
            let answer = self.single.client().get(&target, &[("x-customer-id", customer)]).unwrap().json();
            let windows = answer["windows"].as_array().unwrap_or_else(|| panic!("{answer}"));
            windows.iter().map(|window| window["windowStart"].as_str().unwrap().to_owned()).collect()
        };
        let days: Vec<u64> = (0..WEEK_DAYS as u64).map(|day| week.from_ms + day * DAY_MS).collect();
        let days: Vec<String> = days.into_iter().map(time::format_rfc3339).collect();
        for customer in CUSTOMERS {
            assert_eq!(starts(customer, "day", week.from_ms, week.end_ms()), days, "{customer}");
            for minute in [week.from_ms, week.end_ms() - MINUTE_MS] {
                assert_eq!(starts(customer, "minute", minute, minute + MINUTE_MS).len(), 1, "{customer}");
            }
        }
    }

    /// Requests of a customer's minute, as the cluster counts them.
    fn requests(&self, customer: &str, at_ms: u64) -> u64 {
        let start = at_ms - at_ms % MINUTE_MS;
        let answers = Self::answers(*self.query_addr.read().unwrap(), customer, start, start + MINUTE_MS);
        answers.map_or(0, |answers| answers[0]["windows"][0]["requests"].as_u64().unwrap_or(0))
    }
}

#[test]
#[ignore = "needs Java, Ceph, ClickHouse and Kafka: .ci/tools installs what deploy/cluster/up does not fetch"]
fn the_cluster_answers_as_one_machine_does_whatever_is_killed_repeated_or_late() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let temp = tempfile::tempdir().unwrap();
    let both = Both::start(temp.path());
    // Event time goes on from stage to stage: what is older than a week is late.
    scenario_001(&both);
    a_random_week(&both, seed);
    everything_is_killed_once(&both, seed);
    a_poisoned_record_is_stepped_over_and_kept(&both);
    an_event_that_was_never_emitted_is_made_up_for(&both);
    a_late_duplicate_counts_once_and_a_late_batch_after_reconcile(&both);
    halfway::kill_query_while_it_answers(&both);
    a_process_with_another_secret_does_not_start(&both, temp.path());
    importing::import_a_log(&both, temp.path());
    stored::write_every_row_twice(&both);
    // Nothing that came later changed what was counted before.
    both.assert_same("scenario 001, again", &["acme"], WEEK_MS - 7 * DAY_MS, WEEK_MS);
    both.assert_same("all weeks, again", &CUSTOMERS, WEEK_MS, WEEK_MS + 40 * DAY_MS);
    assert!(both.ingests.stop(), "the ingests stop in peace");
    assert!(both.worker.into_inner().unwrap().unwrap().stop(), "the worker stops in peace");
    assert!(both.query.into_inner().unwrap().unwrap().stop(), "the query role stops in peace");
    let log = both.single.log();
    assert!(!log.contains("ERROR"), "the one machine had no trouble of its own:\n{log}");
    assert!(both.single.stop().success());
    stored::assert_same_windows(&both.engines, &temp.path().join("store/aggregate-results"));
}

fn a_process_with_another_secret_does_not_start(both: &Both, dir: &std::path::Path) {
    let other = dir.join("another-secret");
    std::fs::write(&other, [7; 16]).unwrap();
    for role in ["ingest", "summarize-worker"] {
        let mut command = program();
        command.arg(role).envs(both.engines.variables()).env("LOG_ANALYTICS_SECRET_FILE", &other);
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{role}: {told}");
        assert!(
            told.contains("--secret-file: the bucket was written under another secret"),
            "{role}: {told}"
        );
    }
    eprintln!("another secret: refused");
}

fn scenario_001(both: &Both) {
    let batch = |number: &usize| Batch {
        customer: "acme",
        key: scenario::key(*number),
        body: scenario::body(*number),
    };
    let deliveries: Vec<Batch> = scenario::deliveries().iter().map(batch).collect();
    let began = std::time::Instant::now();
    let counted = both.deliver(&deliveries);
    eprintln!("scenario 001: {} deliveries in {:?}", deliveries.len(), began.elapsed());
    assert!(counted.values().all(|times| *times == 1), "a batch is new once");
    assert_eq!(counted.len(), scenario::BATCHES);
    both.assert_same("scenario 001", &["acme"], WEEK_MS - 7 * DAY_MS, WEEK_MS);
    // The same answer as is written down, not only the same as ours.
    let answers =
        Both::answers(*both.query_addr.read().unwrap(), "acme", WEEK_MS - 7 * DAY_MS, WEEK_MS).unwrap();
    let requests: Vec<_> =
        answers[0]["windows"].as_array().unwrap().iter().map(|window| &window["requests"]).collect();
    assert_eq!(requests, [16_000, 16_000, 16_000, 16_000]);
    // Another body under a known key.
    let mut client = Client::new(both.ingests.next());
    assert_eq!(client.post("acme", &scenario::key(1), &scenario::body(2)).unwrap().status, 422);
}

fn a_random_week(both: &Both, seed: u64) {
    let week = Week { seed, name: "week", from_ms: WEEK_MS };
    let batches: Vec<Batch> = (0..300).map(|number| week.batch(number)).collect();
    both.deliver(&batches);
    both.assert_whole_week(&week);
    both.assert_same("a random week", &CUSTOMERS, week.from_ms, week.end_ms());
    lines::assert_same("a random week", both, &CUSTOMERS, week.from_ms, week.end_ms());
}

fn everything_is_killed_once(both: &Both, seed: u64) {
    let week = Week { seed, name: "kills", from_ms: WEEK_MS + 7 * DAY_MS };
    let make = |number: usize| week.batch(number);
    let counted = Load::endless(&make).run(&both.ingests, &both.single, |load| {
        kills::everything_once(both, load);
        eprintln!(
            "{} batches while everything was killed, {} requests refused",
            load.offered(),
            load.refused()
        );
    });
    assert!(counted.values().all(|times| *times == 1), "a batch is new once, wherever it is sent again");
    both.assert_whole_week(&week);
    both.assert_same("everything killed once", &CUSTOMERS, week.from_ms, week.end_ms());
}

fn kafka(both: &Both) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", both.engines.endpoint("KAFKA"))
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        // A consumer begins at the start of the topic. When it is dropped it would also commit what it never
        // returned.
        .set("enable.auto.commit", "false");
    config
}

/// The first record of a topic that is wanted, with its value and the names of its headers.
fn find_record(
    both: &Both,
    topic: &str,
    wanted: impl Fn(&[u8]) -> bool,
) -> (Vec<u8>, HashMap<String, String>) {
    let consumer: BaseConsumer = kafka(both).create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let mut found = None;
    wait_for(topic, || {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) else { return false };
        let value = message.payload().unwrap_or_default().to_vec();
        if wanted(&value) {
            let headers = message.headers().map(|headers| {
                let text =
                    |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
                headers.iter().map(|header| (header.key.to_owned(), text(header.value))).collect()
            });
            found = Some((value, headers.unwrap_or_default()));
        }
        found.is_some()
    });
    found.unwrap()
}

fn a_poisoned_record_is_stepped_over_and_kept(both: &Both) {
    let producer: BaseProducer = kafka(both).create().unwrap();
    let at_ms = WEEK_MS + 14 * DAY_MS;
    let missing = event_of(&one_entry("north", "never-stored", at_ms), at_ms);
    let records: [(&str, Vec<u8>); 2] = [("garbage", b"{not json".to_vec()), ("missing", missing.encode())];
    for partition in 0..4 {
        for (key, value) in &records {
            let record = BaseRecord::to("batch-ingested").key(*key).payload(value).partition(partition);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
    }
    producer.flush(Duration::from_secs(30)).unwrap();
    let behind = one_entry("north", "behind-the-poison", at_ms);
    both.deliver(std::slice::from_ref(&behind));
    both.assert_same("behind poisoned records", &["north"], at_ms, at_ms + MINUTE_MS);
    for (_, value) in &records {
        let (_, headers) = find_record(both, "dead-letters", |found| found == &value[..]);
        assert_eq!(headers["source-topic"], "batch-ingested");
        assert!(
            !headers["reason"].is_empty() && headers["source-offset"].parse::<i64>().is_ok(),
            "{headers:?}"
        );
    }
    eprintln!("poisoned records: stepped over and kept");
}

fn event_of(batch: &Batch, at_ms: u64) -> BatchEvent {
    BatchEvent {
        customer: CustomerId::new(batch.customer).unwrap(),
        batch_id: BatchId::new(&batch.key).unwrap(),
        fingerprint: xxh3_128(&batch.body),
        content: Content::Json(Format::JsonArray),
        encoding: Encoding::Identity,
        entries: 1,
        body_bytes: batch.body.len() as u32,
        received_at_ms: WEEK_MS + 20 * DAY_MS,
        minutes: MinuteSpan { first: time::minute_of(at_ms), last: time::minute_of(at_ms) },
        path_rules: None,
        limits: Limits::default(),
    }
}

/// The bucket, as the roles see it.
fn object_store(both: &Both) -> ObjectStore {
    let of = |name: &str| both.engines.endpoint(name).to_owned();
    let credentials = tempfile::NamedTempFile::new().unwrap();
    let lines = format!(
        "aws_access_key_id = {}\naws_secret_access_key = {}\n",
        of("S3_ACCESS_KEY"),
        of("S3_SECRET_KEY")
    );
    std::fs::write(credentials.path(), lines).unwrap();
    let options = StoreOptions {
        url: format!("{}/{}", of("S3_ENDPOINT"), of("S3_BUCKET")),
        region: of("S3_REGION"),
        virtual_host: false,
        credentials_file: Some(credentials.path().to_owned()),
    };
    let metrics = Metrics::new();
    let seconds = log_analytics::cluster::metrics::store_seconds(&metrics);
    ObjectStore::new(&options, &*RealDisk::shared(), seconds).unwrap()
}

fn an_event_that_was_never_emitted_is_made_up_for(both: &Both) {
    let at_ms = WEEK_MS + 15 * DAY_MS;
    let store = object_store(both);
    // The state that an ingest leaves if it dies between its two last steps.
    let orphan = one_entry("north", "orphan", at_ms);
    let event = event_of(&orphan, at_ms);
    let key = event.raw_key();
    let stem = names::stem(&event.customer, &event.batch_id);
    store.put(&format!("{}left-by-a-dead-ingest", names::UNSETTLED), stem.as_bytes()).unwrap();
    let put = store.put_if_absent(&key, &orphan.body, &event.metadata(MadeBy::Client, None)).unwrap();
    assert_eq!(put, Put::Stored);
    assert_eq!(
        store.put_if_absent(&key, b"other", &event.metadata(MadeBy::Client, None)).unwrap(),
        Put::Exists
    );
    let said = run_to_end(&both.engines, &["reconcile", "--tune", "reconcile_grace=1s"]);
    // The store's clock has seconds: a body may still be too young the first time.
    if !said.contains("1 without an event emitted again") {
        std::thread::sleep(Duration::from_secs(2));
        let said = run_to_end(&both.engines, &["reconcile", "--tune", "reconcile_grace=1s"]);
        assert!(said.contains("1 without an event emitted again"), "{said}");
    }
    assert_eq!(both.single.client().post("north", "orphan", &orphan.body).unwrap().status, 202);
    both.assert_same("an orphan made up for", &["north"], at_ms, at_ms + MINUTE_MS);
    lines::assert_same("an orphan made up for", both, &["north"], at_ms, at_ms + MINUTE_MS);
    // Its client, which never got an answer, sends it again.
    both.assert_known(&orphan);
}

fn a_late_duplicate_counts_once_and_a_late_batch_after_reconcile(both: &Both) {
    let at_ms = WEEK_MS + 21 * DAY_MS;
    let first = one_entry("north", "first", at_ms);
    let second = one_entry("north", "second", at_ms);
    both.deliver(std::slice::from_ref(&first));
    wait_for("the first batch", || both.requests("north", at_ms) == 1);
    // An hour of event time later the same batch comes again, and another one for the same window.
    both.deliver(&[one_entry("north", "an-hour-later", at_ms + 60 * MINUTE_MS)]);
    wait_for("the hour", || both.requests("north", at_ms + 60 * MINUTE_MS) == 1);
    both.assert_known(&first);
    both.deliver(std::slice::from_ref(&second));
    both.assert_same("a duplicate an hour late, a batch an hour late", &["north"], at_ms, at_ms + DAY_MS);

    // Nine days later the window job has forgotten the window.
    let later_ms = at_ms + 9 * DAY_MS;
    both.deliver(&[one_entry("north", "nine-days-later", later_ms)]);
    wait_for("nine days", || both.requests("north", later_ms) == 1);
    // Partitions without records hold it back for a while.
    wait_for("the watermark to pass", || {
        both.engines.watermark_ms().is_some_and(|at_ms| at_ms >= (later_ms - DAY_MS) as i64)
    });
    let late = one_entry("north", "too-late", at_ms);
    both.deliver(std::slice::from_ref(&late));
    let is_it = |value: &[u8]| {
        InsightEvent::decode(value).is_ok_and(|insight| insight.batch_id.as_str() == "too-late")
    };
    find_record(both, "late-insights", is_it);
    assert_eq!(both.requests("north", at_ms), 2, "not counted by the window job");
    halfway::kill_reconcile_between_its_tables(both, at_ms, 2, 3);
    let said = run_to_end(&both.engines, &["reconcile"]);
    assert!(said.contains("1 windows counted again"), "{said}");
    both.assert_same("a late batch after reconcile", &["north"], at_ms, later_ms + DAY_MS);
    lines::assert_same("a late batch after reconcile", both, &["north"], at_ms, later_ms + DAY_MS);
    // A second run finds nothing.
    let said = run_to_end(&both.engines, &["reconcile"]);
    assert!(said.contains("late insights: 0 read"), "{said}");
    both.assert_same("reconcile once more", &["north"], at_ms, later_ms + DAY_MS);
}
