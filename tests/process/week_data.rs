//! A week of running the server, the rows on the data directory: copies, repair, wrong directories, clocks, inodes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log_analytics::base::clock;
use log_analytics::base::disk::RealDisk;
use log_analytics::base::inflight::{Budget, Charge};
use log_analytics::base::latch::Latch;
use log_analytics::base::sealed::seal_json;
use log_analytics::batch::{Content, Format};
use log_analytics::data_dir::DataDir;
use log_analytics::journal::committer::{CommitLimits, Pressure, Submission};
use log_analytics::journal::format::{BodyCoding, Parts, RecordDraft};
use log_analytics::journal::recovery::{self, Opening};
use log_analytics::journal::summary;
use log_analytics::metrics::Metrics;
use log_analytics::model::{BatchId, CustomerId, Summary};
use log_analytics::outcome::Outcome;
use log_analytics::time;
use serde_json::{Value, json};

use crate::support::server::{Server, program, run};
use crate::support::stored::{assert_verified, window};
use crate::support::wait::eventually;

/// An entry of this minute.
fn body(received_at: &str, path: &str) -> Vec<u8> {
    serde_json::to_vec(&[
        json!({"receivedAt": received_at, "method": "GET", "path": path, "userAgent": "curl/8"}),
    ])
    .unwrap()
}

fn post(server: &Server, key: &str) -> u16 {
    server.client().post("acme", key, &body("2025-12-28T18:03:00Z", key)).unwrap().status
}

/// Copies a file, or a directory with everything in it.
fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        copy(&path, &to.join(path.file_name().unwrap()));
    }
}

#[test]
fn week_01_a_copy_whose_windows_are_older_than_its_checkpoint_starts_exact_or_is_refused_by_customer() {
    for (flags, is_exact) in [
        (&["--tune", "checkpoint_interval=1h"][..], true),
        // Nothing is retained that the checkpoint has passed.
        (
            &[
                "--tune",
                "checkpoint_interval=1h",
                "--tune",
                "segment_bytes=1B",
                "--retain-journal-bytes",
                "1B",
            ],
            false,
        ),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let (store, copied) = (temp.path().join("store"), temp.path().join("copy/store"));
        let server = Server::start(temp.path(), flags);
        (0..3).for_each(|number| assert_eq!(post(&server, &format!("/{number}")), 202));
        assert!(server.stop().success());
        copy(&store.join("aggregate-results"), &copied.join("aggregate-results"));
        let server = Server::start(temp.path(), flags);
        (3..20).for_each(|number| assert_eq!(post(&server, &format!("/{number}")), 202));
        assert!(server.stop().success());
        for name in ["journal", "checkpoint.json", "customers.json", "secret"] {
            copy(&store.join(name), &copied.join(name));
        }

        let dir = temp.path().join("copy");
        match Server::try_start(&dir, flags) {
            Ok(server) => {
                assert!(is_exact);
                assert!(server.stop().success());
                assert_eq!(window(&dir, "acme", "20251228T1803Z").unwrap()["requests"], 20);
                assert_verified(&dir);
            }
            Err(log) => {
                assert!(!is_exact, "{log}");
                let what = "customer acme: its minute windows hold 4 requests, 16 less than the 20";
                assert!(log.contains(what) && log.contains("repair --accept-lost-windows"), "{log}");
                let store = copied.to_str().unwrap();
                let repair = |flag| run(&["repair", flag, "--data-dir", store]);
                assert!(!repair("--accept-lost-journal").status.success());
                let repaired = repair("--accept-lost-windows");
                assert!(repaired.status.success(), "{}", String::from_utf8_lossy(&repaired.stderr));
                let server = Server::start(&dir, flags);
                assert_eq!(post(&server, "/new"), 202);
                assert!(server.stop().success());
                assert_eq!(window(&dir, "acme", "20251228T1803Z").unwrap()["incomplete"], true);
            }
        }
    }
}

