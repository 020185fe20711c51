//! Envelopes around access lines that are text: CRI, syslog of RFC 3164 and 5424 (with RFC 6587's count before it, too),
//! `journalctl`'s outputs, Papertrail's archives, Caddy's console, what loggers and `docker logs --timestamps` put in front.
//! (Docker's and journald's are products of [`super::json`].)
//!
//! Input: a line. Output: where the line inside stands, and what the envelope says about it. Never: the envelope's time as
//! that of a request whose line has one.

use std::sync::LazyLock;

use super::field::{Escape, Found};
use super::format::nginx::known_steps;
use super::template::Template;
use super::template::matching::Matcher;

/// The envelopes, the most telling first. RFC 3164 leaves the host out where the sender is local.
const ROWS: [&str; 50] = [
    "$time $stream $completeness $inner",
    "$time $stream $completeness:$_ $inner",
    // RFC 5424 without its priority. What could be a client's user stands at no place where it would tell the envelope.
    "1 $time $_ $_ $count $_ $structured $inner",
    "1 $time $_ $_ - - - $inner",
    "$time $_ $_ $count - - $inner",
    "$time $_ $_ - - - $inner",
    "$docker_time $inner",
    "<$count>$version $stamp $_ $_ $_ $_ $structured $inner",
    "$count <$count>$version $stamp $_ $_ $_ $_ $structured $inner",
    // Heroku's drains leave the structured data out.
    "<$count>$version $stamp $_ $_ $_ - $inner",
    "$count <$count>$version $stamp $_ $_ $_ - $inner",
    // Syslog behind the address or name of the relay that took it.
    "$_ <$count>$version $stamp $_ $_ $_ $_ $structured $inner",
    "$_ <$count>$stamp $_: $inner",
    "$_ <$count>$stamp $_ $_: $inner",
    "$_ ${t:%b %e %H:%M:%S} $_: $inner",
    "$_ ${t:%b %e %H:%M:%S} $_ $_: $inner",
    "$time $_ ${t:%b %e %H:%M:%S} $_: $inner",
    "$time $_ ${t:%b %e %H:%M:%S} $_ $_: $inner",
    "$_ 1 $time $_ $_ $_ $_ $structured $inner",
    "$priority$stamp $_ 1 $time $_ $_ $_ $_ $structured $inner",
    // Papertrail, "Permanent log archives": id, times, source, address, facility, severity, program.
    "$count\t$time\t$text\t$count\t$text\t$text\t$_\t$_\t$text\t$inner",
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
    // Fly's `logs`.
    "$time app[$_] $_ [$_] $inner",
    "$time app[$_] $_ [$_]$inner",
    // What the loggers of Ruby, Python and Spring Boot put in front, and Ceph's gateway.
    "$letter, [$time #$count]$blanks$_ -- $text: $inner",
    "$level:$_:$inner",
    "$level $inner",
    "$time - $level - $inner",
    "$time - $_ - $level - $inner",
    "$time$blanks$level $_ --- [$text : $inner",
    "$time $_ $blanks$_ beast: $_: $inner",
    "debug $time $_ $blanks$_ beast: $_: $inner",
    "$wall_time\t$_\thttp.log.access$text\t$text\t$inner",
    // Logback's and Log4j's usual pattern, with a day and without one.
    "$time [$text] $level$blanks$_ - $inner",
    "$_ [$text] $level$blanks$_ - $inner",
    // A priority alone.
    "<$count>$inner",
    // logfmt whose writer put no quotes around the message.
    "level=$_ msg=$inner",
    "time=$_ level=$_ msg=$inner",
    "ts=$_ level=$_ msg=$inner",
    "level=$_ ts=$_ msg=$inner",
    "time=\"$text\" level=$_ msg=$inner",
    // Fluent Bit's standard output, before and from version 2.1 on. It escapes nothing, so what it prints of a record with more than
    // the line could be a client's.
    "[$count] $_: [$unix_time, {\"log\"=>\"$text_line\"}]",
    "[$count] $_: [[$unix_time, {}], {\"log\"=>\"$text_line\"}]",
];

/// Envelopes around lines that are strings of JSON: a value of Loki's streams, also with structured metadata; a record in
/// Fluentd's files.
const JSON_ROWS: [&str; 3] = [
    "[\"$unix_time\",\"$text_line\"]",
    "[\"$unix_time\",\"$text_line\",{$text}]",
    "$time\t$_\t{\"message\":\"$text_line\"}",
];

static ENVELOPES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    let compile = |row: &&str, escape| Template::new(known_steps(row).expect("the rows are valid"), escape);
    let plain = ROWS.iter().map(|row| compile(row, Escape::None));
    plain.chain(JSON_ROWS.iter().map(|row| compile(row, Escape::Json))).collect()
});

