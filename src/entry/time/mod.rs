//! Times as logs write them.
//!
//! Input: a text that is a time or begins with one. Output: a [`Moment`], local time with its offset if it names one, or a
//! [`Partial`] of several pieces. [`offset`] reads offsets and names of zones, [`zone`] makes instants of local times,
//! [`strftime`] reads patterns that people choose. Never: a clock; a guess at what a text leaves out.

mod offset;
pub(super) mod strftime;
pub(super) mod zone;

use std::sync::LazyLock;

use self::offset::offset;
use self::strftime::Pattern;
use super::number;
use crate::time::{days_from_civil, is_date};

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A point of time as a log writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Microseconds since 1970 of the local time.
    pub(super) local_micros: i64,
    /// Seconds that local time is ahead of UTC, if the log says so.
    pub(super) offset: Option<i32>,
}

impl Moment {
    pub(super) fn utc(micros: i64) -> Self {
        Self { local_micros: micros, offset: Some(0) }
    }
}

/// A time of which only parts are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) year: Option<u32>,
    pub(super) month: Option<u32>,
    pub(super) day: Option<u32>,
    pub(super) hour: Option<u32>,
    pub(super) minute: Option<u32>,
    pub(super) second: Option<u32>,
    pub(super) micros: Option<u32>,
    pub(super) is_pm: Option<bool>,
    pub(super) offset: Option<i32>,
    /// Microseconds since 1970: says all the rest.
    pub(super) unix_micros: Option<i64>,
}

impl Partial {
    /// The whole time; `None` where the day or the hour is not known, or does not exist.
    pub(super) fn whole(&self) -> Option<Moment> {
        if let Some(micros) = self.unix_micros {
            // `%{sec}t` with `%{msec_frac}t` beside it.
            let fraction = self.micros.filter(|_| micros % MICROS_PER_SECOND == 0).unwrap_or(0);
            return Some(Moment::utc(micros + i64::from(fraction)));
        }
        let hour = match (self.hour?, self.is_pm) {
            (12, Some(false)) => 0,
            (hour @ 1..12, Some(true)) => hour + 12,
            (hour, _) => hour,
        };
        let time = Clock { hour, minute: self.minute.unwrap_or(0), second: self.second.unwrap_or(0) };
        let seconds = seconds_since_1970((self.year?, self.month?, self.day?), time)?;
        let micros = seconds * MICROS_PER_SECOND + i64::from(self.micros.unwrap_or(0));
        Some(Moment { local_micros: micros, offset: self.offset })
    }

    /// What this knows and what `other` knows beyond it.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            year: self.year.or(other.year),
            month: self.month.or(other.month),
            day: self.day.or(other.day),
            hour: self.hour.or(other.hour),
            minute: self.minute.or(other.minute),
            second: self.second.or(other.second),
            micros: self.micros.or(other.micros),
            is_pm: self.is_pm.or(other.is_pm),
            offset: self.offset.or(other.offset),
            unix_micros: self.unix_micros.or(other.unix_micros),
        }
    }
}

#[derive(Clone, Copy)]
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
}

/// `None` for a day or an hour that does not exist. A leap second counts as the second before it.
#[inline]
fn seconds_since_1970((year, month, day): (u32, u32, u32), time: Clock) -> Option<i64> {
    if !is_date(year, month, day) || time.hour > 23 || time.minute > 59 || time.second > 60 {
        return None;
    }
    let days = i64::from(days_from_civil(year, month, day));
    let of_day = time.hour * 3_600 + time.minute * 60 + time.second.min(59);
    Some(days * SECONDS_PER_DAY + i64::from(of_day))
}

