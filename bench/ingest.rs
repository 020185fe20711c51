//! How fast batches become durable: the real server over loopback, with fsync, beside its floors in the same run: counting
//! the same bodies in memory, a synced file for each, and bare answers over the same connections.
//!
//! `cargo bench --bench ingest` prints a table of ratios (rounds interleaved; the median of ingest beside the best of each
//! floor, because what syncing files costs changes from second to second) and then runs criterion;
//! `cargo bench --bench ingest -- ratios` prints the table only. The clients share the cores with the server. Any answer
//! but 202 ends the bench, and so does a server that has not counted every entry once.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

#[path = "common/batches.rs"]
mod batches;
#[path = "../tests/support/client.rs"]
#[allow(dead_code, unreachable_pub, reason = "each program uses its own part of it")]
mod client;
#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;
#[path = "common/senders.rs"]
mod senders;
#[path = "../tests/support/server.rs"]
#[allow(dead_code, unreachable_pub, reason = "each program uses its own part of it")]
mod server;
#[path = "common/synced_files.rs"]
mod synced_files;

use std::hint::black_box;
use std::time::{Duration, Instant};

use batches::{Template, current_minute};
use common::Fields;
use criterion::{Criterion, SamplingMode, Throughput};
use log_analytics::batch::{Format, Limits, summarize};
use log_analytics::model::WindowStart;
use log_analytics::time::format_start;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use senders::{Asked, CUSTOMER, Sender};
use server::Server;
use tempfile::TempDir;

const THREADS: usize = 4;
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
/// How many waves of batches a figure takes in a round.
const WAVES_OF_ROUND: u64 = 4;

/// Synced files that are made for a figure. Not fewer: ext4 takes a second of them to become fast.
const MAX_FILES: u64 = 8_192;

struct Case {
    name: &'static str,
    entries: usize,
    flags: &'static [&'static str],
    /// Batches that count as one iteration: enough to keep all connections busy for most of it.
    wave: u64,
}

const CASES: [Case; 3] = [
    Case { name: "1,000 entries, bodies kept", entries: 1_000, flags: &[], wave: 256 },
    Case {
        name: "1,000 entries, bodies dropped",
        entries: 1_000,
        flags: &["--raw-batches", "drop"],
        wave: 256,
    },
    Case { name: "20 entries, bodies kept", entries: 20, flags: &[], wave: 4_096 },
];

