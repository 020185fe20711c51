//! Names of objects and records: the keys under which a batch lies in the object store, and by which its records are
//! partitioned. Pure; described in `deploy/schemas/README.md`.

use crate::data_dir::{customer_dir_name, decode_name, encode_name};
use crate::model::{BatchId, CustomerId, WindowSize, WindowStart};
use crate::time;

/// Prefix of bodies as they came.
pub const RAW: &str = "raw/";
/// Prefix of what they were reduced to.
pub const SUMMARIES: &str = "summaries/";

/// What the keys of a batch have in common: `<customer>/<batch>`.
pub fn stem(customer: &CustomerId, batch_id: &BatchId) -> String {
    format!("{}/{}", customer_dir_name(customer), encode_name(batch_id.as_str()))
}

/// The key of a batch's body.
pub fn raw_key(customer: &CustomerId, batch_id: &BatchId) -> String {
    format!("{RAW}{}", stem(customer, batch_id))
}

/// The key of a batch's summary.
pub fn summary_key(customer: &CustomerId, batch_id: &BatchId) -> String {
    format!("{SUMMARIES}{}", stem(customer, batch_id))
}

/// The prefix of all summaries of a customer.
pub fn summaries_of(customer: &CustomerId) -> String {
    format!("{SUMMARIES}{}/", customer_dir_name(customer))
}

/// The batch whose keys end like this; `None` for an object that is no batch of ours.
pub fn batch_in_stem(stem: &str) -> Option<BatchId> {
    let (_, batch) = stem.split_once('/')?;
    BatchId::new(&decode_name(batch)?)
}

/// The key of a window's records: all insights of a window lie in one partition.
pub fn window_key(customer: &CustomerId, start: WindowStart) -> String {
    format!("{customer}|{}|{}", WindowSize::Minute.as_str(), time::format_start(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_fit_into_a_key() {
        let customer = CustomerId::new(&"/".repeat(128)).unwrap();
        let batch = BatchId::new(&"%".repeat(255)).unwrap();
        let key = summary_key(&customer, &batch);
        assert!(key.len() <= 1_024, "{}", key.len());
        assert_eq!(batch_in_stem(&stem(&customer, &batch)), Some(batch));
    }

    #[test]
    fn keys_have_no_segments_that_a_url_would_resolve() {
        let customer = CustomerId::new("..").unwrap();
        let batch = BatchId::new("../..").unwrap();
        assert_eq!(raw_key(&customer, &batch), "raw/%2E./%2E.%2F..");
        for foreign in ["a", "a/b/c", "a/%2", "a/é", "a/"] {
            assert_eq!(batch_in_stem(foreign), None, "{foreign}");
        }
    }
}
