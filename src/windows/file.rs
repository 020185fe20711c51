//! A window's file: how it is sealed, and the only reader of the canonical form of windows (which [`super::json`] describes).
//!
//! Input: the bytes of a file or the JSON of a record, and how much of it is wanted. Output: a [`WindowView`], or what is wrong.
//! Never: another form of the same window. A file in another form was not written by this program; its counts are not
//! guessed at.
//!
//! Behind the counts a file has `"incomplete":true`, where earlier counts were lost to damage; `appliedThrough`, the last
//! record merged into it; and the checksum over everything before it. Maps that are not wanted are jumped over: `},"` is
//! never inside a string, where a quote has a backslash before it.

use std::borrow::Cow;

use super::json::{FIELD_NAMES, Form, push_window};
use super::table::KeyTotals;
use super::text::{NOT_CANONICAL, Scan, Scanned, Unexpected};
use super::view::{KeyView, Wanted, WindowView, insert, take_beyond};
use crate::base::sealed::{SEAL_BYTES, is_sealed, seal_json};
use crate::dimension::{DIMENSION_COUNT, DIMENSIONS, OTHER};
use crate::measures::{MAX_SUM, Totals, Visitors};
use crate::model::{CustomerId, Seq, WindowId, WindowSize};
use crate::time;

/// Why a file is not the window it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// The checksum is wrong, or there is none.
    Checksum,
    /// The checksum holds, but the content is not a window: a bug or somebody else wrote it.
    Content(String),
    /// It is the window of another customer or of another time: the file was moved.
    Misplaced(String),
    /// The index of the packed day that may hold the window is damaged.
    PackIndex,
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Damaged::Checksum => f.write_str("the checksum is wrong"),
            Damaged::Content(what) => f.write_str(what),
            Damaged::Misplaced(whose) => write!(f, "the file holds the window of {whose}"),
            Damaged::PackIndex => f.write_str(
                "the index of this packed day is damaged: put the file back from a backup, or give its windows up with \
                 `log-analytics repair --accept-lost-windows`",
            ),
        }
    }
}

/// The bytes of a window's file. The view holds all keys.
pub fn encode(customer: &CustomerId, view: &WindowView<'_>) -> Vec<u8> {
    let keys = view.by.iter().flatten();
    let bytes =
        keys.map(|row| row.key.len() + 16 + row.measures.as_ref().map_or(0, |sums| sums.cell_words() * 12));
    let mut text = String::with_capacity(1_024 + bytes.sum::<usize>());
    push_window(&mut text, customer, view, Form::File);
    text.push_str(&format!(",\"appliedThrough\":{}", view.applied_through));
    seal_json(text).into_bytes()
}

/// Reads what is wanted of a file that should be the window `id` of `customer`.
pub fn decode<'a>(
    bytes: &'a [u8],
    customer: &CustomerId,
    id: WindowId,
    wanted: &Wanted,
) -> Result<WindowView<'a>, Damaged> {
    let (owner, view) = decode_any(bytes, wanted)?;
    if owner != *customer || view.id != id {
        let start = time::format_start(view.id.start);
        return Err(Damaged::Misplaced(format!("{owner} {} {start}", view.id.size.as_str())));
    }
    Ok(view)
}

/// Reads what is wanted of a file, and the customer that it names.
///
/// # Errors
/// [`Damaged::Checksum`] and [`Damaged::Content`].
pub fn decode_any<'a>(bytes: &'a [u8], wanted: &Wanted) -> Result<(CustomerId, WindowView<'a>), Damaged> {
    if !is_sealed(bytes) {
        return Err(Damaged::Checksum);
    }
    let text = simdutf8::basic::from_utf8(&bytes[..bytes.len() - SEAL_BYTES])
        .map_err(|_| Damaged::Content("the file is not UTF-8".to_owned()))?;
    read(text, |scan| scan.file(wanted))
}

/// Reads what is wanted of a window in a record: the canonical JSON without `appliedThrough` and checksum.
///
/// # Errors
/// [`Damaged::Content`].
pub fn decode_record<'a>(json: &'a str, wanted: &Wanted) -> Result<(CustomerId, WindowView<'a>), Damaged> {
    read(json, |scan| scan.record(wanted))
}

