//! Why a line is not of a known format, and which format it resembles most.
//!
//! Input: a line that no format reads. Output: a reason to skip it, the name of the nearest format. Never: an entry.

use std::sync::LazyLock;

use super::field::{Escape, Found, LogField};
use super::format::nginx::known_steps;
use super::skip::Skip;
use super::template::Template;
use super::template::matching::Matcher;
use super::{json, known, request};

/// What lines look like whose fault is known. Tried in order.
const FAULTS: [(&str, Skip); 9] = [
    // Apache's error log.
    ("[${t:%a %b %e %H:%M:%S%f %Y}] [$rest", Skip::NotAccessLog),
    (r#"$text[$time]$between"$request"$blanks"#, Skip::CutOff),
    (r#"$text[$time]$between"$request" $status$blanks"#, Skip::CutOff),
    // Whole, but with something else behind the request than an access log has.
    (r#"$text[$time]$between"$request"$more_words"#, Skip::NotAccessLog),
    (r#"$text[$time]$between"$rest"#, Skip::CutOff),
    (r#"$text[$time]$blanks"#, Skip::CutOff),
    (r#"$text $time $between"$request"$more_words"#, Skip::NotAccessLog),
    (r#"$text $time $between"$rest"#, Skip::CutOff),
    (r#"$text[$text]$between"$request" $status $number$rest"#, Skip::TimeUnreadable),
];

static TEMPLATES: LazyLock<Vec<(Template, Skip)>> = LazyLock::new(|| {
    let compile = |(line, skip): &(&str, Skip)| {
        let steps = known_steps(line).expect("the lines are valid");
        (Template::new(steps, Escape::Backslash), *skip)
    };
    FAULTS.iter().map(compile).collect()
});

/// Of a longer line it is not asked whether all but its time can be read.
const MAX_DIAGNOSED_BYTES: usize = 16 * 1024;

/// Why a line of text is not an entry.
pub(super) fn reason(matcher: &mut Matcher, line: &[u8]) -> Skip {
    let mut found = Found::default();
    if let Some((_, skip)) = TEMPLATES.iter().find(|(template, _)| matcher.read(template, line, &mut found)) {
        return *skip;
    }
    let is_but_for_its_time = line.len() <= MAX_DIAGNOSED_BYTES
        && known::with_any_time().iter().any(|format| {
            found.clear();
            format.read(matcher, line, &mut found) && names_a_request(&found, line)
        });
    if is_but_for_its_time { Skip::TimeUnreadable } else { Skip::NotAccessLog }
}

/// Whether a request line or a target was found that can be one.
fn names_a_request(found: &Found, line: &[u8]) -> bool {
    let said =
        |field| found.said(field, line).and_then(|value| std::str::from_utf8(value.span.of(line)).ok());
    let is_target = |text: &str| request::target(text, false).is_some();
    match said(LogField::Request) {
        Some(text) => request::split_line(text).is_some_and(|(method, target)| {
            request::can_be_method(&text[method]) && is_target(&text[target])
        }),
        None => said(LogField::Target).is_some_and(is_target),
    }
}

/// The known format that a line fits best, and how much of it, from 0 to 1. A time that cannot be read counts as one.
#[must_use]
pub fn nearest_format(line: &[u8]) -> Option<(&'static str, f64)> {
    if let Some(product) = json::product_of(line) {
        return Some((product, 1.0));
    }
    let mut matcher = Matcher::default();
    let is_time_unreadable = reason(&mut matcher, line) == Skip::TimeUnreadable;
    let formats: &mut dyn Iterator<Item = &known::KnownFormat> =
        if is_time_unreadable { &mut known::with_any_time().iter() } else { &mut known::formats(None) };
    let likeness = formats.map(|format| (format.name, format.likeness(&mut matcher, line)));
    // Many steps that fit say more than a large share of few.
    let weight = |(fitting, steps): (usize, usize)| (fitting * fitting) as f64 / steps as f64;
    let nearest = likeness.max_by(|a, b| weight(a.1).total_cmp(&weight(b.1)));
    nearest
        .map(|(name, (fitting, steps))| (name, fitting as f64 / steps as f64))
        .filter(|(_, share)| *share > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_by_what_is_there() {
        for (line, want) in [
            (r#"h - - [28/dic/2024:18:03:07 +0000] "GET / HTTP/1.1" 200 1 "-" "-""#, Skip::TimeUnreadable),
            (r#"h - - [30/Feb/2024:18:03:07 +0000] "GET / HTTP/1.1" 200 1"#, Skip::TimeUnreadable),
            (r#"h - - [28/Dec/2024:18:03:07 +0000] "GET / HT"#, Skip::CutOff),
            (r#"h - - [28/Dec/2024:18:03:07 +0000] "GET / HTTP/1.1" 200 1 "-" "Mozil"#, Skip::CutOff),
            (r#"h - - [28/Dec/2024:18:03:07 +0000] "GET / HTTP/1.1" 200"#, Skip::CutOff),
            (r#"h - - [28/Dec/2024:18:03:07 +0000] "GET / HTTP/1.1" ok"#, Skip::NotAccessLog),
            (r"h - - [28/Dec/2024:18:03:07 +0000] ", Skip::CutOff),
            ("Started nginx.service", Skip::NotAccessLog),
            (r#"cannot open the file "x" 2"#, Skip::NotAccessLog),
            ("# a comment", Skip::NotAccessLog),
        ] {
            assert_eq!(reason(&mut Matcher::default(), line.as_bytes()), want, "{line}");
        }
    }

    #[test]
    fn the_nearest_format_is_the_one_that_fits_longest() {
        let envoy =
            br#"[2024-04-07T08:21:27.360Z] "GET / HTTP/1.1" 418 - 0 136 6 2 "203.0.113.77" "curl" "id" 7"#;
        assert_eq!(nearest_format(envoy).map(|(name, _)| name), Some("envoy"));
        assert_eq!(nearest_format(b"\x7f"), None);
        // Whatever part of its time cannot be read; and where the line was cut for people to see.
        let combined =
            r#"192.0.2.1 - - [28/Dec/2024:18:03:07 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl/8.6.0 (x)""#;
        for (time, bad) in [("Dec", "dic"), ("28/", "31/Feb/"), ("18:", "25:"), ("2024:", "24:")] {
            let line = combined.replace(time, bad);
            for line in [&line[..], &line[..line.len() - 4]] {
                assert_eq!(nearest_format(line.as_bytes()).map(|(name, _)| name), Some("combined"), "{line}");
            }
        }
        let haproxy = br#"10.0.1.2:33317 [06/fev/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET /index.html HTTP/1.1""#;
        assert_eq!(nearest_format(haproxy), Some(("haproxy", 1.0)));
        assert_eq!(reason(&mut Matcher::default(), haproxy), Skip::TimeUnreadable);
        let json = br#"{"ts":"28 dic 2024","logger":"http.log.access","request":{"method":"GET","uri":"/"},"status":200}"#;
        assert_eq!(nearest_format(json), Some(("caddy", 1.0)));
    }
}
