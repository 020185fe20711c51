//! Help for the integration tests: a small handler to put behind a front end, and a client that sends raw bytes.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "tests look at the server from outside, through files as well")]

pub mod child;
pub mod client;
pub mod front;
pub mod raw;
pub mod scenario;
pub mod server;
