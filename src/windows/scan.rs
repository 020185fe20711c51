//! Walks over all stored windows: for a start that must prove them, `verify` and `repair`.
//!
//! Input: the directory of windows. Output: every window as it is stored, and what else lies there. Never: changes a file.

use std::io;
use std::path::PathBuf;

use super::file::decode_any;
use super::shelf::{Shelf, StoredWindow};
use super::view::Wanted;
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, pack_file_name, pack_in_file_name, window_in_file_name};
use crate::journal::start_error::StartError;
use crate::model::{Seq, WindowId};

/// One thing in the directory of a customer.
pub enum OnShelf<'a> {
    /// A window, named by its directory and its file, or by its place in a pack.
    Window {
        /// The directory's name.
        customer_name: &'a str,
        /// Which window this should be.
        id: WindowId,
        /// Its content as it is stored.
        stored: StoredWindow,
    },
    /// A packed day whose index is damaged.
    DamagedPack(PathBuf),
    /// A file of another name.
    Other(PathBuf),
}

/// Calls `visit` with everything in the directories of all customers.
///
/// # Errors
/// What the disk or `visit` says.
pub fn visit_shelves<E: From<io::Error>>(
    disk: &dyn Disk,
    dir: &DataDir,
    mut visit: impl FnMut(OnShelf<'_>) -> Result<(), E>,
) -> Result<(), E> {
    for customer in customer_names(disk, dir)? {
        let customer_dir = dir.windows().join(&customer);
        let mut shelf = Shelf::new(disk, customer_dir.clone());
        let list = shelf.list()?;
        for id in list.windows {
            if let Some(stored) = shelf.read(id)? {
                visit(OnShelf::Window { customer_name: &customer, id, stored })?;
            }
        }
        for pack in list.damaged {
            visit(OnShelf::DamagedPack(customer_dir.join(pack_file_name(pack))))?;
        }
        for name in list.others {
            visit(OnShelf::Other(customer_dir.join(name)))?;
        }
    }
    Ok(())
}

/// The names of the customers' directories, sorted.
fn customer_names(disk: &dyn Disk, dir: &DataDir) -> io::Result<Vec<String>> {
    let entries = disk.list(&dir.windows())?.into_iter().filter(|entry| entry.is_dir);
    let mut names: Vec<String> = entries.map(|entry| entry.name).collect();
    names.sort_unstable();
    Ok(names)
}

/// Calls `visit` with every undamaged file of a window's own, and every pack, and the last record in it. Packed windows are not
/// decoded: the index of their pack tells their last records.
fn visit_last_records<E: From<io::Error>>(
    disk: &dyn Disk,
    dir: &DataDir,
    mut visit: impl FnMut(PathBuf, Seq) -> Result<(), E>,
) -> Result<(), E> {
    for customer in customer_names(disk, dir)? {
        let customer_dir = dir.windows().join(&customer);
        let (mut windows, mut packs) = (Vec::new(), Vec::new());
        disk.names(&customer_dir, &mut |name| {
            windows.extend(window_in_file_name(name));
            packs.extend(pack_in_file_name(name));
        })?;
        windows.sort_unstable();
        packs.sort_unstable();
        let mut shelf = Shelf::new(disk, customer_dir.clone());
        for id in windows {
            let Some(StoredWindow { path, content: Ok(bytes) }) = shelf.read_plain(id)? else { continue };
            let Ok((_, view)) = decode_any(&bytes, &Wanted::TOTALS) else { continue };
            visit(path, view.applied_through)?;
        }
        for pack in packs {
            visit(customer_dir.join(pack_file_name(pack)), shelf.last_packed(pack)?)?;
        }
    }
    Ok(())
}

/// Refuses to start where a window holds a record that the journal does not reach. Damaged files are passed over: their
/// windows are rebuilt when they are next needed.
///
/// # Errors
/// [`StartError::WindowAhead`], or what the disk says.
pub fn refuse_windows_ahead(disk: &dyn Disk, dir: &DataDir, end: Seq) -> Result<(), StartError> {
    visit_last_records(disk, dir, |file, applied_through| match applied_through > end {
        true => Err(StartError::WindowAhead { file, applied_through, end }),
        false => Ok(()),
    })
}

/// The undamaged file of windows with the highest record, and that record.
pub fn latest_window(disk: &dyn Disk, dir: &DataDir) -> io::Result<Option<(PathBuf, Seq)>> {
    let mut latest: Option<(PathBuf, Seq)> = None;
    visit_last_records::<io::Error>(disk, dir, |path, applied_through| {
        if latest.as_ref().is_none_or(|(_, highest)| applied_through > *highest) {
            latest = Some((path, applied_through));
        }
        Ok(())
    })?;
    Ok(latest)
}
