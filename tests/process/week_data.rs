//! A week of running the server, the rows on the data directory: copies, repair, wrong directories, clocks, inodes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::server::{Server, run};

/// Every file and directory below this one, with the content of files.
fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut tree(&path));
            found.insert(path, None);
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, Some(content));
        }
    }
    found
}

#[test]
fn week_03_verify_repair_and_batches_refuse_what_is_no_data_directory_and_touch_nothing() {
    let temp = tempfile::tempdir().unwrap();
    assert!(Server::start(temp.path(), &[]).stop().success());
    let checkout = temp.path().join("checkout");
    fs::create_dir_all(checkout.join("src/journal")).unwrap();
    fs::write(checkout.join("src/journal/mod.rs"), "// a file").unwrap();
    fs::create_dir(temp.path().join("empty")).unwrap();
    // The parent of a store, an empty directory, a checkout, and nothing at all.
    for name in ["", "empty", "checkout", "checkout/src", "missing"] {
        let wrong = temp.path().join(name);
        let before = tree(temp.path());
        let wrong = wrong.to_str().unwrap();
        for command in [&["verify"][..], &["repair", "--accept-lost-journal"], &["batches", "list"]] {
            let output = run(&[command, &["--data-dir", wrong]].concat());
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{command:?} {wrong}: {said}");
            assert!(said.contains("no log-analytics data in"), "{command:?} {wrong}: {said}");
        }
        assert_eq!(tree(temp.path()), before, "{wrong}");
    }
    let store = temp.path().join("store");
    assert!(run(&["verify", "--data-dir", store.to_str().unwrap()]).status.success());
}
