//! Dates and times: RFC 3339 text to milliseconds since 1970, and the texts that name windows.
//!
//! Input: the `receivedAt` of an entry, the bounds of a query, the stamps in file names. Output: milliseconds, whole
//! minutes and canonical text. The calendar is the proleptic Gregorian one in UTC; every instant lies in the years
//! 1970 to 9999. Never: reads a clock or knows a time zone.

use crate::model::{WindowId, WindowSize, WindowStart};

/// The last millisecond of the year 9999.
pub const LAST_MS: u64 = 253_402_300_799_999;

pub(crate) const MS_PER_MINUTE: u64 = 60_000;
/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = MINUTES_PER_DAY as u64 * MS_PER_MINUTE;
const MINUTES_PER_DAY: u32 = 1_440;

/// Why a text cannot be read as a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeError {
    /// It is not an RFC 3339 date-time, or names a day or hour that does not exist.
    Malformed,
    /// In UTC it lies outside the years 1970 to 9999.
    OutOfRange,
}

/// Parses an RFC 3339 date-time to milliseconds since 1970-01-01T00:00Z.
///
/// Any offset up to 23:59 and any length of fraction (cut to milliseconds); `t`, `z` and a space for `T` as
/// the RFC allows. A leap second `:60` counts as `:59`, because windows are whole minutes of 60 seconds.
///
/// # Errors
/// [`TimeError`]; never panics, whatever the text.
pub fn parse_rfc3339(text: &str) -> Result<u64, TimeError> {
    let local = parse_local(text.as_bytes()).ok_or(TimeError::Malformed)?;
    u64::try_from(local).ok().filter(|ms| *ms <= LAST_MS).ok_or(TimeError::OutOfRange)
}

/// Milliseconds in UTC, possibly outside the years we keep; `None` where the text is malformed.
fn parse_local(text: &[u8]) -> Option<i64> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let shape = [head[4], head[7], head[13], head[16]];
    if shape != *b"--::" || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = two_digits(head[0], head[1])? * 100 + two_digits(head[2], head[3])?;
    let month = two_digits(head[5], head[6])?;
    let day = two_digits(head[8], head[9])?;
    let hour = two_digits(head[11], head[12])?;
    let minute = two_digits(head[14], head[15])?;
    let second = two_digits(head[17], head[18])?;
    if !is_date(year, month, day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_ms, offset) = split_fraction(rest)?;
    let offset_minutes = parse_offset(offset)?;
    let minutes = i64::from(days_from_civil(year, month, day)) * 1_440 + i64::from(hour * 60 + minute)
        - i64::from(offset_minutes);
    Some((minutes * 60 + i64::from(second.min(59))) * 1_000 + i64::from(fraction_ms))
}

/// Reads `.` and digits if they are there: milliseconds, and what follows.
fn split_fraction(rest: &[u8]) -> Option<(u32, &[u8])> {
    let Some(after_dot) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let digits = after_dot.iter().take_while(|b| b.is_ascii_digit()).count();
    let (fraction, offset) = after_dot.split_at(digits);
    if fraction.is_empty() {
        return None;
    }
    let place = |index: usize| fraction.get(index).map_or(0, |digit| u32::from(digit - b'0'));
    Some((place(0) * 100 + place(1) * 10 + place(2), offset))
}

/// Reads `Z` or `±hh:mm`: minutes that local time is ahead of UTC.
fn parse_offset(text: &[u8]) -> Option<i32> {
    match *text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let ahead = (hours * 60 + minutes).cast_signed();
            Some(if sign == b'-' { -ahead } else { ahead })
        }
        _ => None,
    }
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

