//! Offsets of times from UTC, as numbers and as names of zones.
//!
//! Input: what may follow a time of day. Output: seconds ahead of UTC, and where the offset ends. Never: an offset for a name that
//! several zones share.

/// Zones that logs name, with the minutes that they are ahead of UTC; `None` where several zones share the name, so that a time
/// with it is local. (RFC 5322 has `CST` for Chicago, but all of China's machines write it, too.)
const ZONES: [(&[u8], Option<i32>); 46] = [
    (b"UTC", Some(0)),
    (b"GMT", Some(0)),
    (b"WET", Some(0)),
    (b"WEST", Some(60)),
    (b"CET", Some(60)),
    (b"CEST", Some(120)),
    (b"MET", Some(60)),
    (b"MEST", Some(120)),
    (b"EET", Some(120)),
    (b"EEST", Some(180)),
    (b"MSK", Some(180)),
    (b"IDT", Some(180)),
    (b"WAT", Some(60)),
    (b"CAT", Some(120)),
    (b"SAST", Some(120)),
    (b"EAT", Some(180)),
    (b"PKT", Some(300)),
    (b"WIB", Some(420)),
    (b"WITA", Some(480)),
    (b"WIT", Some(540)),
    (b"HKT", Some(480)),
    (b"SGT", Some(480)),
    (b"AWST", Some(480)),
    (b"JST", Some(540)),
    (b"KST", Some(540)),
    (b"ACST", Some(570)),
    (b"ACDT", Some(630)),
    (b"AEST", Some(600)),
    (b"AEDT", Some(660)),
    (b"NZST", Some(720)),
    (b"NZDT", Some(780)),
    (b"BRT", Some(-180)),
    (b"NDT", Some(-150)),
    (b"NST", Some(-210)),
    (b"EDT", Some(-240)),
    (b"EST", Some(-300)),
    (b"CDT", Some(-300)),
    (b"MDT", Some(-360)),
    (b"MST", Some(-420)),
    (b"PDT", Some(-420)),
    (b"PST", Some(-480)),
    (b"AKDT", Some(-480)),
    (b"AKST", Some(-540)),
    (b"CST", None),
    (b"IST", None),
    (b"BST", None),
];

/// An offset at `at`, a blank allowed before it: one of [`numeric`], or a zone's name; and where it ends.
pub(super) fn offset(text: &[u8], at: usize) -> (Option<i32>, usize) {
    let (seconds, end) = numeric(text, at);
    if end > at {
        return (seconds, end);
    }
    let start = at + usize::from(text.get(at) == Some(&b' '));
    let rest = text.get(start..).unwrap_or_default();
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    match ZONES.iter().find(|(name, _)| *name == &rest[..length]) {
        Some((_, minutes)) => (minutes.map(|minutes| minutes * 60), start + length),
        None => (None, at),
    }
}

/// `Z`, `+01:00`, `+0100`, `+01`, `UTC`, `GMT` or `GMT+1` at `at`, a blank allowed before it; and where it ends.
pub(super) fn numeric(text: &[u8], at: usize) -> (Option<i32>, usize) {
    let start = at + usize::from(text.get(at) == Some(&b' '));
    let rest = text.get(start..).unwrap_or_default();
    match rest {
        [b'Z' | b'z', ..] => (Some(0), start + 1),
        [b'U', b'T', b'C', ahead @ ..] | [b'G', b'M', b'T', ahead @ ..] => match signed(ahead, 1) {
            Some((seconds, length)) => (Some(seconds), start + 3 + length),
            None => (Some(0), start + 3),
        },
        _ => match signed(rest, 2) {
            Some((seconds, length)) => (Some(seconds), start + length),
            None => (None, at),
        },
    }
}

/// `+01:00`, `+0100` or `+01`, and as few digits of the hour as `least`; with its length.
fn signed(text: &[u8], least: usize) -> Option<(i32, usize)> {
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text[1..].iter().take(2).take_while(|byte| byte.is_ascii_digit()).count();
    let hours = text[1..=digits].iter().fold(0, |hours, digit| hours * 10 + i32::from(digit - b'0'));
    if digits < least || hours > 23 {
        return None;
    }
    let minutes_at = 1 + digits + usize::from(text.get(1 + digits) == Some(&b':'));
    let minutes = super::two(text, minutes_at).filter(|minutes| digits == 2 && *minutes < 60);
    let length = if minutes.is_some() { minutes_at + 2 } else { 1 + digits };
    Some((sign * (hours * 3_600 + minutes.unwrap_or(0).cast_signed() * 60), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_numbers_or_names_and_end_where_they_end() {
        for (text, want) in [
            ("Z", (Some(0), 1)),
            (" +0530 x", (Some(19_800), 6)),
            ("-03:30", (Some(-12_600), 6)),
            ("+02", (Some(7_200), 3)),
            ("+2", (None, 0)),
            ("+2400", (None, 0)),
            (" UTC", (Some(0), 4)),
            (" GMT+2", (Some(7_200), 6)),
            ("UTC-03:30", (Some(-12_600), 9)),
            (" CEST 2024", (Some(7_200), 5)),
            (" PST]", (Some(-28_800), 4)),
            // A name that several zones share is passed over.
            (" CST]", (None, 4)),
            // Words behind a time are no zones.
            (" ESTABLISHED", (None, 0)),
            (" INFO", (None, 0)),
            (" est", (None, 0)),
            ("", (None, 0)),
        ] {
            assert_eq!(offset(text.as_bytes(), 0), want, "{text}");
        }
    }

    #[test]
    fn a_zone_has_one_row() {
        for (place, (name, _)) in ZONES.iter().enumerate() {
            assert!(
                ZONES[..place].iter().all(|(other, _)| other != name),
                "{}",
                String::from_utf8_lossy(name)
            );
        }
    }
}
