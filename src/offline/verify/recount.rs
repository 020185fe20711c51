//! Counting windows again from the journal and comparing.

use std::collections::{BTreeMap, HashMap};
use std::io;

use super::windows::FoundWindows;
use super::{Known, Progress, VerifyOptions, VerifyReport};
use crate::base::disk::Disk;
use crate::batch::insights;
use crate::data_dir::DataDir;
use crate::journal::replay::Replay;
use crate::journal::summary;
use crate::model::{CustomerId, Seq, WindowId, WindowSize};
use crate::time;
use crate::windows::router::partition;
use crate::windows::window::{OTHER, Window, WindowLimits};

/// Recounting knows no limits: what a window put under `(other)` is not compared by key.
const NO_LIMITS: WindowLimits =
    WindowLimits { max_paths: usize::MAX, max_agents: usize::MAX, max_key_bytes: usize::MAX };
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
            let applied_through = found.get(&key).map_or(Seq::ZERO, |window| window.applied_through);
            if seq <= applied_through {
                let window = counted.entry(key).or_insert_with_key(|(c, id)| Window::new(c.clone(), *id));
                window.merge(seq, &insight.keys, &insight.counts, &NO_LIMITS);
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
        if expired && reaches_back && window.requests() > recounted.requests() {
            let (has, knows) = (window.requests(), recounted.requests());
            report.problem(&path, None, format!("it counts {has} requests, the journal {knows}"));
        }
        if expired {
            report.partly_recounted_windows += 1;
            continue;
        }
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
    let what = format!("it lacks record {through}, though the checkpoint is at {}", known.checkpoint);
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
