//! Request heads: where one ends, whether it is well formed, and how its body is framed.
//!
//! In: bytes as they arrive. Out: a [`Head`] and a [`Framing`], or the [`Refusal`] to send. Stricter than
//! httparse, because two servers that read one head differently are a way to smuggle requests. It must never do
//! I/O, and what it decides must not depend on how the bytes were cut into reads: `Scan` looks at each byte
//! once and in order, and the rest is parsed only when the head is complete.

use std::mem::MaybeUninit;

use crate::http::Head;
use crate::http::limits::{FrontLimits, MAX_HEADERS};

/// The longest method anybody implements is far below this; a longer one is 501 (RFC 9112, section 3).
const MAX_METHOD_BYTES: usize = 32;

/// An answer the front end gives by itself; the connection closes after it.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Status code.
    pub status: u16,
    /// What was wrong, for the client.
    pub description: String,
    /// The head, where it could be read.
    pub head: Option<Box<Head>>,
}

impl Refusal {
    pub(super) fn new(status: u16, description: impl Into<String>) -> Self {
        Self { status, description: description.into(), head: None }
    }
}

fn bad(description: &str) -> Refusal {
    Refusal::new(400, description)
}

/// How far the search for the end of a head has come.
#[derive(Debug, Default)]
pub(super) struct Scan {
    scanned: usize,
    place: Place,
    /// Bytes of the method, the target or the version, whichever is being read.
    part_bytes: usize,
    header_lines: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Method,
    Target,
    Version,
    /// Inside a header line.
    Line,
    /// After the CR of a line.
    LineEnd,
    LineStart,
    /// After the CR of the empty line.
    HeadEnd,
}

impl Scan {
    /// Looks at the bytes that are new since the last call: the length of the head once it is complete.
    pub(super) fn advance(&mut self, bytes: &[u8], limits: &FrontLimits) -> Result<Option<usize>, Refusal> {
        while let Some(&byte) = bytes.get(self.scanned) {
            self.scanned += 1;
            if self.step(byte, limits)? {
                return Ok(Some(self.scanned));
            }
            if self.scanned >= limits.max_head_bytes {
                return Err(Refusal::new(431, format!("head above {} bytes", limits.max_head_bytes)));
            }
        }
        Ok(None)
    }

    /// `true` when this byte ends the head.
    fn step(&mut self, byte: u8, limits: &FrontLimits) -> Result<bool, Refusal> {
        match self.place {
            Place::Method if byte == b' ' && self.part_bytes > 0 => self.go(Place::Target),
            Place::Method if is_token_byte(byte) => self.part(MAX_METHOD_BYTES, 501, "method")?,
            Place::Method => return Err(bad("the request line does not begin with a method")),
            Place::Target if byte == b' ' && self.part_bytes > 0 => self.go(Place::Version),
            Place::Target if byte.is_ascii_graphic() => {
                self.part(limits.max_target_bytes, 414, "request target")?;
            }
            Place::Target => return Err(bad("the request line is not METHOD TARGET VERSION")),
            Place::Version if byte == b'\r' => self.go(Place::LineEnd),
            Place::Version if byte.is_ascii_graphic() => self.part("HTTP/1.1".len(), 400, "HTTP version")?,
            Place::Version => return Err(bad("the request line does not end after the HTTP version")),
            Place::Line if byte == b'\r' => self.go(Place::LineEnd),
            Place::Line if byte == b'\n' => return Err(bad("a line ends with LF alone")),
            Place::Line if byte == 0 => return Err(bad("NUL in a header")),
            Place::Line => {}
            Place::LineEnd if byte == b'\n' => self.go(Place::LineStart),
            Place::HeadEnd if byte == b'\n' => return Ok(true),
            Place::LineEnd | Place::HeadEnd => return Err(bad("CR without LF")),
            Place::LineStart if byte == b'\r' => self.go(Place::HeadEnd),
            Place::LineStart if byte == b' ' || byte == b'\t' => return Err(bad("folded header line")),
            Place::LineStart if byte == b'\n' => return Err(bad("a line ends with LF alone")),
            Place::LineStart => {
                self.header_lines += 1;
                if self.header_lines > limits.max_headers {
                    return Err(Refusal::new(431, format!("more than {} headers", limits.max_headers)));
                }
                self.go(Place::Line);
            }
        }
        Ok(false)
    }

