//! Decimal numbers as JSON writes them, read without floating point.
//!
//! Input: the text of a number, of any length, or whole units with a known number of decimals. Output: whole numbers,
//! microseconds, Unix times. Never: an answer that depends on how the number was written (`1500`, `1.5e3`).

/// Decimals that are kept. What is read from a number needs at most eight places (a duration's half microsecond).
const DECIMALS: usize = 9;
/// 10^[`DECIMALS`].
const ONE: u128 = ONE_U64 as u128;
const ONE_U64: u64 = 1_000_000_000;
/// More digits than this, decimals included, are larger than every limit: a time in nanoseconds has 21 before the point.
const MAX_DIGITS: i64 = 36;

/// A number, exact as far as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// Below zero, and so outside the range of every field.
    is_negative: bool,
    /// The magnitude in billionths, cut; `u128::MAX` for what is larger than every limit.
    billionths: u128,
    /// Whether no digit was cut.
    is_exact: bool,
}

impl Number {
    /// Reads `-`, digits, a point and digits, an exponent, as JSON has them; leading zeros are allowed. `None` for
    /// anything else.
    pub fn parse(text: &str) -> Option<Number> {
        let (is_negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !fraction.is_none_or(are_digits) {
            return None;
        }
        let (billionths, is_exact) = shifted(whole, fraction.unwrap_or_default(), exponent);
        Some(Number { is_negative: is_negative && (billionths > 0 || !is_exact), billionths, is_exact })
    }

    /// `units` × 10^-`decimals`, with at most nine decimals.
    #[inline(always)]
    pub fn from_units(units: u64, decimals: u32) -> Number {
        assert!(decimals as usize <= DECIMALS, "at most nine decimals are kept");
        const POWERS: [u32; DECIMALS + 1] =
            [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
        let billionths = u128::from(units) * u128::from(POWERS[decimals as usize]);
        Number { is_negative: false, billionths, is_exact: true }
    }

    /// The value, if it is a whole number of at most `max`.
    #[inline(always)]
    pub(super) fn integer(self, max: u64) -> Option<u64> {
        let value = u64::try_from(divided::<ONE_U64>(self.billionths)).ok()?;
        let is_whole = self.is_exact && u128::from(value) * ONE == self.billionths;
        (is_whole && !self.is_negative && value <= max).then_some(value)
    }

    /// Seconds as whole microseconds, half up, if they are at most `max_seconds`.
    #[inline(always)]
    pub(super) fn micros(self, max_seconds: u64) -> Option<u64> {
        let max = u128::from(max_seconds) * ONE;
        let is_within = self.billionths < max || self.billionths == max && self.is_exact;
        if self.is_negative || !is_within {
            return None;
        }
        u64::try_from(divided::<1_000>(self.billionths + 500)).ok()
    }

    /// A Unix time in seconds, milliseconds, microseconds or nanoseconds, told apart by its size, as milliseconds, cut.
    /// `None` before 1970, and for what does not fit.
    #[inline(always)]
    pub(super) fn unix_ms(self) -> Option<u64> {
        const MILLIS_FROM: u128 = 100_000_000_000 * ONE;
        const MICROS_FROM: u128 = MILLIS_FROM * 1_000;
        const NANOS_FROM: u128 = MICROS_FROM * 1_000;
        if self.is_negative {
            return None;
        }
        let ms = match self.billionths {
            seconds if seconds < MILLIS_FROM => divided::<1_000_000>(seconds),
            millis if millis < MICROS_FROM => millis / ONE,
            micros if micros < NANOS_FROM => micros / (ONE * 1_000),
            nanos => nanos / (ONE * 1_000_000),
        };
        u64::try_from(ms).ok()
    }
}

/// Divides, cut. Most numbers fit into 64 bits, whose division by a constant is a multiplication.
#[inline(always)]
fn divided<const BY: u64>(number: u128) -> u128 {
    match u64::try_from(number) {
        Ok(number) => u128::from(number / BY),
        Err(_) => number / u128::from(BY),
    }
}

/// The digits behind `e`; what is out of all bounds stays so.
fn parse_exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |value: i64, digit: &u8| value.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    // Half of the range leaves room to add the length of any text.
    Some(sign * digits.iter().fold(0, add).min(i64::MAX / 2))
}

/// `whole.fraction` × 10^`exponent` in billionths, cut, and whether nothing was cut.
fn shifted(whole: &str, fraction: &str, exponent: i64) -> (u128, bool) {
    let digits = || whole.bytes().chain(fraction.bytes());
    let leading_zeros = digits().take_while(|digit| *digit == b'0').count();
    if leading_zeros == whole.len() + fraction.len() {
        return (0, true);
    }
    // How many of the digits from the first on that is not zero are part of the result.
    let taken = whole.len() as i64 - leading_zeros as i64 + exponent + DECIMALS as i64;
    if taken > MAX_DIGITS {
        return (u128::MAX, true);
    }
    let taken = usize::try_from(taken).unwrap_or(0);
    let add = |value: u128, digit: u8| value * 10 + u128::from(digit - b'0');
    let value = digits().skip(leading_zeros).chain(std::iter::repeat(b'0')).take(taken).fold(0, add);
    (value, digits().skip(leading_zeros + taken).all(|digit| digit == b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn whole_numbers_are_whole_however_they_are_written() {
        for text in ["1500", "1.5e3", "15E+2", "001500", "1500.000", "150000000e-5", "1500e0", "0.00015e7"] {
            assert_eq!(number(text).integer(2_000), Some(1_500), "{text}");
        }
        for text in [
            "1500.5",
            "-1500",
            "2001",
            "1e999",
            "1e-1",
            "1500.0000000000000000000000001",
            "1e99999999999999999999",
        ] {
            assert_eq!(number(text).integer(2_000), None, "{text}");
        }
        for text in ["0", "-0", "-0.0", "0e999", "00"] {
            assert_eq!(number(text).integer(0), Some(0), "{text}");
        }
        assert_eq!(number("18446744073709551615").integer(u64::MAX), Some(u64::MAX));
        assert_eq!(number("18446744073709551616").integer(u64::MAX), None);
        assert_eq!(Number::from_units(1_500_000, 3), number("1500"));
    }

    #[test]
    fn durations_are_rounded_half_up_and_bounded_exactly() {
        for (text, micros) in [
            ("0", 0),
            ("0.0000005", 1),
            ("0.00000049999999999999999999", 0),
            ("0.0000015", 2),
            ("1.25", 1_250_000),
            ("125e-2", 1_250_000),
            ("1e-7", 0),
            ("999999.9999999", 1_000_000_000_000),
            ("1000000", 1_000_000_000_000),
            ("1e-99999999999999999999", 0),
        ] {
            assert_eq!(number(text).micros(1_000_000), Some(micros), "{text}");
        }
        for text in ["1000000.00000000000001", "1000001", "-0.0000000000000001", "-1", "1e7"] {
            assert_eq!(number(text).micros(1_000_000), None, "{text}");
        }
    }

    #[test]
    fn unix_times_are_told_apart_by_their_size() {
        for text in
            ["1766945012.345", "1766945012345", "1766945012345000", "1766945012345999999", "1.766945012345e9"]
        {
            assert_eq!(number(text).unix_ms(), Some(1_766_945_012_345), "{text}");
        }
        for (text, ms) in [
            ("0", 0),
            ("0.9999", 999),
            ("99999999999.9999", 99_999_999_999_999),
            ("100000000000", 100_000_000_000),
            ("99999999999999.9", 99_999_999_999_999),
            ("100000000000000", 100_000_000_000),
            ("99999999999999999", 99_999_999_999_999),
            ("100000000000000000", 100_000_000_000),
            ("253402300799999999999", 253_402_300_799_999),
        ] {
            assert_eq!(number(text).unix_ms(), Some(ms), "{text}");
        }
        assert_eq!(number("-1").unix_ms(), None);
        assert_eq!(number("-0.0").unix_ms(), Some(0));
        assert_eq!(number("1e999").unix_ms(), None);
        assert_eq!(Number::from_units(1_766_945_012_345_678, 6).unix_ms(), Some(1_766_945_012_345));
    }

    #[test]
    fn what_json_does_not_write_is_no_number() {
        for text in [
            "", "-", "+1", ".5", "5.", "1e", "1e+", "1 ", " 1", "1,5", "0x1", "1e5.5", "--1", "1.2.3", "NaN",
            "1_000",
        ] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
