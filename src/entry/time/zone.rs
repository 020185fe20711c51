//! Time zones: what makes an instant of a time that a log writes without offset.
//!
//! Input: a name of the IANA database or an offset, and local times. Output: instants. The database is built in (jiff), so
//! that the same log gives the same entries on every machine. Never: the machine's own zone or files.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::offset::numeric;
use super::{MICROS_PER_SECOND, Moment};

const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;

/// A time zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    name: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    /// Always this many seconds ahead of UTC.
    Offset(i32),
    Named(TimeZone),
}

impl Zone {
    /// What it was parsed from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A text that names no zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownZone(String);

impl fmt::Display for UnknownZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a time zone: give a name such as Europe/Berlin, UTC, or an offset such as +02:00",
            self.0
        )
    }
}

impl std::error::Error for UnknownZone {}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        let name = text.trim();
        let rule = match numeric(name.as_bytes(), 0) {
            (Some(seconds), end) if end == name.len() => Rule::Offset(seconds),
            _ => {
                let zone = TimeZoneDatabase::bundled().get(name);
                Rule::Named(zone.map_err(|_| UnknownZone(text.to_owned()))?)
            }
        };
        Ok(Self { name: name.to_owned(), rule })
    }
}

/// Turns local times into instants; remembers the last minute, because lines of a log are nearly in order.
#[derive(Clone, Debug)]
pub(in crate::entry) struct LocalTimes {
    zone: Option<Zone>,
    /// A local minute and its offset in microseconds.
    last: Option<(i64, i64)>,
}

/// Why a time is not an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::entry) enum NoInstant {
    /// It has no offset, and no zone was given.
    NoZone,
    /// It lies outside the years 1970 to 9999.
    OutOfRange,
}

/// The last microsecond of the year 9999.
const LAST_MICROS: i64 = 253_402_300_799_999_999;

impl LocalTimes {
    pub(in crate::entry) fn new(zone: Option<Zone>) -> Self {
        Self { zone, last: None }
    }

    /// Microseconds since 1970. `is_utc`: the format's times are UTC where they have no offset.
    pub(in crate::entry) fn instant(&mut self, moment: Moment, is_utc: bool) -> Result<u64, NoInstant> {
        let local = moment.local_micros;
        let ahead = match (moment.offset, is_utc) {
            (Some(seconds), _) => i64::from(seconds) * MICROS_PER_SECOND,
            (None, true) => 0,
            (None, false) => self.ahead(local)?,
        };
        let micros = local - ahead;
        u64::try_from(micros).ok().filter(|_| micros <= LAST_MICROS).ok_or(NoInstant::OutOfRange)
    }

    /// Microseconds that the zone is ahead of UTC at a local time. Of the two hours of a clock set back the first counts;
    /// a time that the clock jumps over counts as if it had not jumped yet.
    fn ahead(&mut self, local: i64) -> Result<i64, NoInstant> {
        let zone = match &self.zone {
            None => return Err(NoInstant::NoZone),
            Some(Zone { rule: Rule::Offset(seconds), .. }) => {
                return Ok(i64::from(*seconds) * MICROS_PER_SECOND);
            }
            Some(Zone { rule: Rule::Named(zone), .. }) => zone,
        };
        let minute = local.div_euclid(MICROS_PER_MINUTE);
        if let Some((last, ahead)) = self.last
            && last == minute
        {
            return Ok(ahead);
        }
        let start = minute * MICROS_PER_MINUTE;
        let instant = civil(start)
            .and_then(|local| zone.to_ambiguous_timestamp(local).compatible().ok())
            .ok_or(NoInstant::OutOfRange)?;
        let ahead = start - instant.as_microsecond();
        self.last = Some((minute, ahead));
        Ok(ahead)
    }
}

fn civil(local_micros: i64) -> Option<DateTime> {
    let timestamp = jiff::Timestamp::from_microsecond(local_micros).ok()?;
    Some(TimeZone::UTC.to_datetime(timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::time::whole;
    use crate::time::{format_rfc3339, parse_rfc3339};

    fn instant(times: &mut LocalTimes, text: &str) -> Result<String, NoInstant> {
        times.instant(whole(text.as_bytes()).unwrap(), false).map(|micros| format_rfc3339(micros / 1_000))
    }

    #[test]
    fn local_times_follow_the_rules_of_their_zone() {
        let mut times = LocalTimes::new(Some("Europe/Berlin".parse().unwrap()));
        for (text, want) in [
            ("2023-12-28 18:03:07", "2023-12-28T17:03:07Z"),
            ("2023-06-28 18:03:07", "2023-06-28T16:03:07Z"),
            ("2023-10-29 01:59:59", "2023-10-28T23:59:59Z"),
            ("2023-10-29 02:30:00", "2023-10-29T00:30:00Z"),
            ("2023-10-29 03:00:00", "2023-10-29T02:00:00Z"),
            ("2023-03-26 02:30:00", "2023-03-26T01:30:00Z"),
            ("2023-12-28 18:03:07 +0000", "2023-12-28T18:03:07Z"),
        ] {
            assert_eq!(instant(&mut times, text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn zones_are_names_or_offsets() {
        let text = "2023-06-28 18:03:07";
        for (zone, want) in [
            ("UTC", "2023-06-28T18:03:07Z"),
            ("+05:30", "2023-06-28T12:33:07Z"),
            ("-0330", "2023-06-28T21:33:07Z"),
            ("America/New_York", "2023-06-28T22:03:07Z"),
            ("Asia/Kathmandu", "2023-06-28T12:18:07Z"),
        ] {
            let mut times = LocalTimes::new(Some(zone.parse().unwrap()));
            assert_eq!(instant(&mut times, text).as_deref(), Ok(want), "{zone}");
        }
        let unknown = "Mars/Olympus".parse::<Zone>().unwrap_err().to_string();
        assert!(unknown.contains("Mars/Olympus") && unknown.contains("Europe/Berlin"), "{unknown}");
        assert_eq!(instant(&mut LocalTimes::new(None), text), Err(NoInstant::NoZone));
    }

    #[test]
    fn only_the_years_from_1970_to_9999_are_instants() {
        let mut times = LocalTimes::new(Some("+01:00".parse().unwrap()));
        assert_eq!(instant(&mut times, "1970-01-01 00:30:00"), Err(NoInstant::OutOfRange));
        assert_eq!(instant(&mut times, "0001-01-01 00:30:00"), Err(NoInstant::OutOfRange));
        let last = instant(&mut times, "9999-12-31 23:59:59").unwrap();
        assert_eq!(parse_rfc3339(&last), parse_rfc3339("9999-12-31T22:59:59Z"));
    }
}
