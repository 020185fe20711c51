//! Counting: distinct texts become small numbers, and requests are counted per minute and number.
//!
//! Input: entries that are already checked, one by one or as another tally. Output: what `summarize` turns into a
//! canonical summary. Never: more memory than a multiple of the entries counted, whatever they are. Hashes are seeded
//! anew for each tally, against inputs made to collide, and leave no trace in the result.

mod grid;
mod ruled;
mod sums;

use std::hint::black_box;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use wide::u8x16;

use super::agent::{self, Class};
use super::entry::Entry;
use super::field::{Altered, FieldSet};
use super::intern::{BLOCK, Interner};
use super::limits::Limits;
use super::rules;
use super::scan::Short;
use crate::base::secret::Subkey;
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS, PATH, TEXT_COUNT, TEXTS, USER_AGENT};
use crate::measures::{Measures, Visitors, saturating_sum};
use crate::model::WindowStart;
use crate::time;

pub(super) use grid::{CountGrid, Requests};
use ruled::RuledPaths;
pub(super) use sums::{RowSums, Sample, SumGrid, SumPlace};

/// Requests of a batch, or of a piece of one.
pub(super) struct Tally {
    pub(super) altered: Altered,
    pub(super) entries: u32,
    pub(super) methods: Interner,
    /// What is counted, tagged with the number of the method.
    pub(super) paths: Interner,
    /// The paths that were sent, where rules say what they count under.
    ruled: Option<Box<RuledPaths>>,
    pub(super) agents: Interner,
    /// The first of the agents, up to the last that was counted.
    counted_agents: Vec<CountedAgent>,
    pub(super) families: Interner,
    /// The keys of the text dimensions.
    pub(super) texts: [Interner; TEXT_COUNT],
    /// In the order in which they were first seen; the rows of all grids.
    pub(super) minutes: Vec<Minute>,
    pub(super) by: [KeyTally; DIMENSION_COUNT],
    visitor_key: Subkey,
    /// Short methods as they were sent, packed, and their numbers. A few occur in nearly all entries.
    known_methods: [(u64, u32); METHODS],
    rows: HashMap<WindowStart, u32, RandomState>,
    /// The rows of the minutes seen lately, by the lowest bits of the minute.
    recent: [(WindowStart, u32); RECENT],
}

/// A minute, and what is counted of it but not by key.
pub(super) struct Minute {
    pub(super) start: WindowStart,
    pub(super) robots: Measures,
    pub(super) visitors: Visitors,
}

/// What is counted by the keys of one dimension.
#[derive(Default)]
pub(super) struct KeyTally {
    /// Entries that measured nothing, and all entries if the dimension is not measured.
    pub(super) counts: CountGrid,
    /// Entries that measured something.
    pub(super) sums: SumGrid,
}

/// What is counted of a user agent.
#[derive(Clone, Copy)]
struct CountedAgent {
    family: u32,
    is_robot: bool,
    /// What visitors are told apart by.
    hash: u64,
}

/// An entry of which everything but the path is a number.
#[derive(Clone, Copy)]
pub(super) struct Numbered {
    /// Of the minute, see [`Tally::row`].
    pub(super) row: u32,
    /// See [`Tally::method`].
    pub(super) method: u32,
    /// The number of the user agent in [`Tally::agents`].
    pub(super) agent: u32,
    /// The numbers of the keys in [`Tally::texts`], or [`NO_KEY`].
    pub(super) texts: [u32; TEXT_COUNT],
    /// The path is a route, to which no path rule applies.
    pub(super) is_route: bool,
    pub(super) sample: Sample,
    pub(super) client: Client,
}

/// Who sent an entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Client {
    Unknown,
    Ip([u8; 16]),
    /// A name, already hashed.
    Hashed(u64),
}

/// The number of no key.
pub(super) const NO_KEY: u32 = u32::MAX;

impl Numbered {
    /// Not an entry yet.
    pub(super) const NONE: Self = Self {
        row: 0,
        method: 0,
        agent: 0,
        texts: [NO_KEY; TEXT_COUNT],
        is_route: false,
        sample: Sample::NONE,
        client: Client::Unknown,
    };
}

/// One entry with a short path on its way to be counted.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) path: Short,
    pub(super) rest: Numbered,
}

impl Pending {
    /// Not an entry yet.
    pub(super) const NONE: Self =
        Self { path: Short { parts: [u8x16::ZERO; 3], bytes: 0 }, rest: Numbered::NONE };
}

