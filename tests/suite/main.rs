//! The fast tests: they drive the library in this process, the state machines on a simulated disk among it. Tests of the real
//! binary are in `tests/process`.
//!
//! A test that could harm this process starts it once more, as a child of its own (`support/child.rs`).

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]
#![allow(unreachable_pub, reason = "helpers are shared by several test binaries")]

mod agent_truth;
mod batch_contract;
mod batch_properties;
mod checkpoints;
mod copies;
mod crossings;
mod deletions;
mod expiry;
mod folding;
mod front_ends;
mod fuzz_corpus;
mod hostile_crowds;
mod hostile_slow;
mod hostile_table;
mod journal_damage;
mod layers;
mod log_lines;
mod mutation;
mod packing;
mod path_rules;
mod request_reader;
mod seeds;
mod simulate;
mod support;
mod tidy;
mod time_properties;
mod tiny_http_limits;
