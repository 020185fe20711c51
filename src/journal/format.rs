//! The bytes of a journal record. The only file that knows their offsets.
//!
//! Input: a batch's parts, and the numbers that the committer gives it. Output: the bytes of its record, and back. Never:
//! takes bytes for a record that was not written under the data directory's secret.
//!
//! A segment is a sequence of records and nothing else. All integers are little-endian. A record:
//!
//! | offset | bytes | field |
//! |-------:|------:|-------|
//! | 0  | 4  | `LAJ` and the format version as a digit: `LAJ2` |
//! | 4  | 4  | length of the whole record, this header included |
//! | 8  | 8  | header checksum: XXH3-64 of bytes 16..94, seeded with bytes 0..8 read as one integer |
//! | 16 | 8  | tag: SipHash-2-4 of bytes 0..8 and 24..94 under the record key |
//! | 24 | 8  | payload checksum: XXH3-64 of bytes 94..length |
//! | 32 | 8  | seq |
//! | 40 | 8  | durableThrough: every record up to this seq was durable when this one was written |
//! | 48 | 8  | time of receipt, milliseconds since 1970-01-01T00:00Z |
//! | 56 | 16 | fingerprint: XXH3-128 of the decoded body |
//! | 72 | 4  | entries in the batch |
//! | 76 | 4  | length of the decoded body |
//! | 80 | 4  | length of the body as stored |
//! | 84 | 4  | length of the summary |
//! | 88 | 2  | length of the customer id |
//! | 90 | 2  | length of the batch id |
//! | 92 | 1  | body coding: 0 left out, 1 plain, 2 LZ4 block, 3 gzip as received, 4 zstd as received |
//! | 93 | 1  | flags: bit 0, the batch id was made by the server; bit 1, the body is NDJSON; bit 2, it is log lines; bit 3, a deletion |
//! | 94 |    | payload: customer id, batch id, summary (see [`super::summary`]), body as stored |
//!
//! Of log lines (bit 2) the body as stored begins with the parameters they were read by: the length of their text (2 bytes) and
//! the text, see [`crate::entry::LineParameters`]. It has them where the body itself is left out, too. The fingerprint of log
//! lines is seeded by their parameters, see [`crate::batch::Content::fingerprint`].
//!
//! The checksums are two so that the threads that make batches can compute the long one: the committer fills in seq,
//! durableThrough and time, and hashes 86 bytes. The time of receipt never falls from one record to the next, even where
//! the clock does, so that a record's time bounds what all records before it can hold.
//!
//! The checksums find torn and damaged bytes; anybody could compute them. The tag cannot be computed without the data
//! directory's secret: the record key is SipHash-2-4-128 of `log-analytics journal record` under the 16 bytes of the file
//! `secret`. So a record that a client puts into a body or a path is never taken for one of the journal's own, wherever
//! damage makes a reader search for the next record. A record in its place whose checksum is right and whose tag is wrong
//! was written under another secret: [`Invalid::WrongSecret`].
//!
//! # Deletions
//!
//! A record with flag bit 3 deletes its customer: its records up to this one do not exist any more, nor do windows that hold none
//! after it. It is a batch of nothing: an id made by the server (flag bit 0), a summary of seven zero bytes, no body.
//!
//! # Worked example
//!
//! Under a secret of the bytes 0, 1, … 15: customer `acme`, batch id `k1`, record 7 after 6 was durable, one entry, an
//! empty summary and the plain body `[]`, received at 1766945000000, is these 102 bytes (the test
//! `the_worked_example_is_encoded_and_decoded` compares them):
//!
//! ```text
//! 4c414a32 66000000 5a2680d834a0249e 3f57fbedc4869c37 4392e88b6fd06837
//! 0700000000000000 0600000000000000 400a21669b010000
//! 6aac300e115411833dc5b602f47f3439 01000000 02000000 02000000 00000000 0400 0200 01 00
//! 61636d65 6b31 5b5d
//! ```

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub use super::body_coding::BodyCoding;
pub use super::invalid::Invalid;
use super::summary;
use crate::base::secret::{Secret, Subkey};
use crate::batch::{Content, Format};
use crate::data_dir::FORMAT_VERSION;
use crate::model::{BatchId, CustomerId, MAX_BATCH_ID_BYTES, Seq, Summary};

/// The first bytes of every record.
pub const MAGIC: [u8; 4] = [b'L', b'A', b'J', b'0' + FORMAT_VERSION];
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 94;
/// No record is longer. A length above it is damage, not a record: the largest batch the limits can be set to
/// stays far below.
pub const MAX_RECORD_BYTES: usize = 512 * 1024 * 1024;

