//! The windows' part of a check: every file's form, checksum, name and sums, and whether the sizes agree.
//!
//! Input: the window files. Output: what is wrong with them, in the report; each customer's sums; what the recount needs to know
//! of the windows that the journal touches. Never: a change, or memory that grows with the windows of all customers.

use std::io;

use super::sizes::CustomerSizes;
use super::touched::TouchedWindow;
use super::{KnownJournal, VerifyProblem, VerifyReport};
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, customer_dir_name};
use crate::model::WindowSize;
use crate::time;
use crate::windows::file::Damaged;
use crate::windows::proof::WindowSums;
use crate::windows::scan::{OnShelf, visit_shelves};
use crate::windows::shelf::StoredWindow;
use crate::windows::window::Window;

/// The content of all windows, in a form that takes little memory for any number of them.
#[derive(Default)]
pub(super) struct FoundWindows {
    pub(super) sums: WindowSums,
    /// Hours and days that are not the sum of their parts. That is wrong only if everything is written: hours and
    /// days are written at checkpoints.
    pub(super) disagreements: Vec<VerifyProblem>,
}

pub(super) fn check(
    disk: &dyn Disk,
    dir: &DataDir,
    known: &mut KnownJournal,
    report: &mut VerifyReport,
) -> io::Result<FoundWindows> {
    let end = known.end.max(known.stored.known_through());
    let cutoffs = known.stored.ledger.cutoffs();
    let mut found = FoundWindows::default();
    let mut sizes: Option<CustomerSizes> = None;
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
        let customer = window.customer();
        found.sums.add(customer, id.size, window.requests(), window.is_incomplete());
        let is_folded = window.folded().iter().any(|folded| *folded > 0);
        let stored = TouchedWindow { applied_through: window.applied_through(), is_folded };
        known.touched.store(customer, id, stored, bytes.len() as u64);
        // Windows come customer by customer.
        if let Some(before) = sizes.take_if(|sizes| sizes.customer() != customer) {
            found.disagreements.append(&mut before.disagreements(dir, &cutoffs));
        }
        sizes.get_or_insert_with(|| CustomerSizes::new(customer.clone())).add(&window);
        Ok(())
    })?;
    if let Some(last) = sizes {
        found.disagreements.append(&mut last.disagreements(dir, &cutoffs));
    }
    Ok(found)
}
