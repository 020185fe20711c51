//! JSON token by token: where values and items end, and what stands in the known fields of an item.
//!
//! Input: bytes, whether they are text or not, and the position of a token. Output: positions and [`RawEntry`]s, or
//! `None` for anything but the JSON of RFC 8259: the reference parser then finds the words for it. Never: a limit on how
//! deep values are nested, for no function here calls itself.
//!
//! With `LINE`, a line end is not white space, so that an item must end on its line.

use std::borrow::Cow;

use super::field::Field;
use super::number::Number;
use super::raw::{RawEntry, RawText, RawValue};
use super::scan::{digit_bytes, plain_end};

/// Where a value of an item stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The known field that it is the value of.
    pub(super) field: Option<Field>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads the object at `start`: puts the places of its values into `places`, and gives the position behind it.
pub(super) fn read_object<const LINE: bool>(
    bytes: &[u8],
    start: usize,
    places: &mut Vec<Place>,
) -> Option<usize> {
    places.clear();
    if bytes.get(start) != Some(&b'{') {
        return None;
    }
    let mut pos = skip_space::<LINE>(bytes, start + 1);
    if bytes.get(pos) == Some(&b'}') {
        return Some(pos + 1);
    }
    loop {
        let (field, value) = key::<LINE>(bytes, pos)?;
        let end = value_end::<LINE>(bytes, value)?;
        places.push(Place { field, start: value, end });
        pos = skip_space::<LINE>(bytes, end);
        match bytes.get(pos)? {
            b',' => pos = skip_space::<LINE>(bytes, pos + 1),
            b'}' => return Some(pos + 1),
            _ => return None,
        }
    }
}

/// What stands in the known fields among these places. `None` where a field is repeated.
pub(super) fn raw_entry<'b>(bytes: &'b [u8], places: &[Place]) -> Option<RawEntry<'b>> {
    let mut entry = RawEntry::default();
    for place in places {
        if let Some(field) = place.field
            && !entry.set(field, raw_value(&bytes[place.start..place.end])?)
        {
            return None;
        }
    }
    Some(entry)
}

pub(super) fn raw_value(json: &[u8]) -> Option<RawValue<'_>> {
    Some(match json {
        [b'n', ..] => RawValue::Null,
        [b'"', text @ .., b'"'] => RawValue::Text(unquoted(text)),
        [b'-' | b'0'..=b'9', ..] => RawValue::Number(Number::parse(std::str::from_utf8(json).ok()?)?),
        _ => RawValue::Other,
    })
}

/// The position of the first byte from `pos` on that is not white space.
#[inline]
pub(super) fn skip_space<const LINE: bool>(bytes: &[u8], mut pos: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r' | b'\n') = bytes.get(pos) {
        if LINE && bytes[pos] == b'\n' {
            break;
        }
        pos += 1;
    }
    pos
}

/// The known field that the key at `pos` names, and the position of its value.
fn key<const LINE: bool>(bytes: &[u8], pos: usize) -> Option<(Option<Field>, usize)> {
    let end = string_end(bytes, pos)?;
    let text = &bytes[pos + 1..end - 1];
    let field = match memchr::memchr(b'\\', text) {
        None => std::str::from_utf8(text).ok().and_then(Field::named),
        Some(_) => Field::named(&unquoted(text).text),
    };
    let pos = skip_space::<LINE>(bytes, end);
    (bytes.get(pos) == Some(&b':')).then(|| (field, skip_space::<LINE>(bytes, pos + 1)))
}

/// The position behind the value at `pos`. Most are strings and whole numbers without anything unusual.
#[inline(always)]
pub(super) fn value_end<const LINE: bool>(bytes: &[u8], pos: usize) -> Option<usize> {
    if bytes.get(pos) == Some(&b'"') {
        let end = plain_end(bytes, pos + 1);
        if bytes.get(end) == Some(&b'"') {
            return Some(end + 1);
        }
    } else if let Some(word) = bytes.get(pos..).and_then(<[u8]>::first_chunk::<8>) {
        let digits = digit_bytes(u64::from_le_bytes(*word));
        if (1..8).contains(&digits) && word[0] != b'0' && matches!(word[digits], b',' | b'}') {
            return Some(pos + digits);
        }
    }
    any_value_end::<LINE>(bytes, pos)
}

