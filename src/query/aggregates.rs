//! `/aggregates`: the windows of a range, each in the shape of its file.
//!
//! A window is written as in its file, with maps cut where that is asked for, without what belongs to the file alone, and
//! with a few numbers that follow from it. The windows come in pages; `next` is the stamp of the first window of the next
//! one, which callers give back as it is.

use std::ops::ControlFlow;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::range::TimeRange;
use super::{Meter, QueryError, QueryLimits, Question, WindowSource};
use crate::batch::agent::{Class, class_of};
use crate::dimension::{DIMENSION_COUNT, OTHER, PATH, USER_AGENT};
use crate::model::{CustomerId, WindowId, WindowSize, WindowStart};
use crate::time;
use crate::windows::json::{Form, push_quoted, push_window};
use crate::windows::view::{KeyView, Wanted, WindowView};

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
    /// Whether each window also tells its requests by class of family.
    pub classes: bool,
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
    let mut json = String::with_capacity(16 * 1024);
    json.push_str("{\"customerId\":");
    push_quoted(&mut json, query.customer.as_str());
    let (from, to) = (format_instant(query.range.from_ms), format_instant(query.range.to_ms));
    let size = query.size.as_str();
    json.push_str(&format!(",\"windowSize\":\"{size}\",\"from\":\"{from}\",\"to\":\"{to}\",\"windows\":["));
    let mut windows = 0;
    let mut next = None;
    let mut classes = query.classes.then(Classes::default);
    let top = query.top.unwrap_or(usize::MAX);
    let mut wanted = Wanted { by: [None; DIMENSION_COUNT], measures: true };
    wanted.by[PATH] = Some(top);
    // Classes are those of all families.
    wanted.by[USER_AGENT] = Some(if query.classes { usize::MAX } else { top });
    source.visit(&question, &wanted, meter, &mut |mut view| {
        if windows == query.limit || (windows > 0 && json.len() > limits.max_memory_bytes / PAGE_SHARE) {
            next = Some(view.id);
            return Ok(ControlFlow::Break(()));
        }
        let by_class = classes.as_mut().map(|classes| classes.sums(&view));
        view.cut(USER_AGENT, top);
        if windows > 0 {
            json.push(',');
        }
        push_window(&mut json, &query.customer, &view, Form::Answer);
        if let Some(by_class) = by_class {
            push_classes(&mut json, &by_class);
        }
        json.push('}');
        windows += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    json.push(']');
    if let Some(WindowId { size, start }) = next {
        let stamp = time::format_stamp(WindowId { size, start });
        json.push_str(&format!(",\"next\":\"{stamp}\""));
    }
    json.push('}');
    Ok(json.into_bytes())
}

/// An instant with as many places as it has: seconds, or milliseconds.
pub(super) fn format_instant(ms: u64) -> String {
    let seconds = time::format_rfc3339(ms);
    match ms % 1_000 {
        0 => seconds,
        places => format!("{}.{places:03}Z", seconds.trim_end_matches('Z')),
    }
}

/// Requests by class. Looking a family's class up costs more than the rest of a window, and all windows of a customer
/// name the same families, so the classes are remembered for the query.
#[derive(Default)]
struct Classes(HashMap<Box<str>, Class, RandomState>);

/// Families whose classes are remembered; a window has at most 2,000.
const MAX_REMEMBERED: usize = 10_000;

impl Classes {
    /// The classes that occur, in the order of [`Class::ALL`], and what no family names as `other`.
    fn sums(&mut self, view: &WindowView<'_>) -> Vec<(&'static str, u64)> {
        let mut sums = [0u64; Class::ALL.len()];
        let mut other = 0;
        for KeyView { key: family, tally, .. } in &view.by[USER_AGENT] {
            let count = tally.requests;
            if family == OTHER {
                other += count;
                continue;
            }
            let class = self.0.get(&**family).copied().unwrap_or_else(|| {
                let class = class_of(family);
                if self.0.len() < MAX_REMEMBERED {
                    self.0.insert((&**family).into(), class);
                }
                class
            });
            sums[class as usize] += count;
        }
        let named = Class::ALL.into_iter().map(|class| (class.as_str(), sums[class as usize]));
        named.chain([("other", other)]).filter(|(_, count)| *count > 0).collect()
    }
}

/// Appends the requests by class, those that occur.
fn push_classes(json: &mut String, classes: &[(&'static str, u64)]) {
    json.push_str(",\"requestsByClass\":{");
    for (position, (class, count)) in classes.iter().enumerate() {
        let comma = if position > 0 { "," } else { "" };
        json.push_str(&format!("{comma}\"{class}\":{count}"));
    }
    json.push('}');
}