/// Whether a line may begin with an envelope; nearly all others are told by their first bytes.
#[inline]
fn may_begin(line: &[u8]) -> bool {
    match line.first() {
        Some(b'<' | b' ' | b'A'..=b'Z' | b'a'..=b'z') => true,
        Some(b'[') => line.get(1).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'"'),
        Some(byte) if byte.is_ascii_digit() => match line.get(4) {
            Some(b'-' | b'/') => true,
            // A time without a day.
            _ if line.get(2) == Some(&b':') => true,
            _ => {
                let is_in_word = |byte: &&u8| !matches!(byte, b' ' | b'\t');
                let word = line.iter().take(MAX_FIRST_WORD).take_while(is_in_word).count();
                // Behind the client of an access line stands `-`, or a name in small letters.
                let has_more = matches!(line.get(word + 1), Some(b'<' | b'A'..=b'Z' | b'0'..=b'9'));
                has_more || (line.get(10) == Some(&b'.') && line[..10].iter().all(u8::is_ascii_digit))
            }
        },
        _ => false,
    }
}

/// Longer than an address of IPv6 and the ids of archives.
const MAX_FIRST_WORD: usize = 48;

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
            ("1 2024-02-10T06:00:01.123Z web1 nginx 811 - - the line", Some("the line")),
            (r#"1 2024-02-10T06:00:01.123Z web1 nginx 811 ID7 [a@1 b="c"] the line"#, Some("the line")),
            (
                "1 2024-02-10T06:00:01Z web1 nginx 192.0.2.1 - - [10/Feb/2024:06:00:01 +0000] \"GET / HTTP/1.1\" 200 5",
                None,
            ),
            ("10.0.0.9 1 2024-02-10T06:00:01.123Z web1 nginx 811 - - the line", Some("the line")),
            (
                "<190>Feb 10 06:00:02 10.0.0.9 1 2024-02-10T06:00:01.123Z web1 nginx 811 - - the line",
                Some("the line"),
            ),
            ("2024-02-10T06:00:02+01:00 10.0.0.9 Feb 10 06:00:01 web1 nginx: the line", Some("the line")),
            ("2024-02-10T06:00:02Z app[9185] fra [info]the line", Some("the line")),
            ("WARNING the line", Some("the line")),
            (
                "2024-02-10 06:00:02.123 [default task-1] INFO  org.example.Access - the line",
                Some("the line"),
            ),
            ("2024-02-10T06:00:02+00:00\tnginx.access\t{\"message\":\"the line\"}", Some("the line")),
            ("06:00:02.123 [main] WARN  org.example.Access - the line", Some("the line")),
            ("<190>the line", Some("the line")),
            ("2024-02-10 06:00:02,123 - werkzeug - INFO - the line", Some("the line")),
            ("2024-02-10T06:00:01.123Z web1 nginx 811 - - the line", Some("the line")),
            ("2024-02-10T06:00:01+01:00 web1 nginx - - - the line", Some("the line")),
            (
                "2024-02-10T06:00:01Z web1 192.0.2.1 - - [10/Feb/2024:06:00:01 +0000] \"GET / HTTP/1.1\" 200 5",
                None,
            ),
            ("10.0.0.9 <190>1 2024-02-10T06:00:01.123Z web1 nginx 811 - - the line", Some("the line")),
            ("10.0.0.9 <190>Dec 28 18:03:11 web1 nginx[1]: the line", Some("the line")),
            ("2001:db8::9 Dec  3 07:00:01 web1 nginx: the line", Some("the line")),
            ("relay1 Dec 28 18:03:11 nginx: the line", Some("the line")),
            ("192.0.2.1 - frank: x - [28/Dec/2024:18:03:07 +0000] \"GET / HTTP/1.1\" 200 1", None),
            (
                "50342052\t2011-02-10 00:19:36 -0800\t2011-02-10 00:19:36 -0800\t42424\tmy system\t208.122.34.202\tUser\tInfo\tnginx\tthe line",
                Some("the line"),
            ),
            ("level=info msg=the line", Some("the line")),
            ("time=\"2024-12-28 18:03:09\" level=info msg=the line", Some("the line")),
            ("ts=2024-12-28T18:03:09Z level=info msg=the line", Some("the line")),
            (r#"[0] tail.0: [1735408989.123456, {"log"=>"the "line""}]"#, Some(r#"the "line""#)),
            (r#"[7] kube.x: [[1735408989.123456, {}], {"log"=>"the line"}]"#, Some("the line")),
            (r#"[0] tail.0: [1735408989.123456, {"stream"=>"stdout", "log"=>"the line"}]"#, None),
            (r#"["1735408989123456789","the \"]line"]"#, Some(r#"the \"]line"#)),
            (r#"["1735408989123456789","the line",{"trace_id":"x"}]"#, Some("the line")),
            ("December", None),
        ] {
            let mut found = Found::default();
            let is_open = open(&mut Matcher::default(), line.as_bytes(), &mut found);
            let inner = found.get(LogField::Inner).map(|inner| inner.span.of(line.as_bytes()));
            assert_eq!((is_open, inner), (want.is_some(), want.map(str::as_bytes)), "{line}");
        }
    }
}
