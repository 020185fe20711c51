//! The quick way through one item, made for the shape that entries usually have.
//!
//! In comes the position of an item; out go its texts, checked, and where it ends, or `None` for anything
//! unusual: an escape, a nested value, a number with an exponent, and whatever is wrong. The item then goes
//! to `parse`, which decides. So this file may give up whenever it likes, but must never accept what `parse`
//! refuses, or see another text in it.
//!
//! Nobody has looked at the body before. That it is UTF-8 follows, for an item that is taken, from every byte of it
//! having been compared with text that is, or found to be ASCII, or checked string by string.

use super::checks::Rules;
use super::error::Field;
use super::intern::BLOCK;
use super::layout::{Layout, Place};
use super::learnt::Learnt;
use super::scan::{plain_end, short_plain, short_text};
use super::tally::{Pending, Tally};
use super::walk::skip_space;
use crate::model::WindowStart;

/// The parts of an entry, as far as they were met.
struct Parts<'t> {
    minute: WindowStart,
    method: u32,
    /// A path that is not short: a short one lies where the entry will be counted from.
    long_path: Option<&'t str>,
    agent: u32,
    /// Texts that were cut to their limit.
    truncated: u32,
}

impl Parts<'_> {
    const NONE: Self = Self { minute: WindowStart(0), method: 0, long_path: None, agent: 0, truncated: 0 };
}

/// Reads items of one text and counts them into a tally.
pub(super) struct Reader<'t, 'r> {
    pub(super) bytes: &'t [u8],
    pub(super) rules: &'r Rules<'r>,
    pub(super) learnt: &'r mut Learnt,
    pub(super) tally: &'r mut Tally,
    /// Entries taken but not yet counted: `taken` of them, less than a block. Behind them lies the short path of the
    /// entry being read.
    pending: [Pending; BLOCK],
    taken: usize,
}

impl<'t, 'r> Reader<'t, 'r> {
    pub(super) fn new(
        bytes: &'t [u8],
        rules: &'r Rules<'r>,
        learnt: &'r mut Learnt,
        tally: &'r mut Tally,
    ) -> Self {
        Self { bytes, rules, learnt, tally, pending: [Pending::NONE; BLOCK], taken: 0 }
    }

    /// Takes the item at `pos`, an object of plain strings and simple scalars, and gives the position behind it.
    /// With `LINE`, it must end on its line.
    #[inline(always)]
    pub(super) fn item<const LINE: bool>(&mut self, pos: usize) -> Option<usize> {
        if self.learnt.layout.order == Field::ALL
            && let Some((parts, end)) = self.familiar_in_usual_order(pos)
        {
            self.take(parts);
            return Some(end);
        }
        self.other_item::<LINE>(pos)
    }

    #[inline(never)]
    fn other_item<const LINE: bool>(&mut self, pos: usize) -> Option<usize> {
        let (parts, end) = match self.familiar_in_any_order(pos) {
            Some(read) => read,
            None => self.unfamiliar::<LINE>(pos)?,
        };
        self.take(parts);
        Some(end)
    }

    /// Takes an entry on to be counted.
    #[inline(always)]
    fn take(&mut self, parts: Parts<'t>) {
        let row = self.tally.row(parts.minute);
        match parts.long_path {
            None => {
                let pending = &mut self.pending[self.taken];
                (pending.row, pending.method, pending.agent) = (row, parts.method, parts.agent);
                self.taken += 1;
                if self.taken == BLOCK {
                    self.finish();
                }
            }
            Some(path) => self.tally.count_one(row, parts.method, path, parts.agent),
        }
        if parts.truncated > 0 {
            self.tally.truncated = self.tally.truncated.saturating_add(parts.truncated);
        }
    }

    /// Counts what is left.
    pub(super) fn finish(&mut self) {
        self.tally.count(&self.pending[..self.taken]);
        self.taken = 0;
    }

    /// Reads an item that is laid out as the last unfamiliar one was, in the order of the documentation, as most
    /// programs write it: one straight run without jumps.
    #[inline(always)]
    fn familiar_in_usual_order(&mut self, pos: usize) -> Option<(Parts<'t>, usize)> {
        let bytes = self.bytes;
        let mut parts = Parts::NONE;
        // The closing quote of each text is part of the stretch that comes next.
        let pos = self.learnt.layout.before[0].skip(bytes, pos)?;
        let pos = self.value(Field::ALL[0], pos, &mut parts)?;
        let pos = self.learnt.layout.before[1].skip(bytes, pos)?;
        let pos = self.value(Field::ALL[1], pos, &mut parts)?;
        let pos = self.learnt.layout.before[2].skip(bytes, pos)?;
        let pos = self.value(Field::ALL[2], pos, &mut parts)?;
        let pos = self.learnt.layout.before[3].skip(bytes, pos)?;
        let pos = self.value(Field::ALL[3], pos, &mut parts)?;
        Some((parts, self.learnt.layout.behind.skip(bytes, pos)?))
    }

    /// The same for whatever order.
    fn familiar_in_any_order(&mut self, mut pos: usize) -> Option<(Parts<'t>, usize)> {
        let bytes = self.bytes;
        let mut parts = Parts::NONE;
        for index in 0..4 {
            pos = self.learnt.layout.before[index].skip(bytes, pos)?;
            pos = self.value(self.learnt.layout.order[index], pos, &mut parts)?;
        }
        Some((parts, self.learnt.layout.behind.skip(bytes, pos)?))
    }