fn two(text: &[u8], at: usize) -> Option<u32> {
    match text.get(at..at + 2)? {
        &[tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            Some(u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
        }
        _ => None,
    }
}

fn four(text: &[u8], at: usize) -> Option<u32> {
    Some(two(text, at)? * 100 + two(text, at + 2)?)
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The number of the month whose English name begins here.
fn month(text: &[u8]) -> Option<u32> {
    let name: &[u8; 3] = text.first_chunk()?;
    let place = MONTHS.iter().position(|month| *month == name)?;
    Some(place as u32 + 1)
}

/// `hh:mm:ss` at the start of a text.
fn clock(text: &[u8], at: usize) -> Option<Clock> {
    if text.get(at + 2) != Some(&b':') || text.get(at + 5) != Some(&b':') {
        return None;
    }
    Some(Clock { hour: two(text, at)?, minute: two(text, at + 3)?, second: two(text, at + 6)? })
}

/// `.123456` at `at`: microseconds, cut, and where it ends.
fn fraction(text: &[u8], at: usize) -> (u32, usize) {
    if !matches!(text.get(at), Some(b'.' | b',')) {
        return (0, at);
    }
    let digits = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return (0, at);
    }
    (fraction_micros(&text[at + 1..at + 1 + digits]), at + 1 + digits)
}

/// Microseconds of the digits behind a decimal point.
fn fraction_micros(digits: &[u8]) -> u32 {
    (0..6).fold(0, |micros, place| micros * 10 + digits.get(place).map_or(0, |digit| u32::from(digit - b'0')))
}

/// A time at the start of a text in the forms that stand unquoted in lines: `10/Oct/2000:13:55:36 -0700` and
/// `2000-10-10T13:55:36-07:00`, both with or without fraction and offset, and those that begin with a weekday; and where it
/// ends.
#[inline]
pub(super) fn at_start(text: &[u8]) -> Option<(Moment, usize)> {
    let (date, time, clock_end) = match text {
        [_, _, b'/', _, _, _, b'/', _, _, _, _, b':' | b' ', ..] => {
            ((four(text, 7)?, month(&text[3..])?, two(text, 0)?), clock(text, 12)?, 20)
        }
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't' | b' ', ..] => {
            ((four(text, 0)?, two(text, 5)?, two(text, 8)?), clock(text, 11)?, 19)
        }
        [first, ..] if first.is_ascii_uppercase() => return behind_weekday(text),
        _ => return None,
    };
    let seconds = seconds_since_1970(date, time)?;
    let (micros, end) = fraction(text, clock_end);
    let (offset, end) = offset(text, end);
    let local_micros = seconds * MICROS_PER_SECOND + i64::from(micros);
    Some((Moment { local_micros, offset }, end))
}

const WEEKDAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];

/// The forms of RFC 1123 and RFC 850, which HTTP has from them, and that of `ctime`, also with a zone as `date` prints it.
static WEEKDAY_FORMS: LazyLock<[Pattern; 3]> = LazyLock::new(|| {
    let forms = ["%a, %d %b %Y %H:%M:%S%f%z", "%A, %d-%b-%y %H:%M:%S%f%z", "%a %b %e %H:%M:%S%f%z %Y%z"];
    forms.map(|form| Pattern::new(form).expect("the forms are valid"))
});

/// A time that begins with a weekday; and where it ends.
fn behind_weekday(text: &[u8]) -> Option<(Moment, usize)> {
    let name: &[u8; 3] = text.first_chunk()?;
    if !WEEKDAYS.contains(&name) {
        return None;
    }
    WEEKDAY_FORMS.iter().find_map(|form| {
        let mut partial = Partial::default();
        let end = form.read(text, &mut partial)?;
        Some((partial.whole()?, end))
    })
}

/// Whether a time may begin at a place of a text: at its start, behind a blank or a bracket.
pub(super) fn may_begin_at(text: &[u8], at: usize) -> bool {
    let is_first = text[at].is_ascii_digit() || WEEKDAYS.iter().any(|name| name[0] == text[at]);
    is_first && (at == 0 || matches!(text[at - 1], b' ' | b'['))
}

/// Reads what [`at_start`] reads, and remembers the last time of the commonest form, `10/Oct/2000:13:55:36 -0700`: it stands in
/// the next lines too, and several formats look for it in the same line.
#[derive(Clone, Debug)]
pub(super) struct LastTime {
    text: [u8; NCSA_BYTES],
    moment: Moment,
}

/// Of a time with its offset; what stands behind it cannot be part of it.
const NCSA_BYTES: usize = 26;

