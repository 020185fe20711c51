//! One log line to one entry, as a line of NDJSON appended to a body.
//!
//! In comes a line without its end, in whatever format: what begins with `{` is JSON (`json_line`),
//! anything else NCSA (`ncsa`). Every line is told apart by itself, so that no guess made at the
//! beginning of a file can be wrong for the rest of it. Blank lines and comments (`#`) are no entries and no errors.
//!
//! What is read depends on the line and the options alone: never on the clock, the lines before, or how the file was
//! cut. The keys of batches rest on that (see the parent module), and so do they on which lines are entries: a change
//! there must be announced, because files imported in part before it are not told apart from others after it.
//!
//! # What is an entry
//!
//! A time, a method (1 to 32 token characters) and a target that begins with `/` (or is `*`, an absolute URL, or the
//! authority of a CONNECT). `"-"`, TLS handshakes sent to a plain port (`\x16\x03…`) and the like are bad lines: they
//! are counted and shown, not imported, because they name nothing a request could be counted under. Paths and agents
//! beyond the server's limits are cut at a character and counted as cut, because logs hold what attackers send. The
//! query string is dropped unless it is asked for: it is not part of the path, tells users apart that no count should,
//! and would fill windows with paths seen once.

use std::fmt;

use memchr::memchr;

use super::json_line::{self, Fields};
use super::ncsa::{self, Quoted};
use super::stamp::{self, Stamps};
use crate::base::token;
use crate::batch::{MAX_AGENT_BYTES, MAX_PATH_BYTES};

/// A longer line is bad without a look at it: the largest request heads that servers take are 64 KiB.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// Why a line is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// No time was found, or it does not exist.
    NoTime,
    /// There is no request where one should be.
    NoRequest,
    /// The request has no method and path: `-`, garbage, the start of a TLS handshake.
    NotARequest,
    /// The line ends in the middle of a field.
    Unfinished,
    /// It begins as JSON, and is not.
    NotJson,
    /// A JSON line without a field that could be this.
    Missing(&'static str),
    /// It is longer than [`MAX_LINE_BYTES`].
    TooLong,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTime => f.write_str("no time in a known form"),
            Self::NoRequest => f.write_str("no request in quotes after the time"),
            Self::NotARequest => f.write_str("the request has no method and path"),
            Self::Unfinished => f.write_str("the line ends in the middle of a field"),
            Self::NotJson => f.write_str("begins with { but is not one JSON object"),
            Self::Missing(what) => write!(f, "no field with the {what}"),
            Self::TooLong => write!(f, "longer than {MAX_LINE_BYTES} bytes"),
        }
    }
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// An entry was appended.
    Entry,
    /// There is nothing in it.
    Nothing,
}

/// Reads lines. Keeps memory between them, but nothing that changes what is read.
#[derive(Clone, Debug)]
pub struct LineReader {
    keep_query: bool,
    stamps: Stamps,
    request: Vec<u8>,
    agent: Vec<u8>,
    /// Paths and agents cut to the limit so far.
    pub cut: u64,
}

impl LineReader {
    /// A reader that keeps query strings or drops them.
    pub fn new(keep_query: bool) -> Self {
        Self { keep_query, stamps: Stamps::default(), request: Vec::new(), agent: Vec::new(), cut: 0 }
    }

    /// Appends the entry of a line to `body`, with a line end.
    ///
    /// # Errors
    /// [`Bad`]; then nothing was appended.
    pub fn append(&mut self, line: &[u8], body: &mut Vec<u8>) -> Result<Read, Bad> {
        if line.len() > MAX_LINE_BYTES {
            return Err(Bad::TooLong);
        }
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
        let (before, cut) = (body.len(), self.cut);
        let done = match line.first() {
            None | Some(b'#') => return Ok(Read::Nothing),
            Some(b'{') => self.json(line, body),
            Some(_) => self.ncsa(line, body),
        };
        if let Err(bad) = done {
            body.truncate(before);
            self.cut = cut;
            return Err(bad);
        }
        Ok(Read::Entry)
    }

