//! A window as a query sees it: its counts as slices of its file, without a map being built.
//!
//! Comes in: the bytes of a window file, or a window in memory. Goes out: a [`WindowView`] that can be cut to its
//! largest keys. A query of a day of minutes looks at 1,440 files; most of their keys are cut away at once, so they
//! are never copied.

use std::borrow::Cow;

use super::window::{Damaged, Window};
use crate::base::sealed::is_sealed;
use crate::dimension::OTHER;
use crate::model::{CustomerId, Seq, WindowId};
use crate::time;

/// A key and how often it was counted.
pub type KeyCount<'a> = (Cow<'a, str>, u64);

/// One window's counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowView<'a> {
    /// Which window it is.
    pub id: WindowId,
    /// Entries counted.
    pub requests: u64,
    /// Counts by path, in no order.
    pub paths: Vec<KeyCount<'a>>,
    /// Counts by family, in no order.
    pub agents: Vec<KeyCount<'a>>,
    /// Whether earlier counts were lost to damage.
    pub incomplete: bool,
    /// The last record merged into it.
    pub applied_through: Seq,
}

impl<'a> From<&'a Window> for WindowView<'a> {
    fn from(window: &'a Window) -> Self {
        Self {
            id: window.id(),
            requests: window.requests(),
            paths: window.paths().map(|(key, count)| (key.into(), count)).collect(),
            agents: window.agents().map(|(key, count)| (key.into(), count)).collect(),
            incomplete: window.is_incomplete(),
            applied_through: window.applied_through(),
        }
    }
}

impl<'a> WindowView<'a> {
    /// Reads a file that should be the window `id` of `customer`, checksum first.
    ///
    /// # Errors
    /// See [`Damaged`].
    pub fn decode(bytes: &'a [u8], customer: &CustomerId, id: WindowId) -> Result<Self, Damaged> {
        if !is_sealed(bytes) {
            return Err(Damaged::Checksum);
        }
        let text = simdutf8::basic::from_utf8(bytes)
            .map_err(|_| Damaged::Content("the file is not UTF-8".to_owned()))?;
        if let Some(view) = Scan(text).window(customer, id) {
            return Ok(view);
        }
        // The seal holds, but it is not the canonical form of just this window: the slow way finds out what it is.
        let window = Window::decode(bytes, customer, id)?;
        let owned = |map: Vec<KeyCount<'_>>| -> Vec<KeyCount<'a>> {
            map.into_iter().map(|(key, count)| (Cow::Owned(key.into_owned()), count)).collect()
        };
        let view = WindowView::from(&window);
        Ok(Self { paths: owned(view.paths), agents: owned(view.agents), ..view })
    }

    /// Cuts both maps to their `top` largest keys, see [`cut`].
    pub fn cut(&mut self, top: usize) {
        cut(&mut self.paths, top);
        cut(&mut self.agents, top);
    }

    /// Puts both maps into the order of a file: by key.
    pub fn sort(&mut self) {
        self.paths.sort_unstable();
        self.agents.sort_unstable();
    }
}

/// Keeps the `top` largest keys; the counts of the others, and what was under [`OTHER`] before, are summed there. Of
/// keys with the same count the smaller by bytes stays. [`OTHER`] is not one of the `top`.
pub fn cut(counts: &mut Vec<KeyCount<'_>>, top: usize) {
    let mut other = 0;
    if let Some(position) = counts.iter().position(|(key, _)| key == OTHER) {
        other = counts.swap_remove(position).1;
    }
    if counts.len() > top {
        if top > 0 {
            counts.select_nth_unstable_by(top - 1, |(a, count_a), (b, count_b)| {
                count_b.cmp(count_a).then_with(|| a.cmp(b))
            });
        }
        other += counts.drain(top..).map(|(_, count)| count).sum::<u64>();
    }
    if other > 0 {
        counts.push((OTHER.into(), other));
    }
}

