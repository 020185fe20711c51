//! One message: told apart as an envelope, JSON or text, and read by a format.
//!
//! Input: a message without line end. Output: what is in its envelope, or its fields and the rules of the format that read
//! them. Never: anything that lasts longer than the message, but memory that is used again.

use std::sync::Arc;

use super::build::{Builder, Rules};
use super::carry::Carry;
use super::diagnose;
use super::envelope;
use super::field::{Field, Found, Value};
use super::format::Kind;
use super::json::{JsonReader, Product};
use super::known;
use super::skip::Skip;
use super::template::matching::Matcher;
use super::time::Partial;
use super::time::zone::LocalTimes;
use super::{Outcome, ReaderOptions};

/// Reads messages; keeps its memory between them.
#[derive(Clone, Debug)]
pub(super) struct MessageReader {
    options: ReaderOptions,
    matcher: Matcher,
    json: JsonReader,
    builder: Builder,
    found: Found,
}

/// How a message was read: by which format, and by which rules its fields become an entry.
pub(super) struct Reading {
    format: &'static str,
    rules: Rules,
}

/// What is inside an envelope.
pub(super) struct Enclosed {
    pub(super) inner: Value,
    pub(super) stream: Option<Value>,
    /// The rest of the line comes later.
    pub(super) is_part: bool,
    /// The time that the envelope gives for what is inside.
    pub(super) pieces: Option<Partial>,
}

/// What a message turned out to be.
pub(super) enum Opened {
    Envelope(Enclosed),
    /// JSON, and its fields are found.
    Json(Reading),
    Text,
}

impl Rules {
    fn of(self, format: &'static str) -> Reading {
        Reading { format, rules: self }
    }
}

impl MessageReader {
    pub(super) fn new(options: ReaderOptions) -> Self {
        let builder = Builder::new(LocalTimes::new(options.timezone.clone()));
        let (matcher, json, found) = (Matcher::default(), JsonReader::default(), Found::default());
        Self { options, matcher, json, builder, found }
    }

    /// Tells envelopes, JSON and text apart. `pieces`: the time that the envelope around the message gives.
    pub(super) fn open(&mut self, message: &[u8], pieces: Option<Partial>) -> Result<Opened, Skip> {
        self.found.clear();
        self.found.pieces = pieces;
        let trimmed = message.trim_ascii_start();
        if trimmed[0] == b'{' {
            let product = self.json.read(message, message.len() - trimmed.len(), &mut self.found)?;
            if let Some(inner) = self.found.get(Field::Inner) {
                let is_part = product.name == DOCKER && !inner.span.of(message).ends_with(b"\\n");
                return Ok(Opened::Envelope(self.enclosed(inner, is_part)));
            }
            return Ok(Opened::Json(self.by_product(product)));
        }
        if envelope::open(&mut self.matcher, message, &mut self.found)
            && let Some(inner) = self.found.get(Field::Inner)
        {
            let complete = self.found.get(Field::Completeness);
            let is_part = complete.is_some_and(|complete| complete.span.of(message) == b"P");
            return Ok(Opened::Envelope(self.enclosed(inner, is_part)));
        }
        Ok(Opened::Text)
    }

    fn enclosed(&self, inner: Value, is_part: bool) -> Enclosed {
        Enclosed { inner, stream: self.found.get(Field::Stream), is_part, pieces: self.found.pieces }
    }

    /// Reads a text by the columns of the log's header, or by the first known format that it fits.
    pub(super) fn text(&mut self, carry: &Carry, message: &[u8]) -> Result<Reading, Skip> {
        let rules = self.rules();
        let columns = carry.columns();
        if let Some(columns) = columns {
            self.found.clear();
            if columns.read(message, &mut self.found) {
                return Ok(Rules { is_utc: true, ..rules }.of(W3C));
            }
        }
        self.found.clear();
        if let Some(format) = known::read(&mut self.matcher, message, &mut self.found) {
            return Ok(rules.of(format.name));
        }
        Err(if columns.is_some() {
            Skip::NotTheColumns
        } else {
            diagnose::reason(&mut self.matcher, message)
        })
    }

    /// Reads a message by the format that was given; `None` where none was.
    pub(super) fn given(&mut self, carry: &Carry, message: &[u8]) -> Option<Result<Reading, Skip>> {
        let kind = Arc::clone(&self.options.format.kind);
        self.found.clear();
        match &*kind {
            Kind::Auto => None,
            kind => Some(self.by_kind(kind, carry, message)),
        }
    }

    fn by_kind(&mut self, kind: &Kind, carry: &Carry, message: &[u8]) -> Result<Reading, Skip> {
        let (rules, found) = (self.rules(), &mut self.found);
        let start = message.len() - message.trim_ascii_start().len();
        let is_json = message.get(start) == Some(&b'{');
        match kind {
            Kind::Auto => Err(Skip::NotTheFormat),
            Kind::Given(template) => {
                let fits = self.matcher.read(template, message, found);
                fits.then(|| rules.of(GIVEN)).ok_or(Skip::NotTheFormat)
            }
            // Some products write text or JSON.
            Kind::Known(name) if is_json => self.product(Some(name), message, start),
            Kind::W3c(_) if is_json => self.product(Some("cloudfront"), message, start),
            Kind::Known(name) => known::formats(Some(name))
                .find(|format| format.read(&mut self.matcher, message, found))
                .map(|format| rules.of(format.name))
                .ok_or(Skip::NotTheFormat),
            Kind::W3c(columns) => {
                let columns = columns.as_ref().or(carry.columns()).ok_or(Skip::NotTheColumns)?;
                let fits = columns.read(message, found);
                fits.then(|| Rules { is_utc: true, ..rules }.of(W3C)).ok_or(Skip::NotTheColumns)
            }
            Kind::Json(_) | Kind::Mapped(_) if !is_json => Err(Skip::NotJson),
            Kind::Json(name) => self.product(*name, message, start),
            Kind::Mapped(mapping) => {
                let product = self.json.read_mapped(mapping, message, start, found)?;
                Ok(Reading { format: GIVEN, ..self.by_product(product) })
            }
        }
    }

    /// Reads the object that begins at `start`, which must be of the product if one is named.
    fn product(&mut self, name: Option<&str>, message: &[u8], start: usize) -> Result<Reading, Skip> {
        let product = self.json.read(message, start, &mut self.found)?;
        let is_it = name.is_none_or(|name| name == product.name);
        is_it.then(|| self.by_product(product)).ok_or(Skip::NotTheFormat)
    }

    fn rules(&self) -> Rules {
        Rules { keep_query: self.options.keep_query, ..Rules::default() }
    }

    fn by_product(&self, product: &'static Product) -> Reading {
        Rules { is_utc: product.is_utc, method: product.method, ..self.rules() }.of(product.name)
    }

    /// Gives the entry of what was found.
    pub(super) fn emit(
        &mut self,
        message: &[u8],
        reading: &Reading,
        each: &mut impl FnMut(Outcome<'_>),
    ) -> Result<(), Skip> {
        let built = self.builder.build(message, &self.found, reading.rules);
        let entry = built.map_err(|skip| match skip {
            // These are said of JSON; a header may name too few columns for an entry.
            Skip::NoRequest | Skip::NoTime if reading.format == W3C => Skip::NotAccessLog,
            skip => skip,
        })?;
        each(Outcome::Entry { entry, format: reading.format });
        Ok(())
    }
}

/// The product whose envelopes end whole lines with `\n`.
const DOCKER: &str = "docker";
const W3C: &str = "w3c";
/// What entries are said to be read by where a format string reads them.
const GIVEN: &str = "--format";
