//! `/entries`: the entries behind a count, as they were read, the newest first.
//!
//! Input: the parameters of a query, and the bodies that the journal still holds. Output: one JSON object a line, in
//! the form that `POST /logs` takes. Entries of one instant stand in the order of their records and places, the last
//! first, so that pages have one order. Never: more lines or bytes at once than its limits allow.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Mutex;

use super::filtered::{Where, part_since};
use super::range::TimeRange;
use super::{Meter, QueryAnswer, QueryError, QueryLimits};
use crate::base::sync::{into_inner, lock};
use crate::batch::{Field, Finder, ReadEntry};
use crate::model::{CustomerId, Seq};
use crate::time;
use crate::windows::json::{push_number, push_quoted, push_seconds};

/// Lines may take this share of [`QueryLimits::max_memory_bytes`]; the rest is for what compression and sending take.
const PAGE_SHARE: usize = 4;

#[derive(Clone, Debug)]
pub struct Entries {
    pub customer: CustomerId,
    pub range: TimeRange,
    /// How many at most.
    pub limit: usize,
    /// Where the page begins, if it is not the first: behind this entry.
    pub next: Option<EntryPlace>,
}

/// The place of an entry among all: its time, its record, and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryPlace {
    received_at_ms: u64,
    seq: Seq,
    item: u32,
}

impl EntryPlace {
    /// Reads the `next` of a page.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| number.to_string() == text);
        let mut parts = text.split('-').map(number);
        let (at, seq, item) = (parts.next()??, parts.next()??, parts.next()??);
        let place = Self { received_at_ms: at, seq: Seq(seq), item: u32::try_from(item).ok()? };
        (parts.next().is_none() && at <= time::LAST_MS).then_some(place)
    }

    fn text(self) -> String {
        format!("{}-{}-{}", self.received_at_ms, self.seq, self.item)
    }
}

/// Answers one page.
pub fn answer(
    chosen: Where<'_>,
    query: &Entries,
    limits: &QueryLimits,
    meter: &mut Meter,
) -> Result<QueryAnswer, QueryError> {
    // A page begins behind the last entry of the one before, and so at or before its time.
    let to_ms = query.next.map_or(query.range.to_ms, |next| query.range.to_ms.min(next.received_at_ms + 1));
    let range = TimeRange { from_ms: query.range.from_ms, to_ms: to_ms.max(query.range.from_ms) };
    let minutes = range.minutes();
    let newest = Mutex::new(Newest::new(query.limit, limits.max_memory_bytes / PAGE_SHARE));
    let idle: Mutex<Vec<Finder<'_>>> = Mutex::default();
    let since_ms = chosen.bodies.scan(&query.customer, &minutes, meter, &|body| {
        let taken = lock(&idle).pop();
        let mut finder = taken.unwrap_or_else(|| Finder::new(chosen.filter, chosen.rules));
        let floor = lock(&newest).floor;
        let mut lines = Vec::new();
        finder.find(body.bytes, body.content, &minutes, &mut |item, found| {
            let Some(entry) = found.read() else { return };
            let place = EntryPlace { received_at_ms: entry.received_at_ms, seq: body.seq, item };
            let is_in_page =
                query.next.is_none_or(|next| place < next) && floor.is_none_or(|floor| place > floor);
            if is_in_page && range.from_ms <= place.received_at_ms && place.received_at_ms < range.to_ms {
                lines.push((place, line(&entry)));
            }
        });
        lock(&newest).extend(lines);
        lock(&idle).push(finder);
        Ok(())
    })?;
    let (body, next) = into_inner(newest).text();
    Ok(QueryAnswer { body, next, covered: Some(part_since(query.range, since_ms)) })
}

/// The newest lines so far.
struct Newest {
    /// The oldest on top.
    lines: BinaryHeap<Reverse<(EntryPlace, String)>>,
    bytes: usize,
    limit: usize,
    max_bytes: usize,
    /// The newest line that was dropped; older ones are dropped too.
    floor: Option<EntryPlace>,
}

impl Newest {
    fn new(limit: usize, max_bytes: usize) -> Self {
        Self { lines: BinaryHeap::new(), bytes: 0, limit, max_bytes, floor: None }
    }

