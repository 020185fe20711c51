//! The fast way through items: by the cached layout where an item has it, else token by token.
//!
//! Input: the position of an item. Output: the item counted into a tally, and the position behind it; or `None` for what is
//! not an entry, which the reference parser then finds words for. Never: an entry that the reference refuses, or another
//! reading of one.
//!
//! By the layout, values go straight into numbers: times, user agents and hosts through the caches, short texts as
//! they are. Whatever is unusual there (an escape, an odd byte, a value that cannot be read) sends the item to the second
//! way, which makes the same [`RawEntry`](super::raw::RawEntry) of it as the reference, so that the same rules judge it.

use core::net::Ipv4Addr;

use super::cache::{AGENT_WINDOW, Caches, TEXT_WINDOW, TextCache, TimeCache};
use super::client::ClientAddress;
use super::field::Field;
use super::intern::BLOCK;
use super::json::{Place, raw_entry, read_object, value_end};
use super::layout::Layout;
use super::number::Number;
use super::rules::{self, Optional, Rules};
use super::scan::{digit_bytes, plain_end, short_plain, short_target};
use super::tally::{Client, NO_KEY, Numbered, Pending, Tally};
use super::walk::ItemReader;
use crate::dimension::TEXT_COUNT;
use crate::time;

/// Reads items of one text and counts them into a tally.
pub(super) struct FastReader<'t, 'r> {
    bytes: &'t [u8],
    rules: &'r Rules<'r>,
    caches: &'r mut Caches,
    tally: &'r mut Tally,
    layout: Layout,
    places: Vec<Place>,
    /// Entries taken but not yet counted: `taken` of them, less than a block. Behind them lies the one being read.
    pending: [Pending; BLOCK],
    taken: usize,
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
        Self {
            bytes,
            rules,
            caches,
            tally,
            layout: Layout::default(),
            places: Vec::new(),
            pending: [Pending::NONE; BLOCK],
            taken: 0,
        }
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
        self.layout.set(self.bytes, start, &self.places, end);
        Some(end)
    }

    /// Reads an item that is laid out as the last one was that was read token by token.
    #[inline(always)]
    fn item_by_layout<const LINE: bool>(&mut self, start: usize) -> Option<usize> {
        let Caches { times, agents, texts } = &mut *self.caches;
        let entry = &mut self.pending[self.taken];
        entry.rest = Numbered::NONE;
        let mut values = Values {
            bytes: self.bytes,
            rules: self.rules,
            times,
            agents,
            texts,
            tally: self.tally,
            entry,
            long_target: None,
            has_route: false,
            has_texts: false,
        };
        let end = self.layout.pass(self.bytes, start, |field, value| match field {
            Some(field) => values.read(field, value),
            None => value_end::<LINE>(self.bytes, value),
        })?;
        if values.has_texts {
            values.tally.drop_equal_keys(&mut values.entry.rest.texts);
        }
        values.entry.rest.is_route = values.has_route;
        match values.long_target {
            None => {
                self.taken += 1;
                if self.taken == BLOCK {
                    self.finish();
                }
            }
            Some(target) => self.tally.count_one(target, &self.pending[self.taken].rest),
        }
        Some(end)
    }
}

/// Reads the values of an item straight into numbers.
struct Values<'t, 'v> {
    bytes: &'t [u8],
    rules: &'v Rules<'v>,
    times: &'v mut TimeCache,
    agents: &'v mut TextCache<AGENT_WINDOW>,
    texts: &'v mut [TextCache<TEXT_WINDOW>; TEXT_COUNT],
    tally: &'v mut Tally,
    entry: &'v mut Pending,
    /// The path or route that is counted, if it is not a short one, which lies in the entry.
    long_target: Option<&'t str>,
    has_route: bool,
    has_texts: bool,
}

