//! Changes that property tests make to seeds: bytes changed, taken out, put in or repeated, and pieces of another seed.

use proptest::prelude::*;
use proptest::sample::Index;

/// A change: where, from where in the other seed, a byte, what kind of change, and how many bytes.
type Change = (Index, Index, u8, u8, usize);

/// Some changes, fewer than `end`.
pub(crate) fn changes(end: usize) -> impl Strategy<Value = Vec<Change>> {
    let change = (any::<Index>(), any::<Index>(), any::<u8>(), 0..6_u8, 1..40_usize);
    proptest::collection::vec(change, 1..end)
}

/// A seed with these changes, and pieces of another one.
pub(crate) fn mutated(mut bytes: Vec<u8>, other: &[u8], changes: Vec<Change>) -> Vec<u8> {
    for (at, from, byte, kind, count) in changes {
        let at = at.index(bytes.len() + 1);
        let end = (at + count).min(bytes.len());
        let from = from.index(other.len() + 1);
        let piece = &other[from..(from + count).min(other.len())];
        match kind {
            0 => bytes.splice(at..(at + 1).min(end), [byte]).for_each(drop),
            1 => bytes.splice(at..end, []).for_each(drop),
            2 => bytes.insert(at, byte),
            3 => bytes.splice(at..at, piece.iter().copied()).for_each(drop),
            4 => bytes.splice(at..end, piece.iter().copied()).for_each(drop),
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again).for_each(drop);
            }
        }
    }
    bytes
}
