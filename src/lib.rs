//! Access-log analytics server. See DESIGN for the map; this page grows with the modules.

pub mod batch;
pub mod client;
pub mod clock;
pub mod commands;
pub mod config;
pub mod data_dir;
pub mod disk;
pub mod engine;
pub mod http;
pub mod import;
pub mod inflight;
pub mod input;
pub mod intake;
pub mod journal;
pub mod latch;
pub mod metrics;
pub mod model;
pub mod repair;
pub mod report;
pub mod shutdown;
pub mod summarize;
pub mod verify;
pub mod windows;