fn read<'a>(
    text: &'a str,
    window: impl FnOnce(&mut Scan<'a>) -> Scanned<(CustomerId, WindowView<'a>)>,
) -> Result<(CustomerId, WindowView<'a>), Damaged> {
    let mut scan = Scan(text);
    window(&mut scan).map_err(|Unexpected(what)| {
        let offset = scan.0.as_ptr() as usize - text.as_ptr() as usize;
        Damaged::Content(format!("{what} at byte {offset}"))
    })
}

const SUMS: Unexpected = Unexpected("the counts by key do not sum to requests");

/// What to do with the measures of keys that were cut away.
enum Rest<'r, 'a> {
    /// There are no such keys.
    Forbidden,
    /// The caller computes them as the difference from the totals.
    Skipped,
    /// They are summed here.
    Summed(&'r mut KeyView<'a>),
}

impl<'a> Scan<'a> {
    fn file(&mut self, wanted: &Wanted) -> Scanned<(CustomerId, WindowView<'a>)> {
        let (customer, id) = self.identity()?;
        let mut view = WindowView::empty(id);
        (view.incomplete, view.applied_through) = self.tail()?;
        self.counts_of(&mut view, wanted)?;
        Ok((customer, view))
    }

    fn record(&mut self, wanted: &Wanted) -> Scanned<(CustomerId, WindowView<'a>)> {
        let (customer, id) = self.identity()?;
        let mut view = WindowView::empty(id);
        self.0 = self.0.strip_suffix('}').ok_or(NOT_CANONICAL)?;
        self.counts_of(&mut view, wanted)?;
        Ok((customer, view))
    }

    /// Reads everything behind the identity.
    fn counts_of(&mut self, view: &mut WindowView<'a>, wanted: &Wanted) -> Scanned<()> {
        view.all = self.totals()?;
        if self.take(",\"robots\":{") {
            view.robots = self.totals()?;
            self.expect("}")?;
        }
        if self.take(",\"visitors\":\"") {
            let (visitors, rest) = self.0.split_once('"').ok_or(NOT_CANONICAL)?;
            view.visitors = Visitors::from_text(visitors.as_bytes())
                .filter(|visitors| !visitors.is_empty())
                .ok_or(Unexpected("visitors that cannot be read"))?;
            self.0 = rest;
        }
        for dimension in 0..DIMENSION_COUNT {
            if self.take(&FIELD_NAMES.requests[dimension]) {
                self.requests(dimension, wanted, view)?;
            }
        }
        let others = self.robots(wanted, view)?;
        if self.take(",\"folded\":{") {
            self.folded(&mut view.folded)?;
        }
        self.measures(wanted, view, others)?;
        self.expect_end()
    }

    fn identity(&mut self) -> Scanned<(CustomerId, WindowId)> {
        self.expect("{\"customerId\":")?;
        let customer = CustomerId::new(&self.string()?).ok_or(Unexpected("an invalid customerId"))?;
        self.expect(",\"windowStart\":")?;
        let text = self.string()?;
        self.expect(",\"windowSize\":")?;
        let size = WindowSize::from_name(&self.string()?).ok_or(Unexpected("an unknown windowSize"))?;
        let start = time::parse_rfc3339(&text).ok().map(time::minute_of);
        let start = start.filter(|start| start.floor(size) == *start && time::format_start(*start) == text);
        let start = start.ok_or(Unexpected("a windowStart that is not the start of such a window"))?;
        self.expect(",")?;
        Ok((customer, WindowId { size, start }))
    }

    /// Cuts the fields behind the counts off the end, and reads them.
    fn tail(&mut self) -> Scanned<(bool, Seq)> {
        let (counts, seq) = self.0.rsplit_once(",\"appliedThrough\":").ok_or(NOT_CANONICAL)?;
        let mut seq = Scan(seq);
        let applied_through = Seq(seq.number()?);
        seq.expect_end()?;
        let complete = counts.strip_suffix(",\"incomplete\":true");
        self.0 = complete.unwrap_or(counts);
        Ok((complete.is_some(), applied_through))
    }

