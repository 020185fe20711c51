//! Helpers of this binary, and those it shares with others.

pub mod browser;
#[path = "../../support/client.rs"]
pub mod client;
#[path = "../../support/hostile/mod.rs"]
pub mod hostile;
pub mod mounted_disk;
#[path = "../../support/proc.rs"]
pub mod proc;
#[path = "../../support/properties.rs"]
pub mod properties;
#[path = "../../support/raw.rs"]
pub mod raw;
#[path = "../../support/rng.rs"]
pub mod rng;
mod running;
#[path = "../../support/scenario.rs"]
pub mod scenario;
#[path = "../../support/server.rs"]
pub mod server;
#[path = "../../support/sim_disk/mod.rs"]
pub mod sim_disk;
pub mod stored;
#[path = "../../support/wait.rs"]
pub mod wait;
