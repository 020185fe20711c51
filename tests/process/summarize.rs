//! `log-analytics summarize` on the entries of scenario 001, in every form they can be stored in, gives the same windows as
//! the server.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::scenario::{self, BATCHES};
use crate::support::server::{program, run};

/// All 64,000 entries, one a line.
fn lines() -> Vec<u8> {
    let mut lines = Vec::new();
    for batch in 1..=BATCHES {
        let entries: Vec<Value> = serde_json::from_slice(&scenario::body(batch)).unwrap();
        for entry in entries {
            serde_json::to_writer(&mut lines, &entry).unwrap();
            lines.push(b'\n');
        }
    }
    lines
}

fn array(lines: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(lines.to_vec()).unwrap();
    format!("\n[{}]\n", text.trim_end().replace('\n', ",")).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The windows that the scenario expects of this size, by start.
fn expected(name_bytes: usize) -> Vec<Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/scenarios/001_basic_minute_rollup/expected");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.file_stem().unwrap().len() == name_bytes);
    files.iter().map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap()).collect()
}

fn windows(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split_inclusive(|byte| *byte == b'\n').map(|l| serde_json::from_slice(l).unwrap()).collect()
}

#[test]
fn every_form_and_number_of_threads_gives_the_expected_windows() {
    let temp = tempfile::tempdir().unwrap();
    let lines = lines();
    let array = array(&lines);
    let forms = [
        ("lines", lines.clone()),
        ("lines.gz", gzip(&lines)),
        ("lines.zst", zstd::encode_all(&lines[..], 1).unwrap()),
        ("array", array.clone()),
        ("array.gz", gzip(&array)),
        ("without.line.end", lines[..lines.len() - 1].to_vec()),
        ("blank.lines", String::from_utf8(lines.clone()).unwrap().replace('\n', "\r\n\n").into_bytes()),
    ];
    for (name, stored) in forms {
        let file = temp.path().join(name);
        fs::write(&file, stored).unwrap();
        for threads in ["1", "3"] {
            let file = file.to_str().unwrap();
            let output = run(&["summarize", file, "--customer", "acme", "--threads", threads]);
            assert_eq!(windows(&output), expected("20251228T1803Z".len()), "{name}, {threads} threads");
        }
    }
}

