//! One session with Kafka: a consumer in the group and a transactional producer, used until the first error and then
//! dropped together. So there is one way to recover: a new session begins at the committed offsets, and an open
//! transaction is aborted.
//!
//! Insights, dead letters and offsets of a group are in one transaction. Readers of committed records therefore see each
//! insight once for each event, whichever process dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use super::crew::{RecordOutcome, SummarizeCrew};
use super::group::RecordGroup;
use crate::base::clock;
use crate::cluster::kafka::{Kafka, is_fatal};
use crate::cluster::metrics::WorkerMetrics;
use crate::cluster::records::BatchEvent;
use crate::time;

/// How long a group waits for more records after its first.
const GROUP_WAIT: Duration = Duration::from_millis(20);
/// How long a poll waits, and so how soon a stop is noticed.
const POLL: Duration = Duration::from_millis(100);
/// The broker aborts a transaction that is open for longer: more than the largest group takes to be written.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub struct SessionOptions {
    /// The consumer group.
    pub group: String,
    /// Unique among running workers. The broker aborts what a dead process of this name left open.
    pub worker_id: String,
    /// A worker that is silent for so long counts as dead, and other workers get its partitions.
    pub timeout: Duration,
}

/// Counts how often partitions were taken away.
#[derive(Default)]
struct Partitions {
    revocations: AtomicU64,
}

impl ClientContext for Partitions {
    fn error(&self, error: KafkaError, reason: &str) {
        log::warn!("kafka: {error}: {reason}");
    }
}

