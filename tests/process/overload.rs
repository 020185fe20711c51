//! Far more is offered than the server can take: it answers 202 or 503 with `retry-after`, stays under its memory
//! ceiling, loses nothing that it accepted, and is itself again as soon as the crowd has gone.
//!
//! `OVERLOAD_SECONDS` is how long the crowd stays (4 by default):
//!
//! ```sh
//! OVERLOAD_SECONDS=60 cargo test --release --test process overload -- --nocapture
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::json;

use crate::support::client::Client;
use crate::support::proc::status;
use crate::support::server::Server;
use crate::support::stored::{assert_verified, window};

const CONNECTIONS: usize = 48;
const ENTRIES: u64 = 8_000;
/// What the server may keep of requests: as much as it takes at the least, room for a few of these batches.
const FLAGS: [&str; 4] = ["--max-inflight-bytes", "8MiB", "--max-resident-bytes", "16MiB"];
/// Bytes in flight and windows, twice over for allocators, stacks and buffers of 48 connections, and the program.
const CEILING_KIB: u64 = 128 << 10;

/// What one client saw.
#[derive(Default)]
struct Seen {
    accepted: Vec<String>,
    refused: u64,
    broken: u64,
    latencies_ms: Vec<u64>,
}

fn body(entries: u64) -> Vec<u8> {
    let entry = |number: u64| {
        let path = format!("/products/{}/details", number % 500);
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0";
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": agent})
    };
    serde_json::to_vec(&(0..entries).map(entry).collect::<Vec<_>>()).unwrap()
}

/// Sends as fast as it can and never waits as it is told to.
fn crowd(addr: SocketAddr, client_number: usize, body: &[u8], end: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut client = Client::new(addr);
    let mut number = 0;
    let mut unknown = false;
    while Instant::now() < end || unknown {
        let key = format!("client-{client_number}-{number}");
        let started = Instant::now();
        match client.post("crowd", &key, body) {
            Ok(answer) if answer.status == 503 => {
                assert!(answer.header("retry-after").is_some(), "503 says when to come back");
                assert_eq!(answer.json()["errorCode"], "SYS_9002");
                seen.refused += 1;
                // It was refused and so is not counted; it need not be sent again.
            }
            Ok(answer) => {
                let known = answer.status == 202 || (answer.status == 409 && unknown);
                assert!(known, "answered {}: {}", answer.status, answer.text());
                seen.latencies_ms.push(started.elapsed().as_millis() as u64);
                seen.accepted.push(key);
                number += 1;
                unknown = false;
            }
            Err(_) => {
                // Nobody knows whether it was counted; so it is sent until it is answered.
                seen.broken += 1;
                unknown = true;
            }
        }
    }
    seen
}

#[test]
fn a_crowd_is_answered_with_202_or_503_and_leaves_nothing_behind() {
    let seconds = std::env::var("OVERLOAD_SECONDS").map_or(4, |text| text.parse().unwrap());
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &FLAGS);
    let (large, small) = (body(ENTRIES), body(1));
    let end = Instant::now() + Duration::from_secs(seconds);
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let large = &large;
        let addr = server.addr;
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|number| scope.spawn(move || crowd(addr, number, large, end))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });

    // The first that comes after the crowd is served within a second.
    let (left, mut client) = (Instant::now(), server.client());
    let answer = client.post_until_answered("probe", "probe", &small, 10_000).unwrap();
    let probe = left.elapsed();
    assert_eq!(answer.status, 202);
    assert!(probe < Duration::from_secs(1), "the probe took {probe:?}");

    let accepted: Vec<&String> = seen.iter().flat_map(|seen| &seen.accepted).collect();
    let refused: u64 = seen.iter().map(|seen| seen.refused).sum();
    let broken: u64 = seen.iter().map(|seen| seen.broken).sum();
    let mut latencies = Histogram::<u64>::new(2).unwrap();
    seen.iter().flat_map(|seen| &seen.latencies_ms).for_each(|ms| latencies.record(*ms).unwrap());
    let peak_kib = status(server.pid(), "VmHWM");
    println!(
        "{seconds} s: {} accepted, {refused} refused, {broken} broken; accepted in {} ms (median), {} ms (most); peak \
         {} MiB; probe {probe:?}",
        accepted.len(),
        latencies.value_at_quantile(0.5),
        latencies.max(),
        peak_kib >> 10
    );
    assert!(refused > accepted.len() as u64 && !accepted.is_empty(), "that was no overload");
    assert_eq!(broken, 0, "refusals reach clients that are still sending");
    assert!(peak_kib < CEILING_KIB, "peak memory {peak_kib} KiB");
    // The deadline of a whole request is 10 s, that of its answer another 10.
    assert!(latencies.max() < 20_000, "an accepted batch took {} ms", latencies.max());

    // What was accepted is known, however many were refused meanwhile.
    for key in accepted.iter().step_by(accepted.len().div_ceil(20)) {
        assert_eq!(client.post("crowd", key, &large).unwrap().status, 409);
    }
    assert!(server.stop().success());
    let counted = window(temp.path(), "crowd", "20251228T1803Z").unwrap();
    assert_eq!(counted["requests"], accepted.len() as u64 * ENTRIES);
    let report = assert_verified(temp.path());
    assert_eq!(report["records"], accepted.len() + 1);
}
