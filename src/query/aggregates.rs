//! `/aggregates`: the windows of a range, each in the shape of its file.
//!
//! A window is written as in its file, with maps cut where that is asked for, and without the checksum: it would be
//! that of other bytes. The windows come in pages; `next` is the stamp of the first window of the next one, which
//! callers give back as it is.

use std::ops::ControlFlow;

use super::range::TimeRange;
use super::{Meter, QueryError, QueryLimits, Question, WindowSource};
use crate::batch::time;
use crate::model::{CustomerId, WindowId, WindowSize, WindowStart};
use crate::windows::view::{KeyCount, WindowView};

/// A page ends where it has taken this share of [`QueryLimits::max_memory_bytes`]; the rest is for what compression
/// and sending take.
const PAGE_SHARE: usize = 4;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Aggregates {
    /// Whose windows.
    pub customer: CustomerId,
    /// Of which time.
    pub range: TimeRange,
    /// Of which size.
    pub size: WindowSize,
    /// How many keys of each map; `None` for all.
    pub top: Option<usize>,
    /// How many windows at most.
    pub limit: usize,
    /// Where the page begins, if it is not the first.
    pub next: Option<WindowStart>,
}

/// Reads the cursor of a page: the `next` of the one before.
pub fn cursor(text: &str, range: TimeRange, size: WindowSize) -> Option<WindowStart> {
    let window = time::parse_stamp(text)?;
    (window.size == size && range.starts(size).contains(&window.start)).then_some(window.start)
}

/// Answers with a JSON object.
///
/// # Errors
/// See [`QueryError`].
pub fn answer(
    source: &dyn WindowSource,
    query: &Aggregates,
    limits: &QueryLimits,
    meter: &mut Meter,
) -> Result<Vec<u8>, QueryError> {
    let mut starts = query.range.starts(query.size);
    starts.start = query.next.unwrap_or(starts.start);
    let question = Question { customer: query.customer.clone(), size: query.size, range: starts };
    let mut json = Vec::with_capacity(16 * 1024);
    json.extend_from_slice(b"{\"customerId\":");
    write_string(&mut json, query.customer.as_str());
    let (from, to) = (format_instant(query.range.from_ms), format_instant(query.range.to_ms));
    let size = query.size.as_str();
    json.extend_from_slice(
        format!(",\"windowSize\":\"{size}\",\"from\":\"{from}\",\"to\":\"{to}\",\"windows\":[").as_bytes(),
    );
    let mut windows = 0;
    let mut next = None;
    source.visit(&question, meter, &mut |mut view| {
        if windows == query.limit || (windows > 0 && json.len() > limits.max_memory_bytes / PAGE_SHARE) {
            next = Some(view.id);
            return Ok(ControlFlow::Break(()));
        }
        if let Some(top) = query.top {
            view.cut(top);
        }
        view.sort();
        if windows > 0 {
            json.push(b',');
        }
        write_window(&mut json, &query.customer, &view);
        windows += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    json.push(b']');
    if let Some(WindowId { size, start }) = next {
        let stamp = time::format_stamp(WindowId { size, start });
        json.extend_from_slice(format!(",\"next\":\"{stamp}\"").as_bytes());
    }
    json.push(b'}');
    Ok(json)
}

/// An instant with as many places as it has: seconds, or milliseconds.
pub(super) fn format_instant(ms: u64) -> String {
    let seconds = time::format_rfc3339(ms);
    match ms % 1_000 {
        0 => seconds,
        places => format!("{}.{places:03}Z", seconds.trim_end_matches('Z')),
    }
}

fn write_window(json: &mut Vec<u8>, customer: &CustomerId, view: &WindowView<'_>) {
    json.extend_from_slice(b"{\"customerId\":");
    write_string(json, customer.as_str());
    json.extend_from_slice(b",\"windowStart\":\"");
    json.extend_from_slice(time::format_start(view.id.start).as_bytes());
    json.extend_from_slice(b"\",\"windowSize\":\"");
    json.extend_from_slice(view.id.size.as_str().as_bytes());
    json.extend_from_slice(b"\",\"requests\":");
    write_number(json, view.requests);
    json.extend_from_slice(b",\"requestsByPath\":");
    write_counts(json, &view.paths);
    json.extend_from_slice(b",\"requestsByUserAgent\":");
    write_counts(json, &view.agents);
    if view.incomplete {
        json.extend_from_slice(b",\"incomplete\":true");
    }
    json.extend_from_slice(b",\"appliedThrough\":");
    write_number(json, view.applied_through.0);
    json.push(b'}');
}

fn write_counts(json: &mut Vec<u8>, counts: &[KeyCount<'_>]) {
    json.push(b'{');
    for (position, (key, count)) in counts.iter().enumerate() {
        if position > 0 {
            json.push(b',');
        }
        write_string(json, key);
        json.push(b':');
        write_number(json, *count);
    }
    json.push(b'}');
}

fn write_string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("text is written into memory");
}

fn write_number(json: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(json, &number).expect("a number is written into memory");
}