    fn totals(&mut self) -> Scanned<Totals> {
        self.expect("\"requests\":")?;
        let requests = self.number()?;
        Ok(Totals { requests, measures: self.sums(",")? })
    }

    /// Reads a dimension's requests by key, behind the opening brace.
    fn requests(&mut self, dimension: usize, wanted: &Wanted, view: &mut WindowView<'a>) -> Scanned<()> {
        if wanted.by[dimension].is_none() {
            return self.skip_counts();
        }
        let rows = &mut view.by[dimension];
        let mut sum = 0u64;
        self.counts(|key, requests| {
            if rows.last().is_some_and(|last: &KeyView<'_>| last.key >= key) {
                return Err(Unexpected("keys that do not ascend"));
            }
            sum = sum.saturating_add(requests).min(MAX_SUM);
            rows.push(KeyView { key, tally: KeyTotals { requests, robots: 0 }, measures: None });
            Ok(())
        })?;
        let is_sum = match DIMENSIONS[dimension].source.is_in_every_entry() {
            true => sum == view.all.requests,
            false => sum <= view.all.requests,
        };
        if is_sum { Ok(()) } else { Err(SUMS) }
    }

    /// Reads the robots by key of all dimensions, and cuts each to its largest keys; returns the rows that were cut.
    fn robots(
        &mut self,
        wanted: &Wanted,
        view: &mut WindowView<'a>,
    ) -> Scanned<[Option<KeyView<'a>>; DIMENSION_COUNT]> {
        let mut others = [const { None }; DIMENSION_COUNT];
        for (dimension, other) in others.iter_mut().enumerate() {
            let is_there = self.take(&FIELD_NAMES.robots[dimension]);
            let Some(top) = wanted.by[dimension] else {
                if is_there {
                    self.skip_counts()?;
                }
                continue;
            };
            let rows = &mut view.by[dimension];
            if is_there {
                let mut rows = rows.iter_mut();
                self.counts(|key, robots| {
                    let row = rows.find(|row| row.key >= key).filter(|row| row.key == key);
                    let row = row.filter(|row| robots <= row.tally.requests);
                    row.ok_or(Unexpected("robots that are not among the requests"))?.tally.robots = robots;
                    Ok(())
                })?;
            }
            let mut beyond = take_beyond(rows, top);
            *other = beyond.pop().map(|mut other| {
                other.key = OTHER.into();
                beyond.iter().for_each(|row| other.tally.merge(row.tally));
                other
            });
        }
        Ok(others)
    }

    fn folded(&mut self, folded: &mut [u64; DIMENSION_COUNT]) -> Scanned<()> {
        self.counts(|name, most| {
            let place = DIMENSIONS.iter().position(|dimension| dimension.name == name);
            folded[place.ok_or(Unexpected("an unknown dimension"))?] = most;
            Ok(())
        })
    }