/// The key that records are tagged under.
#[derive(Clone, Copy, Debug)]
pub struct RecordKey(Subkey);

impl RecordKey {
    /// The record key of this data directory.
    pub fn new(secret: &Secret) -> Self {
        Self(secret.subkey("log-analytics journal record"))
    }

    fn tag(&self, header: &[u8]) -> u64 {
        self.0.hash64(&[&header[..8], &header[24..HEADER_BYTES]])
    }
}

const FLAG_SERVER_MADE_ID: u8 = 1;
const FLAG_NDJSON: u8 = 2;
const FLAG_LINES: u8 = 4;
const FLAG_DELETION: u8 = 8;
const KNOWN_FLAGS: u8 = FLAG_SERVER_MADE_ID | FLAG_NDJSON | FLAG_LINES | FLAG_DELETION;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the whole record.
    pub record_bytes: u32,
    payload_checksum: u64,
    /// How the body is stored.
    pub body_coding: BodyCoding,
    /// The client sent no key, so the batch cannot be deduplicated.
    pub server_made_id: bool,
    /// The decoded body is NDJSON.
    is_ndjson: bool,
    /// It is log lines; if it is neither, a JSON array.
    is_lines: bool,
    /// Not a batch: the customer was deleted.
    pub is_deletion: bool,
    /// Entries in the batch.
    pub entries: u32,
    pub seq: Seq,
    /// Every record up to this was durable when this one was written.
    pub durable_through: Seq,
    /// When the batch was received.
    pub received_at_ms: u64,
    /// XXH3-128 of the decoded body.
    pub fingerprint: u128,
    /// Length of the decoded body.
    pub body_bytes: u32,
    stored_body_bytes: u32,
    summary_bytes: u32,
    customer_bytes: u16,
    batch_id_bytes: u16,
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(bytes[offset..offset + 2].try_into().expect("two bytes"))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().expect("eight bytes"))
}

/// The format version that a segment's first bytes name; `None` where they name none.
pub fn version(bytes: &[u8]) -> Option<u8> {
    let digit = bytes.strip_prefix(b"LAJ")?.first()?;
    digit.is_ascii_digit().then(|| digit - b'0')
}

fn header_checksum(bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(&bytes[16..HEADER_BYTES], u64_at(bytes, 0))
}

impl Header {
    /// Reads a header and checks everything that can be checked without the payload.
    pub fn decode(bytes: &[u8], key: &RecordKey) -> Result<Header, Invalid> {
        if bytes.len() < HEADER_BYTES {
            return Err(Invalid::Truncated);
        }
        if bytes[..4] != MAGIC {
            return Err(Invalid::Magic);
        }
        if u64_at(bytes, 8) != header_checksum(bytes) {
            return Err(Invalid::HeaderChecksum);
        }
        if u64_at(bytes, 16) != key.tag(bytes) {
            return Err(Invalid::WrongSecret);
        }
        let flags = bytes[93];
        if flags & !KNOWN_FLAGS != 0 {
            return Err(Invalid::Content("the record has unknown flags"));
        }
        let header = Header {
            record_bytes: u32_at(bytes, 4),
            payload_checksum: u64_at(bytes, 24),
            body_coding: BodyCoding::of_code(bytes[92])
                .ok_or(Invalid::Content("the record has an unknown body coding"))?,
            server_made_id: flags & FLAG_SERVER_MADE_ID != 0,
            is_ndjson: flags & FLAG_NDJSON != 0,
            is_lines: flags & FLAG_LINES != 0,
            is_deletion: flags & FLAG_DELETION != 0,
            entries: u32_at(bytes, 72),
            seq: Seq(u64_at(bytes, 32)),
            durable_through: Seq(u64_at(bytes, 40)),
            received_at_ms: u64_at(bytes, 48),
            fingerprint: u128::from_le_bytes(bytes[56..72].try_into().expect("sixteen bytes")),
            body_bytes: u32_at(bytes, 76),
            stored_body_bytes: u32_at(bytes, 80),
            summary_bytes: u32_at(bytes, 84),
            customer_bytes: u16_at(bytes, 88),
            batch_id_bytes: u16_at(bytes, 90),
        };
        let payload = u64::from(header.customer_bytes)
            + u64::from(header.batch_id_bytes)
            + u64::from(header.summary_bytes)
            + u64::from(header.stored_body_bytes);
        if HEADER_BYTES as u64 + payload != u64::from(header.record_bytes)
            || header.record_bytes as usize > MAX_RECORD_BYTES
        {
            return Err(Invalid::Length);
        }
        if header.durable_through >= header.seq {
            return Err(Invalid::Content("the record calls itself durable before it was written"));
        }
        if header.is_deletion
            && (flags != FLAG_SERVER_MADE_ID | FLAG_DELETION
                || (header.entries, header.body_bytes, header.stored_body_bytes) != (0, 0, 0))
        {
            return Err(Invalid::Content("the record deletes a customer and holds a batch"));
        }
        Ok(header)
    }

