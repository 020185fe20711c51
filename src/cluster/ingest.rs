//! The intake of a cluster: a batch is durable when its body is in the object store under its id and its event is in
//! `batch-ingested` on all replicas. Only then is it answered 202.
//!
//! Path rules are applied when a batch is taken: their text is stored before the batch and named in its metadata and its event, so
//! that workers, retries and `reconcile` count by the same rules, whatever rules hold by then. Rates hold per process.
//!
//! The conditional PUT decides who is first. An ingest that finds the object there compares fingerprints: another body is 422;
//! the same one is answered 409 after its event was emitted **again**, because the first one may have died between
//! the two steps. Everything behind the topic counts a batch id once, however often its event comes.
//!
//! The event is always made from the object's metadata, so that every process makes the same: a retry may be coded
//! differently, and come when other limits are in force.
//!
//! A batch that is refused with 503 may still be counted, once: the client is asked to send it again, and gets 409
//! then. A batch without a key cannot be sent again under its id, so that its event, if missing, stays missing. For
//! all other batches [`super::unsettled`] records which of them may lack their event, for [`super::reconcile`].

use std::sync::Arc;
use std::time::Duration;

use super::backoff;
use super::kafka::EventLog;
use super::metrics::IngestMetrics;
use super::names;
use super::probe::Probe;
use super::raw;
use super::records::{BatchEvent, MadeBy};
use super::s3::{Metadata, ObjectError, ObjectStore, Put, StoreError};
use super::shared_secret::SharedSecret;
use super::span::MinuteSpan;
use super::texts::SharedTexts;
use super::unsettled::{Unsettled, UnsettledBatch};
use crate::base::secret::Subkey;
use crate::batch::{Content, Encoding, Limits};
use crate::intake::{CheckedBatch, DeletionOutcome, Health, Intake, Outcome, Reason};
use crate::metrics::Metrics;
use crate::model::{BatchId, CustomerId};
use crate::time;

/// Takes batches for a cluster.
pub struct ClusterIntake {
    store: Arc<ObjectStore>,
    events: Arc<EventLog>,
    secret: Arc<SharedSecret>,
    texts: SharedTexts,
    unsettled: Unsettled,
    /// Time for the object store to take a batch, with all tries.
    store_timeout: Duration,
    probe: Probe,
    metrics: Arc<Metrics>,
    ingest_metrics: IngestMetrics,
}

pub struct IntakeParts {
    pub store: Arc<ObjectStore>,
    pub events: Arc<EventLog>,
    pub secret: Arc<SharedSecret>,
    pub unsettled: Unsettled,
    /// Time for the object store to take a batch, with all tries.
    pub store_timeout: Duration,
    pub probe: Probe,
    pub metrics: Arc<Metrics>,
}

/// The state of the object store under the batch's id.
enum HeldBatch {
    /// This batch, written by this request.
    Ours(BatchEvent),
    /// This batch, written by an earlier request.
    Same(BatchEvent),
    /// Another body.
    Other,
}

impl ClusterIntake {
    pub fn new(parts: IntakeParts) -> Self {
        let IntakeParts { store, events, secret, unsettled, store_timeout, probe, metrics } = parts;
        let ingest_metrics = IngestMetrics::new(&metrics);
        let texts = SharedTexts::new(Arc::clone(&store), secret.texts());
        Self { store, events, secret, texts, unsettled, store_timeout, probe, metrics, ingest_metrics }
    }

    fn event_of(&self, batch: &CheckedBatch<'_>) -> Result<BatchEvent, StoreError> {
        let rules = batch.limits.path_rules.as_ref().filter(|rules| !rules.is_empty());
        let path_rules = rules.map(|rules| self.texts.put(batch.customer, rules.text())).transpose()?;
        // The other limits are the same for every process, or change no result.
        let Limits { max_entries, keep_query, .. } = *batch.limits;
        Ok(BatchEvent {
            customer: batch.customer.clone(),
            batch_id: batch.batch_id.clone(),
            fingerprint: batch.content.fingerprint(batch.body),
            content: batch.content.clone(),
            encoding: batch.coded.map_or(Encoding::Identity, |(encoding, _)| encoding),
            entries: batch.summary.entries,
            body_bytes: u32::try_from(batch.body.len()).expect("bodies are limited to less than 4 GiB"),
            received_at_ms: batch.received_at_ms,
            minutes: MinuteSpan::of(&batch.summary),
            path_rules,
            limits: Limits { max_entries, keep_query, ..Limits::default() },
        })
    }

