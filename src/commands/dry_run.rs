//! `import --dry-run`: what an import would count, without a server.
//!
//! Input: log files. Output: their entries as NDJSON on standard output, in the order of the files, and on standard error what
//! was counted, what was skipped and why. Never: an entry of any file, if one of them is refused.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Read as _, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{Failure, progress};
use crate::entry::{
    LineOutcome, LineSplitter, LogEntry, Reader, ReaderOptions, SkipTally, format_micros, nearest_format,
    write_ndjson,
};
use crate::input::{Input, Opened};

/// Bytes read from an input at once.
const READ_BYTES: usize = 256 * 1024;

/// What was found in all inputs.
#[derive(Default)]
struct DryRunSummary {
    counted: u64,
    formats: BTreeMap<&'static str, u64>,
    /// First and last time, in microseconds since 1970.
    span: Option<(u64, u64)>,
    /// Entries that have an optional field, by its place in [`OPTIONAL`].
    present: [u64; OPTIONAL.len()],
    /// Skipped lines by input.
    skipped: Vec<(String, SkipTally)>,
    /// The first line that was skipped.
    first_skipped: Option<Vec<u8>>,
}

const OPTIONAL: [&str; 8] =
    ["userAgent", "status", "responseBytes", "durationSeconds", "host", "referrer", "clientIp", "route"];

/// Reads the inputs and prints their entries.
pub(super) fn run(inputs: &[Input], options: &ReaderOptions, is_strict: bool) -> Result<ExitCode, Failure> {
    let read = Arc::new(AtomicU64::new(0));
    let mut first = Some(open_all(inputs, &read)?);
    let shown = progress::Shown::default();
    shown.start(inputs, "reading", Arc::clone(&read));
    let mut output = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let mut summary = DryRunSummary::default();
    let mut done = Ok(());
    for input in inputs {
        let stdin = first.take().flatten().filter(|_| *input == Input::Stdin);
        done = stdin
            .map_or_else(|| input.open(Arc::clone(&read)), Ok)
            .map_err(DryRunStop::Input)
            .and_then(|opened| summary.read(input, opened, options, is_strict, &mut output));
        if done.is_err() {
            break;
        }
    }
    let flushed = output.flush();
    shown.finish();
    match done.and(flushed.map_err(DryRunStop::Output)) {
        // The reader of standard output closed the pipe.
        Err(DryRunStop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(ExitCode::SUCCESS);
        }
        Err(DryRunStop::Output(error)) => return Err(format!("standard output: {error}").into()),
        Err(DryRunStop::Input(error)) => {
            summary.print();
            return Err(error.to_string().into());
        }
        Err(DryRunStop::Strict(reason)) => {
            summary.print();
            return Err(reason.into());
        }
        Ok(()) => summary.print(),
    }
    let is_nothing = summary.counted == 0 && summary.first_skipped.is_some();
    Ok(if is_nothing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Why reading ended early.
enum DryRunStop {
    Input(io::Error),
    Output(io::Error),
    Strict(String),
}

/// Opens every input once, so that a file that is refused is found before anything is printed. Standard input stays open.
fn open_all(inputs: &[Input], read: &Arc<AtomicU64>) -> Result<Option<Opened>, Failure> {
    let mut stdin = None;
    for input in inputs {
        if *input == Input::Stdin {
            stdin = Some(input.open(Arc::clone(read)).map_err(|error| error.to_string())?);
        } else {
            input.open(Arc::new(AtomicU64::new(0))).map_err(|error| error.to_string())?;
        }
    }
    Ok(stdin)
}

/// One input on its way through a reader.
struct InputPass<'s> {
    reader: Reader,
    summary: &'s mut DryRunSummary,
    tally: SkipTally,
    /// Lines so far.
    number: u64,
    /// Entries that are not printed yet.
    printed: Vec<u8>,
}

impl InputPass<'_> {
    fn line(&mut self, line: &[u8]) {
        self.number += 1;
        let Self { reader, summary, tally, number, printed } = self;
        reader.line(line, &mut |outcome| summary.take(&outcome, *number, tally, printed));
    }

    fn finish(&mut self) {
        let Self { reader, summary, tally, number, printed } = self;
        reader.finish(&mut |outcome| summary.take(&outcome, *number, tally, printed));
    }

    fn print(&mut self, output: &mut impl Write) -> Result<(), DryRunStop> {
        output.write_all(&self.printed).map_err(DryRunStop::Output)?;
        self.printed.clear();
        Ok(())
    }

    /// Reads an input to its end.
    fn read(&mut self, input: &Input, mut opened: Opened, output: &mut impl Write) -> Result<(), DryRunStop> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", input.name()));
        let mut splitter = LineSplitter::default();
        let mut space = vec![0; READ_BYTES];
        loop {
            let bytes = match opened.read(&mut space) {
                Ok(0) => break,
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(DryRunStop::Input(named(error))),
            };
            splitter.push(&space[..bytes], &mut |line| self.line(line));
            self.print(output)?;
        }
        splitter.finish(&mut |line| self.line(line));
        self.finish();
        self.print(output)
    }
}

