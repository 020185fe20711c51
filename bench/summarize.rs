//! How fast bodies become summaries, each figure beside its floors in the same run: a scan of the same bytes
//! and typed serde_json parses. Lines are also counted by the command itself, from a file to printed windows.
//!
//! `cargo bench --bench summarize` prints a table of ratios (rounds interleaved, best of each) and then runs
//! criterion; `cargo bench --bench summarize -- ratios [CASE…]` prints the table only, and `… -- profile CASE FIGURE`
//! repeats one figure for five seconds, for a profiler to look at.

mod common;

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::{Fields, Shape};
use criterion::{Criterion, Throughput};
use log_analytics::base::clock::monotonic;
use log_analytics::batch::{Format, Limits, reference, summarize};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Deserialize;
use tempfile::NamedTempFile;

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;

const ROUNDS: usize = 15;

/// The four fields of bare and wide entries; the others are skipped.
#[derive(Deserialize)]
#[allow(dead_code, reason = "the floor is to fill the fields, not to use them")]
struct Typed<T> {
    #[serde(rename = "receivedAt")]
    received_at: T,
    method: T,
    path: T,
    #[serde(rename = "userAgent")]
    user_agent: T,
}

/// The eleven fields of full entries.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "the floor is to fill the fields, not to use them")]
struct TypedFull<T> {
    received_at: T,
    method: T,
    path: T,
    user_agent: T,
    status: u16,
    response_bytes: u64,
    duration_seconds: f64,
    host: T,
    referrer: T,
    client_ip: T,
    country: T,
}

/// Parses and drops every entry. Its fields are `String`s, as in a plain program, or `&str`s into the body, which only
/// bodies without escapes allow.
fn typed_parse<'b, E: Deserialize<'b>>(body: &'b [u8], format: Format) -> usize {
    match format {
        Format::Ndjson => serde_json::Deserializer::from_slice(body)
            .into_iter::<E>()
            .map(|entry| usize::from(black_box(entry).is_ok()))
            .sum(),
        Format::JsonArray => {
            serde_json::from_slice::<Vec<E>>(body).expect("generated entries are valid").len()
        }
    }
}

fn scan(body: &[u8]) -> usize {
    memchr::memchr_iter(b'"', body).count()
}

fn limits(parallel_from_bytes: usize) -> Limits {
    Limits { max_entries: usize::MAX, max_minutes: usize::MAX, parallel_from_bytes, ..Limits::default() }
}

/// The name of a figure, and the work that it measures.
type Measure<'c> = (&'static str, Box<dyn Fn() -> usize + Sync + Send + 'c>);

struct Case {
    name: &'static str,
    body: Vec<u8>,
    /// The body as a file, for the command.
    file: Option<NamedTempFile>,
    format: Format,
    fields: Fields,
    /// With two threads too.
    is_large: bool,
}

impl Case {
    const COUNT: usize = 8;

    fn new(number: usize) -> Case {
        let (name, entries, fields, format) = match number {
            0 => ("1,000,000 lines", 1_000_000, Fields::Bare, Format::Ndjson),
            1 => ("1,000,000 in an array", 1_000_000, Fields::Bare, Format::JsonArray),
            2 => ("1,000 in an array", 1_000, Fields::Bare, Format::JsonArray),
            3 => ("20 in an array", 20, Fields::Bare, Format::JsonArray),
            4 => ("1,000,000 full lines", 1_000_000, Fields::Full, Format::Ndjson),
            5 => ("1,000 full in an array", 1_000, Fields::Full, Format::JsonArray),
            6 => ("20 full in an array", 20, Fields::Full, Format::JsonArray),
            7 => ("1,000,000 wide lines", 1_000_000, Fields::Wide, Format::Ndjson),
            _ => panic!("there are {} cases", Self::COUNT),
        };
        let shape = Shape { fields, ..Shape::standard(entries) };
        let shape = if entries == 20 { Shape { minutes: 1, ..shape } } else { shape };
        let body = if format == Format::Ndjson { shape.ndjson() } else { shape.json_array() };
        let file = (format == Format::Ndjson).then(|| {
            let mut file = NamedTempFile::new().expect("there is a place for temporary files");
            file.write_all(&body).expect("the temporary file takes the body");
            file
        });
        Case { name, body, file, format, fields, is_large: entries == 1_000_000 }
    }

    fn typed_parse(&self) -> usize {
        match self.fields {
            Fields::Full => typed_parse::<TypedFull<String>>(&self.body, self.format),
            Fields::Bare | Fields::Wide => typed_parse::<Typed<String>>(&self.body, self.format),
        }
    }

    fn borrowed_parse(&self) -> usize {
        match self.fields {
            Fields::Full => typed_parse::<TypedFull<&str>>(&self.body, self.format),
            Fields::Bare | Fields::Wide => typed_parse::<Typed<&str>>(&self.body, self.format),
        }
    }

    fn summarize(&self, pool: &ThreadPool) -> usize {
        let limits = limits(if self.is_large { 0 } else { usize::MAX });
        let run = || summarize(&self.body, self.format, &limits, NOW_MS);
        let result = if self.is_large { pool.install(run) } else { run() };
        result.expect("generated batches are valid").summary.minutes.len()
    }

