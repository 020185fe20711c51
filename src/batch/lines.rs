//! Log lines to a summary: what [`crate::entry`] reads is counted by the rules that JSON entries are counted by.
//!
//! Input: a body of log lines, or entries one by one. Output: counts, and the lines that were skipped. Never: a refusal
//! because of a line; and no JSON in between.

use core::net::Ipv4Addr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::client::ClientAddress;
use super::error::BatchError;
use super::field::{Field, FieldSet};
use super::filter::{AgentNames, Filter};
use super::intern::BLOCK;
use super::limits::{Limits, MAX_DURATION_SECONDS, MAX_RESPONSE_BYTES, MAX_STATUS};
use super::number::Number;
use super::raw::{RawEntry, RawValue};
use super::rules::{self, Optional, Rules};
use super::scan::{SHORT_BYTES, Short, packed};
use super::tally::{Client, Numbered, Pending, Tally};
use super::whole::{Summarized, finish};
use crate::dimension::{TEXT_COUNT, text_field};
use crate::entry::{LineOutcome, LineParameters, LogEntry, Reader, Skip, SkipTally};
use crate::time;

/// Texts of one dimension whose keys are remembered; a site has few hosts, and its referrers come again and again.
const MAX_KNOWN_TEXTS: usize = 4_096;
/// Stands for a path that has nothing but blanks.
const NO_PATH: &str = "(invalid)";

/// Counts entries of logs into a tally.
pub(super) struct LineCounter {
    texts: [HashMap<Box<str>, u32, RandomState>; TEXT_COUNT],
    /// What entries must meet.
    chosen: Option<(Filter, AgentNames)>,
    /// Entries taken but not yet counted: `taken` of them, less than a block.
    pending: [Pending; BLOCK],
    taken: usize,
}

impl LineCounter {
    pub(super) fn new() -> Self {
        let texts = std::array::from_fn(|_| HashMap::default());
        Self { texts, chosen: None, pending: [Pending::NONE; BLOCK], taken: 0 }
    }

    /// Counts what is left.
    fn finish(&mut self, tally: &mut Tally) {
        tally.count(&self.pending[..self.taken]);
        self.taken = 0;
    }

    /// Forgets the numbers of keys, which belong to a tally.
    pub(super) fn forget_keys(&mut self) {
        *self = Self { chosen: self.chosen.take(), ..Self::new() };
    }

    /// Counts only what meets this filter from now on.
    pub(super) fn choose(&mut self, filter: Option<&Filter>) {
        self.chosen = filter.map(|filter| (filter.clone(), AgentNames::default()));
    }

    /// Counts an entry.
    ///
    /// # Errors
    /// Why it is not counted.
    pub(super) fn add(
        &mut self,
        entry: &LogEntry<'_>,
        rules: &Rules<'_>,
        tally: &mut Tally,
    ) -> Result<(), Skip> {
        let received_at_ms = entry.received_at_micros / 1_000;
        if received_at_ms > rules.latest_ms {
            return Err(Skip::TooFarAhead);
        }
        if let Some((filter, agents)) = &mut self.chosen {
            let raw = raw_of_line(entry);
            if !filter.matches(|field| raw.get(field).clone(), rules, agents) {
                return Ok(());
            }
        }
        let mut altered = FieldSet::default();
        let mut note = |field, is_altered: bool| {
            if is_altered {
                altered.insert(field);
            }
        };
        let mut rest = Numbered::NONE;
        rest.row = tally.row(time::minute_of(received_at_ms));
        let packed = packed(entry.method);
        rest.method = match tally.known_method(packed) {
            Some(known) => known,
            None => tally.insert_checked_method(packed, entry.method),
        };
        let (path, path_is_cut) = rules.path(entry.path).unwrap_or((NO_PATH, false));
        note(Field::PATH, path_is_cut);
        let (agent, is_cut) = rules::user_agent(entry.user_agent);
        note(Field::USER_AGENT, is_cut);
        rest.agent = tally.agents.intern(agent, 0);
        let route = entry.route.map(rules::trim).filter(|route| !rules::is_absent(route));
        rest.is_route = route.is_some();
        let (path, is_cut) = route.map_or((path, false), |route| rules.target(route));
        note(Field::ROUTE, is_cut);
        if let Some(status) = entry.status {
            let fits = u64::from(status) <= MAX_STATUS;
            note(Field::STATUS, !fits);
            if fits {
                rest.sample.set_status(status);
            }
        }
        if let Some(bytes) = entry.response_bytes {
            note(Field::RESPONSE_BYTES, bytes > MAX_RESPONSE_BYTES);
            if bytes <= MAX_RESPONSE_BYTES {
                rest.sample.set_bytes(bytes);
            }
        }
        if let Some(micros) = entry.duration_micros {
            let fits = micros <= MAX_DURATION_SECONDS * 1_000_000;
            note(Field::DURATION, !fits);
            if fits {
                rest.sample.set_duration(micros);
            }
        }
        if let Some(client) = entry.client_ip {
            match client_of(client, rest.agent, tally) {
                Optional::Read(client) => rest.client = client,
                Optional::Absent => {}
                Optional::Unreadable => note(Field::CLIENT_IP, true),
            }
        }
        for (text, key) in rest.texts.iter_mut().enumerate() {
            if let Some(value) = entry.text(text_field(text).name) {
                match self.key(text, value, tally) {
                    Optional::Read(number) => *key = number,
                    Optional::Absent => {}
                    Optional::Unreadable => note(Field::of_text(text), true),
                }
            }
        }
        tally.drop_equal_keys(&mut rest.texts);
        if path.len() <= SHORT_BYTES && path.is_ascii() {
            self.pending[self.taken] = Pending { path: Short::beginning_of(path.as_bytes()), rest };
            self.taken += 1;
            if self.taken == BLOCK {
                self.finish(tally);
            }
        } else {
            tally.count_one(path, &rest);
        }
        if !altered.is_empty() {
            tally.altered.add(altered);
        }
        Ok(())
    }

