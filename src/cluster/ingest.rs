//! The intake of a cluster: a batch is durable when its body is in the object store under its id and its event is in
//! `batch-ingested` on all replicas. Only then is it answered 202.
//!
//! The conditional PUT decides who is first. Whoever finds the object there compares fingerprints: another body is 422;
//! the same one is answered 409 after its event was emitted **again**, because whoever was first may have died between
//! the two steps. Everything behind the topic counts a batch id once, however often its event comes.
//!
//! The event is always made from the object's metadata, so that it is the same whoever emits it: a retry may be coded
//! differently, and come when other limits are in force.
//!
//! What is refused with 503 may still be counted, once: the client is asked to send it again, and gets 409 then. A batch
//! without a key of its own cannot be sent again under its id, so nobody ever makes up for an event of it that is
//! missing; see [`super::reconcile`].

use std::sync::Arc;
use std::time::Duration;

use super::kafka::EventLog;
use super::metrics::IngestMetrics;
use super::names;
use super::probe::Probe;
use super::records::{BatchEvent, MadeBy};
use super::retry::Backoff;
use super::s3::{ObjectStore, Put, StoreError};
use super::shared_secret::SharedSecret;
use crate::base::secret::Subkey;
use crate::batch::{Encoding, Limits};
use crate::intake::{CheckedBatch, DeletionOutcome, Health, Intake, Outcome, Reason};
use crate::metrics::Metrics;
use crate::model::{BatchId, CustomerId};
use crate::time;

/// Takes batches for a cluster.
pub struct ClusterIntake {
    store: Arc<ObjectStore>,
    events: Arc<EventLog>,
    secret: Arc<SharedSecret>,
    limits: Limits,
    /// Time for the object store to take a batch, with all tries.
    store_timeout: Duration,
    probe: Probe,
    metrics: Arc<Metrics>,
    ingest_metrics: IngestMetrics,
}

/// What a [`ClusterIntake`] works with.
pub struct IntakeParts {
    pub store: Arc<ObjectStore>,
    pub events: Arc<EventLog>,
    pub secret: Arc<SharedSecret>,
    /// What batches were checked against.
    pub limits: Limits,
    /// Time for the object store to take a batch, with all tries.
    pub store_timeout: Duration,
    pub probe: Probe,
    pub metrics: Arc<Metrics>,
}

/// What the object store holds under the batch's id now.
enum HeldBatch {
    /// This batch, and no earlier attempt put it there.
    Ours(BatchEvent),
    /// This batch, from before.
    Same(BatchEvent),
    /// Another body.
    Other,
}

impl ClusterIntake {
    pub fn new(parts: IntakeParts) -> Self {
        let IntakeParts { store, events, secret, limits, store_timeout, probe, metrics } = parts;
        let ingest_metrics = IngestMetrics::new(&metrics);
        // The others are the same for every process, or change no result.
        let Limits { max_entries, keep_query, .. } = limits;
        let limits = Limits { max_entries, keep_query, ..Limits::default() };
        Self { store, events, secret, limits, store_timeout, probe, metrics, ingest_metrics }
    }

    fn event_of(&self, batch: &CheckedBatch<'_>) -> BatchEvent {
        BatchEvent {
            customer: batch.customer.clone(),
            batch_id: batch.batch_id.clone(),
            fingerprint: batch.content.fingerprint(batch.body),
            content: batch.content.clone(),
            encoding: batch.coded.map_or(Encoding::Identity, |(encoding, _)| encoding),
            entries: batch.summary.entries,
            body_bytes: u32::try_from(batch.body.len()).expect("bodies are limited to less than 4 GiB"),
            received_at_ms: batch.received_at_ms,
            limits: self.limits.clone(),
        }
    }

    /// Has the object store hold the batch, or finds out what it holds instead.
    fn store(&self, event: BatchEvent, id_by: MadeBy, body: &[u8]) -> Result<HeldBatch, Reason> {
        let key = names::raw_key(&event.customer, &event.batch_id);
        let metadata = event.metadata(id_by);
        let mut backoff = Backoff::within(self.store_timeout);
        // After a lost answer the object that is found may be our own.
        let mut lost_answer = false;
        loop {
            let error = match self.store.put_if_absent(&key, body, &metadata) {
                Ok(Put::Stored) => return Ok(HeldBatch::Ours(event)),
                Ok(Put::Exists) => match self.found(&key, &event) {
                    Ok(Some(HeldBatch::Same(first))) if lost_answer && first == event => {
                        return Ok(HeldBatch::Ours(event));
                    }
                    Ok(Some(held)) => return Ok(held),
                    // It was there, and is gone: the next try puts it there.
                    Ok(None) => StoreError::Unavailable("the object came and went".to_owned()),
                    Err(error) => error,
                },
                Err(error) => {
                    lost_answer = true;
                    error
                }
            };
            let again = matches!(error, StoreError::Unavailable(_));
            if !again || !backoff.wait() {
                log::warn!("batch {} of {}: {error}", event.batch_id, event.customer);
                return Err(Reason::ObjectStore);
            }
            self.ingest_metrics.store_retries.inc();
        }
    }

