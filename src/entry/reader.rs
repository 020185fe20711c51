//! The reader: lines in, entries and skipped lines out.
//!
//! Input: lines of a log, in order. Output: for each an entry, a reason why it is none, or nothing (blank lines, directives,
//! parts of lines). Envelopes are opened one after the other; then the given format, or the first known one that fits,
//! reads what is inside. Never: a clock, a file, or a result that depends on more than the line and the [`Carry`].

use memchr::{memchr, memmem};

use super::build::{Builder, Rules};
use super::carry::{Carry, InvalidState};
use super::client;
use super::diagnose;
use super::envelope;
use super::field::{Field, Found, Value};
use super::format::{Format, Kind};
use super::json::JsonReader;
use super::known;
use super::skip::Skip;
use super::template::matching::Matcher;
use super::time::Partial;
use super::time::zone::{LocalTimes, Zone};
use super::w3c::{self, Directive};
use super::{LogEntry, MAX_LINE_BYTES};

/// How a log is read.
#[derive(Clone, Debug, Default)]
pub struct ReaderOptions {
    /// What its lines are.
    pub format: Format,
    /// The zone of times without offset.
    pub timezone: Option<Zone>,
    /// Query strings stay part of paths.
    pub keep_query: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outcome<'a> {
    /// It is an entry.
    Entry {
        /// What it says.
        entry: LogEntry<'a>,
        /// The name of the format that read it.
        format: &'static str,
    },
    /// It is none.
    Skipped {
        /// Why.
        reason: Skip,
        /// The line.
        line: &'a [u8],
    },
}

/// Envelopes within envelopes that are opened.
const MAX_ENVELOPES: usize = 4;

/// Reads the lines of one log.
#[derive(Clone, Debug)]
pub struct Reader {
    options: ReaderOptions,
    carry: Carry,
    tools: Tools,
    /// The lines inside of envelopes, by depth.
    inner: [Vec<u8>; MAX_ENVELOPES],
}

/// What reads a message; its memory is kept between lines.
#[derive(Clone, Debug)]
struct Tools {
    matcher: Matcher,
    json: JsonReader,
    builder: Builder,
    found: Found,
}

/// How a message was read: by which format, and by which rules its fields become an entry.
struct Reading {
    format: &'static str,
    rules: Rules,
}

/// What a message is by itself.
enum Alone {
    Entry {
        /// Its client is an address, as nearly all are.
        has_address: bool,
    },
    Skipped(Skip),
}

/// What is inside an envelope.
struct Enclosed {
    inner: Value,
    stream: Option<Value>,
    /// The rest of the line comes later.
    is_part: bool,
    pieces: Option<Partial>,
}

impl Reader {
    /// A reader for a log from its beginning.
    #[must_use]
    pub fn new(options: ReaderOptions) -> Self {
        let builder = Builder::new(LocalTimes::new(options.timezone.clone()));
        let tools = Tools {
            matcher: Matcher::default(),
            json: JsonReader::default(),
            builder,
            found: Found::default(),
        };
        Self { options, carry: Carry::default(), tools, inner: Default::default() }
    }

    /// A reader that goes on where another one had this [`state`](Self::state).
    ///
    /// # Errors
    /// [`InvalidState`] for a parameter that no reader gives.
    pub fn resume<'p>(
        options: ReaderOptions,
        state: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Self, InvalidState> {
        Ok(Self { carry: Carry::from_parameters(state)?, ..Self::new(options) })
    }

    /// What the lines so far say about the next one, as parameters whose values are safe in URLs.
    #[must_use]
    pub fn state(&self) -> Vec<(&'static str, String)> {
        self.carry.parameters()
    }

    /// Whether the next line may be the rest of one that has begun.
    #[must_use]
    pub fn is_within_line(&self) -> bool {
        self.carry.is_within_line()
    }