/// The name of a figure, and a function that measures how long so many batches take.
type Measure = (&'static str, fn(&mut Bench, u64) -> Duration);

/// A server of one case, its clients, and what they were told is durable.
struct Bench {
    case: &'static Case,
    server: Server,
    senders: Vec<Sender>,
    bodies: Vec<Template>,
    accepted: u64,
    begin_minute: u32,
    dir: TempDir,
}

impl Bench {
    fn start(case: &'static Case) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path(), case.flags);
        let begin_minute = current_minute();
        let mut bodies = Template::all(case.entries, 4_000, 300, Fields::Bare);
        bodies.iter_mut().for_each(|body| body.set_minute(begin_minute));
        Self { case, server, senders: Vec::new(), bodies, accepted: 0, begin_minute, dir }
    }

    /// New connections: the server does not keep those that were idle for long.
    fn connect(&mut self) {
        let sender = |_| Sender::connect(self.server.addr, CONNECTIONS / THREADS, &self.bodies);
        self.senders = (0..THREADS).map(sender).collect();
    }

    /// Measures the time until so many requests are answered, each as it should be.
    fn ask(&mut self, asked: Asked, count: u64) -> Duration {
        let begin = Instant::now();
        let refused = Sender::run_all(&mut self.senders, asked, self.accepted, count);
        let elapsed = begin.elapsed();
        assert_eq!(refused.count, 0, "of {count} requests refused, one with: {}", refused.example);
        if asked == Asked::Batches {
            self.accepted += count;
        }
        elapsed
    }

    /// Counts as many bodies in memory, on all cores.
    fn summarize(&self, count: u64) -> Duration {
        let limits = Limits { parallel_from_bytes: usize::MAX, ..Limits::default() };
        let now_ms = u64::from(current_minute()) * 60_000;
        let begin = Instant::now();
        (0..count as usize).into_par_iter().for_each(|number| {
            let body = &self.bodies[number % self.bodies.len()].bytes;
            black_box(summarize(black_box(body), Format::JsonArray, &limits, now_ms).unwrap());
        });
        begin.elapsed()
    }

    /// Makes a synced file for each batch; of many only the first ones, and assumes that the others take as long.
    fn files(&self, count: u64) -> Duration {
        let (files, elapsed) = synced_files::make(self.dir.path(), &self.bodies[0].bytes, |number| {
            number < count.min(MAX_FILES)
        });
        elapsed.mul_f64(count as f64 / files as f64)
    }

    /// What is measured. Connections must be there.
    fn measures() -> [Measure; 4] {
        [
            ("durable ingest", |bench, count| bench.ask(Asked::Batches, count)),
            ("floor: bare answers", |bench, count| bench.ask(Asked::Health, count)),
            ("floor: summarize, all cores", |bench, count| bench.summarize(count)),
            ("floor: a synced file each", |bench, count| bench.files(count)),
        ]
    }

    /// Asserts that every entry that was accepted is counted, once, and ends the server.
    fn finish(self) {
        let (from, to) = (format_start(WindowStart(self.begin_minute)), current_minute() + 1);
        let target =
            format!("/aggregates/top?dimension=path&n=1&from={from}&to={}", format_start(WindowStart(to)));
        let answer = self.server.client().get(&target, &[("x-customer-id", CUSTOMER)]).unwrap();
        let accepted = self.accepted * self.case.entries as u64;
        assert_eq!(
            answer.json()["requests"].as_u64(),
            Some(accepted),
            "{}: {}",
            self.case.name,
            answer.text()
        );
        println!("{}: {accepted} entries accepted, and counted once each", self.case.name);
        assert!(self.server.stop().success());
    }
}

/// Rounds of all figures in turn, so that a slow moment of the machine hits all of them alike.
fn print_ratios(benches: &mut [Bench]) {
    let measures = Bench::measures();
    let mut rates = vec![vec![Vec::new(); measures.len()]; benches.len()];
    for _ in 0..ROUNDS {
        for (bench, rates) in benches.iter_mut().zip(&mut rates) {
            let count = WAVES_OF_ROUND * bench.case.wave;
            bench.connect();
            for ((_, measure), rates) in measures.iter().zip(rates) {
                rates.push(count as f64 / measure(bench, count).as_secs_f64());
            }
        }
    }
    for (bench, rates) in benches.iter().zip(rates) {
        let rates = rates.into_iter().enumerate().map(|(index, mut rates)| {
            rates.sort_by(f64::total_cmp);
            // Ingest comes first, and floors after it.
            rates[if index == 0 { ROUNDS / 2 } else { ROUNDS - 1 }]
        });
        let rates: Vec<f64> = rates.collect();
        println!("{} ({} bytes)", bench.case.name, bench.bodies[0].bytes.len());
        for ((name, _), rate) in measures.iter().zip(&rates) {
            println!(
                "  {name:30} {rate:10.0} batches/s {:12.0} entries/s   ingest is {:5.2} of it",
                rate * bench.case.entries as f64,
                rates[0] / rate,
            );
        }
    }
}

fn main() {
    let mut benches = CASES.each_ref().map(Bench::start);
    print_ratios(&mut benches);
    if !std::env::args().any(|argument| argument == "ratios") {
        let mut criterion = Criterion::default().configure_from_args();
        for bench in &mut benches {
            let mut group = criterion.benchmark_group(bench.case.name);
            group.throughput(Throughput::Elements(bench.case.wave * bench.case.entries as u64));
            group.sampling_mode(SamplingMode::Flat).sample_size(10);
            group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
            bench.connect();
            for (name, measure) in Bench::measures() {
                let wave = bench.case.wave;
                group.bench_function(name, |bencher| {
                    bencher.iter_custom(|iterations| measure(bench, iterations * wave));
                });
            }
            group.finish();
        }
        criterion.final_summary();
    }
    benches.into_iter().for_each(Bench::finish);
}
