//! What was found in a message becomes an entry, the same way for every format.
//!
//! Input: a message and [`Found`]. Output: a [`LogEntry`] whose texts are borrowed from the message or from memory that is
//! used again, or the reason why it is not one. Never: a limit on lengths (the batch rules have those).

use std::borrow::Cow;
use std::ops::Range;

use super::field::{Found, FoundValue, LogField, Unit};
use super::skip::Skip;
use super::text::push_lossy;
use super::time::zone::{LocalTimes, NoInstant};
use super::time::{self, Moment};
use super::{LogEntry, client, number, request};

/// What a format says beyond its fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EntryRules {
    /// Its times are UTC where they have no offset.
    pub(super) is_utc: bool,
    /// The method of a format that logs none.
    pub(super) method: Option<&'static str>,
    /// Its paths lack their slash.
    pub(super) lacks_slash: bool,
    pub(super) keep_query: bool,
}

/// A text of an entry under construction.
#[derive(Clone, Copy)]
enum TextRef {
    Message(usize, usize),
    Arena(usize, usize),
}

impl TextRef {
    fn part(self, part: Range<usize>) -> Self {
        match self {
            Self::Message(start, _) => Self::Message(start + part.start, start + part.end),
            Self::Arena(start, _) => Self::Arena(start + part.start, start + part.end),
        }
    }
}

/// Makes entries; keeps its memory between them.
#[derive(Clone, Debug)]
pub(super) struct Builder {
    pub(super) times: LocalTimes,
    arena: String,
    scratch: Vec<u8>,
}

/// A request as it will stand in the entry; `None` where there was none.
struct Requested {
    method: TextRef,
    path: TextRef,
    host: Option<TextRef>,
}

impl Builder {
    pub(super) fn new(times: LocalTimes) -> Self {
        Self { times, arena: String::new(), scratch: Vec::new() }
    }

    /// The entry of a message.
    pub(super) fn build<'a>(
        &'a mut self,
        message: &'a [u8],
        found: &Found,
        rules: EntryRules,
    ) -> Result<LogEntry<'a>, Skip> {
        self.arena.clear();
        let text = simdutf8::basic::from_utf8(message).ok();
        let has_backslash = memchr::memchr(b'\\', message).is_some();
        let mut draft = Draft { builder: self, message, text, has_backslash };
        // What is not a request needs no time.
        let received_at = draft.received_at(found, rules);
        let requested = draft.requested(found, rules)?;
        let received_at_micros = received_at?;
        let who = draft.who(found);
        let asked_host = requested.as_ref().and_then(|requested| requested.host);
        let host =
            draft.field(found, LogField::Host).or(who.host).or(asked_host).and_then(|host| draft.host(host));
        let agent = draft.field(found, LogField::Agent);
        let referrer = draft.field(found, LogField::Referrer);
        let client = draft.client(found, who.client);
        let (route, country) = (draft.field(found, LogField::Route), draft.field(found, LogField::Country));
        let says = |field| found.said(field, message);
        let status = says(LogField::Status).and_then(|value| number::status(value.span.of(message)));
        let response_bytes = says(LogField::Bytes).and_then(|value| number::count(value.span.of(message)));
        let duration_micros = match says(LogField::Duration(Unit::Seconds)) {
            Some(value) => number::micros(value.span.of(message), value.unit),
            None => found.parts.flatten().map(number::half_up_micros),
        };
        let duration_micros = duration_micros
            .or_else(|| says(LogField::Extras).and_then(|extras| named_duration(extras.span.of(message))));
        let (arena, valid) = (draft.builder.arena.as_str(), draft.text);
        let text = |text: TextRef| match text {
            TextRef::Arena(start, end) => &arena[start..end],
            TextRef::Message(start, end) => slice(message, valid, start, end),
        };
        let (method, path) = match requested {
            Some(requested) => (text(requested.method), text(requested.path)),
            None => (INVALID_METHOD, INVALID_PATH),
        };
        Ok(LogEntry {
            received_at_micros,
            method,
            path,
            user_agent: agent.map_or("", text),
            status,
            response_bytes,
            duration_micros,
            host: host.map(text),
            referrer: referrer.map(text),
            client_ip: client.map(text),
            route: route.map(text),
            country: country.map(text),
        })
    }
}

