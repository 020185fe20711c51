//! Patterns of `strftime`: what Apache's `%{format}t` takes, and the forms of times that have no grammar of their own.
//!
//! Input: a pattern and a text. Output: the parts of a time that the text gives, and where it ends. Two conversions are
//! ours: `%f` is `.` or `,` with digits behind it, or nothing; `%z` is an offset in any form, a blank before it, or nothing.
//! Never: a locale but English.

use super::{MONTHS, Moment, Partial, fraction, fraction_micros, offset};
use crate::entry::number;

/// A pattern, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::entry) struct Pattern(Vec<PatternItem>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternItem {
    Literal(u8),
    /// Any number of blanks.
    Blanks,
    Number(Part, usize),
    MonthName,
    DayName,
    AmPm,
    Offset,
    ZoneName,
    Fraction,
    /// Seconds, milliseconds or microseconds since 1970.
    Unix,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    /// Two digits: 1969 to 2068.
    YearOfCentury,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millis,
    Micros,
    Other,
}

/// Apache's own names for parts of a time, beside strftime's conversions.
const APACHE: [(&str, PatternItem); 5] = [
    ("sec", PatternItem::Unix),
    ("msec", PatternItem::Unix),
    ("usec", PatternItem::Unix),
    ("msec_frac", PatternItem::Number(Part::Millis, 3)),
    ("usec_frac", PatternItem::Number(Part::Micros, 6)),
];

impl Pattern {
    /// Compiles what stands in the braces of `%{…}t`.
    ///
    /// # Errors
    /// The place of a conversion that is not known.
    pub(in crate::entry) fn of_apache(text: &str) -> Result<Self, usize> {
        let bare = text.strip_prefix("begin:").or_else(|| text.strip_prefix("end:")).unwrap_or(text);
        if let Some((_, item)) = APACHE.iter().find(|(name, _)| *name == bare) {
            return Ok(Self(vec![item.clone()]));
        }
        Self::new(bare).map_err(|at| at + text.len() - bare.len())
    }

    /// Compiles a pattern.
    pub(super) fn new(text: &str) -> Result<Self, usize> {
        let mut items = Vec::new();
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if byte != b'%' {
                items.push(if byte == b' ' { PatternItem::Blanks } else { PatternItem::Literal(byte) });
                at += 1;
                continue;
            }
            let flags = bytes[at + 1..].iter().take_while(|flag| matches!(flag, b'-' | b'_' | b'E' | b'O'));
            let conversion = at + 1 + flags.count();
            push(*bytes.get(conversion).ok_or(at)?, &mut items).ok_or(at)?;
            at = conversion + 1;
        }
        Ok(Self(items))
    }

    /// Reads a text that begins as the pattern says; returns where it ends.
    pub(in crate::entry) fn read(&self, text: &[u8], into: &mut Partial) -> Option<usize> {
        self.0.iter().try_fold(0, |at, item| read_item(item, text, at, into))
    }
}

/// Appends the items of one conversion.
fn push(conversion: u8, items: &mut Vec<PatternItem>) -> Option<()> {
    let composed = match conversion {
        b'T' | b'X' => "%H:%M:%S",
        b'R' => "%H:%M",
        b'D' | b'x' => "%m/%d/%y",
        b'F' => "%Y-%m-%d",
        b'r' => "%I:%M:%S %p",
        b'c' => "%a %b %e %H:%M:%S %Y",
        _ => "",
    };
    if !composed.is_empty() {
        items.extend(Pattern::new(composed).ok()?.0);
        return Some(());
    }
    items.push(match conversion {
        b'Y' => PatternItem::Number(Part::Year, 4),
        b'y' => PatternItem::Number(Part::YearOfCentury, 2),
        b'm' => PatternItem::Number(Part::Month, 2),
        b'd' | b'e' => PatternItem::Number(Part::Day, 2),
        b'H' | b'I' | b'k' | b'l' => PatternItem::Number(Part::Hour, 2),
        b'M' => PatternItem::Number(Part::Minute, 2),
        b'S' => PatternItem::Number(Part::Second, 2),
        b'j' => PatternItem::Number(Part::Other, 3),
        b'U' | b'V' | b'W' | b'C' | b'g' => PatternItem::Number(Part::Other, 2),
        b'G' => PatternItem::Number(Part::Other, 4),
        b'u' | b'w' => PatternItem::Number(Part::Other, 1),
        b'b' | b'h' | b'B' => PatternItem::MonthName,
        b'a' | b'A' => PatternItem::DayName,
        b'p' | b'P' => PatternItem::AmPm,
        b'z' => PatternItem::Offset,
        b'Z' => PatternItem::ZoneName,
        b'f' => PatternItem::Fraction,
        b's' => PatternItem::Unix,
        b'n' | b't' => PatternItem::Blanks,
        b'%' => PatternItem::Literal(b'%'),
        _ => return None,
    });
    Some(())
}

