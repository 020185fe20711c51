//! `--customers`: path rules of a running server, rates with their 429, the file read again on SIGHUP, and files that are
//! refused.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::server::{Server, program, run};
use crate::support::stored::{assert_verified, window};
use crate::support::wait::eventually;

fn body(path: &str, entries: usize) -> Vec<u8> {
    let entry =
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "curl/8"});
    serde_json::to_vec(&vec![entry; entries]).unwrap()
}

fn start(dir: &Path, customers: &Value) -> Server {
    fs::write(dir.join("customers.json"), customers.to_string()).unwrap();
    Server::start(dir, &["--customers", dir.join("customers.json").to_str().unwrap()])
}

fn paths(dir: &Path, customer: &str) -> Value {
    window(dir, customer, "20251228Z").unwrap()["requestsByPath"].clone()
}

#[test]
fn a_customers_paths_are_counted_by_its_own_rules() {
    let dir = tempfile::tempdir().unwrap();
    let rules = json!({"default": {"pathRules": ["ids"]},
                       "customers": {"acme": {"pathRules": ["GET /users/{user}"]}}});
    let server = start(dir.path(), &rules);
    let mut client = server.client();
    for (customer, path) in
        [("acme", "/users/7"), ("acme", "/a/7"), ("other", "/users/7"), ("other", "/users/me")]
    {
        assert_eq!(client.post(customer, path, &body(path, 1)).unwrap().status, 202);
    }
    // Filtered counts follow the rules as well.
    let range = "from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z&window=day";
    let target = format!("/aggregates?{range}&where=method=GET");
    let chosen = client.get(&target, &[("x-customer-id", "acme")]).unwrap().json();
    let acme = json!({"GET /a/7": 1, "GET /users/{user}": 1});
    assert_eq!(chosen["windows"][0]["requestsByPath"], acme);
    // A template chooses the entries that count under it.
    let key = "from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z&where=key=GET%20/users/%7Buser%7D";
    let mut get = |target: &str| client.get(target, &[("x-customer-id", "acme")]).unwrap();
    assert_eq!(get(&format!("/entries?{key}")).json()["path"], "/users/7");
    let windows = get(&format!("/aggregates?{key}&window=day")).json();
    assert_eq!(windows["windows"][0]["requestsByPath"], json!({"GET /users/{user}": 1}));
    let top = get(&format!("/aggregates/top?{key}&dimension=path")).json();
    assert_eq!((&top["top"][0]["key"], &top["requests"]), (&json!("GET /users/{user}"), &json!(1)));
    // A changed rule holds for new batches only.
    fs::write(dir.path().join("customers.json"), "{}").unwrap();
    server.signal(Signal::HUP);
    eventually("the file is read again", || server.log().contains("customers.json (0 customers"));
    assert_eq!(client.post("acme", "later", &body("/users/8", 1)).unwrap().status, 202);
    // An invalid file changes nothing, and the log says why.
    fs::write(dir.path().join("customers.json"), "{\"default\":\n{\"rate\":1}}").unwrap();
    server.signal(Signal::HUP);
    eventually("the file is refused", || {
        let log = server.log();
        log.contains("old settings stay in force")
            && log.contains("unknown field `rate`")
            && log.contains("line 2")
    });
    assert_eq!(client.post("acme", "last", &body("/users/9", 1)).unwrap().status, 202);
    assert!(server.stop().success());
    let acme = json!({"GET /a/7": 1, "GET /users/8": 1, "GET /users/9": 1, "GET /users/{user}": 1});
    assert_eq!(paths(dir.path(), "acme"), acme);
    assert_eq!(paths(dir.path(), "other"), json!({"GET /users/me": 1, "GET /users/{id}": 1}));
    assert_verified(dir.path());
}

