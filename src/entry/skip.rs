//! Why a line is no entry, in an operator's words, and a tally of such lines.
//!
//! Input: reasons with their lines. Output: counts by reason, and the first lines of each. Never: more than the beginning
//! of a line, or more than [`SHOWN_LINES`] a reason.

use std::fmt;

/// Why a line is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skip {
    /// An error log, a start-up message, a comment.
    NotAccessLog,
    /// It ends in the middle.
    CutOff,
    /// There is a request, but its time does not exist or has no known form.
    TimeUnreadable,
    /// The time has no zone, and none was given.
    NoTimezone,
    /// JSON without a time.
    NoTime,
    /// JSON without method and path.
    NoRequest,
    /// It begins as JSON, and is not one object.
    NotJson,
    /// It is not what `--format` describes.
    NotTheFormat,
    /// It has not the columns of the last `#Fields`.
    NotTheColumns,
    /// NUL bytes alone.
    OnlyNuls,
    /// Longer than [`super::MAX_LINE_BYTES`].
    TooLong,
}

const REASONS: [Skip; 11] = [
    Skip::NotAccessLog,
    Skip::CutOff,
    Skip::TimeUnreadable,
    Skip::NoTimezone,
    Skip::NoTime,
    Skip::NoRequest,
    Skip::NotJson,
    Skip::NotTheFormat,
    Skip::NotTheColumns,
    Skip::OnlyNuls,
    Skip::TooLong,
];

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAccessLog => "not a line of an access log (error log, start-up message, comment)",
            Self::CutOff => "the line is cut off",
            Self::TimeUnreadable => "the time cannot be read",
            Self::NoTimezone => "the time has no zone: give --timezone",
            Self::NoTime => "JSON without a time",
            Self::NoRequest => "JSON without a request (method and path)",
            Self::NotJson => "not a JSON object",
            Self::NotTheFormat => "does not fit --format",
            Self::NotTheColumns => "does not fit the columns of #Fields",
            Self::OnlyNuls => "NUL bytes only",
            Self::TooLong => "the line is too long (more than 1 MiB)",
        })
    }
}

/// Lines kept of each reason.
const SHOWN_LINES: usize = 3;
/// Bytes kept of a line.
const SHOWN_BYTES: usize = 160;

/// A skipped line, as far as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedLine {
    /// Where it stands: its number in its input, from 1.
    pub number: u64,
    /// Its beginning; bytes that cannot be shown are replaced.
    pub text: String,
}

/// Skipped lines by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkipTally {
    counts: [u64; REASONS.len()],
    first: [Vec<SkippedLine>; REASONS.len()],
}

impl SkipTally {
    /// Counts a line.
    pub fn add(&mut self, reason: Skip, number: u64, line: &[u8]) {
        let place = reason as usize;
        self.counts[place] += 1;
        if self.first[place].len() < SHOWN_LINES {
            self.first[place].push(SkippedLine { number, text: shown(line) });
        }
    }

    /// All skipped lines.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The reasons that occurred, with their counts and first lines.
    pub fn by_reason(&self) -> impl Iterator<Item = (Skip, u64, &[SkippedLine])> {
        let places = REASONS.iter().enumerate().filter(|(place, _)| self.counts[*place] > 0);
        places.map(|(place, reason)| (*reason, self.counts[place], &self.first[place][..]))
    }
}

/// The beginning of a line, safe to print on a terminal.
fn shown(line: &[u8]) -> String {
    let start = String::from_utf8_lossy(&line[..line.len().min(SHOWN_BYTES)]);
    let cut = if line.len() > SHOWN_BYTES { "…" } else { "" };
    let visible = start.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    visible.chain(cut.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_all_and_shows_the_first() {
        let mut tally = SkipTally::default();
        for number in 1..=5 {
            tally.add(Skip::CutOff, number, b"half\x1b[31m");
        }
        tally.add(Skip::OnlyNuls, 6, &[0; 500]);
        let found: Vec<_> = tally.by_reason().collect();
        assert_eq!((tally.total(), found.len()), (6, 2));
        assert_eq!((found[0].0, found[0].1, found[0].2.len()), (Skip::CutOff, 5, SHOWN_LINES));
        assert_eq!(found[0].2[2], SkippedLine { number: 3, text: "half\u{FFFD}[31m".to_owned() });
        assert_eq!(found[1].2[0].text.chars().count(), SHOWN_BYTES + 1);
    }

    #[test]
    fn every_reason_has_its_place() {
        for (place, reason) in REASONS.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
    }
}
