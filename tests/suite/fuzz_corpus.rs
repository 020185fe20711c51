//! The batch parser's fuzz seeds, and what they mutate into, on stable Rust: the same check that the coverage-guided
//! fuzzer in `tests/fuzz/` makes. Every input that ever failed belongs in `data/fuzz/batch/`.

#[path = "../fuzz/checks/batch.rs"]
mod batch;

use proptest::prelude::*;

use crate::mutation::{changes, mutated};
use crate::support::properties::cases;

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

/// A seed with some changes.
fn mutated_seed() -> impl Strategy<Value = Vec<u8>> {
    let seed = || proptest::sample::select(seeds());
    (seed(), seed(), changes(6)).prop_map(|((_, bytes), (_, other), changes)| mutated(bytes, &other, changes))
}

proptest! {
    // A failing input is printed; the fix adds it to `data/fuzz/batch/`.
    #![proptest_config(cases(2_000))]

    #[test]
    fn mutated_seeds_are_summarized_as_the_reference_does(bytes in mutated_seed()) {
        batch::check(&bytes);
    }
}
