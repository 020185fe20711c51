//! Counts windows again from the journal and compares them.
//!
//! Input: the records that the journal holds without a gap, and the window files. Output: differences, in the report;
//! the effect of a replay. Never: more keys in memory than the files hold. A window that folded keys is counted by
//! the keys that its file names and the rest; there a true count may be above the one shown, by no more than
//! `folded`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use super::touched::TouchedWindow;
use super::{KnownJournal, VerifyOptions, VerifyProgress, VerifyReport};
use crate::base::disk::Disk;
use crate::base::plural::counted;
use crate::batch::insights;
use crate::data_dir::DataDir;
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS};
use crate::journal::ledger::{CountedSince, Cutoffs, ExpiredSince, count_record};
use crate::journal::replay::Replay;
use crate::journal::stored::Unproven;
use crate::journal::summary;
use crate::measures::Measures;
use crate::model::{CustomerId, Seq};
use crate::time;
use crate::windows::fold::WindowLimits;
use crate::windows::router::partition;
use crate::windows::shelf::{Shelf, StoredWindow};
use crate::windows::table::{CountTable, TableRow};
use crate::windows::window::Window;
use crate::windows::worker::WindowKey;

/// The memory of a window is about this many times the size of its file.
const MEMORY_PER_FILE_BYTE: u64 = 4;

/// The effect that a replay would have.
#[derive(Default)]
pub(super) struct Unmerged {
    /// How many windows lack records.
    windows: usize,
    /// The requests that they lack, by customer and window size.
    pub(super) requests: HashMap<CustomerId, [u64; 3]>,
    /// The counts of records after the ledger.
    pub(super) counted: CountedSince,
    /// Late entries in them for windows before their cutoff.
    pub(super) expired: ExpiredSince,
}

impl Unmerged {
    /// Whether every window is written.
    pub(super) fn is_empty(&self) -> bool {
        self.windows == 0
    }
}

pub(super) fn check(
    disk: &dyn Disk,
    dir: &DataDir,
    options: &VerifyOptions,
    known: &KnownJournal,
    report: &mut VerifyReport,
    progress: VerifyProgress<'_>,
) -> io::Result<Unmerged> {
    let memory = known.touched.bytes.saturating_mul(MEMORY_PER_FILE_BYTE);
    let passes =
        usize::try_from(memory / options.recount_bytes.max(1)).unwrap_or(usize::MAX).clamp(0, 4096) + 1;
    let mut recount =
        Recount { dir, known, cutoffs: known.stored.ledger.cutoffs(), unmerged: Unmerged::default() };
    for pass in 0..passes {
        let (counted, unwritten) = recount.count(disk, (pass, passes), progress)?;
        compare(disk, dir, options, known, &counted, report)?;
        for (key, through) in unwritten {
            let what = format!("the window is missing batch {through}: its counts are too low");
            report.problem(&dir.window(&key.0, key.1), None, what);
        }
    }
    if known.stored.unproven == Some(Unproven::Copy) {
        report.notes.push(format!(
            "this directory is a copy: its next start replays {}, which add to {}",
            counted(known.end.0 - known.after.0, "record"),
            counted(recount.unmerged.windows as u64, "window")
        ));
    }
    Ok(recount.unmerged)
}

/// Counting windows again.
struct Recount<'a> {
    dir: &'a DataDir,
    known: &'a KnownJournal,
    cutoffs: Cutoffs,
    unmerged: Unmerged,
}

impl Recount<'_> {
    /// Counts the windows of one pass as they should be on disk: up to the record that each file names. Also returns
    /// which windows lack a record that the checkpoint covers.
    fn count(
        &mut self,
        disk: &dyn Disk,
        (pass, passes): (usize, usize),
        progress: VerifyProgress<'_>,
    ) -> io::Result<(HashMap<WindowKey, Window>, BTreeMap<WindowKey, Seq>)> {
        let Self { dir, known, cutoffs, unmerged } = self;
        let stored = &known.stored;
        // In a copy, windows may be older than the checkpoint: the next start replays the records that they lack.
        let covered = if stored.unproven.is_some() { Seq::ZERO } else { stored.checkpoint };
        let mut counted: HashMap<WindowKey, Window> = HashMap::new();
        let mut unwritten: BTreeMap<WindowKey, Seq> = BTreeMap::new();
        let mut lacking: HashSet<WindowKey> = HashSet::new();
        let mut done = 0;
        Replay { after: known.after, through: known.end }.visit(disk, dir, |record| {
            let (header, customer) = (record.record.header, &record.customer);
            let seq = header.seq;
            let is_new = seq > stored.ledger.through;
            if is_new && pass == 0 {
                count_record(&mut unmerged.counted, record);
            }
            done += u64::from(header.record_bytes);
            if done >= 1 << 20 {
                progress(std::mem::take(&mut done), 0);
            }
            if known.deletions.cover(customer, seq) {
                return Ok(true);
            }
            for insight in insights(customer, &summary::decode(record.record.summary())?) {
                if partition(customer, insight.window, passes) != pass {
                    continue;
                }
                let requests = u64::from(insight.counts.requests());
                if cutoffs.excludes(customer, insight.window) {
                    if is_new {
                        let expired = unmerged.expired.entry(customer.clone()).or_default();
                        expired[insight.window.size as usize] += requests;
                    }
                    continue;
                }
                let TouchedWindow { applied_through, is_folded } =
                    known.touched.stored(customer, insight.window);
                let key = (customer.clone(), insight.window);
                if seq <= applied_through {
                    let window =
                        counted.entry(key).or_insert_with_key(|key| uncounted(disk, dir, key, is_folded));
                    window.merge(seq, &insight.keys, &insight.counts, &WindowLimits::NONE);
                } else if seq <= covered {
                    unwritten.insert(key, seq);
                } else {
                    unmerged.requests.entry(customer.clone()).or_default()[key.1.size as usize] += requests;
                    lacking.insert(key);
                }
            }
            Ok(true)
        })?;
        progress(done, 0);
        // Each pass has other windows.
        unmerged.windows += lacking.len();
        Ok((counted, unwritten))
    }
}