impl ConsumerContext for Partitions {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                log::info!("reads {} partitions", partitions.count());
            }
            Rebalance::Revoke(_) | Rebalance::Error(_) => {
                self.revocations.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// A running session.
pub(super) struct Session {
    consumer: BaseConsumer<Partitions>,
    producer: BaseProducer<DefaultProducerContext>,
    kafka: Kafka,
}

impl Session {
    /// Joins the group. Whatever a dead process of this worker's name left open is aborted here.
    pub(super) fn begin(kafka: &Kafka, options: &SessionOptions) -> Result<Self, KafkaError> {
        let millis = |time: Duration| time.as_millis().to_string();
        let mut config = kafka.producer("summarize-worker");
        config
            .set("transactional.id", &options.worker_id)
            .set("transaction.timeout.ms", millis(TRANSACTION_TIMEOUT))
            .set("message.timeout.ms", millis(kafka.timeout().min(TRANSACTION_TIMEOUT)));
        let producer: BaseProducer = config.create()?;
        producer.init_transactions(kafka.timeout())?;
        let mut config = kafka.consumer("summarize-worker", &options.group);
        config
            .set("group.instance.id", &options.worker_id)
            .set("session.timeout.ms", millis(options.timeout))
            .set("heartbeat.interval.ms", millis(options.timeout / 4))
            .set("partition.assignment.strategy", "range");
        let consumer: BaseConsumer<Partitions> = config.create_with_context(Partitions::default())?;
        consumer.subscribe(&[&kafka.topics.batches])?;
        Ok(Self { consumer, producer, kafka: kafka.clone() })
    }

    /// Processes group after group until it must stop.
    ///
    /// # Errors
    /// What Kafka says; or that the object store was unreachable for too long.
    pub(super) fn run(
        &self,
        crew: &SummarizeCrew,
        must_stop: &Arc<AtomicBool>,
        metrics: &WorkerMetrics,
    ) -> Result<(), SessionError> {
        while !must_stop.load(Ordering::Relaxed) {
            let Some((group, began)) = self.collect()? else { continue };
            let Some(outcomes) = crew.process(group.records.iter(), must_stop) else {
                // Either a stop, or the store was unreachable for too long: nothing was written, nothing is committed.
                if must_stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                return Err(SessionError::StoreUnreachable);
            };
            self.commit(&group, &outcomes)?;
            metrics.group_seconds.observe(began.elapsed().as_secs_f64());
            outcomes.iter().for_each(|outcome| outcome.count(metrics));
        }
        Ok(())
    }

    /// Reads records until the group is large enough or no more come. If partitions are taken away meanwhile, the
    /// group is dropped: another worker processes its records, or this one reads them again.
    fn collect(&self) -> Result<Option<(RecordGroup, Instant)>, KafkaError> {
        let mut group = RecordGroup::default();
        let mut began = clock::monotonic();
        while !group.is_full() {
            let wait = if group.is_empty() { POLL } else { GROUP_WAIT.saturating_sub(began.elapsed()) };
            let before = self.consumer.context().revocations.load(Ordering::Relaxed);
            let polled = self.consumer.poll(wait);
            if self.consumer.context().revocations.load(Ordering::Relaxed) != before {
                group = RecordGroup::default();
            }
            match polled {
                None if group.is_empty() => return Ok(None),
                None => break,
                Some(Ok(message)) => {
                    if group.is_empty() {
                        began = clock::monotonic();
                    }
                    let body_bytes = message.payload().and_then(|value| BatchEvent::decode(value).ok());
                    let body_bytes = body_bytes.map_or(0, |event| u64::from(event.body_bytes));
                    group.push(message.detach(), body_bytes);
                }
                Some(Err(error)) if passes(&error) => log::warn!("kafka: {error}"),
                Some(Err(error)) => return Err(error),
            }
        }
        Ok((!group.is_empty()).then_some((group, began)))
    }

    /// Writes a group's insights, dead letters and offsets in one transaction.
    fn commit(&self, group: &RecordGroup, outcomes: &[RecordOutcome]) -> Result<(), KafkaError> {
        let timeout = self.kafka.timeout();
        // A member that was removed from the group meanwhile has a stale generation and cannot commit.
        let Some(member) = self.consumer.group_metadata() else {
            return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::UnknownMemberId));
        };
        self.producer.begin_transaction()?;
        let written = group
            .records
            .iter()
            .zip(outcomes)
            .try_for_each(|(record, outcome)| self.write(record, outcome))
            .and_then(|()| {
                let offsets = group.offsets(&self.kafka.topics.batches);
                self.producer.send_offsets_to_transaction(&offsets, &member, timeout)
            })
            .and_then(|()| self.commit_written());
        if let Err(error) = &written {
            // If it cannot be aborted now, the next session aborts it when it begins.
            if !is_fatal(error) {
                let _ = self.producer.abort_transaction(timeout);
            }
        }
        written
    }

    fn commit_written(&self) -> Result<(), KafkaError> {
        loop {
            match self.producer.commit_transaction(self.kafka.timeout()) {
                // A commit that was sent may have happened: ask until the result is known.
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {
                    log::warn!("kafka: the commit is tried again: {}", error.string());
                }
                done => return done,
            }
        }
    }

    fn write(&self, record: &OwnedMessage, outcome: &RecordOutcome) -> Result<(), KafkaError> {
        match outcome {
            RecordOutcome::Summarized { insights, .. } => {
                let topic = &self.kafka.topics.insights;
                insights.iter().try_for_each(|insight| {
                    self.send(BaseRecord::to(topic).key(&insight.key).payload(&insight.value))
                })
            }
            RecordOutcome::Dead { why, .. } => {
                log::error!(
                    "record {} of partition {} cannot be processed and is copied to {}: {why}",
                    record.offset(),
                    record.partition(),
                    self.kafka.topics.dead
                );
                let header = |headers: OwnedHeaders, key: &str, value: &str| {
                    headers.insert(Header { key, value: Some(value) })
                };
                let mut headers = header(OwnedHeaders::new(), "source-topic", record.topic());
                headers = header(headers, "source-partition", &record.partition().to_string());
                headers = header(headers, "source-offset", &record.offset().to_string());
                headers = header(headers, "failed-at", &time::format_instant(clock::now_ms()));
                headers = header(headers, "reason", why);
                let mut letter: BaseRecord<'_, [u8], [u8]> =
                    BaseRecord::to(&self.kafka.topics.dead).headers(headers);
                letter.key = record.key();
                letter.payload = record.payload();
                self.send(letter)
            }
        }
    }

    /// Hands a record to the producer, waiting for room.
    fn send<K: rdkafka::message::ToBytes + ?Sized, V: rdkafka::message::ToBytes + ?Sized>(
        &self,
        record: BaseRecord<'_, K, V>,
    ) -> Result<(), KafkaError> {
        let deadline = clock::monotonic() + self.kafka.timeout();
        let mut unsent = Some(record);
        while let Some(record) = unsent.take() {
            match self.producer.send(record) {
                Ok(()) => {}
                Err((error, record)) => {
                    let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                    if !full || clock::monotonic() > deadline {
                        return Err(error);
                    }
                    self.producer.poll(POLL);
                    unsent = Some(record);
                }
            }
        }
        Ok(())
    }
}

/// Whether the consumer recovers from this error by itself.
fn passes(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let KafkaError::MessageConsumption(code) = error else { return false };
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::OperationTimedOut
            | Code::Resolve
            | Code::NotCoordinator
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
    )
}

/// Why a session ended.
#[derive(Debug)]
pub(super) enum SessionError {
    Kafka(KafkaError),
    /// It was unreachable for too long.
    StoreUnreachable,
}

impl From<KafkaError> for SessionError {
    fn from(error: KafkaError) -> Self {
        Self::Kafka(error)
    }
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kafka(error) => error.fmt(f),
            Self::StoreUnreachable => f.write_str("the object store was unreachable for too long"),
        }
    }
}
