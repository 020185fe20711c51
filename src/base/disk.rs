//! The only place that touches files: create, write, sync, rename, list, lock.
//!
//! [`Disk`] is what the journal and the windows see. [`RealDisk`] is the operating system; the simulation in
//! `tests/` puts a disk behind the same trait that loses whatever was not synced. The trait promises no more
//! than POSIX does: written bytes are durable after [`DiskFile::sync_data`], directory entries after
//! [`Disk::sync_dir`], and a failed sync says nothing about what is on disk.
//!
//! Nothing here retries, and nothing here decides what a failure means.
#![allow(clippy::disallowed_methods, reason = "this is the one place that touches files")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// A disk to keep a data directory on.
pub trait Disk: Send + Sync {
    /// Creates a file that must not exist yet, open for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the file system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Replaces `to` by `from` in one step; durable after both directories are synced.
    ///
    /// # Errors
    /// What the file system says; nothing has changed then.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory whose parent exists. Returns whether it was missing.
    fn create_dir(&self, path: &Path) -> io::Result<bool>;

    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// What the file system says; nothing is known of the entries then.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes everything durable that was written to the file system that holds `path` (`syncfs`): one call where many
    /// files are written at once.
    ///
    /// # Errors
    /// What the file system says; nothing is known of what was written then.
    fn sync_file_system(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory in no order; empty for one that does not exist.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;

    /// Calls `visit` with the name of every entry of a directory, in no order; with none for one that does not exist.
    /// Cheaper than [`Disk::list`], which looks at every entry.
    fn names(&self, dir: &Path, visit: &mut dyn FnMut(&str)) -> io::Result<()> {
        self.list(dir)?.iter().for_each(|entry| visit(&entry.name));
        Ok(())
    }

    /// What may still be written to the file system that holds `path`.
    fn free_space(&self, path: &Path) -> io::Result<FreeSpace>;

    /// Which file or directory `path` is, whatever it is called.
    fn identity(&self, path: &Path) -> io::Result<FileIdentity>;
}

/// The answer of a call about a file or directory; `None` if no such file or directory exists.
pub fn if_exists<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        answer => answer.map(Some),
    }
}

/// What may still be written to a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    pub bytes: u64,
    /// Files; `u64::MAX` where the file system has no limit of its own.
    pub inodes: u64,
}

/// With fewer free inodes than this a disk counts as full: every window, segment and checkpoint is written as a new file.
pub const MIN_FREE_INODES: u64 = 1_000;

impl FreeSpace {
    /// Whether so little is left that no batch may be taken.
    pub fn is_below(&self, min_free_bytes: u64) -> bool {
        self.bytes < min_free_bytes || self.inodes < MIN_FREE_INODES
    }
}

/// A file or directory, whatever it is called. A copy has another identity; what was renamed or written to has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    /// The file system.
    pub device: u64,
    /// The number in it.
    pub inode: u64,
    /// When it was created, in nanoseconds since 1970; 0 where the file system does not keep that.
    pub born: u64,
}

/// One open file.
pub trait DiskFile: Send {
    /// Writes all parts one after the other, the first at `offset`.
    ///
    /// # Errors
    /// What the file system says; any prefix of the parts may have been written.
    fn write_at(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()>;

    /// Reads at `offset` until `buffer` is full or the file ends; returns how many bytes were read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes the content durable (`fdatasync`).
    ///
    /// # Errors
    /// What the file system says. What was written since the last good sync is then in no known state, and
    /// a later success proves nothing about it.
    fn sync_data(&mut self) -> io::Result<()>;

    /// Cuts or extends the file.
    fn set_len(&mut self, bytes: u64) -> io::Result<()>;

    fn len(&self) -> io::Result<u64>;
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The last part of the path. Names that are not UTF-8 are left out of listings: the program makes none.
    pub name: String,
    pub is_dir: bool,
    /// Length in bytes of a file.
    pub bytes: u64,
}

/// The operating system's files.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl RealDisk {
    pub fn shared() -> Arc<dyn Disk> {
        Arc::new(RealDisk)
    }
}

