//! Finds the entries of a body that a filter chooses.
//!
//! Input: a decoded body that was accepted once, a range of time, a filter. Output: each entry that lies in the range and meets
//! the filter, in the body's order. Never: a reading of an entry other than that of [`super::rules`]. Of entries that do not
//! meet the filter only the fields are read that its conditions name.

use std::ops::Range;

use super::content::Content;
use super::field::Field;
use super::filter::{AgentNames, Filter};
use super::json::{Place, raw_entry, raw_value};
use super::layout::Layout;
use super::limits::Limits;
use super::lines::raw_of_line;
use super::raw::{RawEntry, RawValue};
use super::rules::{self, Rules};
use super::tally::Tally;
use super::walk::{ItemReader, Piece, walk};
use crate::dimension::{TEXT_COUNT, text_field};
use crate::entry::{LineOutcome, LineParameters};
use crate::model::WindowStart;
use crate::time;

pub struct Finder<'f> {
    filter: Option<&'f Filter>,
    limits: Limits,
    agents: AgentNames,
}

/// An entry that was found.
pub struct FoundEntry<'e> {
    raw: &'e RawEntry<'e>,
    rules: &'e Rules<'e>,
}

/// An entry as it was read: all fields that it has, after their rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadEntry {
    /// When the request was received.
    pub received_at_ms: u64,
    pub method: String,
    /// The path of the entry itself.
    pub path: String,
    /// The template that it matched.
    pub route: Option<String>,
    pub user_agent: String,
    pub status: Option<u16>,
    /// The length of the answer.
    pub response_bytes: Option<u64>,
    /// How long the answer took.
    pub duration_micros: Option<u64>,
    /// Who asked: an address or a name.
    pub client: Option<String>,
    /// The texts of dimensions, in the order of [`crate::dimension::TEXTS`].
    pub texts: [Option<String>; TEXT_COUNT],
}

impl<'f> Finder<'f> {
    /// Finds what meets this filter; without one, every entry. Bodies are read by the rules of `limits`, but may have any
    /// length: they were accepted.
    pub fn new(filter: Option<&'f Filter>, limits: &Limits) -> Self {
        let limits = Limits { max_entries: usize::MAX, max_minutes: usize::MAX, ..limits.clone() };
        Self { filter, limits, agents: AgentNames::default() }
    }

    /// Visits what is found of a body in these minutes: each entry with its place among all. A body that is damaged ends
    /// early.
    pub fn find(
        &mut self,
        body: &[u8],
        content: &Content,
        minutes: &Range<WindowStart>,
        visit: &mut dyn FnMut(u32, FoundEntry<'_>),
    ) {
        let format = match content {
            Content::Json(format) => *format,
            Content::Lines(parameters) => return self.find_lines(body, parameters, minutes, visit),
        };
        let limits = self.limits.clone();
        let rules = &Rules::without_clock(&limits);
        let choice = Choice::new(self, body, Some(minutes));
        let mut reader = FindingReader { choice, rules, visit, items: 0 };
        // The body was accepted once, so this walk finds no error.
        let _ = walk(Piece::whole(body), format, &limits, &mut reader);
    }

    fn find_lines(
        &mut self,
        body: &[u8],
        parameters: &LineParameters,
        minutes: &Range<WindowStart>,
        visit: &mut dyn FnMut(u32, FoundEntry<'_>),
    ) {
        let Self { filter, limits, agents } = self;
        let mut limits = limits.clone();
        limits.keep_query |= parameters.keeps_query();
        let rules = &Rules::without_clock(&limits);
        let mut reader = parameters.reader(limits.keep_query);
        let mut items = 0;
        let mut each = |outcome: LineOutcome<'_>| {
            let LineOutcome::Entry { entry, .. } = outcome else { return };
            let raw = raw_of_line(&entry);
            let value = |field: Field| raw.get(field).clone();
            let minute = time::minute_of(entry.received_at_micros / 1_000);
            if minutes.contains(&minute) && filter.is_none_or(|filter| filter.matches(value, rules, agents)) {
                visit(items, FoundEntry { raw: &raw, rules });
            }
            items += 1;
        };
        let mut lines = body.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            // After the last line end nothing follows.
            if lines.peek().is_some() || !line.is_empty() {
                reader.line(line, &mut each);
            }
        }
        reader.finish(&mut each);
    }

    /// The limits that bodies are read by.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }
}

