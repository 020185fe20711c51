//! Questions that are asked again: the views of stored windows are kept, and the answers stay byte for byte the same until
//! another batch changes a window. Damage to a file changes no answer, whether its view is kept or not.

use std::fs;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::server::Server;
use crate::support::wait::eventually;

const MINUTES: usize = 90;

/// An entry for each of two paths in each minute.
fn body(status: u16) -> Vec<u8> {
    let entry = |number: usize| {
        let (minute, path) = (number / 2, ["/a", "/b"][number % 2]);
        let agent = ["curl/8", "GPTBot/1.2"][number % 2];
        json!({"receivedAt": format!("2025-12-28T{:02}:{:02}:07Z", 10 + minute / 60, minute % 60), "method": "GET",
               "path": path, "userAgent": agent, "status": status, "responseBytes": number,
               "durationSeconds": number as f64 / 1e3, "host": "a.example", "clientIp": format!("192.0.2.{number}")})
    };
    serde_json::to_vec(&(0..2 * MINUTES).map(entry).collect::<Vec<Value>>()).unwrap()
}

/// One question of each kind.
fn answers(client: &mut Client) -> Vec<String> {
    const RANGE: &str = "from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z";
    let windows = ["", "&by=", "&top=1", "&by=host,country&classes=true"];
    let windows = windows.map(|more| format!("/aggregates?{RANGE}&window=minute{more}"));
    let more = ["/aggregates?window=all&", "/aggregates/top?dimension=path&by=p95&"];
    let more = more.map(|target| format!("{target}{RANGE}"));
    let mut ask = |target: &String, accept: &str| {
        let answer = client.get(target, &[("x-customer-id", "a"), ("accept", accept)]).unwrap();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.text()
    };
    let targets = windows.iter().chain(&more);
    targets.flat_map(|target| [ask(target, "application/json"), ask(target, "text/csv")]).collect()
}

#[test]
fn what_is_asked_again_is_the_same_until_a_batch_changes_it() {
    let temp = tempfile::tempdir().unwrap();
    // With so little memory most windows are only in their files.
    let flags = [["--max-resident-bytes", "64KiB"], ["--partitions", "2"], ["--tune", "flush_interval=5ms"]];
    let server = Server::start(temp.path(), &flags.concat());
    let mut client = server.client();
    let cached = || server.metric("log_analytics_query_windows_read_total{source=\"cache\"}");
    let mut told = Vec::new();
    for (round, status) in [200, 503].into_iter().enumerate() {
        assert_eq!(client.post("a", &format!("{round}"), &body(status)).unwrap().status, 202);
        let before = cached();
        let expected = answers(&mut client);
        let first: Value = serde_json::from_str(&expected[0]).unwrap();
        assert_eq!(first["windows"][7]["requests"], json!(2 * (round + 1)), "{first}");
        // Some windows are written while they are asked for.
        eventually("answers come from the cache", || {
            assert_eq!(answers(&mut client), expected);
            cached() > before + 500.0
        });
        told.push(expected);
    }
    assert_ne!(told[0], told[1]);
    assert!(server.metric("log_analytics_query_cache_bytes") > 1_000.0);
    for entry in fs::read_dir(temp.path().join("store/aggregate-results/a")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(answers(&mut client), told[1]);
    assert!(server.stop().success());
    // A server that begins anew has no views, and counts the damaged windows again.
    let server = Server::start(temp.path(), &[]);
    assert_eq!(answers(&mut server.client()), told[1]);
    assert!(server.log().contains("found by a query"), "{}", server.log());
    assert!(server.stop().success());
}

#[test]
fn what_is_asked_again_of_memory_is_the_same_until_a_batch_changes_it() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    for round in 1..=3 {
        assert_eq!(client.post("a", &format!("{round}"), &body(200)).unwrap().status, 202);
        let told = answers(&mut client);
        let first: Value = serde_json::from_str(&told[0]).unwrap();
        assert_eq!(first["windows"][7]["requests"], json!(2 * round), "{first}");
        assert_eq!(answers(&mut client), told);
    }
    assert!(server.stop().success());
}