    /// How many bytes of the payload, from its beginning, name the batch: enough for [`Header::names`].
    pub fn name_bytes(&self) -> usize {
        usize::from(self.customer_bytes) + usize::from(self.batch_id_bytes)
    }

    /// Customer and batch id, from at least the first [`Header::name_bytes`] of the payload.
    ///
    /// # Errors
    /// [`Invalid::Content`] where they break their rules.
    pub fn names(&self, payload: &[u8]) -> Result<(CustomerId, BatchId), Invalid> {
        let text = std::str::from_utf8(&payload[..self.name_bytes()])
            .map_err(|_| Invalid::Content("the record's names are not ASCII"))?;
        let (customer, batch_id) = text
            .split_at_checked(usize::from(self.customer_bytes))
            .ok_or(Invalid::Content("the record's names are not ASCII"))?;
        Ok((
            CustomerId::new(customer).ok_or(Invalid::Content("the record's customer id is invalid"))?,
            BatchId::new(batch_id).ok_or(Invalid::Content("the record's batch id is invalid"))?,
        ))
    }
}

/// One whole record, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What it says besides its payload.
    pub header: Header,
    payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record that begins at the first byte and checks both checksums. Bytes behind it are ignored.
    pub fn decode(bytes: &'a [u8], key: &RecordKey) -> Result<Record<'a>, Invalid> {
        let header = Header::decode(bytes, key)?;
        let payload = bytes.get(HEADER_BYTES..header.record_bytes as usize).ok_or(Invalid::Truncated)?;
        if xxh3_64(payload) != header.payload_checksum {
            return Err(Invalid::PayloadChecksum);
        }
        Ok(Record { header, payload })
    }

    /// Customer and batch id.
    ///
    /// # Errors
    /// [`Invalid::Content`] where they break their rules.
    pub fn names(&self) -> Result<(CustomerId, BatchId), Invalid> {
        self.header.names(self.payload)
    }

    /// The summary as it lies in the record, for [`super::summary::decode`].
    pub fn summary(&self) -> &'a [u8] {
        let start = self.header.name_bytes();
        &self.payload[start..start + self.header.summary_bytes as usize]
    }

    /// The body as it lies in the record.
    pub fn stored_body(&self) -> &'a [u8] {
        self.parameters_and_body().1
    }

    /// What the decoded body is.
    ///
    /// # Errors
    /// [`Invalid::Content`] if the parameters of log lines are invalid.
    pub fn content(&self) -> Result<Content, Invalid> {
        let name = match (self.header.is_ndjson, self.header.is_lines) {
            (false, false) => "json-array",
            (true, false) => "ndjson",
            (_, true) => "log-lines",
        };
        let parameters = self.parameters_and_body().0.map(std::str::from_utf8).transpose();
        let content = parameters.ok().and_then(|parameters| Content::named(name, parameters));
        content.ok_or(Invalid::Content("the record's parameters of log lines are invalid"))
    }

    fn parameters_and_body(&self) -> (Option<&'a [u8]>, &'a [u8]) {
        let stored = &self.payload[self.payload.len() - self.header.stored_body_bytes as usize..];
        if !self.header.is_lines {
            return (None, stored);
        }
        let (length, rest) = stored.split_at(stored.len().min(2));
        let bytes = length.first_chunk().map_or(0, |length| usize::from(u16::from_le_bytes(*length)));
        let (parameters, body) = rest.split_at(rest.len().min(bytes));
        (Some(parameters), body)
    }
}

/// The parts of a record, except the numbers that the committer gives it.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    pub customer: &'a CustomerId,
    pub batch_id: &'a BatchId,
    /// The client sent no key.
    pub server_made_id: bool,
    /// What the decoded body is.
    pub content: &'a Content,
    /// Entries in the batch.
    pub entries: u32,
    /// XXH3-128 of the decoded body.
    pub fingerprint: u128,
    /// Length of the decoded body.
    pub body_bytes: u32,
}

