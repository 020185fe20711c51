//! Request heads: where one ends, whether it is well formed, and how its body is framed.
//!
//! Input: bytes as they arrive. Output: a [`Head`] and a [`Framing`], or the [`RefusedHead`] to send. Stricter than httparse,
//! because requests can be smuggled between two servers that read one head differently. Never: I/O, or a decision that
//! depends on how the bytes were cut into reads. `HeadScan` reads each byte once and in order, and the head is parsed when
//! it is complete.

use crate::base::token::{MAX_METHOD_BYTES, is_token_byte};
use crate::http::Head;
use crate::http::limits::FrontLimits;
use crate::http::target::is_host;

/// Header lines of one request; more is 431. A request with this many is answered.
const MAX_HEADERS: usize = 100;

/// A refusal by the front end, without asking the handler; the connection closes after it.
#[derive(Clone, Debug)]
pub struct RefusedHead {
    pub status: u16,
    /// For the client.
    pub description: String,
    /// The head, if it could be parsed.
    pub head: Option<Box<Head>>,
}

impl RefusedHead {
    pub(super) fn new(status: u16, description: impl Into<String>) -> Self {
        Self { status, description: description.into(), head: None }
    }
}

fn bad(description: &str) -> RefusedHead {
    RefusedHead::new(400, description)
}

/// Searches for the end of a head.
#[derive(Debug, Default)]
pub(super) struct HeadScan {
    scanned: usize,
    place: HeadPlace,
    /// Bytes of the method, the target or the version, whichever is being read.
    part_bytes: usize,
    header_lines: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum HeadPlace {
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

impl HeadScan {
    /// Reads the bytes that are new since the last call; returns the length of the head once it is complete.
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        limits: &FrontLimits,
    ) -> Result<Option<usize>, RefusedHead> {
        while let Some(&byte) = bytes.get(self.scanned) {
            self.scanned += 1;
            if self.step(byte, limits)? {
                return Ok(Some(self.scanned));
            }
            if self.scanned >= limits.max_head_bytes {
                return Err(RefusedHead::new(431, format!("head above {} bytes", limits.max_head_bytes)));
            }
        }
        Ok(None)
    }

    /// `true` when this byte ends the head.
    fn step(&mut self, byte: u8, limits: &FrontLimits) -> Result<bool, RefusedHead> {
        match self.place {
            HeadPlace::Method if byte == b' ' && self.part_bytes > 0 => self.go(HeadPlace::Target),
            HeadPlace::Method if is_token_byte(byte) => self.part(MAX_METHOD_BYTES, 501, "method")?,
            HeadPlace::Method => return Err(bad("the request line does not begin with a method")),
            HeadPlace::Target if byte == b' ' && self.part_bytes > 0 => self.go(HeadPlace::Version),
            HeadPlace::Target if byte.is_ascii_graphic() => {
                self.part(limits.max_target_bytes, 414, "request target")?;
            }
            HeadPlace::Target => return Err(bad("the request line is not METHOD TARGET VERSION")),
            HeadPlace::Version if byte == b'\r' => self.go(HeadPlace::LineEnd),
            HeadPlace::Version if byte.is_ascii_graphic() => {
                self.part("HTTP/1.1".len(), 400, "HTTP version")?
            }
            HeadPlace::Version => return Err(bad("the request line does not end after the HTTP version")),
            HeadPlace::Line if byte == b'\r' => self.go(HeadPlace::LineEnd),
            HeadPlace::Line if byte == b'\n' => return Err(bad("a line ends with LF alone")),
            HeadPlace::Line if byte == 0 => return Err(bad("NUL in a header")),
            HeadPlace::Line => {}
            HeadPlace::LineEnd if byte == b'\n' => self.go(HeadPlace::LineStart),
            HeadPlace::HeadEnd if byte == b'\n' => return Ok(true),
            HeadPlace::LineEnd | HeadPlace::HeadEnd => return Err(bad("CR without LF")),
            HeadPlace::LineStart if byte == b'\r' => self.go(HeadPlace::HeadEnd),
            HeadPlace::LineStart if byte == b' ' || byte == b'\t' => return Err(bad("folded header line")),
            HeadPlace::LineStart if byte == b'\n' => return Err(bad("a line ends with LF alone")),
            HeadPlace::LineStart => {
                self.header_lines += 1;
                if self.header_lines > MAX_HEADERS {
                    return Err(RefusedHead::new(431, format!("more than {} headers", MAX_HEADERS)));
                }
                self.go(HeadPlace::Line);
            }
        }
        Ok(false)
    }

    fn go(&mut self, place: HeadPlace) {
        self.place = place;
        self.part_bytes = 0;
    }

    fn part(&mut self, limit: usize, status: u16, what: &str) -> Result<(), RefusedHead> {
        self.part_bytes += 1;
        if self.part_bytes > limit {
            return Err(RefusedHead::new(status, format!("{what} above {limit} bytes")));
        }
        Ok(())
    }
}

/// How the body of a request is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// Neither a length nor a transfer coding: there is no body.
    None,
    /// `Content-Length`, in bytes; a number of more than 64 bits is `u64::MAX`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// What a head says about the connection and the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// HTTP/1.1 or later, not 1.0.
    pub http_1_1: bool,
    /// The client wants to send another request.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    pub body: BodyFraming,
}