impl Default for LastTime {
    fn default() -> Self {
        // No time has such a text.
        Self { text: [0; NCSA_BYTES], moment: Moment::utc(0) }
    }
}

impl LastTime {
    #[inline]
    pub(super) fn at_start(&mut self, text: &[u8]) -> Option<(Moment, usize)> {
        let beginning = text.first_chunk::<NCSA_BYTES>();
        if beginning == Some(&self.text) {
            return Some((self.moment, NCSA_BYTES));
        }
        let (moment, end) = at_start(text)?;
        if let Some(beginning) = beginning.filter(|text| end == NCSA_BYTES && text[20] == b' ') {
            (self.text, self.moment) = (*beginning, moment);
        }
        Some((moment, end))
    }
}

/// The first time that stands in a text, in brackets or as a word.
pub(super) fn first_in(text: &[u8]) -> Option<Moment> {
    let mut places = (0..text.len()).filter(|at| may_begin_at(text, *at));
    places
        .find_map(|at| at_start(&text[at..]).or_else(|| wall_at_start(&text[at..])))
        .map(|(moment, _)| moment)
}

/// Seconds since 1970 with a fraction, at the start of a text (`$msec`); and where they end. Numbers that would be of before
/// 1973 are none.
pub(super) fn unix_at_start(text: &[u8]) -> Option<(Moment, usize)> {
    let whole = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if whole < 9 {
        return None;
    }
    let end = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let micros = number::unix_micros(&text[..end]).and_then(|micros| i64::try_from(micros).ok())?;
    Some((Moment::utc(micros), end))
}

/// A text that is a time and nothing else, in any form that JSON logs use: those of [`at_start`], in brackets or not, Unix
/// times by their size, and [`OTHER_FORMS`].
pub(super) fn whole(text: &[u8]) -> Option<Moment> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text);
    if let Some((moment, end)) = at_start(text)
        && is_zone_name(&text[end..])
    {
        return Some(moment);
    }
    if let Some((moment, end)) = unix_at_start(text)
        && end == text.len()
    {
        return Some(moment);
    }
    if text.first().is_some_and(u8::is_ascii_digit)
        && let Some(micros) = number::unix_micros(text)
    {
        return i64::try_from(micros).ok().map(Moment::utc);
    }
    OTHER_FORMS.iter().find_map(|form| strftime::whole(form, text))
}

/// Go's `2006/01/02 15:04:05.000` at the start of a text; and where it ends.
pub(super) fn wall_at_start(text: &[u8]) -> Option<(Moment, usize)> {
    let [_, _, _, _, b'/', _, _, b'/', _, _, b' ', ..] = text else { return None };
    let day = (four(text, 0)?, two(text, 5)?, two(text, 8)?);
    let seconds = seconds_since_1970(day, clock(text, 11)?)?;
    let (micros, end) = fraction(text, 19);
    let local_micros = seconds * MICROS_PER_SECOND + i64::from(micros);
    Some((Moment { local_micros, offset: None }, end))
}

/// What Go prints behind an offset (`+0000 UTC`), or nothing.
fn is_zone_name(text: &[u8]) -> bool {
    let name = text.trim_ascii_start();
    text.is_empty()
        || (name.len() < text.len() && name.len() <= 5 && name.iter().all(u8::is_ascii_alphabetic))
}

/// Forms without a grammar of their own above; Go's and Caddy's is the first.
const OTHER_FORMS: [&str; 6] = [
    "%Y/%m/%d %H:%M:%S%f%z",
    "%d %b %Y %H:%M:%S%f %z",
    "%d-%b-%Y %H:%M:%S%f%z",
    "%d/%b/%Y:%H:%M:%S%f%z",
    "%Y%m%dT%H%M%S%f%z",
    "%b %e, %Y %I:%M:%S %p",
];

/// The day of a text like `2024-02-29`, of which another field is the rest.
pub(super) fn day(text: &[u8]) -> Option<Partial> {
    let text = text.trim_ascii();
    let is_day = text.len() == 10 && text[4] == text[7] && matches!(text[4], b'-' | b'/');
    is_day.then(|| Partial {
        year: four(text, 0),
        month: two(text, 5),
        day: two(text, 8),
        ..Partial::default()
    })
}

