//! The windows' part of a check: every file's form, checksum, name and sums, and whether the sizes agree.
//!
//! Input: all window files. Output: what is remembered of each; problems and notes. Never: changes a file.

use std::collections::BTreeMap;
use std::io;

use super::{Known, VerifyReport};
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, window_in_file_name};
use crate::journal::ledger::Cutoffs;
use crate::model::{CustomerId, Seq, WindowId, WindowSize};
use crate::time;
use crate::windows::scan::window_files;
use crate::windows::window::Window;

/// What is remembered of one window file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) applied_through: Seq,
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) incomplete: bool,
}

pub(super) type FoundWindows = BTreeMap<(CustomerId, WindowId), Found>;

pub(super) fn check(
    disk: &dyn Disk,
    dir: &DataDir,
    known: &Known,
    report: &mut VerifyReport,
) -> io::Result<FoundWindows> {
    let end = known.end.max(known.stored.known_through());
    let cutoffs = known.stored.ledger.cutoffs();
    let mut found = FoundWindows::new();
    window_files::<io::Error>(disk, dir, |path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(id) = window_in_file_name(name) else {
            report.problem(path, None, "not the name of a window");
            return Ok(());
        };
        report.windows += 1;
        let bytes = disk.read(path)?;
        let window = match Window::decode_any(&bytes) {
            Ok(window) => window,
            Err(why) => {
                report.problem(path, None, why.to_string());
                return Ok(());
            }
        };
        if window.id() != id || dir.window(window.customer(), id) != path {
            let start = time::format_start(window.id().start);
            let what =
                format!("it holds the {} window {start} of {}", window.id().size.as_str(), window.customer());
            report.problem(path, None, what);
            return Ok(());
        }
        if cutoffs.excludes(window.customer(), id) {
            let what = "left from before the cutoff of retention, removed soon";
            report.notes.push(format!("{}: {what}", path.display()));
            return Ok(());
        }
        if window.encode() != bytes {
            report.problem(path, None, "not in canonical form");
        }
        if window.applied_through() > end {
            let what = format!("it holds record {}, but the journal ends at {end}", window.applied_through());
            report.problem(path, None, what);
        }
        if window.is_incomplete() {
            report.incomplete_windows += 1;
            report.notes.push(format!("{}: incomplete: earlier counts were lost to damage", path.display()));
        }
        if id.size == WindowSize::Minute {
            report.requests += window.requests();
        }
        let entry = Found {
            applied_through: window.applied_through(),
            requests: window.requests(),
            bytes: bytes.len() as u64,
            incomplete: window.is_incomplete(),
        };
        found.insert((window.customer().clone(), id), entry);
        Ok(())
    })?;
    Ok(found)
}

/// Holds every hour against its minutes and every day against its hours. Only where everything is written: hours and
/// days are written at checkpoints.
pub(super) fn check_sizes_agree(found: &FoundWindows, cutoffs: &Cutoffs, report: &mut VerifyReport) {
    for (fine, coarse) in [(WindowSize::Minute, WindowSize::Hour), (WindowSize::Hour, WindowSize::Day)] {
        let mut sums: BTreeMap<(CustomerId, WindowId), u64> = BTreeMap::new();
        for ((customer, id), window) in found.iter().filter(|((_, id), _)| id.size == fine) {
            let coarse = WindowId { size: coarse, start: id.start.floor(coarse) };
            *sums.entry((customer.clone(), coarse)).or_insert(0) += window.requests;
        }
        for ((customer, id), _) in found.iter().filter(|((_, id), _)| id.size == coarse) {
            sums.entry((customer.clone(), *id)).or_insert(0);
        }
        for ((customer, id), sum) in sums {
            // Cutoffs are days: before one there is no fine window, or no coarse one, or neither.
            let excluded = |size| cutoffs.excludes(&customer, WindowId { size, start: id.start });
            if excluded(fine) || excluded(coarse) {
                continue;
            }
            let window = found.get(&(customer.clone(), id));
            let counted = window.map_or(0, |window| window.requests);
            if counted != sum && !window.is_some_and(|window| window.incomplete) {
                let start = time::format_start(id.start);
                report.problems.push(super::Problem {
                    file: std::path::PathBuf::from(customer.as_str()),
                    offset: None,
                    what: format!(
                        "the {} {start} of {customer} counts {counted} requests, its {}s {sum}",
                        coarse.as_str(),
                        fine.as_str()
                    ),
                });
            }
        }
    }
}
