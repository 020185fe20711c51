//! What the reader makes of whole lines: the cases in `data/cases`, examples of every format, headers,
//! envelopes, and damaged lines.

mod app_examples;
mod cases;
mod damage;
mod examples;
mod headers;
mod hostile;
mod json_examples;
mod regions;
mod shippers;

use serde_json::Value;

use super::{LineOutcome, Reader, ReaderOptions, Skip, write_ndjson};

/// Times without a zone are UTC.
pub(super) fn in_utc() -> ReaderOptions {
    ReaderOptions { timezone: Some("UTC".parse().unwrap()), ..ReaderOptions::default() }
}

/// What became of a line, as text: an entry, or a reason.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    Entry(String),
    Skipped(Skip),
}

pub(super) fn told(outcome: &LineOutcome<'_>) -> Told {
    match outcome {
        LineOutcome::Entry { entry, .. } => {
            let mut line = Vec::new();
            write_ndjson(entry, &mut line);
            line.pop();
            Told::Entry(String::from_utf8(line).expect("entries are text"))
        }
        LineOutcome::Skipped { reason, .. } => Told::Skipped(*reason),
    }
}

/// What a reader tells of a body, its unfinished lines too.
pub(super) fn read(options: &ReaderOptions, body: &[u8]) -> Vec<Told> {
    let mut reader = Reader::new(options.clone());
    let mut all = Vec::new();
    reader.body(body, &mut |outcome| all.push(told(&outcome)));
    reader.finish(&mut |outcome| all.push(told(&outcome)));
    all
}

/// The one entry of a line, as JSON.
#[track_caller]
pub(super) fn entry_of(options: &ReaderOptions, line: &str) -> Value {
    match &read(options, line.as_bytes())[..] {
        [Told::Entry(entry)] => serde_json::from_str(entry).expect("entries are JSON"),
        other => panic!("{line}\nis {other:?}"),
    }
}