/// Logs are nearly in order of time, so that few minutes alternate.
const RECENT: usize = 16;
const METHODS: usize = 16;

/// The slot of a short method. The factor is one (found by trying) that keeps the methods of RFC 9110 and PATCH
/// apart, so that which of them comes next makes no branch that the processor could guess wrong.
#[inline(always)]
fn method_slot(packed: u64) -> usize {
    (packed.wrapping_mul(0xF3C6_4AF7_75A8_9295) >> 60) as usize % METHODS
}

/// Sentinel: later than any valid minute.
const NO_MINUTE: WindowStart = WindowStart(u32::MAX);

impl Tally {
    /// An empty tally for entries that take this many bytes of a body. A guess at what they will need saves
    /// growing again and again; for a small batch that would be most of the work.
    pub(super) fn for_bytes(bytes: usize, limits: &Limits) -> Self {
        let keys = (bytes / 256).clamp(16, 512);
        Self {
            altered: Altered::default(),
            entries: 0,
            methods: Interner::with_capacity(8, 8),
            paths: Interner::with_capacity(keys, 40),
            ruled: limits.path_rules.as_ref().map(|rules| Box::new(RuledPaths::new(rules, keys))),
            agents: Interner::with_capacity(keys.min(64), 128),
            counted_agents: Vec::new(),
            families: Interner::with_capacity(16, 16),
            texts: std::array::from_fn(|_| Interner::with_capacity(8, 16)),
            minutes: Vec::new(),
            by: Default::default(),
            visitor_key: limits.visitors,
            known_methods: [(0, 0); METHODS],
            rows: HashMap::default(),
            recent: [(NO_MINUTE, 0); RECENT],
        }
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let interners = [&self.methods, &self.paths, &self.agents, &self.families].into_iter();
        let keys: usize = interners.chain(&self.texts).map(Interner::memory_bytes).sum();
        let by: usize = self.by.iter().map(|by| by.counts.bytes() + by.sums.bytes()).sum();
        let minute = |minute: &Minute| size_of::<Minute>() + minute.robots.bytes() + minute.visitors.bytes();
        let ruled = self.ruled.as_ref().map_or(0, |ruled| ruled.bytes());
        keys + ruled + by + self.minutes.iter().map(minute).sum::<usize>()
    }

    /// The number of a method, which is checked and upper-cased.
    pub(super) fn method(&mut self, method: &str) -> u32 {
        self.methods.intern(method, 0)
    }

    /// The number of a short method as it was sent, packed by `scan::short_plain`, if it was met before.
    #[inline(always)]
    pub(super) fn known_method(&self, packed: u64) -> Option<u32> {
        let known = self.known_methods[method_slot(packed)];
        (known.0 == packed && packed != 0).then_some(known.1)
    }

    /// The number of a method as it was sent, packed where it is short (else 0). `None` where it is refused.
    #[cold]
    pub(super) fn insert_method(&mut self, packed: u64, text: &str) -> Option<u32> {
        let method = rules::method(text).ok()?;
        Some(self.insert_checked_method(packed, &method))
    }

    /// The same of a method that is checked and upper-cased.
    #[cold]
    pub(super) fn insert_checked_method(&mut self, packed: u64, method: &str) -> u32 {
        let id = self.method(method);
        self.known_methods[method_slot(packed)] = (packed, id);
        id
    }

    /// Counts a checked entry.
    pub(super) fn add(&mut self, entry: &Entry<'_>, altered: FieldSet) {
        let mut sample = Sample::NONE;
        if let Some(status) = entry.status {
            sample.set_status(status);
        }
        if let Some(bytes) = entry.response_bytes {
            sample.set_bytes(bytes);
        }
        if let Some(micros) = entry.duration_micros {
            sample.set_duration(micros);
        }
        let agent = self.agents.intern(entry.user_agent, 0);
        let client = match entry.client {
            None => Client::Unknown,
            Some(client) => Client::Hashed(self.visitor_hash(client.as_bytes(), agent)),
        };
        let mut texts = [NO_KEY; TEXT_COUNT];
        for (text, key) in entry.texts.into_iter().enumerate() {
            texts[text] = key.map_or(NO_KEY, |key| self.texts[text].intern(key, 0));
        }
        let rest = Numbered {
            row: self.row(time::minute_of(entry.received_at_ms)),
            method: self.method(entry.method),
            agent,
            texts,
            is_route: entry.is_route,
            sample,
            client,
        };
        self.count_one(entry.path, &rest);
        if !altered.is_empty() {
            self.altered.add(altered);
        }
    }

