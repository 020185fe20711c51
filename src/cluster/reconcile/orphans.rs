//! Bodies whose event was never emitted: those without a summary, some time after they were written.
//!
//! Both prefixes are listed side by side, in the order of keys, so that only bodies without a summary cost a request. An
//! event that still waits for a worker may be emitted again, which is harmless.

use std::cmp::Ordering;

use super::ReconcileError;
use crate::cluster::kafka::EventLog;
use crate::cluster::names::{RAW, SUMMARIES, batch_in_stem};
use crate::cluster::records::{BatchEvent, MadeBy};
use crate::cluster::s3::{Listed, ObjectStore, StoreError};
use crate::time;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrphanReport {
    /// Bodies listed.
    pub bodies: u64,
    /// Bodies whose event was emitted again.
    pub emitted: u64,
    /// Bodies without a summary whose batch id the server made: they were never acknowledged, and stay uncounted.
    pub unanswered: u64,
    /// Bodies that are too young to tell.
    pub young: u64,
    /// Objects that are not ours.
    pub foreign: u64,
}

/// The objects of a prefix, one by one, without it.
struct Listing<'s> {
    store: &'s ObjectStore,
    prefix: &'static str,
    page: std::vec::IntoIter<Listed>,
    /// Where the next page begins: `Some(None)` for the first.
    next: Option<Option<String>>,
}

impl<'s> Listing<'s> {
    fn new(store: &'s ObjectStore, prefix: &'static str) -> Self {
        Self { store, prefix, page: Vec::new().into_iter(), next: Some(None) }
    }

    fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        loop {
            if let Some(mut object) = self.page.next() {
                object.key = object.key.strip_prefix(self.prefix).unwrap_or(&object.key).to_owned();
                return Ok(Some(object));
            }
            let Some(from) = self.next.take() else { return Ok(None) };
            let page = self.store.list(self.prefix, from.as_deref())?;
            self.page = page.objects.into_iter();
            self.next = page.next.map(Some);
        }
    }
}

/// Emits the events of all bodies that are at least `grace_ms` old and have no summary. Calls `progress` for every body.
///
/// # Errors
/// See [`ReconcileError`].
pub fn emit_missing(
    store: &ObjectStore,
    events: &EventLog,
    grace_ms: u64,
    now_ms: u64,
    progress: &mut dyn FnMut(),
) -> Result<OrphanReport, ReconcileError> {
    let mut report = OrphanReport::default();
    let mut bodies = Listing::new(store, RAW);
    let mut summaries = Listing::new(store, SUMMARIES);
    let mut summary = summaries.next()?;
    while let Some(body) = bodies.next()? {
        report.bodies += 1;
        progress();
        let has_summary = loop {
            match summary.as_ref().map(|summary| summary.key.cmp(&body.key)) {
                Some(Ordering::Less) => summary = summaries.next()?,
                Some(Ordering::Equal) => break true,
                Some(Ordering::Greater) | None => break false,
            }
        };
        if has_summary {
            continue;
        }
        let written_ms = time::parse_rfc3339(&body.last_modified).unwrap_or(0);
        if written_ms.saturating_add(grace_ms) > now_ms {
            report.young += 1;
            continue;
        }
        emit_one(store, events, &body.key, &mut report)?;
    }
    Ok(report)
}

fn emit_one(
    store: &ObjectStore,
    events: &EventLog,
    stem: &str,
    report: &mut OrphanReport,
) -> Result<(), ReconcileError> {
    let key = format!("{RAW}{stem}");
    let Some(metadata) = store.head(&key)? else { return Ok(()) };
    let event = batch_in_stem(stem)
        .ok_or_else(|| "its name is not that of a batch".to_owned())
        .and_then(|batch_id| {
            BatchEvent::from_metadata(batch_id, |name| metadata.get(name)).map_err(|error| error.to_string())
        })
        .and_then(|(event, made_by)| match event.raw_key() == key {
            true => Ok((event, made_by)),
            false => Err("its metadata belongs to another batch".to_owned()),
        });
    match event {
        Err(why) => {
            log::warn!("{key} is not one of our objects: {why}");
            report.foreign += 1;
        }
        Ok((_, MadeBy::Server)) => report.unanswered += 1,
        Ok((event, MadeBy::Client)) => {
            events.append(event.batch_id.as_str(), &event.encode())?;
            log::info!("emitted the event of {key} again");
            report.emitted += 1;
        }
    }
    Ok(())
}