/// Names of a total time behind the fields of an NCSA line.
const NAMED_DURATIONS: [(&[u8], Unit); 5] = [
    (b"rt=", Unit::Seconds),
    (b"request_time=", Unit::Seconds),
    (b"request_time:", Unit::Seconds),
    (b"duration_ms=", Unit::Millis),
    (b"latency=", Unit::Seconds),
];

/// The total time that follows an NCSA line under its name: `rt=0.005`, `request_time="0.005"`.
pub(super) fn named_duration(extras: &[u8]) -> Option<u64> {
    let mut words = extras.split(|byte| *byte == b' ');
    words.find_map(|word| {
        let (name, unit) = NAMED_DURATIONS.iter().find(|(name, _)| word.starts_with(name))?;
        let text = word[name.len()..].trim_ascii_end();
        let text = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text);
        number::micros(text.strip_suffix(b",").unwrap_or(text), *unit)
    })
}

/// The time of a message: its own, or that of the envelope around it.
pub(super) fn moment(found: &Found, message: &[u8]) -> Result<Moment, Skip> {
    if let Some((_, moment)) = found.moment {
        return Ok(moment);
    }
    if let Some(pieces) = found.pieces {
        return pieces.whole().ok_or(Skip::TimeUnreadable);
    }
    let said = |field| found.said(field, message).map(|value| value.span.of(message));
    let (time, date, of_day) = (said(LogField::Time), said(LogField::Date), said(LogField::TimeOfDay));
    // A column called `date` may hold all of the time, and `time` too.
    if let Some(partial) = date.and_then(time::day).or(found.day)
        && let Some(of_day) = of_day.or(time).and_then(time::time_of_day)
    {
        return partial.or(of_day).whole().ok_or(Skip::TimeUnreadable);
    }
    let texts = [time, date, of_day].into_iter().flatten();
    match texts.clone().find_map(|text| time::whole(&unescaped(text))) {
        Some(moment) => Ok(moment),
        None if texts.count() == 0 => found.stamp.ok_or(Skip::NoTime),
        None => Err(Skip::TimeUnreadable),
    }
}

/// A time without the escapes of JSON (`2021-10-14T22:17:11+00:00`, `14\/Oct\/2021`).
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', text).is_none() {
        return text.into();
    }
    text.iter().copied().filter(|byte| *byte != b'\\').collect()
}

/// What stands for something that was no request.
const INVALID_METHOD: &str = "-";
const INVALID_PATH: &str = "(invalid)";

struct Draft<'b, 'a> {
    builder: &'b mut Builder,
    message: &'a [u8],
    /// The message, if it is all UTF-8.
    text: Option<&'a str>,
    /// Most lines have none, and then nothing in them is escaped.
    has_backslash: bool,
}

