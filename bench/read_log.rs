//! How fast log lines become entries: `cargo run --release --example read_log [FILE]`.
//!
//! Input: a log file, or made-up lines of the two commonest shapes. Output: MB/s of the reader, on one core, beside the same
//! bytes only cut into lines. Never: a file written.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark stops at the unexpected")]

use std::hint::black_box;

use log_analytics::base::clock;
use log_analytics::entry::{LineOutcome, Reader, ReaderOptions};

const ROUNDS: u32 = 7;
const BODY_BYTES: usize = 64 << 20;

const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.6.0",
];

fn combined(number: usize) -> String {
    let (second, agent) = (number / 50 % 60, AGENTS[number % AGENTS.len()]);
    format!(
        "203.0.113.{} - - [28/Dec/2024:18:{:02}:{second:02} +0000] \"GET /catalog/item-{}?ref={number} HTTP/1.1\" 200 {} \
         \"https://www.example.com/catalog/\" \"{agent}\"\n",
        number % 250,
        number / 3_000 % 60,
        number % 4_000,
        number * 37 % 90_000,
    )
}

fn nginx_json(number: usize) -> String {
    let (second, agent) = (number / 50 % 60, AGENTS[number % AGENTS.len()]);
    format!(
        "{{\"time_iso8601\":\"2024-12-28T18:{:02}:{second:02}+00:00\",\"remote_addr\":\"203.0.113.{}\",\"remote_user\":\"\",\
         \"request\":\"GET /catalog/item-{}?ref={number} HTTP/1.1\",\"status\":\"200\",\"body_bytes_sent\":\"{}\",\
         \"request_time\":\"0.{:03}\",\"upstream_response_time\":\"0.001\",\"http_host\":\"www.example.com\",\
         \"http_referer\":\"https://www.example.com/catalog/\",\"http_user_agent\":\"{agent}\",\
         \"http_x_forwarded_for\":\"\",\"request_id\":\"5f0c6a2b9e3d4c1a8b7f6e5d4c3b2a19\"}}\n",
        number / 3_000 % 60,
        number % 250,
        number % 4_000,
        number * 37 % 90_000,
        number % 1_000,
    )
}

fn body(line: fn(usize) -> String) -> Vec<u8> {
    let mut body = Vec::with_capacity(BODY_BYTES + 1_000);
    let mut number = 0;
    while body.len() < BODY_BYTES {
        body.extend_from_slice(line(number).as_bytes());
        number += 1;
    }
    body
}

/// The best of some rounds, in MB/s.
fn megabytes_per_second(bytes: usize, mut round: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let began = clock::monotonic();
        round();
        began.elapsed().as_secs_f64()
    });
    bytes as f64 / 1e6 / rounds.fold(f64::INFINITY, f64::min)
}

fn report(name: &str, body: &[u8]) {
    let (mut entries, mut skipped) = (0_u64, 0_u64);
    let read = megabytes_per_second(body.len(), || {
        (entries, skipped) = (0, 0);
        let mut reader = Reader::new(ReaderOptions::default());
        reader.body(body, &mut |outcome| match outcome {
            LineOutcome::Entry { entry, .. } => entries += u64::from(black_box(entry).received_at_micros > 0),
            LineOutcome::Skipped { .. } => skipped += 1,
        });
    });
    let cut = megabytes_per_second(body.len(), || {
        black_box(memchr::memchr_iter(b'\n', body).count());
    });
    println!(
        "{name}: {read:.0} MB/s ({entries} entries, {skipped} skipped); lines only: {cut:.0} MB/s, {:.1} times",
        cut / read
    );
}

fn main() {
    match std::env::args().nth(1) {
        Some(path) => report(&path, &std::fs::read(&path).unwrap()),
        None => {
            report("NCSA combined", &body(combined));
            report("nginx JSON", &body(nginx_json));
        }
    }
}
