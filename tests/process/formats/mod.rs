//! A data directory that an earlier build wrote stays readable: `data/formats/v<N>/` was written by a build of format
//! version N. It is copied, verified, listed, served, held against what its README says is in it, and verified again.
//!
//! Until 1.0 a new format replaces the old one, and its directory with it. After any change of a format:
//!
//! ```sh
//! git rm -r data/formats/v2/store data/formats/v2/expected
//! FORMATS_WRITE=data/formats/v2 cargo test --test process formats
//! git add data/formats/v2
//! ```

mod written;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use log_analytics::data_dir::FORMAT_VERSION;
use serde_json::Value;

use crate::support::server::{Server, run};
use crate::support::stored::assert_verified;

/// Files under a directory, by their path in it.
fn files(root: &Path) -> BTreeMap<String, PathBuf> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), path);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    found
}

/// Copies files; directories are made where there is a file to put in.
fn copy(from: &Path, to: &Path) {
    for (name, path) in files(from) {
        let target = to.join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

/// All windows, without the fields that are not counts.
fn counts(windows: &Path) -> BTreeMap<String, Value> {
    let parsed = |path: PathBuf| {
        let mut window: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        window.as_object_mut().unwrap().retain(|name, _| name != "checksum");
        window
    };
    files(windows).into_iter().map(|(name, path)| (name, parsed(path))).collect()
}

fn batches(what: &str, store: &Path, more: &[&str]) -> Vec<u8> {
    let output = run(&[&["batches", what, "--data-dir", store.to_str().unwrap()], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// One line of `batches list`.
#[derive(Debug)]
struct Listed {
    seq: String,
    customer: String,
    batch_id: String,
    coding: String,
}

fn listed(list: &str) -> Vec<Listed> {
    list.lines()
        .map(|line| {
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            let [seq, _, customer, batch_id, _, _, coding] = fields.try_into().unwrap();
            Listed { seq, customer, batch_id, coding }
        })
        .collect()
}

/// Everything that must hold of the directory of one version.
fn assert_readable(version: &Path) {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().join("store");
    copy(&version.join("store"), &store);

    let report = assert_verified(temp.path());
    let expected_list = fs::read_to_string(version.join("expected/batches.tsv")).unwrap();
    assert_eq!(report["records"], expected_list.lines().count());
    assert_eq!(String::from_utf8(batches("list", &store, &[])).unwrap(), expected_list);
    let list = listed(&expected_list);
    let mut codings: Vec<&str> = list.iter().map(|batch| batch.coding.as_str()).collect();
    codings.sort_unstable();
    codings.dedup();
    assert_eq!(codings, ["dropped", "gzip", "lz4", "plain", "zstd"]);
    let body = |seq: &str| fs::read(version.join("expected/bodies").join(seq)).unwrap();
    for batch in list.iter().filter(|batch| batch.coding != "dropped") {
        let mut expected = body(&batch.seq);
        if !expected.ends_with(b"\n") {
            expected.push(b'\n');
        }
        assert_eq!(batches("cat", &store, &["--seq", &batch.seq]), expected, "{batch:?}");
    }

    // The records are as old as the version: neither with them nor after their retention may a count change.
    for flags in [&["--retain-journal", "36500d"][..], &[]] {
        let server = Server::start(temp.path(), flags);
        if !flags.is_empty() {
            assert!(server.metric("log_analytics_recovery_replayed_records") > 0.0, "a tail to replay");
        }
        let mut client = server.client();
        // Ids that the server made deduplicate nothing.
        for batch in list.iter().filter(|batch| batch.batch_id.starts_with("batch-")) {
            let body = body(&batch.seq);
            let content_type =
                if body.starts_with(b"[") { "application/json" } else { "application/x-ndjson" };
            let headers = [
                ("x-customer-id", batch.customer.as_str()),
                ("idempotency-key", batch.batch_id.as_str()),
                ("content-type", content_type),
            ];
            let answer = client.send("POST", "/logs", &headers, Some(&body)).unwrap();
            assert_eq!(answer.status, 409, "{batch:?}: {}", answer.text());
            let other = client.post(&batch.customer, &batch.batch_id, written::OTHER_BODY).unwrap();
            assert_eq!(other.status, 422, "{batch:?}: {}", other.text());
        }
        assert!(server.stop().success());
        assert_eq!(counts(&store.join("aggregate-results")), counts(&version.join("expected/windows")));
        assert_verified(temp.path());
    }
}

#[test]
fn the_directory_of_this_version_is_read_and_its_counts_go_on() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/formats");
    let names =
        fs::read_dir(&formats).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let versions: Vec<String> = names.filter(|name| name.starts_with('v')).collect();
    let current = format!("v{FORMAT_VERSION}");
    assert_eq!(versions, [current.as_str()], "formats have one version");
    let version = formats.join(current);
    assert!(version.join("README.md").is_file());
    assert_readable(&version);
}

#[test]
fn a_directory_written_now_is_readable_in_the_same_way() {
    let temp = tempfile::tempdir().unwrap();
    let version = match std::env::var_os("FORMATS_WRITE") {
        Some(path) => Path::new(env!("CARGO_MANIFEST_DIR")).join(path),
        None => temp.path().join("version"),
    };
    assert!(!version.join("store").exists(), "{}: remove it before it is written again", version.display());
    written::write(&version);
    let size: u64 = files(&version).values().map(|path| path.metadata().unwrap().len()).sum();
    assert!(size < 200 << 10, "{size} bytes are too many to keep in the repository");
    assert_readable(&version);
}