impl FoundEntry<'_> {
    /// Counts it, unless it would not be accepted.
    pub(super) fn count(&self, tally: &mut Tally) {
        if let Ok(checked) = self.rules.check(self.raw) {
            tally.add(&checked.entry(), checked.altered);
        }
    }

    /// All that is read of an entry; `None` for one that would not be accepted.
    pub fn read(&self) -> Option<ReadEntry> {
        let Self { raw, rules } = *self;
        let checked = rules.check(raw).ok()?;
        let entry = checked.entry();
        let text = |field: Field| match raw.get(field) {
            RawValue::Text(raw) => Some(rules::trim(&raw.text)),
            _ => None,
        };
        let (path, _) = rules.path(text(Field::PATH)?).ok()?;
        let route = text(Field::ROUTE).filter(|route| !rules::is_absent(route));
        let texts = std::array::from_fn(|place| {
            let key = entry.texts[place]?;
            let sent = text(Field::of_text(place)).filter(|_| text_field(place).is_url);
            Some(sent.unwrap_or(key).to_owned())
        });
        Some(ReadEntry {
            received_at_ms: entry.received_at_ms,
            method: entry.method.to_owned(),
            path: path.to_owned(),
            route: route.map(|route| rules.target(route).0.to_owned()),
            user_agent: entry.user_agent.to_owned(),
            status: entry.status,
            response_bytes: entry.response_bytes,
            duration_micros: entry.duration_micros,
            client: entry.client.map(ToString::to_string),
            texts,
        })
    }
}

/// Goes over the items of one body and tells which are wanted.
pub(super) struct Choice<'b, 'r, 'f> {
    finder: &'r mut Finder<'f>,
    bytes: &'b [u8],
    /// `None` for all.
    minutes: Option<&'r Range<WindowStart>>,
    layout: Layout,
    places: Vec<Place>,
}

impl<'b, 'r, 'f> Choice<'b, 'r, 'f> {
    pub(super) fn new(
        finder: &'r mut Finder<'f>,
        bytes: &'b [u8],
        minutes: Option<&'r Range<WindowStart>>,
    ) -> Self {
        Self { finder, bytes, minutes, layout: Layout::default(), places: Vec::new() }
    }

    /// The position behind the item at `pos`, and whether it is wanted.
    pub(super) fn item<const LINE: bool>(&mut self, pos: usize) -> Option<(usize, bool)> {
        let Self { finder, bytes, minutes, layout, places } = self;
        let end = layout.read_object::<LINE>(bytes, pos, places)?;
        let value = |field: Field| {
            let place = places.iter().find(|place| place.field == Some(field));
            place.and_then(|place| raw_value(&bytes[place.start..place.end])).unwrap_or_default()
        };
        let Finder { filter, limits, agents } = &mut **finder;
        let rules = Rules::without_clock(limits);
        let is_in_range = |minutes: &Range<WindowStart>| {
            let ms = rules.received_at(&value(Field::RECEIVED_AT));
            ms.is_ok_and(|ms| minutes.contains(&time::minute_of(ms)))
        };
        // Most entries are in the range.
        let is_wanted = filter.is_none_or(|filter| filter.matches(value, &rules, agents))
            && minutes.is_none_or(is_in_range);
        Some((end, is_wanted))
    }
}

/// Visits the items of one body that are wanted.
struct FindingReader<'b, 'r, 'f> {
    choice: Choice<'b, 'r, 'f>,
    rules: &'r Rules<'r>,
    visit: &'r mut dyn FnMut(u32, FoundEntry<'_>),
    items: u32,
}

