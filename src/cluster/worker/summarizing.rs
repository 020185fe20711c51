//! From an event to its insights: fetch the body, check it, summarize it, write the summary.
//!
//! The summary is written on condition that there is none yet; if there is one, its counts are used. So a batch keeps the
//! counts it was first given, even when its event comes again after the table of agents changed. Paths count by the rules that
//! the event names: those of its customer when the batch was taken.

use std::fmt;

use crate::batch::Limits;
use crate::cluster::metrics::DeadReason;
use crate::cluster::raw;
use crate::cluster::records::{BatchEvent, SummaryObject};
use crate::cluster::s3::{ObjectError, ObjectStore, Put, StoreError};
use crate::cluster::shared_secret::SharedSecret;
use crate::cluster::span::MinuteSpan;
use crate::cluster::texts::RulesByName;

/// Why an event has no insights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SummarizeError {
    /// A later try may succeed.
    Retry(StoreError),
    /// It never will: the record goes to the dead letters.
    Never { reason: DeadReason, why: String },
}

fn never(reason: DeadReason, why: impl fmt::Display) -> SummarizeError {
    SummarizeError::Never { reason, why: why.to_string() }
}

/// An operator can mend what the store refuses (a permission, a bucket); no record is dropped meanwhile.
impl From<StoreError> for SummarizeError {
    fn from(error: StoreError) -> Self {
        Self::Retry(error)
    }
}

impl From<ObjectError> for SummarizeError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Store(error) => error.into(),
            ObjectError::Unusable(why) => never(DeadReason::Missing, why),
        }
    }
}

/// The summary of an event's batch, durable in the object store, and whether it was there before.
pub(super) fn summarize(
    store: &ObjectStore,
    secret: &SharedSecret,
    rules: &RulesByName,
    event: &BatchEvent,
) -> Result<(SummaryObject, bool), SummarizeError> {
    secret.prove(store)?;
    let body = fetch(store, event)?;
    let visitors = secret.visitors();
    let path_rules = event.path_rules.map(|name| rules.get(store, &event.customer, name)).transpose()?;
    let limits = Limits { parallel_from_bytes: usize::MAX, visitors, path_rules, ..event.limits.clone() };
    let summarized = event.content.summarize(&body, &limits, event.received_at_ms).map_err(|error| {
        never(DeadReason::Refused, format!("the body is not what the ingest took: {error}"))
    })?;
    drop(body);
    let summary = SummaryObject::of(event, &summarized.summary);
    if summary.entries != event.entries {
        let why = format!("{} entries, not {}", summary.entries, event.entries);
        return Err(never(DeadReason::Refused, why));
    }
    if MinuteSpan::of(&summarized.summary) != event.minutes {
        return Err(never(DeadReason::Refused, "its minutes are not those that the ingest found"));
    }
    let key = event.summary_key();
    match store.put_if_absent(&key, &summary.clone().encode(), &[])? {
        Put::Stored => Ok((summary, false)),
        Put::Exists => Ok((first_summary(store, &key, summary)?, true)),
    }
}

/// The stored summary, unless it cannot be used.
fn first_summary(
    store: &ObjectStore,
    key: &str,
    ours: SummaryObject,
) -> Result<SummaryObject, SummarizeError> {
    let found = match store.get(key, SummaryObject::MAX_BYTES)? {
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
fn fetch(store: &ObjectStore, event: &BatchEvent) -> Result<Vec<u8>, SummarizeError> {
    let raw = match store.get(&event.raw_key(), raw::max_raw_bytes(event)) {
        Ok(Some(raw)) => raw,
        Ok(None) => {
            return Err(never(DeadReason::Missing, format!("there is no object {}", event.raw_key())));
        }
        Err(error @ StoreError::TooLarge { .. }) => return Err(never(DeadReason::Altered, error)),
        Err(error) => return Err(error.into()),
    };
    raw::decoded(event, raw).map_err(|why| never(DeadReason::Altered, why))
}
