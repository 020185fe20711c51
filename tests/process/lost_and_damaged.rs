//! Files lost or damaged while the real binary is stopped: it refuses to start where counts could be wrong and says what to
//! do, and `repair` is the way out. The full matrix is in `tests/suite/journal_damage`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::server::{Server, run};
use crate::support::stored::{assert_verified, verify, window};

fn body(path: &str) -> Vec<u8> {
    let entry =
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "curl/8"});
    serde_json::to_vec(&[entry]).unwrap()
}

fn post(server: &Server, keys: std::ops::Range<usize>) {
    let mut client = server.client();
    for number in keys {
        let answer = client.post("acme", &format!("k{number}"), &body(&format!("/{number}"))).unwrap();
        assert_eq!(answer.status, 202);
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir.join("store/journal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    found.sort();
    found
}

fn repair(dir: &Path) -> String {
    let store = dir.join("store");
    let store = store.to_str().unwrap();
    let without = run(&["repair", "--data-dir", store]);
    assert_eq!(without.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&without.stderr).contains("--accept-lost-journal"));
    let output = run(&["repair", "--data-dir", store, "--accept-lost-journal"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_lost_journal_refuses_the_start_until_it_is_accepted() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    post(&server, 0..5);
    assert!(server.stop().success());
    for path in segments(temp.path()) {
        fs::remove_file(path).unwrap();
    }
    let refusal = Server::try_start(temp.path(), &[]).err().unwrap();
    assert!(refusal.contains("checkpoint is at 5"), "{refusal}");
    fs::remove_file(temp.path().join("store/checkpoint.json")).unwrap();
    let refusal = Server::try_start(temp.path(), &[]).err().unwrap();
    assert!(refusal.contains("repair --accept-lost-journal"), "{refusal}");

    assert!(repair(temp.path()).contains("the next batch is record 6"));
    let server = Server::start(temp.path(), &[]);
    post(&server, 5..7);
    assert!(server.stop().success());
    let window = window(temp.path(), "acme", "20251228T1803Z").unwrap();
    assert_eq!((&window["requests"], &window["appliedThrough"]), (&json!(7), &json!(7)));
    assert_verified(temp.path());
}

#[test]
fn damage_before_the_end_names_file_and_offset_and_repair_keeps_what_is_whole() {
    let temp = tempfile::tempdir().unwrap();
    // No checkpoint comes before the kill, so that the journal alone knows the batches.
    let flags = ["--tune", "checkpoint_interval=1h", "--tune", "flush_interval=1h"];
    let server = Server::start(temp.path(), &flags);
    post(&server, 0..6);
    server.kill();
    let path = segments(temp.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let third = bytes.len() / 6 * 2 + 100;
    bytes[third] ^= 0xFF;
    fs::write(&path, &bytes).unwrap();

    let refusal = Server::try_start(temp.path(), &flags).err().unwrap();
    assert!(refusal.contains(path.to_str().unwrap()) && refusal.contains("at offset"), "{refusal}");
    let (clean, report) = verify(temp.path());
    assert!(!clean && report["problems"][0]["offset"].is_u64(), "{report}");

    let said = repair(temp.path());
    assert!(said.contains("applied 5 records, 1 is lost"), "{said}");
    let server = Server::start(temp.path(), &flags);
    // The lost batch is taken again; what was whole is still known.
    let mut client = server.client();
    let statuses: Vec<u16> = (0..6)
        .map(|number| {
            client.post("acme", &format!("k{number}"), &body(&format!("/{number}"))).unwrap().status
        })
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 5, "{statuses:?}");
    assert!(server.stop().success());
    assert_eq!(window(temp.path(), "acme", "20251228T1803Z").unwrap()["requests"], 6);
    assert_verified(temp.path());
}

#[test]
fn a_damaged_window_is_kept_aside_and_counted_again() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    post(&server, 0..4);
    assert!(server.stop().success());
    let path = temp.path().join("store/aggregate-results/acme/20251228T1803Z.json");
    let damaged = fs::read_to_string(&path).unwrap().replace("\"requests\":4", "\"requests\":9");
    fs::write(&path, &damaged).unwrap();
    assert!(!verify(temp.path()).0);

    let server = Server::start(temp.path(), &[]);
    post(&server, 4..5);
    server.await_metric("log_analytics_windows_quarantined_total", 1.0);
    assert_eq!(server.metric("log_analytics_windows_incomplete_total"), 0.0);
    assert!(server.stop().success());
    let kept: Vec<PathBuf> = fs::read_dir(temp.path().join("store/quarantine"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::read_to_string(&kept[0]).unwrap(), damaged);
    assert_eq!(window(temp.path(), "acme", "20251228T1803Z").unwrap()["requests"], 5);
    assert_verified(temp.path());
}

#[test]
fn what_the_journal_no_longer_knows_makes_a_damaged_window_incomplete() {
    let temp = tempfile::tempdir().unwrap();
    let flags = [
        "--tune",
        "segment_bytes=1KiB",
        "--retain-journal-bytes",
        "2KiB",
        "--tune",
        "checkpoint_interval=100ms",
    ];
    let server = Server::start(temp.path(), &flags);
    let mut number = 0;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    // Until retention has removed the first segment.
    while segments(temp.path()).first().is_some_and(|path| path.ends_with("00000000000000000001.log")) {
        assert!(std::time::Instant::now() < deadline, "retention never came");
        post(&server, number..number + 1);
        number += 1;
    }
    assert!(server.stop().success());
    let path = temp.path().join("store/aggregate-results/acme/20251228T1803Z.json");
    fs::write(&path, b"nonsense").unwrap();

    let server = Server::start(temp.path(), &flags);
    // Keys of removed segments are still known.
    assert_eq!(server.client().post("acme", "k0", &body("/0")).unwrap().status, 409);
    post(&server, number..number + 1);
    server.await_metric("log_analytics_windows_incomplete_total", 1.0);
    assert!(server.stop().success());
    let window = window(temp.path(), "acme", "20251228T1803Z").unwrap();
    assert_eq!(window["incomplete"], true);
    assert!(window["requests"].as_u64().unwrap() <= number as u64);
    let (clean, report) = verify(temp.path());
    assert!(!clean && report["incompleteWindows"] == 1, "{report}");
}

#[test]
fn hours_and_days_that_are_not_the_sum_of_their_parts_are_named_of_every_customer() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    for (customer, requests) in [("first", 1), ("last", 2), ("middle", 3)] {
        for number in 0..requests {
            assert_eq!(client.post(customer, &format!("k{number}"), &body("/")).unwrap().status, 202);
        }
    }
    assert!(server.stop().success());
    assert_verified(temp.path());
    for customer in ["first", "middle"] {
        let windows = temp.path().join("store/aggregate-results").join(customer);
        fs::remove_file(windows.join("20251228T18Z.json")).unwrap();
    }
    let (_, report) = verify(temp.path());
    let problems = report["problems"].as_array().unwrap().iter();
    let said: Vec<&str> = problems.map(|problem| problem["what"].as_str().unwrap()).collect();
    for expected in [
        "the hour 2025-12-28T18:00:00Z of first counts 0 requests, its minutes 1",
        "the day 2025-12-28T00:00:00Z of first counts 1 requests, its hours 0",
        "the hour 2025-12-28T18:00:00Z of middle counts 0 requests, its minutes 3",
        "the day 2025-12-28T00:00:00Z of middle counts 3 requests, its hours 0",
    ] {
        assert!(said.contains(&expected), "{expected}: {said:#?}");
    }
    assert!(!said.iter().any(|what| what.contains("of last ")), "{said:#?}");
}
