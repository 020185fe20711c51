//! What naming an agent costs, as ratios against reading and hashing the same bytes, and against woothee alone.
//!
//! Input: the agents of `data/agents/ua_truth_public.tsv` that were taken from today's visits, and all of them. Output: time
//! an agent; the lines of a group go through the same agents, so they compare. Never: absolute figures to rely on, which
//! shared machines do not give.
//!
//! `cargo bench --bench agents`

use std::hash::BuildHasher;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use log_analytics::batch::agent::{FamilyCache, family, with_cache};
use woothee::parser::Parser;

const TRUTH: &str = include_str!("../data/agents/ua_truth_public.tsv");

/// Agents of the truth whose source passes.
fn agents(sources: impl Fn(&str) -> bool) -> Vec<&'static str> {
    TRUTH
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let agent = fields.next()?;
            sources(fields.nth(2)?).then_some(agent)
        })
        .collect()
}

fn group(c: &mut Criterion, name: &str, agents: &[&str]) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(u64::try_from(agents.len()).unwrap_or(u64::MAX)));
    group.bench_function("scan bytes", |b| {
        b.iter(|| agents.iter().filter(|agent| memchr::memchr(0, agent.as_bytes()).is_some()).count());
    });
    let hasher = foldhash::fast::RandomState::default();
    group.bench_function("hash", |b| {
        b.iter(|| agents.iter().map(|agent| hasher.hash_one(black_box(*agent))).fold(0, u64::wrapping_add));
    });
    let mut cache = FamilyCache::new();
    group.bench_function("cache", |b| {
        b.iter(|| agents.iter().map(|agent| cache.get(black_box(agent)).name().len()).sum::<usize>());
    });
    group.bench_function("cache of the thread", |b| {
        b.iter(|| {
            with_cache(|cache| {
                agents.iter().map(|agent| cache.get(black_box(agent)).name().len()).sum::<usize>()
            })
        });
    });
    group.bench_function("miss", |b| {
        b.iter(|| agents.iter().map(|agent| family(black_box(agent)).name().len()).sum::<usize>());
    });
    group.bench_function("woothee alone", |b| {
        let parser = Parser::new();
        b.iter(|| agents.iter().filter(|agent| parser.parse(black_box(agent)).is_some()).count());
    });
    group.finish();
}

fn today(c: &mut Criterion) {
    group(c, "agents of today", &agents(|source| source.starts_with("real-")));
}

fn few(c: &mut Criterion) {
    // What a cache mostly sees: few agents make most of the entries.
    let today = agents(|source| source.starts_with("real-"));
    group(c, "fifty agents of today", &today[..today.len().min(50)]);
}

fn all(c: &mut Criterion) {
    // More agents than a set of the cache holds: some are pushed out in every round.
    group(c, "all agents", &agents(|_| true));
}

/// Agents that never come again: what an attacker sends.
fn unique(c: &mut Criterion) {
    let mut group = c.benchmark_group("agents that never come again");
    group.throughput(Throughput::Elements(1));
    for (name, filler) in [("short", String::new()), ("1,024 bytes", "a/1; (".repeat(200))] {
        let mut cache = FamilyCache::new();
        let mut number = 0u64;
        group.bench_function(name, |b| {
            b.iter(|| {
                number += 1;
                cache.get(&format!("Mozilla/5.0 (X11; {number}) AppleWebKit/537.36 {filler}")).name().len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, few, today, all, unique);
criterion_main!(benches);
