//! `POST /logs` with `text/plain`: log lines as they are, against the real binary.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::server::Server;
use crate::support::stored::assert_verified;

const TEXT: &str = "text/plain; charset=utf-8";
const LINE: &str =
    "192.0.2.7 - - [28/Dec/2025:18:03:07 +0000] \"GET /a?b=c HTTP/1.1\" 200 512 \"-\" \"curl/8.5\"\n";

fn post(server: &Server, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut all = vec![("x-customer-id", "acme"), ("content-type", TEXT)];
    all.extend(headers);
    server.client().send("POST", target, &all, Some(body)).unwrap()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn aggregates(server: &Server) -> Value {
    let target = "/aggregates?from=2025-12-28T18:00:00Z&to=2025-12-28T19:00:00Z&window=hour";
    let answer = server.client().get(target, &[("x-customer-id", "acme")]).unwrap();
    answer.json()["windows"][0].clone()
}

#[test]
fn log_lines_are_counted_and_what_is_none_is_skipped() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let body = format!("{LINE}nonsense\n\n{LINE}cut \"off");
    let key = [("idempotency-key", "k1")];
    let answer = post(&server, "/logs", &key, body.as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.text());
    let mut said = answer.json();
    said["requestId"] = Value::Null;
    let reason = said["firstSkipped"]["reason"].clone();
    assert!(reason.as_str().unwrap().contains("not a line of an access log"), "{reason}");
    assert_eq!(
        said,
        json!({"requestId": null, "batchId": "k1", "entries": 2, "windows": 1, "skipped": 2,
               "firstSkipped": {"line": 2, "reason": reason}})
    );
    let again = post(&server, "/logs", &key, body.as_bytes());
    assert_eq!((again.status, again.header("idempotent-replayed")), (409, Some("true")));
    for field in ["entries", "skipped", "firstSkipped"] {
        assert_eq!(again.json()[field], said[field], "{}", again.text());
    }
    let counted = aggregates(&server);
    assert_eq!(counted["requestsByPath"], json!({"GET /a": 2}), "{counted}");
    let metrics = server.client().get("/metrics", &[]).unwrap().text();
    assert!(metrics.contains("log_analytics_skipped_lines_total{reason=\"not_access_log\"}"), "{metrics}");
    assert!(server.stop().success());
    assert_verified(temp.path());
}

#[test]
fn the_beginning_of_a_counted_batch_is_known_to_those_who_ask() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let whole = format!("{LINE}nonsense\n{}{LINE}", LINE.replace("/a", "/b"));
    let key = [("idempotency-key", "k1")];
    assert_eq!(post(&server, "/logs", &key, whole.as_bytes()).status, 202);
    let beginning = &whole[..2 * LINE.len()];
    for (target, body, status) in [
        ("/logs", beginning, 422),
        ("/logs?known=beginning", beginning, 409),
        ("/logs?known=beginning", &whole, 409),
        ("/logs?known=beginning", &whole[..whole.len() - 30], 409),
        ("/logs?known=beginning", &LINE.replace("/a", "/c"), 422),
        ("/logs?known=beginning", &format!("{whole}{LINE}"), 422),
        ("/logs?known=beginning&keep-query=true", beginning, 422),
        ("/logs?known=end", beginning, 400),
    ] {
        let answer = post(&server, target, &key, body.as_bytes());
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        if status == 409 && body == beginning {
            assert_eq!((&answer.json()["entries"], &answer.json()["skipped"]), (&json!(1), &json!(2)));
        }
    }
    // Of a name that is not known a batch is counted.
    let other = [("idempotency-key", "k2")];
    assert_eq!(post(&server, "/logs?known=beginning", &other, beginning.as_bytes()).status, 202);
    let deleted = server.client().send("DELETE", "/customers/acme", &[], None).unwrap();
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    assert_eq!(post(&server, "/logs?known=beginning", &key, beginning.as_bytes()).status, 202);
    assert!(server.stop().success());
    assert_verified(temp.path());

    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &["--raw-batches", "drop"]);
    assert_eq!(post(&server, "/logs", &key, whole.as_bytes()).status, 202);
    assert_eq!(post(&server, "/logs?known=beginning", &key, beginning.as_bytes()).status, 422);
}

#[test]
fn a_batch_without_an_entry_is_202_and_leaves_no_record() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    for body in ["", "\n\n", "nginx: ready\n"] {
        for _ in 0..2 {
            let answer = post(&server, "/logs", &[("idempotency-key", "start")], body.as_bytes());
            assert_eq!((answer.status, answer.json()["entries"].as_u64()), (202, Some(0)), "{body:?}");
        }
    }
    assert_eq!(post(&server, "/logs", &[("idempotency-key", "start")], LINE.as_bytes()).status, 202);
    assert!(server.stop().success());
    assert_verified(temp.path());
}

