//! Scenario 001 against the real binary: exact counts with 2 and with 64 connections, under `kill -9`, and across a
//! clean stop in the middle of the load.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use serde_json::json;

use crate::support::client::Client;
use crate::support::scenario::{self, BATCHES, DUPLICATES};
use crate::support::server::Server;
use crate::support::stored::{assert_verified, window};

/// Waits until `ready`, without depending on how long anything takes.
fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(std::time::Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends all deliveries over this many connections; how often each status was answered.
fn deliver(addr: SocketAddr, connections: usize) -> HashMap<u16, usize> {
    let deliveries = scenario::deliveries();
    let next = AtomicUsize::new(0);
    let statuses = Mutex::new(HashMap::new());
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut client = Client::new(addr);
                while let Some(batch) = deliveries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer =
                        client.post("acme", &scenario::key(*batch), &scenario::body(*batch)).unwrap();
                    *statuses.lock().unwrap().entry(answer.status).or_insert(0) += 1;
                }
            });
        }
    });
    statuses.into_inner().unwrap()
}

/// Asserts that the four minute windows (and hour and day, if `all_sizes`) are as expected.
fn assert_counted(dir: &Path, customer: &str, all_sizes: bool) {
    let counts = |names: [&str; 4], each: u64| -> BTreeMap<String, u64> {
        names.into_iter().map(|name| (name.to_owned(), each)).collect()
    };
    let check = |stamp: &str, each: u64| {
        let window = window(dir, customer, stamp).unwrap_or_else(|| panic!("no window {stamp}"));
        assert_eq!(window["requests"], each * 4, "{stamp}");
        let paths = ["GET /", "GET /about", "GET /careers", "GET /contact"];
        assert_eq!(window["requestsByPath"], json!(counts(paths, each)), "{stamp}");
        let agents = ["Chrome", "Firefox", "Googlebot", "curl"];
        assert_eq!(window["requestsByUserAgent"], json!(counts(agents, each)), "{stamp}");
    };
    for minute in 3..=6 {
        check(&format!("20251228T18{minute:02}Z"), 4_000);
    }
    if all_sizes {
        check("20251228T18Z", 16_000);
        check("20251228Z", 16_000);
    }
}

#[test]
fn basic_minute_rollup_is_exact_with_2_and_64_connections() {
    for connections in [2, 64] {
        let temp = tempfile::tempdir().unwrap();
        let server = Server::start(temp.path(), &[]);
        let statuses = deliver(server.addr, connections);
        assert_eq!(statuses, HashMap::from([(202, BATCHES), (409, DUPLICATES)]));
        // Minute files are written within a second or two, without a stop.
        wait_for("the window files", || {
            (3..=6).all(|minute| {
                let stamp = format!("20251228T18{minute:02}Z");
                window(temp.path(), "acme", &stamp).is_some_and(|window| window["requests"] == 16_000)
            })
        });
        assert_counted(temp.path(), "acme", false);
        assert!(server.stop().success());
        assert_counted(temp.path(), "acme", true);
        assert_expected_files(temp.path());
        let report = assert_verified(temp.path());
        assert_eq!(report["recountedWindows"], 6);
    }
}

/// The files kept in `data/scenarios` are what anybody would compare with.
fn assert_expected_files(dir: &Path) {
    let expected =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data/scenarios/001_basic_minute_rollup/expected");
    let mut compared = 0;
    for file in std::fs::read_dir(expected).unwrap() {
        let path = file.unwrap().path();
        let expected: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut found = window(dir, "acme", path.file_stem().unwrap().to_str().unwrap()).unwrap();
        // These two depend on how the deliveries were interleaved.
        found.as_object_mut().unwrap().retain(|name, _| name != "appliedThrough" && name != "checksum");
        assert_eq!(found, expected, "{}", path.display());
        compared += 1;
    }
    assert_eq!(compared, 6);
}

/// Sends every batch until it is acknowledged, while `disturb` stops and starts the server.
fn deliver_through(addr: &RwLock<SocketAddr>, done: &AtomicBool, disturb: impl FnOnce(&AtomicUsize)) {
    let next = AtomicUsize::new(0);
    let acknowledged = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    let deliveries = scenario::deliveries();
                    while let Some(batch) = deliveries.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (key, body) = (scenario::key(*batch), scenario::body(*batch));
                        loop {
                            let answer = Client::new(*addr.read().unwrap()).post("acme", &key, &body);
                            match answer.map(|answer| answer.status) {
                                Ok(202 | 409) => break,
                                Ok(503) | Err(_) => std::thread::sleep(Duration::from_millis(5)),
                                Ok(other) => panic!("answered {other}"),
                            }
                        }
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        disturb(&acknowledged);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    done.store(true, Ordering::Relaxed);
}

#[test]
fn counts_are_exact_under_kill_9_with_retrying_clients() {
    let temp = tempfile::tempdir().unwrap();
    let flags = [
        "--tune",
        "segment_bytes=64KiB",
        "--tune",
        "checkpoint_interval=50ms",
        "--tune",
        "flush_interval=20ms",
    ];
    let server = Server::start(temp.path(), &flags);
    let addr = RwLock::new(server.addr);
    let done = AtomicBool::new(false);
    let mut server = Some(server);
    deliver_through(&addr, &done, |acknowledged| {
        // Twelve kills, spread over the deliveries, each in the middle of the load.
        for kill in 1..=12 {
            wait_for("deliveries", || acknowledged.load(Ordering::Relaxed) >= kill * 400);
            server.take().unwrap().kill();
            let restarted = Server::start(temp.path(), &flags);
            *addr.write().unwrap() = restarted.addr;
            server = Some(restarted);
        }
    });
    assert!(server.unwrap().stop().success());
    assert_counted(temp.path(), "acme", true);
    assert_verified(temp.path());
}

#[test]
fn a_clean_stop_under_load_loses_nothing_and_the_next_start_replays_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let addr = RwLock::new(server.addr);
    let done = AtomicBool::new(false);
    let mut server = Some(server);
    deliver_through(&addr, &done, |acknowledged| {
        for stop in 1..=3 {
            wait_for("deliveries", || acknowledged.load(Ordering::Relaxed) >= stop * 1_200);
            let status = server.take().unwrap().stop();
            assert_eq!(status.code(), Some(0), "SIGTERM under full load");
            let restarted = Server::start(temp.path(), &[]);
            assert_eq!(restarted.metric("log_analytics_recovery_replayed_records"), 0.0);
            *addr.write().unwrap() = restarted.addr;
            server = Some(restarted);
        }
    });
    let server = server.unwrap();
    assert!(server.stop().success());
    assert_counted(temp.path(), "acme", true);
    let report = assert_verified(temp.path());
    assert_eq!(report["records"], json!(BATCHES));
}
