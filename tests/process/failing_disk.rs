//! Disks that fail under the real binary, in real system calls: writes, syncs and renames fail. Which batches are
//! refused, what latches, what a restart finds, and that counts are exact after a power cut.
//!
//! The disk is the simulated one, mounted (`support/mounted_disk.rs`). `tests/suite/simulate` fails every single operation in
//! turn without a mount.
//!
//! Why not a loop device on a full file system: it lies. On Linux 6.18, ext4 on a loop device whose backing tmpfs has
//! `n` blocks of 4 KiB left takes one `pwrite` of 64 KiB, answers the following `fdatasync` with success, and after
//! `umount` and `mount` only `n` of the 16 blocks are there (seen for n = 1, 2, 4 and 8; with n = 0 `fdatasync` fails as
//! it should). The loop driver reports a write that its backing file took only in part as done. No program can know
//! of such a loss, and no promise is made on such a disk: see what is assumed of the machine in `journal`.

use std::collections::BTreeMap;
use std::path::Path;

use log_analytics::base::disk::Disk;
use log_analytics::model::Seq;
use serde_json::json;

use crate::support::client::Client;
use crate::support::mounted_disk::MountedDisk;
use crate::support::rng::Rng;
use crate::support::server::Server;
use crate::support::sim_disk::{EIO, ENOSPC, Fault, Op, Survival};
use crate::support::stored::{assert_verified, window};

/// Only the journal writes, and only the disk itself limits it.
const QUIET: [&str; 6] =
    ["--min-free-bytes", "0B", "--tune", "flush_interval=1h", "--tune", "checkpoint_interval=1h"];
const SEGMENT: &str = "00000000000000000001.log";

fn fault(op: Op, path: &'static str, times: u32, errno: i32) -> Fault {
    Fault { op, path, skip: 0, times, errno }
}

/// A batch of 100 entries whose body does not compress.
fn noise(number: u64) -> Vec<u8> {
    let mut rng = Rng::new(number);
    let mut entry = |_| {
        let path: String = (0..20).map(|_| format!("{:016x}", rng.next())).collect();
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "curl/8"})
    };
    serde_json::to_vec(&(0..100).map(&mut entry).collect::<Vec<_>>()).unwrap()
}

