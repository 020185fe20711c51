//! Helpers of this binary, and those it shares with others.

pub mod batches;
pub mod child;
mod deleting;
pub mod engine;
pub mod front;
#[path = "../../support/hostile/mod.rs"]
pub mod hostile;
pub mod lines;
pub mod model;
#[path = "../../support/proc.rs"]
pub mod proc;
#[path = "../../support/properties.rs"]
pub mod properties;
#[path = "../../support/raw.rs"]
pub mod raw;
#[path = "../../support/rng.rs"]
pub mod rng;
#[path = "../../support/sim_disk/mod.rs"]
pub mod sim_disk;
mod sim_disk_setup;
pub mod stats;
#[path = "../../support/test_names.rs"]
pub mod test_names;
#[path = "../../support/wait.rs"]
pub mod wait;
pub mod workloads;
pub mod world;
