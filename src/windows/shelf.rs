//! Stored windows of one customer, wherever they lie: in files of their own, or in the packs of their days.
//!
//! Input: the customer's directory. Output: which windows there are, and their bytes. Never: changes a file, or takes the
//! older of two copies.
//!
//! A packed window may have a file of its own besides: until its worker removes that, and again after a late entry. The copy
//! with the higher `appliedThrough` counts. A file of its own is removed only after the pack that replaces it is durable, so a
//! reader that misses the file finds the pack.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::file::{Damaged, decode_any};
use super::pack::Pack;
use super::view::Wanted;
use crate::base::disk::{self, Disk, FileIdentity};
use crate::data_dir::{at, pack_file_name, pack_in_file_name, window_file_name, window_in_file_name};
use crate::model::{PackId, Seq, WindowId, WindowStart};

#[derive(Debug)]
pub struct StoredWindow {
    /// The file that holds it.
    pub path: PathBuf,
    /// Its canonical form, as far as the file can be read at all.
    pub content: Result<Vec<u8>, Damaged>,
}

/// What a customer's directory holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ShelfList {
    /// All windows, by size and start.
    pub windows: BTreeSet<WindowId>,
    /// Those of them that have a file of their own.
    pub plain: BTreeSet<WindowId>,
    /// Packed days.
    pub packs: BTreeSet<PackId>,
    /// Packed days whose index is damaged: their windows are not among the windows.
    pub damaged: Vec<PackId>,
    /// Names of other files.
    pub others: Vec<String>,
}

/// A pack that was looked for.
pub struct OpenPack {
    id: PackId,
    path: PathBuf,
    /// The identity of the file; `None` if there was no file.
    identity: Option<FileIdentity>,
    /// `None` where there is no such pack, or its index is damaged.
    pack: Option<Pack>,
}

/// Keeps the pack that was opened last.
pub struct Shelf<'a> {
    disk: &'a dyn Disk,
    customer_dir: PathBuf,
    open: Option<OpenPack>,
}

impl<'a> Shelf<'a> {
    /// The windows in a customer's directory.
    pub fn new(disk: &'a dyn Disk, customer_dir: PathBuf) -> Self {
        Self { disk, customer_dir, open: None }
    }

    /// The windows in a customer's directory. What another shelf had open last is used again if it is still the same file.
    pub fn new_with(disk: &'a dyn Disk, customer_dir: PathBuf, last_open: Option<OpenPack>) -> Self {
        let open = last_open.filter(|open| open.path.parent() == Some(&*customer_dir));
        Self { disk, customer_dir, open }
    }

    /// The pack that was opened last. Its file stays open, so that no other file can have its identity meanwhile;
    /// until then it takes space on the disk.
    pub fn into_last_open(self) -> Option<OpenPack> {
        let mut open = self.open?;
        open.pack.as_mut()?.forget_long_line();
        Some(open)
    }

    /// Everything in the directory.
    pub fn list(&mut self) -> io::Result<ShelfList> {
        let mut list = ShelfList::default();
        self.disk
            .names(&self.customer_dir, &mut |name| match (window_in_file_name(name), pack_in_file_name(name))
            {
                (Some(window), _) => drop(list.plain.insert(window)),
                (_, Some(pack)) => drop(list.packs.insert(pack)),
                _ => list.others.push(name.to_owned()),
            })
            .map_err(at(&self.customer_dir))?;
        list.others.sort_unstable();
        list.windows.clone_from(&list.plain);
        for id in &list.packs {
            match self.starts(*id)? {
                Some(starts) => {
                    list.windows.extend(starts.into_iter().map(|start| WindowId { size: id.size, start }));
                }
                None => list.damaged.push(*id),
            }
        }
        Ok(list)
    }

    /// The windows of a packed day, by start; `None` where its index is damaged.
    pub fn starts(&mut self, id: PackId) -> io::Result<Option<Vec<WindowStart>>> {
        let open = self.open(id)?;
        let is_damaged = open.identity.is_some() && open.pack.is_none();
        let windows = open.pack.as_ref().map_or(&[][..], Pack::windows);
        Ok((!is_damaged).then(|| windows.iter().map(|window| window.start).collect()))
    }

    /// One window; `None` where it is not stored.
    ///
    /// # Errors
    /// What the disk says, unless that is that it cannot read what is there: then the window is damaged.
    pub fn read(&mut self, id: WindowId) -> io::Result<Option<StoredWindow>> {
        let plain = self.read_plain(id)?;
        let Some(pack) = PackId::of(id) else { return Ok(plain) };
        let Some(plain) = plain else { return self.read_packed(pack, id.start) };
        let Ok(bytes) = &plain.content else { return Ok(Some(plain)) };
        let packed_through = self.packed_through(pack, id.start)?;
        let is_older = packed_through > Seq::ZERO
            && decode_any(bytes, &Wanted::TOTALS)
                .is_ok_and(|(_, view)| view.applied_through < packed_through);
        // Where the pack is damaged, its window was counted again, and that is the file.
        let newer = if is_older { self.read_packed(pack, id.start)? } else { None };
        Ok(Some(newer.filter(|packed| packed.content.is_ok()).unwrap_or(plain)))
    }

