//! The windows' part of a check: every file's form, checksum, name and sums, and whether the sizes agree.
//!
//! Input: the window files. Output: what is wrong with them, in the report, and what the recount needs to know of each.
//! Never: a change.

use std::collections::BTreeMap;
use std::io;

use super::{KnownJournal, VerifyReport};
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, customer_dir_name};
use crate::journal::ledger::Cutoffs;
use crate::measures::saturating_sum;
use crate::model::{CustomerId, Seq, WindowId, WindowSize};
use crate::time;
use crate::windows::file::Damaged;
use crate::windows::scan::{OnShelf, visit_shelves};
use crate::windows::shelf::StoredWindow;
use crate::windows::window::Window;

/// What is remembered of one window file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FoundWindow {
    pub(super) applied_through: Seq,
    pub(super) sums: [u64; SUMS.len()],
    pub(super) bytes: u64,
    pub(super) incomplete: bool,
    pub(super) is_folded: bool,
}

/// What the finer windows must sum to, as a person calls it.
const SUMS: [&str; 4] = ["requests", "requests of robots", "bytes", "microseconds"];

pub(super) type FoundWindows = BTreeMap<(CustomerId, WindowId), FoundWindow>;

impl FoundWindow {
    pub(super) fn requests(&self) -> u64 {
        self.sums[0]
    }
}

fn sums(window: &Window) -> [u64; SUMS.len()] {
    let measures = &window.all().measures;
    [window.requests(), window.robots().requests, measures.response_bytes, measures.duration_micros]
}

pub(super) fn check(
    disk: &dyn Disk,
    dir: &DataDir,
    known: &KnownJournal,
    report: &mut VerifyReport,
) -> io::Result<FoundWindows> {
    let end = known.end.max(known.stored.known_through());
    let cutoffs = known.stored.ledger.cutoffs();
    let mut found = FoundWindows::new();
    visit_shelves::<io::Error>(disk, dir, |on_shelf| {
        let (customer_name, id, StoredWindow { path, content }) = match on_shelf {
            OnShelf::Window { customer_name, id, stored } => (customer_name, id, stored),
            OnShelf::DamagedPack(path) => {
                report.problem(&path, None, Damaged::PackIndex.to_string());
                return Ok(());
            }
            OnShelf::Other(path) => {
                report.problem(&path, None, "not the name of a window");
                return Ok(());
            }
        };
        let path = path.as_path();
        report.windows += 1;
        let (bytes, window) =
            match content.and_then(|bytes| Window::decode_any(&bytes).map(|window| (bytes, window))) {
                Ok(read) => read,
                Err(why) => {
                    report.problem(path, None, why.to_string());
                    return Ok(());
                }
            };
        if window.id() != id || customer_dir_name(window.customer()) != customer_name {
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
        if known.deletions.cover(window.customer(), window.applied_through()) {
            let what = "left from before its customer was deleted, removed soon";
            report.notes.push(format!("{}: {what}", path.display()));
            return Ok(());
        }
        if window.encode() != bytes {
            report.problem(path, None, "not in canonical form");
        }
        if let Some(wrong) = window.wrong_sum() {
            report.problem(path, None, wrong);
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
        let entry = FoundWindow {
            applied_through: window.applied_through(),
            sums: sums(&window),
            bytes: bytes.len() as u64,
            incomplete: window.is_incomplete(),
            is_folded: window.folded().iter().any(|folded| *folded > 0),
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
        let mut parts: BTreeMap<(CustomerId, WindowId), [u64; SUMS.len()]> = BTreeMap::new();
        for ((customer, id), window) in found.iter().filter(|((_, id), _)| id.size == fine) {
            let coarse = WindowId { size: coarse, start: id.start.floor(coarse) };
            let sums = parts.entry((customer.clone(), coarse)).or_default();
            sums.iter_mut().zip(window.sums).for_each(|(sum, part)| *sum = saturating_sum(*sum, part));
        }
        for ((customer, id), _) in found.iter().filter(|((_, id), _)| id.size == coarse) {
            parts.entry((customer.clone(), *id)).or_default();
        }
        for ((customer, id), parts) in parts {
            // Cutoffs are days: before one there is no fine window, or no coarse one, or neither.
            let excluded = |size| cutoffs.excludes(&customer, WindowId { size, start: id.start });
            if excluded(fine) || excluded(coarse) {
                continue;
            }
            let window = found.get(&(customer.clone(), id));
            let whole = window.map_or([0; SUMS.len()], |window| window.sums);
            if window.is_some_and(|window| window.incomplete) {
                continue;
            }
            if let Some(wrong) = (0..SUMS.len()).find(|sum| whole[*sum] != parts[*sum]) {
                let start = time::format_start(id.start);
                report.problems.push(super::VerifyProblem {
                    file: std::path::PathBuf::from(customer.as_str()),
                    offset: None,
                    what: format!(
                        "the {} {start} of {customer} counts {} {}, its {}s {}",
                        coarse.as_str(),
                        whole[wrong],
                        SUMS[wrong],
                        fine.as_str(),
                        parts[wrong]
                    ),
                });
            }
        }
    }
}
