//! A disk that really fails: ext4 on a loop device whose backing file has no space left, so that the kernel takes writes
//! and `fdatasync` then reports that they were lost. The journal latches, a restart recovers, counts are exact.
//!
//! Needs root, a loop device and mkfs.ext4; where they are missing the test says so, and the simulated disk of
//! `tests/simulate.rs` (every single sync fails in turn) stands in for it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::client::Client;
use support::rng::Rng;
use support::server::{Server, assert_verified, window};

/// A small file system that begins to lose writes when told to. Unmounted when dropped.
struct FailingDisk {
    temp: tempfile::TempDir,
}

fn succeeds(program: &str, args: &[&str], path: &Path, more: Option<&Path>) -> bool {
    let output = Command::new(program).args(args).arg(path).args(more).output();
    output.is_ok_and(|output| output.status.success())
}

impl FailingDisk {
    fn mount() -> Option<FailingDisk> {
        let disk = FailingDisk { temp: tempfile::tempdir().unwrap() };
        fs::create_dir(disk.backing()).unwrap();
        fs::create_dir(disk.path()).unwrap();
        let image = disk.image();
        let ready = succeeds("mount", &["-t", "tmpfs", "-o", "size=40m", "tmpfs"], &disk.backing(), None)
            && File::create(&image).and_then(|file| file.set_len(256 << 20)).is_ok()
            // Without a journal of its own nothing but our files is written where it could fail.
            && succeeds("mkfs.ext4", &["-q", "-F", "-O", "^has_journal", "-E", "nodiscard"], &image, None)
            && disk.attach();
        if !ready {
            eprintln!("not shown here: a failing disk needs root, a loop device and mkfs.ext4");
        }
        ready.then_some(disk)
    }

    fn attach(&self) -> bool {
        succeeds("mount", &["-o", "loop"], &self.image(), Some(&self.path()))
    }

    fn detach(&self) -> bool {
        succeeds("umount", &[], &self.path(), None)
    }

    fn backing(&self) -> PathBuf {
        self.temp.path().join("backing")
    }

    fn image(&self) -> PathBuf {
        self.backing().join("image")
    }

    fn path(&self) -> PathBuf {
        self.temp.path().join("disk")
    }

    /// From now on the disk has no room for anything new, and does not know it.
    fn fail(&self) {
        assert!(succeeds("sync", &["-f"], &self.path(), None));
        let mut ballast = File::create(self.backing().join("ballast")).unwrap();
        for size in [1 << 16, 1 << 12] {
            while ballast.write_all(&vec![1; size]).is_ok() {}
        }
        // What room there may still be is taken block by block, until nothing can be written any more.
        let mut lost = 0;
        for number in 0..1_000 {
            let mut probe = File::create(self.path().join(format!("probe-{number}"))).unwrap();
            let kept = probe.write_all(&[1; 4096]).is_ok() && probe.sync_data().is_ok();
            lost = if kept { 0 } else { lost + 1 };
            if lost == 3 {
                return;
            }
        }
        panic!("the disk does not fail");
    }

    fn mend(&self) {
        fs::remove_file(self.backing().join("ballast")).unwrap();
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
        let _ = Command::new("umount").arg("-l").arg(self.backing()).output();
    }
}

/// A batch whose body does not compress.
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

#[test]
fn a_failed_sync_latches_and_a_restart_recovers_with_exact_counts() {
    let Some(disk) = FailingDisk::mount() else { return };
    // The journal alone writes while the disk fails, and every group begins a segment: a loop device reports a write that
    // fails from its first byte, not one that only ends too early.
    let flags = [
        ["--segment-bytes", "1"],
        ["--min-free-bytes", "0"],
        ["--flush-interval", "1h"],
        ["--checkpoint-interval", "1h"],
    ]
    .concat();
    let server = Server::start(&disk.path(), &flags);
    assert!(post(&server, 0..8).values().all(|status| *status == 202));

    disk.fail();
    let failed = post(&server, 8..40);
    assert!(failed.values().all(|status| [202, 503].contains(status)), "{failed:?}");
    assert!(failed.values().any(|status| *status == 503), "the disk was meant to fail");
    let mut client = server.client();
    assert_eq!(client.get("/readyz", &[]).unwrap().status, 503);
    assert_eq!(client.get("/healthz", &[]).unwrap().status, 200);

    // It stays so when the disk is well again: nobody knows what the kernel dropped.
    disk.mend();
    assert!(post(&server, 40..44).values().all(|status| *status == 503));
    assert_eq!(client.get("/readyz", &[]).unwrap().status, 503);
    assert!(server.log().to_lowercase().contains("restart"), "{}", server.log());
    server.kill();

    let server = Server::start(&disk.path(), &flags);
    for (number, status) in post(&server, 0..44) {
        let acknowledged = number < 8 || failed.get(&number) == Some(&202);
        assert!(status == 409 || (status == 202 && !acknowledged), "batch {number} is answered {status}");
    }
    assert!(server.stop().success());
    // What the page cache remembers is forgotten: only what is really on the disk counts.
    assert!(disk.detach() && disk.attach());
    assert_eq!(window(&disk.path(), "acme", "20251228T1803Z").unwrap()["requests"], 44 * 100);
    let report = assert_verified(&disk.path());
    assert_eq!(report["records"], 44);
}
