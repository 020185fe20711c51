//! The bytes of a summary inside a journal record. Replay applies them, so that a later agent table, limit or clock
//! cannot change what a batch counted.
//!
//! Input: a [`Summary`], or the bytes of one. Output: the other.
//! Never: a summary that breaks a promise of its type, whatever the bytes are.
//!
//! Numbers are LEB128: seven bits a byte, the lowest first, the eighth bit set where another byte follows, and no more
//! bytes than needed. Nearly all are small, so that a row of counts takes three bytes instead of twelve.
//!
//! ```text
//! entries   minutes
//! keys of each dimension:  keys × { bytes, text }                      sorted, distinct
//! minutes × {
//!     minute                       since 1970-01-01T00:00Z; from the second on, behind the one before
//!     all:     requests, measures
//!     robots:  requests, measures
//!     visitors: bytes, text        see measures::Visitors
//!     counts of each dimension: rows, is measured (0 or 1),
//!         rows × { index, requests, robots, measures if measured }
//! }
//! measures: bytes, microseconds, cells × { cell, count }
//! ```
//!
//! Before keys, rows and cells stands how many there are. The dimensions are those of [`crate::dimension::DIMENSIONS`], in
//! their order. The index of a row and the number of a cell are given as their distance from the one before (from −1 for
//! the first), less one.
//!
//! # Worked example
//!
//! One request `GET /` by curl to `example.com` at 2025-12-28T18:03, answered 200 with 512 bytes in a quarter of a second,
//! from a client whose hash is 0x0420000000000000 (the test `the_worked_example_is_encoded_and_decoded` compares the bytes):
//!
//! ```text
//! 01 01                                      entries, minutes
//! 01 05 474554202f                           one path
//! 01 04 6375726c                             one family
//! 01 0b 6578616d706c652e636f6d               one host
//! 00 00                                      neither referrers nor countries
//! fbb6850e                                   the minute
//! 01 8004 90a10f 02 c80101 af0701            all: requests, bytes, microseconds, two cells
//! 00 00 00 00                                robots
//! 03 303170                                  visitors: register 66 at 53
//! 01 01 00 01 00 8004 90a10f 02 c80101 af0701  by path
//! 01 00 00 01 00                             by family
//! 01 01 00 01 00 8004 90a10f 02 c80101 af0701  by host
//! 00 00 00 00                                by referrer and country
//! ```

use std::sync::Arc;

use super::format::Invalid;
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS};
use crate::measures::{Cell, MeasureRow, Measures, Totals, Visitors};
use crate::model::{Counts, KeyCount, KeyCounts, KeyTable, Keys, Summary, WindowStart};

