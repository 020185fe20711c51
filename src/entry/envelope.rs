//! Envelopes around access lines that are text: CRI, syslog of RFC 3164 and 5424 (with RFC 6587's count before it, too),
//! `journalctl`'s outputs, Caddy's console, what loggers and `docker logs --timestamps` put in front. (Docker's and journald's are
//! products of [`super::json`].)
//!
//! Input: a line. Output: where the line inside stands, and what the envelope says about it. Never: the envelope's time as
//! that of a request whose line has one.

use std::sync::LazyLock;

use super::field::{Escape, Found};
use super::format::nginx::known_steps;
use super::template::Template;
use super::template::matching::Matcher;

/// The envelopes, the most telling first. RFC 3164 leaves the host out where the sender is local.
const ROWS: [&str; 21] = [
    "$time $stream $completeness $inner",
    "$time $stream $completeness:$_ $inner",
    "$docker_time $inner",
    "<$count>$version $stamp $_ $_ $_ $_ $structured $inner",
    "$count <$count>$version $stamp $_ $_ $_ $_ $structured $inner",
    // Heroku's drains leave the structured data out.
    "<$count>$version $stamp $_ $_ $_ - $inner",
    "$count <$count>$version $stamp $_ $_ $_ - $inner",
    "$weekday $_ $_ $_ $_ $_[$count]: $inner",
    "$unix_time $_ $_[$count]: $inner",
    // Of `kubectl logs --timestamps` around Python's: a level is no program.
    "$time $leveled",
    "$priority$stamp $_: $inner",
    "$priority$stamp $_ $_: $inner",
    "$_[$count]: $inner",
    // `cf logs` of Cloud Foundry.
    "$time [RTR/$_] OUT $inner",
    "   $time [RTR/$_] OUT $inner",
    // What the loggers of Ruby, Python and Spring Boot put in front, and Ceph's gateway.
    "$letter, [$time #$count]$blanks$_ -- $text: $inner",
    "$level:$_:$inner",
    "$time$blanks$level $_ --- [$text : $inner",
    "$time $_ $blanks$_ beast: $_: $inner",
    "debug $time $_ $blanks$_ beast: $_: $inner",
    "$wall_time\t$_\thttp.log.access$text\t$text\t$inner",
];

static ENVELOPES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let compile = |row: &&str| Template::new(known_steps(row).expect("the rows are valid"), Escape::None);
    ROWS.iter().map(compile).collect()
});

/// Whether a line may begin with an envelope; nearly all others are told by their first bytes.
#[inline]
fn may_begin(line: &[u8]) -> bool {
    match line.first() {
        Some(b'<' | b' ' | b'A'..=b'Z' | b'a'..=b'z') => true,
        Some(byte) if byte.is_ascii_digit() => match line.get(4) {
            Some(b'-' | b'/') => true,
            Some(b' ' | b'<' | b'0'..=b'9') => {
                let digits = line.iter().take(11).take_while(|byte| byte.is_ascii_digit()).count();
                line[digits..].starts_with(b" <") || (digits == 10 && line[10..].starts_with(b"."))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Finds the line inside an envelope; `false` where there is none.
#[inline]
pub(super) fn open(matcher: &mut Matcher, line: &[u8], found: &mut Found) -> bool {
    may_begin(line) && ENVELOPES.iter().any(|envelope| matcher.read(envelope, line, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::field::LogField;

    #[test]
    fn the_line_inside_is_found_in_every_envelope() {
        for (line, want) in [
            ("2024-12-28T18:03:09.493035001Z stdout F the line", Some("the line")),
            ("2024-12-28T19:03:10.1+01:00 stderr P part", Some("part")),
            ("<190>Dec 28 18:03:11 web1 nginx: the line", Some("the line")),
            ("Dec  3 07:00:01 web1 nginx[2869]: the line: x", Some("the line: x")),
            ("<134>Feb  7 11:13:14 haproxy[14380]: the line: x", Some("the line: x")),
            ("<134>2024-01-17T22:51:20Z cache1 cdn[3226]: the line", Some("the line")),
            ("2024-12-03T08:00:05.123456+01:00 web1 nginx: the line", Some("the line")),
            ("<190>1 2024-02-10T06:00:01.123Z web1 nginx 811 - - the line", Some("the line")),
            (r#"<190>1 - - - - - [a@1 b="\] \" c"][d] the line"#, Some("the line")),
            ("haproxy[674]: the line: x", Some("the line: x")),
            ("2024-12-28T18:03:09.4930Z INFO:     the line", Some("INFO:     the line")),
            ("83 <190>1 2024-02-10T06:00:01.123Z web1 nginx 811 - - the line", Some("the line")),
            ("1735408987.123456 web1 nginx[123]: the line", Some("the line")),
            ("Sat 2024-12-28 18:03:07 UTC web1 nginx[123]: the line", Some("the line")),
            ("2024-12-28T18:03:09.493035001Z the line", Some("the line")),
            ("2024-12-28T18:03:09.493035Z not docker's", None),
            ("1735408987.123 310 192.0.2.1 TCP_MISS/200 1234 GET http://a/ - X/- -", None),
            ("2024/06/01 10:00:01.541\tinfo\thttp.log.access.log0\thandled request\t{}", Some("{}")),
            ("   2020-05-11T08:24:40.91+0200 [RTR/0] OUT the line", Some("the line")),
            ("2020-05-11T08:24:40.91+0200 [APP/PROC/WEB/0] OUT not the router's", None),
            ("Sat Dec 28 18:03:07 2024 daemon.info uhttpd[123]: the line", Some("the line")),
            ("2024/06/01 10:00:01.541\tinfo\tadmin\tstarted\t{}", None),
            ("192.0.2.1 - - [28/Dec/2024:18:03:07 +0000] \"GET / HTTP/1.1\" 200 1", None),
            ("December", None),
        ] {
            let mut found = Found::default();
            let is_open = open(&mut Matcher::default(), line.as_bytes(), &mut found);
            let inner = found.get(LogField::Inner).map(|inner| inner.span.of(line.as_bytes()));
            assert_eq!((is_open, inner), (want.is_some(), want.map(str::as_bytes)), "{line}");
        }
    }
}
