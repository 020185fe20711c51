//! Scenario 001: 64,000 entries over 4 minutes, 4 paths and 4 user agents, in 3,200 batches of 20, and 2,000 duplicates.
//!
//! Entry i: bucket = i % 64, round = i / 64; minute = bucket / 16 of 18:03 to 18:06 on 2025-12-28; combination =
//! bucket % 16, path = / 4, agent = % 4; second = round % 60, millisecond = (bucket · 17 + round) % 1000. Batch k (1 to
//! 3,200) takes entries ((k − 1) · 20 + j · 3201) % 64,000 for j = 0 … 19, under the key `batch-%06d`.

use serde_json::{Value, json};

pub const BATCHES: usize = 3_200;
pub const DUPLICATES: usize = 2_000;
const ENTRIES: usize = 64_000;

const PATHS: [&str; 4] = ["/", "/about", "/careers", "/contact"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/7.88.1",
];

fn entry(number: usize) -> Value {
    let (bucket, round) = (number % 64, number / 64);
    let (minute, combination) = (3 + bucket / 16, bucket % 16);
    let (second, ms) = (round % 60, (bucket * 17 + round) % 1000);
    json!({
        "receivedAt": format!("2025-12-28T18:{minute:02}:{second:02}.{ms:03}Z"),
        "method": "GET",
        "path": PATHS[combination / 4],
        "userAgent": AGENTS[combination % 4],
    })
}

pub fn key(batch: usize) -> String {
    format!("batch-{batch:06}")
}

/// The body of batch `batch`, 1 to [`BATCHES`].
pub fn body(batch: usize) -> Vec<u8> {
    let entries: Vec<Value> = (0..20).map(|j| entry(((batch - 1) * 20 + j * 3201) % ENTRIES)).collect();
    serde_json::to_vec(&entries).unwrap()
}

/// All batches and the duplicates, in an order that is always the same and mixes them.
pub fn deliveries() -> Vec<usize> {
    let mut all: Vec<usize> = (1..=BATCHES).chain((0..DUPLICATES).map(|i| i * 7919 % BATCHES + 1)).collect();
    // Fisher and Yates with a fixed linear congruential generator (Knuth's MMIX constants).
    let mut state = 1u64;
    for i in (1..all.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(i, (state >> 33) as usize % (i + 1));
    }
    all
}