    fn ncsa(&mut self, line: &[u8], body: &mut Vec<u8>) -> Result<(), Bad> {
        let fields = ncsa::fields(line)?;
        let (mut request, mut agent) = (std::mem::take(&mut self.request), std::mem::take(&mut self.agent));
        let (method, target) = ncsa::method_and_target(plain(fields.request, &mut request))?;
        let agent_text = fields.agent.map_or(&b""[..], |quoted| plain(quoted, &mut agent));
        body.extend_from_slice(RECEIVED_AT);
        let done = match self.stamps.ncsa(fields.time, body) {
            None => Err(Bad::NoTime),
            Some(()) => self.rest(method, target, agent_text, self.keep_query, body),
        };
        (self.request, self.agent) = (request, agent);
        done
    }

    fn json(&mut self, line: &[u8], body: &mut Vec<u8>) -> Result<(), Bad> {
        // nginx leaves bytes as they came: what is not UTF-8 is replaced, as in NCSA lines.
        let text = String::from_utf8_lossy(line);
        let Fields { time, method, target, is_native, agent } = json_line::fields(&text)?;
        let ms = match time {
            json_line::Time::Text(text) => stamp::parse(&text),
            json_line::Time::Seconds(seconds) => stamp::from_seconds(seconds),
        };
        let ms = ms.ok_or(Bad::NoTime)?;
        body.extend_from_slice(RECEIVED_AT);
        self.stamps.instant(ms, body);
        // The path of an entry is one; only what servers log is a target.
        let keep_query = self.keep_query || is_native;
        self.rest(method.trim().as_bytes(), target.trim().as_bytes(), agent.as_bytes(), keep_query, body)
    }

    /// Appends what follows the time.
    #[inline]
    fn rest(
        &mut self,
        method: &[u8],
        target: &[u8],
        agent: &[u8],
        keep_query: bool,
        body: &mut Vec<u8>,
    ) -> Result<(), Bad> {
        if !token::is_method(method) || !is_target(method, target) {
            return Err(Bad::NotARequest);
        }
        let path = match memchr(b'?', target) {
            Some(query) if !keep_query => &target[..query],
            _ => target,
        };
        body.extend_from_slice(b"\",\"method\":\"");
        body.extend_from_slice(method);
        body.extend_from_slice(b"\",\"path\":\"");
        self.cut += u64::from(append_text(path, MAX_PATH_BYTES, body));
        body.extend_from_slice(b"\",\"userAgent\":\"");
        // Servers write `-` for a header that was not sent.
        if agent != b"-" {
            self.cut += u64::from(append_text(agent, MAX_AGENT_BYTES, body));
        }
        body.extend_from_slice(b"\"}\n");
        Ok(())
    }
}

const RECEIVED_AT: &[u8] = b"{\"receivedAt\":\"";

#[inline]
fn is_target(method: &[u8], target: &[u8]) -> bool {
    match target {
        [b'/', ..] | b"*" => true,
        [first, ..] if first.is_ascii_alphanumeric() => {
            method == b"CONNECT" || memchr::memmem::find(target, b"://").is_some()
        }
        _ => false,
    }
}

/// The text of a quoted field, unescaped into `space` where that is needed.
#[inline]
fn plain<'t>(quoted: Quoted<'t>, space: &'t mut Vec<u8>) -> &'t [u8] {
    if !quoted.is_escaped {
        return quoted.text;
    }
    space.clear();
    ncsa::unescape(quoted.text, space);
    space
}

/// Appends the inside of a JSON string; says whether the text was cut to `max_bytes`.
#[inline]
fn append_text(text: &[u8], max_bytes: usize, body: &mut Vec<u8>) -> bool {
    // Without a branch in the loop, which lets it look at many bytes at once.
    let odd =
        text.iter().fold(false, |odd, b| odd | (*b < 0x20) | (*b >= 0x7F) | (*b == b'"') | (*b == b'\\'));
    if odd || text.len() > max_bytes {
        return append_odd_text(text, max_bytes, body);
    }
    body.extend_from_slice(text);
    false
}

