//! `DELETE /customers/{id}` in the real binary: who may, what is left, and what stays gone under load and `kill -9`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::support::server::{Server, run};
use crate::support::stored::{assert_verified, window};
use crate::support::wait::eventually;

const STAMP: &str = "20251228T1803Z";
const RANGE: &str = "/aggregates?from=2025-12-28T18:00:00Z&to=2025-12-28T19:00:00Z&top=10000";

fn post(server: &Server, customer: &str, key: &str) -> u16 {
    post_at(server, customer, key, "2025-12-28T18:03:00Z")
}

fn post_at(server: &Server, customer: &str, key: &str, at: &str) -> u16 {
    let path = format!("/{key}");
    let entry = json!({"receivedAt": at, "method": "GET", "path": path, "userAgent": "curl/8"});
    server.client().post(customer, key, &serde_json::to_vec(&[entry]).unwrap()).unwrap().status
}

fn delete(server: &Server, id: &str) -> u16 {
    server.client().send("DELETE", &format!("/customers/{id}"), &[], None).unwrap().status
}

/// The paths that a query of the customer's day shows; one that reads the bodies shows the same.
fn paths(server: &Server, customer: &str) -> BTreeSet<String> {
    let ask = |target: &str| server.client().get(target, &[("x-customer-id", customer)]).unwrap().json();
    let answer = ask(RANGE);
    assert_eq!(ask(&format!("{RANGE}&where=method=GET"))["windows"], answer["windows"]);
    let windows = answer["windows"].as_array().unwrap().iter();
    let keys = windows.flat_map(|window| window["requestsByPath"].as_object().unwrap().keys());
    keys.map(|key| key.trim_start_matches("GET /").to_owned()).collect()
}

fn batches(dir: &Path, customer: &str) -> usize {
    let store = dir.join("store");
    let listed =
        run(&["batches", "list", "--data-dir", store.to_str().unwrap(), "--customer", customer]).stdout;
    String::from_utf8(listed).unwrap().lines().count()
}

#[test]
fn a_deleted_customer_is_gone_from_everything_and_stays_gone() {
    let temp = tempfile::tempdir().unwrap();
    let flags = ["--tune", "checkpoint_interval=1h"];
    let server = Server::start(temp.path(), &flags);
    for customer in ["acme", "a/b", "other"] {
        assert_eq!((post(&server, customer, "1"), post(&server, customer, "2")), (202, 202));
    }
    eventually("a window file", || window(temp.path(), "acme", STAMP).is_some());
    assert_eq!(delete(&server, "nobody"), 404);
    assert_eq!(delete(&server, "white%20space"), 400);
    assert_eq!((delete(&server, "acme"), delete(&server, "a%2Fb")), (204, 204));
    assert_eq!(server.client().send("GET", "/customers/acme", &[], None).unwrap().status, 405);
    let is_gone = |server: &Server| {
        assert!(paths(server, "acme").is_empty() && paths(server, "a/b").is_empty());
        assert_eq!(paths(server, "other").len(), 2);
        let listed: Value = server.client().get("/customers", &[]).unwrap().json();
        assert!(!listed.to_string().contains("acme") && listed.to_string().contains("other"), "{listed}");
        assert_eq!((batches(temp.path(), "acme"), batches(temp.path(), "other")), (0, 2));
    };
    is_gone(&server);
    eventually("the file is removed", || window(temp.path(), "acme", STAMP).is_none());
    server.kill();

    let server = Server::start(temp.path(), &flags);
    is_gone(&server);
    // Again is no error. Later batches count anew, one with a key from before too.
    assert_eq!(delete(&server, "acme"), 204);
    assert_eq!((post(&server, "acme", "2"), post(&server, "other", "2")), (202, 409));
    assert_eq!(paths(&server, "acme"), BTreeSet::from(["2".to_owned()]));
    assert_eq!(post(&server, "acme", "2"), 409);
    assert!(server.stop().success());
    let report = assert_verified(temp.path());
    assert_eq!(report["requests"], 3);
    let server = Server::start(temp.path(), &flags);
    assert_eq!((post(&server, "acme", "2"), post(&server, "acme", "1")), (409, 202));
    assert!(server.stop().success());
    assert_verified(temp.path());
}