impl<'t> Values<'t, '_> {
    /// Reads the value of a known field at `pos`, and gives the position behind it. `None` where it is unusual.
    #[inline(always)]
    fn read(&mut self, field: Field, pos: usize) -> Option<usize> {
        let first = *self.bytes.get(pos)?;
        if first == b'"' {
            let end = self.string(field, pos + 1)?;
            return (self.bytes.get(end) == Some(&b'"')).then_some(end + 1);
        }
        if field.index() >= Field::REQUIRED && first == b'n' {
            return self.bytes[pos..].starts_with(b"null").then_some(pos + 4);
        }
        let (number, end) = plain_number(self.bytes, pos)?;
        self.number(field, number)?;
        Some(end)
    }

    #[inline(always)]
    fn number(&mut self, field: Field, number: Number) -> Option<()> {
        let entry = &mut self.entry.rest;
        match field {
            Field::STATUS => entry.sample.set_status(rules::status(number)?),
            Field::RESPONSE_BYTES => entry.sample.set_bytes(rules::response_bytes(number)?),
            Field::DURATION => entry.sample.set_duration(rules::duration_micros(number)?),
            Field::RECEIVED_AT => {
                let ms = self.rules.received_at_number(number).ok()?;
                entry.row = self.tally.row(time::minute_of(ms));
            }
            _ => return None,
        }
        Some(())
    }

    /// Reads the string of a field, whose text begins at `pos`, and gives the position where plain text ends: that of its
    /// closing quote, if it is one.
    #[inline(always)]
    fn string(&mut self, field: Field, pos: usize) -> Option<usize> {
        let bytes = self.bytes;
        match field {
            Field::RECEIVED_AT => {
                let (minute, end) = self.times.minute(bytes, pos, self.rules)?;
                self.entry.rest.row = self.tally.row(minute);
                Some(end)
            }
            Field::METHOD => {
                let (packed, end) = match short_plain(bytes, pos) {
                    Some((packed, length)) => (packed, pos + length),
                    None => (0, plain_end(bytes, pos)),
                };
                self.entry.rest.method = match self.tally.known_method(packed) {
                    Some(known) => known,
                    None => self.tally.insert_method(packed, utf8(bytes.get(pos..end)?)?)?,
                };
                Some(end)
            }
            Field::PATH => self.target(pos),
            Field::ROUTE => self.route(pos),
            Field::USER_AGENT => {
                let tally = &mut *self.tally;
                let (agent, end) = self.agents.number(bytes, pos, |text| {
                    let (agent, is_cut) = rules::user_agent(text);
                    (!is_cut).then(|| tally.agents.intern(agent, 0))
                })?;
                self.entry.rest.agent = agent;
                Some(end)
            }
            Field::CLIENT_IP => {
                let (client, end) = client_address(bytes, pos)?;
                self.entry.rest.client = client;
                Some(end)
            }
            Field::STATUS | Field::RESPONSE_BYTES | Field::DURATION => {
                let (number, end) = plain_number(bytes, pos)?;
                let is_readable = field == Field::DURATION || !bytes[pos..end].contains(&b'.');
                self.number(field, number).filter(|()| is_readable)?;
                Some(end)
            }
            field => self.text(field.text()?, pos),
        }
    }

    /// Reads a path.
    #[inline(always)]
    fn target(&mut self, pos: usize) -> Option<usize> {
        if let Some((target, end)) = short_target(self.bytes, pos, self.rules.limits.keep_query) {
            if !self.has_route {
                self.entry.path = target;
            }
            return Some(end);
        }
        let (text, end) = self.plain_text(pos)?;
        let (target, is_cut) = self.rules.path(text).ok()?;
        if !self.has_route {
            self.long_target = Some(target);
        }
        (!is_cut).then_some(end)
    }

    /// Reads a route, which stands for the path wherever that is.
    fn route(&mut self, pos: usize) -> Option<usize> {
        if let Some((target, end)) = short_target(self.bytes, pos, self.rules.limits.keep_query) {
            let is_absent = self.bytes[pos..end] == *b"-";
            if !is_absent {
                self.entry.path = target;
                self.long_target = None;
                self.has_route = true;
            }
            return Some(end);
        }
        let (text, end) = self.plain_text(pos)?;
        let text = rules::trim(text);
        if rules::is_absent(text) {
            return Some(end);
        }
        let (target, is_cut) = self.rules.target(text);
        self.long_target = Some(target);
        self.has_route = true;
        (!is_cut).then_some(end)
    }

    /// Reads the text of a dimension.
    #[inline(always)]
    fn text(&mut self, text: usize, pos: usize) -> Option<usize> {
        let tally = &mut *self.tally;
        let (key, end) = self.texts[text].number(self.bytes, pos, |value| {
            let value = rules::trim(value);
            if rules::is_absent(value) {
                return Some(NO_KEY);
            }
            match rules::key_of_text(text, value) {
                Optional::Read(key) => Some(tally.texts[text].intern(&key, 0)),
                Optional::Absent | Optional::Unreadable => None,
            }
        })?;
        self.entry.rest.texts[text] = key;
        self.has_texts = true;
        Some(end)
    }

    fn plain_text(&self, pos: usize) -> Option<(&'t str, usize)> {
        let end = plain_end(self.bytes, pos);
        Some((utf8(self.bytes.get(pos..end)?)?, end))
    }
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// The client of the string whose text begins at `pos`, and where plain text ends. `None` for what is not an address, and
/// not absent.
#[inline(always)]
fn client_address(bytes: &[u8], pos: usize) -> Option<(Client, usize)> {
    if let Some((address, end)) = plain_ipv4(bytes, pos) {
        return Some((Client::Ip(address.to_ipv6_mapped().octets()), end));
    }
    other_client_address(bytes, pos)
}

#[inline(never)]
fn other_client_address(bytes: &[u8], pos: usize) -> Option<(Client, usize)> {
    let end = plain_end(bytes, pos);
    let text = rules::trim(utf8(bytes.get(pos..end)?)?);
    if rules::is_absent(text) {
        return Some((Client::Unknown, end));
    }
    match rules::client(text) {
        Optional::Read(ClientAddress::Ip(address)) => Some((Client::Ip(address), end)),
        _ => None,
    }
}

