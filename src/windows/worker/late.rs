//! Windows that retention or a deletion removed, and the late entries for them.
//!
//! Input: cutoffs and deletions of the ledger, later deletions, and insights. Output: how many requests came too late, by
//! customer and size, as of a marker. Never: lets a window before its cutoff begin anew, or one from before a deletion go
//! on.

use std::sync::Arc;

use crate::journal::deletions::Deletions;
use crate::journal::ledger::{Cutoffs, ExpiredSince};
use crate::model::{CustomerId, Insight, Seq, WindowId};

#[derive(Debug, Default)]
pub struct LateEntries {
    cutoffs: Arc<Cutoffs>,
    deletions: Arc<Deletions>,
    /// The last record whose late entries are already in the ledger.
    ledger_through: Seq,
    /// Late entries since the last marker.
    expired: ExpiredSince,
    /// Late entries up to the last marker.
    expired_at_marker: ExpiredSince,
}

impl LateEntries {
    /// Takes over the cutoffs and deletions of a ledger, before the replay.
    pub fn begin_with(&mut self, cutoffs: Arc<Cutoffs>, deletions: Arc<Deletions>, ledger_through: Seq) {
        (self.cutoffs, self.deletions, self.ledger_through) = (cutoffs, deletions, ledger_through);
    }

    /// Notes that everything of the customer up to this record was deleted, its late entries included.
    pub(super) fn delete(&mut self, customer: &CustomerId, through: Seq) {
        Arc::make_mut(&mut self.deletions).add(customer, through);
        self.expired.remove(customer);
    }

    /// Whether this record, or a window whose last record it is, does not exist any more.
    pub(super) fn is_deleted(&self, customer: &CustomerId, seq: Seq) -> bool {
        self.deletions.cover(customer, seq)
    }

    /// The record of the customer's last deletion.
    pub(super) fn deleted_through(&self, customer: &CustomerId) -> Seq {
        self.deletions.through(customer)
    }

    /// Sets the cutoffs before which nothing is merged any more. Called right before the marker of the checkpoint
    /// that makes them durable.
    pub fn move_cutoffs(&mut self, cutoffs: Arc<Cutoffs>) {
        self.cutoffs = cutoffs;
    }

    /// Requests that came too late, up to the marker that the worker finished last.
    pub fn take(&mut self) -> ExpiredSince {
        std::mem::take(&mut self.expired_at_marker)
    }

    /// Whether this window does not exist any more.
    pub(super) fn excludes(&self, customer: &CustomerId, window: WindowId) -> bool {
        self.cutoffs.excludes(customer, window)
    }

    /// Counts an insight whose window does not exist any more; `false` for any other.
    pub(super) fn takes(&mut self, seq: Seq, insight: &Insight) -> bool {
        if !self.excludes(&insight.customer, insight.window) {
            return false;
        }
        if seq > self.ledger_through {
            let expired = self.expired.entry(insight.customer.clone()).or_default();
            let requests = &mut expired[insight.window.size as usize];
            *requests = requests.saturating_add(u64::from(insight.counts.requests()));
        }
        true
    }

    /// Notes that a marker came: the late entries before it belong to its checkpoint.
    pub(super) fn mark(&mut self) {
        self.expired_at_marker = std::mem::take(&mut self.expired);
    }
}
