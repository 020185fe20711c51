//! One message: told apart as an envelope, JSON or text, and read by a format.
//!
//! Input: a message without line end. Output: what is in its envelope, or its fields and the rules of the format that read
//! them. Never: anything that lasts longer than the message, but memory that is used again.

use std::sync::Arc;

use memchr::memmem;

use super::build::{self, Builder, EntryRules};
use super::carry::Carry;
use super::client;
use super::diagnose;
use super::envelope;
use super::field::{ByteSpan, Found, FoundValue, LogField};
use super::format::Kind;
use super::json::{self, JsonReader, Product};
use super::known::{self, KnownFormat};
use super::quick::QuickRead;
use super::skip::Skip;
use super::template::matching::Matcher;
use super::time::zone::LocalTimes;
use super::time::{self, Moment};
use super::w3c;
use super::{LineOutcome, ReaderOptions};

/// Reads messages; keeps its memory between them.
#[derive(Clone, Debug)]
pub(super) struct MessageReader {
    options: ReaderOptions,
    matcher: Matcher,
    json: JsonReader,
    builder: Builder,
    found: Found,
    /// The row that read the last text.
    last_row: Option<&'static KnownFormat>,
}

/// How a message was read: by which format, and by which rules its fields become an entry.
pub(super) struct MessageReading {
    format: &'static str,
    rules: EntryRules,
}

/// What is inside an envelope.
pub(super) struct Enclosed {
    pub(super) inner: FoundValue,
    pub(super) stream: Option<FoundValue>,
    /// The rest of the line comes later.
    pub(super) is_part: bool,
    /// When the envelope was written.
    pub(super) stamp: Option<Moment>,
}

/// What a message turned out to be.
pub(super) enum OpenedMessage {
    Envelope(Enclosed),
    /// Several objects, and when what holds them was written.
    Records(ByteSpan, Option<Moment>),
    /// Names with values, as JSON or as logfmt, and its fields are found.
    Named(MessageReading),
    Text,
}

impl EntryRules {
    fn of(self, format: &'static str) -> MessageReading {
        MessageReading { format, rules: self }
    }
}

impl MessageReader {
    pub(super) fn new(options: ReaderOptions) -> Self {
        let builder = Builder::new(LocalTimes::new(options.timezone.clone()));
        let (matcher, json, found) = (Matcher::default(), JsonReader::default(), Found::default());
        Self { options, matcher, json, builder, found, last_row: None }
    }

    /// Takes the time at which the envelope around the next message was written.
    pub(super) fn set_stamp(&mut self, stamp: Option<Moment>) {
        self.found.stamp = stamp;
    }

