//! The numbers that an answer gives about the content of a batch.
//!
//! Input: a batch's summary. Output: the fields of a 202, and those that a 409 of log lines repeats. Never: a number that a
//! retry of the same batch would not get.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Response;
use crate::batch::{Altered, Content, Summarized};
use crate::entry::SkipTally;
use crate::metrics::Metrics;
use crate::model::BatchId;

pub(crate) struct BatchNumbers {
    pub(crate) entries: u32,
    windows: usize,
    altered: Altered,
    skips: SkipTally,
    lines: Option<LineNumbers>,
}

/// The numbers that only log lines have.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineNumbers {
    /// Lines that are not entries.
    skipped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_skipped: Option<FirstSkipped>,
}

/// The first line that is not an entry.
#[derive(Clone, Serialize)]
struct FirstSkipped {
    /// Its number in the body, from 1; 0 for a line that began before the body and does not end in it.
    line: u64,
    reason: String,
}

/// The numbers that a 409 repeats for a batch of log lines.
#[derive(Clone, Serialize)]
pub(crate) struct RepeatedNumbers {
    entries: u32,
    #[serde(flatten)]
    lines: LineNumbers,
}

impl BatchNumbers {
    /// The numbers of a batch of this content.
    pub(crate) fn of(content: &Content, summarized: &Summarized) -> Self {
        let skips = summarized.skips.clone();
        let first_skipped = skips
            .first()
            .map(|(reason, line)| FirstSkipped { line: line.number, reason: reason.to_string() });
        let lines = LineNumbers { skipped: skips.total(), first_skipped };
        Self {
            entries: summarized.summary.entries,
            windows: summarized.summary.minutes.len(),
            altered: summarized.altered,
            skips,
            lines: matches!(content, Content::Lines(_)).then_some(lines),
        }
    }

    /// In how many entries each field was altered.
    pub(crate) fn altered(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.altered.counts().map(|(field, entries)| (field.name(), entries))
    }

    /// The numbers that a 409 of the same batch repeats.
    pub(crate) fn repeated(&self) -> Option<RepeatedNumbers> {
        self.lines.clone().map(|lines| RepeatedNumbers { entries: self.entries, lines })
    }

    /// Raises the metrics of altered fields and skipped lines, for a batch that is answered 202.
    pub(crate) fn count(&self, metrics: &Metrics) {
        for (field, entries) in self.altered.counts() {
            metrics.altered_fields.with_label_values(&[field.name()]).inc_by(u64::from(entries));
        }
        for (reason, lines, _) in self.skips.by_reason() {
            metrics.skipped_lines.with_label_values(&[reason.label()]).inc_by(lines);
        }
    }

    /// The 202.
    pub(crate) fn accepted(&self, request_id: &str, batch_id: &BatchId) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Accepted<'a> {
            request_id: &'a str,
            batch_id: &'a str,
            entries: u32,
            windows: usize,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            altered: BTreeMap<&'static str, u32>,
            #[serde(flatten)]
            lines: Option<&'a LineNumbers>,
        }
        let altered = self.altered.counts().map(|(field, entries)| (field.name(), entries)).collect();
        let (entries, windows, lines) = (self.entries, self.windows, self.lines.as_ref());
        let body = Accepted { request_id, batch_id: batch_id.as_str(), entries, windows, altered, lines };
        let body = serde_json::to_vec(&body).expect("plain strings are written into memory");
        Response::new(202, "application/json", body)
    }
}