/// What is left to read of a file in canonical form. Every method answers `None` where it finds something else.
struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    fn window(mut self, customer: &CustomerId, id: WindowId) -> Option<WindowView<'a>> {
        self.literal("{\"customerId\":")?;
        if self.string()? != customer.as_str() {
            return None;
        }
        self.literal(",\"windowStart\":\"")?;
        self.literal(&time::format_start(id.start))?;
        self.literal("\",\"windowSize\":\"")?;
        self.literal(id.size.as_str())?;
        self.literal("\",\"requests\":")?;
        let requests = self.number()?;
        self.literal(",\"requestsByPath\":{")?;
        let paths = self.counts(requests)?;
        self.literal(",\"requestsByUserAgent\":{")?;
        let agents = self.counts(requests)?;
        let incomplete = self.literal(",\"incomplete\":true").is_some();
        self.literal(",\"appliedThrough\":")?;
        let applied_through = Seq(self.number()?);
        self.literal(",\"checksum\":\"")?;
        Some(WindowView { id, requests, paths, agents, incomplete, applied_through })
    }

    /// A map behind its opening brace, which must sum to `requests`.
    fn counts(&mut self, requests: u64) -> Option<Vec<KeyCount<'a>>> {
        let mut counts = Vec::with_capacity(64);
        let mut sum = 0u64;
        if self.literal("}").is_none() {
            loop {
                let key = self.string()?;
                self.literal(":")?;
                let count = self.number()?;
                sum = sum.checked_add(count)?;
                counts.push((key, count));
                if self.literal(",").is_none() {
                    break;
                }
            }
            self.literal("}")?;
        }
        (sum == requests).then_some(counts)
    }

    fn literal(&mut self, text: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let inside = self.0.strip_prefix('"')?;
        let first = memchr::memchr2(b'"', b'\\', inside.as_bytes())?;
        if inside.as_bytes()[first] == b'"' {
            self.0 = &inside[first + 1..];
            return Some(Cow::Borrowed(&inside[..first]));
        }
        let mut end = first;
        while inside.as_bytes().get(end)? != &b'"' {
            end += if inside.as_bytes()[end] == b'\\' { 2 } else { 1 };
        }
        let quoted = self.0.get(..end + 2)?;
        self.0 = &self.0[end + 2..];
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        if digits == 0 || digits > 19 {
            return number.parse().ok();
        }
        // Nineteen digits fit.
        Some(number.bytes().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::sealed::seal_json;
    use crate::dimension::{PATH, USER_AGENT};
    use crate::model::{Counts, Keys, WindowSize, WindowStart};
    use crate::windows::window::WindowLimits;

    fn id() -> WindowId {
        WindowId { size: WindowSize::Minute, start: WindowStart(29_449_083) }
    }

    fn window(paths: &[&str]) -> Window {
        let mut keys = Keys::default();
        let mut counts = Counts::default();
        keys.tables[PATH] = paths.iter().copied().collect();
        keys.tables[USER_AGENT] = ["Chrome"].into_iter().collect();
        let row = |index| crate::model::KeyCount { index, requests: index + 1, robots: 0 };
        counts.by[PATH].rows = (0..paths.len() as u32).map(row).collect();
        counts.all.requests = counts.by[PATH].requests();
        counts.by[USER_AGENT].rows =
            vec![crate::model::KeyCount { index: 0, requests: counts.requests(), robots: 0 }];
        let limits = WindowLimits { max_paths: 1_000, max_agents: 10, max_key_bytes: 1 << 20 };
        let mut window = Window::new(CustomerId::new("a\"b").unwrap(), id());
        window.merge(Seq(4), &keys, &counts, &limits);
        window
    }

    fn sorted(mut view: WindowView<'_>) -> WindowView<'_> {
        view.sort();
        view
    }

    #[test]
    fn the_view_of_a_file_is_that_of_its_window() {
        let mut odd = window(&["GET /", "GET /\"\\é\u{1}\u{202e}", "GET /a\\", "PUT /x\n", "GET /😀"]);
        for window in [&window(&["GET /"]), &odd.clone(), {
            odd.mark_incomplete();
            &odd
        }] {
            let file = window.encode();
            let view = WindowView::decode(&file, window.customer(), id()).unwrap();
            assert_eq!(sorted(view), sorted(window.into()));
        }
        let empty = Window::new(CustomerId::new("e").unwrap(), id());
        let file = empty.encode();
        assert_eq!(WindowView::decode(&file, empty.customer(), id()).unwrap(), (&empty).into());
    }

    #[test]
    fn other_forms_are_read_the_slow_way_and_damage_is_noticed() {
        let customer = CustomerId::new("a").unwrap();
        let spaced = seal_json(
            "{\"customerId\":\"a\", \"windowStart\":\"2025-12-28T18:03:00Z\",\"windowSize\":\"minute\",\"requests\":2,\
             \"requestsByPath\":{\"GET /\":2},\"requestsByUserAgent\":{\"curl\":2},\"appliedThrough\":1"
                .to_owned(),
        );
        let view = WindowView::decode(spaced.as_bytes(), &customer, id()).unwrap();
        assert_eq!((view.requests, view.paths), (2, vec![("GET /".into(), 2)]));
        let bad_sum = seal_json(spaced.split(",\"checksum\"").next().unwrap().replace("/\":2", "/\":1"));
        assert!(matches!(WindowView::decode(bad_sum.as_bytes(), &customer, id()), Err(Damaged::Content(_))));
        let other = CustomerId::new("b").unwrap();
        assert!(matches!(WindowView::decode(spaced.as_bytes(), &other, id()), Err(Damaged::Misplaced(_))));
        let file = window(&["GET /"]).encode();
        for position in 0..file.len() {
            let mut changed = file.clone();
            changed[position] ^= 1;
            let decoded = WindowView::decode(&changed, &CustomerId::new("a\"b").unwrap(), id());
            assert_eq!(decoded, Err(Damaged::Checksum), "byte {position}");
        }
    }

    #[test]
    fn a_cut_keeps_the_largest_and_sums_the_rest_under_other() {
        let counts = || -> Vec<KeyCount<'static>> {
            [("b", 5), (OTHER, 7), ("a", 5), ("c", 9), ("d", 1)]
                .map(|(key, count)| (key.into(), count))
                .into()
        };
        for (top, expected) in [
            (0, vec![(OTHER, 27)]),
            (2, vec![(OTHER, 13), ("a", 5), ("c", 9)]),
            (4, vec![(OTHER, 7), ("a", 5), ("b", 5), ("c", 9), ("d", 1)]),
            (9, vec![(OTHER, 7), ("a", 5), ("b", 5), ("c", 9), ("d", 1)]),
        ] {
            let mut counts = counts();
            cut(&mut counts, top);
            counts.sort_unstable();
            let found: Vec<(&str, u64)> = counts.iter().map(|(key, count)| (&**key, *count)).collect();
            assert_eq!(found, expected, "top {top}");
        }
        let mut none = Vec::new();
        cut(&mut none, 0);
        assert!(none.is_empty());
    }
}
