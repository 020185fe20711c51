//! Bodies in the object store as batches: what their metadata says, and their bytes, proven to be those that were taken.
//!
//! Input: objects under `raw/`. Output: events and decoded bodies, or what is wrong. Never: a body that differs from the one that
//! its fingerprint was made of.

use super::names;
use super::records::{BatchEvent, MadeBy};
use super::s3::{Metadata, ObjectError, ObjectStore};
use super::texts;
use crate::base::inflight::{Budget, Charge};
use crate::batch::{self, LARGEST_BODY_BYTES};
use crate::model::BatchId;

/// Coding can make a body that does not compress larger, by less than this.
const CODING_OVERHEAD_BYTES: u64 = 64 * 1024;

/// The event of the batch whose body has this key and metadata.
pub fn event_of(
    store: &ObjectStore,
    key: &str,
    batch_id: BatchId,
    metadata: &Metadata,
) -> Result<(BatchEvent, MadeBy), ObjectError> {
    let unusable =
        |why: String| ObjectError::Unusable(format!("{key} is not an object of this program: {why}"));
    let long = match BatchEvent::parameters_in(|name| metadata.get(name)) {
        Ok(None) => None,
        Ok(Some((customer, name))) => {
            Some(texts::text(store, &customer, name).map_err(|error| match error {
                ObjectError::Unusable(why) => unusable(why),
                other => other,
            })?)
        }
        Err(error) => return Err(unusable(error.to_string())),
    };
    let value = |name| match (name, &long) {
        ("parameters", Some(text)) => Some(text.as_str()),
        _ => metadata.get(name),
    };
    let (event, made_by) =
        BatchEvent::from_metadata(batch_id, value).map_err(|error| unusable(error.to_string()))?;
    if event.raw_key() != key {
        return Err(unusable("its metadata belongs to another batch".to_owned()));
    }
    Ok((event, made_by))
}

/// The batch with this key as it was taken; `None` where there is no such object.
pub fn batch_in(
    store: &ObjectStore,
    key: &str,
    batch_id: BatchId,
) -> Result<Option<(BatchEvent, Vec<u8>)>, ObjectError> {
    let Some((raw, metadata)) = store.get_with_metadata(key, LARGEST_BODY_BYTES + CODING_OVERHEAD_BYTES)?
    else {
        return Ok(None);
    };
    let (event, _) = event_of(store, key, batch_id, &metadata)?;
    let body = decoded(&event, raw).map_err(ObjectError::Unusable)?;
    Ok(Some((event, body)))
}

/// The most bytes that the object of this batch may have.
pub fn max_raw_bytes(event: &BatchEvent) -> u64 {
    u64::from(event.body_bytes) + CODING_OVERHEAD_BYTES
}

/// The decoded body, proven to be the one that the event is about.
///
/// # Errors
/// What is wrong with it.
pub fn decoded(event: &BatchEvent, raw: Vec<u8>) -> Result<Vec<u8>, String> {
    let body_bytes = event.body_bytes as usize;
    // Callers bound memory by the number of bodies; decoding is bounded by the event.
    let mut charge = Charge::new(&Budget::new(usize::MAX));
    let decoded = batch::decode(event.encoding, &raw, body_bytes, &mut charge);
    let decoded = decoded.map_err(|error| error.to_string())?.into_owned();
    if decoded.len() != body_bytes || event.content.fingerprint(&decoded) != event.fingerprint {
        let key = names::raw_key(&event.customer, &event.batch_id);
        return Err(format!("{key} is not the body that was taken"));
    }
    Ok(decoded)
}