    /// What `log-analytics summarize` prints for the file, in bytes.
    fn command(&self, file: &Path, threads: &str) -> usize {
        let mut command = Command::new(env!("CARGO_BIN_EXE_log-analytics"));
        let output = command.args(["summarize", "--threads", threads]).arg(file).output();
        let output = output.expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout.len()
    }

    fn reference(&self) -> usize {
        let result = reference(&self.body, self.format, &limits(usize::MAX), NOW_MS);
        result.expect("generated batches are valid").summary.minutes.len()
    }

    /// What is measured, floors first.
    fn measures<'c>(&'c self, pools: &'c [ThreadPool; 2]) -> Vec<Measure<'c>> {
        let mut measures: Vec<Measure<'c>> = vec![
            ("memory scan", Box::new(|| scan(&self.body))),
            ("typed serde_json parse", Box::new(|| self.typed_parse())),
            ("… with borrowed fields", Box::new(|| self.borrowed_parse())),
            ("reference", Box::new(|| self.reference())),
            ("summarize, 1 thread", Box::new(|| self.summarize(&pools[0]))),
        ];
        if self.is_large {
            measures.push(("summarize, 2 threads", Box::new(|| self.summarize(&pools[1]))));
        }
        if let Some(file) = &self.file {
            measures.push(("the command, 1 thread", Box::new(|| self.command(file.path(), "1"))));
            measures.push(("the command, 2 threads", Box::new(|| self.command(file.path(), "2"))));
        }
        measures
    }
}

fn pools() -> [ThreadPool; 2] {
    [1, 2].map(|threads| {
        ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool of one or two threads starts")
    })
}

/// Rounds of all measures in turn, so that a slow moment of the machine hits all of them alike.
fn print_ratios(case: &Case, pools: &[ThreadPool; 2]) {
    let measures = case.measures(pools);
    let repeat = (2_000_000 / case.body.len()).max(1);
    let mut best = vec![Duration::MAX; measures.len()];
    for _ in 0..ROUNDS {
        for (best, (_, measure)) in best.iter_mut().zip(&measures) {
            let start = monotonic();
            for _ in 0..repeat {
                black_box(measure());
            }
            *best = (*best).min(start.elapsed() / u32::try_from(repeat).expect("few repeats"));
        }
    }
    println!("{} ({} bytes)", case.name, case.body.len());
    for ((name, _), time) in measures.iter().zip(&best) {
        println!(
            "  {name:30} {:8.3} GB/s  {:10.1} us  {:6.2} x typed parse {:6.2} x borrowed",
            case.body.len() as f64 / time.as_secs_f64() / 1e9,
            time.as_secs_f64() * 1e6,
            best[1].as_secs_f64() / time.as_secs_f64(),
            best[2].as_secs_f64() / time.as_secs_f64(),
        );
    }
}

/// Repeats one figure of one case, both given by the numbers of their lines in the table. Also tells the time
/// on a processor, which other work on the machine disturbs less; for figures of one thread on Linux.
fn profile(pools: &[ThreadPool; 2], mut numbers: impl Iterator<Item = usize>) {
    let case = &Case::new(numbers.next().expect("the number of a case"));
    let (name, measure) = case.measures(pools).swap_remove(numbers.next().expect("the number of a figure"));
    pools[0].install(|| {
        let (start, start_ns, mut runs) = (monotonic(), on_processor_ns(), 0_u32);
        while start.elapsed() < Duration::from_secs(5) {
            black_box(measure());
            runs += 1;
        }
        let (wall, processor) =
            (start.elapsed() / runs, Duration::from_nanos(on_processor_ns() - start_ns) / runs);
        println!(
            "{}, {name}: {:.1} us each, {:.1} us on a processor",
            case.name,
            wall.as_secs_f64() * 1e6,
            processor.as_secs_f64() * 1e6
        );
    });
}

/// How long this thread has run, as Linux counts it; 0 elsewhere.
fn on_processor_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn main() {
    let pools = pools();
    if std::env::args().any(|argument| argument == "profile") {
        return profile(&pools, std::env::args().filter_map(|argument| argument.parse().ok()));
    }
    let chosen = std::env::args().filter_map(|argument| argument.parse().ok()).collect::<Vec<usize>>();
    let is_chosen = |number: &usize| chosen.is_empty() || chosen.contains(number);
    let cases: Vec<Case> = (0..Case::COUNT).filter(is_chosen).map(Case::new).collect();
    for case in &cases {
        print_ratios(case, &pools);
    }
    if std::env::args().any(|argument| argument == "ratios") {
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    for case in &cases {
        let mut group = criterion.benchmark_group(case.name);
        group.throughput(Throughput::Bytes(case.body.len() as u64));
        group.sample_size(if case.is_large { 10 } else { 100 });
        for (name, measure) in case.measures(&pools) {
            group.bench_function(name, |bencher| bencher.iter(&measure));
        }
        group.finish();
    }
    criterion.final_summary();
}
