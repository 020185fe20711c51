//! The reader: lines in, entries and skipped lines out.
//!
//! Input: lines of a log, in order. Output: for each an entry, a reason why it is not one, several of these (a list of objects), or
//! nothing (blank lines, directives, parts of lines). Envelopes are opened one after the other; then the given format, or the
//! first known one that fits, reads what is inside. Never: a clock, a file, or a result that depends on more than the line and
//! the [`Carry`].

use memchr::{memchr, memchr_iter, memmem};

use super::carry::{Carry, ExportedEntry, InvalidState};
use super::client;
use super::csv;
use super::field::Escape;
use super::json;
use super::message::{Enclosed, MessageReader, OpenedMessage};
use super::number;
use super::skip::Skip;
use super::time::Moment;
use super::w3c::{self, Directive};
use super::{LineOutcome, MAX_LINE_BYTES, ReaderOptions};

/// Envelopes within envelopes that are opened.
const MAX_ENVELOPES: usize = 4;

/// Reads the lines of one log.
#[derive(Clone, Debug)]
pub struct Reader {
    carry: Carry,
    messages: MessageReader,
    /// The lines inside of envelopes, by depth.
    inner: [Vec<u8>; MAX_ENVELOPES],
}

/// What a message is by itself.
enum Alone {
    Entry {
        /// Its client is an address, as nearly all are.
        has_address: bool,
    },
    Skipped(Skip),
}

