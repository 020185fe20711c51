//! JSON lines, and logfmt: values by their names, for the product that writes them.
//!
//! Input: a message, and where its object or its first pair begins. Output: its fields, and the product's rules; or the reason
//! why it is none. [`names`] and [`products`] are the tables, [`scan`] reads the object, [`pairs`] logfmt, [`trie`] finds names,
//! [`records`] divides what holds several objects.
//! Never: an entry made from a name that no table has.

mod names;
mod pairs;
mod products;
mod records;
mod scan;
mod trie;

use std::sync::LazyLock;

pub(super) use products::Product;
pub(super) use records::{is_list, records};

use self::scan::{FoundName, Scanner, ValueKind};
use self::trie::Trie;
use super::field::{ByteSpan, Escape, Found, FoundValue, LogField, Unit};
use super::skip::Skip;
use super::{number, time};

/// What a name means: its field and rank.
type Meaning = (LogField, u8);

/// The tables, with names as numbers.
struct Tables {
    trie: Trie,
    /// What each name means in each product.
    meanings: Vec<Vec<Meaning>>,
    marks: Vec<Marks>,
}

/// Enough for all names of the tables, a bit each.
const NAME_WORDS: usize = 12;

#[derive(Clone, Copy, Default)]
struct NameSet([u64; NAME_WORDS]);

impl NameSet {
    fn add(&mut self, name: usize) {
        self.0[name / 64] |= 1 << (name % 64);
    }

    fn holds_all(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(mine, theirs)| mine & theirs == theirs)
    }

    fn holds_any(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(mine, theirs)| mine & theirs != 0)
    }
}

/// The names that tell a product.
struct Marks {
    all: NameSet,
    any: Option<NameSet>,
    /// Its lines are envelopes, which only JSON is.
    is_envelope: bool,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut trie = Trie::new();
    let mut general = Vec::new();
    let mut add = |trie: &mut Trie, name: &str, meaning: Meaning| {
        let number = trie.add(name);
        if number == general.len() {
            general.push(meaning);
        }
    };
    for (field, ranked) in names::NAMES {
        for (rank, alike) in ranked.iter().enumerate() {
            alike.split('|').for_each(|name| add(&mut trie, name, (field, rank as u8)));
        }
    }
    for base in names::DURATIONS {
        for (suffix, unit) in names::UNITS {
            add(&mut trie, &format!("{base}{suffix}"), (LogField::Duration(unit), 0));
        }
        add(&mut trie, base, (LogField::DurationWithUnit, 1));
    }
    names::MARKS.iter().for_each(|name| add(&mut trie, name, (LogField::Ignored, 0)));
    names::WRAPPERS.iter().for_each(|key| trie.add_wrapper(key));
    names::EXACT_WRAPPERS.iter().for_each(|key| trie.add_exact_wrapper(key));
    // Only our own entries and Docker's envelopes have these fields.
    let is_special = |field| matches!(field, LogField::Route | LogField::Country | LogField::Stream);
    let open: Vec<Meaning> = general
        .iter()
        .map(|(field, rank)| if is_special(*field) { (LogField::Ignored, 0) } else { (*field, *rank) })
        .collect();
    let mut set = |names: &[&str]| {
        let mut set = NameSet::default();
        names.iter().for_each(|name| set.add(trie.add(name)));
        set
    };
    let marks = products::PRODUCTS
        .iter()
        .map(|product| Marks {
            all: set(product.all),
            any: (!product.any.is_empty()).then(|| set(product.any)),
            is_envelope: product.fields.iter().any(|(_, field)| *field == LogField::Inner),
        })
        .collect();
    let meanings = products::PRODUCTS
        .iter()
        .map(|product| {
            let mut meanings =
                if product.is_closed { vec![(LogField::Ignored, 0); open.len()] } else { open.clone() };
            for (place, (name, field)) in product.fields.iter().enumerate() {
                let same = product.fields[..place].iter().filter(|(_, other)| is_same(*other, *field));
                meanings[trie.add(name)] = (*field, same.count() as u8);
            }
            meanings
        })
        .collect();
    assert!(trie.len() == open.len() && trie.len() <= 64 * NAME_WORDS, "products name what the tables have");
    Tables { trie, meanings, marks }
});

/// Names that somebody gave for fields, with what they mean.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    trie: Trie,
    meanings: Vec<Meaning>,
    /// Fields that have no name here have their usual ones.
    is_open: bool,
}

impl Mapping {
    /// `is_open`: what is not named counts by its usual names.
    pub(super) fn new(names: &[(String, LogField, u8)], is_open: bool) -> Self {
        let mut trie = Trie::new();
        let mut meanings = Vec::new();
        for (name, field, rank) in names {
            if trie.add(name) == meanings.len() {
                meanings.push((*field, *rank));
            }
        }
        Self { trie, meanings, is_open }
    }

