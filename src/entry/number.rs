//! Numbers as logs write them: counts, decimals with an exponent, durations with a unit.
//!
//! Input: a text. Output: whole numbers, exact (no floating point), rounded half up. Never: a panic, whatever the text.

use super::field::Unit;

/// A decimal number that is not negative: `digits` × 10^`exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decimal {
    digits: u64,
    exponent: i32,
}

/// Digits that fit a `u64` whatever they are; those behind them are cut.
const MAX_DIGITS: u32 = 18;

/// Reads `12`, `1.25`, `.5`, `+3`, `1.2e-05` at the start of a text; returns what follows it.
fn decimal(text: &[u8]) -> Option<(Decimal, &[u8])> {
    let mut rest = text.strip_prefix(b"+").unwrap_or(text);
    let (mut digits, mut count, mut exponent) = (0_u64, 0_u32, 0_i32);
    let (mut is_behind_point, mut any) = (false, false);
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                any = true;
                if count < MAX_DIGITS {
                    digits = digits * 10 + u64::from(byte - b'0');
                    count += u32::from(digits > 0);
                    exponent -= i32::from(is_behind_point);
                } else {
                    exponent = exponent.saturating_add(i32::from(!is_behind_point));
                }
            }
            b'.' if !is_behind_point => is_behind_point = true,
            _ => break,
        }
        rest = after;
    }
    if !any {
        return None;
    }
    if let Some((power, after)) = power_of_ten(rest) {
        exponent = exponent.saturating_add(power);
        rest = after;
    }
    Some((Decimal { digits, exponent }, rest))
}

/// Reads `e-05`.
fn power_of_ten(text: &[u8]) -> Option<(i32, &[u8])> {
    let rest = text.strip_prefix(b"e").or_else(|| text.strip_prefix(b"E"))?;
    let (is_negative, digits) = match rest.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, rest),
    };
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let power = digits[..count]
        .iter()
        .fold(0_i32, |power, digit| power.saturating_mul(10).saturating_add(i32::from(digit - b'0')));
    Some((if is_negative { -power } else { power }, &digits[count..]))
}

impl Decimal {
    /// The number times 10^`power`, rounded half up; `None` where that is too large.
    fn scaled(self, power: i32) -> Option<u64> {
        let exponent = self.exponent.saturating_add(power);
        if exponent >= 0 {
            let exponent = exponent.unsigned_abs();
            if self.digits == 0 {
                return Some(0);
            }
            return 10_u64.checked_pow(exponent).and_then(|factor| self.digits.checked_mul(factor));
        }
        match 10_u64.checked_pow(exponent.unsigned_abs()) {
            Some(divisor) => Some(self.digits / divisor + u64::from(self.digits % divisor >= divisor / 2)),
            None => Some(0),
        }
    }
}

/// A count: digits alone, perhaps with `+` before them (`HAProxy`) or `.0` behind them.
pub(super) fn count(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    if let Some(number) = digits(text) {
        return Some(number);
    }
    let (number, rest) = decimal(text)?;
    let whole = number.scaled(0)?;
    let is_whole = rest.is_empty() && number.scaled(3)? == whole.checked_mul(1_000)?;
    is_whole.then_some(whole)
}

/// Digits and nothing else, the commonest form of all.
fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > MAX_DIGITS as usize {
        return None;
    }
    text.iter()
        .try_fold(0_u64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
}

/// A status: 0 to 999.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    count(text).and_then(|number| u16::try_from(number).ok()).filter(|status| *status <= 999)
}

fn nano_power(unit: Unit) -> i32 {
    match unit {
        Unit::Seconds => 9,
        Unit::Millis => 6,
        Unit::Micros => 3,
        Unit::Nanos => 0,
    }
}

/// A duration in whole nanoseconds: a number in `unit`, or one that names its own (`12ms`, `1m30.5s`).
pub(super) fn nanos(text: &[u8], unit: Unit) -> Option<u64> {
    let text = text.trim_ascii();
    let (number, rest) = decimal(text)?;
    if rest.is_empty() {
        return number.scaled(nano_power(unit));
    }
    with_units(text)
}

/// A duration in whole microseconds, half up.
pub(super) fn micros(text: &[u8], unit: Unit) -> Option<u64> {
    nanos(text, unit).map(half_up_micros)
}

/// Nanoseconds as whole microseconds.
pub(super) fn half_up_micros(nanos: u64) -> u64 {
    nanos / 1_000 + u64::from(nanos % 1_000 >= 500)
}

