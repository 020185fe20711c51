//! A week of running the server, row 8: what foreign clients and real gateways sent, against the real binary.

use std::time::{Duration, Instant};

use crate::support::raw::{Client, End, batch, once, post, post_start};
use crate::support::server::Server;
use crate::support::wait::eventually;

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// A server with a directory of its own, which goes with it.
fn server(flags: &[&str]) -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Server::start(dir.path(), flags), dir)
}

/// What these bytes are answered on a connection of their own: the first status, and whether a request that follows is
/// answered as well.
fn answered(server: &Server, bytes: &str) -> (u16, bool) {
    let mut client = Client::connect(server.addr);
    client.send(bytes);
    let answer = client.answer(false).unwrap_or_else(|end| panic!("{bytes:?}: {end:?}"));
    let goes_on = client.is_alive();
    if !goes_on {
        assert_eq!(client.end(), End::Closed, "{bytes:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{bytes:?}");
    }
    (answer.status, goes_on)
}

/// A chunked batch that ends with these bytes behind its last chunk's line.
fn chunked(end: &str) -> String {
    let body = batch(1);
    format!("{}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n{end}", post_start(), body.len())
}

#[test]
fn week_08_trailer_lines_that_are_no_fields_are_400_and_close() {
    let (server, _dir) = server(&[]);
    for line in ["X : a", ":", ": a", "GET /secret HTTP/1.1", "X-A", "X A: b", "\u{e9}: b"] {
        assert_eq!(answered(&server, &chunked(&format!("{line}\r\n\r\n"))), (400, false), "{line}");
    }
    for line in ["X-A: b", "X-A:", "Content-Length: 99", "X-A: b: c\t\u{e9}"] {
        assert_eq!(answered(&server, &chunked(&format!("{line}\r\n\r\n"))), (202, true), "{line}");
    }
}

#[test]
fn week_08_hosts_and_absolute_targets_that_name_no_host_are_400() {
    let (server, _dir) = server(&[]);
    for host in ["a:8x", "a:80:80", "[::1", "%zz", "", ":80", "::1", "[::1]x"] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(answered(&server, &request), (400, false), "{host:?}");
    }
    for host in ["a", "a:80", "a.example", "[::1]:80", "127.0.0.1:8080", "a%2db"] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(answered(&server, &request), (200, true), "{host:?}");
    }
    for (target, expected) in [
        ("http://a:80x/healthz", (400, false)),
        ("http://u:p@a/healthz", (400, false)),
        ("http://[::1/healthz", (400, false)),
        ("http:///healthz", (400, false)),
        ("http://a:80/healthz", (200, true)),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(answered(&server, &request), expected, "{target}");
    }
}

#[test]
fn week_08_later_minor_versions_are_served_as_http_1_1() {
    let (server, _dir) = server(&[]);
    for (version, expected) in [
        ("1.0", (200, false)),
        ("1.1", (200, true)),
        ("1.2", (200, true)),
        ("1.9", (200, true)),
        ("1.10", (400, false)),
        ("0.9", (505, false)),
        ("2.0", (505, false)),
    ] {
        let request = GET.replace("HTTP/1.1", &format!("HTTP/{version}"));
        assert_eq!(answered(&server, &request), expected, "{version}");
    }
}

#[test]
fn week_08_a_few_empty_lines_before_a_request_are_skipped() {
    let (server, _dir) = server(&[]);
    for lines in [1, 2, 3, 8] {
        assert_eq!(answered(&server, &format!("{}{GET}", "\r\n".repeat(lines))), (200, true), "{lines}");
    }
    assert_eq!(answered(&server, &format!("{}{GET}", "\r\n".repeat(100))), (400, false));
    assert_eq!(answered(&server, &format!("\n{GET}")), (400, false));
}

#[test]
fn week_08_an_unknown_method_is_501_and_a_known_one_405() {
    let (server, _dir) = server(&[]);
    for (method, status) in
        [("BREW", 501), ("get", 501), ("PROPFIND", 501), ("DELETE", 405), ("OPTIONS", 405), ("PUT", 405)]
    {
        for path in ["/healthz", "/logs"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]");
            assert_eq!(answered(&server, &request), (status, true), "{method} {path}");
        }
    }
    assert_eq!(answered(&server, "BREW /no/such/path HTTP/1.1\r\nHost: x\r\n\r\n"), (501, true));
}

#[test]
fn week_08_every_transfer_coding_but_chunked_is_501() {
    let (server, _dir) = server(&[]);
    for (coding, status) in [
        ("gzip", 501),
        ("gzip, chunked", 501),
        ("chunked, gzip", 501),
        ("identity", 501),
        ("cow", 501),
        ("chunked, chunked", 400),
        ("chunked,", 400),
        ("chunked;q=1", 400),
        ("", 400),
    ] {
        let request = format!("{}Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n", post_start());
        assert_eq!(answered(&server, &request), (status, false), "{coding:?}");
    }
}