    /// The file of a window's own; `None` where it has none.
    pub fn read_plain(&self, id: WindowId) -> io::Result<Option<StoredWindow>> {
        let path = self.customer_dir.join(window_file_name(id));
        let content = match self.disk.read(&path) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if disk::is_unreadable(&error) => Err(Damaged::Content(error.to_string())),
            Err(error) => return Err(at(&path)(error)),
        };
        Ok(Some(StoredWindow { path, content }))
    }

    /// The copy of a window in the pack of its day; `None` where that has none.
    pub fn read_packed(&mut self, id: PackId, start: WindowStart) -> io::Result<Option<StoredWindow>> {
        let OpenPack { path, identity, pack, .. } = self.open(id)?;
        let content = match pack {
            None if identity.is_none() => return Ok(None),
            None => Err(Damaged::PackIndex),
            Some(pack) => {
                let Some(window) = pack.find(start) else { return Ok(None) };
                match pack.line(window) {
                    Ok(line) => line.map(<[u8]>::to_vec).ok_or(Damaged::Checksum),
                    Err(error) if disk::is_unreadable(&error) => Err(Damaged::Content(error.to_string())),
                    Err(error) => return Err(at(path)(error)),
                }
            }
        };
        Ok(Some(StoredWindow { path: path.clone(), content }))
    }

    /// The last record in the packed copy of a window; zero where there is none.
    pub fn packed_through(&mut self, id: PackId, start: WindowStart) -> io::Result<Seq> {
        let window = self.open(id)?.pack.as_ref().and_then(|pack| pack.find(start));
        Ok(window.map_or(Seq::ZERO, |window| window.applied_through))
    }

    /// The last record in a packed day, by its index; zero where there is none, or the index is damaged.
    pub fn last_packed(&mut self, id: PackId) -> io::Result<Seq> {
        let windows = self.open(id)?.pack.as_ref().map_or(&[][..], Pack::windows);
        Ok(windows.iter().map(|window| window.applied_through).max().unwrap_or(Seq::ZERO))
    }

    /// The pack of a day as it is now.
    fn open(&mut self, id: PackId) -> io::Result<&mut OpenPack> {
        // Called for every window of a day, so its path is made only once.
        let mut open = self.open.take().filter(|open| open.id == id).unwrap_or_else(|| OpenPack {
            id,
            path: self.customer_dir.join(pack_file_name(id)),
            identity: None,
            pack: None,
        });
        // Read before the pack is opened: if the pack is replaced in between, the next call finds another identity
        // and opens it again.
        let identity =
            disk::if_exists(self.disk.identity(&open.path)).map_err(|error| at(&open.path)(error))?;
        // A pack is never written over, only replaced.
        if open.identity != identity {
            (open.identity, open.pack) = (None, None);
            if identity.is_some()
                && let Some(file) =
                    disk::if_exists(self.disk.open(&open.path)).map_err(|error| at(&open.path)(error))?
            {
                open.identity = identity;
                open.pack = match Pack::open(id.day, file) {
                    Ok(pack) => pack,
                    Err(error) if disk::is_unreadable(&error) => None,
                    Err(error) => return Err(at(&open.path)(error)),
                };
            }
        }
        Ok(self.open.insert(open))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::base::disk::RealDisk;
    use crate::model::WindowSize;
    use crate::windows::pack::PackWriter;

    const DAY: PackId = PackId { size: WindowSize::Hour, day: WindowStart(29_448_000) };

    fn put_pack(customer_dir: &Path, through: Seq) {
        let mut writer = PackWriter::new(DAY.day);
        let mut bytes = writer.push(DAY.day, through, format!("as of {through}\n").as_bytes()).unwrap();
        bytes.append(&mut writer.finish().unwrap());
        let path = customer_dir.join(pack_file_name(DAY));
        disk::replace_file(&RealDisk, &customer_dir.join("temp"), &path, &[&bytes]).unwrap();
    }

    #[test]
    fn a_pack_that_stays_open_is_used_while_it_is_the_file_of_its_name() {
        let temp = tempfile::tempdir().unwrap();
        let dirs = ["acme", "other"].map(|name| temp.path().join(name));
        for dir in &dirs {
            RealDisk.create_dir(dir).unwrap();
        }
        let mut last_open = None;
        let mut look = |dir: &Path| {
            let mut shelf = Shelf::new_with(&RealDisk, dir.to_owned(), last_open.take());
            let through = shelf.packed_through(DAY, DAY.day).unwrap();
            let stored = shelf.read_packed(DAY, DAY.day).unwrap();
            last_open = shelf.into_last_open();
            (through, stored.map(|stored| String::from_utf8(stored.content.unwrap()).unwrap()))
        };
        let as_of = |through: u64| (Seq(through), Some(format!("as of {through}\n")));
        let nothing = (Seq::ZERO, None);
        // Replaced again and again, so that inode numbers are used again.
        for through in 1..40 {
            put_pack(&dirs[0], Seq(through));
            assert_eq!(look(&dirs[0]), as_of(through));
            assert_eq!(look(&dirs[0]), as_of(through));
        }
        // Cutting the file shows that neither the index nor the frame is read again. (The program never cuts a pack.)
        RealDisk.open(&dirs[0].join(pack_file_name(DAY))).unwrap().set_len(0).unwrap();
        assert_eq!(look(&dirs[0]), as_of(39));
        assert_eq!(look(&dirs[1]), nothing);
        put_pack(&dirs[0], Seq(40));
        put_pack(&dirs[1], Seq(50));
        assert_eq!(look(&dirs[0]), as_of(40));
        assert_eq!(look(&dirs[1]), as_of(50));
        RealDisk.remove(&dirs[1].join(pack_file_name(DAY))).unwrap();
        assert_eq!(look(&dirs[1]), nothing);
    }
}
