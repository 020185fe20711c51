//! The cost of a window: merging a batch into it, making its JSON, and writing its file, each beside its floor in the
//! same run: counting in a plain map of strings, copying the bytes, and one small write and sync. Then the cost of a
//! full day of measured paths, and of a scanner that fills windows with paths seen once.
//!
//! `cargo bench --bench windows`; `-- merge`, `-- flush`, `-- day` or `-- scanner` for one of them.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::Instant;

use common::{Fields, Shape};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use log_analytics::base::disk::{RealDisk, replace_file};
use log_analytics::batch::{Format, Limits, insights, summarize};
use log_analytics::model::{CustomerId, Insight, Seq};
use log_analytics::windows::fold::WindowLimits;
use log_analytics::windows::window::Window;

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;
const LIMITS: WindowLimits = WindowLimits::NONE;

/// The minute of a batch of this many entries.
fn insight(entries: usize, fields: Fields) -> Insight {
    let body = Shape { minutes: 1, fields, ..Shape::standard(entries) }.ndjson();
    let summary = summarize(&body, Format::Ndjson, &Limits::default(), NOW_MS).unwrap().summary;
    insights(&CustomerId::new("bench").unwrap(), &summary).swap_remove(0)
}

fn window(insight: &Insight) -> Window {
    Window::new(insight.customer.clone(), insight.window)
}

