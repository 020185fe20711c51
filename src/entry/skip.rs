//! Why a line is not an entry, in an operator's words, and a tally of such lines.
//!
//! Input: reasons with their lines. Output: counts by reason, and the first lines of each. Never: more than the beginning
//! of a line, or more than [`SHOWN_LINES`] a reason.

use std::fmt;

use crate::base::labelled::labelled;

labelled! {
    /// Why a line is skipped.
    #[derive(PartialOrd, Ord)]
    pub enum Skip {
        /// An error log, a start-up message, a comment.
        NotAccessLog "not_access_log"
        /// It ends in the middle.
        CutOff "cut_off"
        /// There is a request, but its time does not exist or has no known form.
        TimeUnreadable "time_unreadable"
        /// The time has no zone, and none was given.
        NoTimezone "no_timezone"
        /// A request without a time, in an envelope that has none either.
        NoTime "no_time"
        /// JSON, or pairs, without method and path.
        NoRequest "no_request"
        /// It begins with `{`, but is not one JSON object.
        NotJson "not_json"
        /// It does not fit the format that was given.
        NotTheFormat "not_the_format"
        /// Its columns are not those of the last `#Fields`.
        NotTheColumns "not_the_columns"
        /// NUL bytes alone.
        OnlyNuls "only_nuls"
        /// Longer than [`super::MAX_LINE_BYTES`].
        TooLong "too_long"
        /// Its time is more than a day ahead of the clock. The reader has no clock: this is found when the entry is counted.
        TooFarAhead "too_far_ahead"
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAccessLog => "not a line of an access log (error log, start-up message, comment)",
            Self::CutOff => "the line is cut off",
            Self::TimeUnreadable => "the time cannot be read",
            Self::NoTimezone => "the time has no zone: give a time zone (--timezone, ?timezone=)",
            Self::NoTime => "a request without a time",
            Self::NoRequest => "no request in it (method and path)",
            Self::NotJson => "not a JSON object",
            Self::NotTheFormat => "does not fit the given format",
            Self::NotTheColumns => "does not fit the columns of #Fields",
            Self::OnlyNuls => "NUL bytes only",
            Self::TooLong => "the line is too long (more than 1 MiB)",
            Self::TooFarAhead => "the time is more than 24 h ahead of the server's clock",
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
    counts: [u64; Skip::ALL.len()],
    first: [Vec<SkippedLine>; Skip::ALL.len()],
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

    /// Adds what was skipped in lines of which the first is the one behind `lines` others.
    pub fn merge_behind(&mut self, lines: u64, mut other: SkipTally) {
        other.first.iter_mut().flatten().for_each(|line| line.number += lines);
        self.merge(other);
    }

    /// Adds what was skipped elsewhere, later in the same input.
    pub fn merge(&mut self, other: SkipTally) {
        self.counts.iter_mut().zip(other.counts).for_each(|(count, more)| *count += more);
        for (first, more) in self.first.iter_mut().zip(other.first) {
            let space = SHOWN_LINES - first.len();
            first.extend(more.into_iter().take(space));
        }
    }

    /// Lines skipped for this reason.
    #[must_use]
    pub fn count(&self, reason: Skip) -> u64 {
        self.counts[reason as usize]
    }

    /// All skipped lines.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The first line that was skipped, and why.
    #[must_use]
    pub fn first(&self) -> Option<(Skip, &SkippedLine)> {
        let lines = self.by_reason().filter_map(|(reason, _, lines)| Some((reason, lines.first()?)));
        lines.min_by_key(|(_, line)| line.number)
    }

    /// The reasons that occurred, with their counts and first lines.
    pub fn by_reason(&self) -> impl Iterator<Item = (Skip, u64, &[SkippedLine])> {
        let places = Skip::ALL.iter().enumerate().filter(|(place, _)| self.counts[*place] > 0);
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
        for (place, reason) in Skip::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place);
        }
    }
}
