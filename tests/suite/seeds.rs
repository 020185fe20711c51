//! The inputs that fuzzing starts from, and that every `cargo test` replays.

use std::fs;
use std::path::Path;

/// Names and bytes of the seeds in this folder of `data/fuzz`, in order.
pub(crate) fn seeds(folder: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fuzz").join(folder);
    let mut seeds: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    seeds.sort();
    assert!(seeds.len() >= 40, "{} seeds", seeds.len());
    seeds
}
