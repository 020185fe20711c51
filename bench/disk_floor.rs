//! The speed of the disk alone, to compare with that of the server: `cargo run --release --example disk_floor --
//! DIR`.
//!
//! Prints lines of `name value`: the median of one small write and `fdatasync` on an otherwise idle file, in milliseconds;
//! the same for the bytes of a group of batches at the end of a file, in a file allocated beforehand, and over what was
//! written before; and batches a second where 16 threads make every batch a synced file of its own (create, write, fsync,
//! link to its final name, unlink), as servers do that keep no journal.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark")]

#[path = "common/synced_files.rs"]
mod synced_files;

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

const BATCH_BYTES: usize = 4 * 1024;
/// Ten batches of 20 entries.
const GROUP_BYTES: usize = 45_000;
const SYNCS: usize = 300;
const PERIOD: Duration = Duration::from_secs(3);

/// The state of a file before it is written and synced piece by piece.
#[derive(Clone, Copy)]
enum Prepared {
    Empty,
    Allocated,
    Written,
}

fn sync_ms(dir: &Path, piece_bytes: usize, prepared: Prepared) -> f64 {
    let path = dir.join("floor-sync");
    let mut file = File::create(&path).unwrap();
    let piece = vec![b'x'; piece_bytes];
    match prepared {
        Prepared::Empty => {}
        Prepared::Allocated => {
            let flags = rustix::fs::FallocateFlags::empty();
            rustix::fs::fallocate(&file, flags, 0, (piece_bytes * SYNCS) as u64).unwrap();
        }
        Prepared::Written => {
            (0..SYNCS).for_each(|_| file.write_all(&piece).unwrap());
            file.rewind().unwrap();
        }
    }
    file.sync_all().unwrap();
    let mut times: Vec<f64> = (0..SYNCS)
        .map(|_| {
            let begin = Instant::now();
            file.write_all(&piece).unwrap();
            file.sync_data().unwrap();
            begin.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    fs::remove_file(path).unwrap();
    times.sort_by(f64::total_cmp);
    times[SYNCS / 2]
}

fn files_per_second(dir: &Path) -> f64 {
    let begin = Instant::now();
    let (files, elapsed) = synced_files::make(dir, &[b'x'; BATCH_BYTES], |_| begin.elapsed() < PERIOD);
    files as f64 / elapsed.as_secs_f64()
}

fn main() {
    let Some(parent) = std::env::args_os().nth(1) else { panic!("usage: disk_floor DIR") };
    let dir = Path::new(&parent).join("disk-floor");
    fs::create_dir(&dir).unwrap();
    println!("idle_fdatasync_ms {:.3}", sync_ms(&dir, BATCH_BYTES, Prepared::Empty));
    println!("group_growing_ms {:.3}", sync_ms(&dir, GROUP_BYTES, Prepared::Empty));
    println!("group_allocated_ms {:.3}", sync_ms(&dir, GROUP_BYTES, Prepared::Allocated));
    println!("group_overwriting_ms {:.3}", sync_ms(&dir, GROUP_BYTES, Prepared::Written));
    println!("file_per_batch_per_second {:.0}", files_per_second(&dir));
    fs::remove_dir_all(dir).unwrap();
}
