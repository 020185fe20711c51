//! The reasons for refusing a start, in words that say what to do, and the checks that a directory can be read by
//! this program.
//!
//! Input: a data directory. Output: [`StartError`]. Never: changes a file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, StoredCheckpoint};
use super::format::{HEADER_BYTES, Header, Invalid, RecordKey, version};
use super::reader::JournalFiles;
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, FORMAT_VERSION, OpenError};
use crate::model::{CustomerId, Seq, WindowSize};

/// Why a start is refused. Everything is left as it was.
#[derive(Debug)]
pub enum StartError {
    /// The disk failed.
    Io(io::Error),
    /// The file with the secret is lost, although there is a journal.
    SecretLost(PathBuf),
    /// This segment was written under another secret.
    WrongSecret(PathBuf),
    /// This file was written by another version of the program.
    OtherVersion {
        file: PathBuf,
        /// The version of its format.
        version: u64,
    },
    /// A record that was durable cannot be read.
    Damage {
        file: PathBuf,
        /// Where in it the bad record begins.
        offset: u64,
        why: Invalid,
    },
    /// Records that were durable are in no segment.
    Gap {
        /// The first missing record.
        from: Seq,
        /// The first record that is there again.
        to: Seq,
    },
    /// The journal ends before the checkpoint: part of it was lost.
    BehindCheckpoint {
        /// The journal's last record.
        end: Seq,
        /// What the checkpoint says was durable.
        checkpoint: Seq,
    },
    /// A window holds records that the journal does not have.
    WindowAhead {
        /// The window's file.
        file: PathBuf,
        /// The last record merged into it.
        applied_through: Seq,
        /// The journal's last record.
        end: Seq,
    },
    /// There are windows, but neither journal nor checkpoint.
    WindowsWithoutJournal,
    /// There is no journal, and the checkpoint cannot be read.
    CheckpointDamaged,
    /// The sums of `customers.json` are older than the journal reaches back, or lost.
    LedgerBehind {
        /// The last record in it; zero if it cannot be read.
        ledger: Seq,
        /// The oldest record from which on the journal is whole.
        oldest: Seq,
    },
    /// The windows of a customer do not hold what was counted: window files were lost, or are older than the rest.
    UnequalSums(Vec<UnequalSum>),
}

/// A customer's windows of one size that do not hold what was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnequalSum {
    pub customer: CustomerId,
    pub size: WindowSize,
    pub in_windows: u64,
    /// The requests that were counted and not removed by retention.
    pub counted: u64,
}

impl fmt::Display for UnequalSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customer, size, in_windows, counted } = self;
        let (difference, than) = if counted > in_windows {
            (counted - in_windows, "less")
        } else {
            (in_windows - counted, "more")
        };
        write!(
            f,
            "customer {customer}: its {} windows hold {in_windows} requests, {difference} {than} than the {counted} that \
             were counted",
            size.as_str()
        )
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Io(error) => write!(f, "{error}"),
            StartError::OtherVersion { file, version } => write!(
                f,
                "{} has format version {version}; this program reads version {FORMAT_VERSION} alone. Start with another \
                 --data-dir; to carry the batches over, print them with the program that wrote them (`log-analytics \
                 batches cat`) and send them to this one",
                file.display()
            ),
            StartError::SecretLost(file) => write!(
                f,
                "{} is missing or damaged, and without the secret the journal's records cannot be told from forged \
                 ones. Put the file back from a backup of this directory, or go on from the windows alone with \
                 `log-analytics repair --accept-lost-journal`",
                file.display()
            ),
            StartError::WrongSecret(file) => write!(
                f,
                "{} was written under another secret. Put back the file `secret` that belongs to it. If that is lost, \
                 remove the wrong one and go on from the windows alone with \
                 `log-analytics repair --accept-lost-journal`",
                file.display()
            ),
            StartError::LedgerBehind { .. } | StartError::UnequalSums(_) => {
                self.describe_unproven(f)?;
                f.write_str(
                    ". This directory is a copy, or files in it were replaced, and it cannot be proven to hold every \
                     count. Copy it again with `log-analytics backup`, or go on from what there is with \
                     `log-analytics repair --accept-lost-windows`",
                )
            }
            lost => {
                lost.describe_loss(f)?;
                f.write_str(
                    ". Restore the data directory from a backup, or go on from what there is with \
                     `log-analytics repair --accept-lost-journal`",
                )
            }
        }
    }
}

