//! The contract of `POST /logs` and the windows it leads to, against the real binary with both front ends.

use std::io::Write;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::server::{Server, program};
use crate::support::stored::{assert_verified, window};

const FRONT_ENDS: [&[&str]; 2] = [&[], &["--http-server", "tiny_http"]];

fn entry(time: &str, path: &str) -> Value {
    json!({"receivedAt": time, "method": "GET", "path": path, "userAgent": "curl/7.88.1"})
}

fn batch(entries: &[Value]) -> Vec<u8> {
    serde_json::to_vec(entries).unwrap()
}

fn one(path: &str) -> Vec<u8> {
    batch(&[entry("2025-12-28T18:03:00Z", path)])
}

#[test]
fn answers_are_those_of_the_contract() {
    for flags in FRONT_ENDS {
        let temp = tempfile::tempdir().unwrap();
        let server = Server::start(temp.path(), flags);
        let mut client = server.client();

        let answer = client.post("acme", "k1", &one("/")).unwrap();
        assert_eq!(answer.status, 202);
        let body = answer.json();
        assert_eq!(
            (&body["batchId"], &body["entries"], &body["windows"]),
            (&json!("k1"), &json!(1), &json!(1))
        );
        assert_eq!(body["requestId"].as_str(), answer.header("x-request-id"));

        let answer = client.post("acme", "\"k1\"", &one("/")).unwrap();
        assert_error(&answer, 409, "resource_conflict", "ING_1001");
        assert_eq!(answer.json()["batchId"], "k1");
        assert_eq!(answer.header("idempotent-replayed"), Some("true"));

        let answer = client.post("acme", "k1", &one("/other")).unwrap();
        assert_error(&answer, 422, "resource_conflict", "ING_1002");
        assert_eq!(answer.json()["batchId"], "k1");

        // The same key of another customer is another batch.
        assert_eq!(client.post("other", "k1", &one("/")).unwrap().status, 202);

        let headers =
            [("x-customer-id", "acme"), ("content-type", "application/json"), ("x-request-id", "mine-1")];
        for _ in 0..2 {
            // Without a key nothing is deduplicated, and the batch gets a ULID.
            let answer = client.send("POST", "/logs", &headers, Some(&one("/"))).unwrap();
            assert_eq!(answer.status, 202);
            assert_eq!(answer.json()["requestId"], "mine-1");
            assert_eq!(answer.json()["batchId"].as_str().unwrap().len(), 26);
        }

        let answer = client.get("/healthz", &[]).unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(client.get("/readyz", &[]).unwrap().status, 200);
        let answer = client.get("/metrics", &[]).unwrap();
        assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
        assert!(
            answer.text().contains("log_analytics_ingestion_batch_ingested_total{error_code=\"ING_1002\"} 1")
        );
        let answer = client.send("HEAD", "/healthz", &[], None).unwrap();
        assert_eq!((answer.status, answer.body.len()), (200, 0));

        let answer = client.get("/logs", &[]).unwrap();
        assert_error(&answer, 405, "invalid_argument", "HTTP_405");
        assert_eq!(answer.header("allow"), Some("POST"));
        let answer = client.send("POST", "/metrics", &[], Some(b"")).unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
        assert_error(&client.get("/nothing", &[]).unwrap(), 404, "invalid_argument", "HTTP_404");

        assert!(server.stop().success());
        assert_eq!(window(temp.path(), "acme", "20251228T1803Z").unwrap()["requests"], 3);
        assert_verified(temp.path());
    }
}

fn assert_error(answer: &Answer, status: u16, category: &str, code: &str) {
    let body = answer.json();
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(body["errorCategory"], category, "{body}");
    assert_eq!(body["errorCode"], code, "{body}");
    assert!(!body["errorDescription"].as_str().unwrap().is_empty());
    assert_eq!(body["requestId"].as_str(), answer.header("x-request-id"));
}

/// Headers, the status they are answered with, and what the answer says.
type Refused<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

