//! From a tally to a [`Summary`] in canonical form, and from a summary to the insights of its windows.
//!
//! Canonical: keys sorted by their bytes, minutes ascending, counts ascending by key and above zero. Nothing
//! of the order of entries, of pieces or of hashing is left in what goes out.

use std::sync::Arc;

use super::agent::{self, Family};
use super::intern::Interner;
use super::tally::Tally;
use crate::dimension::{PATH, USER_AGENT};
use crate::model::{
    Counts, CustomerId, Insight, KeyCount, KeyCounts, KeyTable, Keys, Summary, WindowId, WindowSize,
    WindowStart,
};

/// Turns a tally into a summary.
pub(super) fn finish(mut tally: Tally) -> Summary {
    let (paths, path_ranks) = path_keys(&tally.methods, &tally.paths);
    let (agents, agent_ranks) = agent_keys(&tally);
    tally.by_path.sort();
    tally.by_agent.sort();
    let mut order: Vec<(WindowStart, u32)> = tally.minutes.iter().copied().zip(0..).collect();
    order.sort_unstable();
    let minutes = order.into_iter().map(|(start, row)| {
        let ranked = |(id, requests): (u32, u32), ranks: &[u32]| KeyCount {
            index: ranks[id as usize],
            requests,
            robots: 0,
        };
        let by_path = tally.by_path.row(row).map(|pair| ranked(pair, &path_ranks));
        let by_agent = tally.by_agent.row(row).map(|pair| ranked(pair, &agent_ranks));
        let mut counts = Counts::default();
        counts.by[PATH] = KeyCounts::from_rows(by_path, paths.len());
        counts.by[USER_AGENT] = KeyCounts::from_rows(by_agent, agents.len());
        counts.all.requests = counts.by[PATH].requests();
        assert_eq!(
            counts.by[USER_AGENT].requests(),
            counts.all.requests,
            "an entry has one path and one family"
        );
        (start, Arc::new(counts))
    });
    let minutes = minutes.collect();
    let mut keys = Keys::default();
    keys.tables[PATH] = paths;
    keys.tables[USER_AGENT] = agents;
    Summary { entries: tally.entries, keys: Arc::new(keys), minutes }
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
