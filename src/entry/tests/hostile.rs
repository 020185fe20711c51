//! Lines made to take long: reading one takes time in proportion to its length, whatever is in it.

use std::time::Duration;

use super::read;
use crate::base::clock;
use crate::entry::{MAX_LINE_BYTES, ReaderOptions};

/// What a line begins with, what is repeated, and what it ends with.
const LINES: [(&str, &str, &str); 39] = [
    ("", "\"", ""),
    ("", "\" ", ""),
    (NCSA, "\" x", ""),
    (NCSA, "\" \"a\" \"b", "z\"x"),
    (NCSA, "\\\"", ""),
    (NCSA, "\\", "\""),
    ("", "[28/Dec/2024:18:03:07 +0000] ", ""),
    ("", "192.0.2.1 - [28/Dec/2024:18:03:07 +0000] x", " \"GET"),
    ("h - - [28/Dec/2024:18:03:07 +0000] \"GET /", "\" 200 1 \"-", ""),
    ("h - - [28/Dec/2024:18:03:07 +0000] \"GET /", " HTTP/1.1\" 200 1", ""),
    ("[2024-04-07T08:21:27.360Z] \"GET /\" 200 - ", "1 2 3 4 \"x\" \"y\" ", ""),
    ("", "a:", ""),
    ("1066036250.603 310 a ", "/", ""),
    ("<13>Dec 28 18:03:11 ", "a:", ""),
    ("<13>1 a b c d e [", "x=\"y\" ", ""),
    ("", "a\0\0", ""),
    ("{\"a\":", "{\"a\":", ""),
    ("{\"a\":\"", "\",", ""),
    ("{\"time\":1,\"method\":\"GET\",\"path\":\"/\",\"duration\":\"", "1h", "\"}"),
    ("", "a=b ", ""),
    ("a=", "b ", "method=GET path=/ status=200"),
    ("method=GET path=/ status=200 x=\"", "\\\" ", ""),
    ("2024-02-29T18:03:07Z ", "2024-02-29T18:03:07Z [", " method=GET path=/ status=200"),
    ("", "\x1B[1m", "x"),
    ("", "\x1B[", "m"),
    ("{\"httpRequest\":{\"headers\":[", "{\"name\":\"a\",\"value\":\"b\"},", "]}}"),
    ("[GIN] 2026/01/02 - 15:04:05 | 200 | 1ms | ::1 | GET \"", "\" \"", ""),
    ("HIT|200|1507167062421|412|390|192.0.2.1|", "a|", ""),
    ("[pid: 1|app: 0|req: 1/1] ", "() {} [", "Wed Jan 14 11:44:29 2015] GET / => generated 1"),
    ("2018-11-18T15:39:04.902Z|", "a|", ""),
    ("[2024-02-29 18:03:07 +0000] - (sanic.access)[INFO][", "a][", ""),
    ("[I 2024-02-29 18:03:07 App] 200 GET /a (", "a@", ""),
    ("GET /", " 200 1 - 1 ms", "x"),
    ("2024-02-29 18:03:07 ", "a - \"", " - \"GET / HTTP/1.1\""),
    ("", "{\"", "}"),
    ("", "a 1.2.3.4 ", " - - [28/Dec/2024:18:03:07 +0000] \"GET / HTTP/1.1\" 200 1"),
    ("a:b\t", "a:b\t", "method:GET\turi:/"),
    ("", "a:", "192.0.2.1 - - [28/Dec/2024:18:03:07 +0000] \"GET / HTTP/1.1\" 200 1"),
    ("", "1,", " - - [28/Dec/2024:18:03:07 +0000] \"GET / HTTP/1.1\" 200 1"),
];
const NCSA: &str = "192.0.2.1 - - [28/Dec/2024:18:03:07 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"";

/// Some ten times what the slowest of them takes here, unoptimized; one that takes quadratic time takes minutes.
const ENOUGH: Duration = Duration::from_secs(20);

#[test]
fn no_line_takes_more_than_time_in_proportion_to_its_length() {
    for (start, repeated, end) in LINES {
        let count = (MAX_LINE_BYTES - start.len() - end.len()) / repeated.len();
        let line = format!("{start}{}{end}", repeated.repeat(count));
        let began = clock::monotonic();
        let told = read(&ReaderOptions::default(), line.as_bytes());
        let elapsed = began.elapsed();
        assert!(elapsed < ENOUGH, "{elapsed:?} for {start}{repeated}…");
        assert!(!told.is_empty(), "{start}{repeated}…");
    }
}
