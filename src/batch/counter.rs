//! Counting without end: bodies of lines one after the other, and entries read elsewhere, as if they were one batch.
//!
//! Input: chunks of whole lines of NDJSON or of a log, or [`RawEntry`]s. Output: one summary. What was cached for one chunk serves the
//! next, and keys are sorted once. Never: unbounded memory; it grows with what is distinct, and whoever feeds a counter
//! takes the summary out when it is large.

use super::cache::Caches;
use super::entry::Entry;
use super::error::{BatchError, ItemError};
use super::fast::FastReader;
use super::filter::Filter;
use super::finder::Finder;
use super::json::{Place, raw_entry, read_object};
use super::limits::{Format, Limits};
use super::lines::{LineCounter, LinePass};
use super::raw::RawEntry;
use super::rules::Rules;
use super::tally::Tally;
use super::walk::{ItemReader, Piece, walk};
use super::whole::{BOM, Summarized, finish, reference};
use crate::entry::{Reader, SkipTally};

/// More entries than this are never counted together: counts have 32 bits, and a chunk is added at once.
const MAX_ENTRIES: u32 = 1 << 31;
/// Bytes that a counter may take before it calls itself large.
const LARGE_BYTES: usize = 64 << 20;

/// See the module.
pub struct Counter {
    limits: Limits,
    now_ms: u64,
    /// How much memory a chunk is likely to need.
    chunk_bytes: usize,
    caches: Caches,
    line_counter: LineCounter,
    tally: Tally,
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
            tally: Tally::for_bytes(chunk_bytes, limits.visitors),
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
    ///
    /// # Errors
    /// As for [`Counter::add_lines`].
    pub fn add_where(
        &mut self,
        body: &[u8],
        format: Format,
        finder: &mut Finder<'_>,
    ) -> Result<u64, BatchError> {
        let rules = Rules::new(&self.limits, self.now_ms);
        let mut reader =
            ChoosingReader { bytes: body, rules: &rules, finder, tally: &mut self.tally, places: Vec::new() };
        let walked = walk(Piece::whole(body), format, &self.limits, &mut reader);
        if let Ok(line_ends) = walked
            && !body.starts_with(BOM)
        {
            return Ok(line_ends);
        }
        match reference(body, format, &self.limits, self.now_ms) {
            Err(error) => Err(error),
            Ok(_) => panic!("a reader stopped ({walked:?}) in a body that the reference counts"),
        }
    }

    /// Counts a chunk of whole log lines, and `is_last` those that never came to their end; what is no entry is skipped.
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
        pass.body(lines)?;
        if is_last {
            pass.line(None)?;
        }
        Ok(pass.number)
    }

    /// Checks an entry by the rules that JSON entries are checked by, and counts it if `wanted` says so.
    ///
    /// # Errors
    /// What is wrong with a required field; the entry is then not counted.
    pub fn add(
        &mut self,
        raw: &RawEntry<'_>,
        wanted: impl FnOnce(&Entry<'_>) -> bool,
    ) -> Result<(), ItemError> {
        let checked = Rules::new(&self.limits, self.now_ms).check(raw)?;
        if wanted(&checked.entry()) {
            self.tally.add(&checked.entry(), checked.altered);
        }
        Ok(())
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
        finish(std::mem::replace(&mut self.tally, Tally::for_bytes(self.chunk_bytes, self.limits.visitors)))
    }
}

/// Counts the items that meet a filter.
struct ChoosingReader<'b, 'r, 'f> {
    bytes: &'b [u8],
    rules: &'r Rules<'r>,
    finder: &'r mut Finder<'f>,
    tally: &'r mut Tally,
    places: Vec<Place>,
}

impl ItemReader for ChoosingReader<'_, '_, '_> {
    fn item<const LINE: bool>(&mut self, pos: usize) -> Option<usize> {
        let end = read_object::<LINE>(self.bytes, pos, &mut self.places)?;
        let raw = raw_entry(self.bytes, &self.places)?;
        let checked = self.rules.check(&raw).ok()?;
        if self.finder.is_met_by(&raw) {
            self.tally.add(&checked.entry(), checked.altered);
        }
        Some(end)
    }

    fn minutes(&self) -> usize {
        self.tally.minutes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::field::Field;
    use crate::batch::filter::Filter;
    use crate::batch::number::Number;
    use crate::batch::raw::RawValue;
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

    #[test]
    fn entries_read_elsewhere_count_as_json_does() {
        let limits = Limits::default();
        let mut counter = Counter::new(&limits, NOW_MS, 1 << 10);
        let mut entry = RawEntry::default();
        entry.set(Field::RECEIVED_AT, RawValue::Number(Number::from_units(1_766_944_987_250_000, 6)));
        entry.set(Field::METHOD, RawValue::text("get"));
        entry.set(Field::PATH, RawValue::text("/a?b"));
        assert_eq!(counter.add(&entry, |_| true), Err(ItemError::Missing(Field::USER_AGENT)));
        entry.set(Field::USER_AGENT, RawValue::text("curl/8"));
        entry.set(Field::STATUS, RawValue::Number(Number::from_units(1_000, 0)));
        counter.add(&entry, |entry| entry.path == "/a" && entry.status.is_none()).unwrap();
        counter.add(&entry, |_| false).unwrap();
        let json = br#"{"receivedAt":"2025-12-28T18:03:07.25Z","method":"GET","path":"/a","userAgent":"curl/8","status":"x"}"#;
        assert_eq!(counter.take(), summarize(json, Format::Ndjson, &limits, NOW_MS).unwrap());
    }
}