fn any_value_end<const LINE: bool>(bytes: &[u8], mut pos: usize) -> Option<usize> {
    let mut open = OpenBrackets::default();
    loop {
        match bytes.get(pos)? {
            b'{' => {
                pos = skip_space::<LINE>(bytes, pos + 1);
                open.push(true);
                if bytes.get(pos) != Some(&b'}') {
                    (_, pos) = key::<LINE>(bytes, pos)?;
                    continue;
                }
            }
            b'[' => {
                pos = skip_space::<LINE>(bytes, pos + 1);
                open.push(false);
                if bytes.get(pos) != Some(&b']') {
                    continue;
                }
            }
            _ => pos = scalar_end(bytes, pos)?,
        }
        // Behind a value: on to the next one, or out of what ends here.
        loop {
            let Some(in_object) = open.innermost() else { return Some(pos) };
            pos = skip_space::<LINE>(bytes, pos);
            match (bytes.get(pos)?, in_object) {
                (b',', true) => {
                    (_, pos) = key::<LINE>(bytes, skip_space::<LINE>(bytes, pos + 1))?;
                    break;
                }
                (b',', false) => {
                    pos = skip_space::<LINE>(bytes, pos + 1);
                    break;
                }
                (b'}', true) | (b']', false) => {
                    open.pop();
                    pos += 1;
                }
                _ => return None,
            }
        }
    }
}

/// Which brackets are open: a bit for each, set for `{`, the innermost lowest. Deep nesting takes 64 levels a word.
#[derive(Default)]
struct OpenBrackets {
    depth: usize,
    top: u64,
    below: Vec<u64>,
}

impl OpenBrackets {
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.below.push(self.top);
        }
        self.top = self.top << 1 | u64::from(is_object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.top = if self.depth.is_multiple_of(64) { self.below.pop().unwrap_or(0) } else { self.top >> 1 };
    }

    /// Whether the innermost bracket is that of an object; `None` where none is open.
    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.top & 1 == 1)
    }
}

fn scalar_end(bytes: &[u8], pos: usize) -> Option<usize> {
    let rest = bytes.get(pos..)?;
    match rest.first()? {
        b'"' => string_end(bytes, pos),
        b't' if rest.starts_with(b"true") => Some(pos + 4),
        b'f' if rest.starts_with(b"false") => Some(pos + 5),
        b'n' if rest.starts_with(b"null") => Some(pos + 4),
        _ => number_end(bytes, pos),
    }
}

/// The position behind the number at `pos`.
fn number_end(bytes: &[u8], pos: usize) -> Option<usize> {
    let digits_end = |start: usize| {
        let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0).then_some(start + digits)
    };
    let first = pos + usize::from(bytes.get(pos) == Some(&b'-'));
    let mut end = match bytes.get(first)? {
        b'0' => first + 1,
        _ => digits_end(first)?,
    };
    if bytes.get(end) == Some(&b'.') {
        end = digits_end(end + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let is_signed = matches!(bytes.get(end + 1), Some(b'+' | b'-'));
        end = digits_end(end + 1 + usize::from(is_signed))?;
    }
    Some(end)
}

/// The position behind the string at `pos`.
#[inline]
pub(super) fn string_end(bytes: &[u8], pos: usize) -> Option<usize> {
    if bytes.get(pos) != Some(&b'"') {
        return None;
    }
    let mut end = plain_end(bytes, pos + 1);
    loop {
        match bytes.get(end)? {
            b'"' => return Some(end + 1),
            b'\\' => end = plain_end(bytes, end + escape_bytes(&bytes[end..])?),
            _ => return None,
        }
    }
}

/// The length of the escape at the beginning.
fn escape_bytes(text: &[u8]) -> Option<usize> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => text.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// The text of a valid string, given without its quotes.
pub(super) fn unquoted(text: &[u8]) -> RawText<'_> {
    let Some(first) = memchr::memchr(b'\\', text) else {
        return match simdutf8::basic::from_utf8(text) {
            Ok(text) => RawText { text: Cow::Borrowed(text), is_replaced: false },
            Err(_) => RawText { text: String::from_utf8_lossy(text), is_replaced: true },
        };
    };
    let (mut all, mut is_replaced) = (String::with_capacity(text.len()), false);
    let mut copy = |all: &mut String, part: &[u8]| match std::str::from_utf8(part) {
        Ok(part) => all.push_str(part),
        Err(_) => {
            all.push_str(&String::from_utf8_lossy(part));
            is_replaced = true;
        }
    };
    let (mut plain, mut rest) = text.split_at(first);
    let mut has_half_pair = false;
    loop {
        copy(&mut all, plain);
        if rest.is_empty() {
            break;
        }
        let (c, bytes) = escaped(rest);
        has_half_pair |= c.is_none();
        all.push(c.unwrap_or(char::REPLACEMENT_CHARACTER));
        rest = &rest[bytes..];
        (plain, rest) = rest.split_at(memchr::memchr(b'\\', rest).unwrap_or(rest.len()));
    }
    RawText { text: Cow::Owned(all), is_replaced: is_replaced || has_half_pair }
}

