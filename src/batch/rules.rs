//! What each field of an entry must be, what is made of it, and what happens where it is something else.
//!
//! Input: a [`RawEntry`], or the text of one field. Output: an [`Entry`], or the first thing wrong with a required
//! field. Never: a second copy of a rule. The reference parser, the fast one and log lines all come here.
//!
//! "Trimmed" means Unicode white space, as `str::trim` sees it. An optional field that cannot be read counts as absent,
//! and as altered; so does a text that was cut, or read with odd bytes replaced.

use std::borrow::Cow;

use super::client::{ClientAddress, read_client};
use super::entry::Entry;
use super::error::ItemError;
use super::field::{Field, FieldSet};
use super::limits::{
    Limits, MAX_AGENT_BYTES, MAX_CLIENT_BYTES, MAX_DURATION_SECONDS, MAX_FUTURE_MS, MAX_PATH_BYTES,
    MAX_RESPONSE_BYTES, MAX_STATUS,
};
use super::number::Number;
use super::raw::{RawEntry, RawText, RawValue};
use crate::base::token;
use crate::dimension::{TEXT_COUNT, text_field};
use crate::time::{self, TimeError};

/// The limits of one batch, with the clock already applied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'l> {
    pub(super) limits: &'l Limits,
    now_ms: u64,
    /// The latest `receivedAt` that is not too far ahead.
    pub(super) latest_ms: u64,
}

/// What became of an optional field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Optional<T> {
    Absent,
    Read(T),
    Unreadable,
}

/// An entry after checking, with its own copy of what had to be changed.
#[derive(Debug)]
pub(super) struct Checked<'e> {
    received_at_ms: u64,
    method: Cow<'e, str>,
    path: &'e str,
    is_route: bool,
    user_agent: &'e str,
    status: Option<u16>,
    response_bytes: Option<u64>,
    duration_micros: Option<u64>,
    client: Option<ClientAddress<'e>>,
    texts: [Option<Cow<'e, str>>; TEXT_COUNT],
    /// The fields that were cut, replaced or left out.
    pub(super) altered: FieldSet,
}

impl Checked<'_> {
    /// The entry in the program's terms.
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry {
            received_at_ms: self.received_at_ms,
            method: &self.method,
            path: self.path,
            is_route: self.is_route,
            user_agent: self.user_agent,
            status: self.status,
            response_bytes: self.response_bytes,
            duration_micros: self.duration_micros,
            texts: std::array::from_fn(|text| self.texts[text].as_deref()),
            client: self.client.as_ref(),
        }
    }
}

impl<'l> Rules<'l> {
    pub(super) fn new(limits: &'l Limits, now_ms: u64) -> Self {
        Self { limits, now_ms, latest_ms: now_ms.saturating_add(MAX_FUTURE_MS) }
    }

    /// For entries that were accepted once: no time is too far ahead.
    pub(super) fn without_clock(limits: &'l Limits) -> Self {
        Self::new(limits, time::LAST_MS)
    }

    /// Checks all fields of an entry.
    pub(super) fn check<'e>(&self, raw: &'e RawEntry<'_>) -> Result<Checked<'e>, ItemError> {
        let mut altered = FieldSet::default();
        let received_at_ms = self.received_at(raw.get(Field::RECEIVED_AT))?;
        let method = method(&required_text(raw, Field::METHOD, &mut altered)?.text)?;
        let (path, is_cut) = self.path(&required_text(raw, Field::PATH, &mut altered)?.text)?;
        note(&mut altered, Field::PATH, is_cut);
        let (user_agent, is_cut) = user_agent(&required_text(raw, Field::USER_AGENT, &mut altered)?.text);
        note(&mut altered, Field::USER_AGENT, is_cut);
        let route = optional(raw, Field::ROUTE, &mut altered, |value| {
            text_of(value, |text| Optional::Read(self.target(text)))
        });
        note(&mut altered, Field::ROUTE, route.is_some_and(|(_, is_cut)| is_cut));
        let mut checked = Checked {
            received_at_ms,
            method,
            path: route.map_or(path, |(route, _)| route),
            is_route: route.is_some(),
            user_agent,
            status: optional(raw, Field::STATUS, &mut altered, |value| integer_of(value, status)),
            response_bytes: optional(raw, Field::RESPONSE_BYTES, &mut altered, |value| {
                integer_of(value, response_bytes)
            }),
            duration_micros: optional(raw, Field::DURATION, &mut altered, |value| {
                Optional::readable(number_of(value).and_then(duration_micros))
            }),
            client: optional(raw, Field::CLIENT_IP, &mut altered, |value| text_of(value, client)),
            texts: std::array::from_fn(|text| {
                optional(raw, Field::of_text(text), &mut altered, |value| {
                    text_of(value, |value| key_of_text(text, value))
                })
            }),
            altered,
        };
        drop_equal_keys(&mut checked.texts);
        Ok(checked)
    }