/// A record without its numbers: made by a connection's thread, finished by the committer.
#[derive(Clone, Debug)]
pub struct RecordDraft {
    bytes: Vec<u8>,
}

impl RecordDraft {
    /// Builds the record. `write_summary` and `write_body` append to the buffer; the latter says in which coding.
    pub fn new(
        parts: Parts<'_>,
        capacity_bytes: usize,
        write_summary: impl FnOnce(&mut Vec<u8>),
        write_body: impl FnOnce(&mut Vec<u8>) -> BodyCoding,
    ) -> RecordDraft {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + capacity_bytes);
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend_from_slice(parts.customer.as_str().as_bytes());
        bytes.extend_from_slice(parts.batch_id.as_str().as_bytes());
        let summary_start = bytes.len();
        write_summary(&mut bytes);
        let body_start = bytes.len();
        if let Some(parameters) = parts.content.parameters() {
            let length = u16::try_from(parameters.len()).expect("parameters are limited to 16 KiB");
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(parameters.as_bytes());
        }
        let coding = write_body(&mut bytes);
        assert!(bytes.len() <= MAX_RECORD_BYTES, "limits keep records under {MAX_RECORD_BYTES} bytes");

        let record_bytes = bytes.len();
        let mut flags = 0;
        if parts.server_made_id {
            flags |= FLAG_SERVER_MADE_ID;
        }
        flags |= match parts.content {
            Content::Json(Format::JsonArray) => 0,
            Content::Json(Format::Ndjson) => FLAG_NDJSON,
            Content::Lines(_) => FLAG_LINES,
        };
        let long = |bytes: usize| u32::try_from(bytes).expect("a record is shorter than 4 GiB").to_le_bytes();
        let short = |text: &str| u16::try_from(text.len()).expect("ids are short").to_le_bytes();
        let mut put =
            |offset: usize, field: &[u8]| bytes[offset..offset + field.len()].copy_from_slice(field);
        put(0, &MAGIC);
        put(4, &long(record_bytes));
        put(56, &parts.fingerprint.to_le_bytes());
        put(72, &parts.entries.to_le_bytes());
        put(76, &parts.body_bytes.to_le_bytes());
        put(80, &long(record_bytes - body_start));
        put(84, &long(body_start - summary_start));
        put(88, &short(parts.customer.as_str()));
        put(90, &short(parts.batch_id.as_str()));
        put(92, &[coding.code(), flags]);
        let checksum = xxh3_64(&bytes[HEADER_BYTES..]);
        bytes[24..32].copy_from_slice(&checksum.to_le_bytes());
        RecordDraft { bytes }
    }

    /// Builds the record that deletes a customer.
    pub fn deletion(customer: &CustomerId, id: &BatchId) -> RecordDraft {
        let parts = Parts {
            customer,
            batch_id: id,
            server_made_id: true,
            content: &Content::Json(Format::JsonArray),
            entries: 0,
            fingerprint: 0,
            body_bytes: 0,
        };
        let write_summary = |bytes: &mut Vec<u8>| summary::encode(&Summary::default(), bytes);
        let mut draft =
            RecordDraft::new(parts, customer.as_str().len() + MAX_BATCH_ID_BYTES, write_summary, |_| {
                BodyCoding::Dropped
            });
        draft.bytes[93] |= FLAG_DELETION;
        draft
    }

    /// Fills in the numbers, the time of receipt, the tag and the header checksum. May be called again with others.
    pub fn number(&mut self, seq: Seq, durable_through: Seq, received_at_ms: u64, key: &RecordKey) {
        assert!(durable_through < seq, "a record is not durable before it is written");
        self.bytes[32..40].copy_from_slice(&seq.0.to_le_bytes());
        self.bytes[40..48].copy_from_slice(&durable_through.0.to_le_bytes());
        self.bytes[48..56].copy_from_slice(&received_at_ms.to_le_bytes());
        let tag = key.tag(&self.bytes);
        self.bytes[16..24].copy_from_slice(&tag.to_le_bytes());
        let checksum = header_checksum(&self.bytes);
        self.bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
    }

    /// The number that [`RecordDraft::number`] gave it.
    pub fn seq(&self) -> Seq {
        Seq(u64_at(&self.bytes, 32))
    }

    /// The record; only after [`RecordDraft::number`] is it valid.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
