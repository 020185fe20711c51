//! The log reader under mutated lines and format strings, on stable Rust: the same check that the coverage-guided fuzzer in
//! `tests/fuzz/` makes.

#[path = "../fuzz/checks/lines.rs"]
mod lines;

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::mutation::{changes, mutated};
use crate::support::properties::cases;

fn cases_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/cases")
}

/// The inputs of the cases that are text.
fn bodies() -> Vec<Vec<u8>> {
    let folders =
        fs::read_dir(cases_dir()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
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

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn mutated_logs_are_read_without_a_panic_and_alike_in_regions(
        body in proptest::sample::select(bodies()),
        other in proptest::sample::select(bodies()),
        changes in changes(8),
    ) {
        lines::check(&mutated(body, &other, changes));
    }

    #[test]
    fn mutated_formats_read_or_refuse_whatever_they_are_given(
        format in proptest::sample::select(&FORMATS[..]),
        other in proptest::sample::select(&FORMATS[..]),
        body in proptest::sample::select(bodies()),
        changes in changes(8),
    ) {
        let mut text = mutated(format.as_bytes().to_vec(), other.as_bytes(), changes);
        text.retain(|byte| *byte != b'\n');
        text.push(b'\n');
        lines::check(&[text, body].concat());
    }
}