    /// Milliseconds since 1970 of a `receivedAt`.
    pub(super) fn received_at(&self, value: &RawValue<'_>) -> Result<u64, ItemError> {
        match value {
            RawValue::Missing => Err(ItemError::Missing(Field::RECEIVED_AT)),
            RawValue::Number(number) => self.received_at_number(*number),
            RawValue::Text(text) => self.received_at_text(&text.text),
            RawValue::Null | RawValue::Other => Err(ItemError::WrongType(Field::RECEIVED_AT)),
        }
    }

    /// Milliseconds since 1970 of a `receivedAt` that is a text.
    pub(super) fn received_at_text(&self, text: &str) -> Result<u64, ItemError> {
        match time::parse_rfc3339(text) {
            Ok(ms) => self.not_too_far_ahead(ms),
            Err(TimeError::Malformed) => Err(ItemError::NotATime),
            Err(TimeError::OutOfRange) => Err(ItemError::TimeOutOfRange),
        }
    }

    /// Milliseconds since 1970 of a `receivedAt` that is a number.
    pub(super) fn received_at_number(&self, number: Number) -> Result<u64, ItemError> {
        let ms = number.unix_ms().filter(|ms| *ms <= time::LAST_MS).ok_or(ItemError::TimeOutOfRange)?;
        self.not_too_far_ahead(ms)
    }

    fn not_too_far_ahead(&self, ms: u64) -> Result<u64, ItemError> {
        if ms > self.latest_ms { Err(ItemError::TooFarAhead { now_ms: self.now_ms }) } else { Ok(ms) }
    }

    /// The path that is counted, and whether it was too long.
    #[inline(always)]
    pub(super) fn path<'t>(&self, text: &'t str) -> Result<(&'t str, bool), ItemError> {
        match trim(text) {
            "" => Err(ItemError::EmptyPath),
            path => Ok(self.target(path)),
        }
    }

    /// A path or route without its query string, cut to its limit.
    #[inline(always)]
    pub(super) fn target<'t>(&self, trimmed: &'t str) -> (&'t str, bool) {
        let path = match memchr::memchr(b'?', trimmed.as_bytes()) {
            Some(query) if !self.limits.keep_query => trimmed[..query].trim_end(),
            _ => trimmed,
        };
        // RFC 9110, section 4.2.3: the path of a URL without one is "/".
        if path.is_empty() { ("/", false) } else { cut(path, MAX_PATH_BYTES) }
    }
}

/// Notes that a field was altered, if it was.
fn note(altered: &mut FieldSet, field: Field, is_altered: bool) {
    if is_altered {
        altered.insert(field);
    }
}

fn required_text<'e, 'r>(
    raw: &'e RawEntry<'r>,
    field: Field,
    altered: &mut FieldSet,
) -> Result<&'e RawText<'r>, ItemError> {
    match raw.get(field) {
        RawValue::Missing => Err(ItemError::Missing(field)),
        RawValue::Text(text) => {
            note(altered, field, text.is_replaced);
            Ok(text)
        }
        RawValue::Null | RawValue::Number(_) | RawValue::Other => Err(ItemError::WrongType(field)),
    }
}

/// Reads an optional field, and notes whether it could not be read or had odd bytes.
fn optional<'e, T>(
    raw: &'e RawEntry<'_>,
    field: Field,
    altered: &mut FieldSet,
    read: impl FnOnce(&'e RawValue<'_>) -> Optional<T>,
) -> Option<T> {
    let value = raw.get(field);
    let reading = match value {
        RawValue::Missing | RawValue::Null => Optional::Absent,
        RawValue::Text(text) if is_absent(trim(&text.text)) => Optional::Absent,
        value => read(value),
    };
    let is_replaced = matches!(value, RawValue::Text(RawText { is_replaced: true, .. }));
    note(altered, field, is_replaced || matches!(reading, Optional::Unreadable));
    match reading {
        Optional::Read(value) => Some(value),
        Optional::Absent | Optional::Unreadable => None,
    }
}

/// Whether the trimmed text of an optional field stands for a missing value.
pub(super) fn is_absent(trimmed: &str) -> bool {
    matches!(trimmed, "" | "-")
}

/// Reads a field that only a text can hold.
fn text_of<'e, T>(value: &'e RawValue<'_>, read: impl FnOnce(&'e str) -> Optional<T>) -> Optional<T> {
    match value {
        RawValue::Text(text) => read(trim(&text.text)),
        _ => Optional::Unreadable,
    }
}

