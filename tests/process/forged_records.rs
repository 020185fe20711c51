//! A record inside what a client sends is never taken for one of the journal's own. Where damage hides a record's beginning,
//! recovery and `repair` search the bytes behind it for whole records; a customer who could put one there could make a
//! start be refused, or count for somebody else. A record's checksums have no secret, but its tag has.

use std::fs;
use std::io::Write;
use std::path::Path;

use log_analytics::base::secret::Secret;
use log_analytics::batch::{Content, Format};
use log_analytics::journal::format::{BodyCoding, MAGIC, Parts, Record, RecordDraft, RecordKey};
use log_analytics::journal::summary;
use log_analytics::model::{BatchId, CustomerId, Seq, Summary};
use serde_json::json;

use crate::support::server::{Server, run};
use crate::support::stored::{assert_verified, window};

const SEGMENT: &str = "store/journal/00000000000000000001.log";
const FLAGS: [&str; 4] = ["--tune", "checkpoint_interval=1h", "--tune", "flush_interval=1h"];

/// A whole record that claims that everything before it was durable.
fn record(batch_id: &str, seq: u64, received_at_ms: u64) -> Vec<u8> {
    let parts = Parts {
        customer: &CustomerId::new("victim").unwrap(),
        batch_id: &BatchId::new(batch_id).unwrap(),
        server_made_id: false,
        content: &Content::Json(Format::JsonArray),
        entries: 0,
        fingerprint: 0,
        body_bytes: 0,
    };
    let summary = Summary { entries: 0, ..Summary::default() };
    let mut draft =
        RecordDraft::new(parts, 64, |bytes| summary::encode(&summary, bytes), |_| BodyCoding::Dropped);
    draft.number(Seq(seq), Seq(seq - 1), received_at_ms, &guessed_key());
    draft.bytes().to_vec()
}

/// The key under the secret that a client guesses.
fn guessed_key() -> RecordKey {
    RecordKey::new(&Secret::from_file(&[0; 16]).unwrap())
}

/// A record that can stand in a JSON string, because all its bytes are ASCII. About a hundred thousand tries find
/// one.
fn record_as_text() -> String {
    // A query string would be cut off.
    let is_text = |bytes: &[u8]| bytes.is_ascii() && !bytes.contains(&b'?');
    let payload_is_ascii = |id: &u32| is_text(&record(&id.to_string(), 100, 0)[24..32]);
    let id = (0..100_000).find(payload_is_ascii).unwrap().to_string();
    let ascii = |n: u64| (n & 0x7F) | (n >> 7 & 0x7F) << 8 | (n >> 14) << 16;
    let found = (0..1 << 21).map(|n| record(&id, 100, ascii(n))).find(|record| is_text(record));
    String::from_utf8(found.unwrap()).unwrap()
}

fn body(path: &str) -> Vec<u8> {
    let entry =
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "curl/8"});
    serde_json::to_vec(&[entry]).unwrap()
}

/// A gzip body whose header carries a record: decoders skip it.
fn gzip(path: &str) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new()
        .extra(record("forged", 1_000, 1))
        .write(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&body(path)).unwrap();
    encoder.finish().unwrap()
}

fn post_gzip(server: &Server, key: &str, path: &str) -> u16 {
    let headers = [
        ("x-customer-id", "acme"),
        ("idempotency-key", key),
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    server.client().send("POST", "/logs", &headers, Some(&gzip(path))).unwrap().status
}

/// Where in the journal a record begins that is whole under this key.
fn records(dir: &Path, key: &RecordKey) -> Vec<usize> {
    let bytes = fs::read(dir.join(SEGMENT)).unwrap();
    (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(&MAGIC) && Record::decode(&bytes[*at..], key).is_ok())
        .collect()
}

/// The key that the data directory has.
fn own_key(dir: &Path) -> RecordKey {
    RecordKey::new(&Secret::from_file(&fs::read(dir.join("store/secret")).unwrap()).unwrap())
}

#[test]
fn a_record_in_a_body_proves_nothing_behind_damage() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &FLAGS);
    assert_eq!(server.client().post("acme", "k0", &body("/0")).unwrap().status, 202);
    assert_eq!(post_gzip(&server, "k1", "/1"), 202);
    assert_eq!(post_gzip(&server, "k1", "/1"), 409);
    server.kill();
    let own = records(temp.path(), &own_key(temp.path()));
    assert_eq!(own.len(), 2, "two batches, and what passes for records at {own:?}");
    assert_eq!(records(temp.path(), &guessed_key()).len(), 1, "the body is kept as it came");

    // The beginning of the last record is torn: nothing behind it proves that it was ever durable.
    let path = temp.path().join(SEGMENT);
    let mut bytes = fs::read(&path).unwrap();
    bytes[own[1] + 40] ^= 0xFF;
    fs::write(&path, bytes).unwrap();
    let server = Server::start(temp.path(), &FLAGS);
    assert_eq!(server.client().post("acme", "k0", &body("/0")).unwrap().status, 409);
    assert_eq!(post_gzip(&server, "k1", "/1"), 202);
    assert!(server.stop().success());
    assert_eq!(window(temp.path(), "acme", "20251228T1803Z").unwrap()["requests"], 2);
    assert_verified(temp.path());
    let store = temp.path().join("store");
    let kept = run(&["batches", "cat", "--seq", "2", "--data-dir", store.to_str().unwrap()]);
    assert_eq!(
        kept.stdout,
        [body("/1"), b"\n".to_vec()].concat(),
        "{}",
        String::from_utf8_lossy(&kept.stderr)
    );
}

#[test]
fn a_path_that_holds_a_record_is_a_path_like_any_other() {
    let temp = tempfile::tempdir().unwrap();
    let server = Server::start(temp.path(), &FLAGS);
    let forged = format!("/{}", record_as_text());
    assert!(Record::decode(&forged.as_bytes()[1..], &guessed_key()).is_ok());
    let answer = server.client().post("acme", "k0", &body(&forged)).unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert!(server.stop().success());
    let window = window(temp.path(), "acme", "20251228T1803Z").unwrap();
    assert_eq!(window["requestsByPath"][format!("GET {forged}")], 1);
    assert_verified(temp.path());
}
