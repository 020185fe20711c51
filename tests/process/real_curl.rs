//! Early refusals, seen with the real curl against the real binary: it is still sending its body when the answer comes,
//! and it shows the answer, not a broken connection.
//!
//! Needs curl (`apt-get install curl`); fails with that advice where it is missing.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::raw::{Client, post_start_of};
use crate::support::server::Server;
use crate::support::wait::eventually;

/// How often each refusal is asked for: a race that is lost now and then must show.
const TIMES: usize = 5;

/// A file of this many bytes to send.
fn body(dir: &Path, bytes: usize) -> PathBuf {
    let path = dir.join(format!("body-{bytes}"));
    fs::write(&path, vec![b' '; bytes]).unwrap();
    path
}

/// Sends a file to `/logs` with curl, which must come back in good order: the status and the body of the answer.
fn curl(addr: SocketAddr, path: &str, file: &Path, more: &[&str]) -> (u16, serde_json::Value) {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--noproxy",
            "*",
            "--write-out",
            "\n%{http_code}",
        ])
        .args(["-H", "x-customer-id: c", "-H", "content-type: application/json"])
        .arg("--data-binary")
        .arg(format!("@{}", file.display()))
        .args(more)
        .arg(format!("http://{addr}{path}"))
        .output()
        .unwrap_or_else(|error| panic!("this test drives the real curl: apt-get install curl ({error})"));
    let (said, shown) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "curl {more:?}: {said}{shown}");
    assert_eq!(said, "", "curl {more:?} is not content: {shown}");
    let (answer, status) = shown.rsplit_once('\n').unwrap();
    let answer = serde_json::from_str(answer).unwrap_or_else(|_| panic!("curl {more:?}: not JSON: {shown}"));
    (status.parse().unwrap(), answer)
}

#[test]
#[ignore = "needs curl: .ci/tools installs it"]
fn curl_shows_the_refusal_of_what_it_is_still_sending() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let [fitting, large, huge] = [2_000_000, 3_500_000, 50_000_000].map(|bytes| body(dir.path(), bytes));
    // curl asks before it sends a large body; without that it sends at once.
    let at_once = ["-H", "expect:"];
    let long_header = format!("x-long: {}", "a".repeat(20_000));
    let long_path = format!("/{}", "a".repeat(9_000));
    let cases: [(u16, &str, &Path, &[&str]); 11] = [
        (413, "/logs", &large, &at_once),
        (413, "/logs", &huge, &at_once),
        (413, "/logs", &large, &[]),
        (413, "/logs", &huge, &["-H", "expect:", "-H", "transfer-encoding: chunked"]),
        (431, "/logs", &large, &["-H", "expect:", "-H", &long_header]),
        (431, "/logs", &huge, &["-H", "expect:", "-H", &long_header]),
        (414, &long_path, &large, &at_once),
        (400, "/logs", &fitting, &["-H", "expect:", "-H", "x-customer-id:"]),
        (400, "/logs", &large, &["-H", "expect:", "-H", "x-customer-id: a b"]),
        (417, "/logs", &large, &["-H", "expect: a-miracle"]),
        (415, "/logs", &huge, &["-H", "expect:", "-H", "content-encoding: br"]),
    ];
    for (status, path, file, more) in cases {
        for _ in 0..TIMES {
            let (found, answer) = curl(server.addr, path, file, more);
            assert_eq!(found, status, "{more:?}: {answer}");
            let code = if status == 400 { "ING_1000".to_owned() } else { format!("HTTP_{status}") };
            assert_eq!(answer["errorCode"], code);
        }
    }
    assert!(server.stop().success());
}

#[test]
#[ignore = "needs curl: .ci/tools installs it"]
fn curl_shows_that_its_body_came_too_slowly() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &["--tune", "grace=100ms"]);
    let file = body(dir.path(), 1_000_000);
    let (status, answer) = curl(server.addr, "/logs", &file, &["-H", "expect:", "--limit-rate", "10k"]);
    assert_eq!((status, answer["errorCode"].as_str()), (408, Some("HTTP_408")));
}

#[test]
#[ignore = "needs curl: .ci/tools installs it"]
fn curl_shows_that_its_token_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    fs::write(&tokens, "the-token-of-the-gateway").unwrap();
    let server = Server::start(dir.path(), &["--gateway-token-file", tokens.to_str().unwrap()]);
    let file = body(dir.path(), 2_000_000);
    for _ in 0..TIMES {
        let more = ["-H", "expect:", "-H", "authorization: Bearer something-else"];
        let (status, answer) = curl(server.addr, "/logs", &file, &more);
        assert_eq!((status, answer["errorCode"].as_str()), (401, Some("HTTP_401")));
    }
}

/// Bytes that a begun batch lacks.
const LACKING: usize = 10_000;

/// Begins a customer's batch of this many bytes and sends all but the last ones.
fn begin(addr: SocketAddr, customer: &str, bytes: usize) -> Client {
    let mut client = Client::connect(addr);
    let head = format!("{}Content-Length: {bytes}\r\n\r\n", post_start_of(customer));
    client.send([head.as_bytes(), &vec![b' '; bytes - LACKING]].concat());
    client
}

/// Sends a byte to each now and then while `work` runs, so that none of them stands still and gives way.
fn keep_moving(clients: &mut [Client], work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            for _ in 1..LACKING {
                clients.iter_mut().for_each(|client| assert!(client.send(" ")));
                std::thread::sleep(std::time::Duration::from_millis(10));
                if over.load(Ordering::SeqCst) {
                    return;
                }
            }
        });
        work();
        over.store(true, Ordering::SeqCst);
    });
}

#[test]
#[ignore = "needs curl: .ci/tools installs it"]
fn curl_shows_that_everything_is_busy_and_when_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let patient = ["--tune", "grace=60s"];
    let headers = dir.path().join("headers");
    let more = ["-H", "expect:", "--dump-header", headers.to_str().unwrap()];
    let busy = |addr: SocketAddr, file: &Path| {
        for _ in 0..TIMES {
            let (status, answer) = curl(addr, "/logs", file, &more);
            assert_eq!((status, answer["errorCode"].as_str()), (503, Some("SYS_9002")));
            assert!(fs::read_to_string(&headers).unwrap().contains("\r\nretry-after: "));
        }
    };
    let file = body(dir.path(), 2_000_000);

    // No connection is left: both are being served.
    let full = Server::start(dir.path(), &[&["--max-connections", "2"], &patient[..]].concat());
    let served = ["a", "b"].map(|customer| begin(full.addr, customer, 2 * LACKING));
    busy(full.addr, &file);
    busy(full.addr, &body(dir.path(), 3_500_000));
    drop(served);
    assert!(full.stop().success());

    // No bytes are left: no customer could hold all of them, but each may hold one batch.
    let full = Server::start(dir.path(), &[&["--max-inflight-bytes", "8MiB"], &patient[..]].concat());
    let mut held = ["a", "b", "c", "d"].map(|customer| begin(full.addr, customer, 2 * 1024 * 1024));
    eventually("all bytes are in flight", || {
        full.metric("log_analytics_inflight_bytes") == f64::from(8 * 1024 * 1024)
    });
    keep_moving(&mut held, || busy(full.addr, &file));
    drop(held);
    assert!(full.stop().success());
}
