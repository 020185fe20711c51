//! The deduplication index: which (customer, key) were counted, with which body, in bounded memory.
//!
//! Input: durable batches in the order of their records. Output: the entry of a key. Never: holds a batch that is not
//! durable. Keys are 128-bit hashes under the data directory's secret, so that nobody without it can make two keys
//! collide. When the index is full, it forgets the oldest key; [`DedupIndex::horizon`] tells how far back it reaches.

use std::collections::VecDeque;

use hashbrown::HashTable;

use crate::base::secret::{Secret, Subkey};
use crate::model::{BatchId, CustomerId, Seq};

/// The keyed hash of (customer, batch id).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DedupKey(pub u128);

/// Makes [`DedupKey`]s under a data directory's secret.
#[derive(Clone, Copy, Debug)]
pub struct DedupHasher(Subkey);

impl DedupHasher {
    pub fn new(secret: &Secret) -> Self {
        Self(secret.subkey("log-analytics deduplication key"))
    }

    /// The key of one batch. Same customer and same batch id, same key.
    pub fn key(&self, customer: &CustomerId, batch_id: &BatchId) -> DedupKey {
        // The length in front keeps ("ab", "c") and ("a", "bc") apart.
        let length = (customer.as_str().len() as u64).to_le_bytes();
        DedupKey(self.0.hash128(&[&length, customer.as_str().as_bytes(), batch_id.as_str().as_bytes()]))
    }

    /// Tells whether an index file was made under the same secret.
    pub fn check(&self) -> u64 {
        self.0.hash64(&[b"check"])
    }
}

/// What is remembered of one batch: 48 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupEntry {
    key: [u64; 2],
    fingerprint: [u64; 2],
    /// The record that holds the batch.
    pub seq: Seq,
    pub received_at_ms: u64,
}

impl DedupEntry {
    pub fn new(key: DedupKey, fingerprint: u128, seq: Seq, received_at_ms: u64) -> Self {
        Self { key: halves(key.0), fingerprint: halves(fingerprint), seq, received_at_ms }
    }

    pub fn key(&self) -> DedupKey {
        DedupKey(whole(self.key))
    }

    pub fn fingerprint(&self) -> u128 {
        whole(self.fingerprint)
    }
}

fn halves(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}

fn whole([low, high]: [u64; 2]) -> u128 {
    u128::from(low) | u128::from(high) << 64
}

/// The value of [`Horizon::since_ms`] if no batch is known at all, until there is one.
pub const UNKNOWN_MS: u64 = u64::MAX;

/// How far back the index reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Horizon {
    /// Every keyed batch with a seq above this is known. [`Seq::ZERO`]: every batch there ever was.
    pub after: Seq,
    /// When the oldest known batch was received; `None` if nothing was forgotten yet, [`UNKNOWN_MS`] if everything
    /// was.
    pub since_ms: Option<u64>,
}

/// Entries are kept in blocks of this many, so that growing never copies them.
const BLOCK_ENTRIES: usize = 8 * 1024;

/// Not shared: the committer owns it.
pub struct DedupIndex {
    /// Positions of entries, found by the entry's key.
    table: HashTable<u32>,
    /// The entries, oldest first; all blocks but the last are full.
    blocks: VecDeque<Vec<DedupEntry>>,
    /// The position of the first entry of the first block. Positions wrap around at 2^32.
    first_block_position: u32,
    /// Entries of the first block that are forgotten already.
    forgotten_in_first: usize,
    capacity: usize,
    horizon: Horizon,
}

impl DedupIndex {
    /// An empty index that keeps the newest `capacity` keys (1 to 2^30).
    pub fn new(capacity: usize) -> Self {
        assert!((1..=1 << 30).contains(&capacity), "the deduplication index keeps 1 to 2^30 keys");
        Self {
            table: HashTable::new(),
            blocks: VecDeque::new(),
            first_block_position: 0,
            forgotten_in_first: 0,
            capacity,
            horizon: Horizon::default(),
        }
    }

