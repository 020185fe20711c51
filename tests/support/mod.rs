//! Help for the integration tests: a small handler to put behind a front end, clients, the real binary, and a disk that
//! forgets with the engine on it.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part of it")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]

pub mod batches;
pub mod browser;
pub mod child;
pub mod client;
pub mod cluster;
pub mod engine;
pub mod front;
pub mod model;
pub mod raw;
pub mod rng;
pub mod scenario;
pub mod server;
pub mod sim_disk;
pub mod sim_faults;
pub mod sim_files;
pub mod workloads;
pub mod world;