/// The character of the valid escape at the beginning, and its length; `None` for half of a surrogate pair.
fn escaped(text: &[u8]) -> (Option<char>, usize) {
    let unit = |text: &[u8]| -> Option<u16> {
        let digits = text.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match text.get(1) {
        Some(b'b') => (Some('\u{8}'), 2),
        Some(b'f') => (Some('\u{c}'), 2),
        Some(b'n') => (Some('\n'), 2),
        Some(b'r') => (Some('\r'), 2),
        Some(b't') => (Some('\t'), 2),
        Some(b'u') => {
            let units = [unit(text), text.get(6..).and_then(unit)];
            let mut chars = char::decode_utf16(units.into_iter().map_while(|unit| unit));
            match chars.next() {
                Some(Ok(c)) => (Some(c), 6 * c.len_utf16()),
                _ => (None, 6),
            }
        }
        Some(other) => (Some(char::from(*other)), 2),
        None => (None, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether serde_json takes the whole text as one value; it reads numbers that no float holds as errors.
    fn is_value(text: &str) -> bool {
        serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok_and(|value| value.get() == text)
    }

    #[test]
    fn values_end_where_serde_json_says() {
        let pieces = [
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "1",
            " ",
            "null",
            "-0.5e+3",
            "1.5",
            "\"\\u00e9\\\"\"",
            "01",
            "\"\\x\"",
            "\n",
        ];
        let mut texts = vec![String::new()];
        for round in 0..5 {
            // All combinations of up to three pieces, then of those that are valid so far, or begin well.
            let shorter = texts.len();
            let longer: Vec<String> = texts
                .iter()
                .filter(|text| round < 3 || text.starts_with('[') || text.starts_with('{'))
                .flat_map(|text| pieces.map(|piece| format!("{text}{piece}")))
                .collect();
            for text in &longer {
                let is_value = is_value(text);
                // What is not near the end of all may be read many bytes at once.
                for behind in ["", "        ", ",       ", "}       "] {
                    let got = value_end::<false>(format!("{text}{behind}").as_bytes(), 0);
                    assert_eq!(got == Some(text.len()), is_value, "{text}{behind}");
                }
            }
            texts = if round < 3 { longer } else { longer.into_iter().step_by(7).collect() };
            assert!(texts.len() > shorter || round > 2);
        }
    }

    #[test]
    fn nesting_has_no_limit() {
        for levels in [1, 63, 64, 65, 128, 129, 100_000] {
            let arrays = "[".repeat(levels) + &"]".repeat(levels);
            assert_eq!(value_end::<true>(arrays.as_bytes(), 0), Some(2 * levels));
            let mixed = "[{\"a\":".repeat(levels) + "1" + &"}]".repeat(levels);
            assert_eq!(value_end::<true>(mixed.as_bytes(), 0), Some(mixed.len()));
            let wrong = mixed.replacen("}]}]", "}}]]", 1);
            assert_eq!(value_end::<true>(wrong.as_bytes(), 0).is_some(), levels == 1);
            assert_eq!(value_end::<true>(&arrays.as_bytes()[..2 * levels - 1], 0), None);
        }
    }

    #[test]
    fn texts_are_unquoted_as_serde_json_does_and_odd_bytes_are_replaced() {
        for text in ["", "plain é", r#"\"\\\/\b\f\n\r\t"#, r"é\u00e9\ud83d\ude00x", r"\uFFFD\u0000"] {
            let want: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
            let got = unquoted(text.as_bytes());
            assert_eq!((got.text.as_ref(), got.is_replaced), (want.as_str(), false), "{text}");
        }
        for (text, want) in [
            (&b"a\xFFb"[..], "a\u{fffd}b"),
            (b"\\n\xE2\x82\\u0041\xFF", "\n\u{fffd}A\u{fffd}"),
            (b"\\ud83d\\u0041", "\u{fffd}A"),
            (b"\\ude00\\ud83d\\ud83d\\ude00", "\u{fffd}\u{fffd}\u{1f600}"),
            (b"x\\ud83d", "x\u{fffd}"),
        ] {
            let got = unquoted(text);
            assert_eq!((got.text.as_ref(), got.is_replaced), (want, true));
        }
    }

    #[test]
    fn known_fields_are_found_under_any_spelling_of_their_key() {
        let object = br#"{"a":{"path":1}, "\u0070ath" :"x","path\u0000":2,"status":7 }"#;
        let mut places = Vec::new();
        assert_eq!(read_object::<true>(object, 0, &mut places), Some(object.len()));
        let fields: Vec<_> = places.iter().map(|place| place.field).collect();
        assert_eq!(fields, [None, Some(Field::PATH), None, Some(Field::STATUS)]);
        let entry = raw_entry(object, &places).unwrap();
        assert_eq!(*entry.get(Field::PATH), RawValue::text("x"));
        assert_eq!(*entry.get(Field::STATUS), RawValue::Number(Number::from_units(7, 0)));
        assert_eq!(read_object::<true>(b"{}", 0, &mut places), Some(2));
        for bad in [&b"{"[..], b"{,}", b"{\"a\":1,}", b"{\"a\"}", b"{\"a\":1 \"b\":2}", b"{\n}", b"[]", b""] {
            assert_eq!(read_object::<true>(bad, 0, &mut places), None);
        }
        let repeated = br#"{"path":"a","path":null}"#;
        read_object::<true>(repeated, 0, &mut places).unwrap();
        assert!(raw_entry(repeated, &places).is_none());
    }
}
