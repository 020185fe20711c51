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
    let (agents, agent_ranks) = agent_keys(&tally);
    tally.by_path.sort();
    tally.by_agent.sort();
    let mut order: Vec<(WindowStart, u32)> = tally.minutes.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let minutes = order.into_iter().map(|(start, row)| {
        let ranked = |(id, count): (u32, u32), ranks: &[u32]| (ranks[id as usize], count);
        let by_path = tally.by_path.row(row).map(|pair| ranked(pair, &path_ranks));
        let by_agent = tally.by_agent.row(row).map(|pair| ranked(pair, &agent_ranks));
        (start, Arc::new(counts(summed(by_path, paths.len()), summed(by_agent, agents.len()))))
    });
    let minutes = minutes.collect();
    Summary { entries: tally.entries, keys: Arc::new(Keys { paths, agents }), minutes }
}

/// The sorted `METHOD path` keys, and for each numbered path its place among them.
fn path_keys(methods: &Interner, paths: &Interner) -> (KeyTable, Vec<u32>) {
    let mut sorted_methods: Vec<(&str, u32)> = methods.iter().map(|(method, _)| method).zip(0..).collect();
    sorted_methods.sort_unstable();
    let mut method_ranks = vec![0_u32; sorted_methods.len()];
    sorted_methods.iter().zip(0..).for_each(|((_, method), rank)| method_ranks[*method as usize] = rank);

    // A method has no character as low as the space behind it, so the pair sorts as the joined text does. The
    // first bytes in which paths can differ are compared as a number; this decides nearly always.
    let shared = shared_bytes(paths);
    let mut order: Vec<(u32, u128, u32)> = paths
        .iter()
        .zip(0..)
        .map(|((path, method), id)| {
            let mut first = [0; 16];
            let rest = &path.as_bytes()[shared..];
            let bytes = rest.len().min(first.len());
            first[..bytes].copy_from_slice(&rest[..bytes]);
            (method_ranks[method as usize], u128::from_be_bytes(first), id)
        })
        .collect();
    order.sort_unstable_by(|a, b| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| paths.bytes(a.2).cmp(paths.bytes(b.2)))
    });

    let bytes = order.iter().map(|(method, ..)| sorted_methods[*method as usize].0.len() + 1).sum::<usize>();
    let bytes = bytes + paths.text_bytes();
    let (mut keys, mut ranks) = (KeyTable::with_capacity(order.len(), bytes), vec![0; order.len()]);
    let mut key = String::new();
    for (method, _, id) in order {
        key.clear();
        key.extend([sorted_methods[method as usize].0, " ", paths.get(id).0]);
        ranks[id as usize] = keys.push(&key);
    }
    (keys, ranks)
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

/// The sorted families, and for each numbered user agent the place of its family among them. An agent of which
/// no entry was counted (its entry went another way) has none.
fn agent_keys(tally: &Tally) -> (KeyTable, Vec<u32>) {
    let mut is_counted = vec![false; tally.agents.len()];
    tally.by_agent.for_each(|_, id, _| is_counted[id as usize] = true);
    let counted = tally.agents.iter().zip(0_u32..).filter(|(_, id)| is_counted[*id as usize]);
    let families: Vec<(Family, u32)> =
        agent::with_cache(|cache| counted.map(|((agent, _), id)| (cache.get(agent), id)).collect());
    let mut by_family: Vec<(&str, u32)> = families.iter().map(|(family, id)| (family.name(), *id)).collect();
    by_family.sort_unstable();
    let (mut keys, mut ranks) = (KeyTable::default(), vec![u32::MAX; tally.agents.len()]);
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

/// Adds up (key, count) pairs, keys below `keys`: ascending by key, distinct.
fn summed(pairs: impl Iterator<Item = (u32, u32)> + Clone, keys: usize) -> Vec<(u32, u32)> {
    // An array over all keys is quicker than sorting, unless few of very many keys occur.
    let count = pairs.clone().count();
    if count >= keys / 16 {
        let (mut sums, mut summed) = (vec![0_u32; keys], Vec::with_capacity(count.min(keys)));
        pairs.for_each(|(key, count)| sums[key as usize] += count);
        summed.extend(sums.into_iter().zip(0..).filter(|(sum, _)| *sum > 0).map(|(sum, key)| (key, sum)));
        return summed;
    }
    let mut pairs: Vec<_> = pairs.collect();
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
        _ => Arc::new(counts(
            summed(parts.iter().flat_map(|(_, part)| part.by_path.iter().copied()), keys.paths.len()),
            summed(parts.iter().flat_map(|(_, part)| part.by_agent.iter().copied()), keys.agents.len()),
        )),
    };
    windows.chunk_by(same_window).map(|parts| (parts[0].0.floor(size), sum(parts))).collect()
}