impl ItemReader for FindingReader<'_, '_, '_> {
    fn item<const LINE: bool>(&mut self, pos: usize) -> Option<usize> {
        let (end, is_wanted) = self.choice.item::<LINE>(pos)?;
        if is_wanted {
            let raw = raw_entry(self.choice.bytes, &self.choice.places)?;
            (self.visit)(self.items, FoundEntry { raw: &raw, rules: self.rules });
        }
        self.items += 1;
        Some(end)
    }

    fn minutes(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::limits::Format;
    use crate::batch::whole::summarize;
    use crate::batch::{Counter, insights};
    use crate::model::CustomerId;

    const ALL: Range<WindowStart> = WindowStart(0)..WindowStart(u32::MAX);

    fn body() -> String {
        let line = |number: usize| {
            format!(
                r#"{{"receivedAt":"2025-12-28T18:0{}:07Z","method":"get","path":"\/{}?q","userAgent":"curl/8","status":"{}","route":"-"}}"#,
                number % 5,
                number % 7,
                200 + number % 3 * 100
            )
        };
        (0..60).map(line).collect::<Vec<_>>().join("\n")
    }

    fn found(filter: &str, minutes: Range<WindowStart>) -> Vec<(u32, ReadEntry)> {
        let filter = Filter::parse(filter).unwrap();
        let limits = Limits::default();
        let mut found = Vec::new();
        Finder::new(Some(&filter), &limits).find(
            body().as_bytes(),
            &Content::Json(Format::Ndjson),
            &minutes,
            &mut |place, entry| {
                found.push((place, entry.read().unwrap()));
            },
        );
        found
    }

    #[test]
    fn what_meets_the_filter_is_found_with_its_place_and_read() {
        let all = found("status>=300,path=/3", ALL);
        let places: Vec<u32> = all.iter().map(|(place, _)| *place).collect();
        let expected: Vec<u32> = (0..60).filter(|number| number % 7 == 3 && number % 3 > 0).collect();
        assert_eq!(places, expected);
        let (_, first) = &all[0];
        assert_eq!(
            (&*first.method, &*first.path, first.status, &first.route),
            ("GET", "/3", Some(301 - 1), &None)
        );
        let minute = time::minute_of(time::parse_rfc3339("2025-12-28T18:02:00Z").unwrap());
        let one = found("status>=300,path=/3", minute..WindowStart(minute.0 + 1));
        assert!(!one.is_empty() && one.iter().all(|(place, _)| place % 5 == 2), "{one:?}");
    }

    #[test]
    fn what_is_found_counts_as_the_same_entries_alone_would() {
        let limits = Limits::default();
        let filter = Filter::parse("status=400").unwrap();
        let mut counter = Counter::new(&limits, time::LAST_MS, 1 << 12);
        let (content, mut finder) = (Content::Json(Format::Ndjson), Finder::new(Some(&filter), &limits));
        counter.add_found(body().as_bytes(), &content, &ALL, &mut finder);
        let text = body();
        let alone: Vec<&str> = text.lines().filter(|line| line.contains("\"400\"")).collect();
        let expected =
            summarize(alone.join("\n").as_bytes(), Format::Ndjson, &limits, time::LAST_MS).unwrap();
        let customer = CustomerId::new("a").unwrap();
        let counted = counter.take();
        assert_eq!(counted, expected);
        assert_eq!(insights(&customer, &counted.summary).len(), 5 + 1 + 1);
    }

    #[test]
    fn lines_of_a_log_are_found_and_counted_as_the_same_entries_in_json() {
        let log = "192.0.2.7 - - [28/Dec/2025:18:03:07 +0000] \"GET /a?q HTTP/1.1\" 503 7 \"https://b.example/x\" \"curl/8\"\n\
                   no access log\n\
                   192.0.2.7 - - [28/Dec/2025:18:04:07 +0000] \"GET /a HTTP/1.1\" 200 7 \"-\" \"curl/8\"\n\
                   192.0.2.8 - - [28/Dec/2025:18:05:07 +0000] \"PUT /b HTTP/1.1\" 503 7 \"-\" \"curl/8\"";
        let lines = Content::named("log-lines", Some("")).unwrap();
        let limits = Limits::default();
        let filter = Filter::parse("status=503,family=curl").unwrap();
        let (mut found, mut counter) = (Vec::new(), Counter::new(&limits, time::LAST_MS, 1 << 12));
        let mut finder = Finder::new(Some(&filter), &limits);
        finder.find(log.as_bytes(), &lines, &ALL, &mut |place, entry| {
            let entry = entry.read().unwrap();
            found.push((place, entry.method, entry.path, entry.client.unwrap()));
        });
        counter.add_found(log.as_bytes(), &lines, &ALL, &mut finder);
        let text = |text: &str| text.to_owned();
        assert_eq!(
            found,
            [
                (0, text("GET"), text("/a"), text("192.0.2.7")),
                (2, text("PUT"), text("/b"), text("192.0.2.8"))
            ]
        );
        let alone: Vec<&str> = log.lines().filter(|line| line.contains(" 503 ")).collect();
        let expected = lines.summarize(alone.join("\n").as_bytes(), &limits, time::LAST_MS).unwrap();
        assert_eq!(counter.take().summary, expected.summary);
    }

    #[test]
    fn lines_that_keep_their_queries_are_chosen_shown_and_counted_with_them() {
        let log = "192.0.2.7 - - [28/Dec/2025:18:03:07 +0000] \"GET /a?q=1 HTTP/1.1\" 200 7 \"-\" \"curl/8\"\n\
                   192.0.2.7 - - [28/Dec/2025:18:03:08 +0000] \"GET /a?q=2 HTTP/1.1\" 200 7 \"-\" \"curl/8\"\n";
        let lines = Content::named("log-lines", Some("keep-query=true")).unwrap();
        let limits = Limits::default();
        let filter = Filter::parse("path=/a?q=2").unwrap();
        let mut finder = Finder::new(Some(&filter), &limits);
        let mut found = Vec::new();
        finder.find(log.as_bytes(), &lines, &ALL, &mut |place, entry| {
            found.push((place, entry.read().unwrap().path));
        });
        assert_eq!(found, [(1, "/a?q=2".to_owned())]);
        let mut counter = Counter::new(&limits, time::LAST_MS, 1 << 12);
        counter.add_found(log.as_bytes(), &lines, &ALL, &mut finder);
        let (_, alone) = log.split_once('\n').unwrap();
        let expected = lines.summarize(alone.as_bytes(), &limits, time::LAST_MS).unwrap();
        assert_eq!(counter.take().summary, expected.summary);
    }
}
