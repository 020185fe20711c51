//! From a tally to a [`Summary`] in canonical form, and from a summary to the insights of its windows.
//!
//! Canonical: keys sorted by their bytes, minutes ascending, counts ascending by key and above zero. Never: a trace of
//! the order of entries, of pieces or of hashing.

use std::sync::Arc;

use rayon::prelude::*;

use super::intern::Interner;
use super::tally::{KeyTally, Minute, Requests, RowSums, SumPlace, Tally};
use crate::dimension::{DIMENSIONS, PATH, TEXTS, USER_AGENT};
use crate::measures::{CELL_COUNT, Cell, MeasureRows, Measures, saturating_sum};
use crate::model::{
    Counts, CustomerId, Insight, KeyCount, KeyCounts, KeyTable, Keys, Summary, WindowId, WindowSize,
    WindowStart,
};

/// From so many entries on, far more than a batch has, minutes are put in order by all threads of the pool.
const PARALLEL_FROM_ENTRIES: u32 = 200_000;

/// Turns a tally into a summary.
pub(super) fn to_summary(mut tally: Tally) -> Summary {
    let mut keys = Keys::default();
    let mut ranks: [Vec<u32>; DIMENSIONS.len()] = Default::default();
    (keys.tables[PATH], ranks[PATH]) = path_keys(&tally.methods, &tally.paths);
    (keys.tables[USER_AGENT], ranks[USER_AGENT]) = counted_keys(&tally.families, &tally.by[USER_AGENT]);
    for (text, dimension) in TEXTS.into_iter().enumerate() {
        (keys.tables[dimension], ranks[dimension]) = counted_keys(&tally.texts[text], &tally.by[dimension]);
    }
    for by in &mut tally.by {
        by.counts.sort();
        by.sums.sort();
    }
    let mut order: Vec<(u32, Minute)> = (0..).zip(std::mem::take(&mut tally.minutes)).collect();
    order.sort_unstable_by_key(|(_, minute)| minute.start);
    let counts_of = |totals: &mut CellTotals, (row, minute): (u32, Minute)| {
        let mut counts = Counts::default();
        for (dimension, by) in counts.by.iter_mut().enumerate() {
            *by = key_counts(&tally.by[dimension], row, &ranks[dimension], keys.tables[dimension].len());
        }
        counts.robots.requests = counts.by[PATH].rows.iter().map(|row| u64::from(row.robots)).sum();
        counts.robots.measures = minute.robots;
        counts.visitors = minute.visitors;
        counts.all.requests = counts.by[PATH].requests();
        counts.all.measures = totals.of(&counts.by[PATH].measures);
        assert_eq!(
            counts.by[USER_AGENT].requests(),
            counts.all.requests,
            "an entry has one path and one family"
        );
        (minute.start, Arc::new(counts))
    };
    let minutes = if tally.entries > PARALLEL_FROM_ENTRIES {
        order.into_par_iter().map_init(CellTotals::default, counts_of).collect()
    } else {
        let mut totals = CellTotals::default();
        order.into_iter().map(|minute| counts_of(&mut totals, minute)).collect()
    };
    Summary { entries: tally.entries, keys: Arc::new(keys), minutes }
}

/// The counts of one minute by the keys of one dimension.
fn key_counts(by: &KeyTally, row: u32, ranks: &[u32], keys: usize) -> KeyCounts {
    let counted = by.counts.row(row).map(|(id, requests)| (ranks[id as usize], requests));
    let mut measured: Vec<(u32, Option<SumPlace>, Requests)> = by
        .sums
        .row(row)
        .map(|(id, place)| (ranks[id as usize], Some(place), by.sums.requests(place)))
        .collect();
    if measured.is_empty() {
        return KeyCounts::from_rows(counted.map(|(rank, requests)| key_count(rank, requests)), keys);
    }
    measured.extend(counted.map(|(rank, requests)| (rank, None, requests)));
    measured.sort_unstable_by_key(|(rank, ..)| *rank);
    let mut rows = Vec::with_capacity(measured.len());
    let mut measures = MeasureRows::with_capacity(measured.len(), 2 * measured.len());
    let mut sums = RowSums::default();
    for same in measured.chunk_by(|a, b| a.0 == b.0) {
        let mut requests = Requests::default();
        sums.clear();
        for (_, place, more) in same {
            requests.add(*more);
            if let Some(place) = place {
                by.sums.add_to(&mut sums, *place);
            }
        }
        sums.sort();
        rows.push(key_count(same[0].0, requests));
        measures.push(sums.response_bytes, sums.duration_micros, sums.cells.iter().copied());
    }
    KeyCounts { rows, measures }
}

fn key_count(index: u32, requests: Requests) -> KeyCount {
    KeyCount { index, requests: requests.all(), robots: requests.robots() }
}

/// Sums of rows by cell, in an array that is used again for every minute.
struct CellTotals(Vec<u64>);

impl Default for CellTotals {
    fn default() -> Self {
        Self(vec![0; CELL_COUNT])
    }
}