    /// The number of the key that a text is counted under.
    fn key(&mut self, text: usize, value: &str, tally: &mut Tally) -> Optional<u32> {
        let known = &mut self.texts[text];
        if let Some(number) = known.get(value) {
            return Optional::Read(*number);
        }
        let trimmed = rules::trim(value);
        if rules::is_absent(trimmed) {
            return Optional::Absent;
        }
        match rules::key_of_text(text, trimmed) {
            Optional::Read(key) => {
                let number = tally.texts[text].intern(&key, 0);
                if known.len() < MAX_KNOWN_TEXTS {
                    known.insert(value.into(), number);
                }
                Optional::Read(number)
            }
            Optional::Absent => Optional::Absent,
            Optional::Unreadable => Optional::Unreadable,
        }
    }
}

/// An entry of a log as one that was read from JSON.
pub(super) fn raw_of_line<'e>(entry: &LogEntry<'e>) -> RawEntry<'e> {
    let mut raw = RawEntry::default();
    let mut set = |field, value| raw.set(field, value);
    set(Field::RECEIVED_AT, RawValue::Number(Number::from_units(entry.received_at_micros, 6)));
    set(Field::METHOD, RawValue::text(entry.method));
    let is_path = !rules::trim(entry.path).is_empty();
    set(Field::PATH, RawValue::text(if is_path { entry.path } else { NO_PATH }));
    set(Field::USER_AGENT, RawValue::text(entry.user_agent));
    let numbers = [
        (Field::STATUS, entry.status.map(u64::from), 0),
        (Field::RESPONSE_BYTES, entry.response_bytes, 0),
        (Field::DURATION, entry.duration_micros, 6),
    ];
    for (field, number, decimals) in numbers {
        if let Some(number) = number {
            set(field, RawValue::Number(Number::from_units(number, decimals)));
        }
    }
    let texts = (0..TEXT_COUNT).map(|text| (Field::of_text(text), entry.text(text_field(text).name)));
    for (field, text) in texts.chain([(Field::ROUTE, entry.route), (Field::CLIENT_IP, entry.client_ip)]) {
        if let Some(text) = text {
            set(field, RawValue::text(text));
        }
    }
    raw
}

fn client_of(text: &str, agent: u32, tally: &mut Tally) -> Optional<Client> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Optional::Read(Client::Ip(address.to_ipv6_mapped().octets()));
    }
    let trimmed = rules::trim(text);
    if rules::is_absent(trimmed) {
        return Optional::Absent;
    }
    match rules::client(trimmed) {
        Optional::Read(ClientAddress::Ip(address)) => Optional::Read(Client::Ip(address)),
        Optional::Read(name) => Optional::Read(Client::Hashed(tally.visitor_hash(name.as_bytes(), agent))),
        Optional::Absent => Optional::Absent,
        Optional::Unreadable => Optional::Unreadable,
    }
}

/// Lines on their way through a reader into a tally.
pub(super) struct LinePass<'p> {
    pub(super) reader: &'p mut Reader,
    pub(super) counter: &'p mut LineCounter,
    pub(super) rules: &'p Rules<'p>,
    pub(super) tally: &'p mut Tally,
    pub(super) skips: &'p mut SkipTally,
    /// Lines so far.
    pub(super) number: u64,
}

impl LinePass<'_> {
    /// Counts the lines of a body, the last one too if it has no end, and `is_last` those whose other parts never came.
    ///
    /// # Errors
    /// More entries or minutes than the limits allow. What was counted is then without meaning.
    pub(super) fn body(&mut self, body: &[u8], is_last: bool) -> Result<(), BatchError> {
        let mut rest = body;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.line(Some(&rest[..end]))?;
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            self.line(Some(rest))?;
        }
        if is_last {
            self.line(None)?;
        }
        self.counter.finish(self.tally);
        Ok(())
    }

    /// Counts a line, or where there is none the parts of lines.
    fn line(&mut self, line: Option<&[u8]>) -> Result<(), BatchError> {
        self.number += u64::from(line.is_some());
        let Self { reader, counter, rules, tally, skips, number } = self;
        let mut each = |outcome: LineOutcome<'_>| match outcome {
            LineOutcome::Entry { entry, .. } => {
                if let Err(reason) = counter.add(&entry, rules, tally) {
                    skips.add(reason, *number, entry.path.as_bytes());
                }
            }
            LineOutcome::Skipped { reason, line } => skips.add(reason, *number, line),
        };
        match line {
            Some(line) => reader.line(line, &mut each),
            None => reader.finish(&mut each),
        }
        let Limits { max_entries, max_minutes, .. } = *self.rules.limits;
        if self.tally.entries as usize + self.counter.taken > max_entries {
            return Err(BatchError::TooManyEntries { max_entries });
        }
        if self.tally.minutes.len() > max_minutes {
            return Err(BatchError::TooManyMinutes { max_minutes });
        }
        Ok(())
    }
}