#[test]
fn week_01_a_backup_of_a_running_server_is_restored_on_another_path() {
    let temp = tempfile::tempdir().unwrap();
    let (store, copied) = (temp.path().join("store"), temp.path().join("restored/store"));
    let server =
        Server::start(temp.path(), &["--tune", "segment_bytes=1KiB", "--tune", "checkpoint_interval=20ms"]);
    (0..20).for_each(|number| assert_eq!(post(&server, &format!("/{number}")), 202));
    fs::create_dir(temp.path().join("restored")).unwrap();
    let backup =
        |to: &Path| run(&["backup", "--data-dir", store.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    let done = backup(&copied);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).contains("records to 20"));
    assert_eq!(backup(&copied).status.code(), Some(1), "the name is taken");
    assert_eq!(post(&server, "/later"), 202);
    server.kill();

    let dir = temp.path().join("restored");
    assert_verified(&dir);
    let server = Server::start(&dir, &[]);
    assert_eq!(post(&server, "/19"), 409);
    assert_eq!(post(&server, "/later"), 202);
    assert!(server.stop().success());
    assert_eq!(window(&dir, "acme", "20251228T1803Z").unwrap()["requests"], 21);
    assert_verified(&dir);
}

#[test]
fn week_01_nothing_is_removed_while_a_backup_is_made_and_no_backup_begins_while_something_is() {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().join("store");
    let flags =
        ["--tune", "segment_bytes=1B", "--tune", "checkpoint_interval=20ms", "--retain-journal-bytes", "1B"];
    let server = Server::start(temp.path(), &flags);
    let segments = || {
        let names = fs::read_dir(store.join("journal")).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".log")).count()
    };
    let checkpoints = || server.metric("log_analytics_checkpoint_seconds_count");
    let retain = File::open(store.join("RETAIN")).unwrap();
    retain.lock_shared().unwrap();
    (0..20).for_each(|number| assert_eq!(post(&server, &format!("/{number}")), 202));
    let before = checkpoints();
    eventually("more checkpoints", || checkpoints() > before + 3.0);
    let held = segments();
    assert!(held > 5, "{held} segments");
    retain.unlock().unwrap();
    eventually("segments are removed", || segments() < 3);
    assert!(server.stop().success());

    retain.lock().unwrap();
    let to = temp.path().join("copy");
    let mut backup = program();
    backup.args(["backup", "--data-dir"]).arg(&store).arg("--to").arg(&to);
    let mut backup = backup.spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(backup.try_wait().unwrap().is_none() && !to.exists(), "the backup did not wait");
    retain.unlock().unwrap();
    assert!(backup.wait().unwrap().success() && to.exists());
}

/// A data directory whose last record was received at this time, whatever the clock says.
fn received_at(root: &Path, received_at_ms: u64) {
    let (disk, dir, latch) = (RealDisk::shared(), Arc::new(DataDir::new(root)), Latch::new());
    dir.prepare(&*disk).unwrap();
    let limits =
        CommitLimits { segment_bytes: 1 << 20, min_free_bytes: 0, max_uncheckpointed_bytes: 1 << 30 };
    let mut opened = recovery::open(&Opening {
        disk: &disk,
        dir: &dir,
        dedup_capacity: 10,
        limits,
        latch: &latch,
        metrics: Metrics::new().journal,
        ask_windows: &|_| Ok(()),
    })
    .unwrap();
    let customer = CustomerId::new("other").unwrap();
    let parts = Parts {
        customer: &customer,
        batch_id: &BatchId::new("k").unwrap(),
        server_made_id: true,
        content: &Content::Json(Format::JsonArray),
        entries: 0,
        fingerprint: 0,
        body_bytes: 0,
    };
    let write_summary = |bytes: &mut Vec<u8>| summary::encode(&Summary::default(), bytes);
    let draft = RecordDraft::new(parts, 64, write_summary, |_| BodyCoding::Dropped);
    let charge = Charge::new(&Budget::new(1 << 20));
    let submission = Submission {
        customer,
        entries: 0,
        key: None,
        fingerprint: 0,
        draft,
        received_at_ms,
        insights: vec![],
        charge,
    };
    assert_eq!(opened.committer.commit(&mut [submission], Pressure::default()), [Outcome::Counted]);
}

