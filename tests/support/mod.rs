//! What the tests share: a disk that forgets, and the engine on it, driven from a seed.
//!
//! `sim_disk` is the disk, `batches` what clients send, `model` what must be counted, `engine` the state machines
//! wired as the threads wire them, `world` a run of all of it with crashes.
#![allow(dead_code, reason = "each test uses its part of this")]
#![allow(unreachable_pub, reason = "a test crate has no outside")]
#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected stops")]

pub mod batches;
pub mod engine;
pub mod model;
pub mod rng;
pub mod sim_disk;
pub mod sim_files;
pub mod workloads;
pub mod world;