#[cold]
fn append_odd_text(text: &[u8], max_bytes: usize, body: &mut Vec<u8>) -> bool {
    let text = String::from_utf8_lossy(text);
    let trimmed = text.trim();
    let kept = &trimmed[..trimmed.floor_char_boundary(max_bytes)];
    for c in kept.chars() {
        match c {
            '"' | '\\' => body.extend_from_slice(&[b'\\', c as u8]),
            '\0'..='\x1f' => body.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes()),
            c => body.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    kept.len() < trimmed.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Format, Limits, reference};

    fn read(line: &[u8]) -> Result<String, Bad> {
        let mut body = Vec::new();
        let done = LineReader::new(false).append(line, &mut body);
        assert_eq!(body.is_empty(), done != Ok(Read::Entry));
        done.map(|_| String::from_utf8(body).unwrap())
    }

    fn combined(request: &str, agent: &str) -> String {
        format!("::1 - - [28/Dec/2025:19:03:07 +0100] \"{request}\" 200 12 \"-\" \"{agent}\"")
    }

    fn entry(method: &str, path: &str, agent: &str) -> String {
        format!(
            "{{\"receivedAt\":\"2025-12-28T18:03:07Z\",\"method\":\"{method}\",\"path\":\"{path}\",\"userAgent\":\"{agent}\"}}\n"
        )
    }

    #[test]
    fn every_format_gives_the_same_entry() {
        let agent = "curl/8.5.0";
        for line in [
            combined("GET /a?q=1 HTTP/1.1", agent),
            combined("GET /a HTTP/1.1", agent) + "\r",
            format!(
                r#"{{"time":"2025-12-28T19:03:07+01:00","request":"GET /a?q=1 HTTP/1.1","http_user_agent":"{agent}"}}"#
            ),
            format!(
                r#"{{"time_iso8601":"2025-12-28T18:03:07+00:00","status":200,"request_method":"GET","request_uri":"/a?q","http_user_agent":"{agent}"}}"#
            ),
            format!(
                r#"{{"level":"info","ts":1766944987.0,"logger":"http.log.access","msg":"handled request","request":{{"remote_ip":"::1","method":"GET","host":"x","uri":"/a?q","headers":{{"Accept":["*/*"],"User-Agent":["{agent}"]}},"tls":{{"resumed":false}}}},"duration":0.1,"status":200}}"#
            ),
            format!(
                r#"{{"RequestMethod":"GET","RequestPath":"/a?q","StartLocal":"2025-12-28T19:03:07+01:00","StartUTC":"2025-12-28T18:03:07Z","request_User-Agent":"{agent}","time":"2025-12-28T18:03:08Z","level":"info","msg":""}}"#
            ),
            format!(
                r#"{{"receivedAt":"2025-12-28T18:03:07Z","method":"GET","path":"/a","userAgent":"{agent}"}}"#
            ),
        ] {
            assert_eq!(read(line.as_bytes()).unwrap(), entry("GET", "/a", agent), "{line}");
        }
        let common = "h - - [28/Dec/2025:19:03:07 +0100] \"GET /a HTTP/1.1\" 200 12";
        assert_eq!(read(common.as_bytes()).unwrap(), entry("GET", "/a", ""));
        assert_eq!(read(combined("GET /a HTTP/1.1", "-").as_bytes()).unwrap(), entry("GET", "/a", ""));
    }

    #[test]
    fn the_query_is_dropped_unless_it_is_asked_for_and_native_paths_stay() {
        let line = combined("GET /a?q=1 HTTP/1.1", "x");
        let mut body = Vec::new();
        LineReader::new(true).append(line.as_bytes(), &mut body).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), entry("GET", "/a?q=1", "x"));
        let native = r#"{"receivedAt":"2025-12-28T18:03:07Z","method":"GET","path":"/a?q","userAgent":"x"}"#;
        assert_eq!(read(native.as_bytes()).unwrap(), entry("GET", "/a?q", "x"));
    }

    #[test]
    fn garbage_requests_are_bad_lines() {
        for request in [
            "-",
            "",
            " ",
            "GET",
            "GET ",
            "\\x16\\x03\\x01\\x02",
            "\\x16\\x03 /a",
            "G\u{e9}T / HTTP/1.1",
            "GET  HTTP/1.1",
            "hello world HTTP/1.1",
            "SSH-2.0-Go x",
            "GET ?x HTTP/1.1",
            "MGLNDD_1.2.3.4_80",
        ] {
            assert_eq!(read(combined(request, "x").as_bytes()), Err(Bad::NotARequest), "{request}");
        }
        for (request, method, path) in [
            ("OPTIONS * HTTP/1.1", "OPTIONS", "*"),
            ("CONNECT example.com:443 HTTP/1.1", "CONNECT", "example.com:443"),
            ("GET http://example.com/a?b HTTP/1.1", "GET", "http://example.com/a"),
            ("get / HTTP/1.0", "get", "/"),
        ] {
            assert_eq!(
                read(combined(request, "x").as_bytes()).unwrap(),
                entry(method, path, "x"),
                "{request}"
            );
        }
    }

    #[test]
    fn blank_lines_and_comments_are_nothing_and_half_lines_are_bad() {
        for line in ["", "  ", "\r", "#Fields: date time"] {
            assert_eq!(read(line.as_bytes()), Ok(String::new()), "{line:?}");
        }
        for (line, bad) in [
            ("{", Bad::NotJson),
            ("{}x", Bad::NotJson),
            ("{}", Bad::Missing("time")),
            (r#"{"time":"2025-12-28T18:03:07Z"}"#, Bad::Missing("method")),
            (r#"{"time":"2025-12-28T18:03:07Z","method":"GET"}"#, Bad::Missing("path")),
            (r#"{"time":"soon","method":"GET","path":"/"}"#, Bad::NoTime),
            ("plain text", Bad::NoTime),
        ] {
            assert_eq!(read(line.as_bytes()), Err(bad), "{line}");
        }
        assert_eq!(read(&vec![b'x'; MAX_LINE_BYTES + 1]), Err(Bad::TooLong));
    }

    #[test]
    fn whatever_a_line_holds_the_server_takes_the_entry() {
        let mut reader = LineReader::new(false);
        let mut body = Vec::new();
        let long = "é/".repeat(3_000);
        for (request, agent) in [
            ("GET /\\\"\\\\ HTTP/1.1", "a\\\"b\\x00\\x1f\\xff"),
            ("GET /\u{1} \u{7f}é\u{202e} HTTP/1.1", "\u{2003}x\u{a0}"),
            (&format!("GET /{long} HTTP/1.1"), &long),
            ("GET / HTTP/1.1", "\u{a0}"),
        ] {
            assert_eq!(reader.append(combined(request, agent).as_bytes(), &mut body), Ok(Read::Entry));
        }
        assert_eq!(
            reader.append(b"h - - [28/Dec/2025:19:03:07 +0100] \"GET /\xff\xfe HTTP/1.1\" 1 1", &mut body),
            Ok(Read::Entry)
        );
        let json =
            r#"{"time":"2025-12-28T18:03:07Z","method":"GET","path":"/\u0000\"","userAgent":"\ud83d\ude00"}"#;
        assert_eq!(reader.append(json.as_bytes(), &mut body), Ok(Read::Entry));
        let taken = reference(&body, Format::Ndjson, &Limits::default(), 1_766_944_987_000).unwrap();
        assert_eq!((taken.summary.entries, reader.cut), (6, 2));
        let paths: Vec<&str> = taken.summary.keys.tables[crate::dimension::PATH].iter().collect();
        assert!(paths.contains(&"GET /\"\\") && paths.contains(&"GET /\u{fffd}\u{fffd}"), "{paths:?}");
    }
}
