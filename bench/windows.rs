//! What a window costs: merging a batch into it, putting it into words, and writing its file, each beside its floor in the
//! same run: counting in a plain map of strings, copying the bytes, and one small write and sync.
//!
//! `cargo bench --bench windows`

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;

use std::collections::HashMap;
use std::hint::black_box;

use common::Shape;
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
fn insight(entries: usize) -> Insight {
    let body = Shape { minutes: 1, ..Shape::standard(entries) }.ndjson();
    let summary = summarize(&body, Format::Ndjson, &Limits::default(), NOW_MS).unwrap().summary;
    insights(&CustomerId::new("bench").unwrap(), &summary).swap_remove(0)
}

fn window(insight: &Insight) -> Window {
    Window::new(insight.customer.clone(), insight.window)
}

fn merge(c: &mut Criterion) {
    for entries in [20, 1_000] {
        let insight = insight(entries);
        let counts = &insight.counts;
        let mut group = c.benchmark_group(format!("merge a batch of {entries}"));
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
    for entries in [20, 1_000, 50_000] {
        let insight = insight(entries);
        let mut window = window(&insight);
        window.merge(Seq(1), &insight.keys, &insight.counts, &LIMITS);
        let bytes = window.encode();
        let mut group = c.benchmark_group(format!("flush {} keys", window.keys()));
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

criterion_group!(benches, merge, flush);
criterion_main!(benches);
