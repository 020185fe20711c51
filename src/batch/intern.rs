//! Distinct texts and their numbers: what lets requests be counted in arrays.
//!
//! In come texts with a tag, one or a block at a time; out go dense numbers, the same for the same pair. Texts
//! are copied once, side by side, so that looking one up touches little memory, wherever in a large body it
//! first stood. The hash is seeded anew for each interner, against texts made to collide, and what a number
//! stands for is always compared, never guessed.

use std::hash::BuildHasher;
use std::hint::black_box;

use foldhash::fast::RandomState;
use wide::u8x16;

use super::scan::{SHORT_BYTES, Short};

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
    heads: Vec<KeyHead>,
    /// By number, where in `text` it begins.
    starts: Vec<usize>,
    text: String,
    seed: RandomState,
    /// For the beginnings of texts, which are hashed without a loop.
    odd: [u64; 7],
}

/// What a short text is compared with: all of it, in one line of the cache.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct KeyHead {
    beginning: [u8x16; 3],
    bytes: u32,
    tag: u32,
}

impl Interner {
    /// An empty interner with room for this many texts of this many bytes each.
    pub(super) fn with_capacity(keys: usize, key_bytes: usize) -> Self {
        let seed = RandomState::default();
        Self {
            slots: vec![0; (2 * keys).next_power_of_two()],
            heads: Vec::with_capacity(keys),
            starts: Vec::with_capacity(keys),
            text: String::with_capacity(keys * key_bytes),
            odd: [0, 1, 2, 3, 4, 5, 6].map(|number: u64| seed.hash_one(number)),
            seed,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Bytes of all texts together.
    pub(super) fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// About how much memory it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.text.capacity()
            + self.heads.capacity() * (size_of::<KeyHead>() + size_of::<usize>())
            + self.slots.len() * size_of::<u64>()
    }

    /// The pair with this number.
    pub(super) fn get(&self, id: u32) -> (&str, u32) {
        let (start, head) = (self.starts[id as usize], &self.heads[id as usize]);
        (&self.text[start..start + head.bytes as usize], head.tag)
    }

    /// The tag with this number.
    pub(super) fn tag(&self, id: u32) -> u32 {
        self.heads[id as usize].tag
    }

    /// The text with this number, as bytes.
    #[inline(always)]
    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        let start = self.starts[id as usize];
        &self.text.as_bytes()[start..start + self.heads[id as usize].bytes as usize]
    }

