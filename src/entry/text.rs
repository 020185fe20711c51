//! Texts as they were before the log escaped them.
//!
//! Input: bytes of a line and how they are escaped. Output: the bytes that the client or server meant, or the same as valid
//! UTF-8. What is not UTF-8 becomes U+FFFD. Never: a loss of anything but that.

use memchr::{memchr, memchr2};

use super::field::Escape;
use crate::base::hex::hex_byte;

impl Escape {
    /// Whether undoing the escapes can change this text.
    #[inline]
    pub(super) fn changes(self, text: &[u8]) -> bool {
        match self {
            Self::None => false,
            Self::Bytes => true,
            Self::Backslash | Self::Quote | Self::Json => memchr(b'\\', text).is_some(),
            Self::Doubled => memchr(b'"', text).is_some(),
            Self::Hash => memchr(b'#', text).is_some(),
            Self::Percent => memchr(b'%', text).is_some(),
            Self::Form => memchr2(b'%', b'+', text).is_some(),
            Self::Plus => memchr(b'+', text).is_some(),
        }
    }

    /// Whether every escape begins with a backslash.
    #[inline]
    pub(super) fn is_by_backslash(self) -> bool {
        matches!(self, Self::None | Self::Backslash | Self::Quote | Self::Json)
    }

    /// Appends the text without its escapes.
    pub(super) fn undo(self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::None => out.extend_from_slice(text),
            Self::Backslash => unescape(text, b'\\', backslash, out),
            Self::Quote => unescape(text, b'\\', quote, out),
            Self::Json => unescape(text, b'\\', json, out),
            Self::Doubled => unescape(text, b'"', quote, out),
            Self::Hash => unescape(text, b'#', |rest, out| hex(rest, 0, out), out),
            Self::Percent => unescape(text, b'%', |rest, out| hex(rest, 0, out), out),
            Self::Bytes => {
                let numbers = std::str::from_utf8(text).unwrap_or_default().split(',');
                out.extend(numbers.filter_map(|number| number.trim().parse::<u8>().ok()));
            }
            Self::Plus => out.extend(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte })),
            Self::Form => {
                let start = out.len();
                Self::Plus.undo(text, out);
                let blanks = out.split_off(start);
                Self::Percent.undo(&blanks, out);
            }
        }
    }
}

/// Copies a text, and asks `undo` about what follows each `mark`: it appends what is meant and says how many bytes it took;
/// `None` where it is not an escape: then the mark is itself part of the text.
fn unescape(text: &[u8], mark: u8, undo: impl Fn(&[u8], &mut Vec<u8>) -> Option<usize>, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr(mark, rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match undo(rest, out) {
            Some(taken) => rest = &rest[taken..],
            None => out.push(mark),
        }
    }
    out.extend_from_slice(rest);
}

/// Two hex digits at `at`, as a byte; how much was taken.
fn hex(text: &[u8], at: usize, out: &mut Vec<u8>) -> Option<usize> {
    out.push(hex_byte(text.get(at..)?)?);
    Some(at + 2)
}

/// nginx and Apache.
fn backslash(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let byte = match rest.first()? {
        b'x' => return hex(rest, 1, out),
        byte @ (b'"' | b'\\' | b'\'') => *byte,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        _ => return None,
    };
    out.push(byte);
    Some(1)
}

fn quote(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    (rest.first() == Some(&b'"')).then(|| {
        out.push(b'"');
        1
    })
}

/// JSON; of a surrogate without its partner U+FFFD is left.
fn json(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    match rest.first()? {
        b'/' => out.push(b'/'),
        b'u' => return unicode(rest, out),
        _ => return backslash(rest, out),
    }
    Some(1)
}

/// `uHHHH` at the start of a text.
fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, byte| Some(unit * 16 + char::from(*byte).to_digit(16)?))
}

fn unicode(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let first = code_unit(rest)?;
    let second = rest.get(5..).and_then(|rest| code_unit(rest.strip_prefix(b"\\")?));
    let (c, taken) = match (first, second) {
        (0xD800..0xDC00, Some(low @ 0xDC00..0xE000)) => {
            (char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00)), 11)
        }
        _ => (char::from_u32(first), 5),
    };
    out.extend_from_slice(c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut [0; 4]).as_bytes());
    Some(taken)
}

/// Appends bytes as UTF-8; invalid bytes become U+FFFD.
pub(super) fn push_lossy(bytes: &[u8], out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn undone(escape: Escape, text: &str) -> String {
        let mut bytes = Vec::new();
        escape.undo(text.as_bytes(), &mut bytes);
        assert!(escape.changes(text.as_bytes()) || bytes == text.as_bytes());
        let mut out = String::new();
        push_lossy(&bytes, &mut out);
        out
    }

    #[test]
    fn escapes_of_every_server_are_undone() {
        for (escape, text, want) in [
            (Escape::None, r"a\x22#20%20+", r"a\x22#20%20+"),
            (Escape::Backslash, r#"a\"b\\c\x22\xC3\xA9\t"#, "a\"b\\c\"é\t"),
            (Escape::Backslash, r"\xZZ\x4 \s \", r"\xZZ\x4 \s \"),
            (Escape::Backslash, r"\x95\x5C", "\u{FFFD}\\"),
            (Escape::Quote, r#"say \"hi\" \x22 \\"#, r#"say "hi" \x22 \\"#),
            (Escape::Doubled, r#"say ""hi"" " "#, r#"say "hi" " "#),
            (Escape::Hash, "/user/#22a#22/#C3#BC#", "/user/\"a\"/ü#"),
            (Escape::Json, r"caf\u00e9 \ud83d\ude00 \/ \n \x22", "café 😀 / \n \""),
            (Escape::Json, r"\ud83d \u12 \ud83d\u0041", "\u{FFFD} \\u12 \u{FFFD}A"),
            (Escape::Percent, "My%2520App/1.0%20(+x)%", "My%20App/1.0 (+x)%"),
            (Escape::Form, "Mozilla%2F5.0+%28x%29", "Mozilla/5.0 (x)"),
            (Escape::Plus, "a+b%20c", "a b%20c"),
            (Escape::Bytes, "71, 69,84,32,255", "GET \u{FFFD}"),
        ] {
            assert_eq!(undone(escape, text), want, "{escape:?} {text}");
        }
    }
}
