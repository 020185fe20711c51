//! `--tune name=value`: a hidden way for tests and benchmarks to reach constants.
//!
//! Input: names and values. Output: changed [`Bounds`]. Never: a constant that no test or benchmark needs to change.

use std::time::Duration;

use clap::Args;

use super::{Bounds, Bytes, Span};
use crate::dimension::{PATH, USER_AGENT};

#[derive(Clone, Debug, Default, Args)]
pub struct TuneArgs {
    /// For tests: give a constant another value
    #[arg(long, value_name = "NAME=VALUE", hide = true)]
    pub tune: Vec<String>,
}

type Setter = fn(&mut Bounds, &str) -> Result<(), String>;

/// Every constant that can be reached.
const TABLE: &[(&str, Setter)] = &[
    ("checkpoint_bytes", |bounds, text| bytes(text).map(|bytes| bounds.engine.checkpoint_bytes = bytes.0)),
    ("checkpoint_interval", |bounds, text| time(text).map(|time| bounds.engine.checkpoint_interval = time)),
    ("flush_interval", |bounds, text| {
        time(text).map(|time| bounds.engine.worker.flush_interval_ms = Span(time).ms())
    }),
    ("grace", |bounds, text| time(text).map(|time| bounds.front.grace = time)),
    ("max_group_batches", |bounds, text| count(text).map(|count| bounds.engine.max_group_batches = count)),
    ("max_queries", |bounds, text| count(text).map(|count| bounds.query.max_running = count)),
    ("max_query_bytes", |bounds, text| bytes(text).map(|bytes| bounds.query.max_bytes = bytes.0)),
    ("max_query_body_bytes", |bounds, text| bytes(text).map(|bytes| bounds.query.max_body_bytes = bytes.0)),
    ("max_query_memory", |bounds, text| {
        bytes(text).map(|bytes| bounds.query.max_memory_bytes = bytes.size())
    }),
    #[cfg(feature = "cluster")]
    ("max_query_objects", |bounds, text| count(text).map(|count| bounds.query.max_objects = count)),
    ("max_query_time", |bounds, text| time(text).map(|time| bounds.query.max_time = time)),
    ("max_query_windows", |bounds, text| count(text).map(|count| bounds.query.max_windows = count)),
    ("max_uncheckpointed_bytes", |bounds, text| {
        bytes(text).map(|bytes| bounds.engine.commit.max_uncheckpointed_bytes = bytes.0)
    }),
    ("max_window_agents", |bounds, text| {
        count(text).map(|count| bounds.engine.worker.window.by[USER_AGENT].max_keys = count)
    }),
    ("max_window_paths", |bounds, text| {
        count(text).map(|count| bounds.engine.worker.window.by[PATH].max_keys = count)
    }),
    ("pack_interval", |bounds, text| time(text).map(|time| bounds.engine.pack.interval = time)),
    ("pack_quiet", |bounds, text| time(text).map(|time| bounds.engine.pack.quiet = time)),
    ("queue_length", |bounds, text| count(text).map(|count| bounds.engine.queue_length = count)),
    ("segment_bytes", |bounds, text| bytes(text).map(|bytes| bounds.engine.commit.segment_bytes = bytes.0)),
    #[cfg(feature = "cluster")]
    ("kafka_timeout", |bounds, text| time(text).map(|time| bounds.cluster.kafka_timeout = time)),
    #[cfg(feature = "cluster")]
    ("reconcile_grace", |bounds, text| time(text).map(|time| bounds.cluster.reconcile_grace = time)),
    #[cfg(feature = "cluster")]
    ("session_timeout", |bounds, text| time(text).map(|time| bounds.cluster.session_timeout = time)),
    #[cfg(feature = "cluster")]
    ("store_timeout", |bounds, text| time(text).map(|time| bounds.cluster.store_timeout = time)),
];

fn bytes(text: &str) -> Result<Bytes, String> {
    text.parse().and_then(|bytes: Bytes| at_least_one(bytes, bytes.0 == 0))
}

fn count(text: &str) -> Result<usize, String> {
    let count = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    at_least_one(count, count == 0)
}

fn time(text: &str) -> Result<Duration, String> {
    text.parse().and_then(|Span(time)| at_least_one(time, time.is_zero()))
}

fn at_least_one<T>(value: T, is_zero: bool) -> Result<T, String> {
    if is_zero { Err("must not be 0".to_owned()) } else { Ok(value) }
}

impl TuneArgs {
    /// Sets the constants that were given.
    ///
    /// # Errors
    /// The name that is not in the table, with the table's names, or what is wrong with a value.
    pub(crate) fn apply(&self, bounds: &mut Bounds) -> Result<(), String> {
        for text in &self.tune {
            let (name, value) = text.split_once('=').ok_or("--tune must be NAME=VALUE")?;
            let known = TABLE.iter().find(|(known, _)| *known == name);
            let Some((_, set)) = known else {
                let names: Vec<&str> = TABLE.iter().map(|(name, _)| *name).collect();
                return Err(format!("--tune does not know {name:?}, only {}", names.join(", ")));
            };
            set(bounds, value).map_err(|reason| format!("--tune {name}: {reason}"))?;
        }
        Ok(())
    }
}
