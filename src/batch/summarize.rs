//! From a tally to a [`Summary`] in canonical form, and from a summary to the insights of its windows.
//!
//! Canonical: keys sorted by their bytes, minutes ascending, counts ascending by key and above zero. Nothing
//! of the order of entries, of pieces or of hashing is left in what goes out.

use std::sync::Arc;

use super::agent::{self, Family};
use super::intern::Interner;
use super::tally::Tally;
use crate::model::{Counts, CustomerId, Insight, KeyTable, Keys, Summary, WindowId, WindowSize, WindowStart};

/// Turns a tally into a summary.
pub(super) fn finish(mut tally: Tally) -> Summary {
    let (paths, path_ranks) = path_keys(&tally.methods, &tally.paths);
    let (agents, agent_ranks) = agent_keys(&tally.agents);
    tally.by_path.sort();
    tally.by_agent.sort();
    let mut order: Vec<(WindowStart, u32)> = tally.minutes.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let minutes = order.into_iter().map(|(start, row)| {
        let by_path = ranked(tally.by_path.row(row), &path_ranks);
        let by_agent = ranked(tally.by_agent.row(row), &agent_ranks);
        (start, Arc::new(counts(by_path, by_agent)))
    });
    let minutes = minutes.collect();
    Summary { entries: tally.entries, keys: Arc::new(Keys { paths, agents }), minutes }
}

/// The sorted `METHOD path` keys, and for each numbered path its place among them.
fn path_keys(methods: &Interner, paths: &Interner) -> (KeyTable, Vec<u32>) {
    let mut order: Vec<u32> = (0..paths.len() as u32).collect();
    // A method has no character as low as the space behind it, so the pair sorts as the joined text does.
    order.sort_unstable_by_key(|id| {
        let (path, method) = paths.get(*id);
        (methods.get(method).0, path)
    });
    let (mut keys, mut ranks) = (KeyTable::default(), vec![0; order.len()]);
    let mut key = String::new();
    for id in order {
        let (path, method) = paths.get(id);
        key.clear();
        key.extend([methods.get(method).0, " ", path]);
        ranks[id as usize] = keys.push(&key);
    }
    (keys, ranks)
}

/// The sorted families, and for each numbered user agent the place of its family among them.
fn agent_keys(agents: &Interner) -> (KeyTable, Vec<u32>) {
    let families: Vec<Family> =
        agent::with_cache(|cache| agents.iter().map(|(agent, _)| cache.get(agent)).collect());
    let mut by_family: Vec<(&str, u32)> = families.iter().map(Family::name).zip(0..).collect();
    by_family.sort_unstable();
    let (mut keys, mut ranks) = (KeyTable::default(), vec![0; by_family.len()]);
    let mut last = None;
    for (family, id) in &by_family {
        let rank = match last {
            Some((name, rank)) if name == family => rank,
            _ => keys.push(family),
        };
        last = Some((family, rank));
        ranks[*id as usize] = rank;
    }
    (keys, ranks)
}

/// (number, count) pairs to (rank, sum) pairs, ascending by rank and distinct.
fn ranked(row: impl Iterator<Item = (u32, u32)>, ranks: &[u32]) -> Vec<(u32, u32)> {
    summed(row.map(|(id, count)| (ranks[id as usize], count)).collect())
}

/// Sorts (key, count) pairs by key and adds up those of one key.
fn summed(mut pairs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    pairs.sort_unstable_by_key(|(key, _)| *key);
    pairs.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1 += next.1;
        }
        is_same
    });
    pairs
}

fn counts(by_path: Vec<(u32, u32)>, by_agent: Vec<(u32, u32)>) -> Counts {
    let sum = |list: &[(u32, u32)]| list.iter().map(|(_, count)| count).sum::<u32>();
    let requests = sum(&by_path);
    assert_eq!(requests, sum(&by_agent), "every entry has one path and one user agent");
    Counts { requests, by_path, by_agent }
}

/// What the batch adds to each window it touches: its minutes, then its hours, then its days, each ascending.
/// A window that holds a single finer one shares its counts.
pub fn insights(customer: &CustomerId, summary: &Summary) -> Vec<Insight> {
    let hours = coarser(&summary.minutes, WindowSize::Hour);
    let days = coarser(&hours, WindowSize::Day);
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
fn coarser(windows: &[(WindowStart, Arc<Counts>)], size: WindowSize) -> Vec<(WindowStart, Arc<Counts>)> {
    let same_window = |a: &(WindowStart, _), b: &(WindowStart, _)| a.0.floor(size) == b.0.floor(size);
    let sum = |parts: &[(WindowStart, Arc<Counts>)]| match parts {
        [(_, only)] => Arc::clone(only),
        _ => Arc::new(counts(
            sum_lists(parts.iter().map(|(_, part)| part.by_path.as_slice())),
            sum_lists(parts.iter().map(|(_, part)| part.by_agent.as_slice())),
        )),
    };
    windows.chunk_by(same_window).map(|parts| (parts[0].0.floor(size), sum(parts))).collect()
}

/// Adds up lists of (key, count), each ascending by key, into one such list.
fn sum_lists<'a>(lists: impl Iterator<Item = &'a [(u32, u32)]> + Clone) -> Vec<(u32, u32)> {
    let keys = lists.clone().filter_map(<[_]>::last).map(|(key, _)| *key as usize + 1).max().unwrap_or(0);
    let pairs: usize = lists.clone().map(<[_]>::len).sum();
    // An array over all keys is quicker than sorting, unless few of very many keys occur.
    if pairs < keys / 16 {
        return summed(lists.flatten().copied().collect());
    }
    let mut sums = vec![0_u32; keys];
    lists.flatten().for_each(|(key, count)| sums[*key as usize] += count);
    sums.into_iter().zip(0..).filter(|(sum, _)| *sum > 0).map(|(sum, key)| (key, sum)).collect()
}
