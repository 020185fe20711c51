//! Access-log analytics server. See DESIGN for the map; this page grows with the modules.

pub mod batch;
pub mod clock;
pub mod commands;
pub mod config;
pub mod data_dir;
pub mod disk;
pub mod engine;
pub mod http;
pub mod inflight;
pub mod intake;
pub mod journal;
pub mod latch;
pub mod metrics;
pub mod model;
pub mod query;
pub mod repair;
pub mod shutdown;
pub mod verify;
pub mod windows;
