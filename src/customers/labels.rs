//! Which customers have series of their own in `/metrics`: the busiest, at most `MAX_LABELLED`; the others are counted under
//! `(other)`.
//!
//! Input: batches, accepted and refused. Output: counters by customer. A customer that has sent twice as much as the quietest
//! one with series takes its place: so series are stable, and no counter ever falls, `(other)` included. Never: a series for
//! each customer there is.

use std::sync::Mutex;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::sync::lock;
use crate::dimension::OTHER;
use crate::metrics::CustomerMetrics;
use crate::model::CustomerId;

/// Customers with series of their own.
const MAX_LABELLED: usize = 100;
/// The reason for most refusals: its series exist before the first one, so that an alert sees it.
const USUAL_REASON: &str = "invalid";
/// Customers whose entries are summed to find the busiest. When there are more, the quieter half is forgotten.
const MAX_SUMMED: usize = 20_000;

/// What a batch adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchCounts {
    pub entries: u64,
    pub with_status: u64,
    /// Entries with a status from 500 to 599.
    pub server_errors: u64,
}

#[derive(Debug)]
pub(super) struct LabelledCustomers {
    metrics: CustomerMetrics,
    sums: Mutex<LabelledSums>,
}

#[derive(Debug, Default)]
struct LabelledSums {
    /// Entries sent by each customer; a refused batch counts as one entry.
    sent: HashMap<CustomerId, u64, RandomState>,
    /// Customers with series of their own, and the reasons for which their batches were refused.
    labelled: HashMap<CustomerId, Vec<&'static str>, RandomState>,
    /// A lower bound for what the quietest of them has sent.
    quietest: u64,
}

impl LabelledCustomers {
    pub(super) fn new(metrics: CustomerMetrics) -> Self {
        Self { metrics, sums: Mutex::default() }
    }

    /// Gives the busiest of these customers, with the entries that they sent before the start of the process, series
    /// that begin at zero, so that an alert notices if one of them sends nothing any more.
    pub(super) fn begin_with(&self, mut known: Vec<(CustomerId, u64)>) {
        known.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        for (customer, _) in known.into_iter().take(MAX_LABELLED) {
            self.accepted(&customer, BatchCounts::default());
        }
    }

    pub(super) fn accepted(&self, customer: &CustomerId, counts: BatchCounts) {
        let mut sums = lock(&self.sums);
        let label =
            if self.is_labelled(&mut sums, customer, counts.entries) { customer.as_str() } else { OTHER };
        let CustomerMetrics { entries, with_status, server_errors, .. } = &self.metrics;
        for (metric, count) in [
            (entries, counts.entries),
            (with_status, counts.with_status),
            (server_errors, counts.server_errors),
        ] {
            metric.with_label_values(&[label]).inc_by(count);
        }
    }

    /// Counts a refused batch.
    pub(super) fn refused(&self, customer: &CustomerId, reason: &'static str) {
        let mut sums = lock(&self.sums);
        let label = if self.is_labelled(&mut sums, customer, 1) { customer.as_str() } else { OTHER };
        self.metrics.refused.with_label_values(&[label, reason]).inc();
        if let Some(reasons) = sums.labelled.get_mut(customer)
            && !reasons.contains(&reason)
        {
            reasons.push(reason);
        }
    }

    /// Adds to the entries of a customer, and returns whether it has series of its own from now on.
    fn is_labelled(&self, sums: &mut LabelledSums, customer: &CustomerId, more: u64) -> bool {
        let sent = sums.add(customer, more);
        if sums.labelled.contains_key(customer) {
            return true;
        }
        if sums.labelled.len() >= MAX_LABELLED {
            if sent <= sums.quietest.saturating_mul(2) {
                return false;
            }
            let Some((quietest, least)) = sums.find_quietest() else { return false };
            sums.quietest = least;
            if sent <= least.saturating_mul(2) {
                return false;
            }
            let reasons = sums.labelled.remove(&quietest).unwrap_or_default();
            self.remove_series(&quietest, &reasons);
        }
        sums.labelled.insert(customer.clone(), vec![USUAL_REASON]);
        self.metrics.refused.with_label_values(&[customer.as_str(), USUAL_REASON]);
        true
    }