#[test]
fn bad_batches_are_refused_whole_with_a_reason_and_counted_nowhere() {
    for flags in FRONT_ENDS {
        let temp = tempfile::tempdir().unwrap();
        let server = Server::start(temp.path(), &[flags, &["--max-entries", "20"]].concat());
        let mut client = server.client();
        let long = "x".repeat(200);
        let json = ("content-type", "application/json");
        let good = one("/");
        let headers: [Refused<'_>; 12] = [
            (&[json], 400, "x-customer-id is missing"),
            (&[("x-customer-id", "a"), ("x-customer-id", "a"), json], 400, "more than once"),
            (&[("x-customer-id", "a b"), json], 400, "visible ASCII"),
            (&[("x-customer-id", &long), json], 400, "1 to 128"),
            (&[("x-customer-id", "a"), ("idempotency-key", ""), json], 400, "idempotency-key"),
            (&[("x-customer-id", "a"), ("idempotency-key", "\"open"), json], 400, "idempotency-key"),
            (
                &[("x-customer-id", "a"), ("idempotency-key", "k"), ("idempotency-key", "k"), json],
                400,
                "more than once",
            ),
            (&[("x-customer-id", "a")], 415, "content-type"),
            (&[("x-customer-id", "a"), ("content-type", "text/csv")], 415, "content-type"),
            (&[("x-customer-id", "a"), ("content-type", "application/json-seq")], 415, "content-type"),
            (&[("x-customer-id", "a"), json, ("content-encoding", "br")], 415, "content-encoding"),
            (&[("x-customer-id", "a"), json, ("content-encoding", "gzip")], 400, "gzip"),
        ];
        for (headers, status, says) in headers {
            let answer = client.send("POST", "/logs", headers, Some(&good)).unwrap();
            assert_eq!(answer.status, status, "{headers:?}");
            let description = answer.json()["errorDescription"].as_str().unwrap().to_owned();
            assert!(description.contains(says), "{headers:?}: {description}");
        }
        let with = |field: &str, value: Value| {
            let mut entry = entry("2025-12-28T18:03:00Z", "/");
            entry[field] = value;
            batch(&[self::entry("2025-12-28T18:03:00Z", "/"), entry])
        };
        let mut missing = entry("2025-12-28T18:03:00Z", "/");
        missing.as_object_mut().unwrap().remove("receivedAt");
        let bodies: Vec<(Vec<u8>, &str)> = vec![
            (b"".to_vec(), ""),
            (b"[]".to_vec(), ""),
            (b"{}".to_vec(), ""),
            (b"[1]".to_vec(), "index 0"),
            (b"\xEF\xBB\xBF[]".to_vec(), ""),
            (b"[{\"receivedAt\":\"\xff\"}]".to_vec(), ""),
            (batch(&[entry("2025-12-28T18:03:00Z", "/"), missing]), "item at index 1: missing receivedAt"),
            (with("method", json!("GE T")), "index 1"),
            (with("method", json!("M".repeat(33))), "32"),
            (with("receivedAt", json!("2025-02-30T00:00:00Z")), "index 1"),
            (with("receivedAt", json!("2999-01-01T00:00:00Z")), "index 1"),
            (with("receivedAt", json!(-1)), "index 1"),
            (with("method", json!(1)), "index 1: method must be a string"),
            (with("path", Value::Null), "index 1"),
            (batch(&vec![entry("2025-12-28T18:03:00Z", "/"); 21]), "20"),
        ];
        for (body, says) in bodies {
            let answer = client.post("a", "k", &body).unwrap();
            let description = answer.json()["errorDescription"].as_str().unwrap().to_owned();
            assert_error(&answer, 400, "invalid_argument", "ING_1000");
            assert!(description.contains(says), "{description} should say {says}");
        }
        let answer = client.post("a", "k", &vec![b' '; (2 << 20) + 1]).unwrap();
        assert_error(&answer, 413, "invalid_argument", "HTTP_413");

        assert!(server.stop().success());
        assert!(window(temp.path(), "a", "20251228T1803Z").is_none());
        assert_eq!(assert_verified(temp.path())["records"], 0);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_format_and_coding_is_counted_and_read_back() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut client = server.client();
    let array = batch(&vec![entry("2025-12-28T18:03:00Z", "/repeated"); 50]);
    let lines: Vec<u8> = [entry("2025-12-28T18:03:00Z", "/1"), entry("2025-12-28T18:03:01Z", "/2")]
        .iter()
        .flat_map(|entry| format!("{entry}\r\n\r\n").into_bytes())
        .collect();
    let bombs = vec![b' '; 3 << 20];
    let cases: [(&str, &str, Vec<u8>, u16); 8] = [
        ("application/json", "identity", array.clone(), 202),
        ("application/json; charset=utf-8", "gzip", gzip(&array), 202),
        ("application/json", "zstd", zstd::encode_all(&array[..], 3).unwrap(), 202),
        ("application/x-ndjson", "identity", lines.clone(), 202),
        ("application/jsonl", "gzip", gzip(&lines), 202),
        ("application/json", "gzip", gzip(&bombs), 413),
        ("application/json", "zstd", zstd::encode_all(&bombs[..], 3).unwrap(), 413),
        ("application/json", "zstd", b"(\xb5/\xfd nonsense".to_vec(), 400),
    ];
    for (number, (content_type, coding, body, status)) in cases.iter().enumerate() {
        let key = format!("k{number}");
        let headers = [
            ("x-customer-id", "acme"),
            ("idempotency-key", key.as_str()),
            ("content-type", content_type),
            ("content-encoding", coding),
        ];
        let answer = client.send("POST", "/logs", &headers, Some(body)).unwrap();
        assert_eq!(answer.status, *status, "{content_type} {coding}: {}", answer.text());
    }
    // The fingerprint is of the decoded bytes: a retry may be coded otherwise.
    assert_eq!(client.post("acme", "k1", &array).unwrap().status, 409);

    let store = temp.path().join("store");
    let cat = |key: &str| {
        let output = program()
            .args(["batches", "cat", "--data-dir"])
            .arg(&store)
            .args(["--customer", "acme", "--batch-id", key])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let ended = |body: &[u8]| [body.strip_suffix(b"\n").unwrap_or(body), b"\n"].concat();
    for (key, body) in [("k0", &array), ("k1", &array), ("k2", &array), ("k3", &lines), ("k4", &lines)] {
        assert_eq!(cat(key), ended(body), "{key}");
    }
    let list = program().args(["batches", "list", "--data-dir"]).arg(&store).output().unwrap().stdout;
    let codings: Vec<&str> =
        std::str::from_utf8(&list).unwrap().lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(codings, ["lz4", "gzip", "zstd", "lz4", "gzip"]);
    assert!(server.stop().success());
    assert_eq!(window(temp.path(), "acme", "20251228T1803Z").unwrap()["requests"], 154);
    assert_verified(temp.path());
}

#[test]
fn one_of_64_clients_with_the_same_batch_is_answered_202() {
    for flags in FRONT_ENDS {
        let temp = tempfile::tempdir().unwrap();
        let server = Server::start(temp.path(), flags);
        let (accepted, duplicates) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let together = Barrier::new(64);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let mut client = server.client();
                    client.get("/healthz", &[]).unwrap();
                    together.wait();
                    match client.post("acme", "same", &one("/")).unwrap().status {
                        202 => accepted.fetch_add(1, Ordering::Relaxed),
                        409 => duplicates.fetch_add(1, Ordering::Relaxed),
                        other => panic!("answered {other}"),
                    };
                });
            }
        });
        assert_eq!((accepted.into_inner(), duplicates.into_inner()), (1, 63));
        assert!(server.stop().success());
        assert_eq!(window(temp.path(), "acme", "20251228T1803Z").unwrap()["requests"], 1);
    }
}