#[test]
fn where_counts_the_chosen_entries_as_if_they_were_alone() {
    let temp = tempfile::tempdir().unwrap();
    let lines = String::from_utf8(lines()).unwrap();
    let chosen: String =
        lines.split_inclusive('\n').filter(|line| line.contains("\"path\":\"/careers\"")).collect();
    assert!(!chosen.is_empty() && chosen.len() < lines.len());
    let (all, alone) = (temp.path().join("all"), temp.path().join("alone"));
    fs::write(&alone, chosen).unwrap();
    for body in [lines.clone().into_bytes(), array(lines.as_bytes())] {
        fs::write(&all, body).unwrap();
        let found = run(&["summarize", all.to_str().unwrap(), "--where", "path=/careers,method!=POST"]);
        let expected = run(&["summarize", alone.to_str().unwrap()]);
        assert_eq!(windows(&found), windows(&expected));
    }
    let line =
        |status: u16| format!("192.0.2.7 - - [28/Dec/2025:18:03:07 +0000] \"GET / HTTP/1.1\" {status} 7\n");
    fs::write(&all, [line(503), line(200), line(404)].concat()).unwrap();
    let found = run(&["summarize", all.to_str().unwrap(), "--where", "status>=500"]);
    assert_eq!(windows(&found)[0]["status"], serde_json::json!({"503": 1}));
    let wrong = run(&["summarize", "x", "--where", "path>1"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8(wrong.stderr).unwrap().contains("path takes =, != and ^="));
}

#[test]
fn several_files_and_standard_input_are_counted_together_by_hour_and_day() {
    let temp = tempfile::tempdir().unwrap();
    let lines = lines();
    let middle =
        lines.len() / 2 + lines[lines.len() / 2..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let file = temp.path().join("first half");
    fs::write(&file, array(&lines[..middle])).unwrap();
    for (size, name_bytes) in [("hour", "20251228T18Z".len()), ("day", "20251228Z".len())] {
        let mut child = program()
            .args(["summarize", "-", file.to_str().unwrap(), "--window", size, "--customer", "acme"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&lines[middle..]).unwrap();
        assert_eq!(windows(&child.wait_with_output().unwrap()), expected(name_bytes), "{size}");
    }
}

#[test]
fn a_bad_item_is_named_by_file_and_line() {
    let temp = tempfile::tempdir().unwrap();
    let good = r#"{"receivedAt":"2025-12-28T18:03:00Z","method":"GET","path":"/","userAgent":""}"#;
    // More than one chunk before the bad line.
    let many = 250_000;
    let text = format!("{good}\n\n").repeat(many) + "{\"receivedAt\":\"now\"}\n" + good + "\n{}\n";
    let file = temp.path().join("bad.ndjson");
    fs::write(&file, text).unwrap();
    for threads in ["1", "4"] {
        let output = run(&["summarize", file.to_str().unwrap(), "--threads", threads]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        let says = String::from_utf8(output.stderr).unwrap();
        let want = format!("{}:{}: receivedAt is not an RFC 3339 date-time", file.display(), 2 * many + 1);
        assert!(says.contains(&want), "{says}");
    }
    fs::write(&file, format!("[{good},{{}}]")).unwrap();
    let output = run(&["summarize", file.to_str().unwrap()]);
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(says.contains("bad.ndjson: item at index 1: missing receivedAt"), "{says}");
    fs::write(&file, b"{\"receivedAt\"\n").unwrap();
    let output = run(&["summarize", file.to_str().unwrap()]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("bad.ndjson:1: not a JSON entry"));
    let output = run(&["summarize", "/does/not/exist"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("/does/not/exist: No such file"));
}

#[test]
fn the_table_has_totals_bars_paths_and_families() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("lines");
    fs::write(&file, lines()).unwrap();
    let output = run(&["summarize", file.to_str().unwrap(), "--format", "text", "--customer", "acme"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "acme: 64,000 requests from 2025-12-28 18:03",
        "16,000   25.0%  █",
        "GET /careers",
        "Googlebot (bot)",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

fn log_line(number: usize) -> String {
    format!(
        "192.0.2.{} - - [28/Dec/2025:18:{:02}:07 +0000] \"GET /p/{} HTTP/1.1\" 200 {number} \"-\" \"curl/8.5\"\n",
        number % 250,
        number % 60,
        number % 900,
    )
}

#[test]
fn an_access_log_is_counted_as_the_entries_it_holds_on_any_number_of_threads() {
    let temp = tempfile::tempdir().unwrap();
    let (log, entries) = (temp.path().join("access.log"), temp.path().join("entries"));
    let mut text: String = (0..30_000).map(log_line).collect();
    text.push_str("nginx: worker stopped\n");
    fs::write(&log, &text).unwrap();
    let dry_run = run(&["import", "--dry-run", "--customer", "acme", log.to_str().unwrap()]);
    fs::write(&entries, &dry_run.stdout).unwrap();
    let want = run(&["summarize", "--customer", "acme", entries.to_str().unwrap()]);
    assert!(want.status.success() && want.stdout.len() > 10_000);
    for threads in ["1", "3"] {
        let got = run(&["summarize", "--customer", "acme", "--threads", threads, log.to_str().unwrap()]);
        let told = String::from_utf8(got.stderr).unwrap();
        assert!(got.status.success() && got.stdout == want.stdout, "{threads}: {told}");
        assert!(told.contains("1 skipped") && told.contains("line 30001: nginx: worker stopped"), "{told}");
    }
    fs::write(&log, "nonsense\n").unwrap();
    let got = run(&["summarize", log.to_str().unwrap()]);
    assert_eq!((got.status.code(), got.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(got.stderr).unwrap().contains("nothing was counted"));
}

#[test]
fn columns_that_change_within_a_log_hold_for_the_lines_behind_them() {
    let temp = tempfile::tempdir().unwrap();
    let log = temp.path().join("ex.log");
    // The header is in a later chunk than lines that look like nothing without it.
    let mut text: String = (0..20_000).map(log_line).collect();
    text.push_str("#Fields: date time cs-method cs-uri-stem\n");
    text.push_str(&"2025-12-28 18:03:07 GET /w3c\n".repeat(40_000));
    fs::write(&log, text).unwrap();
    let sums = |threads: &str| {
        let output = run(&["summarize", "--window", "day", "--threads", threads, log.to_str().unwrap()]);
        assert!(output.status.success());
        output.stdout
    };
    let one = sums("1");
    let day: Value = serde_json::from_slice(&one).unwrap();
    assert_eq!((&day["requests"], &day["requestsByPath"]["GET /w3c"]), (&60_000.into(), &40_000.into()));
    assert_eq!(one, sums("4"));
}