    fn extend(&mut self, lines: Vec<(EntryPlace, String)>) {
        for (place, line) in lines {
            if self.floor.is_some_and(|floor| place < floor) {
                continue;
            }
            self.bytes += line.len();
            self.lines.push(Reverse((place, line)));
            while self.lines.len() > self.limit || (self.lines.len() > 1 && self.bytes > self.max_bytes) {
                let Some(Reverse((oldest, line))) = self.lines.pop() else { break };
                self.bytes -= line.len();
                self.floor = self.floor.max(Some(oldest));
            }
        }
    }

    /// The lines, the newest first, and the `next` of the page.
    fn text(self) -> (Vec<u8>, Option<String>) {
        let lines = self.lines.into_sorted_vec();
        let last = lines.last().map(|Reverse((place, _))| *place);
        let next = last.filter(|_| self.floor.is_some());
        let text: Vec<&str> = lines.iter().map(|Reverse((_, line))| line.as_str()).collect();
        (text.concat().into_bytes(), next.map(EntryPlace::text))
    }
}

fn line(entry: &ReadEntry) -> String {
    let mut out = String::with_capacity(256);
    out.push_str("{\"receivedAt\":\"");
    out.push_str(&time::format_short_instant(entry.received_at_ms));
    out.push('"');
    let text = |out: &mut String, field: Field, text: &str| {
        push_field(out, field);
        push_quoted(out, text);
    };
    text(&mut out, Field::METHOD, &entry.method);
    text(&mut out, Field::PATH, &entry.path);
    if let Some(route) = &entry.route {
        text(&mut out, Field::ROUTE, route);
    }
    text(&mut out, Field::USER_AGENT, &entry.user_agent);
    for (field, number) in
        [(Field::STATUS, entry.status.map(u64::from)), (Field::RESPONSE_BYTES, entry.response_bytes)]
    {
        if let Some(number) = number {
            push_field(&mut out, field);
            push_number(&mut out, number);
        }
    }
    if let Some(micros) = entry.duration_micros {
        push_field(&mut out, Field::DURATION);
        push_seconds(&mut out, micros);
    }
    for (place, value) in entry.texts.iter().enumerate() {
        if let Some(value) = value {
            text(&mut out, Field::of_text(place), value);
        }
    }
    if let Some(client) = &entry.client {
        text(&mut out, Field::CLIENT_IP, client);
    }
    out.push_str("}\n");
    out
}

fn push_field(out: &mut String, field: Field) {
    out.push_str(",\"");
    out.push_str(field.name());
    out.push_str("\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(at: u64, seq: u64, item: u32) -> EntryPlace {
        EntryPlace { received_at_ms: at, seq: Seq(seq), item }
    }

    #[test]
    fn the_newest_lines_are_kept_in_their_order_whenever_they_come() {
        let numbers = [5u64, 1, 4, 9, 2, 8];
        let lines =
            |numbers: &[u64]| numbers.iter().map(|at| (place(*at, 1, 0), format!("{at}\n"))).collect();
        let mut newest = Newest::new(3, 1_000);
        numbers.chunks(2).for_each(|some| newest.extend(lines(some)));
        assert_eq!(newest.text(), (b"9\n8\n5\n".to_vec(), Some("5-1-0".to_owned())));
        let mut short = Newest::new(10, 4);
        short.extend(lines(&numbers));
        assert_eq!(short.text(), (b"9\n8\n".to_vec(), Some("8-1-0".to_owned())));
        let mut all = Newest::new(6, 1_000);
        all.extend(lines(&numbers));
        assert_eq!(all.text().1, None);
    }

    #[test]
    fn places_are_read_back() {
        let at = place(1_766_944_980_000, 7, 49_999);
        assert_eq!(EntryPlace::parse(&at.text()), Some(at));
        for text in
            ["", "1-2", "1-2-3-4", "1-2-x", "01-2-3", "1-2-4294967296", "-1-2-3", "253402300800000-1-1"]
        {
            assert_eq!(EntryPlace::parse(text), None, "{text}");
        }
    }
}
