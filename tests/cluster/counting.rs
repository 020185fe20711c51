//! What role `ingest` does by customer, key and format, checked by the insights of workers.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;

use crate::support::client::{Answer, Client};
use crate::support::role::{Role, wait_for};
use crate::support::small::{SmallCluster, ask};

const RULES: &str = r#"{"default":{"pathRules":["ids"]},"customers":{
    "own":{"pathRules":["GET /users/{name}","* /files/{*rest}"]},"plain":{"pathRules":[]},
    "slow":{"entriesPerSecond":1}}}"#;
const AT: &str = "2026-01-01T00:00:00Z";

fn post(role: &Role, customer: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut all = vec![("x-customer-id", customer)];
    all.extend(headers);
    Client::new(role.addr).send("POST", target, &all, Some(body)).unwrap()
}

fn entries(paths: &[&str]) -> Vec<u8> {
    let line = |path: &&str| {
        format!(
            "{{\"receivedAt\":\"{AT}\",\"method\":\"GET\",\"path\":\"{path}\",\"userAgent\":\"curl/8.5\"}}\n"
        )
    };
    paths.iter().map(line).collect::<String>().into_bytes()
}

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// The windows of the first `count` insights, in their order.
fn insights(cluster: &SmallCluster, count: usize) -> Vec<Value> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.kafka.bootstrap_servers())
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&["insight-events"]).unwrap();
    let mut found = Vec::new();
    wait_for("insights", || {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
            let insight: Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
            found.push(insight["window"].clone());
        }
        found.len() >= count
    });
    found
}

