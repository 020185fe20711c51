//! Names of objects and records: the keys under which a batch lies in the object store, and by which its records are
//! partitioned. Pure; described in `deploy/schemas/README.md`.

use std::ops::Range;

use super::span::{MinuteSpan, SpanClass};
use crate::data_dir::{customer_dir_name, decode_name, encode_name};
use crate::model::{BatchId, CustomerId, WindowSize, WindowStart};
use crate::time;

/// Prefix of bodies as they were received.
pub const RAW: &str = "raw/";
/// Prefix of summaries.
pub const SUMMARIES: &str = "summaries/";
/// Prefix of texts that batches refer to.
const TEXTS: &str = "texts/";
/// Prefix of lists of batches whose event may be missing.
pub const UNSETTLED: &str = "unsettled/";

/// The part that all keys of a batch share: `<customer>/<batch>`.
pub fn stem(customer: &CustomerId, batch_id: &BatchId) -> String {
    format!("{}/{}", customer_dir_name(customer), encode_name(batch_id.as_str()))
}

/// The key of a batch's body.
pub fn raw_key(customer: &CustomerId, batch_id: &BatchId) -> String {
    format!("{RAW}{}", stem(customer, batch_id))
}

/// The key of the body with this [`stem`].
pub fn raw_key_of_stem(stem: &str) -> String {
    format!("{RAW}{stem}")
}

/// The key of a batch's summary.
pub fn summary_key(customer: &CustomerId, batch_id: &BatchId, minutes: MinuteSpan) -> String {
    format!("{}{}/{}", summaries_of(customer), minutes.in_key(), encode_name(batch_id.as_str()))
}

/// The key of a text of a customer.
pub fn text_key(customer: &CustomerId, name: u128) -> String {
    format!("{TEXTS}{}/{name:032x}", customer_dir_name(customer))
}

/// The prefix of all summaries of a customer.
fn summaries_of(customer: &CustomerId) -> String {
    format!("{SUMMARIES}{}/", customer_dir_name(customer))
}

/// The prefix of a customer's summaries of one class, and what is asked of it: a text above and one below all keys that may
/// overlap these minutes.
pub fn summaries_within(
    customer: &CustomerId,
    class: SpanClass,
    minutes: &Range<WindowStart>,
) -> (String, String, String) {
    let of_customer = summaries_of(customer);
    let (above, below) = class.bounds(minutes);
    let whole = |part: &str| format!("{of_customer}{part}");
    (whole(&class.prefix()), whole(&above), whole(&below))
}

/// The minutes and the id of the batch with this summary; `None` for an object that this program did not write.
pub fn batch_of_summary(customer: &CustomerId, key: &str) -> Option<(MinuteSpan, BatchId)> {
    let (minutes, batch) = key.strip_prefix(&summaries_of(customer))?.rsplit_once('/')?;
    Some((MinuteSpan::from_key(minutes)?, BatchId::new(&decode_name(batch)?)?))
}

/// The batch whose keys have this [`stem`]; `None` for an object that this program did not write.
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
        let minutes = MinuteSpan { first: WindowStart(1), last: WindowStart(20_000_000) };
        let key = summary_key(&customer, &batch, minutes);
        assert!(key.len() <= 1_024, "{}", key.len());
        assert_eq!(batch_of_summary(&customer, &key), Some((minutes, batch.clone())));
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
