//! An access-log analytics server whose promise is: **a batch answered 202 is counted exactly once, whatever crashes and
//! whatever is retried.** The binary is [`commands`]; this page is the map.
//!
//! # The way of the data
//!
//! ```text
//!  TCP ─▶ http (connection threads) ─▶ batch::summarize (inline, or on the rayon pool)
//!                                              │ one Summary per batch
//!                                              ▼
//!                     journal (one committer thread: dedup, append, group fsync) ──▶ 202
//!                                              │ insights, in journal order
//!                     ┌────────────────────────┴─────────────┐   bounded channels
//!                     ▼                                      ▼
//!              window worker 0          …            window worker N-1   (each owns its windows alone)
//!                     ▼                                      ▼
//!            aggregate-results/<customer>/20251228T1803Z.json   (write temp, fsync, rename, fsync directory)
//! ```
//!
//! One direction, and modules depend on each other in that direction only:
//!
//! - [`http`]: the seam ([`http::Handler`]), the two front ends, the routes. Knows nothing of what is behind [`intake`].
//! - [`batch`]: from bytes to a [`model::Summary`]. Pure: no clock, disk or channel.
//! - [`intake`]: the seam between them: take a checked batch, make it durable exactly once, say what happened.
//! - [`journal`]: records, group commit, deduplication, recovery, retention. Why counts are exact is argued there.
//! - [`windows`]: what was counted, in memory and in files, each window owned by one worker.
//! - [`engine`]: threads and channels around the state machines of the two.
//! - [`base`]: clock, disk, randomness, threads and checksums. Everything above [`base::disk`] runs on a simulated disk in
//!   the tests.
//! - [`model`], [`time`]: the words of the program as types; dates and the names of windows.
//! - [`query`]: the reading side: which windows a question needs, what it may cost, and its answer.
//! - [`import`], [`report`], [`summarize`]: the other side of the connection: logs to a server, tables for people, and counts
//!   without a server.
//! - [`offline`]: looking after a stopped server's data: [`offline::verify`], [`offline::repair`].
//! - [`config`]: flags and environment; every limit has its name, flag and default there.
//! - [`metrics`]: every metric, in one table.
//!
//! With the cargo feature `cluster` there is a module of that name: the roles that put Kafka, an object store and
//! ClickHouse behind [`intake`] and [`query`].
//!
//! # Words
//!
//! **entry** (one access-log line), **batch** (what one POST carries), **summary** (a batch reduced to windows),
//! **insight** (one window of one summary, the unit routed), **window** (customer × size × start), **partition** (one
//! worker and the windows it owns), **journal**, **segment**, **record**, **seq** (a record's number), **checkpoint**.
//!
//! # Threads
//!
//! | thread | count | owns |
//! |---|---|---|
//! | acceptor | 1 | the listener and the connection cap |
//! | connection | up to `--max-connections` | one socket; reads, summarizes, waits for its commit, answers |
//! | rayon pool | cores | nothing; pure work on large bodies |
//! | committer | 1 | journal, deduplication index, seq |
//! | window worker | `--partitions` | its windows and their files; never blocks on a send |
//! | checkpointer | 1 | `checkpoint.json`, retention |
//! | signals | 1 | SIGTERM, SIGINT, SIGHUP |
//!
//! A panic in any of them ends the process, and the next start recovers; only a panic inside one request is contained.

pub mod base;
pub mod batch;
pub mod client;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod commands;
pub mod config;
pub mod data_dir;
pub mod engine;
pub mod http;
pub mod import;
pub mod input;
pub mod intake;
pub mod journal;
pub mod metrics;
pub mod model;
pub mod offline;
pub mod outcome;
pub mod query;
pub mod report;
pub mod summarize;
pub mod time;
pub mod windows;