impl<'a> Draft<'_, 'a> {
    fn received_at(&mut self, found: &Found, rules: EntryRules) -> Result<u64, Skip> {
        let moment = moment(found, self.message)?;
        self.builder.times.instant(moment, rules.is_utc).map_err(|error| match error {
            NoInstant::NoZone => Skip::NoTimezone,
            NoInstant::OutOfRange => Skip::TimeUnreadable,
        })
    }

    /// `Ok(None)` where there was no request that could be named.
    fn requested(&mut self, found: &Found, rules: EntryRules) -> Result<Option<Requested>, Skip> {
        let has_target = [LogField::Target, LogField::Rewritten, LogField::HostTarget]
            .into_iter()
            .any(|field| found.get(field).is_some());
        if let Some(line) = found.said(LogField::Request, self.message) {
            let line = self.decoded(line);
            if let Some(requested) = self.of_line(line, found, rules) {
                return Ok(Some(requested));
            }
            // Or the target alone, where another field has the method.
            if let Some(method) = found.said(LogField::Method, self.message) {
                let method = self.decoded(method);
                return Ok(self.of_target(method, line, found, rules));
            }
            // A field called `request` may hold the method alone.
            let is_method = has_target
                && found.get(LogField::Method).is_none()
                && request::can_be_method(self.text(line));
            return Ok(if is_method { self.of_parts(line, found, rules) } else { None });
        }
        let has_line = found.get(LogField::Request).is_some();
        if found.get(LogField::Method).is_none() && rules.method.is_none() || !has_target {
            return if has_line { Ok(None) } else { Err(Skip::NoRequest) };
        }
        let method = match (found.said(LogField::Method, self.message), rules.method) {
            (Some(method), _) => self.decoded(method),
            (None, Some(method)) => self.push(method),
            (None, None) => return Ok(None),
        };
        Ok(self.of_parts(method, found, rules))
    }

    fn of_line(&mut self, line: TextRef, found: &Found, rules: EntryRules) -> Option<Requested> {
        let (method, target) = request::split_line(self.text(line))?;
        self.of_target(line.part(method), line.part(target), found, rules)
    }

    fn of_parts(&mut self, method: TextRef, found: &Found, rules: EntryRules) -> Option<Requested> {
        let said = |field| found.said(field, self.message);
        if let Some(target) = said(LogField::Target).or(said(LogField::Rewritten)) {
            let target = self.decoded(target);
            return self.of_target(method, target, found, rules);
        }
        let joined = self.decoded(said(LogField::HostTarget)?);
        let asked = request::host_and_target(self.text(joined))?;
        self.of_asked(method, joined, asked, found, rules)
    }

    fn of_target(
        &mut self,
        method: TextRef,
        target: TextRef,
        found: &Found,
        rules: EntryRules,
    ) -> Option<Requested> {
        let text = self.text(target);
        let trimmed = text.trim_ascii();
        let start = text.len() - text.trim_ascii_start().len();
        // API Gateway's route key has the method in front.
        let own = trimmed.strip_prefix(self.text(method)).and_then(|rest| rest.strip_prefix(' '));
        let length = own.unwrap_or(trimmed).len();
        let end = start + trimmed.len();
        let target = target.part(end - length..end);
        let is_connect = self.text(method).eq_ignore_ascii_case("CONNECT");
        let text = self.text(target);
        let asked = match request::target(text, is_connect) {
            None if rules.lacks_slash && !text.is_empty() => request::RequestedTarget::without_slash(text),
            asked => asked?,
        };
        self.of_asked(method, target, asked, found, rules)
    }

    fn of_asked(
        &mut self,
        method: TextRef,
        target: TextRef,
        asked: request::RequestedTarget,
        found: &Found,
        rules: EntryRules,
    ) -> Option<Requested> {
        let method = self.method(method)?;
        let host = asked.host.map(|host| target.part(host));
        let path = self.path(target.part(asked.path), asked.lacks_slash, found, rules);
        Some(Requested { method, path, host })
    }

    fn method(&mut self, method: TextRef) -> Option<TextRef> {
        let text = self.text(method);
        if !request::can_be_method(text) {
            return None;
        }
        if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Some(method);
        }
        let upper = text.to_ascii_uppercase();
        Some(self.push(&upper))
    }

    fn path(&mut self, path: TextRef, lacks_slash: bool, found: &Found, rules: EntryRules) -> TextRef {
        let text = self.text(path);
        let query = memchr::memchr(b'?', text.as_bytes());
        let kept = match query {
            Some(query) if !rules.keep_query => path.part(0..query),
            _ => path,
        };
        let apart = found.said(LogField::Query, self.message).filter(|_| rules.keep_query && query.is_none());
        if !lacks_slash && apart.is_none() {
            return kept;
        }
        let mut whole = if lacks_slash { "/".to_owned() } else { String::new() };
        whole.push_str(self.text(kept));
        if let Some(apart) = apart {
            let apart = self.decoded(apart);
            let apart = self.text(apart);
            whole.push('?');
            whole.push_str(apart.strip_prefix('?').unwrap_or(apart));
        }
        self.push(&whole)
    }

    /// Client and virtual host of a line that has them before or behind its time.
    fn who(&self, found: &Found) -> WhoRefs {
        let place = |value: FoundValue, range: Range<usize>| {
            let start = value.span.start as usize;
            TextRef::Message(start + range.start, start + range.end)
        };
        let read = |field, read: fn(&[u8]) -> client::Who| {
            let value = found.said(field, self.message)?;
            let who = read(value.span.of(self.message));
            Some(WhoRefs {
                client: who.client.map(|client| place(value, client)),
                host: who.host.map(|host| place(value, host)),
            })
        };
        let before = read(LogField::Who, client::before_time);
        before.or_else(|| read(LogField::WhoAfterTime, client::after_time)).unwrap_or_default()
    }

    /// The forwarded-for list's first address, else the address field's first.
    fn client(&mut self, found: &Found, who: Option<TextRef>) -> Option<TextRef> {
        if let Some(list) = self.field(found, LogField::Forwarded)
            && let Some(first) = client::first_address(self.text(list).as_bytes())
        {
            return Some(list.part(first));
        }
        let client = self.field(found, LogField::Client).or(who)?;
        let client = client.part(client::of_field(self.bytes(client))?);
        (!self.text(client).is_empty()).then_some(client)
    }

    /// A host in lower case, without its port.
    fn host(&mut self, host: TextRef) -> Option<TextRef> {
        let part = client::host_name(self.bytes(host))?;
        let name = std::str::from_utf8(&self.bytes(host)[part.clone()]).ok()?;
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Some(host.part(part));
        }
        let lower = name.to_ascii_lowercase();
        Some(self.push(&lower))
    }

    /// A text field that says something.
    fn field(&mut self, found: &Found, field: LogField) -> Option<TextRef> {
        let value = found.said(field, self.message)?;
        Some(self.decoded(value))
    }

    /// A value without its escapes and the blanks around it, as UTF-8.
    fn decoded(&mut self, value: FoundValue) -> TextRef {
        let whole = value.span.of(self.message);
        let start = value.span.start as usize + whole.len() - whole.trim_ascii_start().len();
        let bytes = whole.trim_ascii();
        let may_change = self.has_backslash || !value.escape.is_by_backslash();
        if !(may_change && value.escape.changes(bytes)) {
            // A format may cut a character in two.
            let is_text = match self.text {
                Some(valid) => valid.get(start..start + bytes.len()).is_some(),
                None => std::str::from_utf8(bytes).is_ok(),
            };
            if is_text {
                return TextRef::Message(start, start + bytes.len());
            }
            return self.push_bytes(bytes);
        }
        let mut scratch = std::mem::take(&mut self.builder.scratch);
        scratch.clear();
        value.escape.undo(bytes, &mut scratch);
        let decoded = self.push_bytes(&scratch);
        self.builder.scratch = scratch;
        decoded
    }

    fn push_bytes(&mut self, bytes: &[u8]) -> TextRef {
        let start = self.builder.arena.len();
        push_lossy(bytes, &mut self.builder.arena);
        TextRef::Arena(start, self.builder.arena.len())
    }

    fn push(&mut self, text: &str) -> TextRef {
        let start = self.builder.arena.len();
        self.builder.arena.push_str(text);
        TextRef::Arena(start, self.builder.arena.len())
    }

    fn bytes(&self, text: TextRef) -> &[u8] {
        match text {
            TextRef::Message(start, end) => &self.message[start..end],
            TextRef::Arena(start, end) => &self.builder.arena.as_bytes()[start..end],
        }
    }

    /// A text that [`Draft::decoded`] or [`Draft::push`] gave.
    fn text(&self, text: TextRef) -> &str {
        match text {
            TextRef::Message(start, end) => slice(self.message, self.text, start, end),
            TextRef::Arena(start, end) => &self.builder.arena[start..end],
        }
    }
}

/// A part of a message that was seen to be text.
fn slice<'a>(message: &'a [u8], valid: Option<&'a str>, start: usize, end: usize) -> &'a str {
    let text = valid.and_then(|valid| valid.get(start..end));
    text.or_else(|| std::str::from_utf8(&message[start..end]).ok()).unwrap_or_default()
}

#[derive(Default)]
struct WhoRefs {
    client: Option<TextRef>,
    host: Option<TextRef>,
}
