//! Advice for a client whose refused body shows a common mistake.
//!
//! Input: a body that is not a batch, and its headers. Output: what to change, in words that follow the error. Never:
//! a guess that the bytes do not support.

use memchr::memchr;
use memchr::memmem::find;

use crate::batch::{Content, Encoding, Format};
use crate::entry::is_utf16;

/// The remedy for a decoded body that is not a batch of this format.
pub(super) fn for_batch(body: &[u8], content: &Content) -> Option<&'static str> {
    let Content::Json(format) = content else { return None };
    if let Some(remedy) = compressed(body) {
        return Some(remedy);
    }
    let text = body.trim_ascii();
    let lines_are_joined = memchr(b'\n', text).is_none()
        && [&b"}{"[..], b"} {", b"}\r{"].into_iter().any(|seam| find(text, seam).is_some());
    match (format, text.first()) {
        (Format::JsonArray | Format::Ndjson, Some(b'{')) if lines_are_joined => Some(
            "the line ends between the entries are missing: curl -d removes them, use --data-binary with \
             content-type: application/x-ndjson",
        ),
        (Format::JsonArray, Some(b'{')) => Some(
            "one entry a line needs content-type: application/x-ndjson, and a single entry in JSON square brackets \
             around it",
        ),
        (Format::Ndjson, Some(b'[')) => Some("a JSON array needs content-type: application/json"),
        _ => None,
    }
}

/// The remedy for a decoded body that cannot be log lines, because every line would be skipped.
pub(super) fn for_lines(body: &[u8]) -> Option<&'static str> {
    compressed(body).or_else(|| is_utf16(body).then_some("the body is UTF-16: send UTF-8"))
}

/// The remedy for a body that cannot be decoded as its headers say.
pub(super) fn for_encoding(raw: &[u8], encoding: Encoding) -> Option<&'static str> {
    let plain = raw.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'['));
    (encoding != Encoding::Identity && plain)
        .then_some("the body is not compressed: leave content-encoding out")
}

/// The remedy for a content type that is not known.
pub(super) fn for_content_type(content_type: &str) -> Option<&'static str> {
    content_type
        .starts_with("application/x-www-form-urlencoded")
        .then_some("curl -d says that it sends a form: use --data-binary and -H 'content-type: …'")
}

fn compressed(body: &[u8]) -> Option<&'static str> {
    if body.starts_with(&[0x1F, 0x8B]) {
        Some("the body is gzip: send content-encoding: gzip")
    } else if body.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        Some("the body is zstd: send content-encoding: zstd")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_common_mistake_has_its_remedy_and_other_bodies_have_none() {
        for (body, format, says) in [
            (&b"{\"a\":1}\n{\"a\":2}\n"[..], Format::JsonArray, "content-type: application/x-ndjson"),
            (b" {\"a\":1}", Format::JsonArray, "square brackets"),
            (b"{\"a\":1}{\"a\":2}", Format::Ndjson, "--data-binary"),
            (b"{\"a\":1}{\"a\":2}", Format::JsonArray, "--data-binary"),
            (b"{\"a\":1} {\"a\":2}\n", Format::Ndjson, "--data-binary"),
            (b"\x1F\x8B\x08\x00", Format::Ndjson, "content-encoding: gzip"),
            (b"\x28\xB5\x2F\xFD\x00", Format::JsonArray, "content-encoding: zstd"),
            (b"[\n{}]", Format::Ndjson, "content-type: application/json"),
        ] {
            let remedy = for_batch(body, &Content::Json(format));
            assert!(remedy.is_some_and(|remedy| remedy.contains(says)), "{body:?}: {remedy:?}");
        }
        for (body, format) in [
            (&b""[..], Format::Ndjson),
            (b"[{\"a\":1}]", Format::JsonArray),
            (b"{\"a\":\"}{\"}\n{\"a\":1}", Format::Ndjson),
            (b"hello", Format::JsonArray),
        ] {
            assert_eq!(for_batch(body, &Content::Json(format)), None, "{body:?}");
        }
        assert!(for_lines(b"\x1F\x8B\x08\x00").is_some_and(|remedy| remedy.contains("gzip")));
        assert!(for_lines(b"\xFF\xFE1\0").is_some_and(|remedy| remedy.contains("UTF-8")));
        assert_eq!(for_lines(b"192.0.2.1 - -"), None);
        assert!(for_encoding(b" [{}]", Encoding::Gzip).is_some());
        assert_eq!(for_encoding(b"\x1F\x8Bxx", Encoding::Gzip), None);
    }
}