fn merge(c: &mut Criterion) {
    for (entries, fields) in [(20, Fields::Bare), (1_000, Fields::Bare), (1_000, Fields::Full)] {
        let insight = insight(entries, fields);
        let counts = &insight.counts;
        let mut group = c.benchmark_group(format!("merge a batch of {entries}, {fields:?}"));
        group.throughput(Throughput::Elements(counts.by.iter().map(|by| by.rows.len() as u64).sum()));
        group.bench_function("floor: a map of strings", |b| {
            let mut map: HashMap<String, u64> = HashMap::new();
            b.iter(|| {
                for (by, keys) in counts.by.iter().zip(&insight.keys.tables) {
                    for row in &by.rows {
                        *map.entry(keys.get(row.index).to_owned()).or_default() += u64::from(row.requests);
                    }
                }
            });
        });
        group.bench_function("known keys", |b| {
            let (mut window, mut seq) = (window(&insight), 0);
            b.iter(|| {
                seq += 1;
                window.merge(Seq(seq), &insight.keys, &insight.counts, &LIMITS)
            });
        });
        group.bench_function("new keys", |b| {
            b.iter_batched_ref(
                || window(&insight),
                |window| window.merge(Seq(1), &insight.keys, &insight.counts, &LIMITS),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn flush(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let shapes = [(20, Fields::Bare), (1_000, Fields::Bare), (50_000, Fields::Bare), (5_000, Fields::Full)];
    for (entries, fields) in shapes {
        let insight = insight(entries, fields);
        let mut window = window(&insight);
        window.merge(Seq(1), &insight.keys, &insight.counts, &LIMITS);
        let bytes = window.encode();
        let mut group = c.benchmark_group(format!("flush {} keys, {fields:?}", window.keys()));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.sample_size(30);
        group.bench_function("floor: copy", |b| b.iter(|| black_box(&bytes).clone()));
        group.bench_function("encode", |b| b.iter(|| window.encode()));
        let (temp, path) = (dir.path().join("temp"), dir.path().join("window"));
        group.bench_function("floor: write and sync", |b| {
            b.iter(|| replace_file(&RealDisk, &temp, &path, &[b"x"]).unwrap());
        });
        group.bench_function("encode, write and sync", |b| {
            b.iter(|| replace_file(&RealDisk, &temp, &path, &[&window.encode()]).unwrap());
        });
        group.finish();
    }
}

/// The insights of a body's minute, hour and day.
fn insights_of(body: &[u8]) -> Vec<Insight> {
    let limits = Limits { max_entries: usize::MAX, ..Limits::default() };
    let summary = summarize(body, Format::Ndjson, &limits, NOW_MS).unwrap().summary;
    insights(&CustomerId::new("bench").unwrap(), &summary)
}

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed().as_secs_f64(), done)
}

/// A day that names as many measured paths as it may: its memory, its file, and how long it takes.
fn day(c: &mut Criterion) {
    const PATHS: usize = 45_000;
    let mut day: Option<Window> = None;
    let mut last = Vec::new();
    for round in 0..10usize {
        let mut body = String::new();
        for number in 0..PATHS {
            // Most paths answer 200 within some milliseconds: a few statuses and buckets each.
            let path = format!("/articles/{}/{:05}", 2_000 + number % 25, number);
            let (status, micros) =
                ([200, 200, 200, 304, 404][(number + round) % 5], (number * 7 + round * 911) % 40_000);
            body.push_str(&format!(
                concat!(
                    r#"{{"receivedAt":"2025-12-28T18:03:00Z","method":"GET","path":"{}","userAgent":"curl/8","#,
                    r#""status":{},"responseBytes":{},"durationSeconds":0.{:06}}}"#,
                    "\n"
                ),
                path, status, number, micros
            ));
        }
        last = insights_of(body.as_bytes());
        let insight = last.last().unwrap();
        let day = day.get_or_insert_with(|| window(insight));
        day.merge(Seq(round as u64 + 1), &insight.keys, &insight.counts, &WindowLimits::default());
    }
    let (mut day, insight) = (day.unwrap(), last.pop().unwrap());
    let (encoding, file) = seconds(|| day.encode());
    let (decoding, read) = seconds(|| Window::decode_any(&file).unwrap());
    assert_eq!(read.keys(), day.keys());
    let (snapshot, copy) = seconds(|| day.clone());
    drop(copy);
    let (merging, folded) =
        seconds(|| day.merge(Seq(100), &insight.keys, &insight.counts, &WindowLimits::default()));
    println!(
        "a day of {} measured paths: {} bytes of memory and {} of file a key; encode {:.1} ms, decode {:.1} ms, \
         copy {:.1} ms, merge a batch of all keys {:.1} ms ({} folded)",
        read.keys(),
        read.resident_bytes() / read.keys(),
        file.len() / read.keys(),
        encoding * 1e3,
        decoding * 1e3,
        snapshot * 1e3,
        merging * 1e3,
        folded.keys,
    );
    c.benchmark_group("day").sample_size(10).bench_function("encode", |b| b.iter(|| day.encode()));
}

/// A scanner whose every path is new: what its batches cost before the windows are full, and while they fold.
fn scanner(c: &mut Criterion) {
    const BATCH: usize = 5_000;
    let bodies: Vec<Vec<u8>> = (0..200usize)
        .map(|batch| {
            let line = |number: usize| {
                let random = (batch * BATCH + number + 1) as u64;
                let random = random.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ random.wrapping_mul(0xD1B5_4A32_D192_ED03) >> 17;
                format!(
                    concat!(
                        r#"{{"receivedAt":"2025-12-28T18:03:00Z","method":"GET","path":"/{:016x}.php","#,
                        r#""userAgent":"Mozilla/5.0 zgrab/0.x","status":404,"referrer":"https://{:012x}.example/"}}"#
                    ),
                    random,
                    random >> 8
                )
            };
            (0..BATCH).map(line).collect::<Vec<_>>().join("\n").into_bytes()
        })
        .collect();
    let run = |limits: &WindowLimits, bodies: &[Vec<u8>], windows: &mut Vec<Window>, first: usize| {
        for (number, body) in bodies.iter().enumerate() {
            let insights = insights_of(body);
            if windows.is_empty() {
                windows.extend(insights.iter().map(window));
            }
            for (window, insight) in windows.iter_mut().zip(&insights) {
                window.merge(Seq((first + number + 1) as u64), &insight.keys, &insight.counts, limits);
            }
        }
    };
    let mut windows = Vec::new();
    // Eight batches fit before anything is folded.
    let limits = WindowLimits::default();
    let (before, ()) = seconds(|| run(&limits, &bodies[..2], &mut windows, 0));
    run(&limits, &bodies[2..10], &mut windows, 2);
    let (folding, ()) = seconds(|| run(&limits, &bodies[10..], &mut windows, 10));
    let rate = |batches: usize, seconds: f64| (batches * BATCH) as f64 / seconds;
    let (before, folding) = (rate(2, before), rate(bodies.len() - 10, folding));
    println!(
        "a scanner's entries, read and merged into minute, hour and day: {:.0} a second into empty windows, {:.0} while \
         they fold: {:.0} %; {} keys, {} bytes of memory a window",
        before,
        folding,
        folding / before * 100.0,
        windows[2].keys(),
        windows[2].resident_bytes(),
    );
    c.benchmark_group("scanner").sample_size(10).bench_function("a batch while windows fold", |b| {
        let mut seq = 1_000;
        b.iter(|| {
            run(&limits, &bodies[seq % 200..][..1], &mut windows, seq);
            seq += 1;
        });
    });
}

criterion_group!(benches, merge, flush, day, scanner);
criterion_main!(benches);