/// The most customers with unequal sums that are named.
const NAMED: usize = 5;

impl StartError {
    fn describe_unproven(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::UnequalSums(sums) => {
                for (position, sum) in sums.iter().take(NAMED).enumerate() {
                    write!(f, "{}{sum}", if position > 0 { "; " } else { "" })?;
                }
                if sums.len() > NAMED { write!(f, "; and {} more", sums.len() - NAMED) } else { Ok(()) }
            }
            StartError::LedgerBehind { ledger: Seq::ZERO, oldest } => write!(
                f,
                "customers.json is missing or damaged, and the journal begins at record {oldest} only"
            ),
            StartError::LedgerBehind { ledger, oldest } => {
                write!(
                    f,
                    "customers.json is as of record {ledger}, and the journal begins at record {oldest} only"
                )
            }
            other => other.describe_loss(f),
        }
    }

    fn describe_loss(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Damage { file, offset, why } => {
                write!(f, "{} is damaged at offset {offset}: {why}", file.display())
            }
            StartError::Gap { from, to } => {
                write!(f, "the journal has no records {from} to {}", to.0.saturating_sub(1))
            }
            StartError::BehindCheckpoint { end, checkpoint } => write!(
                f,
                "the journal ends at record {end}, but the checkpoint is at {checkpoint}: journal files were lost"
            ),
            StartError::WindowAhead { file, applied_through, end } => write!(
                f,
                "{} holds record {applied_through}, but the journal ends at {end}: journal files were lost",
                file.display()
            ),
            StartError::WindowsWithoutJournal => {
                f.write_str("there are windows but no journal and no checkpoint: journal files were lost")
            }
            _ => f.write_str("checkpoint.json is damaged and there is no journal: journal files were lost"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        StartError::Io(error)
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Io(error) => StartError::Io(error),
            OpenError::SecretLost(file) => StartError::SecretLost(file),
        }
    }
}

/// Refuses a directory whose checkpoint or segments are of another format version.
///
/// # Errors
/// [`StartError::OtherVersion`], or what the disk says.
pub fn refuse_other_version(disk: &dyn Disk, dir: &DataDir) -> Result<(), StartError> {
    if let StoredCheckpoint::OtherVersion(version) = Checkpoint::load(disk, dir)? {
        return Err(StartError::OtherVersion { file: dir.checkpoint(), version });
    }
    for first in JournalFiles::list(disk, dir)?.firsts() {
        let file = dir.segment(first);
        let found = version(&read_header(disk, &file)?);
        if let Some(version) = found.filter(|version| *version != FORMAT_VERSION) {
            return Err(StartError::OtherVersion { file, version: version.into() });
        }
    }
    Ok(())
}

/// Refuses a directory with a segment whose first record was written under another secret.
///
/// # Errors
/// [`StartError::WrongSecret`], or what the disk says.
pub fn refuse_wrong_secret(disk: &dyn Disk, dir: &DataDir) -> Result<(), StartError> {
    let key = RecordKey::new(dir.secret());
    for first in JournalFiles::list(disk, dir)?.firsts() {
        let file = dir.segment(first);
        if Header::decode(&read_header(disk, &file)?, &key) == Err(Invalid::WrongSecret) {
            return Err(StartError::WrongSecret(file));
        }
    }
    Ok(())
}

fn read_header(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let mut header = vec![0; HEADER_BYTES];
    let read = disk.open(path)?.read_at(0, &mut header)?;
    header.truncate(read);
    Ok(header)
}