/// Files are readable by the owner and the group alone: they hold what customers' users did.
const FILE_MODE: u32 = 0o640;
const DIR_MODE: u32 = 0o750;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        match fs::DirBuilder::new().mode(DIR_MODE).create(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_file_system(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(path)?)?)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let Some(entries) = if_exists(fs::read_dir(dir))? else { return Ok(Vec::new()) };
        let mut listing = Vec::new();
        for entry in entries {
            let entry = entry?;
            // A file may be renamed or removed between the listing and the look at it.
            let Some(metadata) = if_exists(entry.metadata())? else { continue };
            if let Ok(name) = entry.file_name().into_string() {
                listing.push(DirEntry { name, is_dir: metadata.is_dir(), bytes: metadata.len() });
            }
        }
        Ok(listing)
    }

    fn names(&self, dir: &Path, visit: &mut dyn FnMut(&str)) -> io::Result<()> {
        let Some(entries) = if_exists(fs::read_dir(dir))? else { return Ok(()) };
        for entry in entries {
            if let Some(name) = entry?.file_name().to_str() {
                visit(name);
            }
        }
        Ok(())
    }

    fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        let stats = rustix::fs::statvfs(path)?;
        // File systems that make inodes as they need them say that there are none.
        let inodes = if stats.f_files == 0 { u64::MAX } else { stats.f_favail };
        Ok(FreeSpace { bytes: stats.f_bavail.saturating_mul(stats.f_frsize), inodes })
    }

    fn identity(&self, path: &Path) -> io::Result<FileIdentity> {
        Ok(identity_of(&fs::metadata(path)?))
    }
}

fn identity_of(metadata: &fs::Metadata) -> FileIdentity {
    let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
    let born = born.map_or(0, |born| u64::try_from(born.as_nanos()).unwrap_or(0));
    FileIdentity { device: metadata.dev(), inode: metadata.ino(), born }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&mut self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        match parts {
            [one] => self.0.write_all_at(one, offset),
            parts => {
                use std::io::Seek;
                self.0.seek(io::SeekFrom::Start(offset))?;
                let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
                let mut rest = &mut slices[..];
                while !rest.is_empty() {
                    match self.0.write_vectored(&rest[..rest.len().min(MAX_IO_SLICES)]) {
                        Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                        Ok(written) => IoSlice::advance_slices(&mut rest, written),
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// What `writev` takes in one call on Linux (`IOV_MAX`).
const MAX_IO_SLICES: usize = 1024;

/// Whether the disk could not read data that is there (`EIO`). Treat such a file as damaged; any other error, such as
/// too many open files, may pass.
pub fn is_unreadable(error: &io::Error) -> bool {
    /// The error number on Linux.
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO)
}

/// Opens a file that belongs to somebody else (a log to import or to summarize), for reading only.
pub fn open_for_reading(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// A lock on a file (`flock`), released on drop.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

impl FileLock {
    fn open(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path)
    }

    /// Takes the lock alone, creating the file if needed. `Ok(None)` where another process holds it.
    pub fn try_exclusive(path: &Path) -> io::Result<Option<FileLock>> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FileLock { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// As [`FileLock::try_exclusive`], but waits until nobody else holds it.
    pub fn exclusive(path: &Path) -> io::Result<FileLock> {
        let file = Self::open(path)?;
        file.lock()?;
        Ok(FileLock { file })
    }

    /// Takes the lock together with others who share it; waits while another process holds it exclusively.
    pub fn shared(path: &Path) -> io::Result<FileLock> {
        let file = Self::open(path)?;
        file.lock_shared()?;
        Ok(FileLock { file })
    }

    /// Writes this process's id into the file, for people who want to know which process holds the lock; the program
    /// never reads it.
    pub fn name_holder(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).write_all(format!("{}\n", std::process::id()).as_bytes())
    }
}

/// Creates a directory and its missing parents, each made durable in its parent before anything is put into it.
///
/// A directory that is there already is made durable too: a start that was killed may have created it and not come
/// to sync its parent.
pub fn create_dirs(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        // The root directory, which is always there.
        None => return Ok(()),
    };
    let created = match if_exists(disk.create_dir(path))? {
        Some(created) => created,
        None => {
            create_dirs(disk, parent)?;
            disk.create_dir(path)?
        }
    };
    match disk.sync_dir(parent) {
        // If we cannot read the parent, we did not create this directory; its creator synced it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !created => Ok(()),
        synced => synced,
    }
}

/// Writes a file so that `path` is always either the old content or the new: a new temporary file, `fdatasync`,
/// rename. The caller syncs the directory of `path` before it relies on the rename.
///
/// # Errors
/// What the file system says; `path` is as it was, and the temporary file is gone if it could be removed.
pub fn replace_file(disk: &dyn Disk, temp: &Path, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = write_new_file(disk, temp, parts)?;
    let replaced = file.sync_data().and_then(|()| disk.rename(temp, path));
    if replaced.is_err() {
        let _ = disk.remove(temp);
    }
    replaced
}

/// Writes a new file, whose content is durable once it is synced.
///
/// # Errors
/// What the file system says; the file is gone if it could be removed.
pub fn write_new_file(disk: &dyn Disk, path: &Path, parts: &[&[u8]]) -> io::Result<Box<dyn DiskFile>> {
    // A temporary file left by a crash or a failed try is never written over: after a failed sync its pages
    // may count as clean without being on disk.
    if_exists(disk.remove(path))?;
    let written = disk.create(path).and_then(|mut file| file.write_at(0, parts).map(|()| file));
    if written.is_err() {
        let _ = disk.remove(path);
    }
    written
}
