//! The journal as a source of bodies: reads its records from front to back; the rayon pool works on them.
//!
//! Input: a customer and minutes. Output: the bodies that may hold their entries. Records are skipped by their
//! headers: one that was received more than a day before the minutes holds none of them, because entries are at most
//! a day ahead of the clock; nor does one whose first minute is behind them. Never: a body whose record is damaged.

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use rayon::prelude::*;

use super::Engine;
use crate::base::disk::{Disk, if_exists};
use crate::base::secret::Subkey;
use crate::batch::{Content, MAX_FUTURE_MS};
use crate::data_dir::DataDir;
use crate::journal::bodies::decoded_body;
use crate::journal::format::BodyCoding;
use crate::journal::reader::{JournalFiles, JournalReader, JournalRecord, JournalSegment};
use crate::journal::summary;
use crate::model::{CustomerId, Seq, WindowStart};
use crate::query::bodies::{BodySource, BodyTask, StoredBody};
use crate::query::{Meter, QueryError};
use crate::time;

/// Decoded bytes that are worked on together: enough for all threads, and little beside what a query may hold.
const CHUNK_BYTES: usize = 16 << 20;

/// A body as it is stored.
struct HeldBody {
    seq: Seq,
    coding: BodyCoding,
    content: Content,
    body_bytes: usize,
    stored: Vec<u8>,
}

impl HeldBody {
    fn of(found: &JournalRecord<'_>) -> Result<Self, QueryError> {
        let header = &found.record.header;
        let content = found.record.content();
        Ok(Self {
            seq: header.seq,
            coding: header.body_coding,
            content: content
                .map_err(|why| QueryError::Unreadable(format!("record {}: {why}", header.seq)))?,
            body_bytes: header.body_bytes as usize,
            stored: found.record.stored_body().to_vec(),
        })
    }

    /// `None` if the journal does not keep it.
    fn decoded(&self) -> Result<Option<Cow<'_, [u8]>>, QueryError> {
        decoded_body(self.coding, &self.stored, self.body_bytes)
            .map_err(|error| QueryError::Unreadable(format!("record {}: {error}", self.seq)))
    }

    fn work(&self, task: BodyTask<'_>) -> Result<(), QueryError> {
        let Some(bytes) = self.decoded()? else { return Ok(()) };
        task(StoredBody { seq: self.seq, content: &self.content, bytes: &bytes })
    }
}

/// The bodies that wait for the pool.
struct BodyChunk<'t> {
    bodies: Vec<HeldBody>,
    bytes: usize,
    task: BodyTask<'t>,
}

impl BodyChunk<'_> {
    fn push(&mut self, body: HeldBody) -> Result<(), QueryError> {
        self.bytes += body.body_bytes;
        self.bodies.push(body);
        if self.bytes < CHUNK_BYTES { Ok(()) } else { self.work() }
    }

    fn work(&mut self) -> Result<(), QueryError> {
        self.bytes = 0;
        let task = self.task;
        std::mem::take(&mut self.bodies).into_par_iter().try_for_each(|body| body.work(task))
    }
}

/// The bodies of a data directory's journal.
pub(crate) struct JournalBodies<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) dir: &'a DataDir,
    /// The record of the customer's last deletion.
    pub(crate) deleted_through: Seq,
}

impl BodySource for Engine {
    fn scan(
        &self,
        customer: &CustomerId,
        minutes: &Range<WindowStart>,
        meter: &mut Meter,
        task: BodyTask<'_>,
    ) -> Result<u64, QueryError> {
        if !self.shared.options.keep_bodies {
            return Err(QueryError::NoBodies);
        }
        let deleted_through = self.shared.counted.deleted_through(customer);
        JournalBodies { disk: &*self.shared.disk, dir: &self.shared.dir, deleted_through }
            .scan(customer, minutes, meter, task)
    }

    fn visitor_key(&self) -> Subkey {
        crate::intake::Intake::visitor_key(self)
    }
}

impl JournalBodies<'_> {
    pub(crate) fn scan(
        &self,
        customer: &CustomerId,
        minutes: &Range<WindowStart>,
        meter: &mut Meter,
        task: BodyTask<'_>,
    ) -> Result<u64, QueryError> {
        let from_ms = time::start_ms(minutes.start);
        let mut complete_since_ms = from_ms;
        let mut chunk = BodyChunk { bodies: Vec::new(), bytes: 0, task };
        let mut reader = self.reader_from(from_ms, &mut complete_since_ms).map_err(unreadable)?;
        while let Some(mut segment) = reader.next_segment().map_err(unreadable)? {
            // Reading stops at damage, and at a record that is being written now.
            while let Some(found) = segment.next_record().map_err(unreadable)? {
                let header = &found.record.header;
                meter.check_time()?;
                let is_later =
                    || summary::first_minute(found.record.summary()).is_none_or(|first| first >= minutes.end);
                if found.customer != *customer
                    || header.seq <= self.deleted_through
                    || header.is_deletion
                    || header.received_at_ms + MAX_FUTURE_MS < from_ms
                    || is_later()
                {
                    continue;
                }
                if header.body_coding == BodyCoding::Dropped {
                    complete_since_ms = complete_since_ms.max(header.received_at_ms + 1);
                    continue;
                }
                meter.charge_body(u64::from(header.body_bytes))?;
                chunk.push(HeldBody::of(&found)?)?;
            }
        }
        chunk.work()?;
        Ok(complete_since_ms)
    }

    /// Reads the journal from the first segment that may hold entries from `from_ms` on. If retention removed older
    /// segments that may have held some, raises `complete_since_ms` to the oldest time of receipt that is left.
    fn reader_from(&self, from_ms: u64, complete_since_ms: &mut u64) -> io::Result<JournalReader<'_>> {
        let (disk, dir) = (self.disk, self.dir);
        let firsts = JournalFiles::list(disk, dir)?.firsts();
        let mut start = 0;
        for (place, first) in firsts.iter().enumerate().rev() {
            let Some(mut segment) = if_exists(JournalSegment::open(disk, dir, *first, None))? else {
                break; // Retention was faster.
            };
            let received_at_ms = segment.next_record()?.map(|found| found.record.header.received_at_ms);
            if received_at_ms.is_some_and(|at| at + MAX_FUTURE_MS < from_ms) {
                start = place;
                break;
            }
            if place == 0 && first.0 > 1 {
                *complete_since_ms = received_at_ms.unwrap_or(from_ms).max(from_ms);
            }
        }
        Ok(JournalReader::of_segments(disk, dir, &firsts[start..]))
    }
}

/// Whether the body of a record begins with these lines, of which the last may be cut, and is read by the same parameters.
pub(super) fn begins_with(
    disk: &dyn Disk,
    dir: &DataDir,
    seq: Seq,
    content: &Content,
    lines: &[u8],
) -> Result<bool, QueryError> {
    let mut reader = JournalReader::open_after(disk, dir, Seq(seq.0 - 1)).map_err(unreadable)?;
    let Some(mut segment) = reader.next_segment().map_err(unreadable)? else { return Ok(false) };
    while let Some(found) = segment.next_record().map_err(unreadable)? {
        if found.record.header.seq == seq {
            let held = HeldBody::of(&found)?;
            let body = held.decoded()?;
            return Ok(body.is_some_and(|body| held.content.begins_with(&body, content, lines)));
        }
    }
    Ok(false)
}

fn unreadable(error: io::Error) -> QueryError {
    QueryError::Unreadable(format!("the journal: {error}"))
}
