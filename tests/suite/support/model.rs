//! What must be counted: every batch with what its client was told of it.
//!
//! The model knows no disk. A batch that was acknowledged counts once; one whose fate the client never learned counts
//! once or not at all; one that was refused for good does not count. Every batch has a path of its own, so the
//! windows tell how often each was counted, and then must be that sum exactly.

use std::collections::BTreeMap;
use std::sync::Arc;

use log_analytics::dimension::{OTHER, PATH};
use log_analytics::journal::ledger::Cutoffs;
use log_analytics::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use log_analytics::outcome::{Outcome, Reason};

use super::batches::{Batch, Windows, count_batch, own_path};
use super::engine::Answer;
use super::lines::{Counted, Sums};

/// What is known of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Times it is counted for certain.
    pub counted: u64,
    /// Times it was sent without an answer that settles it.
    pub unsettled: u64,
    /// Its client gave up, because another batch has its key.
    pub conflict: bool,
    /// Its record, if the client was the first to send it.
    pub seq: Option<Seq>,
    /// Times it was, or may have been, counted before its customer was deleted.
    pub erased: u64,
}

/// See the module.
#[derive(Clone)]
pub struct Model {
    /// Part of every panic message.
    pub label: String,
    pub batches: Vec<Arc<Batch>>,
    pub standings: Vec<Standing>,
    /// Keys may be folded: then sums and bounds are compared.
    pub blurred: bool,
    /// The highest record that a client has been told of.
    pub last_seq: Seq,
    /// Windows that retention removed, and that nobody expects.
    pub cutoffs: Cutoffs,
}

impl Model {
    /// Nothing sent yet.
    pub fn new(label: String, batches: Vec<Arc<Batch>>, blurred: bool) -> Self {
        let standings = vec![Standing::default(); batches.len()];
        Self { label, batches, standings, blurred, last_seq: Seq::ZERO, cutoffs: Cutoffs::default() }
    }

    /// Whether the client has nothing left to do for this batch.
    pub fn is_settled(&self, number: usize) -> bool {
        let standing = self.standings[number];
        standing.conflict || standing.counted > 0
    }

    /// A batch goes out.
    pub fn sent(&mut self, number: usize) {
        self.standings[number].unsettled += 1;
    }

    /// All batches with the key of this one, itself included.
    fn family(&self, number: usize) -> Vec<usize> {
        let batch = &self.batches[number];
        let related = |other: &Batch| {
            other.keyed && batch.keyed && (&other.customer, &other.id) == (&batch.customer, &batch.id)
        };
        (0..self.batches.len()).filter(|other| *other == number || related(&self.batches[*other])).collect()
    }

    /// An answer arrives.
    pub fn answered(&mut self, number: usize, fate: Answer) {
        let label = self.label.clone();
        let family = self.family(number);
        let keyed = self.batches[number].keyed;
        match fate {
            Ok(seq) => {
                assert!(seq > self.last_seq, "{label}: record {seq} after {}", self.last_seq);
                self.last_seq = seq;
                for other in family.iter().filter(|_| keyed) {
                    let counted = self.standings[*other].counted;
                    assert_eq!(counted, 0, "{label}: batch {number} accepted, {other} has its key");
                    // What was sent before is known now not to be in the journal.
                    self.standings[*other].unsettled = 0;
                }
                let standing = &mut self.standings[number];
                standing.counted += 1;
                standing.seq = Some(seq);
                if !keyed {
                    standing.unsettled -= 1;
                }
            }
            Err(Outcome::Duplicate) => {
                assert!(keyed, "{label}: batch {number} has no key and is a duplicate");
                let standing = &mut self.standings[number];
                assert!(!standing.conflict, "{label}: batch {number} is a duplicate and a conflict");
                // This sending is one that cannot be what it is a duplicate of.
                assert!(
                    standing.counted > 0 || standing.unsettled > 1,
                    "{label}: batch {number} is a duplicate of nothing"
                );
                standing.counted = 1;
                family.iter().for_each(|other| self.standings[*other].unsettled = 0);
            }
            Err(Outcome::Conflict) => {
                let others: Vec<usize> = family.into_iter().filter(|other| *other != number).collect();
                let possible = |other: &&usize| {
                    self.standings[**other].counted > 0 || self.standings[**other].unsettled > 0
                };
                let possible: Vec<usize> = others.iter().filter(possible).copied().collect();
                assert!(!possible.is_empty(), "{label}: batch {number} conflicts with nothing");
                assert_eq!(
                    self.standings[number].counted, 0,
                    "{label}: batch {number} conflicts with itself"
                );
                if let [only] = possible[..] {
                    self.standings[only].counted = 1;
                    self.standings[only].unsettled = 0;
                }
                self.standings[number].conflict = true;
                self.standings[number].unsettled = 0;
            }
            Err(Outcome::Unavailable(Reason::Latched)) => {}
            Err(Outcome::Unavailable(_)) => self.standings[number].unsettled -= 1,
            Err(other) => panic!("{label}: batch {number} is answered {other:?}"),
        }
    }

