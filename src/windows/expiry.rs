//! Removing window files that are older than `--retain-windows-days` says.

use std::io;

use crate::base::disk::Disk;
use crate::data_dir::{DataDir, window_in_file_name};
use crate::model::WindowSize;
use crate::time;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Removes the files of windows that ended more than so many days ago (by size, finest first; 0 keeps them for ever).
/// Says how many. A late entry for a removed window begins it anew.
///
/// # Errors
/// What the disk says.
pub fn expire(disk: &dyn Disk, dir: &DataDir, retain_days: [u32; 3], now_ms: u64) -> io::Result<u64> {
    if retain_days == [0; 3] {
        return Ok(0);
    }
    let mut removed = 0;
    for customer in disk.list(&dir.windows())?.into_iter().filter(|entry| entry.is_dir) {
        let customer_dir = dir.windows().join(&customer.name);
        for file in disk.list(&customer_dir)? {
            let Some(window) = window_in_file_name(&file.name) else { continue };
            let days = match window.size {
                WindowSize::Minute => retain_days[0],
                WindowSize::Hour => retain_days[1],
                WindowSize::Day => retain_days[2],
            };
            let end_ms = time::start_ms(window.start) + u64::from(window.size.minutes()) * 60_000;
            if days > 0 && now_ms.saturating_sub(end_ms) > u64::from(days) * DAY_MS {
                disk.remove(&customer_dir.join(&file.name))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
