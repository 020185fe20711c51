//! The W3C extended log format: IIS, `CloudFront`, `NetScaler`. Its header names the columns.
//!
//! Input: a `#Fields` line, then data lines. Output: their fields. Never: a line with other columns than the header's.

use std::sync::LazyLock;

use memchr::{memchr, memchr_iter};

use super::field::{ByteSpan, Escape, Found, FoundValue, LogField, Unit};
use super::json;

/// The columns that a header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    /// The header's text behind `#Fields:`.
    header: String,
    columns: Vec<Column>,
    /// Its times are local: IIS's advanced logging can write such.
    pub(super) is_local: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    field: LogField,
    rank: u8,
    escape: Escape,
}

/// A line with more columns is not taken as a header.
const MAX_COLUMNS: usize = 256;

/// `CloudFront`'s standard log, "Log file fields", whose lines shippers send without their header. Columns were added at its end.
const CLOUDFRONT: &str = "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) \
     cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken \
     x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status \
     fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len \
     sc-range-start sc-range-end";
/// How many columns there were at first.
const CLOUDFRONT_LEAST: usize = 12;

/// The columns of `CloudFront` up to each number of them, from the least on.
static HEADERLESS: LazyLock<Vec<Columns>> = LazyLock::new(|| {
    let names: Vec<&str> = CLOUDFRONT.split_ascii_whitespace().collect();
    let columns =
        (CLOUDFRONT_LEAST..=names.len()).map(|count| Columns::new(&names[..count].join(" "), false));
    columns.collect::<Option<_>>().expect("there are columns")
});