fn paths(window: &Value) -> Vec<&str> {
    window["requestsByPath"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn path_rules_are_those_of_the_time_a_batch_was_taken_also_when_it_is_counted_later() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = SmallCluster::start(temp.path());
    let file = temp.path().join("customers.json");
    std::fs::write(&file, RULES).unwrap();
    let flags = ["--customers", file.to_str().unwrap()];
    let ingest = cluster.role("ingest", &flags);
    let body = entries(&["/users/17", "/files/a/b", "/x"]);
    for customer in ["other", "own", "plain"] {
        let answer = post(&ingest, customer, "/logs", &[NDJSON, ("idempotency-key", "first")], &body);
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    // No worker has counted them yet. From now on there are other rules.
    std::fs::write(&file, r#"{"default":{"pathRules":["* /{*all}"]}}"#).unwrap();
    ingest.reload();
    wait_for("the new rules", || cluster.log("ingest").contains("reloaded"));
    let retried = post(&ingest, "own", "/logs", &[NDJSON, ("idempotency-key", "first")], &body);
    assert_eq!(retried.status, 409, "{}", retried.text());
    assert_eq!(post(&ingest, "own", "/logs", &[NDJSON, ("idempotency-key", "second")], &body).status, 202);

    let worker = cluster.role("summarize-worker", &["--worker-id", "one"]);
    // Three batches, the retried one a second time, and the last one.
    let windows = insights(&cluster, 5);
    let of = |customer: &str| -> Vec<Vec<&str>> {
        windows.iter().filter(|window| window["customerId"] == customer).map(paths).collect()
    };
    assert_eq!(of("other"), [["GET /files/a/b", "GET /users/{id}", "GET /x"]]);
    assert_eq!(of("plain"), [["GET /files/a/b", "GET /users/17", "GET /x"]]);
    let own = vec!["GET /files/{*rest}", "GET /users/{name}", "GET /x"];
    assert_eq!(of("own"), [own.clone(), own, vec!["GET /{*all}"]]);

    // A lost summary is made again by the same rules.
    worker.kill();
    cluster.wait_for_summaries(4);
    let lost = cluster.bucket.keys("summaries/own/").into_iter().find(|key| key.ends_with("/first")).unwrap();
    let before = cluster.bucket.remove(&lost);
    assert_eq!(post(&ingest, "own", "/logs", &[NDJSON, ("idempotency-key", "first")], &body).status, 409);
    let _worker = cluster.role("summarize-worker", &["--worker-id", "one"]);
    cluster.wait_for_summaries(4);
    assert_eq!(cluster.bucket.remove(&lost), before);
}

#[test]
fn a_customer_over_its_rate_gets_429() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = SmallCluster::start(temp.path());
    let file = temp.path().join("customers.json");
    std::fs::write(&file, RULES).unwrap();
    let ingest = cluster.role("ingest", &["--customers", file.to_str().unwrap()]);
    let body = entries(&["/x"; 10_000]);
    assert_eq!(post(&ingest, "slow", "/logs", &[NDJSON], &body).status, 202);
    let refused = post(&ingest, "slow", "/logs", &[NDJSON], &body);
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    assert_eq!(post(&ingest, "other", "/logs", &[NDJSON], &body).status, 202);
}

#[test]
fn equal_bodies_count_once_with_dedup_body() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = SmallCluster::start(temp.path());
    let (ingest, another) = (cluster.role("ingest", &[]), cluster.role("ingest", &[]));
    let _worker = cluster.role("summarize-worker", &["--worker-id", "one"]);
    let target = "/logs?dedup=body";
    assert_eq!(post(&ingest, "acme", target, &[NDJSON], &entries(&["/a"])).status, 202);
    // The retry goes to another process.
    assert_eq!(post(&another, "acme", target, &[NDJSON], &entries(&["/a"])).status, 409);
    assert_eq!(post(&another, "acme", target, &[NDJSON], &entries(&["/b"])).status, 202);
    cluster.wait_for_summaries(2);
}

#[test]
fn log_lines_are_counted_whatever_their_parameters_take() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = SmallCluster::start(temp.path());
    let ingest = cluster.role("ingest", &[]);
    let _worker = cluster.role("summarize-worker", &["--worker-id", "one"]);
    let query = cluster.role("query", &[]);
    let text = ("content-type", "text/plain");
    let line = |path: &str| {
        let time = "01/Jan/2026:01:30:00";
        format!("192.0.2.9 - - [{time} +0000] \"GET {path}?q=1 HTTP/1.1\" 200 7 \"-\" \"curl/8.5\"\n")
    };
    let wide = "2026-01-01 01:30:00 GET /wide - 200\n";
    // A W3C header that an import carries: longer than an object's metadata may be.
    let fields = format!(
        "date time cs-method cs-uri-stem cs-uri-query sc-status {}",
        "x-a-field-of-a-custom-log ".repeat(200)
    );
    let fields = fields.trim_end().replace(' ', "%20");
    assert!(fields.len() > 4_000);
    let targets = [
        ("plain", "/logs".to_owned(), line("/plain")),
        ("named", "/logs?format=combined&keep-query=true".to_owned(), line("/named")),
        (
            "long",
            format!("/logs?timezone=Europe/Vienna&fields={fields}"),
            format!("{} {}\n", wide.trim_end(), "- ".repeat(200).trim_end()),
        ),
    ];
    for (key, target, body) in &targets {
        for status in [202, 409] {
            let answer = post(&ingest, "acme", target, &[text, ("idempotency-key", key)], body.as_bytes());
            assert_eq!(answer.status, status, "{key}: {}", answer.text());
        }
    }
    // The same line read by other parameters is another batch.
    let other = post(&ingest, "acme", "/logs", &[text, ("idempotency-key", "long")], targets[2].2.as_bytes());
    assert_ne!(other.status, 409, "{}", other.text());
    cluster.wait_for_summaries(3);
    let lines = ask(query.addr, "acme", "/entries?from=2025-12-31T00:00:00Z&to=2026-01-02T00:00:00Z").text();
    for wanted in ["\"path\":\"/plain\"", "\"path\":\"/named?q=1\"", "\"path\":\"/wide\""] {
        assert!(lines.contains(wanted), "{wanted} in {lines}{}", cluster.log("query"));
    }
    assert_eq!(cluster.bucket.keys("texts/").len(), 1, "only long parameters are texts of their own");
}
