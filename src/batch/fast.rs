//! The fast way through items: by the cached layout where an item has it, else token by token.
//!
//! Input: the position of an item. Output: the item counted into a tally, and the position behind it; or `None` for what is
//! not an entry, which the reference parser then finds words for. Never: an entry that the reference refuses, or another
//! reading of one.
//!
//! By the layout, values go straight into numbers: times, user agents and hosts through the caches, short texts as
//! they are. Whatever is unusual there (an escape, an odd byte, a value that cannot be read) sends the item to the second
//! way, which makes the same [`RawEntry`](super::raw::RawEntry) of it as the reference, so that the same rules judge it.

use super::cache::Caches;
use super::client::ClientAddress;
use super::field::{Field, FieldSet};
use super::intern::BLOCK;
use super::json::{Place, raw_entry, read_object, value_end};
use super::number::Number;
use super::rules::{self, Optional, Rules};
use super::scan::{plain_end, short_plain, short_target};
use super::tally::{Client, NO_KEY, Numbered, Pending, Tally};
use super::walk::ItemReader;
use crate::dimension::{TEXT_COUNT, text_field};

/// Reads items of one text and counts them into a tally.
pub(super) struct FastReader<'t, 'r> {
    bytes: &'t [u8],
    rules: &'r Rules<'r>,
    caches: &'r mut Caches,
    tally: &'r mut Tally,
    places: Vec<Place>,
    /// Entries taken but not yet counted: `taken` of them, less than a block. Behind them lies the short path of the
    /// entry being read.
    pending: [Pending; BLOCK],
    taken: usize,
}

/// What is known of the item being read, beside what lies in its [`Pending`] entry.
struct Reading<'t> {
    /// The fields that were read.
    seen: FieldSet,
    entry: Numbered,
    /// A path or route that is not short.
    long_target: Option<&'t str>,
    has_route: bool,
}

impl ItemReader for FastReader<'_, '_> {
    #[inline(always)]
    fn item<const LINE: bool>(&mut self, pos: usize) -> Option<usize> {
        match self.item_by_layout::<LINE>(pos) {
            Some(end) => Some(end),
            None => self.item_by_tokens::<LINE>(pos),
        }
    }

    fn minutes(&self) -> usize {
        self.tally.minutes.len()
    }
}

impl<'t, 'r> FastReader<'t, 'r> {
    pub(super) fn new(
        bytes: &'t [u8],
        rules: &'r Rules<'r>,
        caches: &'r mut Caches,
        tally: &'r mut Tally,
    ) -> Self {
        Self { bytes, rules, caches, tally, places: Vec::new(), pending: [Pending::NONE; BLOCK], taken: 0 }
    }

    /// Counts what is left.
    pub(super) fn finish(&mut self) {
        self.tally.count(&self.pending[..self.taken]);
        self.taken = 0;
    }

    /// Reads an item token by token, and caches its layout.
    #[inline(never)]
    fn item_by_tokens<const LINE: bool>(&mut self, start: usize) -> Option<usize> {
        let end = read_object::<LINE>(self.bytes, start, &mut self.places)?;
        let raw = raw_entry(self.bytes, &self.places)?;
        let checked = self.rules.check(&raw).ok()?;
        self.tally.add(&checked.entry(), checked.altered);
        self.caches.layout.set(self.bytes, start, &self.places, end);
        Some(end)
    }

    /// Reads an item that is laid out as the last one was that was read token by token.
    #[inline(always)]
    fn item_by_layout<const LINE: bool>(&mut self, start: usize) -> Option<usize> {
        let mut reading =
            Reading { seen: FieldSet::default(), entry: Numbered::NONE, long_target: None, has_route: false };
        let mut pos = start;
        for index in 0..self.caches.layout.steps.len() {
            let step = &self.caches.layout.steps[index];
            let Some(value) = step.before.skip(self.bytes, pos) else {
                // The first stretch holds the opening bracket.
                if index == 0 {
                    return None;
                }
                continue;
            };
            pos = match step.field {
                Some(field) => {
                    reading.seen.insert(field);
                    self.value(field, value, &mut reading)?
                }
                None => value_end::<LINE>(self.bytes, value)?,
            };
        }
        if !reading.seen.has_required() {
            return None;
        }
        let end = self.caches.layout.behind.skip(self.bytes, pos)?;
        self.take(reading);
        Some(end)
    }

