//! The log reader under mutated lines and format strings, on stable Rust (the same check that the coverage-guided fuzzer in
//! `tests/fuzz/` makes), and what `import --dry-run` tells of a log.

#[path = "../fuzz/checks/lines.rs"]
mod lines;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use proptest::prelude::*;

use crate::support::server::run;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cases")
}

/// The inputs of the cases that are text.
fn bodies() -> Vec<Vec<u8>> {
    let folders =
        fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("input"))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    assert!(files.len() > 45, "only {} inputs", files.len());
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

const FORMATS: [&str; 8] = [
    r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#,
    "$msec|$remote_addr|$scheme://$host$request_uri|$request_method|$status|$request_time",
    r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %{ms}T"#,
    r#"%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t %a "%m %U%q %H" %s %O %D"#,
    r#"{"time":"$time_iso8601","request":"$request","status":$status,"agent":"$http_user_agent"}"#,
    "json:path=uri,userAgent=agent,receivedAt=ts",
    "#Fields: date time c-ip cs-method cs-uri-stem sc-status time-taken",
    "combined",
];

fn change() -> impl Strategy<Value = Vec<(prop::sample::Index, prop::sample::Index, u8, u8, usize)>> {
    let change =
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..6_u8, 1..40_usize);
    proptest::collection::vec(change, 1..8)
}

/// A text with pieces of itself and of another one changed, taken out, put in or repeated.
fn mutated(
    mut bytes: Vec<u8>,
    other: &[u8],
    changes: Vec<(prop::sample::Index, prop::sample::Index, u8, u8, usize)>,
) -> Vec<u8> {
    for (at, from, byte, kind, count) in changes {
        let at = at.index(bytes.len() + 1);
        let end = (at + count).min(bytes.len());
        let from = from.index(other.len() + 1);
        let piece = &other[from..(from + count).min(other.len())];
        match kind {
            0 => bytes.splice(at..(at + 1).min(end), [byte]).for_each(drop),
            1 => bytes.splice(at..end, []).for_each(drop),
            2 => bytes.insert(at, byte),
            3 => bytes.splice(at..at, piece.iter().copied()).for_each(drop),
            4 => bytes.splice(at..end, piece.iter().copied()).for_each(drop),
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again).for_each(drop);
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_logs_are_read_without_a_panic_and_alike_in_regions(
        body in proptest::sample::select(bodies()),
        other in proptest::sample::select(bodies()),
        changes in change(),
    ) {
        lines::check(&mutated(body, &other, changes));
    }

    #[test]
    fn mutated_formats_read_or_refuse_whatever_they_are_given(
        format in proptest::sample::select(&FORMATS[..]),
        other in proptest::sample::select(&FORMATS[..]),
        body in proptest::sample::select(bodies()),
        changes in change(),
    ) {
        let mut text = mutated(format.as_bytes().to_vec(), other.as_bytes(), changes);
        text.retain(|byte| *byte != b'\n');
        text.push(b'\n');
        lines::check_format(&[text, body].concat());
    }
}

fn dry_run(args: &[&str], input: &str) -> (Output, String) {
    let path = cases().join(input);
    let input = path.to_str().unwrap();
    let output = run(&[&["import", "--dry-run", "--customer", "case"], args, &[input]].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, told)
}

#[test]
fn a_dry_run_prints_entries_and_tells_what_it_skips() {
    let (output, told) = dry_run(&[], "53-other-lines/input.log");
    assert!(output.status.success(), "{told}");
    let entries = String::from_utf8(output.stdout).unwrap();
    assert_eq!(entries.lines().count(), 2);
    assert!(
        entries.starts_with("{\"receivedAt\":\"2024-12-28T18:03:07Z\",\"method\":\"GET\",\"path\":\"/one\"")
    );
    for words in [
        "counted 2, skipped 6",
        "combined (2)",
        "2024-12-28T18:03:07Z to 2024-12-28T18:03:11Z",
        "clientIp (2)",
        "5 skipped: not a line of an access log",
        "line 1: # rotated by cron",
        "1 skipped: the line is cut off",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
}

#[test]
fn a_log_without_any_entry_fails_and_names_the_nearest_format() {
    let (output, told) = dry_run(&["--format", "%h %t \"%r\""], "31-envoy-text/input.log");
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true), "{told}");
    assert!(told.contains("counted 0, skipped 7") && told.contains("most like envoy"), "{told}");
}

#[test]
fn a_format_that_is_wrong_is_shown_where() {
    let (output, told) = dry_run(&["--format", "%h %t %j"], "31-envoy-text/input.log");
    assert_eq!(output.status.code(), Some(2));
    assert!(told.contains("at character 7") && told.contains("\n  %h %t %j\n        ^"), "{told}");
    let (output, told) = dry_run(&["--timezone", "Mars/Base"], "31-envoy-text/input.log");
    assert!(output.status.code() == Some(2) && told.contains("Europe/Berlin"), "{told}");
}

#[test]
fn a_refused_file_is_named_before_anything_is_printed() {
    let refused = cases().join("42-utf-16/input.log");
    let (output, told) = dry_run(&[refused.to_str().unwrap()], "53-other-lines/input.log");
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true));
    assert!(told.contains("UTF-16") && told.contains("42-utf-16"), "{told}");
}
