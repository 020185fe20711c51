//! Counting windows again from the journal and comparing.
//!
//! Input: the records the journal holds without a gap, and the window files. Output: what differs, in the report.
//! Never: more keys in memory than the files hold. A window that folded keys is counted by the keys its file names and the
//! rest; there a true count may be above the one shown, by no more than `folded`.

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::windows::FoundWindows;
use super::{Known, Progress, VerifyOptions, VerifyReport};
use crate::base::disk::Disk;
use crate::batch::insights;
use crate::data_dir::DataDir;
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS};
use crate::journal::replay::Replay;
use crate::journal::summary;
use crate::measures::Measures;
use crate::model::{CustomerId, Seq, WindowId, WindowSize};
use crate::time;
use crate::windows::fold::WindowLimits;
use crate::windows::router::partition;
use crate::windows::table::{CountTable, TableRow};
use crate::windows::window::Window;

/// A window in memory takes about this many times its file.
const MEMORY_PER_FILE_BYTE: u64 = 4;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

pub(super) fn check(
    disk: &dyn Disk,
    dir: &DataDir,
    options: &VerifyOptions,
    known: &Known,
    found: &FoundWindows,
    report: &mut VerifyReport,
    progress: Progress<'_>,
) -> io::Result<()> {
    let memory: u64 = found.values().map(|window| window.bytes * MEMORY_PER_FILE_BYTE).sum();
    let passes =
        usize::try_from(memory / options.recount_bytes.max(1)).unwrap_or(usize::MAX).clamp(0, 4096) + 1;
    for pass in 0..passes {
        let (counted, unwritten) = count(disk, dir, known, found, pass, passes, progress)?;
        compare(disk, dir, options, known, &counted, report)?;
        for (key, through) in unwritten {
            missing(dir, options, known, &key, through, report);
        }
    }
    Ok(())
}

type Key = (CustomerId, WindowId);

/// Counts the windows of one pass as they should be on disk: up to the record each file says it holds. Also says which
/// windows have records their file does not hold, with the last one the checkpoint covers.
fn count(
    disk: &dyn Disk,
    dir: &DataDir,
    known: &Known,
    found: &FoundWindows,
    pass: usize,
    passes: usize,
    progress: Progress<'_>,
) -> io::Result<(HashMap<Key, Window>, BTreeMap<Key, Seq>)> {
    let mut counted: HashMap<Key, Window> = HashMap::new();
    let mut unwritten: BTreeMap<Key, Seq> = BTreeMap::new();
    let mut done = 0;
    Replay { after: known.after, through: known.end }.visit(disk, dir, |stored| {
        let (seq, customer) = (stored.record.header.seq, &stored.customer);
        for insight in insights(customer, &summary::decode(stored.record.summary())?) {
            if partition(customer, insight.window, passes) != pass {
                continue;
            }
            let key = (customer.clone(), insight.window);
            let (applied_through, is_folded) = found
                .get(&key)
                .map_or((Seq::ZERO, false), |window| (window.applied_through, window.is_folded));
            if seq <= applied_through {
                let window =
                    counted.entry(key).or_insert_with_key(|key| uncounted(disk, dir, key, is_folded));
                window.merge(seq, &insight.keys, &insight.counts, &WindowLimits::NONE);
            } else if seq <= known.checkpoint {
                unwritten.insert(key, seq);
            }
        }
        done += u64::from(stored.record.header.record_bytes);
        if done >= 1 << 20 {
            progress(std::mem::take(&mut done), 0);
        }
        Ok(true)
    })?;
    progress(done, 0);
    Ok((counted, unwritten))
}

/// A window to count in: one that names what its file names, where that is not everything. (A file that cannot be read
/// now is reported when it is compared.)
fn uncounted(disk: &dyn Disk, dir: &DataDir, key: &Key, is_folded: bool) -> Window {
    let file = if is_folded { disk.read(&dir.window(&key.0, key.1)).ok() } else { None };
    let window = file.and_then(|file| Window::decode(&file, &key.0, key.1).ok());
    window.map_or_else(|| Window::new(key.0.clone(), key.1), |window| window.naming_the_same())
}

fn compare(
    disk: &dyn Disk,
    dir: &DataDir,
    options: &VerifyOptions,
    known: &Known,
    counted: &HashMap<Key, Window>,
    report: &mut VerifyReport,
) -> io::Result<()> {
    let mut keys: Vec<&Key> = counted.keys().collect();
    keys.sort_unstable();
    for key in keys {
        let recounted = &counted[key];
        let path = dir.window(&key.0, key.1);
        let Ok(window) = Window::decode(&disk.read(&path)?, &key.0, key.1) else { continue };
        // A batch can count in a window up to `max_future_ms` before it begins.
        let reaches_back = known.after == Seq::ZERO
            || known.since_ms < time::start_ms(key.1.start).saturating_sub(options.max_future_ms);
        // Its file may have been removed, and begun anew by a late entry.
        let expired = is_expired(options, key.1);
        let (has, knows) = (window.requests(), recounted.requests());
        let wrong = if expired {
            let wrong = reaches_back && has > knows;
            wrong.then(|| format!("it counts {has} requests, the journal {knows}"))
        } else if !reaches_back || window.is_incomplete() {
            let wrong = !recounted.all().is_part_of(window.all());
            wrong.then(|| format!("it counts {has} requests, the journal knows {knows}"))
        } else {
            difference(&window, recounted)
        };
        if expired || !reaches_back || window.is_incomplete() {
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

/// The first thing in which a window differs from what the journal counts.
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

/// All rows that have a name.
fn by_key(table: &CountTable) -> BTreeMap<&str, TableRow<'_>> {
    table.iter().map(|row| (row.key, row)).collect()
}

fn is_part_of(part: &TableRow<'_>, whole: &TableRow<'_>) -> bool {
    let nothing = Measures::default();
    part.tally.requests <= whole.tally.requests
        && part.tally.robots <= whole.tally.robots
        && part.measures.unwrap_or(&nothing).is_part_of(whole.measures.unwrap_or(&nothing))
}

/// A window lacks a record that the checkpoint says is written.
fn missing(
    dir: &DataDir,
    options: &VerifyOptions,
    known: &Known,
    key: &Key,
    through: Seq,
    report: &mut VerifyReport,
) {
    if is_expired(options, key.1) {
        return;
    }
    let what = format!(
        "the window is missing batch {through}, though the checkpoint is at {}: its counts are too low",
        known.checkpoint
    );
    report.problem(&dir.window(&key.0, key.1), None, what);
}

/// Whether `serve` may have removed a window for its age.
fn is_expired(options: &VerifyOptions, id: WindowId) -> bool {
    let days = options.retain_windows_days[match id.size {
        WindowSize::Minute => 0,
        WindowSize::Hour => 1,
        WindowSize::Day => 2,
    }];
    let end_ms = time::start_ms(id.start) + u64::from(id.size.minutes()) * 60_000;
    days > 0 && options.now_ms.saturating_sub(end_ms) > u64::from(days) * DAY_MS
}