#[test]
fn a_line_that_began_before_the_body_and_does_not_end_in_it_is_line_0() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let answer = post(&server, "/logs?stderr=half", &[], b"");
    let said = answer.json();
    assert_eq!((answer.status, &said["skipped"], &said["firstSkipped"]["line"]), (202, &json!(1), &json!(0)));
    assert!(server.stop().success());
}

#[test]
fn the_same_lines_read_in_another_way_are_another_batch() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let body = "2025-12-28 18:03:07 GET /a 200\n";
    let format = encoded("$time_iso8601 $request_method $request_uri $status");
    let w3c = format!("/logs?dedup=body&fields={}", encoded(" date time cs-method cs-uri-stem sc-status"));
    for (target, status) in [
        (w3c.as_str(), 202),
        (&w3c, 409),
        (&format!("{w3c}&keep-query=true"), 202),
        (&format!("/logs?format={format}"), 202),
        ("/logs?format=combind", 400),
        ("/logs?timezone=Mars%2FOlympus", 400),
        ("/logs?formt=combined", 400),
    ] {
        let answer = post(&server, target, &[], body.as_bytes());
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
    let json = [("x-customer-id", "acme"), ("content-type", "application/json")];
    let answer = server.client().send("POST", "/logs?format=combined", &json, Some(b"[]")).unwrap();
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[test]
fn compressed_lines_are_read_and_those_without_their_header_are_told_so() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let body = LINE.repeat(3_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body.as_bytes()).unwrap();
    let coded = [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(body.as_bytes(), 1).unwrap())];
    for (encoding, bytes) in &coded {
        let answer = post(&server, "/logs", &[("content-encoding", encoding)], bytes);
        assert_eq!((answer.status, answer.json()["entries"].as_u64()), (202, Some(3_000)), "{encoding}");
        let answer = post(&server, "/logs", &[], bytes);
        assert!(answer.status == 400 && answer.text().contains(&format!("content-encoding: {encoding}")));
    }
    assert_eq!(aggregates(&server)["requests"], 6_000);
}

#[test]
fn logs_01_a_thin_log_in_random_order_is_taken_whole() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let line = |number: usize| {
        let minute = number * 7_919 % 9_000;
        let (day, hour) = (1 + minute / 1_440, minute % 1_440 / 60);
        format!(
            "192.0.2.7 - - [{day:02}/Dec/2025:{hour:02}:{:02}:07 +0000] \"GET / HTTP/1.1\" 200 5\n",
            minute % 60
        )
    };
    let body: String = (0..9_000).map(line).collect();
    let answer = post(&server, "/logs", &[], body.as_bytes());
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(
        (answer.json()["entries"].as_u64(), answer.json()["windows"].as_u64()),
        (Some(9_000), Some(9_000))
    );
}

#[test]
fn logs_02_an_odd_byte_and_a_long_path_cost_no_other_line() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let mut body = LINE.as_bytes().to_vec();
    body.extend_from_slice(&LINE.replace("/a", &format!("/{}", "x".repeat(5_000))).into_bytes());
    body.extend_from_slice(LINE.as_bytes());
    let odd = LINE.len() + LINE.find("/a").unwrap();
    body[odd + 3] = 0xFF;
    let answer = post(&server, "/logs", &[], &body);
    let said = answer.json();
    assert_eq!((answer.status, said["entries"].as_u64(), said["skipped"].as_u64()), (202, Some(3), Some(0)));
    assert_eq!(said["altered"], json!({"path": 1}), "{said}");
}

#[test]
fn every_case_counts_as_many_lines_as_its_dry_run() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cases");
    let mut compared = 0;
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        let case: Value = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
        let mut target = String::from("/logs?");
        let mut flags = case["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap());
        while let Some(flag) = flags.next() {
            let value =
                if flag == "--keep-query" { "true".to_owned() } else { encoded(flags.next().unwrap()) };
            target.push_str(&format!("{}={value}&", flag.trim_start_matches("--")));
        }
        let mut inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("input"));
        let is_plain = |path: &std::path::PathBuf| {
            let start = fs::read(path).unwrap();
            ![&[0x1F, 0x8B][..], b"\x28\xB5\x2F\xFD", b"\xFD7z", b"BZh", b"PK", b"\xFF\xFE"]
                .iter()
                .any(|magic| start.starts_with(magic))
        };
        if case.get("refused").is_some() || case.get("orRefused").is_some() || !inputs.iter().all(is_plain) {
            continue;
        }
        let (mut entries, mut skipped) = (0, 0);
        for input in &inputs {
            let answer = post(&server, &target, &[], &fs::read(input).unwrap());
            assert_eq!(answer.status, 202, "{}: {}", input.display(), answer.text());
            entries += answer.json()["entries"].as_u64().unwrap();
            skipped += answer.json()["skipped"].as_u64().unwrap();
        }
        let want = (case["counted"].as_u64().unwrap(), case["skipped"].as_u64().unwrap());
        assert_eq!((entries, skipped), want, "{}", folder.display());
        compared += 1;
    }
    assert!(compared > 40, "only {compared} cases were compared");
}
