//! How many cases property tests try. `.cargo/config.toml` fixes their seed, so that a change passes or fails by what it
//! changes; a campaign takes other seeds (`PROPTEST_RNG_SEED`) and more cases (`PROPTEST_CASES`).

use proptest::test_runner::Config;

/// What proptest tries by itself.
const USUAL_CASES: u32 = 256;

/// A test of so many cases, and of as many times more as `PROPTEST_CASES` is above 256.
pub fn cases(count: u32) -> Config {
    let config = Config::default();
    // A failing input is printed and then turned into a test; nothing is written beside the sources.
    Config { cases: count * (config.cases / USUAL_CASES).max(1), failure_persistence: None, ..config }
}
