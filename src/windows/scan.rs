//! Walking over all window files, for whoever has to look at every one: a start without a checkpoint, `verify`,
//! `repair`.

use std::io;
use std::path::{Path, PathBuf};

use super::window::Window;
use crate::base::disk::Disk;
use crate::data_dir::DataDir;
use crate::journal::start_error::StartError;
use crate::model::{Seq, WindowSize};

/// Calls `visit` with the path of every window file.
///
/// # Errors
/// What the disk or `visit` says.
pub fn window_files<E: From<io::Error>>(
    disk: &dyn Disk,
    dir: &DataDir,
    mut visit: impl FnMut(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let mut customers: Vec<_> = disk.list(&dir.windows())?.into_iter().filter(|entry| entry.is_dir).collect();
    customers.sort_unstable();
    for customer in customers {
        let customer_dir = dir.windows().join(&customer.name);
        let mut files: Vec<_> = disk.list(&customer_dir)?.into_iter().filter(|entry| !entry.is_dir).collect();
        files.sort_unstable();
        for file in files {
            visit(&customer_dir.join(&file.name))?;
        }
    }
    Ok(())
}

/// Refuses to start where windows show that the journal lost its end or its beginning: one holds a record the journal
/// does not reach, or no day holds the record before its first. (Segments are removed only after a checkpoint, and a
/// checkpoint writes every day.) Damaged windows are passed over: they are dealt with when they are next touched.
///
/// # Errors
/// [`StartError::WindowAhead`], [`StartError::Gap`], or what the disk says.
pub fn refuse_lost_journal(disk: &dyn Disk, dir: &DataDir, oldest: Seq, end: Seq) -> Result<(), StartError> {
    let mut latest_day = Seq::ZERO;
    window_files(disk, dir, |path| {
        let Ok(window) = Window::decode_any(&disk.read(path)?) else { return Ok(()) };
        let applied_through = window.applied_through();
        if applied_through > end {
            return Err(StartError::WindowAhead { file: path.to_owned(), applied_through, end });
        }
        if window.id().size == WindowSize::Day {
            latest_day = latest_day.max(applied_through);
        }
        Ok(())
    })?;
    if latest_day.next() < oldest {
        return Err(StartError::Gap { from: latest_day.next(), to: oldest });
    }
    Ok(())
}

/// The undamaged window with the highest record, and that record.
///
/// # Errors
/// What the disk says.
pub fn latest_window(disk: &dyn Disk, dir: &DataDir) -> io::Result<Option<(PathBuf, Seq)>> {
    let mut latest: Option<(PathBuf, Seq)> = None;
    window_files::<io::Error>(disk, dir, |path| {
        if let Ok(window) = Window::decode_any(&disk.read(path)?) {
            let applied_through = window.applied_through();
            if latest.as_ref().is_none_or(|(_, highest)| applied_through > *highest) {
                latest = Some((path.to_owned(), applied_through));
            }
        }
        Ok(())
    })?;
    Ok(latest)
}
