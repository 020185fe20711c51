//! A body as text: bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD, and their places are remembered.
//!
//! Input: the bytes of a body. Output: text that serde_json can read, and for any part of it whether something in it was
//! replaced. Never: a change of anything else; text that needs no repair is borrowed as it is.

use std::borrow::Cow;
use std::ops::Range;

#[derive(Debug)]
pub(super) struct RepairedText<'b> {
    pub(super) text: Cow<'b, str>,
    /// Ascending.
    replaced: Vec<Replaced>,
}

/// One replacement.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    /// Where it begins in the text.
    start: usize,
    /// Where the text goes on behind it, and where the body does.
    text_end: usize,
    body_end: usize,
}

/// What stands for bytes that are not UTF-8.
const REPLACEMENT: &str = "\u{fffd}";
/// The same as an escape, as long as the escape of half a surrogate pair.
const REPLACEMENT_ESCAPE: &str = "\\ufffd";

impl<'b> RepairedText<'b> {
    pub(super) fn of(body: &'b [u8]) -> Self {
        if let Ok(text) = simdutf8::basic::from_utf8(body)
            && next_half_pair(text).is_none()
        {
            return Self { text: Cow::Borrowed(text), replaced: Vec::new() };
        }
        let mut repair =
            Repair { text: String::with_capacity(body.len()), replaced: Vec::new(), body_end: 0 };
        for chunk in body.utf8_chunks() {
            let mut rest = chunk.valid();
            while let Some(place) = next_half_pair(rest) {
                repair.copy(&rest[..place]);
                repair.replace(REPLACEMENT_ESCAPE, REPLACEMENT_ESCAPE.len());
                rest = &rest[place + REPLACEMENT_ESCAPE.len()..];
            }
            repair.copy(rest);
            if !chunk.invalid().is_empty() {
                repair.replace(REPLACEMENT, chunk.invalid().len());
            }
        }
        Self { text: Cow::Owned(repair.text), replaced: repair.replaced }
    }

    /// Whether anything in this part of the text was replaced.
    pub(super) fn is_replaced(&self, part: Range<usize>) -> bool {
        let before = self.replaced.partition_point(|replaced| replaced.start < part.start);
        self.replaced.get(before).is_some_and(|replaced| replaced.start < part.end)
    }

    /// The place in the body of a place in the text.
    pub(super) fn offset_in_body(&self, place: usize) -> usize {
        let before = self.replaced.partition_point(|replaced| replaced.text_end <= place);
        match before.checked_sub(1).map(|last| self.replaced[last]) {
            Some(last) => place - last.text_end + last.body_end,
            None => place,
        }
    }
}

struct Repair {
    text: String,
    replaced: Vec<Replaced>,
    /// How much of the body is in the text.
    body_end: usize,
}

impl Repair {
    fn copy(&mut self, text: &str) {
        self.text.push_str(text);
        self.body_end += text.len();
    }

    fn replace(&mut self, by: &str, body_bytes: usize) {
        let start = self.text.len();
        self.text.push_str(by);
        self.body_end += body_bytes;
        self.replaced.push(Replaced { start, text_end: self.text.len(), body_end: self.body_end });
    }
}

/// Where the next escape begins that is half of a surrogate pair without the other half.
fn next_half_pair(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut pos = 0;
    loop {
        pos += memchr::memchr(b'\\', bytes.get(pos..)?)?;
        match escaped_unit(&bytes[pos..]) {
            // Another escape: the character behind the backslash belongs to it.
            None => pos += 2,
            Some(0xD800..=0xDBFF) if matches!(escaped_unit(&bytes[pos + 6..]), Some(0xDC00..=0xDFFF)) => {
                pos += 12
            }
            Some(0xD800..=0xDFFF) => return Some(pos),
            Some(_) => pos += 6,
        }
    }
}

/// The UTF-16 unit of `\uXXXX` at the beginning.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_needs_no_repair_is_borrowed() {
        for text in ["", "[\"é\"]", r"\\ud800", r"\ud83d\ude00\n\uffff\u12", r"\", r"\u+123"] {
            let repaired = RepairedText::of(text.as_bytes());
            assert!(matches!(repaired.text, Cow::Borrowed(same) if same == text), "{text}");
            assert!(!repaired.is_replaced(0..text.len()));
            assert_eq!(repaired.offset_in_body(text.len()), text.len());
        }
    }

    #[test]
    fn replacements_are_found_where_they_stand() {
        let body = b"[\"ab\", \"\\ud800x\", \"c\xFF\xFEd\", \"\\udc00\\ud83d\\ude00\\ud83d\", \"e\xE2\x82\"]";
        let repaired = RepairedText::of(body);
        let want =
            "[\"ab\", \"\\ufffdx\", \"c\u{fffd}\u{fffd}d\", \"\\ufffd\\ud83d\\ude00\\ufffd\", \"e\u{fffd}\"]";
        assert_eq!(repaired.text, want);
        for (part, is_replaced) in [
            ("ab", false),
            ("\\ufffdx", true),
            ("\"x", false),
            ("c\u{fffd}", true),
            ("\u{fffd}d", true),
            ("d\"", false),
            ("e", false),
            ("\\ud83d\\ude00", false),
        ] {
            let Some(start) = repaired.text.find(part) else { continue };
            assert_eq!(repaired.is_replaced(start..start + part.len()), is_replaced, "{part}");
        }
        // Behind everything, the text is longer by what each of the three replacements is longer than its bytes.
        let longer = 2 + 2 + 1;
        assert_eq!(repaired.text.len(), body.len() + longer);
        assert_eq!(repaired.offset_in_body(repaired.text.len()), body.len());
        assert_eq!(repaired.offset_in_body(3), 3);
    }
}
