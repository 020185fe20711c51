//! The `.idx` file of a sealed segment: its part of the deduplication index, kept longer than the segment itself.
//!
//! Little-endian: a header of 56 bytes, then 48 bytes for each batch that came with a key, by ascending seq.
//!
//! | offset | bytes | field |
//! |-------:|------:|-------|
//! | 0  | 4 | `LAX` and the format version as a digit: `LAX2` |
//! | 4  | 4 | number of entries |
//! | 8  | 8 | checksum: XXH3-64 of everything behind it, seeded with bytes 0..8 |
//! | 16 | 8 | first seq of the segment |
//! | 24 | 8 | last seq of the segment |
//! | 32 | 8 | time of receipt of the first record, in milliseconds |
//! | 40 | 8 | time of receipt of the last record, in milliseconds |
//! | 48 | 8 | check value of the secret the keys were hashed under |
//! | 56 | n × 48 | key (16), fingerprint (16), seq (8), time of receipt in milliseconds (8) |

use std::io;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::dedup::{DedupEntry, DedupHasher, DedupKey};
use super::reader::{JournalRecord, JournalSegment};
use crate::base::disk::{self, Disk};
use crate::data_dir::{DataDir, FORMAT_VERSION};
use crate::model::Seq;

const MAGIC: [u8; 4] = [b'L', b'A', b'X', b'0' + FORMAT_VERSION];
const HEADER_BYTES: usize = 56;
const ENTRY_BYTES: usize = 48;

/// The content of a sealed segment, as far as deduplication and retention need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentIndex {
    /// Its first record.
    pub first: Seq,
    /// Its last record; below `first` in a segment without records.
    pub last: Seq,
    /// When its first record was received.
    pub first_received_at_ms: u64,
    /// When its last record was received.
    pub last_received_at_ms: u64,
    /// Its keyed batches, by ascending seq.
    pub entries: Vec<DedupEntry>,
}

/// The index of a segment that was read.
pub struct IndexedSegment {
    /// The index of all records that could be read.
    pub index: SegmentIndex,
    pub is_whole: bool,
}

impl SegmentIndex {
    /// An index of a segment without records.
    pub fn empty(first: Seq) -> Self {
        Self {
            first,
            last: Seq(first.0 - 1),
            first_received_at_ms: 0,
            last_received_at_ms: 0,
            entries: Vec::new(),
        }
    }

    /// Adds a record of the segment. Records before it may be missing where they were lost to damage; one that was
    /// added before is ignored.
    pub fn add(&mut self, found: &JournalRecord<'_>, hasher: &DedupHasher) {
        let header = &found.record.header;
        if header.seq <= self.last {
            return;
        }
        if self.last < self.first {
            self.first_received_at_ms = header.received_at_ms;
        }
        self.last = header.seq;
        self.last_received_at_ms = header.received_at_ms;
        if !header.server_made_id {
            let key = hasher.key(&found.customer, &found.batch_id);
            self.entries.push(DedupEntry::new(key, header.fingerprint, header.seq, header.received_at_ms));
        }
    }

    /// Moves the records from `from` on into an index of their own, because they were moved to another segment.
    #[must_use]
    pub fn split_off(&mut self, from: Seq) -> Self {
        assert!(self.first < from && from <= self.last, "a segment is split inside");
        let split = self.entries.partition_point(|entry| entry.seq < from);
        let moved = Self {
            first: from,
            last: self.last,
            // The exact times between two records of one group do not matter: they only limit what retention may
            // remove.
            first_received_at_ms: self.last_received_at_ms,
            last_received_at_ms: self.last_received_at_ms,
            entries: self.entries.split_off(split),
        };
        self.last = Seq(from.0 - 1);
        moved
    }

    /// Reads a segment to its end, or to the first damage in it, which is logged.
    pub fn of_segment(
        disk: &dyn Disk,
        dir: &DataDir,
        first: Seq,
        next_first: Option<Seq>,
    ) -> io::Result<IndexedSegment> {
        let hasher = DedupHasher::new(dir.secret());
        let mut index = Self::empty(first);
        let mut segment = JournalSegment::open(disk, dir, first, next_first)?;
        while let Some(record) = segment.next_record()? {
            index.add(&record, &hasher);
        }
        let damage = segment.damage();
        if let Some((offset, why)) = damage {
            log::warn!(
                "{}; retries of its later batches are not recognized",
                segment.invalid_data(offset, why)
            );
        }
        Ok(IndexedSegment { index, is_whole: damage.is_none() })
    }

