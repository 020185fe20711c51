//! The engine's side of [`Intake`]: makes the record and the insights of a checked batch, and returns the committer's
//! outcome.
//!
//! Input: checked batches. Output: outcomes. Never: a record that is made on the committer's thread.

use std::sync::atomic::Ordering;

use crossbeam_channel::bounded;

use super::{Engine, ToCommitter, bodies, waiting};
use crate::base::clock;
use crate::base::inflight::Charge;
use crate::base::random;
use crate::base::secret::Subkey;
use crate::base::spares::Spares;
use crate::batch::{Content, Encoding, insights, visitor_key};
use crate::intake::{CheckedBatch, Intake};
use crate::journal::committer::{Deletion, Submission};
use crate::journal::dedup::DedupEntry;
use crate::journal::format::{BodyCoding, Parts, RecordDraft};
use crate::journal::summary;
use crate::model::{BatchId, CustomerId, Summary};
use crate::outcome::{DeletionOutcome, Outcome, Reason};

impl Intake for Engine {
    fn take(&self, batch: CheckedBatch<'_>) -> Outcome {
        let metrics = &self.shared.metrics;
        let (entries, body_bytes) = (batch.summary.entries, batch.body.len());
        let received_at_ms = batch.received_at_ms;
        let starts: Vec<_> = batch.summary.minutes.iter().map(|(start, _)| *start).collect();
        // The body belongs to the caller until it answers; it is charged as long.
        let (submission, _body_charge) = match self.prepare(batch) {
            Ok(prepared) => prepared,
            Err(outcome) => return outcome,
        };
        let (answer, waiting) = waiting::pair();
        let _ = self.to_committer.send(ToCommitter::Commit { submission, answer });
        let outcome = waiting.wait();
        if outcome == Outcome::Counted {
            metrics.entries.inc_by(u64::from(entries));
            metrics.body_bytes.inc_by(body_bytes as u64);
            for start in starts {
                let age_ms = received_at_ms.saturating_sub(crate::time::start_ms(start));
                metrics.late_seconds.observe(age_ms as f64 / 1000.0);
            }
        }
        outcome
    }

    fn known(&self, customer: &CustomerId, batch_id: &BatchId, fingerprint: u128) -> Option<Outcome> {
        match self.ask_known(customer, batch_id) {
            Ok(known) => (known?.fingerprint() == fingerprint).then_some(Outcome::Duplicate),
            Err(reason) => Some(Outcome::Unavailable(reason)),
        }
    }

    fn begins_with(
        &self,
        customer: &CustomerId,
        batch_id: &BatchId,
        content: &Content,
        lines: &[u8],
    ) -> bool {
        let Ok(Some(known)) = self.ask_known(customer, batch_id) else { return false };
        let shared = &self.shared;
        bodies::begins_with(&*shared.disk, &shared.dir, known.seq, content, lines).unwrap_or_else(|error| {
            log::warn!("batch {batch_id} of {customer}: {error}");
            false
        })
    }

    fn delete(&self, customer: &CustomerId) -> DeletionOutcome {
        let (answer, answers) = bounded(self.to_workers.len());
        let id = BatchId::new(&random::ulid()).expect("a ULID is a batch id");
        let deletion = Deletion {
            customer: customer.clone(),
            draft: RecordDraft::deletion(customer, &id),
            received_at_ms: clock::now_ms(),
        };
        let _ = self.to_committer.send(ToCommitter::Delete { deletion, answer });
        let mut workers = 0;
        for outcome in answers {
            match outcome {
                DeletionOutcome::Deleted => workers += 1,
                other => return other,
            }
        }
        // The committer drops messages that come after the stop, and a worker that has ended does not answer.
        let is_done = workers == self.to_workers.len();
        if is_done { DeletionOutcome::Deleted } else { DeletionOutcome::Unavailable(Reason::Stopping) }
    }

    fn last_received_at_ms(&self) -> u64 {
        self.shared.last_received_at_ms.load(Ordering::Relaxed)
    }

