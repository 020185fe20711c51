//! Sizes and times as people write them: `2MiB`, `30s`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes: `1048576`, `1024KiB`, `1MiB`, `2GiB`; the decimal `KB`, `MB`, `GB` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// As a size in memory.
    pub fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text)?;
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kib" | "k" => 1 << 10,
            "mib" | "m" => 1 << 20,
            "gib" | "g" => 1 << 30,
            "tib" | "t" => 1 << 40,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(format!("{unit:?} is no unit of bytes: use KiB, MiB or GiB")),
        };
        number.checked_mul(factor).map(Bytes).ok_or_else(|| "too many bytes".to_owned())
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            n if n % (1 << 30) == 0 => write!(f, "{}GiB", n >> 30),
            n if n % (1 << 20) == 0 => write!(f, "{}MiB", n >> 20),
            n if n % (1 << 10) == 0 => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}"),
        }
    }
}

/// A length of time: `500ms`, `10s`, `5m`, `24h`, `7d`; a bare number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

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
        let ms_per_unit: u64 = match unit {
            "ms" => 1,
            "" | "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(format!("{unit:?} is no unit of time: use ms, s, m, h or d")),
        };
        let ms = number.checked_mul(ms_per_unit).ok_or("too long a time")?;
        Ok(Span(Duration::from_millis(ms)))
    }
}

fn split_unit(text: &str) -> Result<(u64, &str), String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse().map_err(|_| format!("{text:?} does not begin with a number"))?;
    Ok((number, unit.trim()))
}

/// For how many days windows are kept: one number for all sizes, or three for minute, hour and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainDays(pub [u32; 3]);

impl FromStr for RetainDays {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days: Result<Vec<u32>, _> = text.split(',').map(|part| part.trim().parse()).collect();
        match days.as_deref() {
            Ok([all]) => Ok(Self([*all; 3])),
            Ok([minute, hour, day]) => Ok(Self([*minute, *hour, *day])),
            _ => Err(format!("{text:?} is neither DAYS nor MINUTE,HOUR,DAY")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_with_and_without_units() {
        for (text, bytes) in [("7", 7), ("2KiB", 2048), ("3 MiB", 3 << 20), ("1GiB", 1 << 30), ("5kb", 5000)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for (text, ms) in [("250ms", 250), ("3", 3_000), ("2s", 2_000), ("5m", 300_000), ("7d", 604_800_000)]
        {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(ms))), "{text}");
        }
        for text in ["", "x", "-1", "1.5s", "99999999999999999999", "99999999999999TiB", "1y"] {
            assert!(text.parse::<Bytes>().is_err() && text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!("30".parse(), Ok(RetainDays([30; 3])));
        assert_eq!("7,90,0".parse(), Ok(RetainDays([7, 90, 0])));
        assert!("7,90".parse::<RetainDays>().is_err());
    }
}
