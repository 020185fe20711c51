//! Hexadecimal digits as bytes, and percent-encoding (RFC 3986, section 2.1).
//!
//! Input: bytes. Output: what they stand for. Never: a guess at what malformed text means; callers decide.

/// The byte that the first two characters are in hexadecimal; `None` where they are not two such digits.
#[inline]
pub(crate) fn hex_byte(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [high, low] = *text.first_chunk::<2>()?;
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Replaces each `%XX` by its byte; `None` where a `%` is followed by something else.
pub(crate) fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        decoded.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        decoded.push(hex_byte(rest)?);
        rest = &rest[2..];
    }
    decoded.extend_from_slice(rest);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_a_byte_and_nothing_else_is() {
        for byte in 0..=u8::MAX {
            assert_eq!(hex_byte(format!("{byte:02x}9").as_bytes()), Some(byte));
            assert_eq!(hex_byte(format!("{byte:02X}").as_bytes()), Some(byte));
        }
        for text in ["", "4", "+4", "-1", " 4", "4g", "g4", "\u{e9}"] {
            assert_eq!(hex_byte(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn percents_are_decoded_or_the_text_is_malformed() {
        for (text, decoded) in
            [("", Some("")), ("a%20b%C3%A9", Some("a b\u{e9}")), ("%25%", None), ("%4", None)]
        {
            assert_eq!(percent_decoded(text.as_bytes()).as_deref(), decoded.map(str::as_bytes), "{text}");
        }
        assert_eq!(percent_decoded(b"%FF"), Some(vec![0xFF]));
    }
}