#[test]
fn week_06_with_a_clock_behind_the_last_batch_entries_of_now_count_and_later_ones_are_503() {
    const HOUR_MS: u64 = 60 * 60 * 1000;
    let temp = tempfile::tempdir().unwrap();
    // As if the clock had been set back by three days.
    let right_ms = clock::now_ms() + 72 * HOUR_MS;
    received_at(&temp.path().join("store"), right_ms);
    let server = Server::start(temp.path(), &[]);
    let post = |ms: u64| {
        let at = time::format_rfc3339(ms);
        server.client().post("acme", &at, &body(&at, "/")).unwrap()
    };
    assert_eq!(post(right_ms).status, 202);
    assert_eq!(post(right_ms + 23 * HOUR_MS).status, 202);
    let later = post(right_ms + 25 * HOUR_MS);
    assert_eq!(later.status, 503, "{}", later.text());
    assert!(later.text().contains("clock") && later.header("retry-after").is_some(), "{}", later.text());
    let said = |words: &str| {
        server.log().lines().filter(|line| line.contains("WARN") && line.contains(words)).count()
    };
    eventually("the operator is told", || said("3 days before the last batch") == 1);
    assert!(server.stop().success());

    // As if it had been set forward by 400 days.
    let temp = tempfile::tempdir().unwrap();
    received_at(&temp.path().join("store"), clock::now_ms() - 400 * 24 * HOUR_MS);
    let server = Server::start(temp.path(), &[]);
    let said = |words: &str| {
        server.log().lines().filter(|line| line.contains("WARN") && line.contains(words)).count()
    };
    eventually("the operator is told", || said("400 days after the last batch") == 1);
    assert!(server.stop().success());

    // A right clock refuses them for good.
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    let at = time::format_rfc3339(clock::now_ms() + 25 * HOUR_MS);
    assert_eq!(server.client().post("acme", &at, &body(&at, "/")).unwrap().status, 400);
}

#[test]
fn week_06_a_clock_that_jumps_ahead_by_400_days_removes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &[]);
    assert_eq!(post(&server, "/"), 202);
    assert!(server.stop().success());
    // The last run was 400 days ago by the clock there is now.
    let path = temp.path().join("store/checkpoint.json");
    let mut checkpoint: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let then = clock::now_ms() - 400 * 86_400_000;
    checkpoint["retentionClock"] = time::format_rfc3339(then).into();
    checkpoint.as_object_mut().unwrap().remove("checksum");
    let text = checkpoint.to_string();
    fs::write(&path, seal_json(text.strip_suffix('}').unwrap().to_owned())).unwrap();

    let server =
        Server::start(temp.path(), &["--retain-windows-days", "30", "--tune", "checkpoint_interval=20ms"]);
    eventually("checkpoints", || server.metric("log_analytics_checkpoint_seconds_count") > 3.0);
    assert!(window(temp.path(), "acme", "20251228T1803Z").is_some());
    assert!(server.stop().success());
    assert!(window(temp.path(), "acme", "20251228T1803Z").is_some());
}

#[test]
fn week_07_the_log_begins_with_the_settings_in_force_and_metrics_show_the_free_space() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &["--retain-journal", "3d"]);
    for metric in ["log_analytics_disk_free_bytes", "log_analytics_disk_free_inodes"] {
        assert!(server.metric(metric) > 0.0, "{metric}");
    }
    assert!(server.stop().success());
    let log = fs::read_to_string(temp.path().join("log-0")).unwrap();
    let first = log.lines().next().unwrap();
    assert!(first.contains(" retain-journal=3d ") && first.contains(" min-free-bytes="), "{first}");
}

#[test]
fn week_09_a_removed_data_directory_is_said_to_be_gone_and_ends_the_server() {
    for is_moved in [false, true] {
        let temp = tempfile::tempdir().unwrap();
        let store = temp.path().join("store");
        let mut server = Server::start(temp.path(), &[]);
        assert_eq!(post(&server, "/1"), 202);
        if is_moved {
            fs::rename(&store, temp.path().join("moved")).unwrap();
        } else {
            fs::remove_dir_all(&store).unwrap();
        }
        let refused = server.client().post("acme", "/2", &body("2025-12-28T18:03:00Z", "/2")).unwrap();
        assert_eq!(refused.status, 503);
        assert!(refused.text().contains("data directory is gone"), "{}", refused.text());
        let ready = server.client().send("GET", "/readyz", &[], None).unwrap();
        assert!(ready.status == 503 && ready.text().contains("data directory is gone"), "{}", ready.text());
        let ended = server.child.wait().unwrap();
        assert_eq!(ended.code(), Some(1));
        let log = fs::read_to_string(temp.path().join("log-0")).unwrap();
        assert!(log.contains("was removed or moved") && log.contains("are lost with it"), "{log}");
        assert!(
            !log.contains("nothing is lost") && !log.contains("nothing that was acknowledged is lost"),
            "{log}"
        );
    }
}

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