impl Reader {
    /// A reader for a log from its beginning.
    #[must_use]
    pub fn new(options: ReaderOptions) -> Self {
        Self { carry: Carry::default(), messages: MessageReader::new(options), inner: Default::default() }
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

    /// Takes the state of another reader of the same log.
    pub fn set_state_of(&mut self, other: &Self) {
        self.carry.clone_from(&other.carry);
    }

    /// Whether lines may change the state of a reader that is not within a line: `false` is certain. Directives, parts of
    /// lines (Docker, CRI) and journald's export do.
    #[must_use]
    pub fn may_carry(lines: &[u8]) -> bool {
        let is_directive =
            |at: usize| matches!(lines.get(at + 1), Some(b'f' | b'F' | b's' | b'S' | b'd' | b'D'));
        const MARKS: [&[u8]; 4] = [b"stdout", b"stderr", b"\"log\"", b"__CURSOR="];
        memchr_iter(b'#', lines).any(is_directive)
            || MARKS.iter().any(|mark| memmem::find(lines, mark).is_some())
    }

    /// Whether the next line may be the rest of one that has begun.
    #[must_use]
    pub fn is_within_line(&self) -> bool {
        self.carry.is_within_line()
    }

    /// Reads all lines of a body, the last one too if it has no end. A line whose parts go on behind the body stays open.
    pub fn body(&mut self, body: &[u8], each: &mut impl FnMut(LineOutcome<'_>)) {
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
    pub fn line(&mut self, line: &[u8], each: &mut impl FnMut(LineOutcome<'_>)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = trim_nuls(line);
        if text.len() > MAX_LINE_BYTES {
            each(LineOutcome::Skipped { reason: Skip::TooLong, line });
        } else if text.is_empty() && !line.is_empty() {
            each(LineOutcome::Skipped { reason: Skip::OnlyNuls, line });
        } else if memchr(0, text).is_some()
            && let Some(hole) = memmem::rfind(text, b"\0\0")
        {
            self.broken(text, hole, each);
        } else {
            self.whole(text, each);
        }
    }

    /// Reads the lines that have begun and whose other parts never came.
    pub fn finish(&mut self, each: &mut impl FnMut(LineOutcome<'_>)) {
        while let Some(parts) = self.carry.take_any() {
            self.closed(&parts, 1, each);
        }
    }

    /// Reads a line with a hole of NULs in it: where what follows the hole is a line by itself, what is before it is one too,
    /// cut off when the hole came to be.
    fn broken(&mut self, text: &[u8], hole: usize, each: &mut impl FnMut(LineOutcome<'_>)) {
        let (before, behind) = (trim_nuls(&text[..hole]), trim_nuls(&text[hole..]));
        if matches!(self.alone(behind, 0), Alone::Entry { .. }) {
            self.line(before, each);
            self.whole(behind, each);
        } else {
            self.whole(text, each);
        }
    }

    fn whole(&mut self, line: &[u8], each: &mut impl FnMut(LineOutcome<'_>)) {
        if let Err(reason) = self.message(line, 0, None, each) {
            each(LineOutcome::Skipped { reason, line });
        }
    }

    /// Reads a message, which lies in `depth` envelopes. On success the entry was given, or there was nothing to give.
    fn message(
        &mut self,
        message: &[u8],
        depth: usize,
        stamp: Option<Moment>,
        each: &mut impl FnMut(LineOutcome<'_>),
    ) -> Result<(), Skip> {
        let message = message.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(message);
        if message.trim_ascii().is_empty() {
            self.carry.export = None;
            return Ok(());
        }
        self.messages.set_stamp(stamp);
        if memchr(ESC, message).is_none() {
            return self.plain(message, depth, stamp, each);
        }
        let plain = without_colours(message);
        if plain.trim_ascii().is_empty() { Ok(()) } else { self.plain(&plain, depth, stamp, each) }
    }

    /// Reads a message that holds something, without a terminal's colours.
    fn plain(
        &mut self,
        message: &[u8],
        depth: usize,
        stamp: Option<Moment>,
        each: &mut impl FnMut(LineOutcome<'_>),
    ) -> Result<(), Skip> {
        if message[0] == b'#' && self.directive(message) {
            return Ok(());
        }
        if let Some(inner) = self.exported(message) {
            let stamp =
                self.carry.export.and_then(|entry| i64::try_from(entry.micros?).ok()).map(Moment::utc);
            return if inner.is_empty() { Ok(()) } else { self.message(inner, depth, stamp, each) };
        }
        let messages = &mut self.messages;
        if messages.quick(&self.carry, message, each) {
            return Ok(());
        }
        // What a format string describes may look like an envelope, so it comes first.
        let given = messages.given(&self.carry, message);
        if let Some(Ok(reading)) = &given
            && messages.emit(message, reading, each).is_ok()
        {
            return Ok(());
        }
        if given.is_none()
            && let Some(done) = self.cell(message, depth, stamp, each)
        {
            return done;
        }
        let messages = &mut self.messages;
        let reading = match (messages.open(message), given) {
            (Ok(OpenedMessage::Envelope(enclosed)), _) => {
                return if depth < MAX_ENVELOPES {
                    self.enclosed(message, &enclosed, depth, each)
                } else {
                    Err(Skip::NotAccessLog)
                };
            }
            (Ok(OpenedMessage::Records(records, stamp)), _) if depth < MAX_ENVELOPES => {
                self.records(records.of(message), depth, stamp, each);
                return Ok(());
            }
            (_, Some(Err(skip))) => return Err(skip),
            (_, Some(Ok(_))) => messages.given(&self.carry, message).unwrap_or(Err(Skip::NotTheFormat))?,
            (Ok(OpenedMessage::Named(reading)), None) => reading,
            (Ok(OpenedMessage::Records(..)), None) => return Err(Skip::NotAccessLog),
            (Ok(OpenedMessage::Text), None) => match messages.text(&self.carry, message) {
                Ok(reading) => reading,
                Err(skip) => {
                    let (start, stamp) =
                        messages.behind_prefix(message).filter(|_| depth < MAX_ENVELOPES).ok_or(skip)?;
                    return self.message(&message[start..], depth + 1, stamp, each).map_err(|_| skip);
                }
            },
            (Err(skip), None) => return Err(skip),
        };
        messages.emit(message, &reading, each)
    }

    /// Reads the line that stands in a cell of a row of CSV; `None` where there is none.
    fn cell(
        &mut self,
        message: &[u8],
        depth: usize,
        stamp: Option<Moment>,
        each: &mut impl FnMut(LineOutcome<'_>),
    ) -> Option<Result<(), Skip>> {
        let cell = csv::quoting_cell(message).filter(|_| depth < MAX_ENVELOPES)?;
        let mut line = Vec::new();
        Escape::Doubled.undo(cell.of(message), &mut line);
        // A user agent may hold quotes, too, and what it says may look like a line: a known format of CSV says where the agent is.
        let is_line = matches!(self.alone(&line, depth + 1), Alone::Entry { .. });
        self.messages.set_stamp(stamp);
        (is_line && !self.messages.is_known_csv(message)).then(|| self.message(&line, depth + 1, stamp, each))
    }

    /// Reads objects that stand in one line. Each is an entry, or skipped, by itself.
    fn records(
        &mut self,
        records: &[u8],
        depth: usize,
        stamp: Option<Moment>,
        each: &mut impl FnMut(LineOutcome<'_>),
    ) {
        for record in json::records(records) {
            if let Err(reason) = self.message(record, depth + 1, stamp, each) {
                each(LineOutcome::Skipped { reason, line: record });
            }
        }
    }

    /// Reads what is inside an envelope: a whole line, a part of one, or the last part.
    fn enclosed(
        &mut self,
        message: &[u8],
        enclosed: &Enclosed,
        depth: usize,
        each: &mut impl FnMut(LineOutcome<'_>),
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
        each: &mut impl FnMut(LineOutcome<'_>),
    ) -> Result<(), Skip> {
        let (depth, stamp) = (depth + 1, enclosed.stamp);
        while !enclosed.is_part
            && let Some(end) = LINE_ENDS.iter().find(|end| inner.ends_with(end))
        {
            inner.truncate(inner.len() - end.len());
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
            return self.message(inner, depth, stamp, each);
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
                return self.message(inner, depth, stamp, each);
            }
        }
        self.message(&parts, depth, stamp, each)
    }

    /// Gives parts of a line to which no more come.
    fn closed(&mut self, parts: &[u8], depth: usize, each: &mut impl FnMut(LineOutcome<'_>)) {
        if let Err(reason) = self.message(parts, depth, None, each) {
            each(LineOutcome::Skipped { reason, line: parts });
        }
    }

    /// What a message is by itself. Gives nothing, and changes nothing.
    fn alone(&mut self, message: &[u8], depth: usize) -> Alone {
        let carry = self.carry.clone();
        let mut alone = Alone::Skipped(Skip::NotAccessLog);
        let done = self.message(message, depth, None, &mut |outcome| {
            if let LineOutcome::Entry { entry, .. } = outcome {
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
            Some(Directive::Date(text)) => self.carry.set_date(text),
            Some(Directive::Other) => {}
        }
        true
    }

    /// The message of an entry in journald's export format; empty for its other fields; `None` outside of one.
    fn exported<'m>(&mut self, line: &'m [u8]) -> Option<&'m [u8]> {
        if line.starts_with(b"__CURSOR=") {
            self.carry.export = Some(ExportedEntry::default());
        }
        let entry = self.carry.export.as_mut()?;
        let equals = memchr(b'=', line)?;
        let (name, value) = (&line[..equals], &line[equals + 1..]);
        let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        match name {
            b"MESSAGE" => Some(value),
            b"__REALTIME_TIMESTAMP" => {
                entry.micros = number::unix_micros(value);
                Some(b"")
            }
            name if name.iter().all(is_name) => Some(b""),
            _ => None,
        }
    }
}

/// Ends of the line inside an envelope; rsyslog writes control characters as `#` with three octal digits.
const LINE_ENDS: [&[u8]; 4] = [b"\n", b"\r", b"#012", b"#015"];

const ESC: u8 = 0x1B;

/// A line without the sequences that set colours on a terminal (`ESC [ 1 ; 32 m`).
fn without_colours(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr(ESC, rest) {
        plain.extend_from_slice(&rest[..at]);
        let numbers = rest[at..].strip_prefix(b"\x1B[").unwrap_or_default();
        let length = numbers.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        let taken = if numbers.get(length) == Some(&b'm') { length + 3 } else { 0 };
        if taken == 0 {
            plain.push(ESC);
        }
        rest = &rest[at + taken.max(1)..];
    }
    plain.extend_from_slice(rest);
    plain
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