impl DryRunSummary {
    fn read(
        &mut self,
        input: &Input,
        opened: Opened,
        options: &ReaderOptions,
        is_strict: bool,
        output: &mut impl Write,
    ) -> Result<(), DryRunStop> {
        let reader = Reader::new(options.clone());
        let tally = SkipTally::default();
        let mut pass = InputPass { reader, summary: self, tally, number: 0, printed: Vec::new() };
        let done = pass.read(input, opened, output);
        let tally = pass.tally;
        let is_bad = is_strict && tally.total() > 0;
        self.skipped.push((input.name(), tally));
        done?;
        if is_bad {
            return Err(DryRunStop::Strict("--strict: there are lines that are not entries".to_owned()));
        }
        Ok(())
    }

    fn take(&mut self, outcome: &LineOutcome<'_>, number: u64, tally: &mut SkipTally, out: &mut Vec<u8>) {
        match outcome {
            LineOutcome::Entry { entry, format } => {
                self.count(entry, format);
                write_ndjson(entry, out);
            }
            LineOutcome::Skipped { reason, line } => {
                tally.add(*reason, number, line);
                self.first_skipped.get_or_insert_with(|| line.to_vec());
            }
        }
    }

    fn count(&mut self, entry: &LogEntry<'_>, format: &'static str) {
        self.counted += 1;
        *self.formats.entry(format).or_default() += 1;
        let at = entry.received_at_micros;
        self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        let present = [
            !entry.user_agent.is_empty(),
            entry.status.is_some(),
            entry.response_bytes.is_some(),
            entry.duration_micros.is_some(),
            entry.host.is_some(),
            entry.referrer.is_some(),
            entry.client_ip.is_some(),
            entry.route.is_some(),
        ];
        for (count, is_present) in self.present.iter_mut().zip(present) {
            *count += u64::from(is_present);
        }
    }

    /// Prints what was found to standard error.
    fn print(&self) {
        let skipped: u64 = self.skipped.iter().map(|(_, tally)| tally.total()).sum();
        eprintln!("counted {}, skipped {skipped}", self.counted);
        if !self.formats.is_empty() {
            let formats: Vec<String> =
                self.formats.iter().map(|(name, count)| format!("{name} ({count})")).collect();
            eprintln!("formats: {}", formats.join(", "));
        }
        if let Some((first, last)) = self.span {
            eprintln!("times: {} to {}", format_micros(first), format_micros(last));
            let fields = OPTIONAL.iter().zip(self.present).filter(|(_, count)| *count > 0);
            let fields: Vec<String> = fields.map(|(name, count)| format!("{name} ({count})")).collect();
            eprintln!(
                "fields: receivedAt, method, path{}{}",
                if fields.is_empty() { "" } else { ", " },
                fields.join(", ")
            );
        }
        print_skipped(&self.skipped);
        if let Some(line) = self.first_skipped.as_ref().filter(|_| self.counted == 0) {
            print_nearest(line);
        }
    }
}

/// Prints skipped lines by input and reason.
pub(super) fn print_skipped(skipped: &[(String, SkipTally)]) {
    for (input, tally) in skipped {
        for (reason, count, lines) in tally.by_reason() {
            eprintln!("{input}: {count} skipped: {reason}");
            lines.iter().for_each(|line| eprintln!("  line {}: {}", line.number, line.text));
        }
    }
}

/// Says which known format a line is most like, where nothing was counted.
pub(super) fn print_nearest(line: &[u8]) {
    match nearest_format(line) {
        Some((name, likeness)) if likeness > 0.2 => {
            eprintln!(
                "nothing was counted; the first line is most like {name}: give its format with --format"
            );
        }
        _ => {
            eprintln!(
                "nothing was counted; the first line is like no known format: describe it with --format"
            );
        }
    }
}
