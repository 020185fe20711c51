//! Batches whose event is missing: the ingest lists them before their body, and `reconcile` emits their events
//! without listing all bodies.

use crate::support::client::Client;
use crate::support::role::{Role, wait_for};
use crate::support::small::SmallCluster;

const RECONCILE: &[&str] = &["reconcile", "--tune", "reconcile_grace=1ms", "--tune", "kafka_timeout=20s"];
const IMPATIENT: &[&str] = &["--tune", "kafka_timeout=1s"];

fn post(role: &Role, key: Option<&str>, path: &str) -> u16 {
    let body = format!(
        "[{{\"receivedAt\":\"2026-01-01T00:00:00Z\",\"method\":\"GET\",\"path\":\"{path}\",\"userAgent\":\"curl\"}}]"
    );
    let mut headers = vec![("x-customer-id", "acme"), ("content-type", "application/json")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    Client::new(role.addr).send("POST", "/logs", &headers, Some(body.as_bytes())).unwrap().status
}

#[test]
fn lists_go_when_all_batches_have_their_event() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = SmallCluster::start(temp.path());
    let ingest = cluster.role("ingest", &[]);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let ingest = &ingest;
            scope.spawn(move || {
                for number in 0..5 {
                    assert_eq!(post(ingest, Some(&format!("{thread}/{number}")), "/p"), 202);
                }
            });
        }
    });
    // Another body under a known key, and a batch without a key, which nobody can send again.
    assert_eq!(post(&ingest, Some("0/0"), "/other"), 422);
    assert_eq!(post(&ingest, None, "/p"), 202);
    wait_for("the lists to go", || cluster.bucket.keys("unsettled/").is_empty());
    assert_eq!(cluster.bucket.keys("raw/").len(), 41);
    let listed = cluster.bucket.costs().0;
    let said = cluster.run_to_end(RECONCILE);
    assert!(said.contains("0 lists of 0 bodies, 0 without an event emitted again"), "{said}");
    assert_eq!(cluster.bucket.costs().0, listed, "no body is listed");
}

#[test]
fn a_batch_without_its_event_is_counted_after_reconcile_and_only_once() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = SmallCluster::start(temp.path());
    let ingest = cluster.role("ingest", IMPATIENT);
    let _worker = cluster.role("summarize-worker", &["--worker-id", "one"]);
    assert_eq!(post(&ingest, Some("counted"), "/p"), 202);
    cluster.wait_for_summaries(1);
    wait_for("its list to go", || cluster.bucket.keys("unsettled/").is_empty());

    // The body is stored, and its event is not: this is also what a kill between the two leaves.
    cluster.kafka.broker_down(1).unwrap();
    assert_eq!(post(&ingest, Some("orphan"), "/p"), 503);
    assert_eq!(post(&ingest, None, "/p"), 503, "its id was made by the server");
    assert_eq!(cluster.bucket.keys("raw/").len(), 3);
    assert_eq!(cluster.bucket.keys("unsettled/").len(), 1);
    ingest.kill();
    cluster.kafka.broker_up(1).unwrap();

    // The record may still have been on its way; whether it was or not, the batch is counted once.
    let said = cluster.run_to_end(RECONCILE);
    assert!(said.contains("unsettled: 1 lists of 1 bodies"), "{said}");
    cluster.wait_for_summaries(2);
    assert!(cluster.bucket.keys("unsettled/").is_empty());
    let said = cluster.run_to_end(RECONCILE);
    assert!(said.contains("0 lists of 0 bodies, 0 without an event"), "{said}");

    // Its client sends it again, to another process.
    let ingest = cluster.role("ingest", &[]);
    assert_eq!(post(&ingest, Some("orphan"), "/p"), 409);
    // The batch whose id the server made was never acknowledged, and stays uncounted.
    cluster.wait_for_summaries(2);
}

#[test]
fn a_list_is_too_young_while_its_ingest_may_be_at_it() {
    let temp = tempfile::tempdir().unwrap();
    let cluster = SmallCluster::start(temp.path());
    let ingest = cluster.role("ingest", IMPATIENT);
    cluster.kafka.broker_down(1).unwrap();
    assert_eq!(post(&ingest, Some("orphan"), "/p"), 503);
    cluster.kafka.broker_up(1).unwrap();
    // The bucket's lists are from 2026.
    let said = cluster.run_to_end(&["reconcile", "--tune", "reconcile_grace=36500d"]);
    assert!(said.contains("0 lists of 0 bodies") && said.contains("1 lists too young"), "{said}");
    assert_eq!(cluster.bucket.keys("unsettled/").len(), 1);
}