/// Appends a summary.
pub fn encode(summary: &Summary, out: &mut Vec<u8>) {
    put(out, u64::from(summary.entries));
    put(out, summary.minutes.len() as u64);
    for table in &summary.keys.tables {
        put(out, table.len() as u64);
        for key in table.iter() {
            put_bytes(out, key.as_bytes());
        }
    }
    let mut before = 0;
    for (start, counts) in &summary.minutes {
        put(out, u64::from(start.0 - before));
        before = start.0;
        put_totals(out, &counts.all);
        put_totals(out, &counts.robots);
        let mut visitors = String::new();
        counts.visitors.push_text(&mut visitors);
        put_bytes(out, visitors.as_bytes());
        counts.by.iter().for_each(|by| put_key_counts(out, by));
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_totals(out: &mut Vec<u8>, totals: &Totals) {
    put(out, totals.requests);
    put(out, totals.measures.response_bytes);
    put(out, totals.measures.duration_micros);
    put_cells(out, totals.measures.cells());
}

fn put_cells(out: &mut Vec<u8>, cells: impl Iterator<Item = (Cell, u64)> + Clone) {
    put(out, cells.clone().count() as u64);
    let mut next = 0;
    for (cell, count) in cells {
        put(out, u64::from(cell.number() - next));
        put(out, count);
        next = cell.number() + 1;
    }
}

fn put_key_counts(out: &mut Vec<u8>, by: &KeyCounts) {
    let is_measured = !by.measures.is_empty();
    put(out, by.rows.len() as u64);
    put(out, u64::from(is_measured));
    let mut next = 0;
    for (place, row) in by.rows.iter().enumerate() {
        put(out, u64::from(row.index - next));
        put(out, u64::from(row.requests));
        put(out, u64::from(row.robots));
        next = row.index + 1;
        if is_measured {
            let MeasureRow { response_bytes, duration_micros, cells } = by.measures.get(place);
            put(out, response_bytes);
            put(out, duration_micros);
            put_cells(out, cells.iter().map(|(cell, count)| (*cell, u64::from(*count))));
        }
    }
}

/// The first minute of a summary, without reading the others; `None` where the bytes are not a summary.
pub fn first_minute(bytes: &[u8]) -> Option<WindowStart> {
    let mut reader = SummaryReader { bytes };
    let _entries_and_minutes = (reader.number().ok()?, reader.number().ok()?);
    for _ in 0..DIMENSION_COUNT {
        for _ in 0..reader.number_u32().ok()? {
            reader.bytes().ok()?;
        }
    }
    reader.number_u32().ok().map(WindowStart)
}

/// Reads a summary back and checks that its sums hold.
///
/// # Errors
/// [`Invalid::Content`] for anything [`encode`] would not have written. The checksums around it make that a bug
/// or a forgery, not damage.
pub fn decode(bytes: &[u8]) -> Result<Summary, Invalid> {
    let mut reader = SummaryReader { bytes };
    let entries = reader.number_u32()?;
    let minutes = reader.number_u32()?;
    let mut keys = Keys::default();
    for table in &mut keys.tables {
        *table = reader.key_table()?;
    }
    let mut windows: Vec<(WindowStart, Arc<Counts>)> = Vec::new();
    let mut total = 0;
    for _ in 0..minutes {
        let distance = reader.number_u32()?;
        let start = match windows.last() {
            None => Some(distance),
            Some((before, _)) if distance > 0 => before.0.checked_add(distance),
            Some(_) => None,
        };
        let start = WindowStart(start.ok_or(Invalid::Content("the summary's minutes do not ascend"))?);
        let counts = reader.counts(&keys)?;
        total += counts.all.requests;
        windows.push((start, Arc::new(counts)));
    }
    if total != u64::from(entries) || !reader.bytes.is_empty() {
        return Err(Invalid::Content("the summary does not sum up"));
    }
    Ok(Summary { entries, keys: Arc::new(keys), minutes: windows })
}

struct SummaryReader<'a> {
    bytes: &'a [u8],
}

const CUT_SHORT: Invalid = Invalid::Content("the summary is cut short");
const NUMBER: Invalid = Invalid::Content("a number of the summary is out of range");
const SUMS: Invalid = Invalid::Content("the summary's counts do not sum to its requests");

impl<'a> SummaryReader<'a> {
    #[inline]
    fn number(&mut self) -> Result<u64, Invalid> {
        match self.bytes.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.bytes = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, Invalid> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let (byte, rest) = self.bytes.split_first().ok_or(CUT_SHORT)?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if *byte < 0x80 {
                // A last byte of zero would be another form of the same number.
                return if *byte == 0 { Err(NUMBER) } else { Ok(number) };
            }
        }
        Err(NUMBER)
    }

    #[inline]
    fn number_u32(&mut self) -> Result<u32, Invalid> {
        u32::try_from(self.number()?).map_err(|_| NUMBER)
    }

    fn bytes(&mut self) -> Result<&'a [u8], Invalid> {
        let bytes = self.number_u32()? as usize;
        let (taken, rest) = self.bytes.split_at_checked(bytes).ok_or(CUT_SHORT)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn key_table(&mut self) -> Result<KeyTable, Invalid> {
        let mut table = KeyTable::default();
        let mut before = None;
        for _ in 0..self.number_u32()? {
            let key = std::str::from_utf8(self.bytes()?)
                .map_err(|_| Invalid::Content("the summary's keys are not UTF-8"))?;
            if before.is_some_and(|before| before >= key) {
                return Err(Invalid::Content("the summary's keys do not ascend"));
            }
            before = Some(key);
            table.push(key);
        }
        Ok(table)
    }

    fn counts(&mut self, keys: &Keys) -> Result<Counts, Invalid> {
        let (all, robots) = (self.totals()?, self.totals()?);
        let visitors = Visitors::from_text(self.bytes()?)
            .ok_or(Invalid::Content("the summary's visitors cannot be read"))?;
        let mut by: [KeyCounts; DIMENSION_COUNT] = Default::default();
        for ((by, dimension), table) in by.iter_mut().zip(&DIMENSIONS).zip(&keys.tables) {
            *by = self.key_counts(table.len() as u32)?;
            let requests = by.requests();
            let is_sum = match dimension.source.is_in_every_entry() {
                true => requests == all.requests,
                false => requests <= all.requests,
            };
            if !is_sum || (!dimension.is_measured && !by.measures.is_empty()) {
                return Err(SUMS);
            }
        }
        if robots.requests > all.requests {
            return Err(SUMS);
        }
        Ok(Counts { all, robots, visitors, by })
    }

    fn totals(&mut self) -> Result<Totals, Invalid> {
        let requests = u64::from(self.number_u32()?);
        let (response_bytes, micros) = (self.number()?, self.number()?);
        let mut measures = Measures::new(response_bytes, micros);
        let mut cells = Vec::new();
        self.cells(&mut cells)?;
        cells.iter().for_each(|(cell, count)| measures.add_cell(*cell, u64::from(*count)));
        Ok(Totals { requests, measures })
    }

    fn cells(&mut self, cells: &mut Vec<(Cell, u32)>) -> Result<(), Invalid> {
        let mut next = 0u32;
        for _ in 0..self.number_u32()? {
            let number = self.number_u32()?.saturating_add(next);
            let cell = u16::try_from(number).ok().and_then(Cell::from_number).ok_or(NUMBER)?;
            next = number + 1;
            let count = self.number_u32()?;
            if count == 0 {
                return Err(NUMBER);
            }
            cells.push((cell, count));
        }
        Ok(())
    }

    fn key_counts(&mut self, keys: u32) -> Result<KeyCounts, Invalid> {
        let rows = self.number_u32()?;
        let is_measured = match self.number()? {
            0 => false,
            1 if rows > 0 => true,
            _ => return Err(NUMBER),
        };
        let mut counts =
            KeyCounts { rows: Vec::with_capacity(rows.min(keys) as usize), ..KeyCounts::default() };
        let mut cells = Vec::new();
        let mut next = 0u32;
        for _ in 0..rows {
            let index = self.number_u32()?.saturating_add(next);
            if index >= keys {
                return Err(Invalid::Content("the summary's counts name no key"));
            }
            next = index + 1;
            let row = KeyCount { index, requests: self.number_u32()?, robots: self.number_u32()? };
            if row.requests == 0 || row.robots > row.requests {
                return Err(SUMS);
            }
            counts.rows.push(row);
            if is_measured {
                let (response_bytes, micros) = (self.number()?, self.number()?);
                cells.clear();
                self.cells(&mut cells)?;
                counts.measures.push(response_bytes, micros, cells.drain(..));
            }
        }
        if is_measured && counts.measures.iter().all(|row| row.is_empty()) {
            return Err(Invalid::Content("the summary's measures are empty"));
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measures::MAX_SUM;

    fn summary() -> Summary {
        let mut keys = Keys::default();
        keys.tables[0] = ["GET /", "GET /é"].into_iter().collect();
        keys.tables[1] = ["Chrome", "GPTBot"].into_iter().collect();
        keys.tables[2] = ["example.com"].into_iter().collect();
        let row = |index, requests, robots| KeyCount { index, requests, robots };
        let mut first = Counts::default();
        first.all.requests = 300;
        first.all.measures.response_bytes = 70_000;
        first.all.measures.duration_micros = 1_000_001;
        first.all.measures.add_cell(Cell::status(200).unwrap(), 299);
        first.all.measures.add_cell(Cell::duration(1_000_001), 1);
        first.robots.requests = 2;
        first.visitors.insert(1 << 63);
        first.by[0].rows = vec![row(0, 1, 0), row(1, 299, 2)];
        first.by[0].measures.push(70_000, 0, []);
        first.by[0].measures.push(
            0,
            1_000_001,
            [(Cell::status(200).unwrap(), 299), (Cell::duration(1_000_001), 1)],
        );
        first.by[1].rows = vec![row(0, 298, 0), row(1, 2, 2)];
        first.by[2].rows = vec![row(0, 7, 0)];
        let mut second = Counts::default();
        second.all.requests = 1;
        second.by[0].rows = vec![row(1, 1, 0)];
        second.by[1].rows = vec![row(0, 1, 0)];
        let minutes = vec![(WindowStart(10), Arc::new(first)), (WindowStart(70), Arc::new(second))];
        Summary { entries: 301, keys: Arc::new(keys), minutes }
    }

    fn bytes(summary: &Summary) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(summary, &mut bytes);
        bytes
    }

    #[test]
    fn summaries_are_read_back_as_they_were() {
        assert_eq!(first_minute(&bytes(&summary())), Some(summary().minutes[0].0));
        for summary in [Summary::default(), summary()] {
            assert_eq!(decode(&bytes(&summary)).unwrap(), summary);
        }
    }

    #[test]
    fn the_worked_example_is_encoded_and_decoded() {
        let mut counts = Counts::default();
        counts.all.requests = 1;
        counts.all.measures = Measures::new(512, 250_000);
        let cells = [Cell::status(200).unwrap(), Cell::duration(250_000)];
        cells.iter().for_each(|cell| counts.all.measures.add_cell(*cell, 1));
        counts.visitors.insert(0x0420_0000_0000_0000);
        let mut keys = Keys::default();
        for (dimension, key) in ["GET /", "curl", "example.com"].into_iter().enumerate() {
            keys.tables[dimension] = [key].into_iter().collect();
            counts.by[dimension].rows = vec![KeyCount { index: 0, requests: 1, robots: 0 }];
            if DIMENSIONS[dimension].is_measured {
                counts.by[dimension].measures.push(512, 250_000, cells.map(|cell| (cell, 1)));
            }
        }
        let minutes = vec![(WindowStart(29_449_083), Arc::new(counts))];
        let example = Summary { entries: 1, keys: Arc::new(keys), minutes };
        let hex: String = bytes(&example).iter().map(|byte| format!("{byte:02x}")).collect();
        let block = include_str!("summary.rs").split("```text").nth(2).unwrap();
        let lines = block.split("```").next().unwrap().lines().skip(1);
        let documented: String =
            lines.flat_map(|line| line.trim_start_matches("//!").split("  ").next()).collect();
        assert_eq!(hex, documented.replace(' ', ""));
        assert_eq!(decode(&bytes(&example)).unwrap(), example);
    }

    #[test]
    fn no_cut_or_changed_summary_panics_or_sums_wrong() {
        let whole = bytes(&summary());
        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut]).is_err(), "cut at {cut}");
        }
        for position in 0..whole.len() {
            for value in 0..=255 {
                let mut changed = whole.clone();
                changed[position] = value;
                if let Ok(read) = decode(&changed) {
                    let sum: u32 = read.minutes.iter().map(|(_, counts)| counts.requests()).sum();
                    assert_eq!(sum, read.entries);
                    assert_eq!(bytes(&read), changed, "there is one form");
                }
            }
        }
    }

    #[test]
    fn numbers_have_one_form_and_stay_below_the_largest_sum() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), MAX_SUM] {
            let mut bytes = Vec::new();
            put(&mut bytes, number);
            let mut reader = SummaryReader { bytes: &bytes };
            assert_eq!((reader.number().unwrap(), reader.bytes.len()), (number, 0));
        }
        for bytes in [&[0x80, 0x00][..], &[0xFF; 9], &[0x80], &[]] {
            assert!(SummaryReader { bytes }.number().is_err(), "{bytes:?}");
        }
    }
}