    fn visitor_key(&self) -> Subkey {
        visitor_key(self.shared.dir.secret())
    }
}

impl Engine {
    /// What the committer knows of a batch.
    fn ask_known(&self, customer: &CustomerId, batch_id: &BatchId) -> Result<Option<DedupEntry>, Reason> {
        let key = self.shared.hasher.key(customer, batch_id);
        let (answer, known) = bounded(1);
        let _ = self.to_committer.send(ToCommitter::AskKnown { customer: customer.clone(), key, answer });
        // The committer drops questions that come after the stop.
        known.recv().unwrap_or(Err(Reason::Stopping))
    }

    /// Does everything that needs no turn of the committer: record, checksum, insights; returns them with the part of
    /// the charge that the body holds. Otherwise the outcome to answer with.
    fn prepare(&self, batch: CheckedBatch<'_>) -> Result<(Submission, Charge), Outcome> {
        const BUSY: Outcome = Outcome::Unavailable(Reason::Busy);
        let CheckedBatch { customer, batch_id, server_made_id, body, summary, mut charge, .. } = batch;
        let fingerprint = batch.content.fingerprint(body);
        let parts = Parts {
            customer,
            batch_id,
            server_made_id,
            content: batch.content,
            entries: summary.entries,
            fingerprint,
            body_bytes: u32::try_from(body.len()).expect("bodies are limited to less than 4 GiB"),
        };
        let capacity =
            summary_bytes(&summary) + 512 + if self.shared.options.keep_bodies { body.len() / 4 } else { 0 };
        let held = charge.bytes();
        charge.grow_to(held + capacity).map_err(|_| BUSY)?;
        let write_summary = |bytes: &mut Vec<u8>| summary::encode(&summary, bytes);
        let draft = RecordDraft::new(parts, capacity, write_summary, |bytes| {
            self.write_body(body, batch.coded, bytes)
        });
        charge.grow_to(held + draft.bytes().len()).map_err(|_| BUSY)?;
        let record_charge = charge.split_off(held);
        let submission = Submission {
            customer: customer.clone(),
            entries: summary.entries,
            key: (!server_made_id).then(|| self.shared.hasher.key(customer, batch_id)),
            fingerprint,
            draft,
            received_at_ms: batch.received_at_ms,
            insights: insights(customer, &summary),
            charge: record_charge,
        };
        Ok((submission, charge))
    }

    fn write_body(&self, body: &[u8], coded: Option<(Encoding, &[u8])>, bytes: &mut Vec<u8>) -> BodyCoding {
        if !self.shared.options.keep_bodies {
            return BodyCoding::Dropped;
        }
        match coded {
            Some((Encoding::Gzip, raw)) => {
                bytes.extend_from_slice(raw);
                return BodyCoding::Gzip;
            }
            Some((Encoding::Zstd, raw)) => {
                bytes.extend_from_slice(raw);
                return BodyCoding::Zstd;
            }
            Some((Encoding::Identity, _)) | None => {}
        }
        BUFFERS.lend(|buffer| {
            let most = lz4_flex::block::get_maximum_output_size(body.len());
            if buffer.len() < most {
                buffer.resize(most, 0);
            }
            match lz4_flex::block::compress_into(body, buffer) {
                Ok(written) if written < body.len() => {
                    bytes.extend_from_slice(&buffer[..written]);
                    BodyCoding::Lz4
                }
                _ => {
                    bytes.extend_from_slice(body);
                    BodyCoding::Plain
                }
            }
        })
    }
}

/// Each buffer has room for the largest body after compression; most results take a quarter of that. Filling new
/// memory with zeros for each body took a tenth of the time of an import. Few bodies are compressed at once, because
/// compressing never waits.
static BUFFERS: Spares<Vec<u8>> = Spares::new(4);

/// Roughly the length of a summary in its record.
fn summary_bytes(summary: &Summary) -> usize {
    let counts: usize = summary.minutes.iter().map(|(_, counts)| counts.bytes()).sum();
    summary.keys.bytes() + counts
}
