//! `--retain-windows-days`: old window files go, by size; a late entry begins such a window anew, and `verify`, told
//! the same, finds nothing wrong with that.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use log_analytics::base::disk::RealDisk;
use log_analytics::data_dir::DataDir;
use log_analytics::windows::expiry::expire;
use serde_json::json;

use crate::support::server::{Server, run};
use crate::support::stored::{verify, window};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// 2025-12-28T18:03:00Z.
const START_MS: u64 = 29_449_083 * 60_000;

#[test]
fn each_size_goes_when_its_days_have_passed_since_its_end() {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::new(temp.path());
    dir.prepare(&RealDisk).unwrap();
    let acme = temp.path().join("aggregate-results/acme");
    fs::create_dir(&acme).unwrap();
    let all = ["20251228T1803Z.json", "20251228T18Z.json", "20251228Z.json", "notes.txt"];
    let there = || -> Vec<&str> { all.into_iter().filter(|name| acme.join(name).exists()).collect() };
    all.iter().for_each(|name| fs::write(acme.join(name), "whatever it is").unwrap());

    let minute_end = START_MS + 60_000;
    assert_eq!(expire(&RealDisk, &dir, [0, 0, 0], minute_end + 1_000 * DAY_MS).unwrap(), 0);
    assert_eq!(expire(&RealDisk, &dir, [1, 0, 0], minute_end + DAY_MS).unwrap(), 0);
    assert_eq!(there(), all);
    assert_eq!(expire(&RealDisk, &dir, [1, 0, 0], minute_end + DAY_MS + 1).unwrap(), 1);
    assert_eq!(there(), all[1..]);
    // The hour ends at 19:00, the day at midnight.
    assert_eq!(expire(&RealDisk, &dir, [1, 2, 3], minute_end + 2 * DAY_MS + 1).unwrap(), 0);
    assert_eq!(expire(&RealDisk, &dir, [1, 2, 3], minute_end + 56 * 60_000 + 2 * DAY_MS + 1).unwrap(), 1);
    assert_eq!(there(), all[2..]);
    assert_eq!(expire(&RealDisk, &dir, [1, 2, 3], START_MS + 5 * DAY_MS).unwrap(), 1);
    assert_eq!(there(), ["notes.txt"]);
}

fn body(path: &str) -> Vec<u8> {
    let entry =
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "curl/8"});
    serde_json::to_vec(&[entry]).unwrap()
}

/// Starts a server that keeps minutes for a day, and waits until it has removed old ones.
fn start(dir: &Path) -> Server {
    let canary = dir.join("store/aggregate-results/canary");
    fs::create_dir_all(&canary).unwrap();
    let canary = canary.join("20200101T0000Z.json");
    fs::write(&canary, "old").unwrap();
    let server =
        Server::start(dir, &["--retain-windows-days", "1,0,0", "--tune", "checkpoint_interval=20ms"]);
    let deadline = Instant::now() + Duration::from_secs(60);
    while canary.exists() {
        assert!(Instant::now() < deadline, "old windows are never looked for");
        std::thread::sleep(Duration::from_millis(5));
    }
    server
}

#[test]
fn a_window_that_went_and_began_anew_is_no_problem() {
    let temp = tempfile::tempdir().unwrap();
    // A journal first: a directory with windows alone is refused.
    assert!(Server::start(temp.path(), &[]).stop().success());
    for number in 0..2 {
        let server = start(temp.path());
        // The minute of the first run is gone now; its hour and day are kept.
        assert_eq!(window(temp.path(), "acme", "20251228T1803Z"), None);
        assert_eq!(window(temp.path(), "acme", "20251228T18Z").is_some(), number > 0);
        let path = format!("/{number}");
        assert_eq!(server.client().post("acme", &path, &body(&path)).unwrap().status, 202);
        assert!(server.stop().success());
    }
    let requests = |stamp: &str| window(temp.path(), "acme", stamp).unwrap()["requests"].clone();
    assert_eq!((requests("20251228T1803Z"), requests("20251228T18Z")), (json!(1), json!(2)));

    let store = temp.path().join("store");
    let told = run(&["verify", "--retain-windows-days", "1,0,0", "--data-dir", store.to_str().unwrap()]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
    assert!(!verify(temp.path()).0, "whoever is not told of it sees that something is missing");
    // Counted twice it would still be found.
    let path = store.join("aggregate-results/acme/20251228T1803Z.json");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.split(",\"checksum\"").next().unwrap().replace("\"requests\":1", "\"requests\":3");
    let text = text.replace("\"GET /1\":1", "\"GET /1\":3").replace("\"curl\":1", "\"curl\":3");
    fs::write(&path, log_analytics::base::sealed::seal_json(text)).unwrap();
    let told = run(&["verify", "--retain-windows-days", "1,0,0", "--data-dir", store.to_str().unwrap()]);
    assert!(!told.status.success(), "{}", String::from_utf8_lossy(&told.stdout));
}