    fn go(&mut self, place: Place) {
        self.place = place;
        self.part_bytes = 0;
    }

    fn part(&mut self, limit: usize, status: u16, what: &str) -> Result<(), Refusal> {
        self.part_bytes += 1;
        if self.part_bytes > limit {
            return Err(Refusal::new(status, format!("{what} above {limit} bytes")));
        }
        Ok(())
    }
}

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// Neither a length nor a transfer coding: there is no body.
    None,
    /// `Content-Length`, in bytes; what does not fit 64 bits is `u64::MAX`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What a head says about the connection and the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// HTTP/1.1, not 1.0.
    pub http_1_1: bool,
    /// The client wants to go on after this request.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// How the body is delimited.
    pub body: Framed,
}

/// Parses a complete head. A refusal comes with the head where it was readable.
pub(super) fn parse(bytes: &[u8]) -> Result<(Head, Framing), Refusal> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(bad("the head does not end where it should")),
        Err(httparse::Error::Version) => return Err(bad_version(bytes)),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::new(431, "too many headers")),
        Err(error) => return Err(bad(&format!("malformed head: {error}"))),
    }
    let (path, query) = split_target(request.path.unwrap_or_default())?;
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: request
            .headers
            .iter()
            .map(|header| (header.name.to_ascii_lowercase(), text(header.value)))
            .collect(),
    };
    match framing(&head, request.version == Some(1)) {
        Ok(framing) => Ok((head, framing)),
        Err(refusal) => Err(Refusal { head: Some(Box::new(head)), ..refusal }),
    }
}

/// A header value without white space around it, whatever bytes it holds.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches([' ', '\t']).to_owned()
}

fn bad_version(bytes: &[u8]) -> Refusal {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        }
        _ => bad("the request line does not end with an HTTP version"),
    }
}

/// Path and query of a target in origin form (`/a?b`), absolute form (`http://host/a?b`) or `*`.
pub(crate) fn split_target(target: &str) -> Result<(&str, &str), Refusal> {
    let scheme = ["http://", "https://"]
        .into_iter()
        .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let origin = match scheme {
        Some(scheme) => {
            let rest = &target[scheme.len()..];
            let authority = rest.find(['/', '?']).unwrap_or(rest.len());
            if authority == 0 {
                return Err(bad("the request target names no host"));
            }
            &rest[authority..]
        }
        None if target.starts_with('/') || target == "*" => target,
        None => return Err(bad("the request target is neither a path nor an http URL")),
    };
    if origin.contains('#') {
        return Err(bad("the request target holds a fragment"));
    }
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    Ok((if path.is_empty() { "/" } else { path }, query))
}

