//! How much memory this process may use: the machine's, or its control group's where that is less.
//!
//! Input: `/proc` and `/sys/fs/cgroup`. Output: bytes. Never: an error; what cannot be read sets no limit.

use std::path::{Path, PathBuf};

use super::disk::Disk;

/// Assumed where neither file says how much memory there is.
const ASSUMED_BYTES: u64 = 1 << 30;
const CGROUPS: &str = "/sys/fs/cgroup";

/// Bytes of memory that this process may use.
pub fn total_bytes(disk: &dyn Disk) -> u64 {
    let read = |path: &Path| disk.read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| machine_bytes(&text));
    let own = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = limit_files(&own).into_iter().filter_map(|file| read(&file)?.trim().parse().ok());
    limits.chain(machine).min().unwrap_or(ASSUMED_BYTES)
}

/// `MemTotal` of `/proc/meminfo`.
fn machine_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The files with the limits of every group that `/proc/self/cgroup` names, and of those around it. Inside a container
/// its own group may be mounted as the outermost one. A group without a limit says `max` in version 2, and a number
/// larger than any machine in version 1.
fn limit_files(own: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (folder, file) = if controllers.is_empty() {
            (PathBuf::from(CGROUPS), "memory.max")
        } else if controllers.split(',').any(|name| name == "memory") {
            (Path::new(CGROUPS).join("memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|group| folder.join(group).join(file)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::disk::RealDisk;

    #[test]
    fn the_machine_has_some_memory() {
        let bytes = total_bytes(&RealDisk);
        assert!((1 << 24..1 << 50).contains(&bytes), "{bytes}");
        assert_eq!(machine_bytes("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(machine_bytes("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn limits_of_every_group_around_this_process_are_read() {
        let paths = |own: &str| -> Vec<String> {
            limit_files(own).iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(
            paths("0::/system.slice/x.service\n"),
            [
                "/sys/fs/cgroup/system.slice/x.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            paths("4:memory:/docker\n3:cpu,cpuacct:/docker\n"),
            [
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
        assert_eq!(paths("nonsense\n"), [""; 0]);
    }
}