/// Parses a head that [`HeadScan`] has found complete. A refusal contains the head if it was readable.
pub(super) fn parse(bytes: &[u8]) -> Result<(Head, Framing), RefusedHead> {
    let line_bytes = bytes.iter().position(|byte| *byte == b'\r').unwrap_or(bytes.len());
    let line = std::str::from_utf8(&bytes[..line_bytes]).unwrap_or_default();
    let mut parts = line.split(' ');
    let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(bad("the request line is not METHOD TARGET VERSION"));
    };
    let http_1_1 = is_http_1_1(version)?;
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    // The headers begin behind the CR and LF of the request line.
    let headers = match httparse::parse_headers(&bytes[line_bytes + 2..], &mut headers) {
        Ok(httparse::Status::Complete((length, headers))) if line_bytes + 2 + length == bytes.len() => {
            headers
        }
        Ok(_) => return Err(bad("the head does not end where it should")),
        Err(httparse::Error::TooManyHeaders) => return Err(RefusedHead::new(431, "too many headers")),
        Err(error) => return Err(bad(&format!("malformed head: {error}"))),
    };
    let headers = headers.iter().map(|header| (header.name, text(header.value)));
    let head = Head::new(method, target, headers).map_err(bad)?;
    match framing(&head, http_1_1) {
        Ok(framing) => Ok((head, framing)),
        Err(refusal) => Err(RefusedHead { head: Some(Box::new(head)), ..refusal }),
    }
}

/// A header value without white space around it, whatever bytes it holds.
fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches([' ', '\t']).to_owned()
}

/// Whether a version is 1.1 and not 1.0. A later minor version is read as 1.1, the highest that is spoken here
/// (RFC 9110, section 2.5).
fn is_http_1_1(version: &str) -> Result<bool, RefusedHead> {
    match version.as_bytes() {
        b"HTTP/1.0" => Ok(false),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(true),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(RefusedHead::new(505, "this server speaks HTTP/1.0 and HTTP/1.1"))
        }
        _ => Err(bad("the request line does not end with an HTTP version")),
    }
}

fn framing(head: &Head, http_1_1: bool) -> Result<Framing, RefusedHead> {
    let body = match (one(head, "content-length")?, head.first("transfer-encoding").is_some()) {
        (Some(_), true) => return Err(bad("both content-length and transfer-encoding")),
        (Some(length), false) => BodyFraming::Length(content_length(length)?),
        (None, true) => {
            transfer_coding(head, http_1_1)?;
            BodyFraming::Chunked
        }
        (None, false) => BodyFraming::None,
    };
    match one(head, "host")? {
        Some(host) if is_host(host) => {}
        Some(_) => return Err(bad("host is not a valid HOST or HOST:PORT")),
        None if http_1_1 => return Err(bad("no host header")),
        None => {}
    }
    let expects = head.all("expect").count();
    let expect_continue =
        head.first("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
    if expects > 1 || (expects == 1 && !expect_continue) {
        return Err(RefusedHead::new(417, "only expect: 100-continue is honoured"));
    }
    let wish = |word: &str| {
        head.all("connection")
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    let keep_alive = !wish("close") && (http_1_1 || wish("keep-alive"));
    // HTTP/1.0 has no expectations (RFC 9110, section 10.1.1).
    Ok(Framing { http_1_1, keep_alive, expect_continue: expect_continue && http_1_1, body })
}

/// The value of a header that may occur once.
fn one<'a>(head: &'a Head, name: &'a str) -> Result<Option<&'a str>, RefusedHead> {
    let mut values = head.all(name);
    let first = values.next();
    match values.next() {
        Some(_) => Err(bad(&format!("more than one {name}"))),
        None => Ok(first),
    }
}

fn content_length(value: &str) -> Result<u64, RefusedHead> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad("content-length is not a number"));
    }
    // All digits: the only error left is a number beyond 64 bits, which is above any limit.
    Ok(value.parse().unwrap_or(u64::MAX))
}

/// Accepts `chunked` alone; any other coding is unknown here (RFC 9112, section 6.1).
fn transfer_coding(head: &Head, http_1_1: bool) -> Result<(), RefusedHead> {
    if !http_1_1 {
        return Err(bad("transfer-encoding in HTTP/1.0"));
    }
    let codings: Vec<&str> = head
        .all("transfer-encoding")
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim_matches([' ', '\t']))
        .collect();
    if codings.iter().any(|coding| coding.is_empty() || !coding.bytes().all(is_token_byte)) {
        return Err(bad("malformed transfer-encoding"));
    }
    if codings.iter().any(|coding| !coding.eq_ignore_ascii_case("chunked")) {
        return Err(RefusedHead::new(501, "transfer-encoding must be chunked"));
    }
    if codings.len() != 1 {
        return Err(bad("chunked more than once"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> u16 {
        match HeadScan::default().advance(text.as_bytes(), &FrontLimits::default()) {
            Err(refusal) => refusal.status,
            Ok(None) => 0,
            Ok(Some(length)) => {
                parse(&text.as_bytes()[..length]).map_or_else(|refusal| refusal.status, |_| 200)
            }
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