/// Whether the Gregorian calendar has this day.
pub(crate) fn is_date(year: u32, month: u32, day: u32) -> bool {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Days from 0000-03-01 to 1970-01-01, the origin of a year that begins in March: its leap day comes last, so
/// that the months before it have fixed places.
const EPOCH_FROM_MARCH_0: u32 = 719_468;
/// Days in 400 Gregorian years.
const DAYS_PER_ERA: u32 = 146_097;

/// Days since 1970-01-01 of a valid date, negative before it.
pub(crate) fn days_from_civil(year: u32, month: u32, day: u32) -> i32 {
    // One era is added, so that January and February of year 0 stay above zero.
    let march_year = year + 400 - u32::from(month < 3);
    let march_month = (month + 9) % 12;
    let days = march_year * 365 + march_year / 4 - march_year / 100
        + march_year / 400
        + (153 * march_month + 2) / 5
        + (day - 1);
    days.cast_signed() - (DAYS_PER_ERA + EPOCH_FROM_MARCH_0).cast_signed()
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil_from_days(days: u32) -> (u32, u32, u32) {
    let days = days + EPOCH_FROM_MARCH_0;
    let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (DAYS_PER_ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u32::from(month < 3), month, day)
}

/// The minute that holds this instant (milliseconds since 1970, at most [`LAST_MS`]).
#[must_use]
pub fn minute_of(ms: u64) -> WindowStart {
    WindowStart(u32::try_from(ms / MS_PER_MINUTE).expect("the years to 9999 have fewer than 2^32 minutes"))
}

/// The first millisecond of a window.
#[must_use]
pub fn start_ms(start: WindowStart) -> u64 {
    u64::from(start.0) * MS_PER_MINUTE
}

/// An instant to the second, `2025-12-28T18:03:07Z`; milliseconds are cut.
#[must_use]
pub fn format_rfc3339(ms: u64) -> String {
    let minute = minute_of(ms).0;
    let (year, month, day) = civil_from_days(minute / MINUTES_PER_DAY);
    let of_day = minute % MINUTES_PER_DAY;
    let second = ms / 1_000 % 60;
    // Each window of an answer has one: made by format! they took a fifteenth of the time of a large answer.
    let mut text = String::with_capacity(20);
    let pairs = [
        (year / 100, ""),
        (year % 100, "-"),
        (month, "-"),
        (day, "T"),
        (of_day / 60, ":"),
        (of_day % 60, ":"),
    ];
    for (pair, behind) in pairs.into_iter().chain([(second as u32, "Z")]) {
        text.extend([pair / 10, pair % 10].map(|digit| char::from(b'0' + digit as u8)));
        text.push_str(behind);
    }
    text
}

/// An instant to the millisecond, `2025-12-28T18:03:07.250Z`.
#[must_use]
pub fn format_instant(ms: u64) -> String {
    let seconds = format_rfc3339(ms);
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), ms % 1_000)
}

/// An instant to the second, or to the millisecond if it has any.
#[must_use]
pub fn format_short_instant(ms: u64) -> String {
    if ms.is_multiple_of(1_000) { format_rfc3339(ms) } else { format_instant(ms) }
}

