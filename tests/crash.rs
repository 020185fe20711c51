//! The real binary on real files, killed at random moments under load, over and over: every acknowledged batch is
//! counted once, and nothing else is.
//!
//! A campaign is one data directory, a dozen runs of the server with flags that change from run to run (partitions
//! and the front end too), clients that retry, and one of the blows of `crash/blows.rs` at the end of each run. After
//! the last run all window files are held against a plain model, and `verify` against both. Campaigns follow one
//! another for `CRASH_SECONDS` (8 by default). The seed is printed; `CRASH_SEED` sets it:
//!
//! ```sh
//! CRASH_SECONDS=3600 cargo test --test crash -- --nocapture
//! CRASH_SEED=1234 CRASH_SECONDS=0 cargo test --test crash -- --nocapture
//! ```
//!
//! Threads and the kernel decide the moments, so a seed repeats the choices and not the interleaving. A directory that
//! fails is kept and named.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]

#[path = "crash/batches.rs"]
mod batches;
#[path = "crash/blows.rs"]
mod blows;
#[path = "crash/load.rs"]
mod load;
mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use batches::{Batch, Windows, windows_on_disk};
use blows::{BLOWS, Blow, flags, kill_while_starting, listen, strike};
use load::{Fates, Load};
use support::rng::Rng;
use support::server::{Server, assert_verified};

const RUNS: usize = 12;
/// Batches that a run may take before it is ended.
const BATCHES_PER_RUN: usize = 60;

#[test]
fn every_acknowledged_batch_is_counted_once_whatever_kills_the_server() {
    let set = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect(name));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let first = set("CRASH_SEED").unwrap_or(now.as_nanos() as u64 % 1_000_000_000);
    let seconds = set("CRASH_SECONDS");
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(8));
    // Where nobody asked for a time, a slow disk makes the campaign shorter and not the run of all tests longer.
    let cut = seconds.is_none().then_some(end + Duration::from_secs(6));
    let mut blows = BTreeMap::new();
    for seed in first.. {
        println!("CRASH_SEED={seed}");
        let temp = tempfile::tempdir().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| campaign(seed, temp.path(), cut, &mut blows)));
        if let Err(panic) = outcome {
            println!("CRASH_SEED={seed} failed; its files are in {}", temp.keep().display());
            resume_unwind(panic);
        }
        if Instant::now() >= end {
            break;
        }
    }
    println!("blows: {blows:?}");
}

fn campaign(seed: u64, dir: &Path, cut: Option<Instant>, blows: &mut BTreeMap<String, usize>) {
    let mut rng = Rng::new(seed);
    let listen = listen();
    let forgets = rng.percent(30);
    let clients = rng.between(2, 12);
    let load = Load::new(seed);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(|| load.run())).collect();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            for run in 1..=RUNS {
                if cut.is_some_and(|cut| Instant::now() >= cut) {
                    break;
                }
                let flags = flags(&mut rng, &listen, forgets);
                for _ in 0..rng.below(3) {
                    kill_while_starting(dir, &flags, &mut rng);
                    *blows.entry("KillWhileStarting".to_owned()).or_default() += 1;
                }
                let blow = rng.pick(&BLOWS);
                one_run(&load, dir, &flags, run, blow, &mut rng);
                *blows.entry(format!("{blow:?}")).or_default() += 1;
            }
            let server = start(dir, &["--listen".to_owned(), listen.clone()]);
            *load.addr.write().unwrap() = Some(server.addr);
            server
        }));
        load.done.store(true, Ordering::Relaxed);
        let server = ended.unwrap_or_else(|panic| {
            load.hopeless.store(true, Ordering::Relaxed);
            resume_unwind(panic)
        });
        clients.into_iter().for_each(|client| client.join().unwrap());
        *load.addr.write().unwrap() = None;
        assert_eq!(server.stop().code(), Some(0));
    });
    assert_exact(seed, dir, load.into_fates(), forgets);
}

fn start(dir: &Path, flags: &[String]) -> Server {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Server::start(dir, &flags)
}

/// Starts the server, lets it work until a moment drawn from `rng`, and ends it.
fn one_run(load: &Load, dir: &Path, flags: &[String], run: usize, blow: Blow, rng: &mut Rng) {
    let server = start(dir, flags);
    let before = load.acknowledged.load(Ordering::Relaxed);
    *load.addr.write().unwrap() = Some(server.addr);
    load.quota.store(run * BATCHES_PER_RUN, Ordering::Relaxed);
    // Something happens in every run, however slow the machine; how much, the seed decides.
    let wanted = before + 1 + rng.index(BATCHES_PER_RUN / 2);
    let deadline = Instant::now() + Duration::from_secs(60);
    while load.acknowledged.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < deadline, "run {run}: no batch is acknowledged any more\n{}", server.log());
        std::thread::yield_now();
    }
    blows::pause(rng.below(3_000));
    strike(blow, server, dir, rng, &load.acknowledged);
    *load.addr.write().unwrap() = None;
}

/// Holds what is on disk against the model, window by window, none missing and none too many.
fn assert_exact(seed: u64, dir: &Path, fates: Fates, forgets: bool) {
    let found = windows_on_disk(dir);
    let mut expected = Windows::new();
    let mut records = fates.counted.len();
    fates.counted.iter().for_each(|number| Batch::new(seed, *number).count(&mut expected));
    for number in &fates.abandoned {
        // Counted or not, but if so then wholly: in all windows.
        let batch = Batch::new(seed, *number);
        if batch.is_in(&found) {
            batch.count(&mut expected);
            records += 1;
        }
    }
    for (window, counts) in &expected {
        assert_eq!(found.get(window), Some(counts), "seed {seed}: {window:?}");
    }
    assert_eq!(found.len(), expected.len(), "seed {seed}: windows of nobody");
    let report = assert_verified(dir);
    if !forgets {
        assert_eq!(report["records"], records, "seed {seed}: records in the journal");
    }
}
