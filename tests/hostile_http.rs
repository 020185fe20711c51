//! What hostile clients send: every row of the table against the guarded front end, alone and in the real server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hostile;
mod support;

use hostile::{Cut, run, table};
use log_analytics::http::server::{FrontKind, FrontLimits};
use support::child::status;
use support::front::{TestFront, eventually};
use support::raw::{Client, batch, once, post};
use support::server::{Server, assert_verified, window};

#[test]
fn the_table_is_large_and_names_are_unique() {
    let mut names: Vec<_> = table().iter().map(|case| case.name).collect();
    assert!(names.len() >= 120, "{} rows", names.len());
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before);
    eprintln!("{before} rows");
}

#[test]
fn every_row_is_answered_as_it_should_be() {
    let front = TestFront::start(FrontKind::Guarded, FrontLimits::default());
    let accepted = run(front.addr(), Cut::Whole);
    assert_eq!(front.entries(), accepted, "batches counted");
    front.stop();
}

#[test]
fn every_row_is_answered_the_same_when_it_comes_byte_by_byte() {
    let front = TestFront::start(FrontKind::Guarded, FrontLimits::default());
    let accepted = run(front.addr(), Cut::Bytes);
    assert_eq!(front.entries(), accepted, "batches counted");
    front.stop();
}

#[test]
fn the_real_server_answers_every_row_counts_exactly_and_is_as_before() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let accepted = run(server.addr, Cut::Whole) + run(server.addr, Cut::Bytes);

    // A crowd that stays: half of what it takes to reach the cap again and again, then honest clients.
    let idle: Vec<_> = (0..1_000)
        .map(|number| {
            let mut client = Client::connect(server.addr);
            match number % 3 {
                0 => assert!(client.is_alive()),
                1 => assert!(client.send("POST /logs HTTP/1.1\r\nHost:")),
                _ => {}
            }
            client
        })
        .collect();
    for _ in 0..100 {
        assert_eq!(once(server.addr, post("", &batch(1))).unwrap().status, 202);
    }
    let resident_kib = status(server.pid(), "VmRSS");
    assert!(resident_kib < 200 * 1024, "{resident_kib} KiB resident");
    drop(idle);
    // Connection threads without a connection stay for some seconds.
    eventually("threads are back to normal", || status(server.pid(), "Threads") < 40);
    eventually("only the connection that asks is open", || {
        server.metric("log_analytics_http_connections") == 1.0
    });

    let expected = accepted + 100;
    assert!(server.stop().success());
    let window = window(dir.path(), "c", "20251228Z").unwrap();
    assert_eq!(window["requests"], expected);
    assert_verified(dir.path());
}
