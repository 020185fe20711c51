//! `backup`: a whole copy of a data directory, made while its server writes.
//!
//! Input: a data directory; nobody removes files in it meanwhile (the caller shares `RETAIN`). Output: a data directory that a
//! start proves and goes on from, under a name that it gets only when it is whole and durable. Never: changes the source.
//!
//! The order makes the copy whole. Windows may be newer than the checkpoint that was copied before them: a start of a copy
//! replays everything that is retained, and a window skips what it has. No window may be newer than the journal, so the
//! journal comes last: a record is durable before any window gets it. The sums are those of the checkpoint, so both come from
//! the same one.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::disk::{Disk, if_exists};
use crate::data_dir::{DataDir, at, pack_in_file_name, window_in_file_name};
use crate::journal::checkpoint::{Checkpoint, StoredCheckpoint};
use crate::journal::ledger::{Ledger, StoredLedger};
use crate::journal::reader::{JournalFiles, JournalReader, JournalSegment};
use crate::journal::recovery::whole_after;
use crate::journal::start_error::{StartError, refuse_other_version, refuse_wrong_secret};
use crate::journal::stored::StoredState;
use crate::model::Seq;
use crate::windows::scan::refuse_windows_ahead;

/// How much of a file is copied at once.
const COPY_BYTES: usize = 1024 * 1024;
/// How often checkpoint and sums are read until both belong to the same checkpoint, which the server writes one right
/// after the other. A crash may have come between the two. Then they never match; a start accepts them, and so does a
/// backup.
const PAIR_TRIES: usize = 100;

/// The result of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    pub windows: u64,
    pub segments: u64,
    pub bytes: u64,
    /// The last record in the copy.
    pub through: Seq,
}

/// Called after each file with its bytes.
pub type Copied<'a> = &'a mut dyn FnMut(u64);

/// Bytes that a backup of this directory will copy, roughly.
pub fn bytes_to_copy(disk: &dyn Disk, dir: &DataDir) -> io::Result<u64> {
    let mut bytes = JournalFiles::list(disk, dir)?.bytes();
    for customer in disk.list(&dir.windows())?.iter().filter(|entry| entry.is_dir) {
        let files = disk.list(&dir.windows().join(&customer.name))?;
        bytes += files.iter().map(|file| file.bytes).sum::<u64>();
    }
    Ok(bytes)
}

/// Copies `dir` to `to`, which must not exist. A failed backup leaves its files in `to` with `.partial` behind the
/// name.
///
/// # Errors
/// What the disk says, naming the file; or why a start of the copy would be refused.
pub fn backup(disk: &dyn Disk, dir: &DataDir, to: &Path, copied: Copied<'_>) -> Result<BackedUp, StartError> {
    refuse_other_version(disk, dir)?;
    dir.read_secret(disk)?;
    refuse_wrong_secret(disk, dir)?;
    if disk.identity(to).is_ok() {
        let text = format!("{}: it exists already; choose a new name", to.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text).into());
    }
    let partial = partial_name(to);
    if !disk.create_dir(&partial).map_err(at(&partial))? {
        let text = format!("{}: an earlier backup did not finish; remove it first", partial.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text).into());
    }
    let mut backup =
        Backup { disk, from: dir, to: DataDir::new(&partial), copied, done: BackedUp::default() };
    backup.copy_small_files()?;
    backup.copy_windows()?;
    backup.copy_journal()?;
    backup.check()?;
    disk.sync_file_system(&partial).map_err(at(&partial))?;
    disk.rename(&partial, to).map_err(at(to))?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    disk.sync_dir(parent).map_err(at(parent))?;
    Ok(backup.done)
}

/// The directory of a backup that is not yet whole.
fn partial_name(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Whether these sums were written with this checkpoint, or there is neither yet.
fn is_pair(customers: Option<&[u8]>, checkpoint: Option<&[u8]>) -> bool {
    match (customers.map(Ledger::parse), checkpoint.map(Checkpoint::parse)) {
        (Some(StoredLedger::Valid(_, checksum)), Some(StoredCheckpoint::Valid(checkpoint))) => {
            checkpoint.customers == checksum
        }
        (customers, checkpoint) => customers.is_none() && checkpoint.is_none(),
    }
}

/// A backup under way.
struct Backup<'a> {
    disk: &'a dyn Disk,
    from: &'a DataDir,
    to: DataDir,
    copied: Copied<'a>,
    done: BackedUp,
}