    /// Reads the measures by key of the wanted dimensions up to the end, and puts the sums of cut rows in their
    /// places.
    fn measures(
        &mut self,
        wanted: &Wanted,
        view: &mut WindowView<'a>,
        others: [Option<KeyView<'a>>; DIMENSION_COUNT],
    ) -> Scanned<()> {
        for (dimension, mut other) in others.into_iter().enumerate() {
            let rows = &mut view.by[dimension];
            let name = &FIELD_NAMES.measures[dimension];
            if wanted.measures && wanted.by[dimension].is_some() && self.jump_to(name) {
                let rest = match &mut other {
                    None => Rest::Forbidden,
                    Some(_) if DIMENSIONS[dimension].source.is_in_every_entry() => Rest::Skipped,
                    Some(other) => Rest::Summed(other),
                };
                let is_skipped = matches!(rest, Rest::Skipped);
                self.measures_of(rows, rest)?;
                if let Some(other) = other.as_mut().filter(|_| is_skipped) {
                    let named = rows.iter().filter_map(|row| row.measures.as_deref());
                    let left = view.all.measures.without(named).ok_or(SUMS)?;
                    other.measures = Some(left).filter(|left| !left.is_empty()).map(Cow::Owned);
                }
            }
            if let Some(other) = other {
                insert(rows, other);
            }
        }
        if !wanted.measures || wanted.by.contains(&None) {
            self.0 = &self.0[self.0.len()..];
        }
        Ok(())
    }

    /// Reads a dimension's measures by key, behind the opening brace.
    fn measures_of(&mut self, rows: &mut [KeyView<'a>], mut rest: Rest<'_, 'a>) -> Scanned<()> {
        let mut rows = rows.iter_mut().peekable();
        loop {
            let key = self.string()?;
            self.expect(":{")?;
            while rows.next_if(|row| row.key < key).is_some() {}
            match (rows.next_if(|row| row.key == key), &mut rest) {
                (Some(row), _) => row.measures = Some(Cow::Owned(self.sums("")?)),
                (None, Rest::Skipped) => self.skip_object()?,
                (None, Rest::Summed(other)) => {
                    let measures = self.sums("")?;
                    other.measures.get_or_insert_default().to_mut().merge(&measures);
                }
                (None, Rest::Forbidden) => return Err(Unexpected("measures of a key without requests")),
            }
            self.expect("}")?;
            if !self.take(",") {
                return self.expect("}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::fold::WindowLimits;
    use crate::windows::samples::{bare, customer, full, minute, window};
    use crate::windows::window::Window;

    fn sample() -> Vec<u8> {
        window(&full(&[("GET /", 3, 1, 200), ("GET /{a}", 2, 1, 404)]), &WindowLimits::same(1, 1_000))
            .encode()
    }

    #[test]
    fn damage_and_misplaced_files_are_noticed() {
        let bytes = sample();
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            assert_eq!(Window::decode_any(&changed).unwrap_err(), Damaged::Checksum, "byte {position}");
            assert_eq!(Window::decode_any(&bytes[..position]).unwrap_err(), Damaged::Checksum);
        }
        let other = CustomerId::new("other").unwrap();
        assert!(matches!(Window::decode(&bytes, &other, minute()), Err(Damaged::Misplaced(_))));
        let hour = WindowId { size: WindowSize::Hour, start: crate::model::WindowStart(0) };
        assert!(matches!(Window::decode(&bytes, &customer(), hour), Err(Damaged::Misplaced(_))));
    }

    #[test]
    fn no_sealed_content_panics_and_what_is_read_is_what_was_written() {
        for bytes in [sample(), window(&bare(&[("GET /", 1)], "curl"), &WindowLimits::default()).encode()] {
            let text = String::from_utf8(bytes).unwrap();
            let counts = text.split(",\"checksum\"").next().unwrap();
            for position in (0..counts.len()).filter(|position| counts.is_char_boundary(*position)) {
                for change in ["", "}", "\"", "{", "0", "9", ",", "-", "\\"] {
                    let changed = format!("{}{change}{}", &counts[..position], &counts[position + 1..]);
                    let sealed = seal_json(changed).into_bytes();
                    if let Ok(window) = Window::decode_any(&sealed)
                        && window.wrong_sum().is_none()
                    {
                        // Whatever passes is a window, and the canonical form tells whether it is the file's.
                        assert!(Window::decode_any(&window.encode()).is_ok());
                    }
                    let _ = decode_any(&sealed, &Wanted::TOTALS);
                }
                assert!(Window::decode_any(seal_json(counts[..position].to_owned()).as_bytes()).is_err());
            }
        }
    }

    #[test]
    fn another_form_of_the_same_window_is_told_by_its_place() {
        let spaced = seal_json(
            "{\"customerId\":\"a\",\"windowStart\":\"2025-12-28T18:03:00Z\",\"windowSize\":\"minute\",\"requests\": 2,\
             \"requestsByPath\":{\"GET /\":2},\"requestsByUserAgent\":{\"curl\":2},\"appliedThrough\":1"
                .to_owned(),
        );
        let Err(Damaged::Content(what)) = Window::decode_any(spaced.as_bytes()) else { panic!("it is read") };
        assert_eq!(what, "not the canonical form of a window at byte 88");
    }
}
