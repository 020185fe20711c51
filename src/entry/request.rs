//! Request lines and targets: what was asked for.
//!
//! Input: `GET /a?b HTTP/1.1` or its parts, unescaped. Output: the places of method, target, path and host in it. Never: a
//! change to a path; percent-encoding, dot segments and double slashes stay as the client sent them.

use std::ops::Range;

use memchr::{memchr, memmem};

use crate::base::token;

/// Method and target of a request line. Targets may hold blanks; HTTP/0.9 has no protocol.
#[inline]
pub(super) fn split_line(line: &str) -> Option<(Range<usize>, Range<usize>)> {
    let bytes = line.as_bytes();
    let blank = memchr(b' ', bytes)?;
    let end = protocol_start(bytes).filter(|start| *start > blank).unwrap_or(bytes.len());
    Some((0..blank, blank + 1..end.max(blank + 1)))
}

/// Where ` HTTP/1.1` begins that ends a text.
#[inline]
fn protocol_start(text: &[u8]) -> Option<usize> {
    // `HTTP/1.1` or `HTTP/2`.
    [9, 7].into_iter().find_map(|length| {
        let start = text.len().checked_sub(length)?;
        is_protocol(&text[start..]).then_some(start)
    })
}

fn is_protocol(text: &[u8]) -> bool {
    let Some(version) = text.strip_prefix(b" HTTP/") else { return false };
    match version {
        [major] => major.is_ascii_digit(),
        [major, b'.', minor] => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}

/// Whether a request line ends with a protocol, as all do that a server understood.
#[inline]
pub(super) fn has_protocol(line: &[u8]) -> bool {
    protocol_start(line).is_some()
}

/// Whether a text can be a method: a token of HTTP.
pub(super) fn can_be_method(text: &str) -> bool {
    text != "-" && token::is_method(text.as_bytes())
}

/// What a target asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestedTarget {
    /// The path with its query.
    pub(super) path: Range<usize>,
    /// The path lacks its slash: `http://example.com?q` and `http://example.com`.
    pub(super) lacks_slash: bool,
    /// The host of an absolute URL.
    pub(super) host: Option<Range<usize>>,
}

impl RequestedTarget {
    /// A path that its log writes without the slash.
    pub(super) fn without_slash(path: &str) -> Self {
        Self { path: 0..path.len(), lacks_slash: true, host: None }
    }
}

/// Reads a target: a path, `*`, an absolute URL, or the authority of a CONNECT; `None` for anything else.
#[inline]
pub(super) fn target(text: &str, is_connect: bool) -> Option<RequestedTarget> {
    let whole = RequestedTarget { path: 0..text.len(), lacks_slash: false, host: None };
    match text.as_bytes() {
        [b'/', ..] | b"*" => Some(whole),
        bytes => match authority_start(bytes) {
            Some(start) => Some(of_url(bytes, start)),
            None => (is_connect && is_authority(bytes)).then_some(whole),
        },
    }
}

/// Reads `example.com/a?b`, a host and a path without a scheme.
pub(super) fn host_and_target(text: &str) -> Option<RequestedTarget> {
    match target(text, false) {
        None if !text.is_empty() => Some(of_url(text.as_bytes(), 0)),
        asked => asked,
    }
}

/// Where the authority begins behind `scheme://`.
fn authority_start(text: &[u8]) -> Option<usize> {
    let end = memmem::find(&text[..text.len().min(32)], b"://")?;
    let (first, rest) = text[..end].split_first()?;
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    (first.is_ascii_alphabetic() && rest.iter().all(is_scheme)).then_some(end + 3)
}

fn of_url(text: &[u8], authority: usize) -> RequestedTarget {
    let length = text[authority..].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let path = length.map_or(text.len(), |length| authority + length);
    let user = memchr::memrchr(b'@', &text[authority..path]).map_or(0, |at| at + 1);
    let host = authority + user..path;
    RequestedTarget {
        path: path..text.len(),
        lacks_slash: text.get(path) != Some(&b'/'),
        host: (!host.is_empty()).then_some(host),
    }
}

fn is_authority(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]%@".contains(byte);
    !text.is_empty() && text != b"-" && text.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines_are_cut_into_method_and_target() {
        for (line, want) in [
            ("GET / HTTP/1.1", Some(("GET", "/"))),
            ("GET /a b HTTP/2", Some(("GET", "/a b"))),
            ("GET /", Some(("GET", "/"))),
            ("GET /a HTTP/1.10", Some(("GET", "/a HTTP/1.10"))),
            ("OPTIONS / RTSP/1.0", Some(("OPTIONS", "/ RTSP/1.0"))),
            ("GET  HTTP/1.1", Some(("GET", ""))),
            ("GET HTTP/1.1", Some(("GET", "HTTP/1.1"))),
            ("GET ", Some(("GET", ""))),
            ("GET", None),
            ("", None),
        ] {
            let found = split_line(line).map(|(method, target)| (&line[method], &line[target]));
            assert_eq!(found, want, "{line}");
        }
        assert!(has_protocol(b"GET / HTTP/3") && has_protocol(b"- - HTTP/1.0") && !has_protocol(b"HTTP/1.1"));
    }

    #[test]
    fn targets_are_paths_urls_stars_and_authorities() {
        for (text, want) in [
            ("/a?b", Some(("/a?b", None))),
            ("//double", Some(("//double", None))),
            ("*", Some(("*", None))),
            ("http://WWW.example.org:8080/p?x", Some(("/p?x", Some("WWW.example.org:8080")))),
            ("https://user:pass@example.com", Some(("", Some("example.com")))),
            ("http://example.com?q", Some(("?q", Some("example.com")))),
            ("http:///p", Some(("/p", None))),
            ("", None),
            ("-", None),
            ("%.", None),
            ("index.html", None),
            ("?x", None),
        ] {
            let asked = target(text, false);
            let found = asked.map(|asked| (&text[asked.path], asked.host.map(|host| &text[host])));
            assert_eq!(found, want, "{text}");
        }
        let connect = "api.example.net:443";
        assert_eq!(target(connect, true).map(|asked| asked.path), Some(0..connect.len()));
        assert_eq!((target(connect, false), target("a b", true)), (None, None));
        let asked = host_and_target("example.com/x?y").unwrap();
        assert_eq!((asked.host, asked.path), (Some(0..11), 11..15));
    }
}