/// The trimmed, upper-cased method.
pub(super) fn method(text: &str) -> Result<Cow<'_, str>, ItemError> {
    let method = text.trim();
    if !token::is_method(method.as_bytes()) {
        return Err(ItemError::NotAMethod);
    }
    if method.bytes().any(|b| b.is_ascii_lowercase()) {
        Ok(Cow::Owned(method.to_ascii_uppercase()))
    } else {
        Ok(Cow::Borrowed(method))
    }
}

/// The trimmed user agent, and whether it was too long.
#[inline(always)]
pub(super) fn user_agent(text: &str) -> (&str, bool) {
    cut(trim(text), MAX_AGENT_BYTES)
}

#[inline(always)]
pub(super) fn status(number: Number) -> Option<u16> {
    number.integer(MAX_STATUS).map(|status| status as u16)
}

/// The length of the answer.
#[inline(always)]
pub(super) fn response_bytes(number: Number) -> Option<u64> {
    number.integer(MAX_RESPONSE_BYTES)
}

/// The duration in microseconds, of a number of seconds.
#[inline(always)]
pub(super) fn duration_micros(number: Number) -> Option<u64> {
    number.micros(MAX_DURATION_SECONDS)
}

/// The number of a field that holds one, a duration in microseconds; `None` where the entry has none.
pub(super) fn optional_number(field: Field, value: &RawValue<'_>) -> Option<u64> {
    let number = match field {
        Field::STATUS => integer_of(value, |number| status(number).map(u64::from)),
        Field::RESPONSE_BYTES => integer_of(value, response_bytes),
        _ => Optional::readable(number_of(value).and_then(duration_micros)),
    };
    match number {
        Optional::Read(number) => Some(number),
        Optional::Absent | Optional::Unreadable => None,
    }
}

/// Reads a whole number, or digits in a text.
fn integer_of<T>(value: &RawValue<'_>, read: impl FnOnce(Number) -> Option<T>) -> Optional<T> {
    let is_readable = match value {
        RawValue::Text(text) => trim(&text.text).bytes().all(|byte| byte.is_ascii_digit()),
        _ => true,
    };
    Optional::readable(number_of(value).filter(|_| is_readable).and_then(read))
}

/// The number that stands there, as such or in a text.
fn number_of(value: &RawValue<'_>) -> Option<Number> {
    match value {
        RawValue::Number(number) => Some(*number),
        RawValue::Text(text) => Number::parse(trim(&text.text)),
        RawValue::Missing | RawValue::Null | RawValue::Other => None,
    }
}

/// The client of a trimmed text.
pub(super) fn client(trimmed: &str) -> Optional<ClientAddress<'_>> {
    let fits = trimmed.len() <= MAX_CLIENT_BYTES;
    Optional::readable(fits.then(|| read_client(trimmed)).flatten())
}

/// The key that a trimmed text of the dimension at this place of [`crate::dimension::TEXTS`] is counted under.
pub(super) fn key_of_text(text: usize, trimmed: &str) -> Optional<Cow<'_, str>> {
    let field = text_field(text);
    let fits = trimmed.len() <= field.max_bytes;
    Optional::readable(fits.then(|| (field.key)(trimmed)).flatten())
}

/// For each text, the one whose key makes an equal key say nothing.
pub(super) const UNLESS_EQUAL_TO: [Option<usize>; TEXT_COUNT] = {
    let (mut others, mut text) = ([None; TEXT_COUNT], 0);
    while text < TEXT_COUNT {
        others[text] = text_field(text).unless_equal_to;
        text += 1;
    }
    others
};

/// Leaves out the keys that say nothing beside another one.
fn drop_equal_keys(texts: &mut [Option<Cow<'_, str>>; TEXT_COUNT]) {
    for (text, other) in UNLESS_EQUAL_TO.into_iter().enumerate() {
        if other.is_some_and(|other| texts[text] == texts[other]) {
            texts[text] = None;
        }
    }
}

impl<T> Optional<T> {
    fn readable(value: Option<T>) -> Self {
        value.map_or(Self::Unreadable, Self::Read)
    }
}

/// The text up to a character boundary at or before `max_bytes`, and whether it was longer.
#[inline(always)]
pub(super) fn cut(text: &str, max_bytes: usize) -> (&str, bool) {
    if text.len() <= max_bytes { (text, false) } else { (&text[..text.floor_char_boundary(max_bytes)], true) }
}

/// `str::trim`, with a short cut for the usual text that begins and ends with a visible ASCII character.
#[inline(always)]
pub(super) fn trim(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [only] if only.is_ascii_graphic() => text,
        [first, .., last] if first.is_ascii_graphic() && last.is_ascii_graphic() => text,
        _ => text.trim(),
    }
}

#[cfg(test)]
mod tests;
