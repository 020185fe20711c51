//! A disk that is really full: a small tmpfs under the data directory. Mounting needs root; `tests/suite/simulate` shows the
//! same without it, on a simulated disk (ENOSPC on every single operation).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::server::Server;
use crate::support::stored::{assert_verified, window};
use crate::support::wait::eventually;

/// A tmpfs of this size, unmounted when dropped.
struct SmallDisk {
    temp: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(size: &str) -> SmallDisk {
        let temp = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(temp.path())
            .output()
            .unwrap();
        assert!(mounted.status.success(), "cannot mount: {}", String::from_utf8_lossy(&mounted.stderr));
        SmallDisk { temp }
    }

    fn path(&self) -> &Path {
        self.temp.path()
    }

    /// Leaves this much space.
    fn fill(&self, leave: u64) -> PathBuf {
        let ballast = self.path().join("ballast");
        let stats = rustix::fs::statvfs(self.path()).unwrap();
        let free = stats.f_bavail * stats.f_frsize;
        fs::write(&ballast, vec![1; free.saturating_sub(leave) as usize]).unwrap();
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l"]).arg(self.temp.path()).output();
    }
}

fn body(path: &str, entries: usize) -> Vec<u8> {
    let entry =
        json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "curl/8"});
    serde_json::to_vec(&vec![entry; entries]).unwrap()
}

#[test]
#[ignore = "needs root: it mounts a small tmpfs"]
fn below_min_free_bytes_batches_are_refused_until_space_returns() {
    let disk = SmallDisk::mount("24m");
    let server = Server::start(disk.path(), &["--min-free-bytes", "4MiB"]);
    let mut client = server.client();
    assert_eq!(client.post("acme", "before", &body("/before", 1)).unwrap().status, 202);

    let ballast = disk.fill(2 << 20);
    let answer = client.post("acme", "full", &body("/full", 1)).unwrap();
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true));
    assert_eq!(answer.json()["errorCode"], "SYS_9002");
    assert_eq!(client.get("/readyz", &[]).unwrap().status, 503);
    // What was counted is still known, and what is in memory can still be written.
    assert_eq!(client.post("acme", "before", &body("/before", 1)).unwrap().status, 409);

    let said = |words: &str| server.log().lines().filter(|line| line.contains(words)).count();
    eventually("the operator is told", || said("is full: ") == 1);

    fs::remove_file(ballast).unwrap();
    // A process that another test has just forked may hold the file open until it executes another program.
    eventually("the space is back", || client.get("/readyz", &[]).unwrap().status == 200);
    assert_eq!(client.post("acme", "full", &body("/full", 1)).unwrap().status, 202);
    eventually("the operator is told of the end", || said("has space again") == 1);
    assert_eq!(said("is full: "), 1);
    assert!(server.stop().success());
    assert_eq!(window(disk.path(), "acme", "20251228T1803Z").unwrap()["requests"], 2);
    assert_verified(disk.path());
}

#[test]
#[ignore = "needs root: it mounts a small tmpfs"]
fn a_write_that_runs_out_of_space_is_cut_back_and_service_goes_on() {
    let disk = SmallDisk::mount("24m");
    // The journal has no limit but the disk itself.
    let server = Server::start(disk.path(), &["--min-free-bytes", "0B"]);
    let mut client = server.client();
    let ballast = disk.fill(256 << 10);
    // Bodies that do not compress, larger than what is left together.
    let noise = |seed: u64| -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let entries: Vec<_> = (0..500)
            .map(|_| {
                let path: String = (0..8)
                    .map(|_| {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        format!("{state:016x}")
                    })
                    .collect();
                json!({"receivedAt": "2025-12-28T18:03:00Z", "method": "GET", "path": path, "userAgent": "curl/8"})
            })
            .collect();
        serde_json::to_vec(&entries).unwrap()
    };
    let mut accepted = 0;
    let mut refused = Vec::new();
    for number in 0..8 {
        match client.post("acme", &format!("k{number}"), &noise(number)).unwrap().status {
            202 => accepted += 1,
            503 => refused.push(number),
            other => panic!("answered {other}"),
        }
    }
    assert!(!refused.is_empty(), "the disk was meant to be full");
    fs::remove_file(ballast).unwrap();
    // No restart: what was refused is taken now, under the same keys.
    for number in &refused {
        let (key, body) = (format!("k{number}"), noise(*number));
        eventually("a batch is taken again", || client.post("acme", &key, &body).unwrap().status == 202);
        accepted += 1;
    }
    assert_eq!(accepted, 8);
    assert!(server.stop().success());
    assert_eq!(window(disk.path(), "acme", "20251228T1803Z").unwrap()["requests"], 8 * 500);
    assert_verified(disk.path());
}