fn framing(head: &Head, http_1_1: bool) -> Result<Framing, Refusal> {
    let body = match (one(head, "content-length")?, head.first("transfer-encoding").is_some()) {
        (Some(_), true) => return Err(bad("both content-length and transfer-encoding")),
        (Some(length), false) => Framed::Length(content_length(length)?),
        (None, true) => {
            transfer_coding(head, http_1_1)?;
            Framed::Chunked
        }
        (None, false) => Framed::None,
    };
    match one(head, "host")? {
        Some(host) if host.bytes().all(is_host_byte) => {}
        Some(_) => return Err(bad("host holds bytes that no host has")),
        None if http_1_1 => return Err(bad("no host header")),
        None => {}
    }
    let expects = head.all("expect").count();
    let expect_continue =
        head.first("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    if expects > 1 || (expects == 1 && !expect_continue) {
        return Err(Refusal::new(417, "only expect: 100-continue is honoured"));
    }
    let wish = |word: &str| {
        head.all("connection")
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    let keep_alive = !wish("close") && (http_1_1 || wish("keep-alive"));
    // An HTTP/1.0 client cannot mean it (RFC 9110, section 10.1.1).
    Ok(Framing { http_1_1, keep_alive, expect_continue: expect_continue && http_1_1, body })
}

/// The value of a header that may come once at most.
fn one<'a>(head: &'a Head, name: &'a str) -> Result<Option<&'a str>, Refusal> {
    let mut values = head.all(name);
    let first = values.next();
    match values.next() {
        Some(_) => Err(bad(&format!("more than one {name}"))),
        None => Ok(first),
    }
}

fn content_length(value: &str) -> Result<u64, Refusal> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("content-length is not a number"));
    }
    // All digits: the only error left is a number beyond 64 bits, which is above any limit.
    Ok(value.parse().unwrap_or(u64::MAX))
}

/// Accepts `chunked` alone. A coding we know by name but do not speak is 400, one we do not know 501.
fn transfer_coding(head: &Head, http_1_1: bool) -> Result<(), Refusal> {
    const KNOWN: [&str; 6] = ["gzip", "x-gzip", "deflate", "compress", "x-compress", "identity"];
    if !http_1_1 {
        return Err(bad("transfer-encoding in HTTP/1.0"));
    }
    let codings: Vec<&str> = head
        .all("transfer-encoding")
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim_matches([' ', '\t']))
        .collect();
    let is = |coding: &str, name: &str| coding.eq_ignore_ascii_case(name);
    if codings.iter().any(|coding| coding.is_empty() || !coding.bytes().all(is_token_byte)) {
        return Err(bad("malformed transfer-encoding"));
    }
    if codings.iter().any(|coding| !is(coding, "chunked") && !KNOWN.iter().any(|known| is(coding, known))) {
        return Err(Refusal::new(501, "unknown transfer coding"));
    }
    if codings.len() != 1 || !is(codings[0], "chunked") {
        return Err(bad("the only transfer coding taken is chunked, once"));
    }
    Ok(())
}

/// `tchar` of RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What may stand in `uri-host [ ":" port ]` (RFC 9110, section 7.2).
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> u16 {
        match Scan::default().advance(text.as_bytes(), &FrontLimits::default()) {
            Err(refusal) => refusal.status,
            Ok(None) => 0,
            Ok(Some(length)) => {
                parse(&text.as_bytes()[..length]).map_or_else(|refusal| refusal.status, |_| 200)
            }
        }
    }

    #[test]
    fn targets_lose_scheme_host_and_query() {
        for (target, expected) in [
            ("/logs", Some(("/logs", ""))),
            ("/a?b=c?d", Some(("/a", "b=c?d"))),
            ("*", Some(("*", ""))),
            ("http://h/logs?x", Some(("/logs", "x"))),
            ("HTTPS://h:1", Some(("/", ""))),
            ("http://h?q", Some(("/", "q"))),
            ("http:///logs", None),
            ("logs", None),
            ("/a#b", None),
            ("h:443", None),
        ] {
            assert_eq!(split_target(target).ok(), expected, "{target}");
        }
    }

    #[test]
    fn a_head_is_refused_at_the_first_byte_that_is_wrong() {
        assert_eq!(status("\u{16}\u{3}"), 400);
        assert_eq!(status("GET / HTTP/1.1\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\n Host"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r"), 0);
        assert_eq!(status(&format!("GET /{}", "a".repeat(8192))), 414);
        assert_eq!(status(&"M".repeat(33)), 501);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: a\r\nx: {}", "a".repeat(16384))), 431);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "x:\r\n".repeat(100))), 431);
        assert_eq!(status("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    }
}
