//! What path rules cost a path that a batch has not had before, beside a hash of the same path. One that it had before is
//! found by its number, with rules and without.
//!
//! Every group goes through the same 10,000 paths. Throughput is in paths, so that a line's time for one is its inverse.

use std::fmt::Write;
use std::hash::BuildHasher;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use log_analytics::batch::path_rules::PathRules;

/// Paths of a shop's API: `/api/v1/section-7/4711/reviews/12`, and every fourth with a UUID in place of the second number.
fn paths() -> Vec<String> {
    let path = |number: u64| {
        let (section, item) = (number % 1_000, number * 7_919 % 100_003);
        match number % 4 {
            0 => format!("/api/v1/section-{section}/{item}/reviews/0195a1c2-7b3e-7c4d-8e5f-{item:012x}"),
            _ => format!("/api/v1/section-{section}/{item}/reviews/{number}"),
        }
    };
    (0..10_000).map(path).collect()
}

/// As many rules as that, of which each path matches one where there are a thousand.
fn rules(number: usize) -> PathRules {
    let mut texts = String::new();
    for section in 0..number {
        writeln!(texts, "* /api/v1/section-{section}/{{item}}/reviews/{{review}}").expect("memory");
    }
    PathRules::new(texts.lines()).expect("the rules are valid")
}

fn template(c: &mut Criterion) {
    let paths = paths();
    let mut group = c.benchmark_group("a new path");
    group.throughput(Throughput::Elements(paths.len() as u64));
    let hasher = foldhash::fast::RandomState::default();
    group.bench_function("floor: hash", |b| {
        b.iter(|| paths.iter().fold(0, |sum: u64, path| sum.wrapping_add(hasher.hash_one(black_box(path)))));
    });
    let ids = PathRules::new(["ids"]).expect("the rule is valid");
    for (name, rules) in
        [("1 rule", rules(1)), ("100 rules", rules(100)), ("1,000 rules", rules(1_000)), ("ids", ids)]
    {
        group.bench_function(name, |b| {
            let mut buffer = String::new();
            b.iter(|| {
                for path in &paths {
                    black_box(rules.template("GET", black_box(path), &mut buffer));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, template);
criterion_main!(benches);