impl CellTotals {
    /// The sum of these rows.
    fn of(&mut self, rows: &MeasureRows) -> Measures {
        let (mut response_bytes, mut duration_micros) = (0, 0);
        for row in rows.iter() {
            response_bytes = saturating_sum(response_bytes, row.response_bytes);
            duration_micros = saturating_sum(duration_micros, row.duration_micros);
            row.cells
                .iter()
                .for_each(|(cell, count)| self.0[usize::from(cell.number())] += u64::from(*count));
        }
        let mut sum = Measures::new(response_bytes, duration_micros);
        if !rows.is_empty() {
            for (count, number) in self.0.iter_mut().zip(0..).filter(|(count, _)| **count > 0) {
                sum.add_cell(
                    Cell::from_number(number).expect("there are as many as cells"),
                    std::mem::take(count),
                );
            }
        }
        sum
    }
}

/// The sorted `METHOD path` keys, and for each numbered path its place among them.
fn path_keys(methods: &Interner, paths: &Interner) -> (KeyTable, Vec<u32>) {
    let mut method_ranks = vec![0_u32; methods.len()];
    sorted(methods, |_| 0)
        .into_iter()
        .zip(0..)
        .for_each(|(method, rank)| method_ranks[method as usize] = rank);
    // A method has no character as low as the space behind it, so the pair sorts as the joined text does.
    let order = sorted(paths, |method| method_ranks[method as usize]);
    let names: Vec<&str> = methods.iter().map(|(method, _)| method).collect();
    let method_of = |id: u32| names[paths.tag(id) as usize];
    let bytes = order.iter().map(|id| method_of(*id).len() + 1).sum::<usize>() + paths.text_bytes();
    let (mut keys, mut ranks) = (KeyTable::with_capacity(order.len(), bytes), vec![0; order.len()]);
    let mut key = String::new();
    for id in order {
        key.clear();
        key.extend([method_of(id), " ", paths.get(id).0]);
        ranks[id as usize] = keys.push(&key);
    }
    (keys, ranks)
}

/// The sorted texts that were counted, and for each number of one its place among them.
fn counted_keys(texts: &Interner, by: &KeyTally) -> (KeyTable, Vec<u32>) {
    let are_counted = by.are_counted(texts.len());
    let mut keys = KeyTable::with_capacity(texts.len(), texts.text_bytes());
    let mut ranks = vec![u32::MAX; texts.len()];
    for id in sorted(texts, |_| 0).into_iter().filter(|id| are_counted[*id as usize]) {
        ranks[id as usize] = keys.push(texts.get(id).0);
    }
    (keys, ranks)
}

/// The numbers of all texts, sorted by the rank of their tag and then by their bytes.
fn sorted(texts: &Interner, rank_of_tag: impl Fn(u32) -> u32) -> Vec<u32> {
    // The first bytes in which texts can differ are compared as a number; this decides nearly always.
    let shared = shared_bytes(texts);
    let mut order: Vec<(u32, u128, u32)> = texts
        .iter()
        .zip(0..)
        .map(|((text, tag), id)| {
            let mut first = [0; 16];
            let rest = &text.as_bytes()[shared..];
            let bytes = rest.len().min(first.len());
            first[..bytes].copy_from_slice(&rest[..bytes]);
            (rank_of_tag(tag), u128::from_be_bytes(first), id)
        })
        .collect();
    order.sort_unstable_by(|a, b| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| texts.bytes(a.2).cmp(texts.bytes(b.2)))
    });
    order.into_iter().map(|(.., id)| id).collect()
}

/// How many bytes all texts begin with in common.
fn shared_bytes(texts: &Interner) -> usize {
    if texts.len() == 0 {
        return 0;
    }
    let first = texts.bytes(0);
    let shared = |text: &[u8]| first.iter().zip(text).take_while(|(a, b)| a == b).count();
    (1..texts.len()).map(|id| shared(texts.bytes(id as u32))).min().unwrap_or(first.len())
}

/// The summary's windows of one size, ascending.
pub fn windows(summary: &Summary, size: WindowSize) -> Vec<(WindowStart, Arc<Counts>)> {
    coarser(&summary.minutes, size, &summary.keys)
}

/// What the batch adds to each window it touches: its minutes, then its hours, then its days, each ascending.
/// A window that holds a single finer one shares its counts.
pub fn insights(customer: &CustomerId, summary: &Summary) -> Vec<Insight> {
    let hours = coarser(&summary.minutes, WindowSize::Hour, &summary.keys);
    let days = coarser(&hours, WindowSize::Day, &summary.keys);
    let sizes =
        [(WindowSize::Minute, &summary.minutes), (WindowSize::Hour, &hours), (WindowSize::Day, &days)];
    let mut insights = Vec::with_capacity(summary.minutes.len() + hours.len() + days.len());
    for (size, windows) in sizes {
        insights.extend(windows.iter().map(|(start, counts)| Insight {
            customer: customer.clone(),
            window: WindowId { size, start: *start },
            keys: Arc::clone(&summary.keys),
            counts: Arc::clone(counts),
        }));
    }
    insights
}

/// Sums ascending windows into windows of a coarser size.
fn coarser(
    windows: &[(WindowStart, Arc<Counts>)],
    size: WindowSize,
    keys: &Keys,
) -> Vec<(WindowStart, Arc<Counts>)> {
    let same_window = |a: &(WindowStart, _), b: &(WindowStart, _)| a.0.floor(size) == b.0.floor(size);
    let sum = |parts: &[(WindowStart, Arc<Counts>)]| match parts {
        [(_, only)] => Arc::clone(only),
        _ => Arc::new(Counts::sum(&parts.iter().map(|(_, part)| &**part).collect::<Vec<_>>(), keys)),
    };
    windows.chunk_by(same_window).map(|parts| (parts[0].0.floor(size), sum(parts))).collect()
}