#[test]
fn a_customer_over_its_rate_gets_429_and_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), &json!({"customers": {"acme": {"entriesPerSecond": 1}}}));
    let mut client = server.client();
    // Ten seconds of the rate fit, and the batch that empties the bucket is taken whole.
    assert_eq!(client.post("acme", "a", &body("/", 9)).unwrap().status, 202);
    assert_eq!(client.post("acme", "a", &body("/", 9)).unwrap().status, 409, "a duplicate costs nothing");
    assert_eq!(client.post("acme", "b", &body("/", 50)).unwrap().status, 202);
    // A body that is not read is drained: the client sees the answer, and the connection continues.
    for entries in [1, 20_000] {
        let refused = client.post("acme", "c", &body("/", entries)).unwrap();
        assert_eq!((refused.status, &refused.json()["errorCode"]), (429, &json!("QUO_1000")));
        let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((40..=51).contains(&seconds), "{seconds} s for a debt of 49 entries");
        assert!(refused.json()["errorDescription"].as_str().unwrap().contains("rate of 1 entries a second"));
        assert_eq!(client.post("other", &format!("{entries}"), &body("/", 100)).unwrap().status, 202);
    }
    assert_eq!(server.metric("log_analytics_ingestion_rejects_total{reason=\"over_rate\"}"), 2.0);
    // Only what was answered 202 is counted, and the bodies say the same.
    for condition in ["", "&where=method=GET"] {
        let target =
            format!("/aggregates?from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z&window=day{condition}");
        let counted = client.get(&target, &[("x-customer-id", "acme")]).unwrap().json();
        assert_eq!(counted["windows"][0]["requests"], 59, "{counted}");
    }
    // Rates are kept in memory alone: a new process begins with full buckets.
    server.kill();
    assert_verified(dir.path());
    let server = start(dir.path(), &json!({"customers": {"acme": {"entriesPerSecond": 1}}}));
    let mut client = server.client();
    assert_eq!(client.post("acme", "b", &body("/", 50)).unwrap().status, 409);
    assert_eq!(client.post("acme", "d", &body("/", 50)).unwrap().status, 202);
    assert_eq!(client.post("acme", "c", &body("/", 1)).unwrap().status, 429);
    // Without the rate it may send at once.
    fs::write(dir.path().join("customers.json"), "{}").unwrap();
    server.signal(Signal::HUP);
    eventually("the file is read again", || server.log().contains("customers.json (0 customers"));
    assert_eq!(client.post("acme", "c", &body("/", 1)).unwrap().status, 202);
    assert!(server.stop().success());
}

#[test]
fn an_invalid_file_is_refused_at_start_with_line_and_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("customers.json");
    fs::write(&file, "{\"customers\":{\n\"acme\":{\"pathRules\":[\"GET users\"]}}}").unwrap();
    let file = file.to_str().unwrap();
    for command in [&["serve"][..], &["paths"], &["summarize", "-"]] {
        let refused = run(&[command, &["--customers", file]].concat());
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{command:?}: {error}");
        assert!(error.contains("--customers: ") && error.contains(file), "{error}");
        assert!(error.contains("must begin with /") && error.contains("line 2"), "{error}");
    }
    let missing = run(&["paths", "--customers", "no-such-file"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn summarize_counts_by_the_rules_of_the_customer() {
    let dir = tempfile::tempdir().unwrap();
    let (customers, entries) = (dir.path().join("customers.json"), dir.path().join("entries.json"));
    fs::write(&customers, r#"{"customers":{"acme":{"pathRules":["ids"]}}}"#).unwrap();
    fs::write(&entries, body("/users/7", 3)).unwrap();
    for (customer, path) in [("acme", "GET /users/{id}"), ("other", "GET /users/7")] {
        let summarized = |condition: &str| {
            let output = program()
                .arg("summarize")
                .args([&entries, Path::new("--customers"), &customers])
                .args(["--customer", customer, "--where", condition])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        for condition in ["method=GET", &format!("key={path}")] {
            let window: Value = serde_json::from_slice(&summarized(condition)).unwrap();
            assert_eq!(window["requestsByPath"], json!({path: 3}));
        }
        assert!(summarized(&format!("key!={path}")).is_empty());
    }
}