    /// Reads an item token by token, and remembers its layout.
    fn unfamiliar<const LINE: bool>(&mut self, start: usize) -> Option<(Parts<'t>, usize)> {
        let bytes = self.bytes;
        let mut parts = Parts::NONE;
        let mut places = [Place { field: Field::ReceivedAt, start, end: start }; 4];
        let mut found = 0;
        if bytes.get(start) != Some(&b'{') {
            return None;
        }
        let mut pos = start + 1;
        let end = loop {
            pos = skip_space::<LINE>(bytes, pos);
            if let Some(field) = known_key(bytes.get(pos..)?) {
                pos = colon::<LINE>(bytes, pos + field.as_str().len() + 2)?;
                let start = pos + 1;
                let is_repeated = places[..found].iter().any(|place| place.field == field);
                if bytes.get(pos) != Some(&b'"') || is_repeated {
                    return None;
                }
                let end = self.value(field, start, &mut parts)?;
                if bytes.get(end) != Some(&b'"') {
                    return None;
                }
                places[found] = Place { field, start, end };
                found += 1;
                pos = end + 1;
            } else {
                let end = string(bytes, pos)?;
                pos = ignored_value(bytes, colon::<LINE>(bytes, end)?)?;
            }
            pos = skip_space::<LINE>(bytes, pos);
            match bytes.get(pos)? {
                b',' => pos += 1,
                b'}' => break pos + 1,
                _ => return None,
            }
        };
        if found < places.len() {
            return None;
        }
        if let Some(layout) = Layout::of(bytes, start, places, end) {
            self.learnt.layout = layout;
        }
        Some((parts, end))
    }

    /// Reads the text of a field from `pos` to where plain text ends, which is given back: the caller makes sure
    /// that this is a quote.
    #[inline(always)]
    fn value(&mut self, field: Field, pos: usize, parts: &mut Parts<'t>) -> Option<usize> {
        match field {
            Field::ReceivedAt => {
                let (minute, end) = self.learnt.times.minute(self.bytes, pos, self.rules)?;
                parts.minute = minute;
                Some(end)
            }
            Field::Method => {
                let (packed, end) = match short_plain(self.bytes, pos) {
                    Some((packed, length)) => (packed, pos + length),
                    None => (0, plain_end(self.bytes, pos)),
                };
                parts.method = match self.tally.known_method(packed) {
                    Some(known) => known,
                    None => self.tally.learn_method(packed, utf8(self.bytes.get(pos..end)?)?)?,
                };
                Some(end)
            }
            Field::Path => {
                if let Some(path) = short_text(self.bytes, pos)
                    && path.bytes <= self.rules.limits.max_path_bytes
                {
                    self.pending[self.taken].path = path;
                    return Some(pos + path.bytes);
                }
                let end = plain_end(self.bytes, pos);
                let (path, is_cut) = self.rules.path(utf8(self.bytes.get(pos..end)?)?).ok()?;
                parts.long_path = Some(path);
                parts.truncated += u32::from(is_cut);
                Some(end)
            }
            Field::UserAgent => {
                let (agent, end, is_cut) =
                    self.learnt.agents.number(self.bytes, pos, self.rules, self.tally)?;
                parts.agent = agent;
                parts.truncated += u32::from(is_cut);
                Some(end)
            }
        }
    }
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// The known field whose key, without escapes, stands at the beginning. The closing quote is part of what is
/// compared, so that no key is taken for another it begins with.
fn known_key(text: &[u8]) -> Option<Field> {
    let text = text.strip_prefix(b"\"")?;
    Field::ALL.into_iter().find(|field| {
        text.strip_prefix(field.as_str().as_bytes()).is_some_and(|rest| rest.first() == Some(&b'"'))
    })
}

/// Behind a key: the position of the value.
#[inline]
fn colon<const LINE: bool>(bytes: &[u8], pos: usize) -> Option<usize> {
    let pos = skip_space::<LINE>(bytes, pos);
    (bytes.get(pos) == Some(&b':')).then(|| skip_space::<LINE>(bytes, pos + 1))
}

/// The position behind the string without escapes at `pos`.
#[inline]
fn string(bytes: &[u8], pos: usize) -> Option<usize> {
    if bytes.get(pos) != Some(&b'"') {
        return None;
    }
    let end = plain_end(bytes, pos + 1);
    if bytes.get(end) != Some(&b'"') {
        return None;
    }
    utf8(bytes.get(pos + 1..end)?).map(|_| end + 1)
}

/// Skips a value that does not matter, if it is a plain string, a literal or a number without exponent.
fn ignored_value(bytes: &[u8], pos: usize) -> Option<usize> {
    let rest = bytes.get(pos..)?;
    let bytes = match rest.first()? {
        b'"' => string(bytes, pos)? - pos,
        b't' if rest.starts_with(b"true") => 4,
        b'f' if rest.starts_with(b"false") => 5,
        b'n' if rest.starts_with(b"null") => 4,
        b'-' => 1 + number_bytes(&rest[1..])?,
        _ => number_bytes(rest)?,
    };
    Some(pos + bytes)
}

/// The length of `0` or digits without a leading zero, and maybe a point and digits.
fn number_bytes(text: &[u8]) -> Option<usize> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return None;
    }
    match text.get(whole) {
        Some(b'.') => match digits(&text[whole + 1..]) {
            0 => None,
            fraction => Some(whole + 1 + fraction),
        },
        _ => Some(whole),
    }
}
