//! Old days are packed, and only a listing of the directory shows it: queries, late entries, `kill -9`, `verify`, `windows cat`,
//! `report`, backups and retention see the same windows as before.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::support::rng::Rng;
use crate::support::server::{Server, run};
use crate::support::stored::{assert_verified, verify};
use crate::support::wait::eventually;

const MINUTES: &str = "20251228.minutes.ndjson.zst";
const HOURS: &str = "20251228.hours.ndjson.zst";

fn customer_dir(dir: &Path) -> PathBuf {
    dir.join("store/aggregate-results/acme")
}

/// The names of a customer's files that match.
fn files(dir: &Path, ending: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(customer_dir(dir))
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.retain(|name| name.ends_with(ending));
    names.sort_unstable();
    names
}

/// A server that packs days as soon as it may.
fn start(dir: &Path, more: &[&str]) -> Server {
    let eager = ["--pack-after", "1d", "--tune", "pack_interval=30ms", "--tune", "pack_quiet=1ms"];
    let eager = [&eager[..], &["--tune", "checkpoint_interval=30ms"], more].concat();
    Server::start(dir, &eager)
}

/// Sends one entry for each of these minutes of 2025-12-28, 18:00 being the first.
fn send(server: &Server, minutes: std::ops::Range<u32>, path: &str) {
    let entry = |minute: u32| {
        let time = format!("2025-12-28T{:02}:{:02}:00Z", 18 + minute / 60, minute % 60);
        json!({"receivedAt": time, "method": "GET", "path": path, "userAgent": "curl/8", "status": 200})
    };
    let entries: Vec<Value> = minutes.map(entry).collect();
    let answer = server.client().post("acme", path, &serde_json::to_vec(&entries).unwrap()).unwrap();
    assert_eq!(answer.status, 202);
}

/// The lines of a pack.
fn packed(dir: &Path, name: &str) -> Vec<String> {
    let bytes = zstd::decode_all(&fs::read(customer_dir(dir).join(name)).unwrap()[..]).unwrap();
    String::from_utf8(bytes).unwrap().split_inclusive('\n').map(str::to_owned).collect()
}

/// Waits until both packs hold so many requests, and nothing but the day's own file lies beside them.
fn await_packed(dir: &Path, requests: u64) {
    let sum = |name| -> u64 {
        let windows = packed(dir, name).into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
        windows.map(|window| window["requests"].as_u64().unwrap()).sum()
    };
    eventually("the day is packed", || {
        let are_all = files(dir, ".json") == ["20251228Z.json"] && files(dir, ".zst") == [HOURS, MINUTES];
        are_all && sum(MINUTES) == requests && sum(HOURS) == requests
    });
}

/// The windows of 2025-12-28 of a size; further parameters may follow it.
fn windows(server: &Server, size: &str) -> Value {
    let target =
        format!("/aggregates?from=2025-12-28T00:00:00Z&to=2025-12-29T00:00:00Z&limit=1000&window={size}");
    let answer = server.client().get(&target, &[("x-customer-id", "acme")]).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["windows"].clone()
}

fn cat(dir: &Path, more: &[&str]) -> Output {
    let store = dir.join("store");
    run(&[&["windows", "cat", "--data-dir", store.to_str().unwrap()], more].concat())
}

