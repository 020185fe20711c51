//! `/aggregates/top`: the largest keys of a whole range, merged over the fewest windows that cover it.
//!
//! A month that begins at ten past three is read as 50 minutes, 20 hours and some days: the three sizes hold the same
//! entries, so the merge is exact. Counts that a window put under `(other)` stay there, in `other`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::Serialize;

use super::aggregates::format_instant;
use super::range::TimeRange;
use super::{Meter, QueryError, QueryLimits, Question, WindowSource};
use crate::batch::agent::class_of;
use crate::dimension::{DIMENSION_COUNT, OTHER, PATH, USER_AGENT};
use crate::model::CustomerId;
use crate::windows::view::{KeyView, Wanted};

/// What an entry of the merged map costs besides its key.
const ENTRY_OVERHEAD_BYTES: usize = 48;

/// Which of a window's maps is merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// `METHOD path`.
    Path,
    /// Families of user agents.
    Agent,
}

impl Dimension {
    /// The dimension with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "path" => Some(Dimension::Path),
            "agent" => Some(Dimension::Agent),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Dimension::Path => "path",
            Dimension::Agent => "agent",
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Top {
    /// Whose windows.
    pub customer: CustomerId,
    /// Of which time: the minutes that start in it.
    pub range: TimeRange,
    /// Which keys.
    pub dimension: Dimension,
    /// How many of them.
    pub n: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    customer_id: &'a str,
    dimension: &'a str,
    from: String,
    to: String,
    requests: u64,
    keys: usize,
    top: Vec<Row<'a>>,
    other: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_class: Option<BTreeMap<&'static str, u64>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    incomplete: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    key: &'a str,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
}

/// Answers with a JSON object.
///
/// # Errors
/// See [`QueryError`].
pub fn answer(
    source: &dyn WindowSource,
    query: &Top,
    limits: &QueryLimits,
    meter: &mut Meter,
) -> Result<Vec<u8>, QueryError> {
    let mut merged: HashMap<Box<str>, u64, RandomState> = HashMap::default();
    let (mut requests, mut other, mut held, mut incomplete) = (0u64, 0u64, 0, false);
    let dimension = match query.dimension {
        Dimension::Path => PATH,
        Dimension::Agent => USER_AGENT,
    };
    let mut wanted = Wanted { by: [None; DIMENSION_COUNT], measures: false };
    wanted.by[dimension] = Some(usize::MAX);
    for (size, starts) in query.range.cover() {
        let question = Question { customer: query.customer.clone(), size, range: starts };
        source.visit(&question, &wanted, meter, &mut |mut view| {
            requests += view.all.requests;
            incomplete |= view.incomplete;
            for KeyView { key, tally, .. } in std::mem::take(&mut view.by[dimension]) {
                let count = tally.requests;
                if key == OTHER {
                    other += count;
                } else if let Some(known) = merged.get_mut(&*key) {
                    *known += count;
                } else {
                    held += key.len() + ENTRY_OVERHEAD_BYTES;
                    merged.insert(key.into(), count);
                }
            }
            if held > limits.max_memory_bytes {
                return Err(QueryError::Memory(limits.max_memory_bytes));
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(render(query, &merged, requests, other, incomplete))
}

fn render(
    query: &Top,
    merged: &HashMap<Box<str>, u64, RandomState>,
    requests: u64,
    mut other: u64,
    incomplete: bool,
) -> Vec<u8> {
    let is_agent = query.dimension == Dimension::Agent;
    let class = |key: &str| class_of(key).as_str();
    let by_class = is_agent.then(|| {
        let mut by_class = BTreeMap::new();
        for (key, count) in merged {
            *by_class.entry(class(key)).or_insert(0) += count;
        }
        if other > 0 {
            by_class.insert("other", other);
        }
        by_class
    });
    let keys = merged.len();
    let mut counts: Vec<(&str, u64)> = merged.iter().map(|(key, count)| (&**key, *count)).collect();
    let largest_first =
        |(a, count_a): &(&str, u64), (b, count_b): &(&str, u64)| count_b.cmp(count_a).then_with(|| a.cmp(b));
    if counts.len() > query.n {
        if query.n > 0 {
            counts.select_nth_unstable_by(query.n - 1, largest_first);
        }
        other += counts.drain(query.n..).map(|(_, count)| count).sum::<u64>();
    }
    counts.sort_unstable_by(largest_first);
    let top = counts
        .iter()
        .map(|(key, count)| Row { key, count: *count, class: is_agent.then(|| class(key)) })
        .collect();
    let answer = Answer {
        customer_id: query.customer.as_str(),
        dimension: query.dimension.as_str(),
        from: format_instant(query.range.from_ms),
        to: format_instant(query.range.to_ms),
        requests,
        keys,
        top,
        other,
        by_class,
        incomplete,
    };
    serde_json::to_vec(&answer).expect("numbers and text are written into memory")
}
