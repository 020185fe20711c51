//! Counting without end: bodies one after the other, as if they were one batch.
//!
//! Input: chunks of whole lines of NDJSON or of a log; with a filter, also other bodies. Output: one summary. What was cached
//! for one chunk serves the next, and keys are sorted once. Never: unbounded memory; it grows with what is distinct, and the
//! caller of a counter takes the summary out when it is large.

use std::ops::Range;

use super::cache::Caches;
use super::content::Content;
use super::error::BatchError;
use super::fast::FastReader;
use super::filter::Filter;
use super::finder::{Choice, Finder};
use super::limits::{Format, Limits};
use super::lines::{LineCounter, LinePass};
use super::rules::Rules;
use super::tally::Tally;
use super::walk::{ItemReader, Piece, walk};
use super::whole::{BOM, Summarized, finish, reference};
use crate::entry::{Reader, SkipTally};
use crate::model::WindowStart;

/// More entries than this are never counted together: counts have 32 bits, and a chunk is added at once.
const MAX_ENTRIES: u32 = 1 << 31;
/// Bytes that a counter may take before it calls itself large.
const LARGE_BYTES: usize = 64 << 20;

pub struct Counter {
    limits: Limits,
    now_ms: u64,
    /// How much memory a chunk is likely to need.
    chunk_bytes: usize,
    caches: Caches,
    line_counter: LineCounter,
    tally: Tally,
    /// Checks what no filter chose, by counting it.
    unchosen: Option<Box<Counter>>,
}

impl Counter {
    /// An empty counter for chunks of about this many bytes. The limits hold for each chunk; `now_ms` is as for
    /// [`super::summarize`].
    pub fn new(limits: &Limits, now_ms: u64, chunk_bytes: usize) -> Self {
        Self {
            limits: limits.capped(),
            now_ms,
            chunk_bytes,
            caches: Caches::for_bytes(chunk_bytes),
            line_counter: LineCounter::new(),
            tally: Tally::for_bytes(chunk_bytes, limits),
            unchosen: None,
        }
    }

    /// Counts a chunk of whole lines; returns how many line ends it has.
    ///
    /// # Errors
    /// The first thing wrong in it; see [`BatchError`]. What was counted is then without meaning.
    pub fn add_lines(&mut self, lines: &[u8]) -> Result<u64, BatchError> {
        let rules = Rules::new(&self.limits, self.now_ms);
        let mut reader = FastReader::new(lines, &rules, &mut self.caches, &mut self.tally);
        let walked = walk(Piece::whole(lines), Format::Ndjson, &self.limits, &mut reader);
        if let Ok(line_ends) = walked
            && !lines.starts_with(BOM)
        {
            reader.finish();
            return Ok(line_ends);
        }
        match reference(lines, Format::Ndjson, &self.limits, self.now_ms) {
            Err(error) => Err(error),
            Ok(_) => panic!("the fast way stopped ({walked:?}) in lines that the reference counts"),
        }
    }

    /// Counts what meets a filter of a body or a chunk of whole lines; returns how many line ends it has. All of it is
    /// checked.
    pub fn add_where(
        &mut self,
        body: &[u8],
        format: Format,
        finder: &mut Finder<'_>,
    ) -> Result<u64, BatchError> {
        let Self { limits, now_ms, chunk_bytes, caches, tally, unchosen, .. } = self;
        let rules = Rules::new(limits, *now_ms);
        let unchosen = unchosen.get_or_insert_with(|| Box::new(Self::new(limits, *now_ms, *chunk_bytes)));
        if unchosen.is_large() {
            unchosen.take();
        }
        let Self { caches: other_caches, tally: other_tally, .. } = &mut **unchosen;
        let mut reader = ChoosingReader {
            choice: Choice::new(finder, body, None),
            chosen: FastReader::new(body, &rules, caches, tally),
            unchosen: Some(FastReader::new(body, &rules, other_caches, other_tally)),
        };
        let walked = walk(Piece::whole(body), format, limits, &mut reader);
        if let Ok(line_ends) = walked
            && !body.starts_with(BOM)
        {
            reader.finish();
            return Ok(line_ends);
        }
        match reference(body, format, limits, *now_ms) {
            Err(error) => Err(error),
            Ok(_) => panic!("a reader stopped ({walked:?}) in a body that the reference counts"),
        }
    }

    /// Counts what is found in these minutes of a body that was accepted once. What today's rules refuse is left out, and
    /// a body that is damaged ends early.
    pub fn add_found(
        &mut self,
        body: &[u8],
        content: &Content,
        minutes: &Range<WindowStart>,
        finder: &mut Finder<'_>,
    ) {
        let Content::Json(format) = content else {
            return finder.find(body, content, minutes, &mut |_, found| found.count(&mut self.tally));
        };
        let rules = Rules::new(&self.limits, self.now_ms);
        let limits = finder.limits().clone();
        let mut reader = ChoosingReader {
            choice: Choice::new(finder, body, Some(minutes)),
            chosen: FastReader::new(body, &rules, &mut self.caches, &mut self.tally),
            unchosen: None,
        };
        // The body was accepted once, so this walk finds no error.
        let _ = walk(Piece::whole(body), *format, &limits, &mut reader);
        reader.finish();
    }

    /// Counts a chunk of whole log lines, and `is_last` those that never came to their end; what is not an entry is skipped.
    /// Returns how many lines it has.
    ///
    /// # Errors
    /// More minutes than the limits allow.
    pub fn add_log_lines(
        &mut self,
        lines: &[u8],
        reader: &mut Reader,
        skips: &mut SkipTally,
        is_last: bool,
    ) -> Result<u64, BatchError> {
        let rules = &Rules::new(&self.limits, self.now_ms);
        let (counter, tally) = (&mut self.line_counter, &mut self.tally);
        let mut pass = LinePass { reader, counter, rules, tally, skips, number: 0 };
        pass.body(lines, is_last)?;
        Ok(pass.number)
    }