    pub fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1) * BLOCK_ENTRIES;
        full + self.blocks.back().map_or(0, Vec::len) - self.forgotten_in_first
    }

    pub fn horizon(&self) -> Horizon {
        self.horizon
    }

    /// Notes that batches up to this seq may be unknown, because their part of the index was lost.
    pub fn lose_before(&mut self, after: Seq, since_ms: Option<u64>) {
        if after > self.horizon.after {
            self.horizon = Horizon { after, since_ms };
        }
    }

    fn entry(&self, position: u32) -> &DedupEntry {
        let distance = position.wrapping_sub(self.first_block_position) as usize;
        &self.blocks[distance / BLOCK_ENTRIES][distance % BLOCK_ENTRIES]
    }

    pub fn get(&self, key: DedupKey) -> Option<&DedupEntry> {
        let halves = halves(key.0);
        let position = self.table.find(halves[0], |position| self.entry(*position).key == halves)?;
        Some(self.entry(*position))
    }

    /// Remembers a durable batch, and forgets the oldest if there are too many. Seqs must ascend.
    pub fn insert(&mut self, entry: DedupEntry) {
        if self.horizon.since_ms == Some(UNKNOWN_MS) {
            self.horizon.since_ms = Some(entry.received_at_ms);
        }
        if self.len() == self.capacity {
            self.forget_oldest();
        }
        let block_is_full = |block: &Vec<DedupEntry>| block.len() == BLOCK_ENTRIES;
        if self.blocks.back().is_none_or(block_is_full) {
            self.blocks.push_back(Vec::with_capacity(BLOCK_ENTRIES.min(self.capacity)));
        }
        let last = self.blocks.back_mut().expect("a block was just made sure of");
        last.push(entry);
        let in_last = last.len() - 1;
        let distance = (self.blocks.len() - 1) * BLOCK_ENTRIES + in_last;
        let position = self.first_block_position.wrapping_add(distance as u32);

        let Self { table, blocks, first_block_position, .. } = self;
        let at = |position: &u32| {
            let distance = position.wrapping_sub(*first_block_position) as usize;
            &blocks[distance / BLOCK_ENTRIES][distance % BLOCK_ENTRIES]
        };
        // If the key is known already (its batch was counted again beyond the horizon), it now means the newer batch.
        match table.find_mut(entry.key[0], |position| at(position).key == entry.key) {
            Some(known) => *known = position,
            None => {
                table.insert_unique(entry.key[0], position, |position| at(position).key[0]);
            }
        }
    }

    fn forget_oldest(&mut self) {
        let position = self.first_block_position.wrapping_add(self.forgotten_in_first as u32);
        let oldest = *self.entry(position);
        if let Ok(found) = self.table.find_entry(oldest.key[0], |known| *known == position) {
            found.remove();
        }
        self.forgotten_in_first += 1;
        if self.forgotten_in_first == BLOCK_ENTRIES {
            self.blocks.pop_front();
            self.first_block_position = self.first_block_position.wrapping_add(BLOCK_ENTRIES as u32);
            self.forgotten_in_first = 0;
        }
        self.lose_before(oldest.seq, Some(oldest.received_at_ms));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64) -> DedupEntry {
        // Spread like a real hash; the same number gives the same key.
        let key = xxhash_rust::xxh3::xxh3_128(&number.to_le_bytes());
        DedupEntry::new(DedupKey(key), u128::from(number) << 70, Seq(number), number * 10)
    }

    #[test]
    fn the_newest_keys_are_known_and_the_horizon_is_honest() {
        for capacity in [1, 3, BLOCK_ENTRIES - 1, BLOCK_ENTRIES, BLOCK_ENTRIES * 2 + 5] {
            let mut index = DedupIndex::new(capacity);
            let total = capacity as u64 * 3 + 7;
            for number in 1..=total {
                index.insert(entry(number));
                assert!(index.len() <= capacity);
                assert_eq!(index.horizon().after, Seq(number.saturating_sub(capacity as u64)));
            }
            for number in 1..=total {
                let known = index.get(entry(number).key());
                if number > index.horizon().after.0 {
                    assert_eq!(known, Some(&entry(number)), "capacity {capacity}");
                    assert_eq!(known.unwrap().fingerprint(), u128::from(number) << 70);
                } else {
                    assert_eq!(known, None, "capacity {capacity}");
                }
            }
        }
    }

    #[test]
    fn where_all_keys_were_lost_the_horizon_begins_with_the_next_batch() {
        let mut index = DedupIndex::new(4);
        index.lose_before(Seq(20), Some(UNKNOWN_MS));
        assert_eq!(index.horizon(), Horizon { after: Seq(20), since_ms: Some(UNKNOWN_MS) });
        index.insert(entry(21));
        index.insert(entry(22));
        assert_eq!(index.horizon(), Horizon { after: Seq(20), since_ms: Some(210) });
    }

    #[test]
    fn a_key_counted_again_means_the_newer_batch() {
        let mut index = DedupIndex::new(4);
        let again = |seq| DedupEntry { seq: Seq(seq), ..entry(1) };
        for seq in 1..=9 {
            index.insert(again(seq));
            assert_eq!(index.get(entry(1).key()).unwrap().seq, Seq(seq));
        }
    }

    #[test]
    fn keys_depend_on_customer_id_secret_and_where_they_are_split() {
        let hasher = DedupHasher::new(&Secret::from_file(&[7; 16]).unwrap());
        let key = |hasher: &DedupHasher, customer: &str, id: &str| {
            hasher.key(&CustomerId::new(customer).unwrap(), &BatchId::new(id).unwrap())
        };
        let keys = [
            key(&hasher, "ab", "c"),
            key(&hasher, "a", "bc"),
            key(&hasher, "ab", "d"),
            key(&DedupHasher::new(&Secret::from_file(&[8; 16]).unwrap()), "ab", "c"),
        ];
        for (position, one) in keys.iter().enumerate() {
            assert!(keys[position + 1..].iter().all(|other| other != one));
        }
        assert_eq!(key(&hasher, "ab", "c"), keys[0]);
    }
}