/// Reduces a body of log lines to its summary.
///
/// # Errors
/// More entries or minutes than a batch may have.
pub(super) fn summarize(
    body: &[u8],
    parameters: &LineParameters,
    limits: &Limits,
    now_ms: u64,
) -> Result<Summarized, BatchError> {
    let mut limits = limits.capped();
    limits.keep_query |= parameters.keeps_query();
    let mut tally = Tally::for_bytes(body.len(), &limits);
    let mut skips = SkipTally::default();
    let mut pass = LinePass {
        reader: &mut parameters.reader(limits.keep_query),
        counter: &mut LineCounter::new(),
        rules: &Rules::new(&limits, now_ms),
        tally: &mut tally,
        skips: &mut skips,
        number: 0,
    };
    pass.body(body, true)?;
    Ok(Summarized { skips, ..finish(tally) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::limits::Format;
    use crate::batch::whole;
    use crate::entry::write_ndjson;

    const NOW_MS: u64 = 1_766_944_980_000;

    fn lines() -> String {
        let line = |number: usize| {
            format!(
                "192.0.2.{} - - [28/Dec/2025:18:0{}:07 +0000] \"GET /p/{}?q=1 HTTP/1.1\" {} {} \"https://{}.example/x\" \"Mozilla/5.0 ({number})\"\n",
                number % 200,
                number % 3,
                "x".repeat(number % 90),
                200 + number % 300,
                number * 37,
                number % 9,
            )
        };
        (0..500).map(line).collect()
    }

    #[test]
    fn lines_count_as_the_entries_that_the_dry_run_prints() {
        let body = format!(
            "{}# a comment\n192.0.2.1 - - [28/Dec/2025:18:03:07 +0000] \"\\x16\\x03\" 400 0 \"-\" \"-\"\n\nnonsense",
            lines()
        );
        let mut ndjson = Vec::new();
        let each = &mut |outcome: LineOutcome<'_>| {
            if let LineOutcome::Entry { entry, .. } = outcome {
                write_ndjson(&entry, &mut ndjson);
            }
        };
        let parameters = LineParameters::from_text("").unwrap();
        parameters.reader(false).body(body.as_bytes(), each);
        let limits = Limits::default();
        let want = whole::summarize(&ndjson, Format::Ndjson, &limits, NOW_MS).unwrap();
        let got = summarize(body.as_bytes(), &parameters, &limits, NOW_MS).unwrap();
        assert_eq!((got.summary.clone(), got.altered), (want.summary, want.altered));
        assert_eq!((got.summary.entries, got.skips.total()), (501, 2));
        let (reason, line) = got.skips.first().unwrap();
        assert_eq!((reason, line.number), (Skip::NotAccessLog, 501));
    }

    #[test]
    fn what_a_log_says_beyond_the_limits_counts_as_absent_or_is_cut() {
        let entry = format!(
            r#"{{"receivedAt":"2025-12-28T18:03:07Z","method":"GET","path":"/{}","userAgent":"x","status":1000,"responseBytes":2000000000000,"durationSeconds":2000000,"clientIp":"a b","host":"a b"}}"#,
            "x".repeat(3_000)
        );
        let (limits, parameters) = (Limits::default(), LineParameters::from_text("").unwrap());
        let lines = summarize(entry.as_bytes(), &parameters, &limits, NOW_MS).unwrap();
        let json = whole::summarize(entry.as_bytes(), Format::Ndjson, &limits, NOW_MS).unwrap();
        assert_eq!(lines.summary, json.summary);
    }

    #[test]
    fn lines_ahead_of_the_clock_are_skipped_and_limits_hold() {
        let body = lines();
        let parameters = LineParameters::from_text("").unwrap();
        let early = NOW_MS - 25 * 3_600_000;
        let got = summarize(body.as_bytes(), &parameters, &Limits::default(), early).unwrap();
        assert_eq!((got.summary.entries, got.skips.total()), (0, 500));
        let limits = Limits { max_entries: 499, ..Limits::default() };
        let error = summarize(body.as_bytes(), &parameters, &limits, NOW_MS).unwrap_err();
        assert_eq!(error, BatchError::TooManyEntries { max_entries: 499 });
        let limits = Limits { max_minutes: 2, ..Limits::default() };
        let error = summarize(body.as_bytes(), &parameters, &limits, NOW_MS).unwrap_err();
        assert_eq!(error, BatchError::TooManyMinutes { max_minutes: 2 });
    }
}
