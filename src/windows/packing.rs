//! Packing: the minute and hour windows of an old day, which are many small files, become one file each.
//!
//! Input: a customer's directory in which nobody else removes files. Output: durable packs, and which files of windows they make
//! unnecessary. Never: removes a file (only the worker that owns a window knows whether it has merged into it meanwhile), or
//! replaces a pack by one that holds less.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{Damaged, decode_any};
use super::pack::PackWriter;
use super::shelf::{Shelf, StoredWindow};
use super::view::Wanted;
use crate::base::disk::{Disk, DiskFile};
use crate::data_dir::{DataDir, at, customer_dir_name, pack_file_name, window_in_file_name};
use crate::model::{CustomerId, PackId, Seq, WindowId, WindowStart};

/// Why a day was not packed. Nothing has changed.
#[derive(Debug)]
pub enum PackError {
    /// What the disk says, naming the file.
    Io(io::Error),
    Damaged(String),
    /// There was no more time.
    Stopped,
    /// The new pack is in place, but its directory could not be synced, so nothing is known of the directory.
    NotSynced(io::Error),
}

impl From<io::Error> for PackError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct PackedDay {
    pub customer: CustomerId,
    pub pack: PackId,
    /// The windows that have a file of their own besides, with the last record that the pack has of each.
    pub plain: Vec<(WindowStart, Seq)>,
}

/// The days before `end` of which a customer's directory holds windows in files of their own.
pub fn unpacked_days(
    disk: &dyn Disk,
    dir: &DataDir,
    customer_name: &str,
    end: WindowStart,
) -> io::Result<Vec<PackId>> {
    let customer_dir = dir.windows().join(customer_name);
    let mut packs = BTreeSet::new();
    disk.names(&customer_dir, &mut |name| {
        packs.extend(window_in_file_name(name).and_then(PackId::of).filter(|pack| pack.day < end));
    })
    .map_err(at(&customer_dir))?;
    Ok(packs.into_iter().collect())
}

/// When not to pack.
pub struct PackVeto<'a> {
    /// Whether a window of that day of a customer was merged into lately.
    pub is_busy: &'a dyn Fn(&CustomerId) -> bool,
    /// Whether the process is to end.
    pub is_stopped: &'a dyn Fn() -> bool,
}

/// A day that is being packed.
pub struct DayToPack<'a> {
    disk: &'a dyn Disk,
    dir: &'a DataDir,
    shelf: Shelf<'a>,
    customer_name: &'a str,
    customer_dir: PathBuf,
    pack: PackId,
    veto: PackVeto<'a>,
}

