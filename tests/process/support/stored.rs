//! The files of a stopped or running server: window files, and the report of `verify`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::server::run;

/// A window file of `<dir>/store`, parsed; `None` where it does not exist.
pub fn window(dir: &Path, customer: &str, stamp: &str) -> Option<Value> {
    let path = dir.join("store/aggregate-results").join(customer).join(format!("{stamp}.json"));
    let mut text = String::new();
    File::open(path).ok()?.read_to_string(&mut text).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// Runs `verify --json` on `<dir>/store`; returns whether it found nothing wrong, and its report.
pub fn verify(dir: &Path) -> (bool, Value) {
    let store = dir.join("store");
    let output = run(&["verify", "--json", "--data-dir", store.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.success(), report)
}

/// Asserts that `verify` finds nothing wrong.
pub fn assert_verified(dir: &Path) -> Value {
    let (clean, report) = verify(dir);
    assert!(clean, "verify: {report:#}");
    report
}
