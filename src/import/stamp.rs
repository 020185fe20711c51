//! Times of log lines as `receivedAt`: the calendar is asked once for a minute, not once for a line.
//!
//! In come the texts and numbers that log formats write times as; out goes RFC 3339 in UTC, appended to a body. Lines
//! of a log are nearly in order, so that the text of a minute is nearly always that of the line before.

use crate::time;

/// Length of `10/Oct/2000:13:55:36 -0700`.
pub(super) const NCSA_BYTES: usize = 26;
/// Length of `10/Oct/2000:13:55`, what is the same for a minute.
const NCSA_MINUTE_BYTES: usize = 17;
/// Length of `2000-10-10T20:55:`, what is the same for a minute.
const MINUTE_BYTES: usize = 17;
const NO_MINUTE: u64 = u64::MAX;

/// Texts of the last minutes.
#[derive(Clone, Debug)]
pub(super) struct Stamps {
    /// The NCSA minute and offset that `ncsa_utc` is of.
    ncsa_minute: [u8; NCSA_MINUTE_BYTES],
    ncsa_offset: [u8; 5],
    ncsa_utc: [u8; MINUTE_BYTES],
    minute: u64,
    utc: [u8; MINUTE_BYTES],
}

impl Default for Stamps {
    fn default() -> Self {
        Self {
            ncsa_minute: [0; NCSA_MINUTE_BYTES],
            ncsa_offset: [0; 5],
            ncsa_utc: [0; MINUTE_BYTES],
            minute: NO_MINUTE,
            utc: [0; MINUTE_BYTES],
        }
    }
}

impl Stamps {
    /// Appends `10/Oct/2000:13:55:36 -0700` as `2000-10-10T20:55:36Z`. `None` where it is no time; then nothing is
    /// appended.
    #[inline]
    pub(super) fn ncsa(&mut self, text: &[u8; NCSA_BYTES], body: &mut Vec<u8>) -> Option<()> {
        let (minute, rest) = text.split_first_chunk::<NCSA_MINUTE_BYTES>()?;
        let (offset, second) = (rest.last_chunk::<5>()?, [rest[1], rest[2]]);
        if rest[0] != b':' || rest[3] != b' ' || !second.iter().all(u8::is_ascii_digit) || second > *b"60" {
            return None;
        }
        if *minute != self.ncsa_minute || *offset != self.ncsa_offset {
            let ms = time::parse_rfc3339(&rfc3339(minute, offset)?).ok()?;
            self.ncsa_utc = minute_text(ms);
            (self.ncsa_minute, self.ncsa_offset) = (*minute, *offset);
        }
        body.extend_from_slice(&self.ncsa_utc);
        // A leap second counts as the second before, as everywhere in the program.
        body.extend_from_slice(if second == *b"60" { b"59" } else { &second });
        body.push(b'Z');
        Some(())
    }

    /// Appends an instant, with milliseconds where it has some.
    pub(super) fn instant(&mut self, ms: u64, body: &mut Vec<u8>) {
        assert!(ms <= time::LAST_MS, "callers check the range");
        if ms / 60_000 != self.minute {
            self.minute = ms / 60_000;
            self.utc = minute_text(ms);
        }
        body.extend_from_slice(&self.utc);
        let (second, ms) = ((ms / 1_000 % 60) as u8, ms % 1_000);
        body.extend_from_slice(&[b'0' + second / 10, b'0' + second % 10]);
        if ms > 0 {
            let ms = ms as u16;
            body.extend_from_slice(&[b'.', digit(ms / 100), digit(ms / 10), digit(ms)]);
        }
        body.push(b'Z');
    }
}

fn digit(number: u16) -> u8 {
    b'0' + (number % 10) as u8
}

fn minute_text(ms: u64) -> [u8; MINUTE_BYTES] {
    let text = time::format_rfc3339(ms);
    *text.as_bytes().first_chunk().expect("an instant has 20 characters")
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The first second of `10/Oct/2000:13:55` at `-0700`, in RFC 3339.
fn rfc3339(minute: &[u8; NCSA_MINUTE_BYTES], offset: &[u8; 5]) -> Option<String> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    if [minute[2], minute[6], minute[11], minute[14]] != *b"//::" {
        return None;
    }
    let name: &[u8; 3] = minute[3..6].first_chunk()?;
    let month = 1 + MONTHS.iter().position(|month| *month == name)?;
    let (day, year, hours, minutes) =
        (text(&minute[..2])?, text(&minute[7..11])?, text(&minute[12..14])?, text(&minute[15..])?);
    let (ahead, behind) = (text(&offset[..3])?, text(&offset[3..])?);
    Some(format!("{year}-{month:02}-{day}T{hours}:{minutes}:00{ahead}:{behind}"))
}