/// An instant as HTTP headers carry it (IMF-fixdate of RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
#[must_use]
pub fn format_http_date(ms: u64) -> String {
    // 1970-01-01 was a Thursday.
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let minute = minute_of(ms).0;
    let (days, of_day) = (minute / MINUTES_PER_DAY, minute % MINUTES_PER_DAY);
    let (year, month, day) = civil_from_days(days);
    let (weekday, month) = (DAYS[days as usize % 7], MONTHS[month as usize - 1]);
    let (hour, minute, second) = (of_day / 60, of_day % 60, ms / 1_000 % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// The start of a window as it stands in window files, `2025-12-28T18:03:00Z`.
#[must_use]
pub fn format_start(start: WindowStart) -> String {
    format_rfc3339(start_ms(start))
}

/// The name of a window: `20251228T1803Z` a minute, `20251228T18Z` an hour, `20251228Z` a day.
#[must_use]
pub fn format_stamp(window: WindowId) -> String {
    assert_eq!(window.start, window.start.floor(window.size), "a window starts at a multiple of its length");
    let (year, month, day) = civil_from_days(window.start.0 / MINUTES_PER_DAY);
    let of_day = window.start.0 % MINUTES_PER_DAY;
    let (hour, minute) = (of_day / 60, of_day % 60);
    match window.size {
        WindowSize::Minute => format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}Z"),
        WindowSize::Hour => format!("{year:04}{month:02}{day:02}T{hour:02}Z"),
        WindowSize::Day => format!("{year:04}{month:02}{day:02}Z"),
    }
}

/// The window with this stamp; `None` for any text that [`format_stamp`] does not write.
#[must_use]
pub fn parse_stamp(stamp: &str) -> Option<WindowId> {
    let (date, rest) = stamp.as_bytes().split_first_chunk::<8>()?;
    let year = two_digits(date[0], date[1])? * 100 + two_digits(date[2], date[3])?;
    let (month, day) = (two_digits(date[4], date[5])?, two_digits(date[6], date[7])?);
    let (size, hour, minute) = match *rest {
        [b'Z'] => (WindowSize::Day, 0, 0),
        [b'T', h1, h2, b'Z'] => (WindowSize::Hour, two_digits(h1, h2)?, 0),
        [b'T', h1, h2, m1, m2, b'Z'] => (WindowSize::Minute, two_digits(h1, h2)?, two_digits(m1, m2)?),
        _ => return None,
    };
    if year < 1970 || !is_date(year, month, day) || hour > 23 || minute > 59 {
        return None;
    }
    let days = u32::try_from(days_from_civil(year, month, day)).ok()?;
    Some(WindowId { size, start: WindowStart(days * MINUTES_PER_DAY + hour * 60 + minute) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: u64 = 1_766_944_980_000; // 2025-12-28T18:03:00Z

    #[test]
    fn every_form_of_the_rfc_is_read() {
        for (text, ms) in [
            ("2025-12-28T18:03:00Z", AT),
            ("2025-12-28t18:03:00z", AT),
            ("2025-12-28 18:03:00Z", AT),
            ("2025-12-28T18:03:00.1Z", AT + 100),
            ("2025-12-28T18:03:00.12Z", AT + 120),
            ("2025-12-28T18:03:00.123456789012345678901234567890Z", AT + 123),
            ("2025-12-28T18:03:00.9999Z", AT + 999),
            ("2025-12-28T19:33:00+01:30", AT),
            ("2025-12-27T18:04:00-23:59", AT),
            ("2025-12-28T18:03:00-00:00", AT),
            ("2025-12-28T18:03:60.25Z", AT + 59_250),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:30:00-00:30", 0),
            ("9999-12-31T23:59:59.999Z", LAST_MS),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
        ] {
            assert_eq!(parse_rfc3339(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "",
            "2025-12-28",
            "2025-12-28T18:03Z",
            "2025-12-28T18:03:00",
            "2025-12-28T18:03:00.Z",
            "2025-12-28T18:03:00,1Z",
            "2025-12-28T18:03:00+0100",
            "2025-12-28T18:03:00+24:00",
            "2025-12-28T18:03:00+01:60",
            "2025-12-28T18:03:00+1:00",
            "2025-12-28T24:00:00Z",
            "2025-12-28T18:60:00Z",
            "2025-12-28T18:03:61Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-04-31T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2025-12-00T00:00:00Z",
            " 2025-12-28T18:03:00Z",
            "2025-12-28T18:03:00Z ",
            "2025-12-28T18:03:00ZZ",
            "+025-12-28T18:03:00Z",
            "2025-12-28T18:03:00\u{2212}01:00",
            "２025-12-28T18:03:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), Err(TimeError::Malformed), "{text}");
        }
        for text in [
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+23:59",
        ] {
            assert_eq!(parse_rfc3339(text), Err(TimeError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn stamps_are_canonical_and_read_back() {
        let minute = minute_of(AT);
        for (size, stamp) in [
            (WindowSize::Minute, "20251228T1803Z"),
            (WindowSize::Hour, "20251228T18Z"),
            (WindowSize::Day, "20251228Z"),
        ] {
            let window = WindowId { size, start: minute.floor(size) };
            assert_eq!(format_stamp(window), stamp);
            assert_eq!(parse_stamp(stamp), Some(window));
        }
        assert_eq!(format_start(minute), "2025-12-28T18:03:00Z");
        assert_eq!(format_rfc3339(LAST_MS), "9999-12-31T23:59:59Z");
        for bad in
            ["", "Z", "20251228", "20251328Z", "20251228T24Z", "20251228T1860Z", "19691231Z", "20251228T180Z"]
        {
            assert_eq!(parse_stamp(bad), None, "{bad}");
        }
    }

    #[test]
    fn http_dates_are_those_of_the_calendar() {
        assert_eq!(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(format_http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(format_http_date(951_782_400_000), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(format_http_date(1_766_944_999_999), "Sun, 28 Dec 2025 18:03:19 GMT");
        assert_eq!(format_http_date(4_107_542_400_000), "Mon, 01 Mar 2100 00:00:00 GMT");
    }

    #[test]
    fn every_day_up_to_9999_goes_there_and_back() {
        for days in 0..=2_932_896 {
            let (year, month, day) = civil_from_days(days);
            assert!(is_date(year, month, day));
            assert_eq!(days_from_civil(year, month, day), days.cast_signed());
        }
        assert_eq!(civil_from_days(2_932_896), (9999, 12, 31));
    }
}