#[test]
fn a_backup_of_a_deleted_customer_does_not_bring_it_back() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &["--tune", "checkpoint_interval=1h"]);
    assert_eq!((post(&server, "acme", "1"), post(&server, "other", "1")), (202, 202));
    eventually("a window file", || window(temp.path(), "acme", STAMP).is_some());
    // While the lock is held nothing is removed: the backup has the old files, too.
    let retain = fs::File::open(temp.path().join("store/RETAIN")).unwrap();
    retain.lock_shared().unwrap();
    assert_eq!(delete(&server, "acme"), 204);
    assert_eq!(post_at(&server, "acme", "2", "2025-12-28T18:04:00Z"), 202);
    assert!(window(temp.path(), "acme", STAMP).is_some());
    assert_eq!(paths(&server, "acme"), BTreeSet::from(["2".to_owned()]));
    let to = temp.path().join("restored/store");
    fs::create_dir(temp.path().join("restored")).unwrap();
    let store = temp.path().join("store");
    let made = run(&["backup", "--data-dir", store.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let restored = temp.path().join("restored");
    assert_verified(&restored);
    let server = Server::start(&restored, &[]);
    assert_eq!(paths(&server, "acme"), BTreeSet::from(["2".to_owned()]));
    assert_eq!(post(&server, "acme", "1"), 202);
    assert!(server.stop().success());
    assert_eq!(window(&restored, "acme", STAMP).unwrap()["requests"], 1);
    assert_verified(&restored);
}

#[test]
fn batches_under_load_are_on_one_side_of_a_deletion_whatever_kills_the_server() {
    const CLIENTS: usize = 4;
    for round in 0..4 {
        let temp = tempfile::tempdir().unwrap();
        let flags = ["--tune", "segment_bytes=4KiB", "--tune", "checkpoint_interval=200ms"];
        let server = Server::start(temp.path(), &flags);
        // 0: before the deletion was sent; 1: until it was answered; 2: after that.
        let phase = AtomicUsize::new(0);
        let (before, after, is_deleted) = thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let (server, phase) = (&server, &phase);
                    scope.spawn(move || {
                        let (mut before, mut after) = (Vec::new(), Vec::new());
                        for number in 0..40 {
                            let key = format!("{client}-{number}");
                            let sent = phase.load(Ordering::SeqCst);
                            assert_eq!(post(server, "acme", &key), 202);
                            if phase.load(Ordering::SeqCst) == 0 {
                                before.push(key);
                            } else if sent == 2 {
                                after.push(key);
                            }
                        }
                        (before, after)
                    })
                })
                .collect();
            eventually("some batches", || {
                server.metric("log_analytics_ingestion_entries_total") > f64::from(10 + round * 10)
            });
            phase.store(1, Ordering::SeqCst);
            let is_deleted = delete(&server, "acme") == 204;
            phase.store(2, Ordering::SeqCst);
            let ran = clients.into_iter().map(|client| client.join().unwrap());
            let (before, after): (Vec<_>, Vec<_>) = ran.unzip();
            (before.concat(), after.concat(), is_deleted)
        });
        assert!(is_deleted && !before.is_empty());
        server.kill();
        let server = Server::start(temp.path(), &flags);
        let left = paths(&server, "acme");
        let back: Vec<_> = before.iter().filter(|key| left.contains(*key)).collect();
        let lost: Vec<_> = after.iter().filter(|key| !left.contains(*key)).collect();
        assert!(back.is_empty() && lost.is_empty(), "round {round}: {back:?} are back, {lost:?} are lost");
        for key in before.iter().take(3) {
            assert_eq!(post(&server, "acme", key), 202, "{key} is known, and was deleted");
        }
        assert!(server.stop().success());
        assert_verified(temp.path());
    }
}

#[test]
fn only_operators_delete() {
    let temp = tempfile::tempdir().unwrap();
    let (gateway, operator) = (temp.path().join("gateway"), temp.path().join("operator"));
    fs::write(&gateway, "gateway-token-0123456789\n").unwrap();
    fs::write(&operator, "operator-token-0123456789\n").unwrap();
    let by_gateway = ["--gateway-token-file", gateway.to_str().unwrap()];
    let by_both = [by_gateway.as_slice(), &["--operator-token-file", operator.to_str().unwrap()]].concat();
    let ask = |server: &Server, token: &str| {
        let bearer = format!("Bearer {token}-token-0123456789");
        let headers = [("authorization", bearer.as_str())];
        server.client().send("DELETE", "/customers/nobody", &headers, None).unwrap().status
    };
    let server = Server::start(temp.path(), &by_both);
    assert_eq!((ask(&server, "gateway"), ask(&server, "operator")), (401, 404));
    drop(server);
    let server = Server::start(temp.path(), &by_gateway);
    let refused = server.client().send("DELETE", "/customers/nobody", &[], None).unwrap();
    assert!(refused.status == 404 && refused.text().contains("--operator-token-file"), "{}", refused.text());
}
