//! How the server is started and how it is ended: flags that change from run to run, and every way of dying.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::rng::Rng;
use crate::support::server::{Server, program};

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Kill,
    /// SIGKILL while it stops after SIGTERM.
    KillWhileStopping,
    /// SIGKILL when a temporary file appears: a window or the checkpoint is being written.
    KillWhileWriting,
    /// SIGKILL just when the checkpoint has moved.
    KillAtCheckpoint,
    /// SIGSTOP for a while, SIGCONT, some more work, SIGKILL.
    PauseThenKill,
    /// SIGKILL while it is stopped by SIGSTOP.
    KillWhilePaused,
    /// SIGTERM, and it ends in good order.
    Stop,
}

pub(crate) const BLOWS: [Blow; 7] = [
    Blow::Kill,
    Blow::KillWhileStopping,
    Blow::KillWhileWriting,
    Blow::KillAtCheckpoint,
    Blow::PauseThenKill,
    Blow::KillWhilePaused,
    Blow::Stop,
];

/// A loopback address of this process alone, so that a client which is late never talks to somebody else's server.
pub(crate) fn listen() -> String {
    let [_, high, mid, low] = std::process::id().to_be_bytes();
    format!("{}:0", Ipv4Addr::new(127, 64 | (high & 63), mid, low.max(1)))
}

/// Flags of one run. `forgets`: whether old journal segments may be removed.
pub(crate) fn flags(rng: &mut Rng, listen: &str, forgets: bool) -> Vec<String> {
    let mut flags: Vec<String> = ["--listen", listen].map(str::to_owned).to_vec();
    let mut set = |flag: &str, value: &str| flags.extend([flag.to_owned(), value.to_owned()]);
    set("--segment-bytes", rng.pick(&["1KiB", "16KiB", "64KiB", "1MiB"]));
    set("--max-resident-bytes", rng.pick(&["1KiB", "32KiB", "1MiB", "96MiB"]));
    set("--partitions", &rng.between(1, 16).to_string());
    set("--flush-interval", rng.pick(&["5ms", "50ms", "1s", "1h"]));
    set("--checkpoint-interval", rng.pick(&["10ms", "100ms", "1s", "1h"]));
    set("--checkpoint-bytes", rng.pick(&["8KiB", "64KiB", "256MiB"]));
    set("--raw-batches", rng.pick(&["keep", "keep", "drop"]));
    set("--max-group-batches", rng.pick(&["1", "5", "1024"]));
    set("--queue-length", rng.pick(&["1", "16", "1024"]));
    set("--http-server", rng.pick(&["guarded", "guarded", "guarded", "tiny_http"]));
    set("--dedup-keys", "1000000");
    if forgets {
        set("--retain-journal-bytes", rng.pick(&["4KiB", "64KiB", "1GiB"]));
    }
    flags
}

/// Starts the server and kills it after a moment, mostly before it is ready.
pub(crate) fn kill_while_starting(dir: &Path, flags: &[String], rng: &mut Rng) {
    let mut command: Command = program();
    let mut child = command
        .args(["serve", "--data-dir"])
        .arg(dir.join("store"))
        .args(flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    pause(rng.between(0, 40_000));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Ends the server this way, at a moment drawn from `rng`.
pub(crate) fn strike(blow: Blow, server: Server, dir: &Path, rng: &mut Rng, acknowledged: &AtomicUsize) {
    match blow {
        Blow::Kill => server.kill(),
        Blow::KillWhileStopping => {
            server.signal(Signal::TERM);
            pause(rng.between(0, 30_000));
            server.kill();
        }
        Blow::KillWhileWriting => {
            watch(|| fs::read_dir(dir.join("store/tmp")).is_ok_and(|mut files| files.next().is_some()));
            server.kill();
        }
        Blow::KillAtCheckpoint => {
            let read = || fs::read(dir.join("store/checkpoint.json")).ok();
            let before = read();
            watch(|| read() != before);
            server.kill();
        }
        Blow::PauseThenKill => {
            server.signal(Signal::STOP);
            pause(rng.between(1_000, 80_000));
            server.signal(Signal::CONT);
            let before = acknowledged.load(Ordering::Relaxed);
            watch(|| acknowledged.load(Ordering::Relaxed) > before + 3);
            server.kill();
        }
        Blow::KillWhilePaused => {
            server.signal(Signal::STOP);
            pause(rng.between(0, 10_000));
            server.kill();
        }
        Blow::Stop => assert_eq!(server.stop().code(), Some(0), "SIGTERM under load"),
    }
}

/// Lets the moment of a blow be any.
pub(crate) fn pause(us: u64) {
    std::thread::sleep(Duration::from_micros(us));
}

/// Looks for the moment to strike, for a little while: not every choice of flags brings it.
fn watch(mut is_now: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_millis(150);
    while !is_now() && Instant::now() < end {
        std::thread::yield_now();
    }
}