/// Seconds in units that are not a power of ten of a second.
const LONG_UNITS: [(&[u8], u64); 2] = [(b"h", 3_600), (b"m", 60)];
const SHORT_UNITS: [(&[u8], Unit); 6] = [
    (b"ns", Unit::Nanos),
    (b"us", Unit::Micros),
    ("µs".as_bytes(), Unit::Micros),
    ("μs".as_bytes(), Unit::Micros),
    (b"ms", Unit::Millis),
    (b"s", Unit::Seconds),
];

/// As Go writes durations: numbers, each with its unit.
fn with_units(text: &[u8]) -> Option<u64> {
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, behind) = decimal(rest)?;
        let behind = behind.trim_ascii_start();
        let short = SHORT_UNITS.iter().find(|(name, _)| behind.starts_with(name));
        let (nanos, name) = if let Some((name, unit)) = short {
            (number.scaled(nano_power(*unit))?, *name)
        } else {
            let (name, seconds) = LONG_UNITS.iter().find(|(name, _)| behind.starts_with(name))?;
            (number.scaled(9)?.checked_mul(*seconds)?, *name)
        };
        sum = sum.checked_add(nanos)?;
        rest = &behind[name.len()..];
    }
    Some(sum)
}

/// A Unix time in microseconds; seconds, milliseconds, microseconds or nanoseconds by its size.
pub(super) fn unix_micros(text: &[u8]) -> Option<u64> {
    let (number, rest) = decimal(text.trim_ascii())?;
    if !rest.is_empty() {
        return None;
    }
    let whole = number.scaled(0)?;
    let power = match whole {
        0..100_000_000_000 => 6,
        100_000_000_000..100_000_000_000_000 => 3,
        100_000_000_000_000..100_000_000_000_000_000 => 0,
        _ => -3,
    };
    // Times are cut, not rounded: a request belongs to the second that its log shows.
    Some(number.cut(power))
}

impl Decimal {
    /// The number times 10^`power`, cut to whole ones.
    fn cut(self, power: i32) -> u64 {
        let exponent = self.exponent.saturating_add(power);
        let factor = 10_u64.checked_pow(exponent.unsigned_abs());
        if exponent >= 0 {
            factor.map_or(u64::MAX, |factor| self.digits.saturating_mul(factor))
        } else {
            factor.map_or(0, |divisor| self.digits / divisor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact_in_every_unit_and_rounded_half_up() {
        for (text, unit, want) in [
            ("0.011", Unit::Seconds, Some(11_000)),
            ("10.000", Unit::Seconds, Some(10_000_000)),
            ("0.0000215", Unit::Seconds, Some(22)),
            ("2.1323e-05", Unit::Seconds, Some(21)),
            ("41873", Unit::Micros, Some(41_873)),
            ("10001425284", Unit::Nanos, Some(10_001_425)),
            ("500", Unit::Nanos, Some(1)),
            ("499", Unit::Nanos, Some(0)),
            ("1.221486ms", Unit::Seconds, Some(1_221)),
            ("850µs", Unit::Seconds, Some(850)),
            ("2.5s", Unit::Millis, Some(2_500_000)),
            ("1h2m3.5s", Unit::Millis, Some(3_723_500_000)),
            ("1m30s", Unit::Nanos, Some(90_000_000)),
            ("+164", Unit::Millis, Some(164_000)),
            ("-1", Unit::Seconds, None),
            ("-", Unit::Seconds, None),
            ("", Unit::Seconds, None),
            ("1x", Unit::Seconds, None),
            (".", Unit::Seconds, None),
            ("1e400", Unit::Seconds, None),
            ("99999999999999999999999", Unit::Seconds, None),
        ] {
            assert_eq!(micros(text.as_bytes(), unit), want, "{text} {unit:?}");
        }
    }

    #[test]
    fn counts_are_digits_and_nothing_else() {
        for (text, want) in [
            ("0", Some(0)),
            ("5120", Some(5_120)),
            ("+741", Some(741)),
            ("12.0", Some(12)),
            ("12.5", None),
            ("-1", None),
            ("1x", None),
            ("", None),
            ("18446744073709551616", None),
        ] {
            assert_eq!(count(text.as_bytes()), want, "{text}");
        }
        assert_eq!((status(b"999"), status(b"1000"), status(b"000")), (Some(999), None, Some(0)));
    }

    #[test]
    fn unix_times_tell_their_unit_by_their_size() {
        for (text, want) in [
            ("1717236000.1234562", 1_717_236_000_123_456),
            ("1717236000", 1_717_236_000_000_000),
            ("1717236004123.456", 1_717_236_004_123_456),
            ("1717236004123456", 1_717_236_004_123_456),
            ("1709164801250000000", 1_709_164_801_250_000),
            ("1.717236e+09", 1_717_236_000_000_000),
        ] {
            assert_eq!(unix_micros(text.as_bytes()), Some(want), "{text}");
        }
        assert_eq!(unix_micros(b"soon"), None);
    }
}