#[test]
fn a_day_of_minutes_out_of_order_in_one_batch_and_a_late_entry_are_counted() {
    let temp = tempfile::tempdir().unwrap();
    let flags = ["--max-resident-bytes", "1MiB", "--partitions", "3"];
    let server = Server::start(temp.path(), &flags);
    let mut client = server.client();
    let minute = |n: usize| entry(&format!("2025-11-28T{:02}:{:02}:59.999999999Z", n / 60, n % 60), "/");
    // 1,440 distinct minutes, scattered: 577 and 1,440 have no common factor.
    let entries: Vec<Value> = (0..1_440).map(|n| minute(n * 577 % 1_440)).collect();
    let answer = client.post("acme", "day", &batch(&entries)).unwrap();
    assert_eq!((answer.status, answer.json()["windows"].clone()), (202, json!(1_440)), "{}", answer.text());
    assert!(server.stop().success());

    // A month later, after a restart, for a window written long ago.
    let server = Server::start(temp.path(), &flags);
    let late = [
        entry("2025-11-28T12:00:00Z", "/late"),
        entry("2025-11-28T13:00:30+01:00", "/late"),
        entry("2025-11-28t06:59:60-05:00", "/late"),
        entry("2025-11-28 17:30:01.5+05:30", "/late"),
    ];
    assert_eq!(server.client().post("acme", "late", &batch(&late)).unwrap().status, 202);
    assert!(server.stop().success());
    let noon = window(temp.path(), "acme", "20251128T1200Z").unwrap();
    assert_eq!(noon["requestsByPath"], json!({"GET /": 1, "GET /late": 3}));
    let before = window(temp.path(), "acme", "20251128T1159Z").unwrap();
    assert_eq!(before["requestsByPath"], json!({"GET /": 1, "GET /late": 1}));
    assert_eq!(window(temp.path(), "acme", "20251128Z").unwrap()["requests"], 1_444);
    assert_verified(temp.path());
}