/// The columns of a line that says what it is without a header: with a day, a time and one of `CloudFront`'s places (`SFO5-C1`).
pub(super) fn headerless(line: &[u8]) -> Option<&'static Columns> {
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'\t', rest @ ..] = line else { return None };
    let [_, _, b':', _, _, b':', _, _, b'\t', place @ ..] = rest else { return None };
    let is_place = matches!(place, [b'A'..=b'Z', b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', ..]);
    let count = memchr_iter(b'\t', line).count() + 1;
    HEADERLESS.get(count.checked_sub(CLOUDFRONT_LEAST)?).filter(|_| is_place)
}

impl Columns {
    /// Reads what stands behind `#Fields:`. `in_seconds`: what writes the log counts `time-taken` in seconds, as the format's
    /// draft has it, and not in milliseconds, as IIS does.
    pub(super) fn new(header: &str, in_seconds: bool) -> Option<Self> {
        let names: Vec<&str> = header.split_ascii_whitespace().collect();
        if names.is_empty() || names.len() > MAX_COLUMNS {
            return None;
        }
        let is_cloudfront = names.iter().any(|name| name.starts_with("x-edge-"));
        let columns = names.iter().map(|name| {
            let (field, rank) = match json::column(name) {
                // Columns of a duration have no unit in their name.
                Some((LogField::DurationWithUnit, rank)) if is_cloudfront || in_seconds => {
                    (LogField::Duration(Unit::Seconds), rank)
                }
                Some((LogField::DurationWithUnit, rank)) => (LogField::Duration(Unit::Millis), rank),
                // A whole URL, or one without its scheme.
                Some((LogField::Target, rank)) if name.eq_ignore_ascii_case("cs-uri") => {
                    (LogField::HostTarget, rank)
                }
                Some(meaning) => meaning,
                None => (LogField::Ignored, 0),
            };
            let escape = match field {
                LogField::Agent if is_cloudfront => Escape::Percent,
                LogField::Agent => Escape::Plus,
                _ => Escape::None,
            };
            Column { field, rank, escape }
        });
        let is_local = names.iter().any(|name| name.eq_ignore_ascii_case("time-local"));
        Some(Self { columns: columns.collect(), header: header.trim().to_owned(), is_local })
    }

    /// The header that it was made of.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// Reads a data line; says whether it has these columns.
    pub(super) fn read(&self, line: &[u8], found: &mut Found) -> bool {
        let separator = if memchr(b'\t', line).is_some() { b'\t' } else { b' ' };
        let mut at = 0;
        for (place, column) in self.columns.iter().enumerate() {
            if at > line.len() {
                return false;
            }
            let start = at;
            let (span, end) = cell(line, start, separator);
            let is_last = place + 1 == self.columns.len();
            if is_last != (end >= line.len()) {
                return false;
            }
            at = end + 1;
            let field = match column.field {
                // IIS writes whole milliseconds; a decimal point is of seconds.
                LogField::Duration(_) if memchr(b'.', span.of(line)).is_some() => {
                    LogField::Duration(Unit::Seconds)
                }
                field => field,
            };
            // In quotes a blank may stand as it is.
            let is_quoted = span.start as usize > start;
            let escape = match column.escape {
                Escape::Plus if is_quoted => Escape::Doubled,
                escape => escape,
            };
            let value = FoundValue { span, rank: column.rank, escape, unit: Unit::default() };
            found.offer(field, value, line);
        }
        true
    }
}

/// The text of a cell, and where the separator behind it stands. A cell in quotes may hold separators.
fn cell(line: &[u8], at: usize, separator: u8) -> (ByteSpan, usize) {
    let rest = &line[at..];
    if rest.first() == Some(&b'"') {
        let mut close = 1;
        while let Some(quote) = memchr(b'"', rest.get(close..).unwrap_or_default()) {
            let behind = close + quote + 1;
            if matches!(rest.get(behind), None | Some(b' ' | b'\t')) {
                return (ByteSpan::new(at + 1, at + behind - 1), at + behind);
            }
            close = behind;
        }
    }
    let length = memchr(separator, rest).unwrap_or(rest.len());
    (ByteSpan::new(at, at + length), at + length)
}

/// What a directive line (`#Name: …`) says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Directive<'l> {
    /// The names of the columns from here on.
    Fields(&'l str),
    /// What writes the log.
    Software(&'l str),
    /// When the lines from here on begin.
    Date(&'l str),
    Other,
}

/// Directives that say nothing of how lines are read.
const OTHERS: [&[u8]; 4] = [b"Version", b"End-Date", b"Remark", b"GMT-Offset"];

/// Reads a directive; `None` for any other line, a comment too.
pub(super) fn directive(line: &[u8]) -> Option<Directive<'_>> {
    let line = line.strip_prefix(b"#")?;
    let colon = memchr(b':', line)?;
    let (name, value) = (&line[..colon], std::str::from_utf8(&line[colon + 1..]).unwrap_or_default());
    if name.eq_ignore_ascii_case(b"Fields") {
        return Some(Directive::Fields(value));
    }
    if name.eq_ignore_ascii_case(b"Software") {
        return Some(Directive::Software(value));
    }
    if name.eq_ignore_ascii_case(b"Date") || name.eq_ignore_ascii_case(b"Start-Date") {
        return Some(Directive::Date(value));
    }
    OTHERS.iter().any(|other| name.eq_ignore_ascii_case(other)).then_some(Directive::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(header: &str, line: &str) -> Option<Vec<(LogField, String)>> {
        let columns = Columns::new(header, false).unwrap();
        let mut found = Found::default();
        columns.read(line.as_bytes(), &mut found).then(|| {
            let fields = [LogField::Method, LogField::Target, LogField::Agent, LogField::Client];
            let said = fields.into_iter().filter_map(|field| {
                let value = found.said(field, line.as_bytes())?;
                Some((field, String::from_utf8_lossy(value.span.of(line.as_bytes())).into_owned()))
            });
            said.collect()
        })
    }

    #[test]
    fn lines_have_exactly_the_columns_of_the_header() {
        let header = " cs-method cs-uri-stem cs(User-Agent)";
        let text = |field, text: &str| (field, text.to_owned());
        let want =
            vec![text(LogField::Method, "GET"), text(LogField::Target, "/a"), text(LogField::Agent, "x+y")];
        assert_eq!(texts(header, "GET /a x+y"), Some(want.clone()));
        assert_eq!(texts(header, "GET\t/a\tx+y"), Some(want));
        assert_eq!(texts(header, "GET /a \"x y\"").unwrap()[2], text(LogField::Agent, "x y"));
        for line in ["GET /a", "GET /a x y", "", "GET /a x+y "] {
            assert_eq!(texts(header, line), None, "{line}");
        }
    }

    #[test]
    fn a_plus_is_a_blank_where_no_quotes_are() {
        let columns = Columns::new("cs(User-Agent)", false).unwrap();
        for (cell, want) in [("a+b", "a b"), (r#""a+b ""c"""#, r#"a+b "c""#), ("\"a b\"", "a b")] {
            let mut found = Found::default();
            assert!(columns.read(cell.as_bytes(), &mut found), "{cell}");
            let value = found.get(LogField::Agent).unwrap();
            let mut agent = Vec::new();
            value.escape.undo(value.span.of(cell.as_bytes()), &mut agent);
            assert_eq!(String::from_utf8_lossy(&agent), want, "{cell}");
        }
    }

    #[test]
    fn directives_are_told_from_comments() {
        assert_eq!(directive(b"#Fields: date time"), Some(Directive::Fields(" date time")));
        assert_eq!(directive(b"#Version: 1.0"), Some(Directive::Other));
        assert_eq!(directive(b"#date: 2024-12-28"), Some(Directive::Date(" 2024-12-28")));
        assert_eq!(directive(b"# rotated by cron"), None);
        assert_eq!(directive(b"#note: x"), None);
    }
}