    /// Reads all lines of a body, the last one too if it has no end. A line whose parts go on behind the body stays open.
    pub fn body(&mut self, body: &[u8], each: &mut impl FnMut(Outcome<'_>)) {
        let mut rest = body;
        while let Some(end) = memchr(b'\n', rest) {
            self.line(&rest[..end], each);
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            self.line(rest, each);
        }
    }

    /// Reads the next line, without its end.
    pub fn line(&mut self, line: &[u8], each: &mut impl FnMut(Outcome<'_>)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = trim_nuls(line);
        if text.len() > MAX_LINE_BYTES {
            each(Outcome::Skipped { reason: Skip::TooLong, line });
        } else if text.is_empty() && !line.is_empty() {
            each(Outcome::Skipped { reason: Skip::OnlyNuls, line });
        } else if let Some(hole) = memmem::rfind(text, b"\0\0") {
            self.broken(text, hole, each);
        } else {
            self.whole(text, each);
        }
    }

    /// Reads the lines that have begun and whose other parts never came.
    pub fn finish(&mut self, each: &mut impl FnMut(Outcome<'_>)) {
        while let Some(parts) = self.carry.take_any() {
            self.closed(&parts, 1, each);
        }
    }

    /// Reads a line with a hole of NULs in it: where what follows the hole is a line by itself, what is before it is one too,
    /// cut off when the hole came to be.
    fn broken(&mut self, text: &[u8], hole: usize, each: &mut impl FnMut(Outcome<'_>)) {
        let (before, behind) = (trim_nuls(&text[..hole]), trim_nuls(&text[hole..]));
        if matches!(self.alone(behind, 0), Alone::Entry { .. }) {
            self.line(before, each);
            self.whole(behind, each);
        } else {
            self.whole(text, each);
        }
    }

    fn whole(&mut self, line: &[u8], each: &mut impl FnMut(Outcome<'_>)) {
        if let Err(reason) = self.message(line, 0, None, each) {
            each(Outcome::Skipped { reason, line });
        }
    }

    /// Reads a message, which lies in `depth` envelopes. On success the entry was given, or there was nothing to give.
    fn message(
        &mut self,
        message: &[u8],
        depth: usize,
        pieces: Option<Partial>,
        each: &mut impl FnMut(Outcome<'_>),
    ) -> Result<(), Skip> {
        let message = message.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(message);
        if message.trim_ascii().is_empty() {
            self.carry.in_export = false;
            return Ok(());
        }
        if message[0] == b'#' && self.directive(message) {
            return Ok(());
        }
        if let Some(inner) = self.exported(message) {
            return if inner.is_empty() { Ok(()) } else { self.message(inner, depth, None, each) };
        }
        // What a format string describes may look like an envelope, so it comes first.
        if !self.options.format.is_auto()
            && let Ok(reading) = self.tools.given(&self.options, &self.carry, message)
            && let Ok(entry) = self.tools.builder.build(message, &self.tools.found, reading.rules)
        {
            each(Outcome::Entry { entry, format: reading.format });
            return Ok(());
        }
        self.tools.found.clear();
        self.tools.found.pieces = pieces;
        let reading = match self.tools.open(message) {
            Ok(Opened::Envelope(enclosed)) if depth < MAX_ENVELOPES => {
                return self.enclosed(message, &enclosed, depth, each);
            }
            Ok(Opened::Envelope(_)) => return Err(Skip::NotAccessLog),
            _ if !self.options.format.is_auto() => {
                let reading = self.tools.given(&self.options, &self.carry, message)?;
                return self.tools.emit(message, &reading, each);
            }
            Ok(Opened::Json(reading)) => {
                Rules { keep_query: self.options.keep_query, ..reading.rules }.of(reading.format)
            }
            Ok(Opened::Text) => self.tools.text(&self.options, &self.carry, message)?,
            Err(skip) => return Err(skip),
        };
        self.tools.emit(message, &reading, each)
    }

    /// Reads what is inside an envelope: a whole line, a part of one, or the last part.
    fn enclosed(
        &mut self,
        message: &[u8],
        enclosed: &Enclosed,
        depth: usize,
        each: &mut impl FnMut(Outcome<'_>),
    ) -> Result<(), Skip> {
        let mut inner = std::mem::take(&mut self.inner[depth]);
        inner.clear();
        enclosed.inner.escape.undo(enclosed.inner.span.of(message), &mut inner);
        let stream = enclosed.stream.map_or(&b""[..], |stream| stream.span.of(message));
        let done = self.part(&mut inner, stream, enclosed, depth, each);
        self.inner[depth] = inner;
        done
    }

    fn part(
        &mut self,
        inner: &mut Vec<u8>,
        stream: &[u8],
        enclosed: &Enclosed,
        depth: usize,
        each: &mut impl FnMut(Outcome<'_>),
    ) -> Result<(), Skip> {
        let (depth, pieces) = (depth + 1, enclosed.pieces);
        while !enclosed.is_part && inner.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            inner.pop();
        }
        let mut parts = self.carry.take(stream);
        if enclosed.is_part {
            // What is whole already, or never can be, does not go on.
            let is_closed = match self.alone(&parts, depth) {
                Alone::Entry { .. } => true,
                Alone::Skipped(reason) => reason == Skip::NotJson,
            };
            if is_closed && !parts.is_empty() {
                self.closed(&parts, depth, each);
                parts.clear();
            }
            parts.extend_from_slice(inner);
            self.carry.keep(stream, &parts);
            return Ok(());
        }
        if parts.is_empty() {
            return self.message(inner, depth, pieces, each);
        }
        let begun = parts.len();
        parts.extend_from_slice(inner);
        if parts.len() > MAX_LINE_BYTES {
            return Err(Skip::TooLong);
        }
        // What is a line by itself does not go on with what came before it, unless that began as a line does: then a client
        // may have chosen where it was divided.
        if matches!(self.alone(inner, depth), Alone::Entry { .. }) {
            let goes_on = match (self.alone(&parts[..begun], depth), self.alone(&parts, depth)) {
                (Alone::Skipped(Skip::CutOff), Alone::Entry { .. }) => true,
                (Alone::Skipped(_), Alone::Entry { has_address }) => has_address,
                _ => false,
            };
            if !goes_on {
                self.closed(&parts[..begun], depth, each);
                return self.message(inner, depth, pieces, each);
            }
        }
        self.message(&parts, depth, pieces, each)
    }

    /// Gives parts of a line to which no more come.
    fn closed(&mut self, parts: &[u8], depth: usize, each: &mut impl FnMut(Outcome<'_>)) {
        if let Err(reason) = self.message(parts, depth, None, each) {
            each(Outcome::Skipped { reason, line: parts });
        }
    }

    /// What a message is by itself. Gives nothing, and changes nothing.
    fn alone(&mut self, message: &[u8], depth: usize) -> Alone {
        let carry = self.carry.clone();
        let mut alone = Alone::Skipped(Skip::NotAccessLog);
        let done = self.message(message, depth, None, &mut |outcome| {
            if let Outcome::Entry { entry, .. } = outcome {
                let is_address = |client: &str| client::is_address(client.as_bytes());
                alone = Alone::Entry { has_address: entry.client_ip.is_some_and(is_address) };
            }
        });
        self.carry = carry;
        done.map_or_else(Alone::Skipped, |()| alone)
    }

    /// Takes a directive of a W3C log; `false` for any other comment.
    fn directive(&mut self, line: &[u8]) -> bool {
        match w3c::directive(line) {
            None => return false,
            Some(Directive::Fields(header)) => self.carry.set_columns(header),
            Some(Directive::Software(name)) => self.carry.set_software(name),
            Some(Directive::Other) => {}
        }
        true
    }

    /// The message of an entry in journald's export format; empty for its other fields; `None` outside of one.
    fn exported<'m>(&mut self, line: &'m [u8]) -> Option<&'m [u8]> {
        self.carry.in_export |= line.starts_with(b"__CURSOR=");
        if !self.carry.in_export {
            return None;
        }
        let name = memchr(b'=', line).map(|equals| &line[..equals])?;
        let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        match name {
            b"MESSAGE" => Some(&line[name.len() + 1..]),
            name if name.iter().all(is_name) => Some(b""),
            _ => None,
        }
    }
}

/// A line without the NULs before and behind it.
fn trim_nuls(line: &[u8]) -> &[u8] {
    if line.first() != Some(&0) && line.last() != Some(&0) {
        return line;
    }
    let is_text = |byte: &u8| *byte != 0;
    let start = line.iter().position(is_text).unwrap_or(line.len());
    let end = line.iter().rposition(is_text).map_or(start, |last| last + 1);
    &line[start..end]
}

/// What a message turned out to be.
enum Opened {
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

impl Tools {
    /// Tells envelopes, JSON and text apart.
    fn open(&mut self, message: &[u8]) -> Result<Opened, Skip> {
        let trimmed = message.trim_ascii_start();
        if trimmed[0] == b'{' {
            let product = self.json.read(message, message.len() - trimmed.len(), &mut self.found)?;
            if let Some(inner) = self.found.get(Field::Inner) {
                let is_part = product.name == DOCKER && !inner.span.of(message).ends_with(b"\\n");
                return Ok(Opened::Envelope(self.enclosed(inner, is_part)));
            }
            let rules = Rules { is_utc: product.is_utc, method: product.method, keep_query: false };
            return Ok(Opened::Json(rules.of(product.name)));
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
    fn text(&mut self, options: &ReaderOptions, carry: &Carry, message: &[u8]) -> Result<Reading, Skip> {
        let rules = Rules { keep_query: options.keep_query, ..Rules::default() };
        let columns = carry.columns();
        if let Some(columns) = columns {
            self.found.clear();
            if columns.read(message, &mut self.found) {
                return Ok(Rules { is_utc: true, ..rules }.of(W3C));
            }
        }
        self.found.clear();
        for format in known::formats(None) {
            if format.read(&mut self.matcher, message, &mut self.found) {
                return Ok(rules.of(format.name));
            }
        }
        Err(if columns.is_some() {
            Skip::NotTheColumns
        } else {
            diagnose::reason(&mut self.matcher, message)
        })
    }

    /// Reads a message by the format that was given.
    fn given(&mut self, options: &ReaderOptions, carry: &Carry, message: &[u8]) -> Result<Reading, Skip> {
        let rules = Rules { keep_query: options.keep_query, ..Rules::default() };
        let found = &mut self.found;
        found.clear();
        let blanks = message.len() - message.trim_ascii_start().len();
        let is_json = message.get(blanks) == Some(&b'{');
        match &*options.format.kind {
            Kind::Auto => Err(Skip::NotTheFormat),
            Kind::Given(template) => {
                let fits = self.matcher.read(template, message, found);
                fits.then(|| rules.of("--format")).ok_or(Skip::NotTheFormat)
            }
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
            Kind::Json(name) => {
                let product = self.json.read(message, blanks, found)?;
                if name.is_some_and(|name| name != product.name) {
                    return Err(Skip::NotTheFormat);
                }
                Ok(Rules { is_utc: product.is_utc, method: product.method, ..rules }.of(product.name))
            }
            Kind::Mapped(mapping) => {
                let product = self.json.read_mapped(mapping, message, blanks, found)?;
                Ok(Rules { is_utc: product.is_utc, method: product.method, ..rules }.of("--format"))
            }
        }
    }

    /// Gives the entry of what was found.
    fn emit(
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
