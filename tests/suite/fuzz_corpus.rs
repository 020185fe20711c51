//! The batch parser's fuzz seeds, and what they mutate into, on stable Rust: the same check that the coverage-guided
//! fuzzer in `tests/fuzz/` makes. Every input that ever failed belongs in `data/fuzz/batch/`.

#[path = "../fuzz/checks/batch.rs"]
mod batch;

use proptest::prelude::*;

fn seeds() -> Vec<(String, Vec<u8>)> {
    crate::seeds::seeds("batch")
}

#[test]
fn every_seed_is_summarized_as_the_reference_does_and_so_is_each_of_its_beginnings() {
    let seeds = seeds();
    for (name, bytes) in seeds {
        println!("{name}");
        for end in (0..bytes.len()).step_by(bytes.len() / 64 + 1) {
            batch::check(&bytes[..end]);
        }
        batch::check(&bytes);
    }
}

/// A seed with pieces of itself and of another one changed, taken out, put in or repeated.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change =
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..6_u8, 1..40_usize);
    let seed = || proptest::sample::select(seeds());
    (seed(), seed(), proptest::collection::vec(change, 1..6)).prop_map(
        |((_, mut bytes), (_, other), changes)| {
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
        },
    )
}

proptest! {
    // A failing input is printed; the fix adds it to `data/fuzz/batch/`.
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_seeds_are_summarized_as_the_reference_does(bytes in mutated()) {
        batch::check(&bytes);
    }
}