#[test]
fn a_packed_day_answers_takes_late_entries_and_survives_kills() {
    let temp = tempfile::tempdir().unwrap();
    let plain_dir = tempfile::tempdir().unwrap();
    let mut server = start(temp.path(), &[]);
    let plain = Server::start(plain_dir.path(), &[]);
    for (number, (minutes, requests)) in [(0..90, 90), (30..40, 100), (45..46, 101)].into_iter().enumerate() {
        let path = format!("/{number}");
        send(&server, minutes.clone(), &path);
        send(&plain, minutes, &path);
        await_packed(temp.path(), requests);
        for size in ["minute", "hour", "day", "hour&where=path!=/1"] {
            assert_eq!(windows(&server, size), windows(&plain, size), "{size} after batch {number}");
        }
        server.kill();
        assert_verified(temp.path());
        server = start(temp.path(), &[]);
    }
    assert!(server.stop().success());
    assert!(plain.stop().success());
    assert_verified(temp.path());

    // The lines are the files, byte for byte.
    let printed = |more: &[&str]| String::from_utf8(cat(temp.path(), more).stdout).unwrap();
    assert_eq!(packed(temp.path(), MINUTES).len(), 90);
    assert!(printed(&["--customer", "acme", "--size", "minute"]) == packed(temp.path(), MINUTES).concat());
    assert!(printed(&["--size", "hour"]) == packed(temp.path(), HOURS).concat());
    assert_eq!(cat(temp.path(), &["--customer", "other"]).stdout, b"");
    let store = temp.path().join("store");
    let report = run(&["report", "--data-dir", store.to_str().unwrap(), "--window", "hour"]);
    assert!(String::from_utf8_lossy(&report.stdout).contains("acme: 101 requests"), "{report:?}");
}