/// An empty window to count in. If its file does not name all keys, it counts by the keys that the file names. (A
/// file that cannot be read now is reported when it is compared.)
fn uncounted(disk: &dyn Disk, dir: &DataDir, key: &WindowKey, is_folded: bool) -> Window {
    let stored = if is_folded { Shelf::new(disk, dir.customer(&key.0)).read(key.1).ok() } else { None };
    let bytes = stored.flatten().and_then(|stored| stored.content.ok());
    let window = bytes.and_then(|bytes| Window::decode(&bytes, &key.0, key.1).ok());
    window.map_or_else(|| Window::new(key.0.clone(), key.1), |window| window.naming_the_same())
}

fn compare(
    disk: &dyn Disk,
    dir: &DataDir,
    options: &VerifyOptions,
    known: &KnownJournal,
    counted: &HashMap<WindowKey, Window>,
    report: &mut VerifyReport,
) -> io::Result<()> {
    let mut keys: Vec<&WindowKey> = counted.keys().collect();
    keys.sort_unstable();
    let mut shelf: Option<(&CustomerId, Shelf<'_>)> = None;
    for key in keys {
        let recounted = &counted[key];
        if shelf.as_ref().is_none_or(|(customer, _)| *customer != &key.0) {
            shelf = Some((&key.0, Shelf::new(disk, dir.customer(&key.0))));
        }
        let Some((_, shelf)) = &mut shelf else { continue };
        let Some(StoredWindow { path, content: Ok(bytes) }) = shelf.read(key.1)? else { continue };
        let Ok(window) = Window::decode(&bytes, &key.0, key.1) else { continue };
        // A batch can count in a window up to `max_future_ms` before it begins.
        let reaches_back = known.after == Seq::ZERO
            || known.deletions.cover(&key.0, known.after)
            || known.since_ms < time::start_ms(key.1.start).saturating_sub(options.max_future_ms);
        let (has, knows) = (window.requests(), recounted.requests());
        let wrong = if !reaches_back || window.is_incomplete() {
            let wrong = !recounted.all().is_part_of(window.all());
            wrong.then(|| format!("it counts {has} requests, the journal knows {knows}"))
        } else {
            difference(&window, recounted)
        };
        if !reaches_back || window.is_incomplete() {
            report.partly_recounted_windows += 1;
        } else {
            report.recounted_windows += 1;
        }
        if let Some(wrong) = wrong {
            report.problem(&path, None, wrong);
        }
    }
    Ok(())
}

/// The first difference between a window and the counts of the journal.
fn difference(window: &Window, journal: &Window) -> Option<String> {
    let (has, knows) = (window.requests(), journal.requests());
    if has != knows {
        return Some(format!("it counts {has} requests, the journal {knows}"));
    }
    if window.all() != journal.all() {
        return Some("its status codes, bytes or durations are not those of the journal".to_owned());
    }
    if window.robots() != journal.robots() {
        return Some("its robots are not those of the journal".to_owned());
    }
    if window.visitors() != journal.visitors() {
        return Some("its visitors are not those of the journal".to_owned());
    }
    (0..DIMENSION_COUNT).find_map(|dimension| {
        let (window_table, journal_table) = (&window.tables()[dimension], &journal.tables()[dimension]);
        let wrong = differing_key(window_table, journal_table, window.folded()[dimension])?;
        Some(format!("by {}: {wrong}", DIMENSIONS[dimension].name))
    })
}

/// The first key, by bytes, that counts too much or too little. Where nothing was folded, `folded` is zero and all counts
/// must be equal.
fn differing_key(window: &CountTable, journal: &CountTable, folded: u64) -> Option<String> {
    let (window, journal) = (by_key(window), by_key(journal));
    let none = TableRow::default();
    for key in window.keys().chain(journal.keys()) {
        let has = window.get(key).unwrap_or(&none);
        let knows = journal.get(key).unwrap_or(&none);
        let wrong = if folded == 0 {
            has.tally != knows.tally || has.measures != knows.measures
        } else {
            has.tally.requests.saturating_add(folded) < knows.tally.requests || !is_part_of(has, knows)
        };
        if wrong {
            let (has, knows) = (has.tally.requests, knows.tally.requests);
            return Some(format!("it counts {has} for {key:?}, the journal {knows}"));
        }
    }
    None
}

/// All rows with a name.
fn by_key(table: &CountTable) -> BTreeMap<&str, TableRow<'_>> {
    table.iter().map(|row| (row.key, row)).collect()
}

fn is_part_of(part: &TableRow<'_>, whole: &TableRow<'_>) -> bool {
    let nothing = Measures::default();
    part.tally.requests <= whole.tally.requests
        && part.tally.robots <= whole.tally.robots
        && part.measures.unwrap_or(&nothing).is_part_of(whole.measures.unwrap_or(&nothing))
}
