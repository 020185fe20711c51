//! What went wrong with each customer's batches since the start of the process: refused batches and why, and altered fields.
//!
//! Input: the fate of each batch. Output: rows for `GET /customers`, and the refusals to log: the first of each customer and
//! reason, then at most one line a minute with a count. Never: anything that must survive a restart.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::sync::lock;
use crate::model::CustomerId;

/// Customers that are remembered; when there are more, the one that was seen longest ago is forgotten.
const MAX_CUSTOMERS: usize = 20_000;
/// Refusals of a customer that are shown with their text: this many of the last ones, and this many different ones.
const LAST_REFUSALS: usize = 5;
/// Bytes of a refusal's text that are kept.
const MAX_TEXT_BYTES: usize = 300;
/// Time between two log lines about the same customer and reason.
const LOG_INTERVAL_MS: u64 = 60_000;
/// Time between two checks for counts that are due, for all customers together.
const LOOK_INTERVAL_MS: u64 = 1_000;

/// What went wrong with all customers' batches.
#[derive(Debug)]
pub struct Activity {
    /// `None` stands for batches without a valid customer.
    table: Mutex<HashMap<Option<CustomerId>, CustomerActivity, RandomState>>,
    /// When the next count must be logged; `u64::MAX` if no count waits.
    due_ms: AtomicU64,
}

/// What went wrong with one customer's batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerActivity {
    /// Entries in which a field was altered, by field, in the order of their first occurrence.
    pub altered: Vec<(&'static str, u64)>,
    /// Refused batches by reason, in the order of their first occurrence.
    pub refused: Vec<RefusedBatches>,
    /// The last refusals, oldest first.
    pub last_refusals: VecDeque<Refusal>,
    /// The different ones among the last refusals, that which came longest ago first.
    pub kinds: Vec<RefusalKind>,
    /// When it was seen last: milliseconds since 1970.
    pub seen_ms: u64,
}

/// Refused batches of one customer for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedBatches {
    /// The label in the metric of refusals.
    pub reason: &'static str,
    pub batches: u64,
    /// How many of them were logged, and when the last line was written.
    logged: u64,
    logged_ms: u64,
}

/// Refusals of the same status, reason and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalKind {
    /// How many there were since this kind was first remembered.
    pub batches: u64,
    pub last: Refusal,
}

/// One refusal, as its sender was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When: milliseconds since 1970.
    pub at_ms: u64,
    pub status: u16,
    /// The label in the metric of refusals.
    pub reason: &'static str,
    /// The description in the answer, cut.
    pub description: String,
}

/// Refused batches to be logged in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalLine {
    customer: Option<CustomerId>,
    batches: u64,
    last: Refusal,
}

impl fmt::Display for RefusalLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.customer {
            Some(customer) => write!(f, "customer {}: ", customer.as_str())?,
            None => f.write_str("no valid customer: ")?,
        }
        let Refusal { status, reason, description, .. } = &self.last;
        match self.batches {
            1 => write!(f, "batch refused with {status} ({reason}): ")?,
            batches => write!(f, "{batches} more batches refused ({reason}), the last with {status}: ")?,
        }
        // Parts of the description may come from the client: they must not be able to forge another log line.
        description
            .chars()
            .try_for_each(|c| if c.is_control() { Ok(()) } else { fmt::Write::write_char(f, c) })
    }
}

impl Default for Activity {
    fn default() -> Self {
        Self { table: Mutex::default(), due_ms: AtomicU64::new(u64::MAX) }
    }
}