    /// Writes the index beside its segment, durably.
    pub fn write(&self, disk: &dyn Disk, dir: &DataDir) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.entries.len() * ENTRY_BYTES);
        bytes.extend_from_slice(&MAGIC);
        let count = u32::try_from(self.entries.len()).expect("a segment has fewer than 2^32 records");
        bytes.extend_from_slice(&count.to_le_bytes());
        for field in [
            0, // the checksum, below
            self.first.0,
            self.last.0,
            self.first_received_at_ms,
            self.last_received_at_ms,
            DedupHasher::new(dir.secret()).check(),
        ] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.key().0.to_le_bytes());
            bytes.extend_from_slice(&entry.fingerprint().to_le_bytes());
            bytes.extend_from_slice(&entry.seq.0.to_le_bytes());
            bytes.extend_from_slice(&entry.received_at_ms.to_le_bytes());
        }
        let checksum = checksum(&bytes);
        bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
        disk::replace_file(disk, &dir.temp(), &dir.index(self.first), &[&bytes])?;
        disk.sync_dir(&dir.journal())
    }

    /// Reads an index file. `Ok(None)` where it is damaged, was made under another secret, or is of another segment.
    ///
    /// # Errors
    /// What the disk says, `NotFound` included.
    pub fn read(disk: &dyn Disk, dir: &DataDir, first: Seq) -> io::Result<Option<Self>> {
        let bytes = disk.read(&dir.index(first))?;
        Ok(decode(&bytes, &DedupHasher::new(dir.secret())).filter(|index| index.first == first))
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let seed = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    xxh3_64_with_seed(&bytes[16..], seed)
}

fn decode(bytes: &[u8], hasher: &DedupHasher) -> Option<SegmentIndex> {
    let field = |offset: usize| bytes.get(offset..offset + 8)?.try_into().ok().map(u64::from_le_bytes);
    let count = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?) as usize;
    let well_formed = bytes[..4] == MAGIC
        && bytes.len() == HEADER_BYTES + count * ENTRY_BYTES
        && field(8)? == checksum(bytes)
        && field(48)? == hasher.check();
    if !well_formed {
        return None;
    }
    let entries = bytes[HEADER_BYTES..].chunks_exact(ENTRY_BYTES).map(|entry| {
        let wide = |at: usize| u128::from_le_bytes(entry[at..at + 16].try_into().expect("sixteen bytes"));
        let long = |at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().expect("eight bytes"));
        DedupEntry::new(DedupKey(wide(0)), wide(16), Seq(long(32)), long(40))
    });
    Some(SegmentIndex {
        first: Seq(field(16)?),
        last: Seq(field(24)?),
        first_received_at_ms: field(32)?,
        last_received_at_ms: field(40)?,
        entries: entries.collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::disk::RealDisk;
    use crate::base::secret::Secret;

    #[test]
    fn an_index_is_read_back_and_any_change_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temp.path());
        dir.prepare(&RealDisk).unwrap();
        let hasher = DedupHasher::new(dir.secret());
        let mut index = SegmentIndex::empty(Seq(5));
        index.last = Seq(9);
        index.last_received_at_ms = 77;
        index.entries.push(DedupEntry::new(DedupKey(1 << 100), 2 << 90, Seq(6), 70));
        index.entries.push(DedupEntry::new(DedupKey(3), 4, Seq(9), 77));
        index.write(&RealDisk, &dir).unwrap();

        let path = dir.index(Seq(5));
        assert_eq!(SegmentIndex::read(&RealDisk, &dir, Seq(5)).unwrap(), Some(index));
        let bytes = RealDisk.read(&path).unwrap();
        assert_eq!(decode(&bytes, &DedupHasher::new(&Secret::random())), None);
        RealDisk.rename(&path, &dir.index(Seq(4))).unwrap();
        assert_eq!(SegmentIndex::read(&RealDisk, &dir, Seq(4)).unwrap(), None);

        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 0x10;
            assert_eq!(decode(&changed, &hasher), None, "byte {position}");
            assert_eq!(decode(&bytes[..position], &hasher), None, "cut at {position}");
        }
    }
}