/// The day at the start of a text like `2024-02-29 18:03:07` or, as in the draft of the W3C's format, `29-Feb-2024 18:03:07`.
pub(super) fn first_day(text: &[u8]) -> Option<Partial> {
    let word = text.trim_ascii().split(u8::is_ascii_whitespace).next()?;
    day(word).or_else(|| {
        let mut partial = Partial::default();
        let end = Pattern::new("%d-%b-%Y").ok()?.read(word, &mut partial)?;
        (end == word.len()).then_some(partial)
    })
}

/// The time of day of a text like `23:59:59.250`.
pub(super) fn time_of_day(text: &[u8]) -> Option<Partial> {
    let text = text.trim_ascii();
    let time = clock(text, 0)?;
    let (micros, end) = fraction(text, 8);
    let (offset, end) = offset(text, end);
    (end == text.len()).then_some(Partial {
        hour: Some(time.hour),
        minute: Some(time.minute),
        second: Some(time.second),
        micros: Some(micros),
        offset,
        ..Partial::default()
    })
}

/// The envelope's time of BSD syslog: `Dec  3 07:00:01`; where it ends.
pub(super) fn bsd_at_start(text: &[u8]) -> Option<usize> {
    month(text)?;
    let day_is_there = text.get(3) == Some(&b' ') && matches!(text.get(4)?, b' ' | b'0'..=b'3');
    let day_ends = text.get(5)?.is_ascii_digit() && text.get(6) == Some(&b' ');
    if !day_is_there || !day_ends {
        return None;
    }
    // Some senders put the year in.
    let at = if four(text, 7).is_some() && text.get(11) == Some(&b' ') { 12 } else { 7 };
    clock(text, at)?;
    Some(fraction(text, at + 8).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::format_rfc3339;

    fn shown(moment: Moment) -> String {
        let utc = moment.local_micros - i64::from(moment.offset.unwrap_or(0)) * MICROS_PER_SECOND;
        let mut text = format_rfc3339((utc / 1_000) as u64);
        if utc % MICROS_PER_SECOND != 0 {
            text.insert_str(19, &format!(".{:06}", utc % MICROS_PER_SECOND));
        }
        if moment.offset.is_none() {
            text.truncate(text.len() - 1);
        }
        text
    }

    #[test]
    fn a_time_that_is_remembered_is_the_one_that_is_read() {
        let times = [
            "10/Oct/2000:13:55:36 -0700",
            "10/Oct/2000:13:55:36 -0730",
            "10/Oct/2000:13:55:36 +07:30",
            "10/Oct/2000:13:55:36.123 -0700",
            "10/Oct/2000:13:55:36 UTC",
            "10/Oct/2000:13:55:36 CEST",
            "Tue, 10 Oct 2000 13:55:36 GMT",
            "Tue Oct 10 13:55:36 2000",
            "10/Oct/2000:13:55:36",
            "2000-10-10T13:55:36.12+0200",
            "2000-10-10 13:55:36 +0200",
            "2000-10-10 13:55:36.1+02",
            "10/Oct/2000:13:55:61 -0700",
        ];
        let mut last = LastTime::default();
        for time in times.iter().flat_map(|time| [*time; 2]) {
            for behind in ["", "]", "0", ":00", ".5", " +0100", "0000000", " GMT"] {
                let text = format!("{time}{behind}");
                for end in 0..=text.len() {
                    let text = &text.as_bytes()[..end];
                    assert_eq!(last.at_start(text), at_start(text), "{time}{behind} cut at {end}");
                }
            }
        }
    }

    #[test]
    fn times_are_read_in_every_form_that_logs_have() {
        for (text, want) in [
            ("10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
            ("10/Oct/2000:13:55:36.123 -0700", "2000-10-10T20:55:36.123000Z"),
            ("[10/Oct/2000:13:55:36 +0000]", "2000-10-10T13:55:36Z"),
            ("10/Oct/2000:13:55:36 +05:30", "2000-10-10T08:25:36Z"),
            ("10/Oct/2000:13:55:36", "2000-10-10T13:55:36"),
            ("31/Dec/2016:23:59:60 +0000", "2016-12-31T23:59:59Z"),
            ("2024-06-01T12:00:02.250+0200", "2024-06-01T10:00:02.250000Z"),
            ("2024-06-01T12:00:02.123456789Z", "2024-06-01T12:00:02.123456Z"),
            ("2024-06-01 12:00:02,5", "2024-06-01T12:00:02.500000"),
            ("2024-06-01 12:00:02 +0000 UTC", "2024-06-01T12:00:02Z"),
            ("2024-06-01T12:00:02+02", "2024-06-01T10:00:02Z"),
            ("2024/06/01 10:00:03.541", "2024-06-01T10:00:03.541000"),
            ("Sat, 01 Jun 2024 10:00:03 GMT", "2024-06-01T10:00:03Z"),
            ("Sat, 01 Jun 2024 12:00:03 +0200", "2024-06-01T10:00:03Z"),
            ("Saturday, 01-Jun-24 10:00:03 GMT", "2024-06-01T10:00:03Z"),
            ("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"),
            ("Sat Jun  1 10:00:03 2024", "2024-06-01T10:00:03"),
            ("Sat Jun  1 10:00:03.123456 2024", "2024-06-01T10:00:03.123456"),
            ("Sat Jun  1 12:00:03 CEST 2024", "2024-06-01T10:00:03Z"),
            ("Sat Jun 01 03:00:03 -0700 2024", "2024-06-01T10:00:03Z"),
            ("2024-06-01 03:00:03 PDT", "2024-06-01T10:00:03Z"),
            ("01/Jun/2024:12:00:03 GMT+2", "2024-06-01T10:00:03Z"),
            // China's and Chicago's have one name: the time is local.
            ("2024-06-01 10:00:03 CST", "2024-06-01T10:00:03"),
            ("01-Jun-2024 10:00:03", "2024-06-01T10:00:03"),
            ("Jun 1, 2024 10:00:03 PM", "2024-06-01T22:00:03"),
            ("20240601T100003Z", "2024-06-01T10:00:03Z"),
            ("1717236000.25", "2024-06-01T10:00:00.250000Z"),
            ("1717236000123", "2024-06-01T10:00:00.123000Z"),
            ("1.717236e9", "2024-06-01T10:00:00Z"),
        ] {
            assert_eq!(whole(text.as_bytes()).map(shown).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_times_are_none() {
        for text in [
            "",
            "-",
            "soon",
            "28/dic/2024:18:03:07 +0000",
            "30/Feb/2024:18:03:07 +0000",
            "28/Dec/2024:24:03:07 +0000",
            "28/Dec/2024:18:03:61 +0000",
            "2024-13-01T00:00:00Z",
            "2024-06-01T10:00:00Z and more",
            "2024-06-01",
            "10:00:00",
            "[",
            "Sat, 31 Jun 2024 10:00:03 GMT",
            "Sun, not a time",
            "Some Jun  1 10:00:03 2024",
        ] {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_day_may_stand_before_other_words() {
        for text in ["2024-02-29", " 2024-02-29 18:03:07 ", "29-Feb-2024 18:03:07"] {
            let day = first_day(text.as_bytes()).map(|day| (day.year, day.month, day.day));
            assert_eq!(day, Some((Some(2024), Some(2), Some(29))), "{text}");
        }
        for text in ["", "18:03:07", "Thu Feb 29 2024", "29-Feb-2024x"] {
            assert_eq!(first_day(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn bsd_times_end_where_they_end() {
        for (text, want) in [
            ("Dec  3 07:00:01 web1", Some(15)),
            ("Dec 28 18:03:11 web1", Some(15)),
            ("Dec 28 2024 18:03:11 web1", Some(20)),
            ("Dec 28 18:03:11.123 web1", Some(19)),
            ("December 28", None),
            ("Dec 28 18-03-11", None),
        ] {
            assert_eq!(bsd_at_start(text.as_bytes()), want, "{text}");
        }
    }
}
