//! Checks that come before a batch is refused for its content: whether it was counted before, and whether the clock
//! is right.

use std::sync::Arc;
use std::time::Duration;

use log_analytics::base::clock;
use log_analytics::base::disk::RealDisk;
use log_analytics::base::inflight::{Budget, Charge};
use log_analytics::base::latch::Latch;
use log_analytics::batch::{Content, Format, Limits, summarize};
use log_analytics::config::Config;
use log_analytics::data_dir::DataDir;
use log_analytics::engine::{Engine, EngineParts};
use log_analytics::intake::{CheckedBatch, Intake, Outcome};
use log_analytics::metrics::Metrics;
use log_analytics::model::{BatchId, CustomerId};
use log_analytics::time::format_rfc3339;

use crate::support::server::Server;
use crate::support::stored::{assert_verified, window};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn entries(time: &str, count: usize) -> Vec<u8> {
    let entry = format!(r#"{{"receivedAt":"{time}","method":"GET","path":"/","userAgent":"curl/8"}}"#);
    format!("[{}]", vec![entry; count].join(",")).into_bytes()
}

#[test]
fn a_batch_that_was_counted_is_known_whatever_the_limits_are_now() {
    let temp = tempfile::tempdir().unwrap();
    let (body, other) = (entries("2025-12-28T18:03:00Z", 21), entries("2025-12-28T18:04:00Z", 21));
    let server = Server::start(temp.path(), &[]);
    assert_eq!(server.client().post("acme", "k", &body).unwrap().status, 202);
    assert!(server.stop().success());

    let server = Server::start(temp.path(), &["--max-entries", "20"]);
    let mut client = server.client();
    let known = client.post("acme", "k", &body).unwrap();
    assert_eq!((known.status, known.header("idempotent-replayed")), (409, Some("true")), "{}", known.text());
    assert_eq!(known.json()["batchId"], "k");
    for (customer, key, body) in [("acme", "k", &other), ("acme", "l", &body), ("other", "k", &body)] {
        let refused = client.post(customer, key, body).unwrap();
        assert_eq!(refused.status, 400, "{customer} {key}");
        assert!(refused.text().contains("more than 20 entries"), "{}", refused.text());
    }
    let nameless = [("x-customer-id", "acme"), ("content-type", "application/json")];
    assert_eq!(client.send("POST", "/logs", &nameless, Some(&body)).unwrap().status, 400);
    assert!(server.stop().success());
    assert_eq!(assert_verified(temp.path())["records"], 1);
}

#[test]
fn clients_that_cannot_name_batches_have_them_told_by_their_body() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    let nameless = [("x-customer-id", "acme"), ("content-type", "application/json")];
    let body = entries("2025-12-28T18:03:00Z", 2);
    let first = client.send("POST", "/logs?dedup=body", &nameless, Some(&body)).unwrap();
    assert_eq!(first.status, 202);
    let id = first.json()["batchId"].as_str().unwrap().to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let coded = zstd::encode_all(body.as_slice(), 3).unwrap();
    let headers = [nameless[0], nameless[1], ("content-encoding", "zstd")];
    for (headers, body) in [(&nameless[..], &body), (&headers, &coded)] {
        let again = client.send("POST", "/logs?dedup=body", headers, Some(body)).unwrap();
        assert_eq!((again.status, again.json()["batchId"].clone()), (409, id.clone().into()));
    }
    let other = entries("2025-12-28T18:03:00Z", 3);
    assert_eq!(client.send("POST", "/logs?dedup=body", &nameless, Some(&other)).unwrap().status, 202);
    // Without it, equal bodies are two batches.
    assert_eq!(client.send("POST", "/logs", &nameless, Some(&body)).unwrap().status, 202);
    let named = [nameless[0], nameless[1], ("idempotency-key", "k")];
    for (target, headers, says) in [
        ("/logs?dedup=body", &named[..], "exclude each other"),
        ("/logs?dedup=key", &nameless, "dedup must be body"),
        ("/logs?dedupe=body", &nameless, "unknown parameter"),
    ] {
        let refused = client.send("POST", target, headers, Some(&body)).unwrap();
        assert_eq!(refused.status, 400, "{target}");
        assert!(refused.text().contains(says), "{}", refused.text());
    }
    assert!(server.stop().success());
    assert_eq!(window(temp.path(), "acme", "20251228T1803Z").unwrap()["requests"], 7);
}

/// Leaves a store whose last batch was received at this time.
fn store_with_a_batch_received_at(dir: &std::path::Path, received_at_ms: u64) {
    let body = entries("2025-12-28T18:03:00Z", 1);
    let parts = EngineParts {
        disk: RealDisk::shared(),
        dir: Arc::new(DataDir::new(dir.join("store"))),
        latch: Latch::new(),
        metrics: Arc::new(Metrics::new()),
        own_retain_days: std::sync::Arc::new(|_| None),
    };
    let engine = Engine::start(parts, Config::defaults().bounds().unwrap().engine).unwrap();
    let summarized = summarize(&body, Format::JsonArray, &Limits::default(), received_at_ms).unwrap();
    let outcome = engine.take(CheckedBatch {
        customer: &CustomerId::new("acme").unwrap(),
        batch_id: &BatchId::new("first").unwrap(),
        server_made_id: false,
        content: &Content::Json(Format::JsonArray),
        body: &body,
        coded: None,
        summary: summarized.summary,
        limits: &Limits::default(),
        received_at_ms,
        charge: Charge::new(&Budget::new(1 << 20)),
    });
    assert_eq!(outcome, Outcome::Counted);
    assert!(engine.stop(Duration::from_secs(10)));
}

#[test]
fn week_06_entries_ahead_of_a_clock_that_is_behind_the_last_batch_are_answered_503() {
    let temp = tempfile::tempdir().unwrap();
    let now_ms = clock::now_ms();
    let last_ms = now_ms + 3 * DAY_MS;
    store_with_a_batch_received_at(temp.path(), last_ms);
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    let mut post =
        |key: &str, time_ms: u64| client.post("acme", key, &entries(&format_rfc3339(time_ms), 1)).unwrap();
    assert_eq!(post("before-the-last", last_ms).status, 202);
    let ahead = post("ahead", last_ms + DAY_MS + 60_000);
    assert_eq!((ahead.status, ahead.header("retry-after").is_some()), (503, true), "{}", ahead.text());
    assert!(ahead.text().contains("clock is behind"), "{}", ahead.text());
    assert_eq!(client.post("acme", "bad", b"[{}]").unwrap().status, 400, "another mistake is the client's");
    assert_eq!(server.metric("log_analytics_ingestion_rejects_total{reason=\"clock_behind\"}"), 1.0);
    assert!(server.stop().success());

    // If the clock is right, the client's clock is wrong.
    let temp = tempfile::tempdir().unwrap();
    store_with_a_batch_received_at(temp.path(), now_ms);
    let server = Server::start(temp.path(), &[]);
    let ahead = entries(&format_rfc3339(now_ms + 3 * DAY_MS), 1);
    let refused = server.client().post("acme", "ahead", &ahead).unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("ahead of the server's clock (now 20"), "{}", refused.text());
    assert!(server.stop().success());
}