impl<'a> DayToPack<'a> {
    /// A day of the customer whose directory has this name.
    pub fn new(
        disk: &'a dyn Disk,
        dir: &'a DataDir,
        (customer_name, pack): (&'a str, PackId),
        veto: PackVeto<'a>,
    ) -> Self {
        let customer_dir = dir.windows().join(customer_name);
        let shelf = Shelf::new(disk, customer_dir.clone());
        Self { disk, dir, shelf, customer_name, customer_dir, pack, veto }
    }

    /// Packs it, unless it is busy. `None` where it is, or no window of it has a file of its own.
    pub fn pack(mut self) -> Result<Option<PackedDay>, PackError> {
        let plain = self.plain()?;
        let Some(customer) = self.owner(&plain)? else { return Ok(None) };
        if (self.veto.is_busy)(&customer) {
            return Ok(None);
        }
        let packed = match self.as_packed(&plain)? {
            Some(packed) => packed,
            None => self.write(&plain)?,
        };
        Ok(Some(PackedDay { customer, pack: self.pack, plain: packed }))
    }

    /// The windows that have files of their own.
    fn plain(&self) -> io::Result<BTreeSet<WindowStart>> {
        let mut starts = BTreeSet::new();
        self.disk
            .names(&self.customer_dir, &mut |name| {
                let window =
                    window_in_file_name(name).filter(|window| PackId::of(*window) == Some(self.pack));
                starts.extend(window.map(|window| window.start));
            })
            .map_err(at(&self.customer_dir))?;
        Ok(starts)
    }

    /// The customer that these windows name; `None` if there are no windows.
    fn owner(&mut self, plain: &BTreeSet<WindowStart>) -> Result<Option<CustomerId>, PackError> {
        for start in plain {
            if let Some((customer, ..)) = self.read(*start)? {
                return Ok(Some(customer));
            }
        }
        Ok(None)
    }

    /// The last records of these windows, if the pack holds all of them already: a crash came before their files were
    /// removed.
    fn as_packed(
        &mut self,
        plain: &BTreeSet<WindowStart>,
    ) -> Result<Option<Vec<(WindowStart, Seq)>>, PackError> {
        let mut packed = Vec::new();
        for start in plain {
            let Some(line) = self.shelf.read_packed(self.pack, *start)? else { return Ok(None) };
            let Some((_, bytes, through)) = self.read(*start)? else { continue };
            if line.content.is_ok_and(|line| line == bytes) {
                packed.push((*start, through));
            } else {
                return Ok(None);
            }
        }
        Ok(Some(packed))
    }

    /// The newer copy of a window, its owner, and its last record.
    fn read(&mut self, start: WindowStart) -> Result<Option<(CustomerId, Vec<u8>, Seq)>, PackError> {
        if (self.veto.is_stopped)() {
            return Err(PackError::Stopped);
        }
        let id = WindowId { size: self.pack.size, start };
        let Some(StoredWindow { path, content }) = self.shelf.read(id)? else { return Ok(None) };
        let damaged = |why: Damaged| PackError::Damaged(format!("{}: {why}", path.display()));
        let bytes = content.map_err(damaged)?;
        let (customer, view) = decode_any(&bytes, &Wanted::TOTALS).map_err(damaged)?;
        if view.id != id || customer_dir_name(&customer) != self.customer_name {
            return Err(damaged(Damaged::Misplaced(customer.to_string())));
        }
        let through = view.applied_through;
        Ok(Some((customer, bytes, through)))
    }

    /// Writes the pack of these windows and those that it has already. Returns the last records of these.
    fn write(&mut self, plain: &BTreeSet<WindowStart>) -> Result<Vec<(WindowStart, Seq)>, PackError> {
        let target = self.customer_dir.join(pack_file_name(self.pack));
        let packed = self.shelf.starts(self.pack)?;
        let packed = packed
            .ok_or_else(|| PackError::Damaged(format!("{}: {}", target.display(), Damaged::PackIndex)))?;
        let starts: BTreeSet<WindowStart> = plain.iter().copied().chain(packed).collect();
        let temp = self.dir.temp();
        let written = self.write_temp(&temp, &starts).and_then(|written| {
            self.disk.rename(&temp, &target).map_err(at(&target))?;
            Ok(written)
        });
        let mut written = written.inspect_err(|_| drop(self.disk.remove(&temp)))?;
        for path in [&self.customer_dir, &self.dir.windows()] {
            self.disk.sync_dir(path).map_err(at(path)).map_err(PackError::NotSynced)?;
        }
        written.retain(|(start, _)| plain.contains(start));
        Ok(written)
    }

    /// Writes the pack under a temporary name. Returns the last records of its windows.
    fn write_temp(
        &mut self,
        temp: &Path,
        starts: &BTreeSet<WindowStart>,
    ) -> Result<Vec<(WindowStart, Seq)>, PackError> {
        let mut file = self.disk.create(temp).map_err(at(temp))?;
        let (mut writer, mut offset, mut written) = (PackWriter::new(self.pack.day), 0, Vec::new());
        let mut append = |file: &mut Box<dyn DiskFile>, bytes: &[u8]| {
            let appended = file.write_at(offset, &[bytes]).map_err(at(temp));
            offset += bytes.len() as u64;
            appended
        };
        for start in starts {
            if let Some((_, line, through)) = self.read(*start)? {
                append(&mut file, &writer.push(*start, through, &line)?)?;
                written.push((*start, through));
            }
        }
        append(&mut file, &writer.finish()?)?;
        file.sync_data().map_err(at(temp))?;
        Ok(written)
    }
}
