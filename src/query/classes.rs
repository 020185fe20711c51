//! Requests by class of client: browsers, apps, tools, bots and AI agents.
//!
//! Input: windows with all their families. Output: sums by class. Never: a class of what has no name; that is `other`.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::batch::agent::{Class, class_of};
use crate::dimension::{OTHER, USER_AGENT};
use crate::windows::view::{KeyView, WindowView};

/// Classes by family. Looking a family's class up costs more than the rest of a window, and all windows of a customer
/// name the same families, so they are remembered for the query.
#[derive(Default)]
pub(super) struct Classes(HashMap<Box<str>, Class, RandomState>);

/// Families whose classes are remembered; a window has at most 2,000.
const MAX_REMEMBERED: usize = 10_000;

impl Classes {
    /// The classes that occur, in the order of [`Class::ALL`], and what no family names as `other`.
    pub(super) fn sums(&mut self, view: &WindowView<'_>) -> Vec<(&'static str, u64)> {
        let rows = view.by[USER_AGENT].iter();
        self.sums_of(rows.map(|KeyView { key, tally, .. }| (&**key, tally.requests)))
    }

    /// The same of families and their requests.
    pub(super) fn sums_of<'f>(
        &mut self,
        families: impl Iterator<Item = (&'f str, u64)>,
    ) -> Vec<(&'static str, u64)> {
        let mut sums = [0u64; Class::ALL.len()];
        let mut other = 0;
        for (family, count) in families {
            match family {
                OTHER => other += count,
                _ => sums[self.class(family) as usize] += count,
            }
        }
        let named = Class::ALL.into_iter().map(|class| (class.as_str(), sums[class as usize]));
        named.chain([("other", other)]).filter(|(_, count)| *count > 0).collect()
    }

    fn class(&mut self, family: &str) -> Class {
        self.0.get(family).copied().unwrap_or_else(|| {
            let class = class_of(family);
            if self.0.len() < MAX_REMEMBERED {
                self.0.insert(family.into(), class);
            }
            class
        })
    }
}

/// Appends the requests by class, those that occur.
pub(super) fn push_classes(json: &mut String, classes: &[(&'static str, u64)]) {
    json.push_str(",\"requestsByClass\":");
    push_class_map(json, classes);
}

/// Appends a map of requests by class.
pub(super) fn push_class_map(json: &mut String, classes: &[(&'static str, u64)]) {
    json.push('{');
    for (position, (class, count)) in classes.iter().enumerate() {
        let comma = if position > 0 { "," } else { "" };
        json.push_str(&format!("{comma}\"{class}\":{count}"));
    }
    json.push('}');
}
