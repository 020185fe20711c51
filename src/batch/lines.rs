//! Counting bodies of lines one after the other as if they were one, for input that is longer than any batch.
//!
//! In come chunks of whole lines; out goes one summary. What was learnt from one chunk serves the next, and keys are
//! sorted once. Memory grows with what is distinct: whoever feeds it takes the summary out when it is large.

use super::checks::Rules;
use super::learnt::Learnt;
use super::tally::Tally;
use super::walk::{Piece, Way, walk};
use super::{BatchError, Format, Limits, Summarized, capped, finish, utf8};

/// More entries than this are never counted together: counts have 32 bits, and a chunk is added at once.
const MAX_ENTRIES: u32 = 1 << 31;
/// Bytes that a counter may take before it calls itself large.
const LARGE_BYTES: usize = 64 << 20;

/// See the module.
pub struct LineCounter {
    limits: Limits,
    now_ms: u64,
    /// How much memory a chunk is likely to need.
    chunk_bytes: usize,
    learnt: Learnt,
    tally: Tally,
}

impl LineCounter {
    /// An empty counter for chunks of about this many bytes. The limits hold for each chunk; `now_ms` is as for
    /// [`super::summarize`].
    pub fn new(limits: &Limits, now_ms: u64, chunk_bytes: usize) -> Self {
        let limits = capped(limits);
        Self {
            limits,
            now_ms,
            chunk_bytes,
            learnt: Learnt::for_bytes(chunk_bytes),
            tally: Tally::for_bytes(chunk_bytes),
        }
    }

    /// Counts a chunk of whole lines, and says how many line ends it has.
    ///
    /// # Errors
    /// The first thing wrong in it; see [`BatchError`]. What was counted is then without meaning.
    pub fn add(&mut self, lines: &[u8]) -> Result<u64, BatchError> {
        if lines.starts_with(b"\xEF\xBB\xBF") {
            return Err(BatchError::Bom);
        }
        let rules = Rules::new(&self.limits, self.now_ms);
        walk(Piece::whole(lines), Format::Ndjson, Way::Quick, &rules, &mut self.learnt, &mut self.tally)
            .map_err(|error| utf8(lines).err().unwrap_or(error))
    }

    /// Whether it is time to take the summary out.
    pub fn is_large(&self) -> bool {
        self.tally.entries > MAX_ENTRIES / 2 || self.tally.bytes() > LARGE_BYTES
    }

    /// Adds what another counter has counted. Gives it back where the sum would be too large.
    pub fn merge(&mut self, other: LineCounter) -> Option<LineCounter> {
        if u64::from(self.tally.entries) + u64::from(other.tally.entries) > u64::from(MAX_ENTRIES)
            || self.tally.merge(&other.tally).is_none()
        {
            return Some(other);
        }
        None
    }

    /// What was counted; the counter is empty then.
    pub fn take(&mut self) -> Summarized {
        self.learnt = Learnt::for_bytes(self.chunk_bytes);
        finish(std::mem::replace(&mut self.tally, Tally::for_bytes(self.chunk_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::summarize;

    const NOW_MS: u64 = 1_766_944_980_000;

    fn line(number: usize) -> String {
        format!(
            r#"{{"receivedAt":"2025-12-28T18:0{}:07Z","method":"GET","path":"/{}","userAgent":"curl/{}"}}"#,
            number % 3,
            number % 700,
            number % 11
        )
    }

    #[test]
    fn chunks_and_counters_sum_to_what_one_body_counts() {
        let lines: Vec<String> = (0..3_000).map(line).collect();
        let whole = lines.join("\n");
        let limits = Limits::default();
        let want = summarize(whole.as_bytes(), Format::Ndjson, &limits, NOW_MS).unwrap();
        let mut counters = [0, 1].map(|_| LineCounter::new(&limits, NOW_MS, 1 << 16));
        for (number, chunk) in lines.chunks(70).enumerate() {
            let text = format!("\n{}\r\n \n", chunk.join("\n\n"));
            let line_ends = counters[number % 2].add(text.as_bytes()).unwrap();
            assert_eq!(line_ends as usize, text.matches('\n').count());
        }
        let [mut first, second] = counters;
        assert!(first.merge(second).is_none() && !first.is_large());
        assert_eq!(first.take(), want);
        assert_eq!(first.take().summary.entries, 0);
    }

    #[test]
    fn a_bad_chunk_is_told_as_a_body_is() {
        let mut counter = LineCounter::new(&Limits::default(), NOW_MS, 1 << 10);
        counter.add(line(1).as_bytes()).unwrap();
        for bad in [&b"{}"[..], b"\xEF\xBB\xBF", b"{\"a\":1}\n\xff", b"[]"] {
            let want = summarize(bad, Format::Ndjson, &Limits::default(), NOW_MS).unwrap_err();
            assert_eq!(counter.add(bad), Err(want));
        }
    }
}
