//! JSON lines: values by their names, for the product that writes them.
//!
//! Input: a message that begins with `{`. Output: its fields, and the product's rules; or the reason why it is none.
//! [`names`] and [`products`] are the tables, [`scan`] reads the object, [`trie`] finds names. Never: an entry made from a
//! name that no table has.

mod names;
mod products;
mod scan;
mod trie;

use std::sync::LazyLock;

pub(super) use products::Product;

use self::scan::{Hit, Scanner};
use self::trie::Trie;
use super::field::{Escape, Field, Found, Unit, Value};
use super::skip::Skip;
use super::{number, time};

/// What a name means: its field and rank.
type Meaning = (Field, u8);

/// The tables, with names as numbers.
struct Tables {
    trie: Trie,
    /// What each name means in each product.
    meanings: Vec<Vec<Meaning>>,
    marks: Vec<Marks>,
}

/// A set of names.
#[derive(Clone, Copy, Default)]
struct NameSet([u64; 8]);

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
            add(&mut trie, &format!("{base}{suffix}"), (Field::Duration(unit), 0));
        }
        add(&mut trie, base, (Field::DurationWithUnit, 1));
    }
    names::MARKS.iter().for_each(|name| add(&mut trie, name, (Field::Ignored, 0)));
    names::WRAPPERS.iter().for_each(|key| trie.add_wrapper(key));
    // These are fields of ours alone, and of envelopes.
    let is_special = |field| matches!(field, Field::Route | Field::Country | Field::Inner | Field::Stream);
    let open: Vec<Meaning> = general
        .iter()
        .map(|(field, rank)| if is_special(*field) { (Field::Ignored, 0) } else { (*field, *rank) })
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
        })
        .collect();
    let meanings = products::PRODUCTS
        .iter()
        .map(|product| {
            let mut meanings =
                if product.is_closed { vec![(Field::Ignored, 0); open.len()] } else { open.clone() };
            for (name, field) in product.fields {
                meanings[trie.add(name)] = (*field, 0);
            }
            meanings
        })
        .collect();
    assert!(trie.len() == open.len() && trie.len() <= 512, "products name what the tables have");
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
    pub(super) fn new(names: &[(String, Field, u8)], is_open: bool) -> Self {
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
    pub(super) fn has(&self, wanted: impl Fn(Field) -> bool) -> bool {
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
    /// Reads the object that begins at `start` by the tables.
    pub(super) fn read(
        &mut self,
        message: &[u8],
        start: usize,
        found: &mut Found,
    ) -> Result<&'static Product, Skip> {
        let tables = &*TABLES;
        self.scanner.scan(&tables.trie, message, start)?;
        let mut present = NameSet::default();
        self.scanner.hits.iter().for_each(|hit| present.add(hit.name));
        let is_it = |marks: &Marks| {
            present.holds_all(&marks.all) && marks.any.as_ref().is_none_or(|any| present.holds_any(any))
        };
        let place = tables.marks.iter().position(is_it).expect("the last product has no marks");
        let product = &products::PRODUCTS[place];
        for hit in &self.scanner.hits {
            let escape = if hit.is_string { Escape::Json } else { Escape::None };
            let meaning = tables.meanings[place][hit.name];
            let escape = if meaning.0 == Field::Agent && hit.is_string { product.agent } else { escape };
            offer(hit, meaning, escape, message, found);
        }
        let guard = found.get(Field::Guard).map(|guard| guard.span.of(message));
        if guard.is_some_and(|guard| !guard.starts_with(product.guard.as_bytes())) {
            return Err(Skip::NotAccessLog);
        }
        Ok(product)
    }

    /// Reads an object by names that somebody gave.
    pub(super) fn read_mapped(
        &mut self,
        mapping: &Mapping,
        message: &[u8],
        start: usize,
        found: &mut Found,
    ) -> Result<&'static Product, Skip> {
        self.mapped.scan(&mapping.trie, message, start)?;
        for hit in &self.mapped.hits {
            let escape = if hit.is_string { Escape::Json } else { Escape::None };
            offer(hit, mapping.meanings[hit.name], escape, message, found);
        }
        if !mapping.is_open {
            return Ok(products::PRODUCTS.last().expect("the table is not empty"));
        }
        let mut usual = Found::default();
        let product = self.read(message, start, &mut usual)?;
        found.complete(&usual, |field| !mapping.rules_out(field));
        Ok(product)
    }
}

/// Fields that say the same: where one of a row is given a name, the others are not looked for.
const ALIKE: [&[Field]; 3] = [
    &[Field::Request, Field::Target, Field::Rewritten, Field::HostTarget],
    &[Field::Time, Field::Date, Field::TimeOfDay],
    &[Field::Client, Field::Forwarded],
];

impl Mapping {
    /// Whether a field may not have its usual names, because it has a name here or one that says the same has.
    fn rules_out(&self, field: Field) -> bool {
        let alike = ALIKE.iter().find(|row| row.contains(&field)).copied();
        let is_same = |a: Field, b: Field| std::mem::discriminant(&a) == std::mem::discriminant(&b);
        self.has(|named| is_same(named, field) || alike.is_some_and(|row| row.contains(&named)))
    }
}

/// What a column of that name means in W3C logs.
pub(super) fn column(name: &str) -> Option<Meaning> {
    let tables = &*TABLES;
    let number = tables.trie.child(trie::ROOT, name.as_bytes()).name()?;
    tables.meanings.last().map(|general| general[number])
}

/// Names of the products.
pub(super) fn product_names() -> impl Iterator<Item = &'static str> {
    products::PRODUCTS.iter().map(|product| product.name)
}

fn offer(hit: &Hit, (field, rank): Meaning, escape: Escape, message: &[u8], found: &mut Found) {
    let text = hit.span.of(message);
    let field = match field {
        Field::Ignored => return,
        Field::TimeOrSeconds if time::whole(text).is_some_and(|_| !is_small(text)) => Field::Time,
        Field::TimeOrSeconds => Field::Duration(Unit::Seconds),
        Field::DurationWithUnit if text.last().is_some_and(u8::is_ascii_alphabetic) => {
            Field::Duration(Unit::Seconds)
        }
        Field::DurationWithUnit => return,
        field => field,
    };
    // Envelopes are proper JSON: what is in them is a string, or bytes.
    let is_inner = hit.is_bytes || (hit.is_string && !has_bare_quote(text));
    if (field == Field::Inner && !is_inner) || (field != Field::Inner && hit.is_bytes) {
        return;
    }
    let escape = if hit.is_bytes { Escape::Bytes } else { escape };
    found.offer(field, Value { span: hit.span, rank, escape, unit: Unit::default() }, message);
}

fn has_bare_quote(text: &[u8]) -> bool {
    let mut quotes = memchr::memchr_iter(b'"', text);
    quotes.any(|quote| text[..quote].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0)
}

/// Whether a number is too small for a Unix time: less than the seconds of thirty years.
fn is_small(text: &[u8]) -> bool {
    number::unix_micros(text).is_some_and(|micros| micros < 1_000_000_000_000_000)
}