    /// Takes an entry on to be counted.
    #[inline(always)]
    fn take(&mut self, reading: Reading<'t>) {
        let mut entry = reading.entry;
        for text in 0..TEXT_COUNT {
            if let Some(other) = text_field(text).unless_equal_to
                && entry.texts[text] != NO_KEY
                && entry.texts[other] != NO_KEY
                && self.tally.texts[text].bytes(entry.texts[text])
                    == self.tally.texts[other].bytes(entry.texts[other])
            {
                entry.texts[text] = NO_KEY;
            }
        }
        match reading.long_target {
            None => {
                self.pending[self.taken].rest = entry;
                self.taken += 1;
                if self.taken == BLOCK {
                    self.finish();
                }
            }
            Some(target) => self.tally.count_one(target, &entry),
        }
    }

    /// Reads the value of a known field at `pos`, and gives the position behind it. `None` where it is unusual.
    #[inline(always)]
    fn value(&mut self, field: Field, pos: usize, reading: &mut Reading<'t>) -> Option<usize> {
        let first = *self.bytes.get(pos)?;
        if first == b'"' {
            let end = self.string(field, pos + 1, reading)?;
            return (self.bytes.get(end) == Some(&b'"')).then_some(end + 1);
        }
        if field.index() >= Field::REQUIRED && first == b'n' {
            return self.bytes[pos..].starts_with(b"null").then_some(pos + 4);
        }
        let (number, end) = plain_number(self.bytes, pos)?;
        self.number(field, number, &mut reading.entry)?;
        Some(end)
    }

    #[inline(always)]
    fn number(&mut self, field: Field, number: Number, entry: &mut Numbered) -> Option<()> {
        match field {
            Field::RECEIVED_AT => {
                let ms = self.rules.received_at_number(number).ok()?;
                entry.row = self.tally.row(crate::time::minute_of(ms));
            }
            Field::STATUS => entry.sample.set_status(rules::status(number)?),
            Field::RESPONSE_BYTES => entry.sample.set_bytes(rules::response_bytes(number)?),
            Field::DURATION => entry.sample.set_duration(rules::duration_micros(number)?),
            _ => return None,
        }
        Some(())
    }