    /// The customer was deleted by this record: its clients begin anew.
    pub fn deleted(&mut self, customer: &CustomerId, seq: Seq) {
        self.last_seq = self.last_seq.max(seq);
        for (batch, standing) in self.batches.iter().zip(&mut self.standings) {
            if batch.customer == *customer {
                let erased = standing.erased + standing.counted + standing.unsettled;
                *standing = Standing { erased, ..Standing::default() };
            }
        }
    }

    /// What the windows must be, given how often each batch is counted.
    pub fn expected(&self, times: impl Fn(usize) -> u64) -> Windows {
        let mut windows = Windows::new();
        for (number, batch) in self.batches.iter().enumerate() {
            count_batch(&mut windows, batch, times(number));
        }
        windows
    }

    /// How often each batch is counted in these windows, by its own path in the day it falls into.
    fn times_counted(&self, windows: &Windows) -> Vec<u64> {
        let times = |(number, batch): (usize, &Arc<Batch>)| {
            let start = WindowStart(batch.lines[0].minute).floor(WindowSize::Day);
            let key = (batch.customer.clone(), WindowId { size: WindowSize::Day, start });
            let path = windows.get(&key).and_then(|day| day.by[PATH].get(&own_path(number)));
            path.map_or(0, |sums| sums.requests)
        };
        self.batches.iter().enumerate().map(times).collect()
    }

    /// Compares what is seen while the engine runs: what is not acknowledged is not seen, what is acknowledged is.
    pub fn check_live(&self, windows: &Windows) {
        if self.blurred {
            return self.check_blurred(windows);
        }
        for (number, times) in self.times_counted(windows).into_iter().enumerate() {
            let standing = self.standings[number];
            assert_eq!(times, standing.counted, "{}: batch {number}, {standing:?}", self.label);
        }
        self.compare(windows, &self.expected(|number| self.standings[number].counted));
    }

    /// Compares what a recovery came to, and takes over what it says of batches whose fate was open.
    pub fn check_recovered(&mut self, windows: &Windows) {
        if self.blurred {
            // Whoever was not answered asks again; the end of the run compares.
            return;
        }
        let times = self.times_counted(windows);
        for (number, batch) in self.batches.iter().enumerate() {
            let standing = self.standings[number];
            let sent = standing.counted + standing.unsettled;
            let most = if batch.keyed { sent.min(1) } else { sent };
            assert!(
                (standing.counted..=most).contains(&times[number]),
                "{}: batch {number} is counted {} times, {standing:?}",
                self.label,
                times[number]
            );
            if batch.keyed {
                let family: u64 = self.family(number).into_iter().map(|other| times[other]).sum();
                assert!(family <= 1, "{}: batch {number} and its twin are counted", self.label);
            }
        }
        self.compare(windows, &self.expected(|number| times[number]));
        for (standing, times) in self.standings.iter_mut().zip(times) {
            standing.counted = times;
            standing.unsettled = 0;
        }
    }

    fn compare(&self, windows: &Windows, expected: &Windows) {
        for (key, wanted) in expected.iter().filter(|(key, _)| !self.cutoffs.excludes(&key.0, key.1)) {
            let found = windows.get(key);
            assert_eq!(found, Some(wanted), "{}: window {key:?}", self.label);
        }
        for (key, found) in windows {
            assert!(expected.contains_key(key), "{}: window {key:?} holds {found:?}", self.label);
        }
    }

    /// Where keys are folded: sums are exact all the same, and each key counts within its bounds.
    fn check_blurred(&self, windows: &Windows) {
        if self.standings.iter().any(|standing| standing.unsettled > 0) {
            return;
        }
        let mut expected = self.expected(|number| self.standings[number].counted);
        expected.retain(|(customer, id), _| !self.cutoffs.excludes(customer, *id));
        assert_eq!(windows.len(), expected.len(), "{}: number of windows", self.label);
        for (key, wanted) in &expected {
            let found = windows.get(key).unwrap_or_else(|| panic!("{}: no window {key:?}", self.label));
            let totals =
                |counted: &Counted| Counted { by: Default::default(), folded: [0; _], ..counted.clone() };
            assert_eq!(totals(found), totals(wanted), "{}: window {key:?}", self.label);
            for ((found, wanted), folded) in found.by.iter().zip(&wanted.by).zip(found.folded) {
                assert_eq!(sum(found), sum(wanted), "{}: window {key:?}", self.label);
                let requests =
                    |of: &BTreeMap<String, Sums>, name| of.get(name).map_or(0, |sums| sums.requests);
                for name in found.keys().chain(wanted.keys()).filter(|name| *name != OTHER) {
                    let (shown, exact) = (requests(found, name), requests(wanted, name));
                    assert!(
                        (shown..=shown + folded).contains(&exact),
                        "{}: {key:?} {name} counts {shown} of {exact}, folded {folded}",
                        self.label
                    );
                }
            }
        }
    }
}

fn sum(counts: &BTreeMap<String, Sums>) -> Sums {
    counts.values().fold(Sums::default(), |mut sum, part| {
        sum.merge(part);
        sum
    })
}
