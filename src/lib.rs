//! An access-log analytics server whose promise is: **a batch answered 202 is counted exactly once, whatever crashes and
//! whatever is retried.** This page is the map.
//!
//! # Where to begin reading
//!
//! - **A batch**: `http::routes` finds `http::ingest`, which has [`batch::summarize`] read and count the body and gives the
//!   summary to [`intake`]. Behind it [`engine`] queues it for [`journal::committer`], whose group is durable before the answer.
//!   [`windows::worker`] merges what follows from it. Why counts are exact is argued in [`journal`].
//! - **A query**: `http::reading` turns parameters into a question of [`query`], which visits windows through
//!   [`query::StoredSource`]: those in memory from their workers, the others from their files.
//! - **A start**: [`commands`] lowers flags into [`config`], locks the [`data_dir`] and calls [`engine::Engine::start`],
//!   which opens the journal ([`journal::recovery`]), replays what windows may lack, and starts the threads.
//! - **An import**: [`import`] cuts a log into batches whose keys follow from its content and sends them through [`client`].
//!
//! # The way of the data
//!
//! ```text
//!  TCP ─▶ http (connection threads) ─▶ batch (inline, or on the rayon pool)
//!                                        │ one Summary per batch
//!                                        ▼
//!                 journal (one committer thread: dedup, append, group fsync) ──▶ 202
//!                                        │ insights, in journal order
//!                     ┌──────────────────┴───────────────────┐   bounded channels
//!                     ▼                                      ▼
//!              window worker 0          …            window worker N-1   (each owns its windows alone)
//!                     ▼                                      ▼
//!            aggregate-results/<customer>/20251228T1803Z.json   (write temp, fsync, rename, fsync directory)
//! ```
//!
//! One direction. A query travels the same channels as the insights, so it sees everything acknowledged before it.
//!
//! # Layers
//!
//! A module names only modules in the lines above its own of this list: so `journal` never names `windows`, and only
//! [`commands`] knows everything. `batch`, and all other modules that are called pure below, never name a disk, a clock, a
//! thread or a socket. `tests/suite/layers.rs` checks both.
//!
//! ```text
//! base
//! dimension measures
//! model
//! time outcome
//! entry data_dir client
//! input metrics
//! batch
//! intake customers
//! journal
//! windows
//! query
//! engine http offline summarize
//! report import cluster
//! config
//! commands
//! ```
//!
//! [`base`] is the machine behind seams that tests replace: everything above [`base::disk`] runs on a simulated disk, whose power
//! is cut after every single operation. [`dimension`] is the one place that names what requests are
//! counted by, [`measures`] what is summed of them in a form that merges in any order. [`entry`], [`batch`], [`model`], [`time`]
//! and [`query`] are pure.
//! The committer, the window workers and the checkpointer are state machines without threads or clocks inside;
//! [`engine`] gives them both. [`metrics`] is one table of all metrics. [`offline`] checks and repairs a stopped server's
//! data. With the cargo feature `cluster` there is a module of that name: the roles that put Kafka, an object store
//! and ClickHouse behind [`intake`] and [`query`].
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
//! | packer | 1 | the packs of old days |
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
pub mod customers;
pub mod data_dir;
pub mod dimension;
pub mod engine;
pub mod entry;
pub mod http;
pub mod import;
pub mod input;
pub mod intake;
pub mod journal;
pub mod measures;
pub mod metrics;
pub mod model;
pub mod offline;
pub mod outcome;
pub mod query;
pub mod report;
pub mod summarize;
pub mod time;
pub mod windows;
