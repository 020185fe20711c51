//! How the server is started and how it is ended: flags that change from run to run, and every way of dying.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::rng::Rng;
use crate::support::server::{Server, program};

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    Kill,
    /// SIGKILL while it stops after SIGTERM: it has said so and has not ended.
    KillWhileStopping,
    /// SIGKILL while a window or the checkpoint is being written: what it was writing is left.
    KillWhileWriting,
    /// SIGKILL while a checkpoint is being made: nothing else writes in such a run, and what it was writing is left.
    KillInCheckpoint,
    /// SIGKILL just when the checkpoint has moved.
    KillAtCheckpoint,
    /// SIGSTOP for a while, SIGCONT, some more work, SIGKILL.
    PauseThenKill,
    /// SIGKILL while it is stopped by SIGSTOP.
    KillWhilePaused,
    /// SIGTERM, and it ends in good order.
    Stop,
}

pub(crate) const ENDINGS: [Ending; 8] = [
    Ending::Kill,
    Ending::KillWhileStopping,
    Ending::KillWhileWriting,
    Ending::KillInCheckpoint,
    Ending::KillAtCheckpoint,
    Ending::PauseThenKill,
    Ending::KillWhilePaused,
    Ending::Stop,
];

/// A loopback address of this process alone, so that a late client never reaches the server of another test.
pub(crate) fn listen() -> String {
    let [_, high, mid, low] = std::process::id().to_be_bytes();
    format!("{}:0", Ipv4Addr::new(127, 64 | (high & 63), mid, low.max(1)))
}

/// Flags of one run. `forgets`: whether old journal segments may be removed. The number of the run decides when the smallest
/// and largest sizes come, so that every campaign has them.
pub(crate) fn flags(rng: &mut Rng, listen: &str, forgets: bool, run: usize, ending: Ending) -> Vec<String> {
    let mut flags: Vec<String> = ["--listen", listen].map(str::to_owned).to_vec();
    let mut set = |flag: &str, value: &str| match flag.strip_prefix("--") {
        Some(_) => flags.extend([flag.to_owned(), value.to_owned()]),
        None => flags.extend(["--tune".to_owned(), format!("{flag}={value}")]),
    };
    let segment = rng.pick(&["1KiB", "16KiB", "64KiB", "1MiB"]);
    set("segment_bytes", if run % 4 == 1 { "1KiB" } else { segment });
    let partitions = rng.between(1, 16).to_string();
    set("--partitions", ["1", &partitions, "16", &partitions][run % 4]);
    // What a checkpoint needs to be the only one that writes.
    let alone = ending == Ending::KillInCheckpoint;
    let resident = rng.pick(&["1KiB", "32KiB", "1MiB", "96MiB"]);
    set("--max-resident-bytes", if alone { "96MiB" } else { ["1KiB", resident][(run % 3).min(1)] });
    set("flush_interval", if alone { "1h" } else { rng.pick(&["5ms", "50ms", "1s", "1h"]) });
    let often = [Ending::KillInCheckpoint, Ending::KillAtCheckpoint].contains(&ending);
    set("checkpoint_interval", if often { "10ms" } else { rng.pick(&["10ms", "100ms", "1s", "1h"]) });
    set("checkpoint_bytes", rng.pick(&["8KiB", "64KiB", "256MiB"]));
    set("--raw-batches", rng.pick(&["keep", "keep", "drop"]));
    set("max_group_batches", rng.pick(&["1", "5", "1024"]));
    set("queue_length", rng.pick(&["1", "16", "1024"]));
    set("--http-server", rng.pick(&["guarded", "guarded", "guarded", "tiny_http"]));
    set("--dedup-keys", "1000000");
    if forgets {
        set("--retain-journal-bytes", rng.pick(&["4KiB", "64KiB", "1GiB"]));
    }
    flags
}

/// Starts the server and kills it before it is ready. Returns whether the kill fell into the recovery.
pub(crate) fn kill_while_starting(dir: &Path, flags: &[String], rng: &mut Rng) -> bool {
    let log = dir.join("log-killed-while-starting");
    let mut command: Command = program();
    let mut child = command
        .args(["serve", "--data-dir"])
        .arg(dir.join("store"))
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = |what: &str| fs::read_to_string(&log).unwrap().contains(what);
    if rng.percent(50) {
        watch(|| said("recovering"));
        pause(rng.below(1_500));
    } else {
        // The journal is read and settled; the replay follows.
        watch(|| said("journal: records to"));
        pause(rng.below(300));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    said("recovering") && !said("ready on")
}

/// Ends the server this way, at a moment drawn from `rng`. Returns whether the end came when it was meant to.
pub(crate) fn end_run(
    ending: Ending,
    server: Server,
    dir: &Path,
    rng: &mut Rng,
    acknowledged: &AtomicUsize,
) -> bool {
    match ending {
        Ending::Kill => server.kill(),
        Ending::KillWhileStopping => {
            server.signal(Signal::TERM);
            watch(|| server.log().contains("stopping: "));
            pause(rng.below(3_000));
            let log = server.log();
            return log.contains("stopping: ") && was_killed(server);
        }
        Ending::KillWhileWriting | Ending::KillInCheckpoint => {
            let writing =
                || fs::read_dir(dir.join("store/tmp")).is_ok_and(|mut files| files.next().is_some());
            watch(writing);
            server.kill();
            return writing();
        }
        Ending::KillAtCheckpoint => {
            let read = || fs::read(dir.join("store/checkpoint.json")).ok();
            let before = read();
            watch(|| read() != before);
            server.kill();
            return read() != before;
        }
        Ending::PauseThenKill => {
            pause_whole(&server);
            pause(rng.between(1_000, 80_000));
            server.signal(Signal::CONT);
            let before = acknowledged.load(Ordering::Relaxed);
            watch(|| acknowledged.load(Ordering::Relaxed) > before);
            let went_on = acknowledged.load(Ordering::Relaxed) > before;
            server.kill();
            return went_on;
        }
        Ending::KillWhilePaused => {
            pause_whole(&server);
            pause(rng.between(0, 10_000));
            server.kill();
        }
        Ending::Stop => assert_eq!(server.stop().code(), Some(0), "SIGTERM under load"),
    }
    true
}

/// Kills it. Returns whether the kill ended it; it may have ended by itself just before.
fn was_killed(server: Server) -> bool {
    server.signal(Signal::KILL);
    server.wait().signal() == Some(Signal::KILL.as_raw())
}

/// SIGSTOP, until every thread has stopped.
fn pause_whole(server: &Server) {
    server.signal(Signal::STOP);
    let tasks = format!("/proc/{}/task", server.pid());
    let stopped = || {
        fs::read_dir(&tasks).unwrap().all(|task| {
            let stat = fs::read_to_string(task.unwrap().path().join("stat"));
            // `pid (name) state …`
            stat.is_err() || stat.is_ok_and(|stat| stat.rsplit(')').next().unwrap().starts_with(" T"))
        })
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !stopped() {
        assert!(Instant::now() < deadline, "SIGSTOP stops it");
        std::thread::yield_now();
    }
}

/// Sleeps for some microseconds, so that an end can come at any moment.
pub(crate) fn pause(us: u64) {
    std::thread::sleep(Duration::from_micros(us));
}

/// Waits until it is time to end the run, or gives up: not every choice of flags lets that moment come.
fn watch(mut is_now: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_millis(500);
    while !is_now() && Instant::now() < end {
        std::thread::yield_now();
    }
}
