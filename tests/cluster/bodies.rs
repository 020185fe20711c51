//! `/entries` and `where` of role `query`, from the bodies in the bucket, against one machine that was sent the same.

use serde_json::Value;

use crate::support::client::{Answer, Client};
use crate::support::questions::{LINE_QUESTIONS, TOP_WHERE_QUESTIONS, WHERE_QUESTIONS};
use crate::support::role::Role;
use crate::support::server::Server;
use crate::support::small::{SmallCluster, ask};

const FROM: &str = "from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z";

/// A cluster and a single machine that take the same batches and answer the same queries.
struct Pair {
    cluster: SmallCluster,
    single: Server,
    ingest: Role,
    query: Role,
    _worker: Role,
    /// Batches that were counted.
    counted: usize,
    _temp: tempfile::TempDir,
}

impl Pair {
    fn start(query_flags: &[&str]) -> Pair {
        let temp = tempfile::tempdir().unwrap();
        let cluster = SmallCluster::start(temp.path());
        let store = temp.path().join("single");
        std::fs::create_dir_all(store.join("store")).unwrap();
        // The same secret, so that visitors have the same hashes.
        std::fs::copy(temp.path().join("secret"), store.join("store/secret")).unwrap();
        Pair {
            single: Server::start(&store, &[]),
            ingest: cluster.role("ingest", &[]),
            query: cluster.role("query", query_flags),
            _worker: cluster.role("summarize-worker", &["--worker-id", "one"]),
            counted: 0,
            cluster,
            _temp: temp,
        }
    }

    fn send(&mut self, customer: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut all = vec![("x-customer-id", customer)];
        all.extend(headers);
        for addr in [self.single.addr, self.ingest.addr] {
            let answer = Client::new(addr).send("POST", target, &all, Some(body)).unwrap();
            assert_eq!(answer.status, 202, "{}", answer.text());
        }
        self.counted += 1;
    }

    fn post(&mut self, customer: &str, key: &str, body: &str) {
        let headers = [("idempotency-key", key), ("content-type", "application/x-ndjson")];
        self.send(customer, "/logs", &headers, body.as_bytes());
    }

    fn wait(&self) {
        self.cluster.wait_for_summaries(self.counted);
    }

    fn assert_same(&self, customer: &str, target: &str) -> Answer {
        let [single, cluster] = [self.single.addr, self.query.addr].map(|addr| ask(addr, customer, target));
        assert_eq!(
            (single.status, cluster.status),
            (200, 200),
            "{target}: {} {}",
            single.text(),
            cluster.text()
        );
        assert_eq!(cluster.header("x-bodies"), single.header("x-bodies"), "{target}");
        if target.starts_with("/entries") {
            assert_eq!(cluster.text(), single.text(), "{target}");
        } else {
            assert_eq!(cluster.json(), single.json(), "{target}");
        }
        cluster
    }
}

/// An entry of that minute of the first of January, with most fields.
fn entry(minute: u32, second: u32, path: &str, status: u16, more: &str) -> String {
    let (hour, minute) = (minute / 60, minute % 60);
    format!(
        "{{\"receivedAt\":\"2026-01-01T{hour:02}:{minute:02}:{second:02}Z\",\"method\":\"GET\",\"path\":\"{path}\",\
         \"userAgent\":\"curl/8.5\",\"status\":{status},\"clientIp\":\"192.0.2.{second}\"{more}}}\n"
    )
}

