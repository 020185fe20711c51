//! Access-log analytics server. See DESIGN for the map; this page grows with the modules.

pub mod batch;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod disk;
pub mod http;
pub mod inflight;
pub mod journal;
pub mod latch;
pub mod metrics;
pub mod model;
pub mod windows;
