//! Sizes and times as people write them: `2MiB`, `30s`, `7d`.
//!
//! Input: the text of a flag or a variable. Output: a number in one unit. Never: accepts a number without its unit:
//! `7` could be seconds or days.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes: `512B`, `64KiB`, `2MiB`, `1GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// As a size in memory, in the type of this machine.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text)?;
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "b" => 1,
            "kib" | "k" => 1 << 10,
            "mib" | "m" => 1 << 20,
            "gib" | "g" => 1 << 30,
            "tib" | "t" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            "tb" => 1_000_000_000_000,
            "" => {
                return Err(format!(
                    "a size needs a unit: {number}B, {number}KiB, {number}MiB or {number}GiB"
                ));
            }
            _ => return Err(format!("{unit:?} is not a unit of size: use B, KiB, MiB or GiB")),
        };
        number.checked_mul(factor).map(Bytes).ok_or_else(|| "too many bytes".to_owned())
    }
}

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n > 0 && n % (1 << 30) == 0 => write!(f, "{}GiB", n >> 30),
            n if n > 0 && n % (1 << 20) == 0 => write!(f, "{}MiB", n >> 20),
            n if n > 0 && n % (1 << 10) == 0 => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
        }
    }
}

/// A length of time: `500ms`, `10s`, `5m`, `24h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Units of time and their milliseconds, the largest first.
const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// In milliseconds.
    pub fn ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text)?;
        if unit.is_empty() {
            return Err(format!("a time needs a unit: {number}s, {number}m, {number}h or {number}d"));
        }
        let known = TIME_UNITS.iter().find(|(name, _)| *name == unit);
        let (_, factor) =
            known.ok_or_else(|| format!("{unit:?} is not a unit of time: use ms, s, m, h or d"))?;
        let ms = number.checked_mul(*factor).ok_or("too long a time")?;
        Ok(Span(Duration::from_millis(ms)))
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.ms();
        let whole = TIME_UNITS.iter().find(|(_, factor)| ms > 0 && ms.is_multiple_of(*factor));
        let (unit, factor) = whole.unwrap_or(&("ms", 1));
        write!(f, "{}{unit}", ms / factor)
    }
}

fn split_unit(text: &str) -> Result<(u64, &str), String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse().map_err(|_| format!("{text:?} does not begin with a whole number"))?;
    Ok((number, unit.trim()))
}

/// For how many days windows are kept: one number for all sizes, or three for minute, hour and day; 0 for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainDays(pub [u32; 3]);

impl FromStr for RetainDays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days: Result<Vec<u32>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        match days.as_deref() {
            Ok([all]) => Ok(Self([*all; 3])),
            Ok([minute, hour, day]) => Ok(Self([*minute, *hour, *day])),
            _ => Err("must be days without a unit: one number, or three for minute, hour and day: 30,400,0"
                .to_owned()),
        }
    }
}

/// Reads a value and refuses it outside of a range; for clap's `value_parser`.
pub(crate) fn within<T>(least: T, most: T) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr<Err: Display> + PartialOrd + Display + Clone,
{
    move |text| {
        let value: T = text.parse().map_err(|error: T::Err| error.to_string())?;
        if value < least || value > most {
            return Err(format!("must be between {least} and {most}"));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_with_their_unit_and_written_as_they_are_read() {
        for (text, bytes) in [("7B", 7), ("2KiB", 2048), ("3 MiB", 3 << 20), ("1GiB", 1 << 30), ("5kb", 5000)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
            assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)), "{text}");
        }
        for (text, ms) in [("0s", 0), ("250ms", 250), ("2s", 2_000), ("5m", 300_000), ("7d", 604_800_000)] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(ms))), "{text}");
            assert_eq!(Span(Duration::from_millis(ms)).to_string().parse(), text.parse::<Span>(), "{text}");
        }
        for text in ["", "x", "-1", "1.5s", "99999999999999999999", "99999999999999TiB", "1y"] {
            assert!(text.parse::<Bytes>().is_err() && text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!("30".parse(), Ok(RetainDays([30; 3])));
        assert_eq!("7,90,0".parse(), Ok(RetainDays([7, 90, 0])));
        assert!("7,90".parse::<RetainDays>().is_err() && "7d".parse::<RetainDays>().is_err());
    }

    #[test]
    fn a_bare_number_is_refused_with_what_to_write() {
        assert_eq!("7".parse::<Span>().unwrap_err(), "a time needs a unit: 7s, 7m, 7h or 7d");
        assert_eq!("64".parse::<Bytes>().unwrap_err(), "a size needs a unit: 64B, 64KiB, 64MiB or 64GiB");
    }

    #[test]
    fn values_outside_of_their_range_are_refused_with_the_range() {
        let read = within(Bytes(1), Bytes(64 << 20));
        assert_eq!(read("64MiB"), Ok(Bytes(64 << 20)));
        assert_eq!(read("65MiB").unwrap_err(), "must be between 1B and 64MiB");
        assert!(within(1_usize, 9)("many").is_err() && within(1_usize, 9)("0").is_err());
    }
}
