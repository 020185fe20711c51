//! A group: records that are processed together and committed in one transaction, and the offsets to commit.

use std::collections::BTreeMap;

use rdkafka::message::OwnedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

/// Records in a group: with this many the cost of a transaction is small.
const MAX_RECORDS: usize = 256;
/// Decoded bytes of their batches (one batch may be larger): what a worker holds in memory at once.
const MAX_BYTES: u64 = 32 << 20;

/// Records of one transaction.
#[derive(Default)]
pub(super) struct RecordGroup {
    /// In the order they were read.
    pub(super) records: Vec<OwnedMessage>,
    bytes: u64,
    /// The first offset after them, by partition.
    ends: BTreeMap<i32, i64>,
}

impl RecordGroup {
    /// Adds a record whose body has this many bytes.
    pub(super) fn push(&mut self, record: OwnedMessage, bytes: u64) {
        self.ends.insert(record.partition(), record.offset() + 1);
        self.bytes += bytes;
        self.records.push(record);
    }

    /// Whether nothing more should be added.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= MAX_RECORDS || self.bytes >= MAX_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The offsets to commit with it.
    pub(super) fn offsets(&self, topic: &str) -> TopicPartitionList {
        let mut offsets = TopicPartitionList::new();
        for (partition, end) in &self.ends {
            offsets
                .add_partition_offset(topic, *partition, Offset::Offset(*end))
                .expect("an offset of a record is one to commit");
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::Timestamp;

    fn record(partition: i32, offset: i64) -> OwnedMessage {
        OwnedMessage::new(None, None, "t".to_owned(), Timestamp::NotAvailable, partition, offset, None)
    }

    #[test]
    fn a_group_is_bounded_and_commits_what_follows_its_records() {
        let mut group = RecordGroup::default();
        group.push(record(1, 7), 40);
        group.push(record(0, 3), MAX_BYTES - 60);
        assert!(!group.is_full());
        group.push(record(1, 8), 20);
        assert!(group.is_full());
        let offsets = group.offsets("t");
        let found: Vec<_> = offsets.elements().iter().map(|e| (e.partition(), e.offset())).collect();
        assert_eq!(found, [(0, Offset::Offset(4)), (1, Offset::Offset(9))]);
        let mut many = RecordGroup::default();
        (0..MAX_RECORDS as i64).for_each(|offset| many.push(record(0, offset), 0));
        assert!(many.is_full());
    }
}
