//! `log-analytics report` shows the same counts from a server, from its files while it runs, and from what it left behind,
//! and says so where it cannot.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::server::{Server, program, run};

fn report(args: &[&str]) -> Output {
    program().arg("report").args(args).output().unwrap()
}

#[track_caller]
fn reported(args: &[&str]) -> String {
    let output = report(args);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.is_empty(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Entries of `GET /page/N` (every third of them by curl), N = 0 … `pages`, one in each of so many minutes.
fn body(pages: usize, from: &str) -> Vec<u8> {
    let entry = |number: usize| -> Value {
        let agent = if number.is_multiple_of(3) { "curl/8.5.0" } else { "Googlebot/2.1" };
        let minute = number % 60;
        let time = format!("{from}:{minute:02}:00Z");
        json!({ "receivedAt": time, "method": "GET", "path": format!("/page/{}", number % 7), "userAgent": agent })
    };
    serde_json::to_vec(&(0..pages).map(entry).collect::<Vec<_>>()).unwrap()
}

fn post(server: &Server, customer: &str, key: &str, body: &[u8]) {
    assert_eq!(server.client().post(customer, key, body).unwrap().status, 202);
}

/// Waits until the report of the files is this one.
#[track_caller]
fn await_files(store: &str, want: &str, more: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let got = reported(&[&["--data-dir", store], more].concat());
        if got == want {
            return;
        }
        assert!(Instant::now() < deadline, "files say\n{got}\nand not\n{want}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One space wherever there is any.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn server_running_files_and_what_is_left_say_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().join("store");
    let store = text(&store);
    let server = Server::start(temp.path(), &[]);
    let url = format!("http://{}", server.addr);
    let asked = |more: &[&str]| reported(&[&["--url", &url, "--customer", "acme"], more].concat());
    // Minutes, hours and days: no checkpoint has written hours or days yet, then one has written older ones.
    post(&server, "acme", "1", &body(30, "2025-12-28T18"));
    let first = asked(&[]);
    assert!(
        first.starts_with("acme: 30 requests from 2025-12-28 18:00 to 2025-12-28 18:30 UTC, in 30 minutes\n"),
        "{first}"
    );
    for row in [
        "in 30 minutes robots 20 (66.7%)",
        "18:29 1 3.3% 1 █",
        "Top paths (7 in all) requests robots",
        "GET /page/0 5 16.7% 3 █",
        "curl (tool) 10",
    ] {
        assert!(words(&first).contains(row), "{row}\n{first}");
    }
    await_files(store, &first, &[]);
    post(&server, "acme", "2", &body(60, "2025-12-28T20"));
    let hours = asked(&[]);
    assert!(hours.contains("20:00 to 2025-12-28 21:00") || hours.contains("in 2 hours"), "{hours}");
    await_files(store, &hours, &[]);
    post(&server, "acme", "3", &body(60, "2025-11-01T01"));
    post(&server, "acme", "4", &body(60, "2025-12-28T18"));
    let days = asked(&[]);
    assert!(
        days.starts_with("acme: 210 requests from 2025-11-01 00:00 to 2025-12-29 00:00 UTC, in 2 days\n")
    );
    await_files(store, &days, &[]);
    // Parts of it, aligned to no day.
    let part = ["--from", "2025-12-28T18:10:00Z", "--to", "2025-12-28T20:30:00Z", "--top", "3"];
    let some = asked(&part);
    assert!(some.starts_with("acme: 100 requests from 2025-12-28 18:10 to 2025-12-28 20:30 UTC"), "{some}");
    await_files(store, &some, &part);
    let by_hour = asked(&["--window", "hour"]);
    assert!(
        by_hour.contains("Requests per hour") && words(&by_hour).contains("2025-11-01 01:00 60"),
        "{by_hour}"
    );
    await_files(store, &by_hour, &["--window", "hour"]);

    assert!(server.stop().success());
    for (want, more) in [(&days, &[][..]), (&some, &part), (&by_hour, &["--window", "hour"])] {
        assert_eq!(&reported(&[&["--data-dir", store], more].concat()), want);
    }
    // Minutes and hours that are not kept any more are still in their days.
    for file in fs::read_dir(Path::new(store).join("aggregate-results/acme")).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().contains('T') {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(reported(&["--data-dir", store]), days);
}

#[test]
fn the_total_and_the_tables_tell_errors_bytes_visitors_and_durations() {
    let temp = tempfile::tempdir().unwrap();
    let entry = |number: u64| {
        let (path, status) = if number.is_multiple_of(10) { ("/broken", 503) } else { ("/", 200) };
        json!({ "receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "Mozilla/5.0 Firefox/140.0",
            "status": status, "responseBytes": 1_000, "durationSeconds": 0.045, "clientIp": "10.0.0.1" })
    };
    let log = temp.path().join("log.json");
    let entries = (1..=40).map(entry).collect::<Vec<_>>();
    fs::write(&log, entries.iter().map(|entry| format!("{entry}\n")).collect::<String>()).unwrap();
    let server = Server::start(temp.path(), &[]);
    post(&server, "acme", "1", &serde_json::to_vec(&entries).unwrap());
    let asked = reported(&["--url", &format!("http://{}", server.addr), "--customer", "acme"]);
    let total = "robots 0 (0.0%) · visitors 1 · 4xx 0 (0.0%) · 5xx 4 (10.0%) · 40.0 kB p50 46 ms, p95 46 ms, p99 46 ms";
    for row in [
        total,
        "Requests per minute (UTC) requests 5xx bytes p95 2025-12-28 18:03 40 100.0% 4 40.0 kB 46 ms █",
        "GET / 36 90.0% – 36.0 kB 46 ms █",
        "GET /broken 4 10.0% 4 4.00 kB 46 ms",
    ] {
        assert!(words(&asked).contains(row), "{row}\n{asked}");
    }
    assert!(asked.lines().all(|line| line.chars().count() <= 100), "{asked}");
    await_files(text(&temp.path().join("store")), &asked, &[]);
    let failed =
        ["--url", &format!("http://{}", server.addr), "--customer", "acme", "--where", "status>=500"];
    assert!(words(&reported(&failed)).contains("visitors 1 · 4xx 0 (0.0%) · 5xx 4 (100.0%)"));
    // Files without a server say the same of them.
    let summarized = run(&["summarize", "--customer", "acme", "--format", "text", text(&log)]);
    assert_eq!(String::from_utf8(summarized.stdout).unwrap(), asked);
}

#[test]
fn a_servers_own_answer_is_printed_and_conditions_choose_entries() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    post(&server, "acme", "1", &body(90, "2025-12-28T18"));
    let url = format!("http://{}", server.addr);
    let asked = |more: &[&str]| reported(&[&["--url", &url, "--customer", "acme"], more].concat());
    let range = ["--from", "2025-12-28T00:00:00Z", "--to", "2025-12-29T00:00:00Z"];
    let target = "from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z";
    let csv = asked(&[&range[..], &["--csv", "--by", "path"]].concat());
    let headers = [("x-customer-id", "acme"), ("accept", "text/csv")];
    let target = format!("/aggregates/top?{target}&dimension=path&n=20");
    assert_eq!(csv, server.client().get(&target, &headers).unwrap().text());
    let store = temp.path().join("store");
    let stored = |more: &[&str]| reported(&[&["--data-dir", text(&store)], more].concat());
    // Pages come one behind the other.
    let minutes = asked(&[&range[..], &["--csv", "--window", "minute"]].concat());
    assert_eq!((minutes.lines().count(), minutes.matches("windowStart").count()), (61, 1));
    let json = asked(&[&range[..], &["--json", "--window", "month", "--tz", "Asia/Tokyo"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["windows"][0]["windowStart"], &json["windows"][0]["requests"]),
        (&json!("2025-11-30T15:00:00Z"), &json!(90))
    );
    let curl = asked(&["--where", "family=curl,path!=/page/0"]);
    let expected =
        (0..90).filter(|number: &usize| number.is_multiple_of(3) && !number.is_multiple_of(7)).count();
    assert!(curl.starts_with(&format!("acme: {expected} requests from")), "{curl}");
    assert!(curl.contains("Top paths (6 in all)") && !curl.contains("Googlebot"), "{curl}");
    let one_path = asked(&["--where", "key=GET /page/3"]);
    assert!(one_path.starts_with("acme: 13 requests from"), "{one_path}");
    // The files say the same, word for word.
    await_files(text(&store), &asked(&[]), &[]);
    for more in [
        &["--json"][..],
        &["--json", "--by", "userAgent", "--top", "1"],
        &["--json", "--window", "month", "--tz", "Asia/Tokyo"],
        &["--json", "--window", "all", "--where", "path^=/page/,family!=curl"],
        &["--csv", "--by", "path", "--where", "family=curl"],
        &["--csv", "--window", "minute"],
        &["--where", "family=curl,path!=/page/0"],
        &["--where", "key=GET /page/3"],
    ] {
        let more = [&range[..], more].concat();
        assert_eq!(stored(&more), asked(&more), "{more:?}");
    }
}

#[test]
fn all_customers_are_listed_and_one_is_shown() {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().join("store");
    let long = "/".repeat(128);
    let server = Server::start(temp.path(), &[]);
    post(&server, "acme", "1", &body(3, "2025-12-28T18"));
    post(&server, &long, "1", &body(9, "2025-12-28T18"));
    assert!(server.stop().success());
    let all = reported(&["--data-dir", text(&store)]);
    assert!(all.starts_with("12 requests of 2 customers\n"), "{all}");
    let by_variable = program().arg("report").env("LOG_ANALYTICS_DATA_DIR", &store).output().unwrap();
    assert_eq!(String::from_utf8(by_variable.stdout).unwrap(), all);
    assert!(
        all.contains(&format!("  {}", &long[..40])) && all.contains("acme") && all.contains("25.0%"),
        "{all}"
    );
    let one = reported(&["--data-dir", text(&store), "--customer", &long]);
    assert!(one.contains(": 9 requests from"), "{one}");
    let none = reported(&["--data-dir", text(&store), "--customer", "nobody"]);
    assert_eq!(none, "nobody: no requests in this range\n");
}

#[test]
fn what_cannot_be_read_is_told_with_an_exit_code() {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().join("store");
    let token = temp.path().join("token");
    fs::write(&token, "0123456789abcdef-token\n").unwrap();
    let server = Server::start(temp.path(), &["--gateway-token-file", text(&token)]);
    let url = format!("http://{}", server.addr);
    let output = report(&["--url", &url, "--customer", "acme"]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("refused with 401"), "{told}");
    let none = reported(&["--url", &url, "--customer", "acme", "--token-file", text(&token)]);
    assert_eq!(none, "acme: no requests in this range\n");
    assert!(server.stop().success());

    let server = Server::start(temp.path(), &[]);
    post(&server, "acme", "1", &body(3, "2025-12-28T18"));
    assert!(server.stop().success());
    let minute = store.join("aggregate-results/acme/20251228T1801Z.json");
    fs::write(&minute, fs::read_to_string(&minute).unwrap().replace("\"requests\":1", "\"requests\":2"))
        .unwrap();
    let output = report(&["--data-dir", text(&store), "--window", "minute"]);
    assert_eq!(output.status.code(), Some(1));
    let (says, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(says.contains("acme: 2 requests") && told.contains("20251228T1801Z.json"), "{says}{told}");

    for (args, code, what) in [
        (&["--data-dir", "/nowhere"][..], 1, "no log-analytics data in /nowhere: is --data-dir right?"),
        (&["--url", "http://127.0.0.1:1"], 2, "--customer"),
        (&["--url", "http://127.0.0.1:1", "--customer", "a"], 1, "Connection refused"),
        (&["--data-dir", "x", "--from", "2026-01-01T00:00:00Z", "--to", "2025-01-01T00:00:00Z"], 2, "before"),
        (&["--data-dir", "x", "--from", "yesterday"], 2, "RFC 3339"),
        (&["--data-dir", "x", "--top", "0"], 2, "from 1 to"),
        (&["--data-dir", "x", "--by", "path"], 2, "need --json or --csv"),
        (&["--data-dir", "x", "--where", "path>/"], 2, "path takes =, != and ^="),
        (
            &["--url", "http://127.0.0.1:1", "--customer", "a", "--where", "path>/"],
            2,
            "path takes =, != and ^=",
        ),
    ] {
        let output = report(args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(what), "{args:?}: {told}");
    }
    assert!(run(&["report", "--help"]).status.success());
}

#[test]
fn the_headers_of_a_file_are_sent_with_every_question() {
    let temp = tempfile::tempdir().unwrap();
    let headers = temp.path().join("headers");
    fs::write(&headers, "X-Api-Key: key-1\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream
            .write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .unwrap();
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    });
    let command = ["report", "--url", &url, "--customer", "acme", "--header-file", headers.to_str().unwrap()];
    let output = program().args(command).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("401"));
    let head = gateway.join().unwrap();
    assert!(head.contains("\r\nx-api-key: key-1\r\n"), "{head}");
}
