//! Bodies whose event was never emitted: those that an ingest had written down before it died, and that have no summary.
//!
//! Only the lists under `unsettled/` are looked at that are old enough, and the bodies that they name (see
//! [`crate::cluster::unsettled`]): never all bodies. A list goes when its bodies have their events. An event that still waits for a
//! worker may be emitted again, which is harmless.

use super::ReconcileError;
use crate::cluster::kafka::EventLog;
use crate::cluster::names::{UNSETTLED, batch_in_stem, raw_key_of_stem};
use crate::cluster::raw;
use crate::cluster::records::MadeBy;
use crate::cluster::s3::{ObjectError, ObjectStore};
use crate::time;

/// Above the size of any list that an ingest writes.
const MAX_LIST_BYTES: u64 = 64 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrphanReport {
    /// Lists that were old enough.
    pub lists: u64,
    /// Lists that are too young: their ingest may still be working on them.
    pub young: u64,
    /// Bodies named by these lists that exist.
    pub bodies: u64,
    /// Bodies whose event was emitted again.
    pub emitted: u64,
    /// Objects that are not ours.
    pub foreign: u64,
}

/// Emits the events of all bodies that lists of at least `grace_ms` name and that have no summary. Calls `progress` for every body.
pub fn emit_missing(
    store: &ObjectStore,
    events: &EventLog,
    grace_ms: u64,
    now_ms: u64,
    progress: &mut dyn FnMut(),
) -> Result<OrphanReport, ReconcileError> {
    let mut report = OrphanReport::default();
    let mut lists = store.list(UNSETTLED, "");
    while let Some(list) = lists.next_object()? {
        let written_ms = time::parse_rfc3339(&list.last_modified).unwrap_or(0);
        if written_ms.saturating_add(grace_ms) > now_ms {
            report.young += 1;
            continue;
        }
        report.lists += 1;
        let Some(stems) = store.get(&list.key, MAX_LIST_BYTES)? else { continue };
        for stem in String::from_utf8_lossy(&stems).lines() {
            progress();
            emit_one(store, events, stem, &mut report)?;
        }
        store.delete(&list.key)?;
    }
    Ok(report)
}

fn emit_one(
    store: &ObjectStore,
    events: &EventLog,
    stem: &str,
    report: &mut OrphanReport,
) -> Result<(), ReconcileError> {
    let key = raw_key_of_stem(stem);
    let Some(batch_id) = batch_in_stem(stem) else {
        log::warn!("{stem:?} in a list is not the name of a batch");
        report.foreign += 1;
        return Ok(());
    };
    // The ingest may have died before it wrote the body.
    let Some(metadata) = store.head(&key)? else { return Ok(()) };
    report.bodies += 1;
    match raw::event_of(store, &key, batch_id, &metadata) {
        Err(ObjectError::Store(error)) => return Err(error.into()),
        Err(ObjectError::Unusable(why)) => {
            log::warn!("{why}");
            report.foreign += 1;
        }
        // The client cannot send it again, and it was never acknowledged.
        Ok((_, MadeBy::Server)) => {}
        Ok((event, MadeBy::Client)) => {
            if store.head(&event.summary_key())?.is_none() {
                events.append(event.batch_id.as_str(), &event.encode())?;
                log::info!("emitted the event of {key} again");
                report.emitted += 1;
            }
        }
    }
    Ok(())
}
