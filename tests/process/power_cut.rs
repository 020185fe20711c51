//! The real binary on a disk that forgets: the power goes after any operation of any thread, under load, in a start, in a
//! checkpoint, in a stop, and what was not synced is gone. Every acknowledged batch is counted once all the same.
//!
//! The disk is the simulated one, mounted (`support/mounted_disk.rs`). It stops after a number of operations drawn from the seed;
//! the server, whose every further system call fails, is killed; what was not synced is lost, kept or torn; and the
//! next run goes on from there. Clients retry until they are answered. Campaigns follow one another for
//! `POWER_CUT_SECONDS` (four of them by default); the seed is printed, and `POWER_CUT_SEED` sets it:
//!
//! ```sh
//! POWER_CUT_SECONDS=3600 cargo test --test process power_cut -- --ignored --nocapture
//! ```
//!
//! What `tests/suite/simulate` does with the state machines on one thread, this does with the threads, the channels and
//! the system calls around them; there every seed repeats itself exactly, here only the choices do.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use crate::crash::batches::assert_exact;
use crate::crash::load::Load;
use crate::support::mounted_disk::MountedDisk;
use crate::support::rng::Rng;
use crate::support::server::Server;
use crate::support::sim_disk::Survival;

const CAMPAIGNS: u64 = 4;
const RUNS: usize = 16;
const BATCHES_PER_RUN: usize = 60;

#[test]
#[ignore = "needs root and /dev/fuse: it mounts the simulated disk"]
fn every_acknowledged_batch_survives_the_power_cuts_of_a_mounted_disk() {
    let set = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect(name));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let first = set("POWER_CUT_SEED").unwrap_or(now.as_nanos() as u64 % 1_000_000_000);
    let end = Instant::now() + Duration::from_secs(set("POWER_CUT_SECONDS").unwrap_or(0));
    let (mut in_starts, mut in_runs) = (0, 0);
    for seed in first.. {
        println!("POWER_CUT_SEED={seed}");
        let temp = tempfile::tempdir().unwrap();
        let disk = MountedDisk::mount(temp.path(), seed);
        disk.sim.start_trace();
        let outcome = catch_unwind(AssertUnwindSafe(|| campaign(seed, temp.path(), &disk)));
        match outcome {
            Ok((starts, runs)) => {
                in_starts += starts;
                in_runs += runs;
            }
            Err(panic) => {
                println!("POWER_CUT_SEED={seed} failed; what the disk was asked to do:");
                disk.sim.trace().iter().for_each(|line| println!("{line}"));
                resume_unwind(panic);
            }
        }
        if seed + 1 >= first + CAMPAIGNS && Instant::now() >= end {
            break;
        }
    }
    println!("{in_starts} cuts in a start, {in_runs} under load or in a stop");
    assert!(in_starts >= 8 && in_runs >= 8, "a cut fell everywhere it should");
}

/// One data directory from its beginning to the comparison. Returns how many cuts fell in a start, and how many later.
fn campaign(seed: u64, dir: &Path, disk: &MountedDisk) -> (usize, usize) {
    let mut rng = Rng::new(seed);
    let load = Load::new(seed);
    let (mut in_starts, mut in_runs) = (0, 0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..rng.between(2, 8)).map(|_| scope.spawn(|| load.run())).collect();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            for run in 1..=RUNS {
                load.quota.store(run * BATCHES_PER_RUN, Ordering::Relaxed);
                // Every third cut falls into the start, or into the replay of what the runs before left.
                let after = if run % 3 == 0 { rng.below(16) } else { 100 + rng.below(500) };
                let flags = flags(&mut rng);
                if one_run(&load, dir, disk, &flags, after, rng.percent(25)) {
                    in_runs += 1;
                } else {
                    in_starts += 1;
                }
                match rng.below(5) {
                    0 => disk.sim.power_cut(Survival::Nothing),
                    1 => disk.sim.power_cut(Survival::OnlyEntries),
                    2 => disk.sim.kill(),
                    _ => disk.sim.power_cut(Survival::Random(rng.next())),
                }
            }
            let server = start(dir, &[]).expect("the disk is well");
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
    disk.sim.power_cut(Survival::Nothing);
    assert_exact(seed, dir, load.into_fates(), false);
    (in_starts, in_runs)
}

fn flags(rng: &mut Rng) -> Vec<String> {
    let mut flags = Vec::new();
    let mut set = |flag: &str, value: &str| match flag.strip_prefix("--") {
        Some(_) => flags.extend([flag.to_owned(), value.to_owned()]),
        None => flags.extend(["--tune".to_owned(), format!("{flag}={value}")]),
    };
    set("segment_bytes", rng.pick(&["1KiB", "16KiB", "1MiB"]));
    set("--max-resident-bytes", rng.pick(&["1KiB", "32KiB", "96MiB"]));
    set("--partitions", &rng.between(1, 16).to_string());
    set("flush_interval", rng.pick(&["5ms", "50ms", "1h"]));
    set("checkpoint_interval", rng.pick(&["10ms", "100ms", "1h"]));
    set("max_group_batches", rng.pick(&["1", "5", "1024"]));
    set("--http-server", rng.pick(&["guarded", "tiny_http"]));
    set("--shutdown-timeout", "300ms");
    flags
}

fn start(dir: &Path, flags: &[String]) -> Result<Server, String> {
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Server::try_start(dir, &flags)
}

/// Runs the server until the disk stops after `after` operations, and kills it; with `stop`, sends SIGTERM instead, so that the
/// cut falls into the stop. Returns whether the server became ready.
fn one_run(load: &Load, dir: &Path, disk: &MountedDisk, flags: &[String], after: u64, stop: bool) -> bool {
    disk.sim.crash_after(Some(after));
    let server = match start(dir, flags) {
        Ok(server) => server,
        Err(log) => {
            assert!(disk.sim.is_off(), "the start is refused:\n{log}");
            return false;
        }
    };
    *load.addr.write().unwrap() = Some(server.addr);
    if stop {
        // Either the server ends or the disk stops first; nothing is lost either way.
        std::thread::sleep(Duration::from_millis(after % 40));
        *load.addr.write().unwrap() = None;
        let code = server.stop().code();
        // Upkeep comes after the last checkpoint and may fail without harm, so the disk may be off after a good end.
        assert!(matches!(code, Some(0 | 1 | 3)), "it ended with {code:?}");
        return true;
    }
    // With flags that write little, the disk may never stop: then the run ends when no batch is answered any more.
    let mut answered = (load.acknowledged.load(Ordering::Relaxed), Instant::now());
    while !disk.sim.is_off() && answered.1.elapsed() < Duration::from_millis(400) {
        let now = load.acknowledged.load(Ordering::Relaxed);
        if now != answered.0 {
            answered = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    *load.addr.write().unwrap() = None;
    server.kill();
    true
}