#[test]
fn entries_and_where_are_answered_from_the_bucket_as_one_machine_does() {
    let mut pair = Pair::start(&[]);
    for number in 0..8 {
        let body: String = (0..5)
            .map(|place| {
                let second = number * 5 + place;
                let more = format!(",\"host\":\"h{place}.example\",\"durationSeconds\":0.{place}");
                entry(
                    number * 7,
                    second,
                    &format!("/p/{place}?q={number}"),
                    [200, 404, 503][place as usize % 3],
                    &more,
                )
            })
            .collect();
        pair.post("acme", &format!("batch/{number}"), &body);
    }
    // Long ones: an hour, and more than a day.
    pair.post("acme", "hours", &[entry(3, 58, "/first", 200, ""), entry(600, 59, "/last", 500, "")].concat());
    let old = "{\"receivedAt\":\"2025-12-20T00:00:00Z\",\"method\":\"GET\",\"path\":\"/old\",\"userAgent\":\"x\"}\n";
    pair.post("acme", "days", &[old, &entry(20, 57, "/span", 200, "")].concat());
    // Batches of another customer are never shown, whatever its name is.
    pair.post("acme/hour", "batch/0", &entry(1, 1, "/other", 200, ""));
    let lines =
        b"192.0.2.9 - - [01/Jan/2026:02:30:01 +0200] \"GET /line HTTP/1.1\" 404 7 \"-\" \"curl/8.5\"\n";
    pair.send(
        "acme",
        "/logs?format=combined",
        &[("idempotency-key", "lines"), ("content-type", "text/plain")],
        lines,
    );
    pair.wait();
    let questions: [(&str, &[&str]); 3] = [
        ("/entries", &LINE_QUESTIONS),
        ("/aggregates", &WHERE_QUESTIONS),
        ("/aggregates/top", &TOP_WHERE_QUESTIONS),
    ];
    for (path, questions) in questions {
        for question in questions {
            pair.assert_same("acme", &format!("{path}?{FROM}&{question}"));
        }
    }
    let all = pair.assert_same("acme", &format!("/entries?{FROM}&limit=1000")).text();
    assert_eq!(all.lines().count(), 40 + 2 + 1 + 1, "{all}");
    assert_eq!(pair.assert_same("acme/hour", &format!("/entries?{FROM}")).text().lines().count(), 1);
    // One machine and the cluster agree in a range of a minute, too, and pages lead through all lines.
    pair.assert_same("acme", "/entries?from=2026-01-01T00:07:00Z&to=2026-01-01T00:08:00Z");
    let (mut target, mut paged) = (format!("/entries?{FROM}&limit=7"), String::new());
    loop {
        let page = ask(pair.query.addr, "acme", &target);
        paged.push_str(&page.text());
        let Some(link) = page.header("link") else { break };
        target = link.split_once('<').unwrap().1.split_once('>').unwrap().0.to_owned();
    }
    assert_eq!(paged, all);
    // A shorter copy of the counted batch, for `?known=beginning`.
    let headers = [("x-customer-id", "acme"), ("idempotency-key", "lines"), ("content-type", "text/plain")];
    for (target, bytes, status) in [
        ("/logs?format=combined", 84, 422),
        ("/logs?format=combined&known=beginning", 84, 409),
        ("/logs?known=beginning", 84, 422),
    ] {
        for addr in [pair.single.addr, pair.ingest.addr] {
            let answer = Client::new(addr).send("POST", target, &headers, Some(&lines[..bytes])).unwrap();
            assert_eq!(answer.status, status, "{target}: {}", answer.text());
        }
    }
}

#[test]
fn only_counted_batches_near_the_range_are_listed_and_read() {
    let mut pair = Pair::start(&[]);
    for number in 0..40 {
        pair.post("acme", &format!("batch-{number}"), &entry(number * 30, 1, "/p", 200, ""));
    }
    pair.wait();
    let before = pair.cluster.bucket.costs();
    let target = "/entries?from=2026-01-01T10:00:00Z&to=2026-01-01T10:01:00Z";
    assert_eq!(pair.assert_same("acme", target).text().lines().count(), 1);
    let after = pair.cluster.bucket.costs();
    let (listed, read) = (after.0 - before.0, after.1 - before.1);
    assert_eq!(read, 1);
    assert!(
        listed <= 9,
        "{listed} of 40 were listed: those up to an hour later, and a page at most beyond them"
    );

    // A body whose event was never emitted has no summary: no window has it, and neither has `/entries`.
    let summary = pair.cluster.bucket.keys("summaries/acme/hour/20260101T1000Z-1/");
    pair.cluster.bucket.remove(&summary[0]);
    assert_eq!(ask(pair.query.addr, "acme", target).text(), "");

    // If a body is gone, the answer covers only what follows it.
    pair.cluster.bucket.remove("raw/acme/batch-10");
    let answer = ask(pair.query.addr, "acme", &format!("/entries?{FROM}&limit=1000"));
    assert_eq!(answer.header("x-bodies"), Some("2026-01-01T05:01:00Z/2026-01-03T00:00:00Z"));
    assert_eq!(answer.text().lines().count(), 38);
    let counted =
        ask(pair.query.addr, "acme", &format!("/aggregates?{FROM}&window=all&by=&where=status=200")).json();
    assert_eq!(counted["bodies"]["from"], Value::from("2026-01-01T05:01:00Z"), "{counted}");
}

#[test]
fn a_query_that_lists_or_reads_too_many_objects_is_refused_with_the_limits_name() {
    let mut pair = Pair::start(&["--tune", "max_query_objects=12"]);
    for number in 0..8 {
        pair.post("acme", &format!("batch-{number}"), &entry(number, 1, "/p", 200, ""));
    }
    pair.wait();
    let before = pair.cluster.bucket.costs();
    let answer = ask(pair.query.addr, "acme", &format!("/entries?{FROM}"));
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("max_query_objects"), "{}", answer.text());
    let after = pair.cluster.bucket.costs();
    assert!(after.1 - before.1 <= 12 - 3, "a page of three was listed at least: {before:?} {after:?}");
    // A query that needs fewer objects is answered.
    let target = "/entries?from=2026-01-01T00:07:00Z&to=2026-01-01T00:08:00Z";
    assert_eq!(pair.assert_same("acme", target).text().lines().count(), 1);
}

#[test]
fn a_query_role_with_another_secret_ends() {
    let mut pair = Pair::start(&[]);
    pair.post("acme", "one", &entry(1, 1, "/p", 200, ""));
    pair.wait();
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), [7; 16]).unwrap();
    let mut command = crate::support::server::program();
    command.arg("query").envs(pair.cluster.variables()).env("LOG_ANALYTICS_SECRET_FILE", other.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the bucket was written under another secret"), "{said}");
}