    /// All pairs by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        (0..self.heads.len()).map(|id| self.get(id as u32))
    }

    /// The number of this pair, a new one where it was never seen.
    pub(super) fn intern(&mut self, key: &str, tag: u32) -> u32 {
        let beginning = Short::beginning_of(key.as_bytes());
        let mut hash = self.hash(&beginning.parts, key.len(), tag);
        if key.len() > SHORT_BYTES {
            hash ^= (self.seed.hash_one(key.as_bytes()) >> 32) as u32;
        }
        let mut place = self.place(hash);
        loop {
            let slot = self.slots[place];
            if slot == 0 {
                return self.insert(place, hash, key, tag);
            }
            let id = (slot as u32).wrapping_sub(1);
            if (slot >> 32) as u32 == hash && self.get(id) == (key, tag) {
                return id;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    /// The numbers of at most [`BLOCK`] pairs of short ASCII texts, in their order.
    #[inline]
    pub(super) fn intern_short<'k>(
        &mut self,
        keys: impl ExactSizeIterator<Item = (&'k Short, u32)> + Clone,
        ids: &mut [u32; BLOCK],
    ) {
        assert!(keys.len() <= BLOCK, "a block is a block");
        let mut hashes = [0; BLOCK];
        for (hash, (key, tag)) in hashes.iter_mut().zip(keys.clone()) {
            *hash = self.hash(&key.parts, key.bytes, tag);
        }
        if self.heads.len() >= FETCH_FROM {
            self.fetch(&hashes[..keys.len()]);
        }
        for ((id, hash), (key, tag)) in ids.iter_mut().zip(hashes).zip(keys) {
            *id = self.find_short(hash, key, tag);
        }
    }

    /// Brings what the next lookups need into the cache. Each needs a slot, then what it stands for; done one
    /// lookup after the other, the processor would wait for each of them, while here it waits for all at once.
    fn fetch(&self, hashes: &[u32]) {
        let mut sum = 0;
        for hash in hashes {
            let id = (self.slots[self.place(*hash)] as u32).wrapping_sub(1);
            sum ^= self.heads.get(id as usize).map_or(0, |head| head.bytes);
        }
        black_box(sum);
    }

    #[inline(always)]
    fn find_short(&mut self, hash: u32, key: &Short, tag: u32) -> u32 {
        let mut place = self.place(hash);
        loop {
            let slot = self.slots[place];
            if slot == 0 {
                return self.insert_short(place, hash, key, tag);
            }
            let id = (slot as u32).wrapping_sub(1);
            if (slot >> 32) as u32 == hash && self.heads[id as usize].is(key, tag) {
                return id;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    /// Multiplies and folds, as foldhash does, the words of a beginning with numbers nobody outside knows.
    #[inline(always)]
    fn hash(&self, parts: &[u8x16; 3], bytes: usize, tag: u32) -> u32 {
        let folded = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            product as u64 ^ (product >> 64) as u64
        };
        let words = |part: u8x16| {
            let word = u128::from_le_bytes(part.to_array());
            (word as u64, (word >> 64) as u64)
        };
        let (a, b, c) = (words(parts[0]), words(parts[1]), words(parts[2]));
        let odd = &self.odd;
        let sum = folded(a.0 ^ odd[0], a.1 ^ odd[1])
            ^ folded(b.0 ^ odd[2], b.1 ^ odd[3])
            ^ folded(c.0 ^ odd[4], c.1 ^ odd[5]);
        (folded(sum ^ u64::from(tag) ^ (bytes as u64) << 32, odd[6]) >> 32) as u32
    }

    #[inline]
    fn place(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    #[cold]
    fn insert_short(&mut self, place: usize, hash: u32, key: &Short, tag: u32) -> u32 {
        let padded = key.parts.map(|part| part.to_array());
        let text = padded.as_flattened().get(..key.bytes).and_then(|text| std::str::from_utf8(text).ok());
        self.insert(place, hash, text.expect("short texts are ASCII"), tag)
    }

    #[cold]
    fn insert(&mut self, place: usize, hash: u32, key: &str, tag: u32) -> u32 {
        let number = u32::try_from(self.heads.len() + 1).expect("a batch has fewer than 2^32 keys");
        let bytes = u32::try_from(key.len()).expect("a key is shorter than 4 GiB");
        self.heads.push(KeyHead { beginning: Short::beginning_of(key.as_bytes()).parts, bytes, tag });
        self.starts.push(self.text.len());
        self.text.push_str(key);
        self.slots[place] = u64::from(hash) << 32 | u64::from(number);
        if self.heads.len() * 2 > self.slots.len() {
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

impl KeyHead {
    /// Whether this is the short text `key` with this tag.
    #[inline(always)]
    fn is(&self, key: &Short, tag: u32) -> bool {
        let [a, b, c] = &self.beginning;
        let are_same = a.simd_eq(key.parts[0]) & b.simd_eq(key.parts[1]) & c.simd_eq(key.parts[2]);
        let numbers = (self.tag ^ tag) as usize | (self.bytes as usize ^ key.bytes);
        are_same.to_bitmask() == 0xFFFF && numbers == 0
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
    fn short_texts_have_the_numbers_that_texts_have() {
        let (mut one, mut all) = (Interner::with_capacity(4, 4), Interner::with_capacity(4, 4));
        for block in 0..200_u32 {
            let keys: Vec<_> = (0..block % 33).map(|i| ((block * 31 + i * i) % 2_000).to_string()).collect();
            let keys: Vec<_> = keys.iter().map(|key| (key.repeat(1 + key.len()), block % 2)).collect();
            let want: Vec<_> = keys.iter().map(|(key, tag)| one.intern(key, *tag)).collect();
            let short: Vec<_> =
                keys.iter().map(|(key, tag)| (Short::beginning_of(key.as_bytes()), *tag)).collect();
            let mut ids = [0; BLOCK];
            all.intern_short(short.iter().map(|(key, tag)| (key, *tag)), &mut ids);
            assert_eq!(ids[..keys.len()], want);
            // Found again the other way, and what is longer than short is told from what begins with it.
            for ((key, tag), want) in keys.iter().zip(&want) {
                assert_eq!((one.intern(key, *tag), all.intern(key, *tag)), (*want, *want));
            }
        }
        assert!(one.iter().eq(all.iter()) && one.len() > FETCH_FROM);
        let long = "x".repeat(SHORT_BYTES + 1);
        let ids = [&long[..SHORT_BYTES], &long, &(long.clone() + "y")].map(|key| all.intern(key, 0));
        assert!(ids.is_sorted_by(|a, b| a + 1 == *b));
        let mut found = [0; BLOCK];
        all.intern_short([(&Short::beginning_of(long.as_bytes()), 0)].into_iter(), &mut found);
        assert_eq!(found[0], ids[0]);
    }
}