    /// Makes the object store hold the batch, or finds out what it holds under the id instead.
    fn store(&self, event: BatchEvent, id_by: MadeBy, body: &[u8]) -> Result<HeldBatch, Reason> {
        let key = event.raw_key();
        let mut tries = backoff(Some(self.store_timeout));
        // If an answer was lost, the object that is found may be the one that this request wrote.
        let mut lost_answer = false;
        loop {
            let error = match self.put(&key, &event, id_by, body) {
                Ok(Put::Stored) => return Ok(HeldBatch::Ours(event)),
                Ok(Put::Exists) => match self.found(&key, &event) {
                    Ok(Some(HeldBatch::Same(first))) if lost_answer && first == event => {
                        return Ok(HeldBatch::Ours(event));
                    }
                    Ok(Some(held)) => return Ok(held),
                    // The object existed and is gone: the next try writes it.
                    Ok(None) => StoreError::Unavailable("the object came and went".to_owned()),
                    Err(error) => error,
                },
                Err(error) => {
                    lost_answer = true;
                    error
                }
            };
            let again = matches!(error, StoreError::Unavailable(_));
            if !again || !tries.wait() {
                log::warn!("batch {} of {}: {error}", event.batch_id, event.customer);
                return Err(Reason::ObjectStore);
            }
            self.ingest_metrics.store_retries.inc();
        }
    }

    fn put(&self, key: &str, event: &BatchEvent, id_by: MadeBy, body: &[u8]) -> Result<Put, StoreError> {
        let parameters_in =
            event.long_parameters().map(|text| self.texts.put(&event.customer, text)).transpose()?;
        self.store.put_if_absent(key, body, &event.metadata(id_by, parameters_in))
    }

    /// Compares the stored object with the batch.
    fn found(&self, key: &str, event: &BatchEvent) -> Result<Option<HeldBatch>, StoreError> {
        let Some(metadata) = self.store.head(key)? else { return Ok(None) };
        let first = self.stored_event(key, &event.batch_id, &metadata)?;
        Ok(Some(match first.fingerprint == event.fingerprint {
            true => HeldBatch::Same(first),
            false => HeldBatch::Other,
        }))
    }

    /// The event of the stored batch. If another program writes into the bucket, a guess would count the batch twice
    /// or never.
    fn stored_event(
        &self,
        key: &str,
        batch_id: &BatchId,
        metadata: &Metadata,
    ) -> Result<BatchEvent, StoreError> {
        match raw::event_of(&self.store, key, batch_id.clone(), metadata) {
            Ok((event, _)) => Ok(event),
            Err(ObjectError::Store(error)) => Err(error),
            Err(ObjectError::Unusable(message)) => Err(StoreError::Refused { status: 200, message }),
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
        let unavailable = |error: StoreError| {
            log::warn!("batch {} of {}: {error}", batch.batch_id, batch.customer);
            Outcome::Unavailable(Reason::ObjectStore)
        };
        let prepared = self.secret.prove(&self.store).and_then(|()| self.event_of(&batch));
        let event = match prepared {
            Ok(event) => event,
            Err(error) => return unavailable(error),
        };
        let id_by = if batch.server_made_id { MadeBy::Server } else { MadeBy::Client };
        let body = batch.coded.map_or(batch.body, |(_, raw)| raw);
        let (entries, body_bytes, received_at_ms) = (event.entries, event.body_bytes, event.received_at_ms);
        // `reconcile` never emits the event of a batch whose id the server made.
        let noted = match id_by {
            MadeBy::Server => None,
            MadeBy::Client => match self.unsettled.note(names::stem(batch.customer, batch.batch_id)) {
                Ok(noted) => Some(noted),
                Err(error) => return unavailable(error),
            },
        };
        let held = match self.store(event, id_by, body) {
            Ok(held) => held,
            Err(reason) => return Outcome::Unavailable(reason),
        };
        let (event, outcome) = match held {
            HeldBatch::Ours(event) => (event, Outcome::Counted),
            HeldBatch::Same(event) => (event, Outcome::Duplicate),
            HeldBatch::Other => {
                noted.into_iter().for_each(UnsettledBatch::settle);
                return Outcome::Conflict;
            }
        };
        if let Err(reason) = self.emit(&event) {
            return Outcome::Unavailable(reason);
        }
        noted.into_iter().for_each(UnsettledBatch::settle);
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

    fn begins_with(
        &self,
        customer: &CustomerId,
        batch_id: &BatchId,
        content: &Content,
        lines: &[u8],
    ) -> bool {
        match raw::batch_in(&self.store, &names::raw_key(customer, batch_id), batch_id.clone()) {
            Ok(Some((event, body))) => event.content.begins_with(&body, content, lines),
            Ok(None) => false,
            Err(error) => {
                match error {
                    ObjectError::Store(error) => log::warn!("batch {batch_id} of {customer}: {error}"),
                    ObjectError::Unusable(why) => log::warn!("batch {batch_id} of {customer}: {why}"),
                }
                false
            }
        }
    }

    fn known(&self, customer: &CustomerId, batch_id: &BatchId, fingerprint: u128) -> Option<Outcome> {
        let key = names::raw_key(customer, batch_id);
        let found = match self.store.head(&key) {
            Ok(metadata) => self.stored_event(&key, batch_id, &metadata?),
            Err(error) => Err(error),
        };
        let event = match found {
            Ok(event) => event,
            Err(StoreError::Refused { status: 200, .. }) => return None,
            Err(error) => {
                log::warn!("batch {batch_id} of {customer}: {error}");
                return Some(Outcome::Unavailable(Reason::ObjectStore));
            }
        };
        if event.fingerprint != fingerprint {
            return None;
        }
        // As for any stored batch: the process that wrote it may have died before it emitted the event.
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
