//! A bounded cache of agents and their families, lent to the thread that summarizes a batch.
//!
//! Input: an agent. Output: what [`super::family`] says of it, in a few dozen nanoseconds when it was asked before. A client
//! that sends a new agent with every entry costs one look-up of bounded time each and memory up to
//! `SETS` × `WAYS` slots and `MAX_CACHED_BYTES`; agents that come again stay. Never: another answer than without it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use super::{Family, family};
use crate::base::spares::Spares;
use crate::batch::MAX_AGENT_BYTES;

/// Bytes of agents and names a cache holds; the slots themselves take about 80 bytes an agent more.
const MAX_CACHED_BYTES: usize = 2 << 20;

/// Places an agent can be in: few enough to look through, enough that common agents don't push each other out.
const WAYS: usize = 4;
/// A power of two: a part of the hash chooses the set.
const SETS: usize = 1 << 10;

/// Families by agent, bounded in entries and bytes.
#[derive(Debug)]
pub struct FamilyCache {
    hasher: RandomState,
    /// The hashes of the slots, apart from them: a look-up reads one line of memory before it finds its slot.
    tags: Vec<[u64; WAYS]>,
    slots: Vec<[Slot; WAYS]>,
    /// Where the search for a slot to evict begins.
    hand: usize,
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    agent: Box<str>,
    /// `None`: the slot is free.
    family: Option<Family>,
    /// Asked for since the hand passed.
    used: bool,
}

impl Slot {
    fn bytes(&self) -> usize {
        self.agent.len() + self.family.as_ref().map_or(0, |family| family.name().len())
    }
}

impl Default for FamilyCache {
    fn default() -> FamilyCache {
        FamilyCache::new()
    }
}

impl FamilyCache {
    /// An empty cache. Its hash is seeded by chance: nobody can aim at one set.
    pub fn new() -> FamilyCache {
        FamilyCache {
            hasher: RandomState::default(),
            tags: vec![[0; WAYS]; SETS],
            slots: (0..SETS).map(|_| Default::default()).collect(),
            hand: 0,
            bytes: 0,
        }
    }

    /// The family of an agent. A hit allocates nothing.
    pub fn get(&mut self, user_agent: &str) -> Family {
        // Agents that differ only beyond the limit are one.
        let agent = &user_agent[..user_agent.floor_char_boundary(MAX_AGENT_BYTES)];
        let hash = self.hasher.hash_one(agent);
        // The mask keeps it below SETS, which fits.
        let set = (hash & (SETS as u64 - 1)) as usize;
        for way in 0..WAYS {
            if self.tags[set][way] == hash {
                let slot = &mut self.slots[set][way];
                if let Some(family) = &slot.family
                    && *slot.agent == *agent
                {
                    slot.used = true;
                    return family.clone();
                }
            }
        }
        let found = family(agent);
        self.insert(set, hash, agent, &found);
        found
    }

    fn insert(&mut self, set: usize, hash: u64, agent: &str, found: &Family) {
        let slots = &mut self.slots[set];
        // A free slot, else the first that was not used since the hand was last here (the CLOCK algorithm): agents that
        // never come again evict each other, and those that come again stay.
        let way = match slots.iter().position(|slot| slot.family.is_none()) {
            Some(free) => free,
            None => loop {
                self.hand = (self.hand + 1) % WAYS;
                let slot = &mut slots[self.hand];
                if !slot.used {
                    break self.hand;
                }
                slot.used = false;
            },
        };
        let slot = &mut slots[way];
        self.bytes -= slot.bytes();
        *slot = Slot::default();
        self.tags[set][way] = 0;
        if self.bytes + agent.len() + found.name().len() > MAX_CACHED_BYTES {
            // The evicted slot makes room for a later one.
            return;
        }
        *slot = Slot { agent: agent.into(), family: Some(found.clone()), used: false };
        self.bytes += slot.bytes();
        self.tags[set][way] = hash;
    }
}

/// Batches are summarized by as many threads as there are connections, but not by more at once than there are cores for
/// long: a cache for each thread would hold much memory that is seldom of use.
static CACHES: Spares<FamilyCache> = Spares::new(8);

/// Lends a warm cache for the agents of one batch.
pub fn with_cache<T>(look_up: impl FnOnce(&mut FamilyCache) -> T) -> T {
    CACHES.lend(look_up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_does_not_depend_on_what_was_asked_before() {
        let mut cache = FamilyCache::new();
        for round in 0..3 {
            for number in 0..2_000 {
                let agent = format!("Product{}/{round}.{number}", number % 700);
                assert_eq!(cache.get(&agent).name(), family(&agent).name());
            }
        }
    }

    fn holds(cache: &FamilyCache, agent: &str) -> bool {
        cache.slots.iter().flatten().any(|slot| slot.family.is_some() && *slot.agent == *agent)
    }

    #[test]
    fn a_stream_of_new_agents_takes_bounded_memory_and_common_ones_stay() {
        let mut cache = FamilyCache::new();
        let common: Vec<String> = (0..100).map(|number| format!("Mozilla/5.0 common{number}/1")).collect();
        for number in 0..20_000 {
            // As long as an agent may be, each another.
            let filler = "x".repeat(MAX_AGENT_BYTES - 20);
            cache.get(&format!("A/{number} {filler}"));
            cache.get(&common[number % common.len()]);
            assert!(cache.bytes <= MAX_CACHED_BYTES);
        }
        let held = common.iter().filter(|agent| holds(&cache, agent)).count();
        assert!(held >= 95, "{held} of 100 common agents held");
    }

    #[test]
    fn bytes_are_what_the_slots_hold() {
        let mut cache = FamilyCache::new();
        for number in 0..10_000 {
            cache.get(&format!("Agent-{} build {number}", number % 37));
        }
        let held: usize = cache.slots.iter().flatten().map(Slot::bytes).sum();
        assert_eq!(held, cache.bytes);
    }

    #[test]
    fn agents_that_differ_beyond_the_limit_are_one() {
        let mut cache = FamilyCache::new();
        let start = format!("Foo/1 {}", "y".repeat(MAX_AGENT_BYTES));
        cache.get(&format!("{start}a"));
        cache.get(&format!("{start}b"));
        assert_eq!(cache.slots.iter().flatten().filter(|slot| slot.family.is_some()).count(), 1);
    }
}
