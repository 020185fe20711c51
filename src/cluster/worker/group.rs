//! A group: records that are worked on together and committed in one transaction, and how far it has read.

use std::collections::BTreeMap;

use rdkafka::message::OwnedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

/// When a group is large enough.
#[derive(Clone, Copy, Debug)]
pub struct GroupLimits {
    /// Records.
    pub max_records: usize,
    /// Bytes of the bodies they are about.
    pub max_bytes: u64,
}

/// Records of one transaction.
#[derive(Default)]
pub(super) struct Group {
    /// In the order they were read.
    pub(super) records: Vec<OwnedMessage>,
    bytes: u64,
    /// The first offset after them, by partition.
    ends: BTreeMap<i32, i64>,
}

impl Group {
    /// Adds a record about a body of so many bytes.
    pub(super) fn push(&mut self, record: OwnedMessage, bytes: u64) {
        self.ends.insert(record.partition(), record.offset() + 1);
        self.bytes += bytes;
        self.records.push(record);
    }

    /// Whether nothing more should be added.
    pub(super) fn is_full(&self, limits: &GroupLimits) -> bool {
        self.records.len() >= limits.max_records || self.bytes >= limits.max_bytes
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// What is committed with it.
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
        let limits = GroupLimits { max_records: 3, max_bytes: 100 };
        let mut group = Group::default();
        group.push(record(1, 7), 40);
        group.push(record(0, 3), 40);
        assert!(!group.is_full(&limits));
        group.push(record(1, 8), 20);
        assert!(group.is_full(&limits));
        let offsets = group.offsets("t");
        let found: Vec<_> = offsets.elements().iter().map(|e| (e.partition(), e.offset())).collect();
        assert_eq!(found, [(0, Offset::Offset(4)), (1, Offset::Offset(9))]);
        let mut large = Group::default();
        large.push(record(0, 0), 100);
        assert!(large.is_full(&limits));
    }
}
