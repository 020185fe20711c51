//! NCSA common and combined lines, as Apache and nginx write them:
//!
//! `203.0.113.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b HTTP/1.0" 200 2326 "http://ref/" "Mozilla/5.0 …"`
//!
//! In comes a line; out go its fields as slices, nothing copied. What stands before the time may be anything (virtual
//! hosts, IPv6, user names with spaces); what follows the agent too (`"$http_x_forwarded_for"`, times). Common lines
//! have no agent. Quoted fields may hold `\"`, `\\` and `\xHH`.

use memchr::memchr2;

use super::line::Bad;
use super::stamp::NCSA_BYTES;
use crate::base::hex::hex_byte;

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields<'l> {
    pub(super) time: &'l [u8; NCSA_BYTES],
    /// Method, target and protocol, still escaped.
    pub(super) request: Quoted<'l>,
    /// Still escaped; `None` in a common line.
    pub(super) agent: Option<Quoted<'l>>,
}

/// What stands between two quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quoted<'l> {
    pub(super) text: &'l [u8],
    /// Whether there is a backslash in it.
    pub(super) is_escaped: bool,
}

/// Finds the fields of a line.
pub(super) fn fields(line: &[u8]) -> Result<Fields<'_>, Bad> {
    let (time, rest) = bracketed_time(line)?;
    let (request, rest) = quoted(rest.strip_prefix(b" ").unwrap_or(rest)).ok_or(Bad::NoRequest)?;
    // Status and size, then referrer and agent; where the first quote is missing it is a common line.
    let agent = match memchr::memchr(b'"', rest) {
        None => None,
        Some(quote) => {
            let (_referrer, rest) = quoted(&rest[quote..]).ok_or(Bad::Unfinished)?;
            let (agent, _) =
                quoted(rest.strip_prefix(b" ").ok_or(Bad::Unfinished)?).ok_or(Bad::Unfinished)?;
            Some(agent)
        }
    };
    Ok(Fields { time, request, agent })
}

/// The first thing in brackets that is as long as a time and has its slashes: a user name may hold brackets too.
fn bracketed_time(line: &[u8]) -> Result<(&[u8; NCSA_BYTES], &[u8]), Bad> {
    let mut rest = line;
    while let Some(bracket) = memchr::memchr(b'[', rest) {
        rest = &rest[bracket + 1..];
        if let Some((time, after)) = rest.split_first_chunk::<NCSA_BYTES>()
            && after.first() == Some(&b']')
            && time[2] == b'/'
            && time[6] == b'/'
        {
            return Ok((time, &after[1..]));
        }
    }
    Err(Bad::NoTime)
}

/// A field in quotes at the start of `text`, and what follows it.
#[inline]
fn quoted(text: &[u8]) -> Option<(Quoted<'_>, &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let mut at = memchr2(b'"', b'\\', inside)?;
    let is_escaped = inside[at] == b'\\';
    while inside[at] == b'\\' {
        // The character behind a backslash never ends the field.
        let next = at + 2;
        at = next + memchr2(b'"', b'\\', inside.get(next..)?)?;
    }
    Some((Quoted { text: &inside[..at], is_escaped }, &inside[at + 1..]))
}

/// Method and target of `GET /a?b HTTP/1.1`. Targets may hold spaces; HTTP/0.9 has no protocol.
#[inline]
pub(super) fn method_and_target(request: &[u8]) -> Result<(&[u8], &[u8]), Bad> {
    let space = memchr::memchr(b' ', request).ok_or(Bad::NotARequest)?;
    let (method, rest) = (&request[..space], &request[space + 1..]);
    let target = match rest.iter().rposition(|byte| *byte == b' ') {
        Some(space) if rest[space + 1..].starts_with(b"HTTP/") => &rest[..space],
        _ => rest,
    };
    Ok((method, target.trim_ascii()))
}