impl Backup<'_> {
    /// The secret, and checkpoint and sums of the same checkpoint.
    fn copy_small_files(&mut self) -> io::Result<()> {
        self.copy(&self.from.secret_file(), &self.to.secret_file())?;
        let (mut customers, mut checkpoint) = (None, None);
        for _ in 0..PAIR_TRIES {
            customers = self.read(&self.from.customers())?;
            checkpoint = self.read(&self.from.checkpoint())?;
            if is_pair(customers.as_deref(), checkpoint.as_deref()) {
                break;
            }
        }
        for (path, bytes) in [(self.to.customers(), customers), (self.to.checkpoint(), checkpoint)] {
            if let Some(bytes) = bytes {
                self.write(&path, &bytes)?;
            }
        }
        Ok(())
    }

    fn copy_windows(&mut self) -> io::Result<()> {
        self.create_dir(&self.to.windows())?;
        for customer in self.disk.list(&self.from.windows())?.into_iter().filter(|entry| entry.is_dir) {
            let (from, to) =
                (self.from.windows().join(&customer.name), self.to.windows().join(&customer.name));
            self.create_dir(&to)?;
            let mut names = Vec::new();
            self.disk.names(&from, &mut |name| {
                let is_stored = window_in_file_name(name).is_some() || pack_in_file_name(name).is_some();
                names.extend(is_stored.then(|| name.to_owned()));
            })?;
            for name in names {
                // The server replaces this file whole and never removes it.
                self.copy(&from.join(&name), &to.join(&name))?;
                self.done.windows += 1;
            }
        }
        Ok(())
    }

    /// The segments, each as far as its whole records reach, and the index files.
    fn copy_journal(&mut self) -> io::Result<()> {
        self.create_dir(&self.to.journal())?;
        let files = JournalFiles::list(self.disk, self.from)?;
        for first in files.indexes {
            self.copy(&self.from.index(first), &self.to.index(first))?;
        }
        let firsts: Vec<Seq> = files.segments.iter().map(|(first, _)| *first).collect();
        for (position, first) in firsts.iter().enumerate() {
            let next_first = firsts.get(position + 1).copied();
            let mut segment = JournalSegment::open(self.disk, self.from, *first, next_first)?;
            while segment.next_record()?.is_some() {}
            self.copy_bytes(&segment.path, &self.to.segment(*first), segment.tail().0)?;
            self.done.segments += 1;
            self.done.through = segment.last;
        }
        Ok(())
    }

    /// Checks that the copy holds every record from the checkpoint to its end, and no window beyond that.
    fn check(&self) -> Result<(), StartError> {
        self.to.read_secret(self.disk)?;
        let known_through = StoredState::load(self.disk, &self.to)?.known_through();
        let firsts = JournalFiles::list(self.disk, &self.to)?.firsts();
        let Some(last) = firsts.last() else {
            return Err(StartError::BehindCheckpoint { end: Seq::ZERO, checkpoint: known_through });
        };
        let after = whole_after(self.disk, &self.to, &firsts)?;
        if after > known_through {
            return Err(StartError::Gap { from: known_through.next(), to: after.next() });
        }
        let mut reader = JournalReader::of_segments(self.disk, &self.to, &[*last]);
        let mut end = Seq(last.0 - 1);
        while let Some(mut segment) = reader.next_segment()? {
            while segment.next_record()?.is_some() {}
            end = segment.last;
        }
        if end < known_through {
            return Err(StartError::BehindCheckpoint { end, checkpoint: known_through });
        }
        refuse_windows_ahead(self.disk, &self.to, end)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path).map(drop).map_err(at(path))
    }

    /// The content of a file; `None` where there is none.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        if_exists(self.disk.read(path)).map_err(at(path))
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.disk.create(path).and_then(|mut file| file.write_at(0, &[bytes])).map_err(at(path))?;
        self.note(bytes.len() as u64);
        Ok(())
    }

    /// Copies a file that is only ever replaced whole.
    fn copy(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let bytes = self.disk.read(from).map_err(at(from))?;
        self.write(to, &bytes)
    }

    /// Copies the first so many bytes of a file.
    fn copy_bytes(&mut self, from: &Path, to: &Path, bytes: u64) -> io::Result<()> {
        let source = self.disk.open(from).map_err(at(from))?;
        let mut target = self.disk.create(to).map_err(at(to))?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut offset = 0;
        while offset < bytes {
            let wanted = usize::try_from(bytes - offset).unwrap_or(COPY_BYTES).min(COPY_BYTES);
            let read = source.read_at(offset, &mut buffer[..wanted]).map_err(at(from))?;
            if read == 0 {
                return Err(at(from)(io::ErrorKind::UnexpectedEof.into()));
            }
            target.write_at(offset, &[&buffer[..read]]).map_err(at(to))?;
            offset += read as u64;
        }
        self.note(bytes);
        Ok(())
    }

    fn note(&mut self, bytes: u64) {
        self.done.bytes += bytes;
        (self.copied)(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::disk::RealDisk;

    #[test]
    fn sums_and_checkpoint_are_a_pair_only_where_both_were_written_together() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temp.path());
        dir.prepare(&RealDisk).unwrap();
        let written = |through| {
            let ledger = Ledger { through: Seq(through), ..Ledger::default() };
            Checkpoint::write(&RealDisk, &dir, &ledger, 0, 0).unwrap();
            [dir.customers(), dir.checkpoint()].map(|path| RealDisk.read(&path).unwrap())
        };
        let [first, second] = [written(1), written(2)];
        assert!(is_pair(Some(&first[0]), Some(&first[1])) && is_pair(Some(&second[0]), Some(&second[1])));
        assert!(!is_pair(Some(&first[0]), Some(&second[1])) && !is_pair(Some(&second[0]), Some(&first[1])));
        assert!(is_pair(None, None) && !is_pair(None, Some(&first[1])) && !is_pair(Some(&first[0]), None));
    }
}