/// The four numbers of `192.0.2.7"`, and the position of the quote.
#[inline(always)]
fn plain_ipv4(bytes: &[u8], mut pos: usize) -> Option<(Ipv4Addr, usize)> {
    let mut octets = [0; 4];
    for (octet, separator) in octets.iter_mut().zip(*b"...\"") {
        let text = bytes.get(pos..)?.first_chunk::<4>()?;
        let [a, b, c, _] = text.map(|byte| u32::from(byte & 0x0F));
        let length = digit_bytes(u64::from(u32::from_le_bytes(*text)));
        let value = match length {
            1 => a,
            2 => a * 10 + b,
            3 => a * 100 + b * 10 + c,
            _ => return None,
        };
        if text[length] != separator || length > 1 && a == 0 {
            return None;
        }
        *octet = u8::try_from(value).ok()?;
        pos += length + 1;
    }
    Some((octets.into(), pos - 1))
}

/// The number of a few digits, and maybe a point and digits, at `pos`, and the position behind it. `None` for any other.
#[inline(always)]
fn plain_number(bytes: &[u8], pos: usize) -> Option<(Number, usize)> {
    let (mut value, whole) = digits(bytes, pos)?;
    if whole > 1 && bytes[pos] == b'0' {
        return None;
    }
    let (mut end, mut decimals) = (pos + whole, 0);
    if bytes.get(end) == Some(&b'.') {
        let (fraction, length) = digits(bytes, end + 1)?;
        let power = 10_u64.pow(u32::try_from(length).ok().filter(|length| *length <= 9)?);
        value = value.checked_mul(power)?.checked_add(fraction)?;
        (end, decimals) = (end + 1 + length, length as u32);
    }
    let is_plain = !matches!(bytes.get(end), Some(b'e' | b'E'));
    is_plain.then(|| (Number::from_units(value, decimals), end))
}

/// The number of some digits at `pos`, and how many there are. `None` for none, for more than fit, and too near the end of
/// `bytes`.
#[inline(always)]
fn digits(bytes: &[u8], pos: usize) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*bytes.get(pos..)?.first_chunk::<8>()?);
    match digit_bytes(word) {
        0 => None,
        8 => many_digits(bytes, pos),
        length => Some((value_of_digits(word, length), length)),
    }
}

#[inline(never)]
fn many_digits(bytes: &[u8], pos: usize) -> Option<(u64, usize)> {
    let length = bytes[pos..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let add = |value: u64, digit: &u8| value * 10 + u64::from(digit - b'0');
    (length <= 18).then(|| (bytes[pos..pos + length].iter().fold(0, add), length))
}

/// The number of the first digits of a word, 1 to 8: neighbours are put together, then pairs, then fours.
#[inline(always)]
fn value_of_digits(word: u64, length: usize) -> u64 {
    let digits = (word & 0x0F0F_0F0F_0F0F_0F0F) << (64 - 8 * length);
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00FF_00FF_00FF_00FF).wrapping_mul(100 << 16 | 1) >> 16;
    (fours & 0x0000_FFFF_0000_FFFF).wrapping_mul(10_000 << 32 | 1) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_are_what_any_reader_makes_of_them() {
        let numbers = ["0", "7", "42", "200", "1234567", "12345678", "123456789", "123456789012345678"];
        for whole in numbers {
            for fraction in ["", ".0", ".5", ".007", ".1234567", ".12345678", ".123456789"] {
                let text = format!("{whole}{fraction}");
                let body = format!("{text},        ");
                let Some((number, end)) = plain_number(body.as_bytes(), 0) else {
                    assert!(whole.len() + fraction.len() > 18, "{text}");
                    continue;
                };
                assert_eq!((Some(number), end), (Number::parse(&text), text.len()));
            }
        }
        for text in
            ["", "-1", "01", "00", "1.", ".5", "1e5", "1.5E5", "x", "1234567890123456789", "1.1234567890"]
        {
            assert_eq!(plain_number(format!("{text},          ").as_bytes(), 0), None, "{text}");
        }
        assert_eq!(plain_number(b"200", 0), None, "too near the end");
    }

    #[test]
    fn plain_addresses_are_those_that_rust_parses() {
        for text in [
            "192.0.2.7",
            "0.0.0.0",
            "255.255.255.255",
            "1.22.333.4",
            "01.2.3.4",
            "256.1.1.1",
            "1.2.3",
            "1.2.3.4.5",
            "1..2.3",
            "a.b.c.d",
        ] {
            let got = plain_ipv4(format!("{text}\"   ").as_bytes(), 0);
            assert_eq!(got, text.parse().ok().map(|address| (address, text.len())), "{text}");
        }
    }
}
