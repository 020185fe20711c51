//! The real binary on real files, killed at random moments under load, over and over: every acknowledged batch is
//! counted once, and nothing else is.
//!
//! A campaign is one data directory, a dozen runs of the server or more with flags that change from run to run
//! (partitions and the front end too), clients that retry, and at the end of each run one of the ways to end that
//! `endings.rs` lists. Some are meant for a moment: a stop, a recovery, a checkpoint. What such a run leaves tells whether
//! its end came at that moment, and a campaign goes on until each did once. Then all window files are held
//! against a plain model, and `verify` against both. Campaigns follow one another for `CRASH_SECONDS` (one campaign by
//! default). The seed is printed; `CRASH_SEED` sets it:
//!
//! ```sh
//! CRASH_SECONDS=3600 cargo test --test process crash -- --nocapture
//! CRASH_SEED=1234 CRASH_SECONDS=0 cargo test --test process crash -- --nocapture
//! ```
//!
//! Threads and the kernel decide the moments, so a seed repeats the choices and not the interleaving. A directory that
//! fails is kept and named.

pub(crate) mod batches;
mod counts;
mod endings;
pub(crate) mod load;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use batches::assert_exact;
use endings::{ENDINGS, Ending, end_run, flags, kill_while_starting, listen};
use load::Load;

use crate::support::rng::Rng;
use crate::support::server::Server;

/// Runs of a campaign; more while an ending has not come when it was meant to.
const RUNS: usize = 10;
/// An ending that never comes when it is meant to in so many runs never will.
const MAX_RUNS: usize = 80;
/// Batches that a run may take before it is ended.
const BATCHES_PER_RUN: usize = 60;

/// How often each ending came when it was meant to.
type Hits = BTreeMap<String, usize>;
const IN_RECOVERY: &str = "KillInRecovery";

#[test]
fn every_acknowledged_batch_is_counted_once_whatever_kills_the_server() {
    let set = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect(name));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let first = set("CRASH_SEED").unwrap_or(now.as_nanos() as u64 % 1_000_000_000);
    let end = Instant::now() + Duration::from_secs(set("CRASH_SECONDS").unwrap_or(0));
    let mut hits = Hits::new();
    for seed in first.. {
        println!("CRASH_SEED={seed}");
        let temp = tempfile::tempdir().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| campaign(seed, temp.path(), &mut hits)));
        if let Err(panic) = outcome {
            println!("CRASH_SEED={seed} failed; its files are in {}", temp.keep().display());
            resume_unwind(panic);
        }
        if Instant::now() >= end {
            break;
        }
    }
    println!("endings that came when they were meant to: {hits:?}");
}

fn campaign(seed: u64, dir: &Path, hits: &mut Hits) {
    let mut rng = Rng::new(seed);
    let listen = listen();
    let forgets = rng.percent(30);
    let clients = rng.between(2, 12);
    let load = Load::new(seed);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(|| load.run())).collect();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            let mut run = 0;
            let mut recoveries = 0;
            // Every ending once, in any order; one that came too early or too late is tried again.
            let mut wanted = ENDINGS.to_vec();
            wanted.sort_by_cached_key(|_| rng.next());
            while run < RUNS || !wanted.is_empty() || recoveries == 0 {
                run += 1;
                assert!(
                    run <= MAX_RUNS,
                    "endings that never came when meant to: {wanted:?}, recoveries {recoveries}"
                );
                let ending = wanted.pop().unwrap_or_else(|| rng.pick(&ENDINGS));
                let flags = flags(&mut rng, &listen, forgets, run, ending);
                for _ in 0..rng.below(3) {
                    recoveries += usize::from(kill_while_starting(dir, &flags, &mut rng));
                }
                if one_run(&load, dir, &flags, run, ending, &mut rng) {
                    *hits.entry(format!("{ending:?}")).or_default() += 1;
                } else {
                    wanted.insert(0, ending);
                }
            }
            *hits.entry(IN_RECOVERY.to_owned()).or_default() += recoveries;
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

/// Starts the server, lets it work until a moment drawn from `rng`, and ends it. Returns whether the end came when it was
/// meant to.
fn one_run(load: &Load, dir: &Path, flags: &[String], run: usize, ending: Ending, rng: &mut Rng) -> bool {
    let server = start(dir, flags);
    let before = load.acknowledged.load(Ordering::Relaxed);
    *load.addr.write().unwrap() = Some(server.addr);
    load.quota.store(run * BATCHES_PER_RUN, Ordering::Relaxed);
    // At least one batch is acknowledged in every run, however slow the machine; the seed decides how many more.
    let wanted = before + 1 + rng.index(BATCHES_PER_RUN / 2);
    let deadline = Instant::now() + Duration::from_secs(60);
    while load.acknowledged.load(Ordering::Relaxed) < wanted {
        assert!(Instant::now() < deadline, "run {run}: no batch is acknowledged any more\n{}", server.log());
        std::thread::yield_now();
    }
    endings::pause(rng.below(3_000));
    let hit = end_run(ending, server, dir, rng, &load.acknowledged);
    *load.addr.write().unwrap() = None;
    hit
}
