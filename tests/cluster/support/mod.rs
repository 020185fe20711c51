//! Helpers of this binary, and those it shares with others.

#[path = "../../support/client.rs"]
pub mod client;
pub mod engines;
#[path = "../../support/rng.rs"]
pub mod rng;
#[path = "../../support/scenario.rs"]
pub mod scenario;
#[path = "../../support/server.rs"]
pub mod server;
