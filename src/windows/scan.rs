//! Walks over all window files: for a start that must prove them, `verify`, `repair`.
//!
//! Input: the directory of windows. Output: paths; what all windows say together. Never: changes a file.

use std::io;
use std::path::{Path, PathBuf};

use super::window::Window;
use crate::base::disk::Disk;
use crate::data_dir::DataDir;
use crate::journal::start_error::StartError;
use crate::model::Seq;

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

/// Refuses to start where a window holds a record that the journal does not reach. Damaged windows are passed over: they
/// are rebuilt when they are next needed.
///
/// # Errors
/// [`StartError::WindowAhead`], or what the disk says.
pub fn refuse_windows_ahead(disk: &dyn Disk, dir: &DataDir, end: Seq) -> Result<(), StartError> {
    window_files(disk, dir, |path| {
        match Window::decode_any(&disk.read(path)?).map(|window| window.applied_through()) {
            Ok(applied_through) if applied_through > end => {
                Err(StartError::WindowAhead { file: path.to_owned(), applied_through, end })
            }
            _ => Ok(()),
        }
    })
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
