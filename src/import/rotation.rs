//! What rotation made of a file that was imported in part: which file holds its rest, and which came after it.
//!
//! Input: a path and the position of an earlier import. Output: the files to import, oldest first. Never: a guess; a file is the
//! earlier one only if it begins with the same bytes.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::position::{ImportPosition, LogFileId, read_head};
use crate::input::{Coding, Input};

/// Rotated files of one log that are looked at: more are never kept at the speed at which logs rotate.
const MAX_CANDIDATES: usize = 400;

/// A file that may have held the path before.
struct RotatedFile {
    path: PathBuf,
    identity: LogFileId,
    modified: SystemTime,
}

/// What is found of a file that is no longer under its path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rotated {
    /// The file that holds its rest, and those that followed it under the path.
    Found {
        /// Begins as the imported file did.
        rest: PathBuf,
        /// Later ones, oldest first.
        later: Vec<PathBuf>,
    },
    /// No file begins as it did.
    Gone,
}

/// Looks for the file of a position among the rotated files of its path: `access.log.1`, `access.log.1.gz`,
/// `access.log-20251228`, whatever begins with the file's name.
///
/// # Errors
/// What the file system says of the directory.
pub(super) fn find(path: &Path, position: &ImportPosition) -> io::Result<Rotated> {
    let mut candidates = candidates(path)?;
    candidates.sort_by(|a, b| (a.modified, &b.path).cmp(&(b.modified, &a.path)));
    // How a file is coded that begins as the imported one did.
    let begins = |candidate: &RotatedFile| {
        let mut opened = Input::File(candidate.path.clone()).open(Arc::default()).ok()?;
        let head = read_head(&mut opened).ok()?;
        position.begins_as(&head).then_some(opened.coding == Coding::Plain)
    };
    let newest = |is_plain| candidates.iter().rposition(|candidate| begins(candidate) == Some(is_plain));
    let by_identity = candidates.iter().position(|it| position.is_of(&it.identity) && begins(it).is_some());
    // While a file is compressed both are there, and only the plain one is whole.
    let found = by_identity.or_else(|| newest(true)).or_else(|| newest(false));
    Ok(match found {
        None => Rotated::Gone,
        Some(place) => {
            let later = candidates.split_off(place + 1).into_iter().map(|candidate| candidate.path).collect();
            Rotated::Found { rest: candidates.remove(place).path, later }
        }
    })
}

fn candidates(path: &Path) -> io::Result<Vec<RotatedFile>> {
    let Some(name) = path.file_name() else { return Ok(Vec::new()) };
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut found = Vec::new();
    for entry in dir.read_dir()? {
        let entry = entry?;
        let other = entry.file_name();
        let rest = other.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        if !rest.is_some_and(|rest| matches!(rest.first(), Some(b'.' | b'-'))) {
            continue;
        }
        let Some(data) = entry.metadata().ok().filter(Metadata::is_file) else { continue };
        let identity = LogFileId { device: data.dev(), inode: data.ino() };
        let modified = data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        found.push(RotatedFile { path: entry.path(), identity, modified });
        if found.len() == MAX_CANDIDATES {
            break;
        }
    }
    Ok(found)
}