#[test]
fn a_backup_holds_packs_and_retention_removes_them() {
    let temp = tempfile::tempdir().unwrap();
    let server = start(temp.path(), &[]);
    send(&server, 0..90, "/");
    await_packed(temp.path(), 90);
    let (store, copy) = (temp.path().join("store"), temp.path().join("copy"));
    fs::create_dir(&copy).unwrap();
    let to = copy.join("store");
    let backup = run(&["backup", "--data-dir", store.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    assert!(backup.status.success(), "{backup:?}");
    assert!(server.stop().success());

    // A start on the copy proves its sums, packed windows included.
    let server = start(&copy, &[]);
    assert_eq!(windows(&server, "minute").as_array().unwrap().len(), 90);
    assert!(server.stop().success());
    assert_verified(&copy);

    let server = start(temp.path(), &["--retain-windows-days", "1,0,0"]);
    eventually("the minutes are removed", || files(temp.path(), ".zst") == [HOURS]);
    assert_eq!(windows(&server, "hour").as_array().unwrap().len(), 2);
    assert!(server.stop().success());
    let report = assert_verified(temp.path());
    assert_eq!((&report["provenCustomers"], &report["windows"]), (&json!(1), &json!(3)));
}

#[test]
fn a_damaged_pack_is_found_and_counted_again_as_far_as_the_journal_reaches() {
    let temp = tempfile::tempdir().unwrap();
    let server = start(temp.path(), &[]);
    send(&server, 0..90, "/");
    await_packed(temp.path(), 90);
    assert!(server.stop().success());
    let path = customer_dir(temp.path()).join(MINUTES);
    let whole = fs::read(&path).unwrap();

    // In a frame: the windows in it are counted again when a query needs them.
    let mut bytes = whole.clone();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (clean, report) = verify(temp.path());
    assert!(!clean && report["problems"].to_string().contains(MINUTES), "{report}");
    let server = Server::start(temp.path(), &[]);
    let counted = windows(&server, "minute");
    assert_eq!(counted.as_array().unwrap().len(), 90);
    assert!(counted.as_array().unwrap().iter().all(|window| window["requests"] == 1));
    assert!(server.stop().success());
    assert_verified(temp.path());

    // In the index: which windows there were is not known.
    let other = tempfile::tempdir().unwrap();
    let server = start(other.path(), &[]);
    send(&server, 0..90, "/");
    await_packed(other.path(), 90);
    assert!(server.stop().success());
    let path = customer_dir(other.path()).join(MINUTES);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 30;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (clean, report) = verify(other.path());
    assert!(!clean && report["problems"].to_string().contains("index"), "{report}");
    let server = Server::start(other.path(), &[]);
    let target = "/aggregates?from=2025-12-28T18:00:00Z&to=2025-12-28T19:00:00Z&window=minute";
    let answer = server.client().get(target, &[("x-customer-id", "acme")]).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(server.log().contains(MINUTES) && server.log().contains("index"), "{}", server.log());
    assert!(server.stop().success());
    let store = other.path().join("store");
    let repaired = run(&["repair", "--accept-lost-windows", "--data-dir", store.to_str().unwrap()]);
    assert!(repaired.status.success(), "{repaired:?}");
    assert_eq!(files(other.path(), ".zst"), [HOURS]);
    assert_eq!(fs::read_dir(store.join("quarantine")).unwrap().count(), 1);
    let server = Server::start(other.path(), &[]);
    assert_eq!(windows(&server, "hour").as_array().unwrap().len(), 2);
    assert_eq!(windows(&server, "minute"), json!([]));
    assert!(server.stop().success());
}

/// A small shop's day: a request or a few in every minute, in all fields that entries have.
fn send_day(server: &Server, day: &str, rng: &mut Rng) {
    let mut lines = String::new();
    for minute in 0..1_440 {
        for _ in 0..rng.between(1, 3) {
            // Small numbers come more often, as popular pages do.
            let (pages, micros) = (1 << rng.below(9), 1 << rng.between(10, 20));
            let page = rng.below(pages);
            let entry = json!({
                "receivedAt": format!("{day}T{:02}:{:02}:{:02}Z", minute / 60, minute % 60, rng.below(60)),
                "method": rng.pick(&["GET", "GET", "GET", "POST"]),
                "path": format!("/products/{}", page * 7_919 % 10_007),
                "userAgent": rng.pick(&["Firefox/132.0", "curl/8.5", "Googlebot/2.1", "GPTBot/1.2"]),
                "status": rng.pick(&[200, 200, 200, 200, 304, 301, 404, 500]),
                "responseBytes": rng.between(200, 50_000),
                "durationSeconds": rng.between(500, micros) as f64 / 1e6,
                "host": "www.shop.example",
                "referrer": rng.pick(&["-", "https://www.google.com/", "https://news.example/story"]),
                "clientIp": format!("203.0.113.{}", rng.below(256)),
                "country": rng.pick(&["DE", "AT", "US"]),
            });
            lines.push_str(&format!("{entry}\n"));
        }
    }
    let headers =
        [("x-customer-id", "acme"), ("idempotency-key", day), ("content-type", "application/x-ndjson")];
    let answer = server.client().send("POST", "/logs", &headers, Some(lines.as_bytes())).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

#[test]
fn a_packed_year_is_at_most_1100_files_and_a_tenth_of_the_bytes() {
    // What a disk takes for so many bytes.
    let in_blocks = |bytes: usize| bytes.next_multiple_of(4_096);
    let temp = tempfile::tempdir().unwrap();
    let server = start(temp.path(), &[]);
    let mut rng = Rng::new(1);
    send_day(&server, "2025-12-27", &mut rng);
    send_day(&server, "2025-12-28", &mut rng);
    let days = ["20251227", "20251228"];
    let names: Vec<String> = days
        .iter()
        .flat_map(|day| {
            [".hours.ndjson.zst", ".minutes.ndjson.zst", "Z.json"].map(|ending| format!("{day}{ending}"))
        })
        .collect();
    eventually("both days are packed", || files(temp.path(), "") == names);
    assert!(names.len() * 366 <= 1_100 * days.len());
    let bytes_of = |name: &String| fs::metadata(customer_dir(temp.path()).join(name)).unwrap().len() as usize;
    let on_disk: usize = names.iter().map(|name| in_blocks(bytes_of(name))).sum();
    // A line is the file that the window had.
    let lines = |name: &String| packed(temp.path(), name).iter().map(|line| in_blocks(line.len())).sum();
    let unpacked: usize = names
        .iter()
        .map(|name| if name.ends_with(".json") { in_blocks(bytes_of(name)) } else { lines(name) })
        .sum();
    println!("{unpacked} bytes in files of their own, {on_disk} packed");
    assert!(on_disk * 10 <= unpacked, "{unpacked} bytes in files of their own, {on_disk} packed");
    assert!(server.stop().success());
    assert_verified(temp.path());
}