    /// Compares what is there with what came.
    fn found(&self, key: &str, event: &BatchEvent) -> Result<Option<HeldBatch>, StoreError> {
        let Some(metadata) = self.store.head(key)? else { return Ok(None) };
        match BatchEvent::from_metadata(event.batch_id.clone(), |name| metadata.get(name)) {
            Ok((first, _)) if first.fingerprint == event.fingerprint => Ok(Some(HeldBatch::Same(first))),
            Ok(_) => Ok(Some(HeldBatch::Other)),
            Err(error) => {
                // Somebody else writes into the bucket. To guess would be to count twice or never.
                Err(StoreError::Refused { status: 200, message: format!("{key} is not of ours: {error}") })
            }
        }
    }

    fn emit(&self, event: &BatchEvent) -> Result<(), Reason> {
        self.events.append(event.batch_id.as_str(), &event.encode()).map_err(|error| {
            log::warn!("batch {} of {}: {error}", event.batch_id, event.customer);
            Reason::Stream
        })
    }
}

impl Intake for ClusterIntake {
    fn take(&self, batch: CheckedBatch<'_>) -> Outcome {
        let event = self.event_of(&batch);
        let id_by = if batch.server_made_id { MadeBy::Server } else { MadeBy::Client };
        let body = batch.coded.map_or(batch.body, |(_, raw)| raw);
        let (entries, body_bytes, received_at_ms) = (event.entries, event.body_bytes, event.received_at_ms);
        if let Err(error) = self.secret.prove(&self.store) {
            log::warn!("batch {} of {}: {error}", event.batch_id, event.customer);
            return Outcome::Unavailable(Reason::ObjectStore);
        }
        let held = match self.store(event, id_by, body) {
            Ok(held) => held,
            Err(reason) => return Outcome::Unavailable(reason),
        };
        let (event, outcome) = match held {
            HeldBatch::Ours(event) => (event, Outcome::Counted),
            HeldBatch::Same(event) => (event, Outcome::Duplicate),
            HeldBatch::Other => return Outcome::Conflict,
        };
        if let Err(reason) = self.emit(&event) {
            return Outcome::Unavailable(reason);
        }
        match outcome {
            Outcome::Counted => {
                self.metrics.entries.inc_by(u64::from(entries));
                self.metrics.body_bytes.inc_by(u64::from(body_bytes));
                for (start, _) in &batch.summary.minutes {
                    let age_ms = received_at_ms.saturating_sub(time::start_ms(*start));
                    self.metrics.late_seconds.observe(age_ms as f64 / 1_000.0);
                }
            }
            _ => self.ingest_metrics.emitted_again.inc(),
        }
        outcome
    }

    fn known(&self, customer: &CustomerId, batch_id: &BatchId, fingerprint: u128) -> Option<Outcome> {
        let key = names::raw_key(customer, batch_id);
        let metadata = match self.store.head(&key) {
            Ok(metadata) => metadata?,
            Err(error) => {
                log::warn!("batch {batch_id} of {customer}: {error}");
                return Some(Outcome::Unavailable(Reason::ObjectStore));
            }
        };
        let (event, _) = BatchEvent::from_metadata(batch_id.clone(), |name| metadata.get(name)).ok()?;
        if event.fingerprint != fingerprint {
            return None;
        }
        // As for any batch that is found there: whoever was first may have died before its event was emitted.
        let emitted = self.emit(&event);
        self.ingest_metrics.emitted_again.inc();
        Some(emitted.map_or_else(Outcome::Unavailable, |()| Outcome::Duplicate))
    }

    fn delete(&self, _: &CustomerId) -> DeletionOutcome {
        DeletionOutcome::NotImplemented
    }

    fn last_received_at_ms(&self) -> u64 {
        0
    }

    fn visitor_key(&self) -> Subkey {
        self.secret.visitors()
    }
}

impl Health for ClusterIntake {
    fn ready(&self) -> Result<(), Reason> {
        self.probe.ready()
    }

    fn report(&self) {}
}