fn read_item(item: &PatternItem, text: &[u8], at: usize, into: &mut Partial) -> Option<usize> {
    let rest = text.get(at..)?;
    let letters = || rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    match *item {
        PatternItem::Literal(byte) => (*rest.first()? == byte).then_some(at + 1),
        PatternItem::Blanks => Some(at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()),
        PatternItem::Number(part, width) => read_number(part, width, rest, into).map(|read| at + read),
        PatternItem::MonthName => {
            let place = MONTHS.iter().position(|name| rest.starts_with(*name))?;
            into.month = Some(place as u32 + 1);
            Some(at + letters())
        }
        PatternItem::DayName => (letters() >= 3).then(|| at + letters()),
        PatternItem::AmPm => {
            let is_pm = match rest.get(..2)? {
                b"AM" | b"am" => false,
                b"PM" | b"pm" => true,
                _ => return None,
            };
            into.is_pm = Some(is_pm);
            Some(at + 2)
        }
        PatternItem::Offset => {
            let (offset, end) = offset(text, at);
            into.offset = offset.or(into.offset);
            Some(end)
        }
        PatternItem::ZoneName => {
            let (offset, end) = offset(text, at);
            into.offset = offset.or(into.offset);
            let end = end.max(at + letters());
            (end > at).then_some(end)
        }
        PatternItem::Fraction => {
            let (micros, end) = fraction(text, at);
            into.micros = Some(micros);
            Some(end)
        }
        PatternItem::Unix => {
            let end = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            into.unix_micros = Some(i64::try_from(number::unix_micros(&rest[..end])?).ok()?);
            Some(at + end)
        }
    }
}

/// Reads at most `width` digits, which a blank may fill up (`%e`); returns how many bytes they are.
fn read_number(part: Part, width: usize, text: &[u8], into: &mut Partial) -> Option<usize> {
    let blanks = usize::from(width == 2 && text.first() == Some(&b' '));
    let digits = &text[blanks..];
    let digits = &digits[..digits.iter().take(width).take_while(|byte| byte.is_ascii_digit()).count()];
    if digits.is_empty() || (matches!(part, Part::Year | Part::Millis | Part::Micros) && digits.len() < width)
    {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    match part {
        Part::Year => into.year = Some(number),
        Part::YearOfCentury => into.year = Some(if number < 69 { 2_000 } else { 1_900 } + number),
        Part::Month => into.month = Some(number),
        Part::Day => into.day = Some(number),
        Part::Hour => into.hour = Some(number),
        Part::Minute => into.minute = Some(number),
        Part::Second => into.second = Some(number),
        Part::Millis | Part::Micros => into.micros = Some(fraction_micros(digits)),
        Part::Other => {}
    }
    Some(blanks + digits.len())
}

/// Reads a text that is of this form and nothing else.
pub(super) fn whole(form: &str, text: &[u8]) -> Option<Moment> {
    let mut partial = Partial::default();
    let end = Pattern::new(form).ok()?.read(text, &mut partial)?;
    (end == text.len()).then(|| partial.whole())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_the_documentation_read_what_they_print() {
        let want = Moment { local_micros: 1_315_073_908_123_000, offset: Some(-14_400) };
        for (patterns, text) in [
            (&["%d/%b/%Y %T", "msec_frac", "%z"][..], "03/Sep/2011 18:18:28|123|-0400"),
            (&["%Y-%m-%d %I:%M:%S %p %z", "usec_frac"], "2011-09-03 06:18:28 PM -0400|123000"),
            (&["begin:%Y-%m-%dT%H:%M:%S%z", "msec_frac"], "2011-09-03T18:18:28-04:00|123"),
            (&["%a %b %e %H:%M:%S %Y", "msec_frac", "%z"], "Sat Sep  3 18:18:28 2011|123|-0400"),
        ] {
            let mut partial = Partial::default();
            for (pattern, text) in patterns.iter().zip(text.split('|')) {
                let end = Pattern::of_apache(pattern).unwrap().read(text.as_bytes(), &mut partial);
                assert_eq!(end, Some(text.len()), "{pattern}");
            }
            assert_eq!(partial.whole(), Some(want), "{text}");
        }
        let mut partial = Partial::default();
        Pattern::of_apache("msec").unwrap().read(b"1694253600250", &mut partial).unwrap();
        assert_eq!(partial.whole().unwrap().local_micros, 1_694_253_600_250_000);
    }

    #[test]
    fn unknown_conversions_are_named_by_their_place() {
        assert_eq!(Pattern::of_apache("%Y-%Q"), Err(3));
        assert_eq!(Pattern::of_apache("end:%Y%"), Err(6));
    }
}