/// Undoes the escapes of Apache and nginx, into `out`: `\xHH` is a byte, `\n`, `\t` and the like are theirs, any other
/// character stands for itself.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((escape, after)) = rest.split_first() else {
            out.push(b'\\');
            return;
        };
        rest = after;
        match escape {
            b'x' => match hex_byte(rest) {
                Some(byte) => {
                    out.push(byte);
                    rest = &rest[2..];
                }
                None => out.extend_from_slice(b"\\x"),
            },
            b'b' => out.push(8),
            b't' => out.push(b'\t'),
            b'n' => out.push(b'\n'),
            b'v' => out.push(11),
            b'f' => out.push(12),
            b'r' => out.push(b'\r'),
            other => out.push(*other),
        }
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "10/Oct/2000:13:55:36 -0700";

    #[track_caller]
    fn parse(line: &str) -> (String, Option<String>) {
        let fields = fields(line.as_bytes()).unwrap();
        assert_eq!(fields.time, TIME.as_bytes());
        let text = |quoted: Quoted<'_>| {
            assert_eq!(quoted.is_escaped, quoted.text.contains(&b'\\'));
            String::from_utf8(quoted.text.to_vec()).unwrap()
        };
        (text(fields.request), fields.agent.map(text))
    }

    #[test]
    fn fields_are_found_whatever_stands_around_them() {
        let request = "GET /apache_pb.gif HTTP/1.0";
        for (before, after, agent) in [
            ("127.0.0.1 - frank ", " 200 2326", None),
            ("127.0.0.1 - - ", " 200 2326 \"http://x/\" \"M (a; b)\"", Some("M (a; b)")),
            ("2001:db8::7 - - ", " 304 - \"-\" \"-\"", Some("-")),
            ("[::1] - a [b] c ", " 200 1 \"\" \"\"", Some("")),
            (
                "www.example.com:443 10.0.0.1 - - ",
                " 200 1 \"-\" \"curl\" \"10.1.1.1, 10.2.2.2\" 0.005",
                Some("curl"),
            ),
            ("h - u ", " 200 1 \"a\\\"b\" \"say \\\"hi\\\" \\\\\"", Some("say \\\"hi\\\" \\\\")),
        ] {
            let (found, found_agent) = parse(&format!("{before}[{TIME}] \"{request}\"{after}"));
            assert_eq!((found.as_str(), found_agent.as_deref()), (request, agent), "{before}");
        }
    }

    #[test]
    fn lines_that_are_none_say_what_is_missing() {
        for (line, bad) in [
            ("".to_owned(), Bad::NoTime),
            ("::1 - - 10/Oct/2000:13:55:36 -0700".to_owned(), Bad::NoTime),
            ("::1 - - [10/Oct/2000:13:55:36]".to_owned(), Bad::NoTime),
            (format!("::1 - - [{TIME}]"), Bad::NoRequest),
            (format!("::1 - - [{TIME}] -"), Bad::NoRequest),
            (format!("::1 - - [{TIME}] \"GET / HTTP"), Bad::NoRequest),
            (format!("::1 - - [{TIME}] \"GET /\\"), Bad::NoRequest),
            (format!("::1 - - [{TIME}] \"GET / HTTP/1.1\" 200 5 \"-"), Bad::Unfinished),
            (format!("::1 - - [{TIME}] \"GET / HTTP/1.1\" 200 5 \"-\""), Bad::Unfinished),
            (format!("::1 - - [{TIME}] \"GET / HTTP/1.1\" 200 5 \"-\" \"Mozil"), Bad::Unfinished),
        ] {
            assert_eq!(fields(line.as_bytes()), Err(bad), "{line}");
        }
    }

    #[test]
    fn requests_are_cut_into_method_and_target() {
        for (request, method, target) in [
            ("GET / HTTP/1.1", "GET", "/"),
            ("GET /a b HTTP/2.0", "GET", "/a b"),
            ("GET /", "GET", "/"),
            ("OPTIONS * HTTP/1.1", "OPTIONS", "*"),
        ] {
            let want = (method.as_bytes(), target.as_bytes());
            assert_eq!(method_and_target(request.as_bytes()), Ok(want), "{request}");
        }
        assert_eq!(method_and_target(b"-"), Err(Bad::NotARequest));
    }

    #[test]
    fn escapes_are_undone() {
        let undo = |text: &str| {
            let mut out = Vec::new();
            unescape(text.as_bytes(), &mut out);
            out
        };
        assert_eq!(undo(r#"a\"b\\c\x22\xC3\xA9\t\n"#), "a\"b\\c\"é\t\n".as_bytes());
        assert_eq!(undo(r"\xZZ\x4"), br"\xZZ\x4");
        assert_eq!(undo("end\\"), b"end\\");
    }
}
