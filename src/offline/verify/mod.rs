//! Checking a stopped server's data directory: is every record whole, is every window whole, and do they agree?
//!
//! Input: a locked data directory. Output: a [`VerifyReport`]. Never: changes anything, or remembers windows that the journal does
//! not touch. Windows are read customer by customer, counted again from the journal as far as it reaches, in as many passes as memory
//! needs, and each customer's sums are compared with the ledger.

mod journal;
mod recount;
mod sizes;
mod sums;
mod touched;
mod windows;

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::touched::TouchedWindows;
use crate::base::disk::Disk;
use crate::data_dir::DataDir;
use crate::journal::deletions::Deletions;
use crate::journal::start_error::{StartError, refuse_other_version, refuse_wrong_secret};
use crate::journal::stored::StoredState;
use crate::model::Seq;

/// Options of a check.
#[derive(Clone, Copy, Debug)]
pub struct VerifyOptions {
    /// Memory for recounting, roughly; more windows than fit are recounted in several passes.
    pub recount_bytes: u64,
    /// How far ahead of the clock entries were accepted, in milliseconds: as `serve` has it.
    pub max_future_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyProblem {
    pub file: PathBuf,
    /// Where in it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    pub what: String,
}

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// Journal segments.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// The first and the last record; zero where there are none.
    pub first_seq: u64,
    /// See `first_seq`.
    pub last_seq: u64,
    pub checkpoint: u64,
    pub windows: u64,
    /// Requests counted in minute windows.
    pub requests: u64,
    /// Windows that say that earlier counts were lost.
    pub incomplete_windows: u64,
    /// Windows that were counted again from the journal and agree.
    pub recounted_windows: u64,
    /// Windows the journal does not reach back to: they hold at least what it knows of them.
    pub partly_recounted_windows: u64,
    /// Customers whose windows hold what was counted, by the sums in `customers.json`.
    pub proven_customers: u64,
    /// Worth knowing, but not wrong.
    pub notes: Vec<String>,
    pub problems: Vec<VerifyProblem>,
}

impl VerifyReport {
    /// Whether nothing is wrong. An incomplete window counts as wrong.
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty() && self.incomplete_windows == 0
    }

    fn problem(&mut self, file: &Path, offset: Option<u64>, what: impl Into<String>) {
        self.problems.push(VerifyProblem { file: file.to_owned(), offset, what: what.into() });
    }
}

/// Called with how many more bytes were read, and how many there are in all.
pub type VerifyProgress<'a> = &'a mut dyn FnMut(u64, u64);

/// Checks a data directory.
///
/// # Errors
/// What the disk says, or that the directory is of another version or under another secret. What is wrong with the data
/// is in the report.
pub fn verify(
    disk: &dyn Disk,
    dir: &DataDir,
    options: &VerifyOptions,
    progress: VerifyProgress<'_>,
) -> Result<VerifyReport, StartError> {
    refuse_other_version(disk, dir)?;
    dir.read_secret(disk)?;
    refuse_wrong_secret(disk, dir)?;
    let mut report = VerifyReport::default();
    let mut known = journal::check(disk, dir, &mut report, progress)?;
    let mut found = windows::check(disk, dir, &mut known, &mut report)?;
    if known.is_readable {
        let unmerged = recount::check(disk, dir, options, &known, &mut report, progress)?;
        sums::check(dir, &known, found.sums, &unmerged, &mut report);
        if unmerged.is_empty() {
            report.problems.append(&mut found.disagreements);
        }
    }
    Ok(report)
}

/// The content of the journal, as far as it is known.
struct KnownJournal {
    /// The records from here to `end` are all there.
    after: Seq,
    /// When the first of them was received.
    since_ms: u64,
    /// The last record.
    end: Seq,
    /// The state that checkpoint and ledger describe.
    stored: StoredState,
    /// The deletions of the ledger and of all records.
    deletions: Deletions,
    /// The windows of the records after `after`, and what is stored of each.
    touched: TouchedWindows,
    /// Whether every segment could be read to its end.
    is_readable: bool,
}
