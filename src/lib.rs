//! Access-log analytics server. See DESIGN for the map; this page grows with the modules.

pub mod batch;
pub mod clock;
pub mod http;
pub mod inflight;
pub mod model;
