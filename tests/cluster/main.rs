//! Tests of the roles of a cluster (feature `cluster`): their records, the processes without engines, with a bucket and a broker in
//! memory, and all of it on real engines compared with one machine.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the unexpected")]
#![allow(unreachable_pub, reason = "helpers are shared by several test binaries")]

mod bodies;
mod counting;
#[path = "../process/help.rs"]
mod help;
mod real_engines;
mod roles;
mod schemas;
mod support;
mod unsettled;