impl Activity {
    /// Remembers the fields that were altered in an accepted batch, with the number of entries.
    pub fn altered(
        &self,
        customer: &CustomerId,
        fields: impl Iterator<Item = (&'static str, u32)>,
        now_ms: u64,
    ) {
        let mut fields = fields.peekable();
        if fields.peek().is_none() {
            return;
        }
        self.with(Some(customer), now_ms, |activity| {
            for (field, count) in fields {
                match activity.altered.iter_mut().find(|(known, _)| *known == field) {
                    Some((_, sum)) => *sum = sum.saturating_add(u64::from(count)),
                    None => activity.altered.push((field, u64::from(count))),
                }
            }
        });
    }

    /// Remembers a refused batch. `Some` if it must be logged now.
    pub fn refused(&self, customer: Option<&CustomerId>, mut refusal: Refusal) -> Option<RefusalLine> {
        let (reason, now_ms) = (refusal.reason, refusal.at_ms);
        refusal.description.truncate(refusal.description.floor_char_boundary(MAX_TEXT_BYTES));
        self.with(customer, now_ms, |activity| {
            if activity.last_refusals.len() == LAST_REFUSALS {
                activity.last_refusals.pop_front();
            }
            activity.last_refusals.push_back(refusal.clone());
            activity.count_kind(&refusal);
            let known = activity.refused.iter().position(|known| known.reason == reason);
            let known = known.unwrap_or_else(|| {
                activity.refused.push(RefusedBatches { reason, batches: 0, logged: 0, logged_ms: 0 });
                activity.refused.len() - 1
            });
            let refused = &mut activity.refused[known];
            refused.batches += 1;
            match refused.take_due(now_ms) {
                Some(batches) => Some(RefusalLine { customer: customer.cloned(), batches, last: refusal }),
                None => {
                    self.due_ms.fetch_min(refused.logged_ms + LOG_INTERVAL_MS, Ordering::Relaxed);
                    None
                }
            }
        })
    }

    /// The counts that must be logged now, although no other refusal came. Costs one comparison if there are none.
    pub fn due(&self, now_ms: u64) -> Vec<RefusalLine> {
        if now_ms < self.due_ms.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut table = lock(&self.table);
        let (mut lines, mut next_ms) = (Vec::new(), u64::MAX);
        for (customer, activity) in &mut *table {
            let CustomerActivity { refused, last_refusals, .. } = activity;
            for refused in refused.iter_mut().filter(|refused| refused.batches > refused.logged) {
                let Some(batches) = refused.take_due(now_ms) else {
                    next_ms = next_ms.min(refused.logged_ms + LOG_INTERVAL_MS);
                    continue;
                };
                let last = last_refusals.iter().rfind(|last| last.reason == refused.reason);
                let last = last.or(last_refusals.back()).expect("a refusal was remembered").clone();
                lines.push(RefusalLine { customer: customer.clone(), batches, last });
            }
        }
        let next_ms = if next_ms == u64::MAX { next_ms } else { next_ms.max(now_ms + LOOK_INTERVAL_MS) };
        self.due_ms.store(next_ms, Ordering::Relaxed);
        lines
    }

    pub fn of(&self, customer: &CustomerId) -> CustomerActivity {
        // The key is looked up in the form in which it is stored.
        lock(&self.table).get(&Some(customer.clone())).cloned().unwrap_or_default()
    }

    /// The customers that are remembered, in no order.
    pub fn customers(&self) -> Vec<CustomerId> {
        lock(&self.table).keys().flatten().cloned().collect()
    }

    fn with<T>(
        &self,
        customer: Option<&CustomerId>,
        now_ms: u64,
        change: impl FnOnce(&mut CustomerActivity) -> T,
    ) -> T {
        let (key, mut table) = (customer.cloned(), lock(&self.table));
        if table.len() >= MAX_CUSTOMERS && !table.contains_key(&key) {
            let oldest = table.iter().min_by_key(|(_, activity)| activity.seen_ms);
            if let Some(oldest) = oldest.map(|(customer, _)| customer.clone()) {
                table.remove(&oldest);
            }
        }
        let activity = table.entry(key).or_default();
        activity.seen_ms = activity.seen_ms.max(now_ms);
        change(activity)
    }
}

impl CustomerActivity {
    fn count_kind(&mut self, refusal: &Refusal) {
        let known = self.kinds.iter().position(|kind| kind.last.is_like(refusal));
        let batches = known.map_or(0, |known| self.kinds.remove(known).batches) + 1;
        if self.kinds.len() == LAST_REFUSALS {
            self.kinds.remove(0);
        }
        self.kinds.push(RefusalKind { batches, last: refusal.clone() });
    }
}

impl Refusal {
    /// Whether the sender got the same answer.
    fn is_like(&self, other: &Self) -> bool {
        (self.status, self.reason, &self.description) == (other.status, other.reason, &other.description)
    }
}

impl RefusedBatches {
    /// How many batches a log line must report now: the first one at once, then a sum at most once in an interval.
    fn take_due(&mut self, now_ms: u64) -> Option<u64> {
        if self.logged > 0 && now_ms.saturating_sub(self.logged_ms) < LOG_INTERVAL_MS {
            return None;
        }
        let batches = self.batches - self.logged;
        (self.logged, self.logged_ms) = (self.batches, now_ms);
        Some(batches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn customer(id: &str) -> CustomerId {
        CustomerId::new(id).unwrap()
    }

    fn refusal(reason: &'static str, at_ms: u64) -> Refusal {
        Refusal { at_ms, status: 400, reason, description: format!("at {at_ms}\n") }
    }

    #[test]
    fn the_first_refusal_of_a_reason_is_logged_and_then_one_a_minute() {
        let (activity, acme, b) = (Activity::default(), customer("acme"), customer("b"));
        let said = |customer: Option<&CustomerId>, reason, at_ms| {
            activity.refused(customer, refusal(reason, at_ms)).map(|line| line.to_string())
        };
        let first = "customer acme: batch refused with 400 (invalid): at 5";
        assert_eq!(said(Some(&acme), "invalid", 5).as_deref(), Some(first));
        assert_eq!(said(Some(&acme), "invalid", 6), None);
        assert!(said(Some(&acme), "too_large", 7).is_some(), "another reason");
        assert!(said(Some(&b), "invalid", 7).is_some(), "another customer");
        let nobody = said(None, "invalid", 7);
        assert_eq!(nobody.as_deref(), Some("no valid customer: batch refused with 400 (invalid): at 7"));
        assert_eq!(said(Some(&acme), "invalid", 60_004), None);
        let more = "customer acme: 3 more batches refused (invalid), the last with 400: at 60005";
        assert_eq!(said(Some(&acme), "invalid", 60_005).as_deref(), Some(more));
        assert_eq!(said(Some(&acme), "invalid", 60_006), None);
        let refused: Vec<_> = activity.of(&acme).refused.iter().map(|r| (r.reason, r.batches)).collect();
        assert_eq!(refused, [("invalid", 5), ("too_large", 1)]);
        assert_eq!(activity.customers().len(), 2);
    }

    #[test]
    fn a_count_is_logged_though_no_other_refusal_comes() {
        let (activity, acme) = (Activity::default(), customer("acme"));
        let due = |now_ms| activity.due(now_ms).iter().map(RefusalLine::to_string).collect::<Vec<_>>();
        for at_ms in 0..500 {
            activity.refused(Some(&acme), refusal("invalid", at_ms));
        }
        activity.refused(Some(&acme), refusal("too_large", 30_000));
        activity.refused(Some(&acme), refusal("too_large", 30_001));
        assert_eq!(due(59_999), [""; 0]);
        let lines = due(60_000);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("customer acme: 499 more batches refused (invalid)"), "{lines:?}");
        assert_eq!(due(89_999), [""; 0]);
        assert_eq!(due(90_000), ["customer acme: batch refused with 400 (too_large): at 30001"]);
        assert_eq!(due(u64::MAX - 1), [""; 0]);
    }

    #[test]
    fn the_last_refusals_are_kept_with_their_text_cut() {
        let (activity, acme) = (Activity::default(), customer("acme"));
        for at_ms in 0..9 {
            activity
                .refused(Some(&acme), Refusal { description: "é".repeat(200), ..refusal("invalid", at_ms) });
        }
        let last = activity.of(&acme).last_refusals;
        assert_eq!(last.iter().map(|refusal| refusal.at_ms).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
        assert!(last.iter().all(|refusal| refusal.description.len() == MAX_TEXT_BYTES));
    }

    #[test]
    fn equal_refusals_are_told_once_with_their_number_and_the_last_time() {
        let (activity, acme) = (Activity::default(), customer("acme"));
        let refuse = |description: &str, at_ms| {
            let refusal = Refusal { description: description.to_owned(), ..refusal("invalid", at_ms) };
            activity.refused(Some(&acme), refusal);
        };
        let kinds = || {
            let kinds = activity.of(&acme).kinds.into_iter();
            kinds.map(|kind| (kind.last.description, kind.batches, kind.last.at_ms)).collect::<Vec<_>>()
        };
        (0..40).for_each(|at_ms| refuse("once", at_ms));
        refuse("rare", 40);
        refuse("once", 41);
        assert_eq!(kinds(), [("rare".to_owned(), 1, 40), ("once".to_owned(), 41, 41)]);
        (50..60).for_each(|at_ms| refuse(&format!("item {at_ms}"), at_ms));
        assert_eq!((kinds().len(), kinds()[0].2, kinds()[4].2), (LAST_REFUSALS, 55, 59));
    }

    #[test]
    fn altered_fields_add_up() {
        let (activity, acme) = (Activity::default(), customer("acme"));
        activity.altered(&acme, [("path", 1)].into_iter(), 1);
        activity.altered(&acme, [("status", 2), ("path", 3)].into_iter(), 9);
        activity.altered(&customer("b"), [].into_iter(), 9);
        assert_eq!(
            (activity.of(&acme).altered, activity.of(&acme).seen_ms),
            (vec![("path", 4), ("status", 2)], 9)
        );
        assert_eq!(activity.customers().len(), 1, "a customer without anything to tell takes no place");
    }

    #[test]
    fn the_customer_seen_longest_ago_makes_room() {
        let activity = Activity::default();
        for number in 0..=MAX_CUSTOMERS {
            activity.altered(&customer(&format!("c{number}")), [("path", 1)].into_iter(), number as u64);
        }
        assert_eq!(activity.customers().len(), MAX_CUSTOMERS);
        assert_eq!(activity.of(&customer("c0")), CustomerActivity::default());
        assert_eq!(activity.of(&customer("c1")).altered, [("path", 1)]);
    }
}