    /// Counts entries, at most [`BLOCK`].
    pub(super) fn count(&mut self, entries: &[Pending]) {
        let mut ids = [0; BLOCK];
        match &mut self.ruled {
            None => {
                self.paths
                    .intern_short(entries.iter().map(|entry| (&entry.path, entry.rest.method)), &mut ids);
            }
            Some(ruled) => ruled.number_short(entries, &self.methods, &mut self.paths, &mut ids),
        }
        self.fetch(entries, &ids);
        entries.iter().zip(ids).for_each(|(entry, path)| self.count_numbered(path, &entry.rest));
        self.entries += entries.len() as u32;
    }

    /// Brings the sums of paths into the cache, as [`Interner::intern_short`] does with the paths: of all entries at
    /// once, where the processor would else wait for each.
    #[inline(always)]
    fn fetch(&self, entries: &[Pending], paths: &[u32; BLOCK]) {
        let sums = &self.by[PATH].sums;
        let mut sum = 0;
        for (Pending { rest, .. }, path) in
            entries.iter().zip(paths).filter(|(entry, _)| !entry.rest.sample.is_none())
        {
            sum ^= sums.touch(rest.row, *path);
        }
        black_box(sum);
    }

    /// Counts one entry, with any path.
    pub(super) fn count_one(&mut self, path: &str, rest: &Numbered) {
        let path = match &mut self.ruled {
            None => self.paths.intern(path, rest.method),
            Some(ruled) => ruled.number(path, rest, &self.methods, &mut self.paths),
        };
        self.count_numbered(path, rest);
        self.entries += 1;
    }

    #[inline(always)]
    fn count_numbered(&mut self, path: u32, entry: &Numbered) {
        let agent = self.counted_agent(entry.agent);
        let (row, requests, sample) = (entry.row, Requests::one(agent.is_robot), &entry.sample);
        self.by[USER_AGENT].counts.add(row, agent.family, requests);
        if sample.is_none() {
            self.by[PATH].counts.add(row, path, requests);
        } else {
            self.by[PATH].sums.add(row, path, requests, sample);
        }
        for (key, dimension) in entry.texts.into_iter().zip(TEXTS) {
            if key == NO_KEY {
                continue;
            }
            let by = &mut self.by[dimension];
            if DIMENSIONS[dimension].is_measured && !sample.is_none() {
                by.sums.add(row, key, requests, sample);
            } else {
                by.counts.add(row, key, requests);
            }
        }
        if agent.is_robot {
            if !sample.is_none() {
                self.add_to_robots(row, sample);
            }
        } else {
            self.add_visitor(entry, agent.hash);
        }
    }

    #[inline(never)]
    fn add_to_robots(&mut self, row: u32, sample: &Sample) {
        let robots = &mut self.minutes[row as usize].robots;
        robots.response_bytes = saturating_sum(robots.response_bytes, sample.response_bytes);
        robots.duration_micros = saturating_sum(robots.duration_micros, sample.duration_micros);
        sample.cells().for_each(|cell| robots.add_cell(cell, 1));
    }

    #[inline(always)]
    fn add_visitor(&mut self, entry: &Numbered, agent: u64) {
        let hash = match entry.client {
            Client::Unknown => return,
            // As `visitor_hash`, without memory of its own.
            Client::Ip(address) => {
                let mut visitor = [0; 24];
                visitor[..16].copy_from_slice(&address);
                visitor[16..].copy_from_slice(&agent.to_le_bytes());
                self.visitor_key.quick_hash64(&visitor)
            }
            Client::Hashed(hash) => hash,
        };
        self.minutes[entry.row as usize].visitors.insert(hash);
    }

    /// The hash of what tells visitors apart: address bytes or a name, and the hash of the user agent.
    pub(super) fn visitor_hash(&mut self, client: &[u8], user_agent: u32) -> u64 {
        let agent = self.counted_agent(user_agent).hash;
        self.visitor_key.quick_hash64(&[client, &agent.to_le_bytes()].concat())
    }

    /// Leaves out the keys that say nothing beside another one, as [`rules`] does.
    pub(super) fn drop_equal_keys(&self, texts: &mut [u32; TEXT_COUNT]) {
        for (text, other) in rules::UNLESS_EQUAL_TO.into_iter().enumerate() {
            let Some(other) = other else { continue };
            if texts[text] != NO_KEY
                && texts[other] != NO_KEY
                && self.texts[text].bytes(texts[text]) == self.texts[other].bytes(texts[other])
            {
                texts[text] = NO_KEY;
            }
        }
    }