    /// An error means that the series does not exist, which is the goal.
    fn remove_series(&self, customer: &CustomerId, reasons: &[&'static str]) {
        let CustomerMetrics { entries, with_status, server_errors, refused } = &self.metrics;
        for metric in [entries, with_status, server_errors] {
            let _ = metric.remove_label_values(&[customer.as_str()]);
        }
        for reason in reasons {
            let _ = refused.remove_label_values(&[customer.as_str(), reason]);
        }
    }
}

impl LabelledSums {
    fn add(&mut self, customer: &CustomerId, more: u64) -> u64 {
        if self.sent.len() >= MAX_SUMMED && !self.sent.contains_key(customer) {
            let mut all: Vec<u64> = self.sent.values().copied().collect();
            let (_, median, _) = all.select_nth_unstable(MAX_SUMMED / 2);
            let median = *median;
            let labelled = &self.labelled;
            self.sent.retain(|customer, sent| *sent > median || labelled.contains_key(customer));
        }
        let sent = self.sent.entry(customer.clone()).or_insert(0);
        *sent = sent.saturating_add(more);
        *sent
    }

    fn find_quietest(&self) -> Option<(CustomerId, u64)> {
        let sent = |customer: &CustomerId| self.sent.get(customer).copied().unwrap_or(0);
        let labelled = self.labelled.keys().map(|customer| (customer, sent(customer)));
        labelled.min_by_key(|(_, sent)| *sent).map(|(customer, sent)| (customer.clone(), sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn id(number: usize) -> CustomerId {
        CustomerId::new(&format!("c{number}")).unwrap()
    }

    fn entries(entries: u64) -> BatchCounts {
        BatchCounts { entries, with_status: entries, server_errors: 1 }
    }

    #[test]
    fn the_busiest_have_series_and_no_counter_falls() {
        let metrics = Metrics::new();
        let labelled = LabelledCustomers::new(metrics.customers.clone());
        let value = |label: &str| {
            let text = String::from_utf8(metrics.render()).unwrap();
            let name = format!("log_analytics_customer_entries_total{{customer=\"{label}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&name).map(|value| value.parse::<u64>().unwrap()))
        };
        for number in 0..MAX_LABELLED + 50 {
            labelled.accepted(&id(number), entries(10));
        }
        assert_eq!((value("c99"), value("c100"), value(OTHER)), (Some(10), None, Some(500)));
        labelled.refused(&id(0), "invalid");
        // Sending twice as much as the quietest is not enough; a little more is.
        labelled.accepted(&id(100), entries(10));
        assert_eq!((value("c100"), value(OTHER)), (None, Some(510)));
        labelled.accepted(&id(100), entries(2));
        assert_eq!((value("c100"), value(OTHER)), (Some(2), Some(510)));
        let text = String::from_utf8(metrics.render()).unwrap();
        let series = text.lines().filter(|line| line.starts_with("log_analytics_customer_entries_total{"));
        assert_eq!(series.count(), MAX_LABELLED + 1);
        // A customer that lost its series has none left, and starts at zero when it is busy again.
        let gone: Vec<usize> =
            (0..MAX_LABELLED).filter(|number| value(&id(*number).to_string()).is_none()).collect();
        assert_eq!(gone.len(), 1);
        labelled.accepted(&id(gone[0]), entries(1_000));
        assert_eq!(value(&id(gone[0]).to_string()), Some(1_000));
    }

    #[test]
    fn the_busiest_of_before_have_series_from_the_start() {
        let metrics = Metrics::new();
        let labelled = LabelledCustomers::new(metrics.customers.clone());
        labelled.begin_with((0..2 * MAX_LABELLED).map(|number| (id(number), number as u64)).collect());
        let text = String::from_utf8(metrics.render()).unwrap();
        for name in ["customer_entries_total", "customer_batches_refused_total"] {
            let series = |number: usize| format!("log_analytics_{name}{{customer=\"c{number}\"");
            assert!(
                text.contains(&series(2 * MAX_LABELLED - 1)) && !text.contains(&series(MAX_LABELLED - 1))
            );
        }
    }

    #[test]
    fn what_is_summed_is_bounded_and_keeps_the_busiest() {
        let labelled = LabelledCustomers::new(Metrics::new().customers.clone());
        labelled.accepted(&id(0), entries(1_000));
        for number in 1..3 * MAX_SUMMED {
            labelled.accepted(&id(number), entries(1 + number as u64 % 7));
        }
        let sums = lock(&labelled.sums);
        assert!(sums.sent.len() <= MAX_SUMMED);
        assert_eq!(sums.sent.get(&id(0)), Some(&1_000));
    }
}