#[test]
fn a_full_window_folds_its_smallest_keys_into_other() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &["--tune", "max_window_paths=3"]);
    let entries: Vec<Value> =
        (0..10).map(|number| entry("2025-12-28T18:03:00Z", &format!("/{number}"))).collect();
    assert_eq!(server.client().post("acme", "k", &batch(&entries)).unwrap().status, 202);
    // Ten are folded down to seven eighths of three, in a minute, an hour and a day.
    server.await_metric("log_analytics_windows_folded_keys_total", 24.0);
    assert!(server.stop().success());
    let window = window(temp.path(), "acme", "20251228T1803Z").unwrap();
    assert_eq!(window["requestsByPath"], json!({"(other)": 8, "GET /0": 1, "GET /1": 1}));
    assert_eq!(window["folded"], json!({"path": 1}));
    assert_verified(temp.path());
}

#[test]
fn what_is_altered_is_said_and_counted_by_field() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut odd = entry("2025-12-28T18:03:00Z", &"é".repeat(2_000));
    odd["status"] = json!("OK");
    let answer =
        server.client().post("acme", "k", &batch(&[odd, entry("2025-12-28T18:03:00Z", "/")])).unwrap();
    assert_eq!((answer.status, answer.json()["altered"].clone()), (202, json!({"path": 1, "status": 1})));
    let plain = server.client().post("acme", "l", &one("/")).unwrap();
    assert_eq!((plain.status, plain.json().get("altered")), (202, None));
    for field in ["path", "status"] {
        let metric = format!("log_analytics_altered_fields_total{{field=\"{field}\"}}");
        assert_eq!(server.metric(&metric), 1.0);
    }
    assert!(server.stop().success());
    let window = window(temp.path(), "acme", "20251228T1803Z").unwrap();
    let cut = format!("GET {}", "é".repeat(1_024));
    assert_eq!(window["requestsByPath"][cut], json!(1));
}

#[test]
fn a_data_directory_has_one_server() {
    let temp = tempfile::tempdir().unwrap();
    let first = Server::start(temp.path(), &[]);
    let output = program()
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(temp.path().join("store"))
        .output()
        .unwrap();
    let says = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(says.contains("in use") && says.contains(&first.pid().to_string()), "{says}");
    assert_eq!(first.client().post("acme", "k", &one("/")).unwrap().status, 202);
}

#[test]
fn bad_flags_are_refused_at_start_with_name_and_reason() {
    for (flags, says) in [
        (&["--partitions", "0"][..], "--partitions"),
        (&["--max-body-bytes", "lots"], "--max-body-bytes"),
        (&["--listen", "0.0.0.0:0"], "--gateway-token-file"),
        (&["--retain-journal", "7"], "7d"),
        (&["--min-free-bytes", "1000"], "1000MiB"),
        (&["--tune", "checkpoint_bytes=9GiB"], "max_uncheckpointed_bytes"),
        (&["--tune", "checkpoint_bits=9"], "checkpoint_bytes"),
    ] {
        let output = program().arg("serve").args(flags).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {error}");
        assert!(error.contains(says), "{flags:?}: {error}");
    }
    let output = program().env("LOG_ANALYTICS_PARTITIONS", "none").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let help = String::from_utf8(program().arg("--help").output().unwrap().stdout).unwrap();
    for flag in ["--listen", "--max-inflight-bytes", "--dedup-keys", "--shutdown-timeout"] {
        assert!(help.contains(flag), "{flag}");
    }
    assert!(help.contains("LOG_ANALYTICS_MAX_RESIDENT_BYTES") && help.contains("[default: 96MiB]"), "{help}");
}

#[test]
fn agents_are_named_one_line_for_one_line() {
    let mut child = program()
        .arg("agent")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"curl/7.88.1\n\n-\r\n\xff\xfe\nlast/1 without end").unwrap();
    let output = child.wait_with_output().unwrap();
    let lines: Vec<&str> = std::str::from_utf8(&output.stdout).unwrap().lines().collect();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(&lines[..3], ["curl", "Unknown", "Unknown"]);
}
