//! The promise under every crash a small machine can have: a batch answered 202 is counted exactly once.
//!
//! The engine's state machines run on one thread over a simulated disk and clock, all from a seed (see `support`). Small
//! workloads are crashed at every single operation; random ones by chance, with disks that fill up and fail. Seeds that
//! once failed stand in `data/simulation/seeds.txt` and are run first, always.
//!
//! A long campaign takes so many random seeds from `SIMULATE_FROM` (default 1,000,000) on, and prints how to repeat
//! one that fails:
//!
//! ```text
//! SIMULATE_SEEDS=100000 cargo test --release --test suite campaign -- --nocapture
//! ```

mod crashes;
mod failures;
mod random;
