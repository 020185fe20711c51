//! Distinct texts and their numbers: what lets requests be counted in arrays.
//!
//! In come texts with a tag, one or a block at a time; out go dense numbers, the same for the same pair. Texts
//! are copied once, side by side, so that looking one up touches little memory, wherever in a large body it
//! first stood. The hash is seeded anew for each interner, against texts made to collide, and what a number
//! stands for is always compared, never guessed.

use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;

use foldhash::fast::RandomState;

/// The most texts that are looked up together.
pub(super) const BLOCK: usize = 32;
/// Fewer texts than this stay in the nearest cache by themselves.
const FETCH_FROM: usize = 512;

/// Distinct (text, tag) pairs, numbered from 0.
pub(super) struct Interner {
    /// Open addressing with linear probing, at most half full. The upper half of a slot is the hash, whose
    /// lower bits are its place; the lower half is the number plus one; zero is free.
    slots: Vec<u64>,
    /// By number.
    spans: Vec<Span>,
    text: String,
    seed: RandomState,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    bytes: u32,
    tag: u32,
}

impl Interner {
    /// An empty interner with room for this many texts of this many bytes each.
    pub(super) fn with_capacity(keys: usize, key_bytes: usize) -> Self {
        Self {
            slots: vec![0; (2 * keys).next_power_of_two()],
            spans: Vec::with_capacity(keys),
            text: String::with_capacity(keys * key_bytes),
            seed: RandomState::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Bytes of all texts together.
    pub(super) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// The pair with this number.
    pub(super) fn get(&self, id: u32) -> (&str, u32) {
        let span = self.spans[id as usize];
        (&self.text[span.start..span.start + span.bytes as usize], span.tag)
    }

    /// The text with this number, as bytes.
    #[inline(always)]
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let span = self.spans[id as usize];
        &self.text.as_bytes()[span.start..span.start + span.bytes as usize]
    }

    /// All pairs by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        (0..self.spans.len()).map(|id| self.get(id as u32))
    }

    /// The number of this pair, a new one where it was never seen.
    pub(super) fn intern(&mut self, key: &str, tag: u32) -> u32 {
        self.intern_hashed(self.hash(key, tag), key, tag)
    }

    /// The numbers of at most [`BLOCK`] pairs, in their order.
    #[inline]
    pub(super) fn intern_all<'k>(
        &mut self,
        keys: impl ExactSizeIterator<Item = (&'k str, u32)> + Clone,
        ids: &mut [u32; BLOCK],
    ) {
        assert!(keys.len() <= BLOCK, "a block is a block");
        let mut hashes = [0; BLOCK];
        for (hash, (key, tag)) in hashes.iter_mut().zip(keys.clone()) {
            *hash = self.hash(key, tag);
        }
        if self.spans.len() >= FETCH_FROM {
            self.fetch(&hashes[..keys.len()]);
        }
        for ((id, hash), (key, tag)) in ids.iter_mut().zip(hashes).zip(keys) {
            *id = self.intern_hashed(hash, key, tag);
        }
    }

    /// Brings what the next lookups need into the cache. Each needs a slot, then a span, then a text; done one
    /// lookup after the other, the processor would wait for each of them, while here it waits for all at once.
    fn fetch(&self, hashes: &[u32]) {
        let mut places = [0; BLOCK];
        for (place, hash) in places.iter_mut().zip(hashes) {
            *place = (self.slots[self.place(*hash)] as u32).wrapping_sub(1) as usize;
        }
        let mut sum = 0_u8;
        for place in &mut places[..hashes.len()] {
            *place = self.spans.get(*place).map_or(0, |span| span.start);
        }
        for place in &places[..hashes.len()] {
            sum ^= self.text.as_bytes().get(*place).copied().unwrap_or(0);
        }
        black_box(sum);
    }

    #[inline]
    fn hash(&self, key: &str, tag: u32) -> u32 {
        let mut hasher = self.seed.build_hasher();
        hasher.write_u32(tag);
        hasher.write(key.as_bytes());
        (hasher.finish() >> 32) as u32
    }

    #[inline]
    fn place(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn intern_hashed(&mut self, hash: u32, key: &str, tag: u32) -> u32 {
        let mut place = self.place(hash);
        loop {
            let slot = self.slots[place];
            if slot == 0 {
                return self.insert(place, hash, key, tag);
            }
            if (slot >> 32) as u32 == hash {
                let id = slot as u32 - 1;
                if self.spans[id as usize].tag == tag && *self.bytes(id) == *key.as_bytes() {
                    return id;
                }
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    #[cold]
    fn insert(&mut self, place: usize, hash: u32, key: &str, tag: u32) -> u32 {
        let number = u32::try_from(self.spans.len() + 1).expect("a batch has fewer than 2^32 keys");
        let bytes = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
        self.spans.push(Span { start: self.text.len(), bytes, tag });
        self.text.push_str(key);
        self.slots[place] = u64::from(hash) << 32 | u64::from(number);
        if self.spans.len() * 2 > self.slots.len() {
            self.grow();
        }
        number - 1
    }

    fn grow(&mut self) {
        let old = std::mem::take(&mut self.slots);
        self.slots = vec![0; old.len() * 4];
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            let mut place = self.place((slot >> 32) as u32);
            while self.slots[place] != 0 {
                place = (place + 1) & (self.slots.len() - 1);
            }
            self.slots[place] = slot;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_depend_on_text_and_tag() {
        let mut interner = Interner::with_capacity(4, 4);
        let pairs = [("a", 0), ("b", 0), ("a", 1), ("a", 0), ("", 0), ("", 0)];
        assert_eq!(pairs.map(|(key, tag)| interner.intern(key, tag)), [0, 1, 2, 0, 3, 3]);
        for i in 0..100_000 {
            assert_eq!(interner.intern(&format!("/{i}"), i % 3), i + 4);
        }
        assert_eq!((interner.get(2), interner.get(4), interner.len()), (("a", 1), ("/0", 0), 100_004));
        assert!(interner.slots.len() >= 2 * interner.len());
    }

    #[test]
    fn blocks_give_what_single_lookups_give() {
        let (mut one, mut all) = (Interner::with_capacity(4, 4), Interner::with_capacity(4, 4));
        for block in 0..200_u32 {
            let keys: Vec<_> = (0..block % 33).map(|i| ((block * 31 + i * i) % 2_000).to_string()).collect();
            let keys: Vec<_> = keys.iter().map(|key| (key.as_str(), block % 2)).collect();
            let want: Vec<_> = keys.iter().map(|(key, tag)| one.intern(key, *tag)).collect();
            let mut ids = [0; BLOCK];
            all.intern_all(keys.iter().copied(), &mut ids);
            assert_eq!(ids[..keys.len()], want);
        }
        assert!(one.iter().eq(all.iter()) && one.len() > FETCH_FROM);
    }
}