    /// The same counter, which counts only log lines that meet this filter.
    #[must_use]
    pub fn choosing(mut self, filter: Option<&Filter>) -> Self {
        self.line_counter.choose(filter);
        self
    }

    /// The memory it takes.
    pub fn bytes(&self) -> usize {
        self.tally.bytes()
    }

    /// Whether it is time to take the summary out.
    pub fn is_large(&self) -> bool {
        self.tally.entries > MAX_ENTRIES / 2 || self.tally.bytes() > LARGE_BYTES
    }

    /// Adds what another counter has counted. Gives it back where the sum would be too large.
    pub fn merge(&mut self, other: Counter) -> Option<Counter> {
        if u64::from(self.tally.entries) + u64::from(other.tally.entries) > u64::from(MAX_ENTRIES)
            || self.tally.merge(&other.tally).is_none()
        {
            return Some(other);
        }
        None
    }

    /// What was counted; the counter is empty then.
    pub fn take(&mut self) -> Summarized {
        self.caches = Caches::for_bytes(self.chunk_bytes);
        self.line_counter.forget_keys();
        finish(std::mem::replace(&mut self.tally, Tally::for_bytes(self.chunk_bytes, &self.limits)))
    }
}

/// Counts the items of one body that are chosen.
struct ChoosingReader<'b, 'r, 'f> {
    choice: Choice<'b, 'r, 'f>,
    chosen: FastReader<'b, 'r>,
    /// Checks the others; `None` where all were accepted once.
    unchosen: Option<FastReader<'b, 'r>>,
}

impl ChoosingReader<'_, '_, '_> {
    fn finish(&mut self) {
        self.chosen.finish();
        if let Some(unchosen) = &mut self.unchosen {
            unchosen.finish();
        }
    }
}

impl ItemReader for ChoosingReader<'_, '_, '_> {
    #[inline(always)]
    fn item<const LINE: bool>(&mut self, pos: usize) -> Option<usize> {
        let (end, is_chosen) = self.choice.item::<LINE>(pos)?;
        match &mut self.unchosen {
            Some(unchosen) if !is_chosen => unchosen.item::<LINE>(pos),
            Some(_) => self.chosen.item::<LINE>(pos),
            None => {
                if is_chosen {
                    self.chosen.item::<LINE>(pos);
                }
                Some(end)
            }
        }
    }

    fn minutes(&self) -> usize {
        self.chosen.minutes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::filter::Filter;
    use crate::batch::whole::summarize;

    const NOW_MS: u64 = 1_766_944_980_000;

    fn line(number: usize) -> String {
        format!(
            r#"{{"receivedAt":"2025-12-28T18:0{}:07Z","method":"GET","path":"/{}","userAgent":"curl/{}","status":{}}}"#,
            number % 3,
            number % 700,
            number % 11,
            200 + number % 7
        )
    }

    #[test]
    fn chunks_and_counters_sum_to_what_one_body_counts() {
        let lines: Vec<String> = (0..3_000).map(line).collect();
        let whole = lines.join("\n");
        let limits = Limits::default();
        let want = summarize(whole.as_bytes(), Format::Ndjson, &limits, NOW_MS).unwrap();
        let mut counters = [0, 1].map(|_| Counter::new(&limits, NOW_MS, 1 << 16));
        for (number, chunk) in lines.chunks(70).enumerate() {
            let text = format!("\n{}\r\n \n", chunk.join("\n\n"));
            let line_ends = counters[number % 2].add_lines(text.as_bytes()).unwrap();
            assert_eq!(line_ends as usize, text.matches('\n').count());
        }
        let [mut first, second] = counters;
        assert!(first.merge(second).is_none() && !first.is_large());
        assert_eq!(first.take(), want);
        assert_eq!(first.take().summary.entries, 0);
    }

    #[test]
    fn a_bad_chunk_is_told_as_a_body_is() {
        let mut counter = Counter::new(&Limits::default(), NOW_MS, 1 << 10);
        counter.add_lines(line(1).as_bytes()).unwrap();
        for bad in [&b"{}"[..], b"\xEF\xBB\xBF", b"\n\n{\"a\":1}\n\xff", b"[]"] {
            let want = summarize(bad, Format::Ndjson, &Limits::default(), NOW_MS).unwrap_err();
            assert_eq!(counter.add_lines(bad), Err(want));
        }
    }

    #[test]
    fn a_filter_chooses_what_is_counted_and_all_is_checked() {
        let limits = Limits::default();
        let lines: Vec<String> = (0..200).map(line).collect();
        let chosen: Vec<&str> =
            lines.iter().map(String::as_str).filter(|line| line.contains(":203")).collect();
        let filter = Filter::parse("status=203").unwrap();
        let mut finder = Finder::new(Some(&filter), &limits);
        let mut counter = Counter::new(&limits, NOW_MS, 1 << 16);
        let line_ends = counter.add_where(lines.join("\n").as_bytes(), Format::Ndjson, &mut finder);
        assert_eq!(line_ends, Ok(199));
        let alone = summarize(chosen.join("\n").as_bytes(), Format::Ndjson, &limits, NOW_MS).unwrap();
        assert_eq!(counter.take(), alone);
        for (bad, format) in [(&b"{\"status\":200}"[..], Format::Ndjson), (b"[{}]", Format::JsonArray)] {
            let want = summarize(bad, format, &limits, NOW_MS).unwrap_err();
            assert_eq!(counter.add_where(bad, format, &mut finder), Err(want));
        }
    }
}