    /// Reads the string of a field, whose text begins at `pos`, and gives the position where plain text ends: that of its
    /// closing quote, if it is one.
    #[inline(always)]
    fn string(&mut self, field: Field, pos: usize, reading: &mut Reading<'t>) -> Option<usize> {
        let bytes = self.bytes;
        match field {
            Field::RECEIVED_AT => {
                let (minute, end) = self.caches.times.minute(bytes, pos, self.rules)?;
                reading.entry.row = self.tally.row(minute);
                Some(end)
            }
            Field::METHOD => {
                let (packed, end) = match short_plain(bytes, pos) {
                    Some((packed, length)) => (packed, pos + length),
                    None => (0, plain_end(bytes, pos)),
                };
                reading.entry.method = match self.tally.known_method(packed) {
                    Some(known) => known,
                    None => self.tally.insert_method(packed, utf8(bytes.get(pos..end)?)?)?,
                };
                Some(end)
            }
            Field::PATH | Field::ROUTE => self.target(field, pos, reading),
            Field::USER_AGENT => {
                let tally = &mut *self.tally;
                let (agent, end) = self.caches.agents.number(bytes, pos, |text| {
                    let (agent, is_cut) = rules::user_agent(text);
                    (!is_cut).then(|| tally.agents.intern(agent, 0))
                })?;
                reading.entry.agent = agent;
                Some(end)
            }
            Field::CLIENT_IP => {
                let end = plain_end(bytes, pos);
                let text = rules::trim(utf8(bytes.get(pos..end)?)?);
                if !rules::is_absent(text) {
                    match rules::client(text) {
                        Optional::Read(ClientAddress::Ip(address)) => {
                            reading.entry.client = Client::Ip(address)
                        }
                        _ => return None,
                    }
                }
                Some(end)
            }
            Field::STATUS | Field::RESPONSE_BYTES | Field::DURATION => {
                let (number, end) = plain_number(bytes, pos)?;
                let is_whole = !bytes[pos..end].contains(&b'.');
                if !is_whole && field != Field::DURATION {
                    return None;
                }
                self.number(field, number, &mut reading.entry)?;
                Some(end)
            }
            field => {
                let text = field.text()?;
                let tally = &mut *self.tally;
                let (key, end) = self.caches.texts[text].number(bytes, pos, |value| {
                    let value = rules::trim(value);
                    if rules::is_absent(value) {
                        return Some(NO_KEY);
                    }
                    match rules::key_of_text(text, value) {
                        Optional::Read(key) => Some(tally.texts[text].intern(&key, 0)),
                        Optional::Absent | Optional::Unreadable => None,
                    }
                })?;
                reading.entry.texts[text] = key;
                Some(end)
            }
        }
    }

    /// Reads a path or a route, which stands for the path wherever it is.
    #[inline(always)]
    fn target(&mut self, field: Field, pos: usize, reading: &mut Reading<'t>) -> Option<usize> {
        let is_route = field == Field::ROUTE;
        if let Some((target, end)) = short_target(self.bytes, pos, self.rules.limits.keep_query) {
            if is_route && target.bytes == 1 && self.bytes[pos] == b'-' {
                return Some(end);
            }
            if is_route || !reading.has_route {
                self.pending[self.taken].path = target;
                reading.long_target = None;
                reading.has_route = is_route;
            }
            return Some(end);
        }
        let end = plain_end(self.bytes, pos);
        let text = utf8(self.bytes.get(pos..end)?)?;
        let (target, is_cut) = if is_route {
            match self.rules.route(rules::trim(text)) {
                Optional::Read(route) if !rules::is_absent(rules::trim(text)) => route,
                _ => return Some(end),
            }
        } else {
            self.rules.path(text).ok()?
        };
        if is_cut {
            return None;
        }
        if is_route || !reading.has_route {
            reading.long_target = Some(target);
            reading.has_route = is_route;
        }
        Some(end)
    }
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// The number of a few digits, and maybe a point and digits, at `pos`, and the position behind it. `None` for any other.
#[inline(always)]
fn plain_number(bytes: &[u8], pos: usize) -> Option<(Number, usize)> {
    /// So many digits fit into 64 bits.
    const MAX_DIGITS: usize = 18;
    const MAX_DECIMALS: usize = 9;
    let (mut value, mut end) = (0_u64, pos);
    let mut digits = |end: &mut usize| {
        let start = *end;
        while let Some(digit @ b'0'..=b'9') = bytes.get(*end) {
            if *end - pos > MAX_DIGITS {
                return None;
            }
            value = value * 10 + u64::from(digit - b'0');
            *end += 1;
        }
        (*end > start).then_some(*end - start)
    };
    let whole = digits(&mut end)?;
    if whole > 1 && bytes[pos] == b'0' {
        return None;
    }
    let mut decimals = 0;
    if bytes.get(end) == Some(&b'.') {
        end += 1;
        decimals = digits(&mut end)?;
    }
    let is_plain = decimals <= MAX_DECIMALS && !matches!(bytes.get(end), Some(b'e' | b'E'));
    is_plain.then(|| (Number::from_units(value, decimals as u32), end))
}
