//! The quick way through one item, made for the shape that entries usually have.
//!
//! In comes the position of an item; out go its texts, checked, and where it ends, or `None` for anything
//! unusual: an escape, a nested value, a number with an exponent, and whatever is wrong. The item then goes
//! to `parse`, which decides. So this file may give up whenever it likes, but must never accept what `parse`
//! refuses, or see another text in it.

use super::checks::Rules;
use super::scan::{plain_end, short_plain};
use super::tally::{Pending, Tally};
use super::time;
use super::walk::skip_space;
use crate::model::WindowStart;

/// An item that was taken.
pub(super) struct Taken<'t> {
    pub(super) entry: Pending<'t>,
    /// Texts that were cut to their limit.
    pub(super) truncated: u32,
    /// Where the item ends in the text.
    pub(super) end: usize,
}

/// Takes the item at `pos`, an object of plain strings and simple scalars. With `LINE`, it must end on its
/// line.
#[inline]
pub(super) fn item<'t, const LINE: bool>(
    text: &'t str,
    pos: usize,
    rules: &Rules<'_>,
    times: &mut Times,
    tally: &mut Tally,
) -> Option<Taken<'t>> {
    let bytes = text.as_bytes();
    let (mut minute, mut method, mut path, mut user_agent) = (None, None, None, None);
    if bytes.get(pos) != Some(&b'{') {
        return None;
    }
    let mut pos = pos + 1;
    let end = loop {
        pos = skip_space::<LINE>(bytes, pos);
        let key = bytes.get(pos..)?;
        // The closing quote is part of what is compared, so that no key is taken for another it begins with.
        let is_repeated = if key.starts_with(b"\"receivedAt\"") {
            pos = colon::<LINE>(bytes, pos + 12)?;
            let (found, end) = times.minute(text, pos, rules)?;
            pos = end;
            minute.replace(found).is_some()
        } else if key.starts_with(b"\"method\"") {
            pos = colon::<LINE>(bytes, pos + 8)?;
            let (found, end) = method_at(text, pos, tally)?;
            pos = end;
            method.replace(found).is_some()
        } else if key.starts_with(b"\"path\"") {
            pos = colon::<LINE>(bytes, pos + 6)?;
            let (found, end) = string(text, pos)?;
            pos = end;
            path.replace(found).is_some()
        } else if key.starts_with(b"\"userAgent\"") {
            pos = colon::<LINE>(bytes, pos + 11)?;
            let (found, end) = string(text, pos)?;
            pos = end;
            user_agent.replace(found).is_some()
        } else {
            let (_, end) = string(text, pos)?;
            pos = ignored_value(text, colon::<LINE>(bytes, end)?)?;
            false
        };
        if is_repeated {
            return None;
        }
        pos = skip_space::<LINE>(bytes, pos);
        match bytes.get(pos)? {
            b',' => pos += 1,
            b'}' => break pos + 1,
            _ => return None,
        }
    };
    let (path, path_cut) = rules.path(path?).ok()?;
    let (user_agent, agent_cut) = rules.user_agent(user_agent?).ok()?;
    let entry = Pending { row: tally.row(minute?), method: method?, path, user_agent };
    Some(Taken { entry, truncated: u32::from(path_cut) + u32::from(agent_cut), end })
}

/// Behind a key: the position of the value.
#[inline]
fn colon<const LINE: bool>(bytes: &[u8], pos: usize) -> Option<usize> {
    let pos = skip_space::<LINE>(bytes, pos);
    (bytes.get(pos) == Some(&b':')).then(|| skip_space::<LINE>(bytes, pos + 1))
}

/// The method at `pos`: the tally's number of it, and the position behind its closing quote.
#[inline]
fn method_at(text: &str, pos: usize, tally: &mut Tally) -> Option<(u32, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(pos) == Some(&b'"')
        && let Some((packed, length)) = short_plain(bytes, pos + 1)
        && bytes[pos + 1 + length] == b'"'
    {
        let end = pos + 1 + length;
        return Some((tally.raw_method(packed, text.get(pos + 1..end)?)?, end + 1));
    }
    let (method, end) = string(text, pos)?;
    Some((tally.raw_method(0, method)?, end))
}

