//! Writes a data directory that holds a bit of everything: segments that are sealed and one that is not, bodies in every
//! coding, windows of every size, some with `(other)`, customers whose names need encoding, keys of both kinds, and a
//! tail after the last checkpoint, left by `kill -9`.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::{batches, copy, listed};
use crate::support::server::Server;

/// A body that was never sent.
pub(crate) const OTHER_BODY: &[u8] =
    br#"[{"receivedAt":"2020-02-29T12:00:00Z","method":"DELETE","path":"/never","userAgent":"x"}]"#;

/// Small segments, and windows with room for a few keys only; nothing is written before the end.
const FLAGS: [&str; 12] = [
    "--partitions",
    "3",
    "--tune",
    "segment_bytes=2KiB",
    "--tune",
    "max_window_paths=6",
    "--tune",
    "max_window_agents=4",
    "--tune",
    "checkpoint_interval=1h",
    "--tune",
    "flush_interval=1h",
];

const CUSTOMERS: [&str; 3] = ["acme", "50%/day@example.com", "../escape"];
const AGENTS: [&str; 6] = [
    "curl/8.5.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Wget/1.21.3",
    "python-requests/2.31.0",
];

fn entries(number: usize, count: usize) -> Vec<Value> {
    let entry = |index: usize| {
        // Around the end of an hour, of a day and of a year.
        let minute = ["2024-12-31T22:59", "2024-12-31T23:00", "2024-12-31T23:59", "2025-01-01T00:00"]
            [(number + index) % 4];
        let path = format!("/{}/größe/{}", ["a", "b", "c"][index % 3], (number * 7 + index) % 5);
        json!({
            "receivedAt": format!("{minute}:{:02}.{:03}Z", index % 60, number),
            "method": if index.is_multiple_of(2) { "GET" } else { "POST" },
            "path": path,
            "userAgent": AGENTS[(number + index / 2) % AGENTS.len()].to_owned(),
        })
    };
    (0..count).map(entry).collect()
}

/// Sends one batch, and keeps its body under the number of its record.
fn send(server: &Server, version: &Path, number: usize) {
    let seq = number + 1;
    let (body, content_type) = match number % 5 {
        // So small that it cannot be made smaller.
        0 => (
            br#"[{"receivedAt":"2025-01-01T00:00:07Z","method":"GET","path":"/","userAgent":"-"}]"#.to_vec(),
            "application/json",
        ),
        1 => {
            let lines = entries(number, 9).into_iter().map(|entry| format!("{entry}\n"));
            (lines.collect::<String>().into_bytes(), "application/x-ndjson")
        }
        _ => (serde_json::to_vec(&entries(number, 12)).unwrap(), "application/json"),
    };
    fs::write(version.join("expected/bodies").join(seq.to_string()), &body).unwrap();
    let key = format!("batch-{number:03}");
    let mut headers =
        vec![("x-customer-id", CUSTOMERS[number % CUSTOMERS.len()]), ("content-type", content_type)];
    if number % 7 != 6 {
        headers.push(("idempotency-key", key.as_str()));
    }
    let body = match number % 5 {
        2 => {
            headers.push(("content-encoding", "gzip"));
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(&body).unwrap();
            encoder.finish().unwrap()
        }
        3 => {
            headers.push(("content-encoding", "zstd"));
            zstd::encode_all(&body[..], 3).unwrap()
        }
        _ => body,
    };
    let answer = server.client().send("POST", "/logs", &headers, Some(&body)).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// Writes `store/` and what is to be found in it into `expected/`.
pub(crate) fn write(version: &Path) {
    fs::create_dir_all(version.join("expected/bodies")).unwrap();
    // Logs stay outside of what is kept.
    let temp = tempfile::tempdir().unwrap();
    let mut number = 0;
    let mut run = |count: usize, more: &[&str]| {
        let server = Server::start(temp.path(), &[&FLAGS, more].concat());
        for _ in 0..count {
            send(&server, version, number);
            number += 1;
        }
        server
    };
    assert!(run(14, &[]).stop().success());
    assert!(run(4, &["--raw-batches", "drop"]).stop().success());
    // After the checkpoint: only the journal has these.
    run(6, &[]).kill();
    let store = temp.path().join("store");
    for lock in ["LOCK", "RETAIN"] {
        fs::remove_file(store.join(lock)).unwrap();
    }
    copy(&store, &version.join("store"));

    let list = batches("list", &store, &[]);
    assert_eq!(listed(std::str::from_utf8(&list).unwrap()).len(), number);
    fs::write(version.join("expected/batches.tsv"), list).unwrap();
    // What the windows come to once the tail is replayed.
    assert!(Server::start(temp.path(), &[]).stop().success());
    copy(&store.join("aggregate-results"), &version.join("expected/windows"));
    assert_sums(version);
}

/// The windows hold every entry of every body three times over: in its minute, its hour and its day.
fn assert_sums(version: &Path) {
    let entries = super::files(&version.join("expected/bodies"))
        .into_values()
        .map(|path| fs::read_to_string(path).unwrap().matches("receivedAt").count() as u64);
    let entries: u64 = entries.sum();
    let mut sums = [0; 3];
    let mut others = 0;
    for (name, window) in super::counts(&version.join("expected/windows")) {
        let size = match name.rsplit('/').next().unwrap().len() {
            19 => 0,
            17 => 1,
            14 => 2,
            _ => panic!("{name} is no window"),
        };
        sums[size] += window["requests"].as_u64().unwrap();
        others += u64::from(window["requestsByPath"].get("(other)").is_some());
        for map in ["requestsByPath", "requestsByUserAgent"] {
            let sum: u64 =
                window[map].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
            assert_eq!(sum, window["requests"].as_u64().unwrap(), "{name} {map}");
        }
    }
    assert_eq!(sums, [entries; 3]);
    assert!(others > 0, "no window has (other)");
}