    /// Whether a name has this field.
    pub(super) fn has(&self, wanted: impl Fn(LogField) -> bool) -> bool {
        self.meanings.iter().any(|(field, _)| wanted(*field))
    }
}

/// Reads JSON lines; keeps its memory between them.
#[derive(Clone, Debug, Default)]
pub(super) struct JsonReader {
    scanner: Scanner,
    mapped: Scanner,
}

impl JsonReader {
    /// Reads the object or the pairs that begin at `start` by the tables.
    pub(super) fn read(
        &mut self,
        message: &[u8],
        start: usize,
        found: &mut Found,
    ) -> Result<&'static Product, Skip> {
        let tables = &*TABLES;
        let shape = scan(&mut self.scanner, &tables.trie, message, start)?;
        let is_json = shape == Shape::Json;
        let mut present = NameSet::default();
        self.scanner.hits.iter().for_each(|hit| present.add(hit.name));
        let is_it = |marks: &Marks| {
            present.holds_all(&marks.all)
                && marks.any.as_ref().is_none_or(|any| present.holds_any(any))
                && (is_json || !marks.is_envelope)
        };
        let place = match shape {
            Shape::Labels => products::PRODUCTS.len() - 1,
            _ => tables.marks.iter().position(is_it).expect("JSON has no marks"),
        };
        let product = &products::PRODUCTS[place];
        for hit in &self.scanner.hits {
            let meaning = tables.meanings[place][hit.name];
            let hit = if is_json { *hit } else { hit.word_of(message, meaning.0) };
            let escape = match meaning.0 {
                LogField::Agent if hit.kind == ValueKind::String => product.agent,
                LogField::Referrer if hit.kind == ValueKind::String => product.referrer,
                _ => hit.kind.escape(),
            };
            offer(&hit, meaning, escape, message, found);
        }
        let guard = found.get(LogField::Guard).map(|guard| guard.span.of(message));
        if guard.is_some_and(|guard| !guard.starts_with(product.guard.as_bytes())) {
            return Err(Skip::NotAccessLog);
        }
        // The last three rows have no marks: JSON, logfmt and LTSV.
        let is_logfmt = shape == Shape::Pairs && product.all.is_empty() && product.any.is_empty();
        Ok(if is_logfmt { products::LOGFMT } else { product })
    }

    /// Reads an object, or pairs, by names that somebody gave.
    pub(super) fn read_mapped(
        &mut self,
        mapping: &Mapping,
        message: &[u8],
        start: usize,
        found: &mut Found,
    ) -> Result<&'static Product, Skip> {
        let is_json = scan(&mut self.mapped, &mapping.trie, message, start)? == Shape::Json;
        for hit in &self.mapped.hits {
            let meaning = mapping.meanings[hit.name];
            let hit = if is_json { *hit } else { hit.word_of(message, meaning.0) };
            offer(&hit, meaning, hit.kind.escape(), message, found);
        }
        if !mapping.is_open {
            return Ok(products::LOGFMT);
        }
        let mut usual = Found::default();
        let product = self.read(message, start, &mut usual)?;
        found.complete(&usual, |field| !mapping.rules_out(field));
        Ok(product)
    }
}

/// Fields that say the same: where one of a row is given a name, the others are not looked for.
const ALIKE: [&[LogField]; 3] = [
    &[LogField::Request, LogField::Target, LogField::Rewritten, LogField::HostTarget],
    &[LogField::Time, LogField::Date, LogField::TimeOfDay],
    &[LogField::Client, LogField::Forwarded],
];

impl Mapping {
    /// Whether a field may not have its usual names, because it has a name here or one that says the same has.
    fn rules_out(&self, field: LogField) -> bool {
        let alike = ALIKE.iter().find(|row| row.contains(&field)).copied();
        self.has(|named| is_same(named, field) || alike.is_some_and(|row| row.contains(&named)))
    }
}

/// Whether two fields are the same but for their unit.
fn is_same(a: LogField, b: LogField) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

/// How names and values are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Json,
    /// logfmt.
    Pairs,
    /// LTSV.
    Labels,
}

/// Finds the values of an object, of pairs or of labels.
fn scan(scanner: &mut Scanner, trie: &Trie, message: &[u8], start: usize) -> Result<Shape, Skip> {
    if message[start] == b'{' {
        scanner.scan(trie, message, start)?;
        return Ok(Shape::Json);
    }
    if pairs::begins_with_labels(&message[start..]) {
        pairs::scan_labels(trie, message, start, &mut scanner.hits);
        return Ok(Shape::Labels);
    }
    pairs::scan(trie, message, start, &mut scanner.hits)?;
    Ok(Shape::Pairs)
}

