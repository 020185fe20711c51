//! `log-analytics import --dry-run`: what it prints of a log, and what it tells.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::server::run;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cases")
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
