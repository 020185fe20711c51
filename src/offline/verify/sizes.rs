//! Whether one customer's windows of different sizes agree: an hour is the sum of its minutes, a day the sum of its hours.
//!
//! Input: one customer's windows, in any order. Output: the hours and days that do not agree. Never: remembers a minute, which
//! are most windows, or anything of the customer before.

use std::collections::BTreeMap;

use super::VerifyProblem;
use crate::data_dir::DataDir;
use crate::journal::ledger::Cutoffs;
use crate::measures::saturating_sum;
use crate::model::{CustomerId, WindowId, WindowSize};
use crate::time;
use crate::windows::window::Window;

/// The names of the sums that finer windows must agree on, for people.
const SUMS: [&str; 4] = ["requests", "requests of robots", "bytes", "microseconds"];

fn sums(window: &Window) -> [u64; SUMS.len()] {
    let measures = &window.all().measures;
    [window.requests(), window.robots().requests, measures.response_bytes, measures.duration_micros]
}

/// Sums of an hour or a day.
#[derive(Default)]
struct CoarseSums {
    /// The sums of the window itself; zero if it is not stored.
    whole: [u64; SUMS.len()],
    is_incomplete: bool,
    /// The sums of the next finer windows in it.
    parts: [u64; SUMS.len()],
}

pub(super) struct CustomerSizes {
    customer: CustomerId,
    coarse: BTreeMap<WindowId, CoarseSums>,
}

impl CustomerSizes {
    pub(super) fn new(customer: CustomerId) -> Self {
        Self { customer, coarse: BTreeMap::new() }
    }

    pub(super) fn customer(&self) -> &CustomerId {
        &self.customer
    }

    pub(super) fn add(&mut self, window: &Window) {
        let (id, sums) = (window.id(), sums(window));
        if id.size != WindowSize::Minute {
            let coarse = self.coarse.entry(id).or_default();
            (coarse.whole, coarse.is_incomplete) = (sums, window.is_incomplete());
        }
        let size = match id.size {
            WindowSize::Minute => WindowSize::Hour,
            WindowSize::Hour => WindowSize::Day,
            WindowSize::Day => return,
        };
        let parts = &mut self.coarse.entry(WindowId { size, start: id.start.floor(size) }).or_default().parts;
        parts.iter_mut().zip(sums).for_each(|(sum, part)| *sum = saturating_sum(*sum, part));
    }

    /// The hours and days that are not the sum of their parts.
    pub(super) fn disagreements(self, dir: &DataDir, cutoffs: &Cutoffs) -> Vec<VerifyProblem> {
        let customer = &self.customer;
        let disagreement = |(id, sums): (&WindowId, &CoarseSums)| {
            let coarse = id.size;
            let fine = if coarse == WindowSize::Day { WindowSize::Hour } else { WindowSize::Minute };
            // Cutoffs are days: before a cutoff there are no fine windows, or no coarse ones, or neither.
            let excluded = |size| cutoffs.excludes(customer, WindowId { size, start: id.start });
            if sums.is_incomplete || excluded(fine) || excluded(coarse) {
                return None;
            }
            let wrong = (0..SUMS.len()).find(|sum| sums.whole[*sum] != sums.parts[*sum])?;
            let what = format!(
                "the {} {} of {customer} counts {} {}, its {}s {}",
                coarse.as_str(),
                time::format_start(id.start),
                sums.whole[wrong],
                SUMS[wrong],
                fine.as_str(),
                sums.parts[wrong]
            );
            Some(VerifyProblem { file: dir.customer(customer), offset: None, what })
        };
        self.coarse.iter().filter_map(disagreement).collect()
    }
}