/// Sends this much of a body that is announced with 2 MiB, and then nothing.
fn stop_in_mid_body(server: &Server, bytes: usize) -> Client {
    let mut client = Client::connect(server.addr);
    client.send(format!("{}Content-Length: 2097152\r\n\r\n{}", post_start(), " ".repeat(bytes)));
    client
}

#[test]
fn week_08_bodies_that_stop_give_way_to_honest_batches() {
    let (server, _dir) = server(&[]);
    let mut stopped: Vec<_> = (0..70).map(|_| stop_in_mid_body(&server, 1_500_000)).collect();
    for number in 0..100 {
        let answer = once(server.addr, post("", &batch(200))).unwrap();
        assert_eq!(answer.status, 202, "honest batch {number}");
    }
    for client in &mut stopped {
        let status = client.answer(false).unwrap().status;
        assert!([408, 503].contains(&status), "{status}");
    }
    assert_eq!(server.metric("log_analytics_inflight_bytes"), 0.0);
}

#[test]
fn week_08_a_body_without_a_byte_for_two_seconds_ends() {
    let (server, _dir) = server(&[]);
    let began = Instant::now();
    // What has come earns 22 seconds at the lowest rate, and silence ends it all the same.
    let mut client = stop_in_mid_body(&server, 1_500_000);
    assert_eq!(client.answer(false).unwrap().status, 408);
    let seconds = began.elapsed().as_secs_f64();
    assert!((2.0..6.0).contains(&seconds), "{seconds} s");
}

#[test]
fn week_08_a_steady_body_may_take_longer_than_ten_seconds() {
    let (server, _dir) = server(&[]);
    let body = batch(15_000);
    assert!(body.len() > 1_300_000);
    let mut client = Client::connect(server.addr);
    client.send(format!("{}Content-Length: {}\r\n\r\n", post_start(), body.len()));
    // 110,000 bytes a second: above the lowest rate, and 12 seconds for all of it.
    for (number, piece) in body.as_bytes().chunks(11_000).enumerate() {
        client.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert_eq!(client.end(), End::Silent, "piece {number}");
        assert!(client.send(piece));
    }
    client.stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    assert_eq!(client.answer(false).unwrap().status, 202);
}

#[test]
fn week_08_an_aborted_upload_has_a_label_of_its_own() {
    let (server, _dir) = server(&[]);
    let rejects = |reason: &str| {
        server.metric(&format!("log_analytics_ingestion_rejects_total{{reason=\"{reason}\"}}"))
    };
    drop(stop_in_mid_body(&server, 1_000));
    eventually("the aborted upload is counted", || rejects("aborted") == 1.0);
    assert_eq!(once(server.addr, post("", "[]")).unwrap().status, 400);
    assert_eq!((rejects("aborted"), rejects("invalid")), (1.0, 1.0));
}

#[test]
fn logs_07_errors_that_people_run_into_name_the_remedy() {
    let (server, _dir) = server(&[]);
    let entry = r#"{"receivedAt":"2025-12-28T18:03:00Z","method":"GET","path":"/","userAgent":"curl/8.0"}"#;
    let (joined, lines) = (entry.repeat(2), format!("{entry}\n{entry}\n"));
    for (content_type, more, body, status, says) in [
        ("application/json", "", &*lines, 400, "content-type: application/x-ndjson"),
        ("application/x-ndjson", "", &joined, 400, "--data-binary"),
        ("application/x-www-form-urlencoded", "", &joined, 415, "application/x-ndjson"),
        ("application/json", "content-encoding: gzip\r\n", "[]", 400, "leave content-encoding out"),
        ("application/x-ndjson", "", "[]", 400, "content-type: application/json"),
        ("application/json", "content-encoding: br\r\n", "[]", 415, "gzip"),
    ] {
        let request = post(more, body).replace("application/json", content_type);
        let answer = once(server.addr, request).unwrap();
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert_eq!(answer.status, status, "{text}");
        assert!(text.contains(says), "{says}: {text}");
        let encodings = (status == 415).then_some("gzip, zstd");
        assert_eq!(answer.header("accept-encoding"), encodings, "{text}");
    }
    let mut zipped = post("", "four").into_bytes();
    let start = zipped.len() - 4;
    zipped[start..].copy_from_slice(&[0x1F, 0x8B, 8, 0]);
    let answer = once(server.addr, zipped).unwrap();
    let text = String::from_utf8(answer.body).unwrap();
    assert!(answer.status == 400 && text.contains("content-encoding: gzip"), "{text}");
}