/// Sends these batches at once; how each was answered.
fn post(server: &Server, numbers: std::ops::Range<u64>) -> BTreeMap<u64, u16> {
    let addr = server.addr;
    std::thread::scope(|scope| {
        let send = |number: u64| {
            let answer = Client::new(addr).post("acme", &format!("k{number}"), &noise(number)).unwrap();
            assert!(answer.status != 503 || answer.header("retry-after").is_some());
            (number, answer.status)
        };
        let clients: Vec<_> = numbers.map(|number| scope.spawn(move || send(number))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

fn all(answers: &BTreeMap<u64, u16>, status: u16) -> bool {
    !answers.is_empty() && answers.values().all(|answered| *answered == status)
}

/// Sends everything again after a restart: batches that were answered 202 are duplicates, others may be. Then all of
/// it is counted once, on the disk and not only in the page cache.
fn ends_exact(dir: &Path, disk: &MountedDisk, answers: &BTreeMap<u64, u16>) {
    let server = Server::start(dir, &QUIET);
    let total = answers.len() as u64;
    for (number, status) in post(&server, 0..total) {
        let acknowledged = [202, 409].contains(&answers[&number]);
        assert!(status == 409 || (status == 202 && !acknowledged), "batch {number} is answered {status}");
    }
    assert!(server.stop().success());
    disk.sim.power_cut(Survival::Nothing);
    assert_eq!(window(dir, "acme", "20251228T1803Z").unwrap()["requests"], total * 100);
    let report = assert_verified(dir);
    assert_eq!(report["records"], total);
}

#[test]
#[ignore = "needs root and /dev/fuse: it mounts the simulated disk"]
fn a_failed_sync_latches_and_a_restart_recovers_with_exact_counts() {
    for seed in 0..3 {
        let temp = tempfile::tempdir().unwrap();
        let disk = MountedDisk::mount(temp.path(), seed);
        let server = Server::start(temp.path(), &QUIET);
        let mut answers = post(&server, 0..8);
        assert!(all(&answers, 202), "{answers:?}");

        // The pages are dropped and count as clean, as Linux does it.
        disk.sim.fail(fault(Op::SyncData, SEGMENT, 1, EIO));
        let failed = post(&server, 8..24);
        assert!(failed.values().all(|status| [202, 503].contains(status)), "{failed:?}");
        assert!(failed.values().any(|status| *status == 503), "the disk was meant to fail");
        answers.extend(failed);
        let mut client = server.client();
        assert_eq!(client.get("/readyz", &[]).unwrap().status, 503);
        assert_eq!(client.get("/healthz", &[]).unwrap().status, 200);

        // It stays latched although the disk works again: the dropped pages are unknown.
        let refused = post(&server, 24..28);
        assert!(all(&refused, 503), "{refused:?}");
        answers.extend(refused);
        assert_eq!(client.get("/readyz", &[]).unwrap().status, 503);
        assert!(server.log().to_lowercase().contains("restart"), "{}", server.log());
        if seed == 2 {
            // A stop makes no checkpoint any more, and its exit code says that there are records to replay.
            assert_eq!(server.stop().code(), Some(3));
            assert_eq!(stored_checkpoint(&disk), FIRST_CHECKPOINT);
        } else {
            server.kill();
        }
        // With the page cache, and without it.
        if seed > 0 {
            disk.sim.power_cut(Survival::Random(seed));
        } else {
            disk.sim.kill();
        }
        ends_exact(temp.path(), &disk, &answers);
    }
}

#[test]
#[ignore = "needs root and /dev/fuse: it mounts the simulated disk"]
fn a_failed_write_is_cut_back_and_service_goes_on_without_a_restart() {
    for (seed, errno) in [(1, ENOSPC), (2, EIO), (3, ENOSPC)] {
        let temp = tempfile::tempdir().unwrap();
        let disk = MountedDisk::mount(temp.path(), seed);
        let server = Server::start(temp.path(), &QUIET);
        let mut answers = post(&server, 0..4);
        disk.sim.fail(fault(Op::Write, SEGMENT, 1, errno));
        let failed = post(&server, 4..5);
        assert!(all(&failed, 503), "{failed:?}");
        // It was refused for good: it does not come back, whatever a power cut leaves; here it is sent again.
        let again = post(&server, 4..5);
        assert!(all(&again, 202), "{again:?}");
        answers.extend(again);
        answers.extend(post(&server, 5..9));
        assert!(all(&answers, 202), "{answers:?}");
        disk.sim.fail(fault(Op::Write, SEGMENT, 1, errno));
        let failed = post(&server, 9..10);
        assert!(all(&failed, 503), "{failed:?}");
        server.kill();
        disk.sim.power_cut(Survival::Everything);
        let server = Server::start(temp.path(), &QUIET);
        let again = post(&server, 9..10);
        assert!(all(&again, 202), "what was refused turned up: {again:?}");
        answers.extend(again);
        server.kill();
        disk.sim.kill();
        ends_exact(temp.path(), &disk, &answers);
    }
}

#[test]
#[ignore = "needs root and /dev/fuse: it mounts the simulated disk"]
fn a_cut_back_that_fails_latches() {
    for (seed, op) in [(1, Op::SetLen), (2, Op::SyncData)] {
        let temp = tempfile::tempdir().unwrap();
        let disk = MountedDisk::mount(temp.path(), seed);
        let server = Server::start(temp.path(), &QUIET);
        let mut answers = post(&server, 0..4);
        disk.sim.fail(fault(Op::Write, SEGMENT, 1, ENOSPC));
        disk.sim.fail(fault(op, SEGMENT, 1, EIO));
        for _ in 0..2 {
            answers.extend(post(&server, 4..6));
        }
        assert!(answers.iter().all(|(number, status)| *status == if *number < 4 { 202 } else { 503 }));
        assert_eq!(server.client().get("/readyz", &[]).unwrap().status, 503);
        server.kill();
        disk.sim.power_cut(Survival::Random(seed));
        ends_exact(temp.path(), &disk, &answers);
    }
}

#[test]
#[ignore = "needs root and /dev/fuse: it mounts the simulated disk"]
fn a_directory_that_cannot_be_synced_latches() {
    for path in ["/store/journal", "/store/aggregate-results/acme", "/store/aggregate-results"] {
        let temp = tempfile::tempdir().unwrap();
        let disk = MountedDisk::mount(temp.path(), 1);
        let server = Server::start(
            temp.path(),
            &[
                "--tune",
                "segment_bytes=1B",
                "--tune",
                "checkpoint_interval=1h",
                "--tune",
                "flush_interval=10ms",
            ],
        );
        let mut answers = post(&server, 0..1);
        assert!(all(&answers, 202));
        disk.sim.fail(fault(Op::SyncDir, path, 1, EIO));
        if path.ends_with("journal") {
            // The next group begins a segment.
            let failed = post(&server, 1..2);
            assert!(all(&failed, 503), "{path}: {failed:?}");
            answers.extend(failed);
            assert_eq!(server.client().get("/readyz", &[]).unwrap().status, 503);
            server.kill();
        } else {
            // The last checkpoint fails.
            assert_eq!(server.stop().code(), Some(3), "{path}");
            assert_eq!(stored_checkpoint(&disk), FIRST_CHECKPOINT, "{path}");
        }
        assert_eq!(disk.sim.faults_met(), 1, "{path}");
        disk.sim.power_cut(Survival::OnlyContent);
        ends_exact(temp.path(), &disk, &answers);
    }
}

#[test]
#[ignore = "needs root and /dev/fuse: it mounts the simulated disk"]
fn a_full_disk_refuses_until_space_returns_and_windows_are_written_then() {
    let temp = tempfile::tempdir().unwrap();
    let disk = MountedDisk::mount(temp.path(), 5);
    let server =
        Server::start(temp.path(), &["--tune", "flush_interval=10ms", "--tune", "checkpoint_interval=20ms"]);
    let mut answers = post(&server, 0..4);
    assert!(all(&answers, 202));
    disk.sim.set_full(true);
    for _ in 0..3 {
        let failed = post(&server, 4..8);
        assert!(all(&failed, 503), "{failed:?}");
    }
    disk.sim.set_full(false);
    answers.extend(post(&server, 4..8));
    assert!(all(&answers, 202), "{answers:?}");
    // A window that cannot be written is tried again, and the checkpoint waits for it.
    disk.sim.fail(fault(Op::SyncData, "/store/tmp", 2, EIO));
    disk.sim.fail(fault(Op::Rename, "20251228T18Z.json", 1, EIO));
    answers.extend(post(&server, 8..9));
    let met = disk.sim.faults_met();
    assert!(server.stop().success());
    assert!(disk.sim.faults_met() >= met && disk.sim.faults_met() > 0);
    assert_eq!(report_checkpoint(temp.path()), Seq(9));
    disk.sim.power_cut(Survival::Nothing);
    ends_exact(temp.path(), &disk, &answers);
}

/// The checkpoint that a first start writes.
const FIRST_CHECKPOINT: u64 = 0;

fn stored_checkpoint(disk: &MountedDisk) -> u64 {
    let bytes = disk.sim.read(Path::new("/store/checkpoint.json")).unwrap();
    let checkpoint: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    checkpoint["appliedThrough"].as_u64().unwrap()
}

fn report_checkpoint(dir: &Path) -> Seq {
    Seq(assert_verified(dir)["checkpoint"].as_u64().unwrap())
}