    /// The family of an agent, and whether it is a robot.
    #[inline(always)]
    fn counted_agent(&mut self, agent: u32) -> CountedAgent {
        match self.counted_agents.get(agent as usize) {
            Some(known) => *known,
            None => self.classify_agents(agent),
        }
    }

    /// Finds the families of all agents that are new.
    #[cold]
    fn classify_agents(&mut self, agent: u32) -> CountedAgent {
        let Self { agents, counted_agents, families, visitor_key, .. } = self;
        agent::with_cache(|cache| {
            for new in counted_agents.len()..agents.len() {
                let family = cache.get(agents.get(new as u32).0);
                let is_robot = matches!(family.class(), Class::Bot | Class::Ai);
                let hash = visitor_key.quick_hash64(agents.bytes(new as u32));
                counted_agents.push(CountedAgent {
                    family: families.intern(family.name(), 0),
                    is_robot,
                    hash,
                });
            }
        });
        counted_agents[agent as usize]
    }

    /// The row of a minute in all grids.
    #[inline(always)]
    pub(super) fn row(&mut self, minute: WindowStart) -> u32 {
        let slot = minute.0 as usize % RECENT;
        if self.recent[slot].0 == minute { self.recent[slot].1 } else { self.find_row(minute) }
    }

    #[cold]
    fn find_row(&mut self, start: WindowStart) -> u32 {
        let next = u32::try_from(self.minutes.len()).expect("there are fewer than 2^32 minutes");
        let row = *self.rows.entry(start).or_insert(next);
        if row == next {
            self.minutes.push(Minute { start, robots: Measures::default(), visitors: Visitors::default() });
        }
        self.recent[start.0 as usize % RECENT] = (start, row);
        row
    }

    /// Counts everything that another tally has counted. `None` where the entries together pass `u32`.
    pub(super) fn merge(&mut self, other: &Tally) -> Option<()> {
        self.entries = self.entries.checked_add(other.entries)?;
        self.altered.merge(&other.altered);
        let rows: Vec<u32> = other.minutes.iter().map(|minute| self.row(minute.start)).collect();
        for (row, theirs) in rows.iter().zip(&other.minutes) {
            let minute = &mut self.minutes[*row as usize];
            minute.robots.merge(&theirs.robots);
            minute.visitors.merge(&theirs.visitors);
        }
        let methods = interned(&mut self.methods, &other.methods);
        let paths: Vec<u32> = other
            .paths
            .iter()
            .map(|(key, method)| self.paths.intern(key, methods[method as usize]))
            .collect();
        self.by[PATH].merge(&other.by[PATH], &rows, &paths);
        let families = interned(&mut self.families, &other.families);
        self.by[USER_AGENT].merge(&other.by[USER_AGENT], &rows, &families);
        for (text, dimension) in TEXTS.into_iter().enumerate() {
            let keys = interned(&mut self.texts[text], &other.texts[text]);
            self.by[dimension].merge(&other.by[dimension], &rows, &keys);
        }
        Some(())
    }
}

/// The numbers here of the texts of another interner.
fn interned(here: &mut Interner, other: &Interner) -> Vec<u32> {
    other.iter().map(|(text, tag)| here.intern(text, tag)).collect()
}

impl KeyTally {
    /// Of the first `keys` numbers, which were counted: one may be met in an item that is then read in another way.
    pub(super) fn are_counted(&self, keys: usize) -> Vec<bool> {
        let mut are_counted = vec![false; keys];
        self.counts.for_each(|_, key, _| are_counted[key as usize] = true);
        self.sums.for_each(|_, key, _| are_counted[key as usize] = true);
        are_counted
    }

    fn merge(&mut self, other: &KeyTally, rows: &[u32], keys: &[u32]) {
        other.counts.for_each(|row, key, requests| {
            self.counts.add(rows[row as usize], keys[key as usize], requests);
        });
        self.sums.merge(&other.sums, rows, keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_methods_have_slots_of_their_own() {
        let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
        let slots = methods.map(|method| {
            let mut packed = [0; 8];
            packed[..method.len()].copy_from_slice(method.as_bytes());
            method_slot(u64::from_le_bytes(packed))
        });
        assert_eq!(std::collections::HashSet::from(slots).len(), methods.len());
    }
}
