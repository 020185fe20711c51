//! Helpers of this binary, and those it shares with others.

pub mod bucket;
#[path = "../../support/client.rs"]
pub mod client;
pub mod engines;
pub mod questions;
#[path = "../../support/rng.rs"]
pub mod rng;
pub mod role;
#[path = "../../support/scenario.rs"]
pub mod scenario;
#[path = "../../support/server.rs"]
pub mod server;
pub mod small;
