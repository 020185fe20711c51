//! From an event to its insights: fetch the body, check it, summarize it, write the summary.
//!
//! The summary is written on condition that there is none yet, and where there is one, its counts are used: what a batch
//! counted stays what it was first found to count, though its event may come again after the table of agents changed.

use std::fmt;

use xxhash_rust::xxh3::xxh3_128;

use crate::base::inflight::{Budget, Charge};
use crate::batch::{self, DecodeError, Limits};
use crate::cluster::names;
use crate::cluster::records::{BatchEvent, RecordError, SummaryObject};
use crate::cluster::s3::{ObjectStore, Put, StoreError};

/// A summary is at most a few times as large as the largest body (64 MiB).
const MAX_SUMMARY_BYTES: u64 = 256 << 20;
/// Coding can make a body that does not compress larger, by less than this.
const CODING_OVERHEAD_BYTES: u64 = 64 * 1024;

/// Why an event has no insights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Something is away: try again.
    Passing(StoreError),
    /// It never will have any: the record goes to the dead letters.
    Poisoned {
        /// The label in metrics.
        label: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passing(error) => error.fmt(f),
            Self::Poisoned { why, .. } => f.write_str(why),
        }
    }
}

fn poisoned(label: &'static str, why: impl fmt::Display) -> Failure {
    Failure::Poisoned { label, why: why.to_string() }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        poisoned("undecodable", error)
    }
}

/// Whatever the store refuses (a key's rights, a bucket) is for people to put right; nothing is dropped meanwhile.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Passing(error)
    }
}

/// The summary of an event's batch, durable in the object store, and whether it was there before.
///
/// # Errors
/// See [`Failure`].
pub(super) fn summarize(store: &ObjectStore, event: &BatchEvent) -> Result<(SummaryObject, bool), Failure> {
    let body = fetch(store, event)?;
    let limits = Limits { parallel_from_bytes: usize::MAX, ..event.limits.clone() };
    let summarized = batch::summarize(&body, event.format, &limits, event.received_at_ms)
        .map_err(|error| poisoned("refused", format!("the body is not what the ingest took: {error}")))?;
    drop(body);
    let summary = SummaryObject::of(event, &summarized.summary);
    if summary.entries != event.entries {
        let why = format!("{} entries, not {}", summary.entries, event.entries);
        return Err(poisoned("refused", why));
    }
    let key = names::summary_key(&event.customer, &event.batch_id);
    match store.put_if_absent(&key, &summary.clone().encode(), &[])? {
        Put::Stored => Ok((summary, false)),
        Put::Exists => Ok((first_summary(store, &key, summary)?, true)),
    }
}

/// The summary that is there, unless it cannot be used.
fn first_summary(store: &ObjectStore, key: &str, ours: SummaryObject) -> Result<SummaryObject, Failure> {
    let found = match store.get(key, MAX_SUMMARY_BYTES)? {
        Some(bytes) => SummaryObject::decode(&bytes).map_err(|error| error.to_string()),
        None => Err("it is gone".to_owned()),
    };
    match found {
        Ok(first) if first.fingerprint == ours.fingerprint && first.customer == ours.customer => Ok(first),
        other => {
            let why = other.err().unwrap_or_else(|| "it is of another batch".to_owned());
            log::error!("{key} cannot be used and is replaced: {why}");
            store.put(key, &ours.clone().encode())?;
            Ok(ours)
        }
    }
}

/// The decoded body, proven to be the one the event is about.
fn fetch(store: &ObjectStore, event: &BatchEvent) -> Result<Vec<u8>, Failure> {
    let body_bytes = event.body_bytes as usize;
    let limit_bytes = u64::from(event.body_bytes) + CODING_OVERHEAD_BYTES;
    let raw = match store.get(&event.raw_key(), limit_bytes) {
        Ok(Some(raw)) => raw,
        Ok(None) => return Err(poisoned("missing", format!("there is no object {}", event.raw_key()))),
        Err(error @ StoreError::TooLarge { .. }) => return Err(poisoned("altered", error)),
        Err(error) => return Err(error.into()),
    };
    // Memory is bounded by the group's bytes; decoding is bounded by the event's.
    let mut charge = Charge::new(&Budget::new(usize::MAX));
    let decoded = match batch::decode(event.encoding, &raw, body_bytes, &mut charge) {
        Ok(decoded) => decoded,
        Err(error @ (DecodeError::TooLarge { .. } | DecodeError::Undecodable { .. })) => {
            return Err(poisoned("altered", error));
        }
        Err(DecodeError::Busy) => unreachable!("the budget has no end"),
    };
    if decoded.len() != body_bytes || xxh3_128(&decoded) != event.fingerprint {
        return Err(poisoned("altered", format!("{} is not the body that was taken", event.raw_key())));
    }
    Ok(decoded.into_owned())
}