impl ValueKind {
    /// How such a value is escaped.
    fn escape(self) -> Escape {
        match self {
            Self::String => Escape::Json,
            Self::Bytes => Escape::Bytes,
            Self::Bare | Self::Records => Escape::None,
        }
    }
}

impl FoundName {
    /// The value without quotes that a pair has: a time or a user agent may hold blanks, all others end at the first.
    fn word_of(self, message: &[u8], field: LogField) -> Self {
        if self.kind == ValueKind::String || matches!(field, LogField::Time | LogField::Agent) {
            return self;
        }
        let text = self.span.of(message);
        let start = self.span.start as usize;
        let length = memchr::memchr(b' ', text).unwrap_or(text.len());
        Self { span: ByteSpan::new(start, start + length), ..self }
    }
}

/// The product that a line with a request in JSON or logfmt is of.
pub(super) fn product_of(line: &[u8]) -> Option<&'static str> {
    let start = line.len() - line.trim_ascii_start().len();
    let start = if line.get(start) == Some(&b'{') { start } else { pairs_start(line)? };
    let mut found = Found::default();
    let product = JsonReader::default().read(line, start, &mut found).ok()?;
    found.has_whole_request().then_some(product.name)
}

/// Where pairs begin: at the start of a message, or behind other words.
pub(super) fn pairs_start(message: &[u8]) -> Option<usize> {
    let start = message.len() - message.trim_ascii_start().len();
    if begins_with_pair(&message[start..]) { Some(start) } else { pairs::behind_words(message) }
}

/// Where an object begins that the rest of a message is, behind other words.
pub(super) fn object_start(message: &[u8]) -> Option<usize> {
    let is_whole = message.trim_ascii_end().last() == Some(&b'}');
    let start = memchr::memchr(b'{', message).filter(|_| is_whole)?;
    let is_behind_word = start > 0 && matches!(message[start - 1], b' ' | b'\t' | b':');
    (is_behind_word && message[start + 1..].trim_ascii_start().first() == Some(&b'"')).then_some(start)
}

/// Whether a text begins with a name that `=` follows, or with labels.
#[inline]
pub(super) fn begins_with_pair(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| !byte.is_ascii_digit())
        && (pairs::name_length(text).is_some() || pairs::begins_with_labels(text))
}

/// The product whose names mean what [`names`] says.
const GENERAL: &str = "json";

/// What a column of that name means in W3C logs.
pub(super) fn column(name: &str) -> Option<Meaning> {
    let tables = &*TABLES;
    let number = tables.trie.child(trie::ROOT, name.as_bytes()).name()?;
    let general = products::PRODUCTS.iter().position(|product| product.name == GENERAL)?;
    Some(tables.meanings[general][number])
}

/// Names of the products.
pub(super) fn product_names() -> impl Iterator<Item = &'static str> {
    products::PRODUCTS.iter().map(|product| product.name)
}

fn offer(hit: &FoundName, (field, rank): Meaning, escape: Escape, message: &[u8], found: &mut Found) {
    let text = hit.span.of(message);
    let field = match field {
        LogField::Ignored => return,
        LogField::TimeOrDuration(_) if time::whole(text).is_some_and(|_| !is_small(text)) => LogField::Time,
        LogField::TimeOrDuration(unit) => LogField::Duration(unit),
        LogField::DurationWithUnit if text.last().is_some_and(u8::is_ascii_alphabetic) => {
            LogField::Duration(Unit::Seconds)
        }
        LogField::DurationWithUnit => return,
        // Of a log's level (`info`) or an answer in words, such as `OK`, another name may say more.
        LogField::Status if number::status(text).is_none() => return,
        field => field,
    };
    let is_of_kind = match field {
        // Envelopes are proper JSON: what is in them is a string, bytes, or a list of objects.
        LogField::Inner => {
            hit.kind == ValueKind::Bytes || (hit.kind == ValueKind::String && !has_bare_quote(text))
        }
        LogField::Records => hit.kind == ValueKind::Records,
        _ => matches!(hit.kind, ValueKind::String | ValueKind::Bare),
    };
    if is_of_kind {
        found.offer(field, FoundValue { span: hit.span, rank, escape, unit: Unit::default() }, message);
    }
}

fn has_bare_quote(text: &[u8]) -> bool {
    let mut quotes = memchr::memchr_iter(b'"', text);
    quotes.any(|quote| text[..quote].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0)
}

/// Whether a number is too small for a Unix time: less than the seconds of thirty years.
fn is_small(text: &[u8]) -> bool {
    number::unix_micros(text).is_some_and(|micros| micros < 1_000_000_000_000_000)
}
