//! A large body on many threads: cut between items, counted piece by piece, put together again.
//!
//! In comes a whole body; out goes its tally, or `None` for anything but a plainly good batch: the body is
//! then walked in one piece, which also finds the words for what is wrong.
//!
//! Why a cut cannot change the result. In NDJSON every line break is the end of an item's line, for JSON
//! strings cannot hold one. In an array a cut is a guess: it looks like a place where an item begins, but may
//! lie within a string or a nested value. Yet `walk` is a function of position alone: what it does from an
//! item's beginning on does not depend on what came before, and it sees nothing behind its piece. A piece
//! counts only if it was walked exactly up to its end, behind a comma, with the next item expected there. So
//! if the first piece succeeds, one walk over the whole would have stood at the first cut, expecting an item,
//! with the same counts, and so on for every piece. A wrong guess leaves the piece before it in the middle of
//! something: it fails, and with it the split.

use std::sync::atomic::{AtomicUsize, Ordering};

use memchr::memmem;
use rayon::prelude::*;

use super::cache::Caches;
use super::fast::FastReader;
use super::limits::Format;
use super::rules::Rules;
use super::tally::Tally;
use super::walk::{Piece, walk};

/// Pieces are about this long: short enough for all threads to end at about the same time, long enough for the search
/// of a cut to stay a small part of the work.
const PIECE_BYTES: usize = 128 * 1024;
/// No piece is shorter, if the body is not.
const MIN_PIECE_BYTES: usize = 32 * 1024;
/// Runs of pieces for each thread: some may be slow, then other threads take what is left.
const RUNS_PER_THREAD: usize = 4;
/// The longest beginning of an item that cuts are recognized by.
const MAX_MARK_BYTES: usize = 64;

/// Counts a body on the pool, piece by piece. `None` where it is not a good batch, or cuts were guessed wrong.
pub(super) fn tally(body: &[u8], format: Format, rules: &Rules<'_>) -> Option<Tally> {
    let at_work = AtWork::begin();
    let threads = at_work.threads();
    let piece_bytes = match threads {
        1 => body.len(),
        _ => (body.len() / (threads * RUNS_PER_THREAD)).clamp(MIN_PIECE_BYTES, PIECE_BYTES),
    };
    let cuts = cuts(body, format, piece_bytes);
    let bounds: Vec<(usize, usize)> = cuts.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let runs: Vec<&[(usize, usize)]> =
        bounds.chunks(bounds.len().div_ceil(threads * RUNS_PER_THREAD).max(1)).collect();
    let count = |run| count_run(body, run, format, rules);
    // On the pool also where it is one piece: its threads bound what is summarized, and held for that, at once.
    let tallies: Option<Vec<Tally>> = rayon::scope(|_| runs.into_par_iter().map(count).collect());
    let total = merged(tallies?)?;
    let limits = rules.limits;
    let is_within = total.entries as usize <= limits.max_entries && total.minutes.len() <= limits.max_minutes;
    (is_within && total.entries > 0).then_some(total)
}

/// Bodies being counted on pools now. How many there are decides how a body is cut, never what is counted.
static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// One of the bodies being counted.
struct AtWork {
    bodies: usize,
}

impl AtWork {
    fn begin() -> Self {
        Self { bodies: AT_WORK.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    /// The threads for this body. Where there are as many bodies as threads, each is counted by one in one piece: pieces
    /// share no caches, and putting their tallies together is work too (measured for 1,000 entries: a fifth of it).
    fn threads(&self) -> usize {
        (rayon::current_num_threads() / self.bodies).max(1)
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        AT_WORK.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All tallies in one. `None` where there are none, or more entries than counts can hold.
fn merged(tallies: Vec<Tally>) -> Option<Tally> {
    let mut tallies = tallies.into_iter();
    let mut total = tallies.next()?;
    for tally in tallies {
        total.merge(&tally)?;
    }
    Some(total)
}

/// Counts neighbouring pieces, given by start and end.
fn count_run(body: &[u8], run: &[(usize, usize)], format: Format, rules: &Rules<'_>) -> Option<Tally> {
    let bytes = run.iter().map(|(start, end)| end - start).sum();
    let mut tally = Tally::for_bytes(bytes, rules.limits);
    let mut caches = Caches::for_bytes(bytes);
    for (start, end) in run {
        let piece = Piece { bytes: &body[*start..*end], is_first: *start == 0, is_last: *end == body.len() };
        let mut reader = FastReader::new(piece.bytes, rules, &mut caches, &mut tally);
        walk(piece, format, rules.limits, &mut reader).ok()?;
        reader.finish();
    }
    Some(tally)
}

/// Where the body is cut, ascending, with its start and end.
fn cuts(body: &[u8], format: Format, piece_bytes: usize) -> Vec<usize> {
    let mark = match format {
        Format::Ndjson => Some(&b"\n"[..]),
        Format::JsonArray => first_mark(body),
    };
    let mut cuts = vec![0];
    if let Some(mark) = mark {
        let finder = memmem::Finder::new(mark);
        let mut target = piece_bytes;
        while target < body.len() {
            // Within the next piece only: where no cut is found, all searches together stay linear.
            let window = &body[target..body.len().min(target + piece_bytes)];
            let mut found = finder.find_iter(window).map(|place| target + place);
            let cut = match format {
                Format::Ndjson => found.next().map(|place| place + 1),
                Format::JsonArray => found.find(|place| follows_item(&body[..*place])),
            };
            cuts.extend(cut.filter(|cut| *cut < body.len()));
            target += piece_bytes;
        }
    }
    cuts.push(body.len());
    cuts.dedup();
    cuts
}

/// How the first item of an array begins, up to its first colon: items of one batch mostly begin alike.
fn first_mark(body: &[u8]) -> Option<&[u8]> {
    let start = memchr::memchr(b'{', body)?;
    let head = &body[start..body.len().min(start + MAX_MARK_BYTES)];
    Some(&head[..=memchr::memchr(b':', head)?])
}

/// Whether the text ends as it does before an item: `}`, `,` and white space.
fn follows_item(before: &[u8]) -> bool {
    before.trim_ascii_end().strip_suffix(b",").is_some_and(|before| before.trim_ascii_end().ends_with(b"}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_lie_between_items_and_cover_the_body() {
        let item = r#"{"receivedAt":"x","q":"},{"}"#;
        for (body, format) in [
            (format!("[{}]", vec![item; 1_000].join(" ,\n ")), Format::JsonArray),
            (vec![item; 1_000].join("\r\n"), Format::Ndjson),
        ] {
            let cuts = cuts(body.as_bytes(), format, 500);
            assert_eq!((cuts[0], cuts[cuts.len() - 1]), (0, body.len()));
            assert!(cuts.len() > 50 && cuts.is_sorted_by(|a, b| a < b));
            for cut in &cuts[1..cuts.len() - 1] {
                assert!(body[*cut..].starts_with(item), "{format:?} {cut}");
            }
        }
    }

    #[test]
    fn bodies_without_a_place_to_cut_stay_whole() {
        for body in ["", "[", "[{", "[{}]", "[1,2]"] {
            assert!(cuts(body.as_bytes(), Format::JsonArray, 2).len() <= 2, "{body}");
        }
        assert_eq!(cuts(b"{}\n", Format::Ndjson, 1), [0, 3]);
    }
}
