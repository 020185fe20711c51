//! Figures of a process from `/proc`.

use std::fs;

/// A number the kernel knows about a process: `Threads`, `VmRSS` (KiB) and so on.
pub fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
