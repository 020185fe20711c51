//! The recount's part of a check: windows counted again from the journal, and compared.
//!
//! Input: the journal and the windows that were found. Output: problems; what a replay would add. Never: changes a file.

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::windows::FoundWindows;
use super::{Known, Progress, VerifyOptions, VerifyReport};
use crate::base::disk::Disk;
use crate::batch::insights;
use crate::data_dir::DataDir;
use crate::journal::ledger::{CountedSince, Cutoffs, ExpiredSince};
use crate::journal::replay::Replay;
use crate::journal::stored::Unproven;
use crate::journal::summary;
use crate::model::{CustomerId, Seq, WindowId};
use crate::time;
use crate::windows::router::partition;
use crate::windows::window::{OTHER, Window, WindowLimits};

/// Recounting knows no limits: what a window put under `(other)` is not compared by key.
const NO_LIMITS: WindowLimits =
    WindowLimits { max_paths: usize::MAX, max_agents: usize::MAX, max_key_bytes: usize::MAX };
/// A window in memory takes about this many times its file.
const MEMORY_PER_FILE_BYTE: u64 = 4;

type Key = (CustomerId, WindowId);

/// What a replay would add.
#[derive(Default)]
pub(super) struct Unmerged {
    /// Requests that windows lack, by window.
    pub(super) requests: BTreeMap<Key, u64>,
    /// What records after the ledger count.
    pub(super) counted: CountedSince,
    /// Late entries in them for windows before their cutoff.
    pub(super) expired: ExpiredSince,
}

impl Unmerged {
    /// Whether every window is written.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

pub(super) fn check(
    disk: &dyn Disk,
    dir: &DataDir,
    options: &VerifyOptions,
    known: &Known,
    found: &FoundWindows,
    report: &mut VerifyReport,
    progress: Progress<'_>,
) -> io::Result<Unmerged> {
    let memory: u64 = found.values().map(|window| window.bytes * MEMORY_PER_FILE_BYTE).sum();
    let passes =
        usize::try_from(memory / options.recount_bytes.max(1)).unwrap_or(usize::MAX).clamp(0, 4096) + 1;
    let mut recount =
        Recount { dir, known, found, cutoffs: known.stored.ledger.cutoffs(), unmerged: Unmerged::default() };
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
            "this directory is a copy: its next start replays {} records, which add to {} windows",
            known.end.0 - known.after.0,
            recount.unmerged.requests.len()
        ));
    }
    Ok(recount.unmerged)
}

/// Counting windows again.
struct Recount<'a> {
    dir: &'a DataDir,
    known: &'a Known,
    found: &'a FoundWindows,
    cutoffs: Cutoffs,
    unmerged: Unmerged,
}

impl Recount<'_> {
    /// Counts the windows of one pass as they should be on disk: up to the record each file says it holds. Also returns
    /// which windows lack a record that the checkpoint covers.
    fn count(
        &mut self,
        disk: &dyn Disk,
        (pass, passes): (usize, usize),
        progress: Progress<'_>,
    ) -> io::Result<(HashMap<Key, Window>, BTreeMap<Key, Seq>)> {
        let Self { dir, known, found, cutoffs, unmerged } = self;
        let stored = &known.stored;
        // In a copy windows may be older than the checkpoint: the next start replays what they lack.
        let covered = if stored.unproven.is_some() { Seq::ZERO } else { stored.checkpoint };
        let mut counted: HashMap<Key, Window> = HashMap::new();
        let mut unwritten: BTreeMap<Key, Seq> = BTreeMap::new();
        let mut done = 0;
        Replay { after: known.after, through: known.end }.visit(disk, dir, |record| {
            let (header, customer) = (record.record.header, &record.customer);
            let seq = header.seq;
            let is_new = seq > stored.ledger.through;
            if is_new && pass == 0 {
                let totals = unmerged.counted.entry(customer.clone()).or_default();
                totals.count(header.entries, header.received_at_ms);
            }
            for insight in insights(customer, &summary::decode(record.record.summary())?) {
                if partition(customer, insight.window, passes) != pass {
                    continue;
                }
                let requests = u64::from(insight.counts.requests);
                if cutoffs.excludes(customer, insight.window) {
                    if is_new {
                        let expired = unmerged.expired.entry(customer.clone()).or_default();
                        expired[insight.window.size as usize] += requests;
                    }
                    continue;
                }
                let key = (customer.clone(), insight.window);
                let applied_through = found.get(&key).map_or(Seq::ZERO, |window| window.applied_through);
                if seq <= applied_through {
                    let window = counted.entry(key).or_insert_with_key(|(c, id)| Window::new(c.clone(), *id));
                    window.merge(seq, &insight.keys, &insight.counts, &NO_LIMITS);
                } else if seq <= covered {
                    unwritten.insert(key, seq);
                } else {
                    *unmerged.requests.entry(key).or_default() += requests;
                }
            }
            done += u64::from(header.record_bytes);
            if done >= 1 << 20 {
                progress(std::mem::take(&mut done), 0);
            }
            Ok(true)
        })?;
        progress(done, 0);
        Ok((counted, unwritten))
    }
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
        // A batch can count in a window from --max-future before it on.
        let reaches_back = known.after == Seq::ZERO
            || known.since_ms < time::start_ms(key.1.start).saturating_sub(options.max_future_ms);
        if !reaches_back || window.is_incomplete() {
            report.partly_recounted_windows += 1;
            if window.requests() < recounted.requests() {
                let (has, knows) = (window.requests(), recounted.requests());
                report.problem(&path, None, format!("it counts {has} requests, the journal knows {knows}"));
            }
            continue;
        }
        report.recounted_windows += 1;
        if window.requests() != recounted.requests() {
            let (has, knows) = (window.requests(), recounted.requests());
            report.problem(&path, None, format!("it counts {has} requests, the journal {knows}"));
        } else {
            let wrong = difference(window.paths(), recounted.paths())
                .or_else(|| difference(window.agents(), recounted.agents()));
            if let Some(wrong) = wrong {
                report.problem(&path, None, wrong);
            }
        }
    }
    Ok(())
}

/// The first key whose counts differ. Maps with [`OTHER`] are not compared: which keys it stands for is not known.
fn difference<'a>(
    window: impl Iterator<Item = (&'a str, u64)>,
    journal: impl Iterator<Item = (&'a str, u64)>,
) -> Option<String> {
    let (window, journal): (BTreeMap<&str, u64>, BTreeMap<&str, u64>) = (window.collect(), journal.collect());
    if window.contains_key(OTHER) || window == journal {
        return None;
    }
    let key = window.keys().chain(journal.keys()).find(|key| window.get(*key) != journal.get(*key))?;
    let count = |map: &BTreeMap<&str, u64>| map.get(key).copied().unwrap_or(0);
    Some(format!("it counts {} for {key:?}, the journal {}", count(&window), count(&journal)))
}