    /// Reads a message by the format string, or by the row that read the last text, where it can be read in no other way; says
    /// whether it did.
    pub(super) fn quick(
        &mut self,
        carry: &Carry,
        message: &[u8],
        each: &mut impl FnMut(LineOutcome<'_>),
    ) -> bool {
        let (template, may_have_more, format) = match &*self.options.format.kind {
            Kind::Given(line) if line.is_quick => (&line.template, false, GIVEN),
            Kind::Auto | Kind::Known(_) if carry.columns().is_none() => {
                let row = self.last_row.and_then(|row| Some((row.quick_template(message)?, row.name)));
                let Some(((template, may_have_more), name)) = row else { return false };
                (template, may_have_more, name)
            }
            _ => return false,
        };
        let rules = self.rules();
        let (last_time, times) = (&mut self.matcher.times, &mut self.builder.times);
        let entry = QuickRead { last_time, times, rules, may_have_more }.entry(template, message);
        entry.is_some_and(|entry| {
            each(LineOutcome::Entry { entry, format });
            true
        })
    }

    /// Tells envelopes, messages of names and values, and text apart.
    pub(super) fn open(&mut self, message: &[u8]) -> Result<OpenedMessage, Skip> {
        self.found.clear();
        let start = message.len() - message.trim_ascii_start().len();
        let is_json = message[start] == b'{';
        if is_json || json::begins_with_pair(&message[start..]) {
            let read = self.json.read(message, start, &mut self.found);
            if read.is_err() && json::is_list(message) {
                return Ok(OpenedMessage::Records(ByteSpan::new(start, message.len()), None));
            }
            let product = read?;
            // What shippers put around lines has no request of its own.
            let around = |field| self.found.get(field).filter(|_| !self.found.has_request());
            if let Some(inner) = around(LogField::Inner) {
                let is_part = product.name == DOCKER && !inner.span.of(message).ends_with(b"\\n");
                return Ok(OpenedMessage::Envelope(self.enclosed(message, inner, is_part)));
            }
            if let Some(records) = around(LogField::Records) {
                return Ok(OpenedMessage::Records(records.span, build::moment(&self.found, message).ok()));
            }
            if is_json || self.found.has_whole_request() {
                return Ok(OpenedMessage::Named(self.by_product(product)));
            }
            self.found.clear();
        }
        if message[start] == b'[' && json::is_list(message) {
            return Ok(OpenedMessage::Records(ByteSpan::new(start, message.len()), None));
        }
        if envelope::open(&mut self.matcher, message, &mut self.found)
            && let Some(inner) = self.found.get(LogField::Inner)
        {
            let complete = self.found.get(LogField::Completeness);
            let is_part = complete.is_some_and(|complete| complete.span.of(message) == b"P");
            return Ok(OpenedMessage::Envelope(self.enclosed(message, inner, is_part)));
        }
        Ok(OpenedMessage::Text)
    }

    /// Whether a known format of CSV fits a message.
    pub(super) fn is_known_csv(&mut self, message: &[u8]) -> bool {
        let (matcher, found) = (&mut self.matcher, &mut self.found);
        known::formats(None).filter(|format| format.is_csv).any(|format| format.read(matcher, message, found))
    }

    fn enclosed(&self, message: &[u8], inner: FoundValue, is_part: bool) -> Enclosed {
        let stamp = build::moment(&self.found, message).ok();
        Enclosed { inner, stream: self.found.get(LogField::Stream), is_part, stamp }
    }

    /// Reads a text by the columns of the log's header, or by the first known format that it fits.
    pub(super) fn text(&mut self, carry: &Carry, message: &[u8]) -> Result<MessageReading, Skip> {
        let rules = self.rules();
        let columns = carry.columns();
        if let Some(columns) = columns {
            self.found.clear();
            if columns.read(message, &mut self.found) {
                self.found.day = carry.day();
                return Ok(EntryRules { is_utc: !columns.is_local, ..rules }.of(W3C));
            }
        }
        self.found.clear();
        if let Some(format) = known::read(&mut self.matcher, message, &mut self.found) {
            return Ok(self.by_row(format));
        }
        if let Some(reading) = self.named_behind_words(message) {
            return Ok(reading);
        }
        self.found.clear();
        if let Some(columns) = w3c::headerless(message)
            && columns.read(message, &mut self.found)
        {
            return Ok(EntryRules { is_utc: true, ..rules }.of(W3C));
        }
        Err(if columns.is_some() {
            Skip::NotTheColumns
        } else {
            diagnose::reason(&mut self.matcher, message)
        })
    }

    /// Reads JSON or logfmt behind what loggers put in front, such as a time, a level or the name of a file. An access log says
    /// the status; other messages about requests do not.
    fn named_behind_words(&mut self, message: &[u8]) -> Option<MessageReading> {
        let start = json::object_start(message).or_else(|| json::pairs_start(message))?;
        self.found.clear();
        let product = self.json.read(message, start, &mut self.found).ok()?;
        if !self.found.has_whole_request() || self.found.get(LogField::Status).is_none() {
            return None;
        }
        // What decides whether it is one of an access log may stand before it (Caddy's console).
        let is_guarded = self.found.get(LogField::Guard).is_some() || product.guard.is_empty();
        if !is_guarded && memmem::find(&message[..start], product.guard.as_bytes()).is_none() {
            return None;
        }
        self.found.stamp = time::first_in(&message[..start]).or(self.found.stamp);
        Some(self.by_product(product))
    }

    /// Where a message begins behind what `kubectl logs --timestamps` (a time) or `--prefix` (a name in brackets) and `docker
    /// compose logs` (a name with a bar) put in front, and the time of that.
    pub(super) fn behind_prefix(&self, message: &[u8]) -> Option<(usize, Option<Moment>)> {
        if let Some(blank) = memchr::memchr(b' ', &message[..message.len().min(MAX_NAME_BYTES)])
            && client::is_pod(&message[..blank])
        {
            return Some((blank + 1, self.found.stamp));
        }
        if let Some((moment, end)) = time::at_start(message) {
            return (message[10] == b'T' && message.get(end) == Some(&b' '))
                .then_some((end + 1, Some(moment)));
        }
        let bar = memchr::memchr(b'|', &message[..message.len().min(MAX_NAME_BYTES)])?;
        let name = message[..bar].trim_ascii_end();
        let is_name = !name.is_empty() && name.len() < bar && !name.contains(&b' ');
        (is_name && message.get(bar + 1) == Some(&b' ')).then_some((bar + 2, self.found.stamp))
    }

    /// Reads a message by the format that was given; `None` where none was.
    pub(super) fn given(&mut self, carry: &Carry, message: &[u8]) -> Option<Result<MessageReading, Skip>> {
        if let Kind::Auto = *self.options.format.kind {
            return None;
        }
        let kind = Arc::clone(&self.options.format.kind);
        self.found.clear();
        Some(self.by_kind(&kind, carry, message))
    }

    fn by_kind(&mut self, kind: &Kind, carry: &Carry, message: &[u8]) -> Result<MessageReading, Skip> {
        let (rules, found) = (self.rules(), &mut self.found);
        let start = message.len() - message.trim_ascii_start().len();
        let is_json = message.get(start) == Some(&b'{');
        match kind {
            Kind::Auto => Err(Skip::NotTheFormat),
            Kind::Given(line) => {
                let fits = self.matcher.read(&line.template, message, found);
                fits.then(|| rules.of(GIVEN)).ok_or(Skip::NotTheFormat)
            }
            // Some products write text or JSON.
            Kind::Known(name) if is_json => self.product(Some(name), message, start),
            Kind::W3c(_) if is_json => self.product(Some("cloudfront"), message, start),
            Kind::Known(name) => {
                let format =
                    known::formats(Some(name)).find(|format| format.read(&mut self.matcher, message, found));
                match format {
                    Some(format) => Ok(self.by_row(format)),
                    None => self.product(
                        Some(name),
                        message,
                        json::pairs_start(message).ok_or(Skip::NotTheFormat)?,
                    ),
                }
            }
            Kind::W3c(columns) => {
                let columns = columns.as_ref().or(carry.columns()).ok_or(Skip::NotTheColumns)?;
                let fits = columns.read(message, found);
                found.day = carry.day();
                fits.then(|| EntryRules { is_utc: !columns.is_local, ..rules }.of(W3C))
                    .ok_or(Skip::NotTheColumns)
            }
            Kind::Json(None) if !is_json => Err(Skip::NotJson),
            Kind::Json(name) => self.product(*name, message, named_start(message)?),
            Kind::Mapped(mapping) => {
                let product = self.json.read_mapped(mapping, message, named_start(message)?, found)?;
                Ok(MessageReading { format: GIVEN, ..self.by_product(product) })
            }
        }
    }

    /// Reads the object that begins at `start`, which must be of the product if one is named.
    fn product(&mut self, name: Option<&str>, message: &[u8], start: usize) -> Result<MessageReading, Skip> {
        let product = self.json.read(message, start, &mut self.found)?;
        let is_it = name.is_none_or(|name| name == product.name);
        self.found.stamp = time::first_in(&message[..start]).or(self.found.stamp);
        is_it.then(|| self.by_product(product)).ok_or(Skip::NotTheFormat)
    }

    fn rules(&self) -> EntryRules {
        EntryRules { keep_query: self.options.keep_query, ..EntryRules::default() }
    }

    fn by_row(&mut self, row: &'static KnownFormat) -> MessageReading {
        self.last_row = Some(row);
        let KnownFormat { method, lacks_slash, .. } = *row;
        EntryRules { method, lacks_slash, ..self.rules() }.of(row.name)
    }

    fn by_product(&self, product: &'static Product) -> MessageReading {
        let Product { is_utc, method, lacks_slash, .. } = *product;
        EntryRules { is_utc, method, lacks_slash, ..self.rules() }.of(product.name)
    }

    /// Gives the entry of what was found.
    pub(super) fn emit(
        &mut self,
        message: &[u8],
        reading: &MessageReading,
        each: &mut impl FnMut(LineOutcome<'_>),
    ) -> Result<(), Skip> {
        let built = self.builder.build(message, &self.found, reading.rules);
        let entry = built.map_err(|skip| match skip {
            // These are said of JSON; a header may name too few columns for an entry.
            Skip::NoRequest | Skip::NoTime if reading.format == W3C => Skip::NotAccessLog,
            skip => skip,
        })?;
        each(LineOutcome::Entry { entry, format: reading.format });
        Ok(())
    }
}

/// Names of containers are shorter.
const MAX_NAME_BYTES: usize = 128;

/// Where names with values begin in a message that is nothing else.
fn named_start(message: &[u8]) -> Result<usize, Skip> {
    let start = message.len() - message.trim_ascii_start().len();
    if message.get(start) == Some(&b'{') {
        Ok(start)
    } else {
        json::pairs_start(message).ok_or(Skip::NotJson)
    }
}

/// The product whose envelopes end whole lines with `\n`.
const DOCKER: &str = "docker";
const W3C: &str = "w3c";
/// What entries are said to be read by where a format string reads them.
const GIVEN: &str = "--format";