/// Reads a time as JSON logs write it: RFC 3339, the same with an offset without colon (`+0000`), NCSA's, Caddy's
/// `2006/01/02 15:04:05` (UTC), or seconds since 1970 with a fraction. Milliseconds since 1970.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(ms) = time::parse_rfc3339(text) {
        return Some(ms);
    }
    let bytes = text.as_bytes();
    if let Some(ncsa) = bytes.first_chunk::<NCSA_BYTES>().filter(|_| bytes.len() == NCSA_BYTES) {
        let mut utc = Vec::with_capacity(MINUTE_BYTES + 3);
        if Stamps::default().ncsa(ncsa, &mut utc).is_some() {
            return time::parse_rfc3339(std::str::from_utf8(&utc).ok()?).ok();
        }
    }
    if text.is_ascii() && text.len() > 5 {
        let (head, offset) = text.split_at(text.len() - 5);
        if offset.starts_with(['+', '-'])
            && let Ok(ms) = time::parse_rfc3339(&format!("{head}{}:{}", &offset[..3], &offset[3..]))
        {
            return Some(ms);
        }
        if bytes.get(4) == Some(&b'/')
            && let Ok(ms) = time::parse_rfc3339(&format!("{}Z", text.replacen('/', "-", 2)))
        {
            return Some(ms);
        }
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return from_seconds(text.parse().ok()?);
    }
    None
}

/// Milliseconds of seconds since 1970; `None` outside the years 1970 to 9999.
pub(super) fn from_seconds(seconds: f64) -> Option<u64> {
    let ms = (seconds * 1_000.0).round();
    (ms >= 0.0 && ms <= time::LAST_MS as f64).then_some(ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ncsa(stamps: &mut Stamps, text: &str) -> Option<String> {
        let mut body = Vec::new();
        let done = stamps.ncsa(text.as_bytes().first_chunk().unwrap(), &mut body);
        assert_eq!(done.is_some(), !body.is_empty());
        done.map(|()| String::from_utf8(body).unwrap())
    }

    #[test]
    fn ncsa_times_become_utc() {
        let mut stamps = Stamps::default();
        for (text, want) in [
            ("10/Oct/2000:13:55:36 -0700", Some("2000-10-10T20:55:36Z")),
            ("10/Oct/2000:13:55:37 -0700", Some("2000-10-10T20:55:37Z")),
            ("10/Oct/2000:13:55:37 +0530", Some("2000-10-10T08:25:37Z")),
            ("31/Dec/2025:23:59:60 +0000", Some("2025-12-31T23:59:59Z")),
            ("01/Jan/2026:00:00:00 +0100", Some("2025-12-31T23:00:00Z")),
            ("29/Feb/2025:00:00:00 +0000", None),
            ("10/oct/2000:13:55:36 -0700", None),
            ("10/Oct/2000:13:55:61 -0700", None),
            ("10/Oct/2000:13:55:3x -0700", None),
            ("10/Oct/2000 13:55:36 -0700", None),
            ("10/Oct/2000:24:55:36 -0700", None),
            ("10/Oct/1969:13:55:36 -0700", None),
            ("10/Oct/2000:13:55:36 07000", None),
        ] {
            assert_eq!(ncsa(&mut stamps, text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn json_times_are_read_in_every_form() {
        for (text, want) in [
            ("2025-12-28T18:03:07.250Z", "2025-12-28T18:03:07.250Z"),
            ("2025-12-28T19:03:07+01:00", "2025-12-28T18:03:07Z"),
            ("2025-12-28T19:03:07.250+0100", "2025-12-28T18:03:07.250Z"),
            ("28/Dec/2025:19:03:07 +0100", "2025-12-28T18:03:07Z"),
            ("2025/12/28 18:03:07", "2025-12-28T18:03:07Z"),
            ("1766944987", "2025-12-28T18:03:07Z"),
            ("1766944987.250", "2025-12-28T18:03:07.250Z"),
        ] {
            let mut body = Vec::new();
            Stamps::default().instant(parse(text).unwrap(), &mut body);
            assert_eq!(String::from_utf8(body).unwrap(), want, "{text}");
        }
        for text in ["", "-", "now", "2025-12-28", "1e9", "-5", ".", "999999999999999", "é+0100", "+0100"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