/// The string without escapes at `pos`: its text, and the position behind its closing quote.
#[inline]
fn string(text: &str, pos: usize) -> Option<(&str, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(pos) != Some(&b'"') {
        return None;
    }
    let end = plain_end(bytes, pos + 1);
    if bytes.get(end) != Some(&b'"') {
        return None;
    }
    Some((text.get(pos + 1..end)?, end + 1))
}

/// Skips a value that does not matter, if it is a plain string, a literal or a number without exponent.
fn ignored_value(text: &str, pos: usize) -> Option<usize> {
    let rest = text.as_bytes().get(pos..)?;
    let bytes = match rest.first()? {
        b'"' => string(text, pos)?.1 - pos,
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

/// Times met before. Most entries share their minute and the form of their time with one of the last few;
/// then only the seconds and the fraction are left to be checked.
pub(super) struct Times {
    /// By the last digit of the minute.
    known: [Form; 16],
}

/// A minute as it is written: all times that differ from it in seconds and digits of the fraction only.
#[derive(Clone, Copy)]
struct Form {
    /// `2025-12-28T18:03`
    head: [u8; 16],
    /// `Z` or `+01:00`, padded.
    offset: [u8; 6],
    offset_bytes: usize,
    /// Of the whole text.
    bytes: usize,
    minute: WindowStart,
}

impl Times {
    pub(super) fn new() -> Self {
        let none = Form { head: [0; 16], offset: [0; 6], offset_bytes: 0, bytes: 16, minute: WindowStart(0) };
        Self { known: [none; 16] }
    }

    /// The minute of the `receivedAt` at `pos`, and the position behind its closing quote; `None` where it is
    /// refused.
    #[inline]
    fn minute(&mut self, text: &str, pos: usize, rules: &Rules<'_>) -> Option<(WindowStart, usize)> {
        let bytes = text.as_bytes().get(pos..)?;
        if let Some((head, _)) = bytes.strip_prefix(b"\"")?.split_first_chunk::<16>() {
            let form = &self.known[head[15] as usize % 16];
            // Of a known form, every byte up to the closing quote is known too: no need to look for it.
            if form.head == *head
                && bytes.get(1 + form.bytes) == Some(&b'"')
                && form.is_followed_by(&bytes[17..=form.bytes])
            {
                return Some((form.minute, pos + form.bytes + 2));
            }
        }
        let (text, end) = string(text, pos)?;
        Some((self.learn(text, rules)?, end))
    }

    #[cold]
    fn learn(&mut self, text: &str, rules: &Rules<'_>) -> Option<WindowStart> {
        let minute = time::minute_of(rules.received_at_ms(text).ok()?);
        // A minute that the limit on the future cuts in two must be looked at each time.
        if time::start_ms(minute) + 59_999 <= rules.latest_ms {
            let bytes = text.as_bytes();
            let offset_bytes = if text.ends_with(['Z', 'z']) { 1 } else { 6 };
            let head = *bytes.first_chunk()?;
            let mut offset = [0; 6];
            offset[..offset_bytes].copy_from_slice(&bytes[bytes.len() - offset_bytes..]);
            self.known[head[15] as usize % 16] =
                Form { head, offset, offset_bytes, bytes: bytes.len(), minute };
        }
        Some(minute)
    }
}

impl Form {
    /// Whether `:ss`, a fraction and the same offset follow. `rest` has the length it had when this was learnt,
    /// so there is a fraction if there was one, with as many digits.
    #[inline]
    fn is_followed_by(&self, rest: &[u8]) -> bool {
        let Some((seconds, rest)) = rest.split_first_chunk::<3>() else { return false };
        let Some((fraction, offset)) = rest.split_at_checked(rest.len().wrapping_sub(self.offset_bytes))
        else {
            return false;
        };
        let is_offset = match offset {
            [zulu] => *zulu == self.offset[0],
            _ => *offset == self.offset[..self.offset_bytes],
        };
        let is_fraction = match fraction {
            [] => true,
            [b'.', a, b, c] => a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit(),
            [b'.', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        // `:60` is left to the parser.
        seconds[0] == b':'
            && matches!(seconds[1], b'0'..=b'5')
            && seconds[2].is_ascii_digit()
            && is_offset
            && is_fraction
    }
}
