//! Why a line is none of a known format, and which format it resembles most.
//!
//! Input: a line that no format reads. Output: a reason to skip it, the name of the nearest format. Never: an entry.

use std::sync::LazyLock;

use super::field::Escape;
use super::format::nginx::known_steps;
use super::known;
use super::skip::Skip;
use super::template::Template;
use super::template::matching::Matcher;

/// What lines look like whose fault is known. Tried in order.
const FAULTS: [(&str, Skip); 8] = [
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

/// Why a line of text is no entry.
pub(super) fn reason(matcher: &mut Matcher, line: &[u8]) -> Skip {
    let mut found = super::field::Found::default();
    let fault = TEMPLATES.iter().find(|(template, _)| matcher.read(template, line, &mut found));
    fault.map_or(Skip::NotAccessLog, |(_, skip)| *skip)
}

/// The known format that a line fits best, and how much of it, from 0 to 1.
#[must_use]
pub fn nearest_format(line: &[u8]) -> Option<(&'static str, f64)> {
    let mut matcher = Matcher::default();
    let likeness = known::formats(None).map(|format| (format.name, format.likeness(&mut matcher, line)));
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
    }
}
