//! Packing: the minute and hour windows of an old day, which are many small files, become one file each.
//!
//! Input: a customer's directory in which nobody else removes files. Output: durable packs, and which files of windows they make
//! unnecessary. Never: removes a file (only the worker that owns a window knows whether it has merged into it meanwhile), or
//! replaces a pack by one that holds less.

use std::io;

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
    /// This file is damaged.
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

/// A day that is packed.
#[derive(Debug, PartialEq, Eq)]
pub struct PackedDay {
    /// Whose.
    pub customer: CustomerId,
    /// Which.
    pub pack: PackId,
    /// The windows that have a file of their own besides, with the last record that the pack has of each.
    pub plain: Vec<(WindowStart, Seq)>,
}

/// The days before `end` of which a customer's directory holds windows in files of their own.
///
/// # Errors
/// What the disk says.
pub fn unpacked_days(
    disk: &dyn Disk,
    dir: &DataDir,
    customer_name: &str,
    end: WindowStart,
) -> io::Result<Vec<PackId>> {
    let customer_dir = dir.windows().join(customer_name);
    let mut packs = std::collections::BTreeSet::new();
    disk.names(&customer_dir, &mut |name| {
        packs.extend(window_in_file_name(name).and_then(PackId::of).filter(|pack| pack.day < end));
    })
    .map_err(at(&customer_dir))?;
    Ok(packs.into_iter().collect())
}

/// When not to pack.
pub struct PackVeto<'a> {
    /// Whether something was merged into that day of a customer lately.
    pub is_busy: &'a dyn Fn(&CustomerId) -> bool,
    /// Whether the process is to end.
    pub is_stopped: &'a dyn Fn() -> bool,
}

/// The windows of a day that have files of their own.
struct PlainWindows {
    customer: CustomerId,
    plain: Vec<(WindowStart, Seq)>,
    /// Whether the pack, if there is one, lacks something of them.
    is_news: bool,
}

/// A day that is being packed.
pub struct DayToPack<'a> {
    disk: &'a dyn Disk,
    dir: &'a DataDir,
    shelf: Shelf<'a>,
    customer_name: &'a str,
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
        let shelf = Shelf::new(disk, dir.windows().join(customer_name));
        Self { disk, dir, shelf, customer_name, pack, veto }
    }

    /// Packs it, unless it is busy. `None` where it is, or no window of it has a file of its own.
    ///
    /// # Errors
    /// See [`PackError`].
    pub fn pack(mut self) -> Result<Option<PackedDay>, PackError> {
        let Some(PlainWindows { customer, plain, is_news }) = self.plain()? else { return Ok(None) };
        if is_news {
            self.write(&plain)?;
        }
        Ok(Some(PackedDay { customer, pack: self.pack, plain }))
    }

    /// The windows that have files of their own, as the pack will hold them; `None` where there are none or the day is busy.
    fn plain(&mut self) -> Result<Option<PlainWindows>, PackError> {
        let mut starts = Vec::new();
        self.disk
            .names(&self.dir.windows().join(self.customer_name), &mut |name| {
                let window =
                    window_in_file_name(name).filter(|window| PackId::of(*window) == Some(self.pack));
                starts.extend(window.map(|window| window.start));
            })
            .map_err(at(&self.dir.windows()))?;
        starts.sort_unstable();
        let mut found: Option<PlainWindows> = None;
        for start in starts {
            let Some((customer, bytes, through)) = self.read(start)? else { continue };
            if found.is_none() && (self.veto.is_busy)(&customer) {
                return Ok(None);
            }
            let packed = self.shelf.read_packed(self.pack, start)?;
            let is_packed = packed.is_some_and(|packed| packed.content.is_ok_and(|line| line == bytes));
            let found =
                found.get_or_insert_with(|| PlainWindows { customer, plain: Vec::new(), is_news: false });
            found.plain.push((start, through));
            // It is packed already where a crash came before its file was removed.
            found.is_news |= !is_packed;
        }
        Ok(found)
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

    /// Writes the pack of these windows and those that it has already.
    fn write(&mut self, plain: &[(WindowStart, Seq)]) -> Result<(), PackError> {
        let target = self.dir.windows().join(self.customer_name).join(pack_file_name(self.pack));
        let packed = self.shelf.starts(self.pack)?;
        let packed = packed
            .ok_or_else(|| PackError::Damaged(format!("{}: {}", target.display(), Damaged::PackIndex)))?;
        let mut starts: Vec<WindowStart> = plain.iter().map(|(start, _)| *start).chain(packed).collect();
        starts.sort_unstable();
        starts.dedup();
        let temp = self.dir.temp();
        let written = self
            .write_temp(&temp, &starts)
            .and_then(|()| Ok(self.disk.rename(&temp, &target).map_err(at(&target))?));
        if written.is_err() {
            let _ = self.disk.remove(&temp);
        }
        written?;
        for path in [self.dir.windows().join(self.customer_name), self.dir.windows()] {
            self.disk.sync_dir(&path).map_err(at(&path)).map_err(PackError::NotSynced)?;
        }
        Ok(())
    }

    fn write_temp(&mut self, temp: &std::path::Path, starts: &[WindowStart]) -> Result<(), PackError> {
        let mut file = self.disk.create(temp).map_err(at(temp))?;
        let (mut writer, mut offset) = (PackWriter::new(self.pack.day), 0);
        let mut append = |file: &mut Box<dyn DiskFile>, bytes: &[u8]| {
            let written = file.write_at(offset, &[bytes]).map_err(at(temp));
            offset += bytes.len() as u64;
            written
        };
        for start in starts {
            if let Some((_, line, through)) = self.read(*start)? {
                append(&mut file, &writer.push(*start, through, &line)?)?;
            }
        }
        append(&mut file, &writer.finish()?)?;
        file.sync_data().map_err(at(temp))?;
        Ok(())
    }
}
