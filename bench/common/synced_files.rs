//! A floor of durable ingest: a synced file for every batch, by 16 threads, as servers do that keep no journal.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const THREADS: usize = 16;

/// Makes files of these bytes in a new folder of `dir` (create, write, fsync, link to the final name, unlink) as long as
/// `goes_on` says so of a file's number. Returns how many, and how long it took; removing them is not counted.
pub(crate) fn make(dir: &Path, body: &[u8], goes_on: impl Fn(u64) -> bool + Sync) -> (u64, Duration) {
    let dir = dir.join("synced-files");
    fs::create_dir(&dir).unwrap();
    let (next, made) = (AtomicU64::new(0), AtomicU64::new(0));
    let begin = Instant::now();
    thread::scope(|scope| {
        let run = || loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if !goes_on(number) {
                break;
            }
            let (temp, path) = (dir.join(format!("t{number}")), dir.join(format!("f{number}")));
            let mut file = File::create_new(&temp).unwrap();
            file.write_all(body).unwrap();
            file.sync_all().unwrap();
            fs::hard_link(&temp, &path).unwrap();
            fs::remove_file(&temp).unwrap();
            made.fetch_add(1, Ordering::Relaxed);
        };
        for _ in 0..THREADS {
            thread::Builder::new().spawn_scoped(scope, run).unwrap();
        }
    });
    let elapsed = begin.elapsed();
    fs::remove_dir_all(dir).unwrap();
    (made.into_inner(), elapsed)
}
