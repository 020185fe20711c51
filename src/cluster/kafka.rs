//! Kafka: the configuration of clients, and a producer that waits until each record is durable.
//!
//! Input: settings; records. Output: client configurations; whether a record is on all in-sync replicas.
//! Never: another partitioner than `murmur2`, the default of Java's producers: all records of a key lie in one partition,
//! whichever program wrote them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::credentials;
use crate::base::disk::Disk;
use crate::base::sync;

/// How long a record waits to be sent together with others.
const LINGER_MS: &str = "2";
/// Memory for records that are not durable yet.
const QUEUE_KBYTES: &str = "65536";
/// How much longer than the record's own timeout its sender waits for the outcome.
const SLACK: Duration = Duration::from_secs(1);
/// File descriptors of one client: three for each broker (a socket, and two to wake its thread), for about twenty brokers.
pub const CLIENT_DESCRIPTORS: usize = 64;

#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// `HOST:PORT,…`
    pub brokers: String,
    /// Further options of librdkafka.
    pub options_file: Option<PathBuf>,
    /// The largest key and value together.
    pub max_record_bytes: usize,
    pub topics: Topics,
}

/// The settings that all clients of Kafka share.
#[derive(Clone)]
pub struct Kafka {
    brokers: String,
    options: Vec<(String, String)>,
    timeout: Duration,
    max_record_bytes: usize,
    pub topics: Topics,
}

/// Names of topics.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Batches that ingest accepted.
    pub batches: String,
    /// The windows of batches.
    pub insights: String,
    /// Insights that came too late for the window job.
    pub late: String,
    /// Records that cannot be processed.
    pub dead: String,
}

impl Kafka {
    /// Takes the settings and reads the file of options.
    ///
    /// # Errors
    /// The flag and what is wrong with it.
    pub fn new(options: KafkaOptions, timeout: Duration, disk: &dyn Disk) -> Result<Self, String> {
        let more = match &options.options_file {
            Some(file) => {
                credentials::kafka(disk, file).map_err(|error| format!("--kafka-options-file: {error}"))?
            }
            None => Vec::new(),
        };
        Ok(Self {
            brokers: options.brokers,
            options: more,
            timeout,
            max_record_bytes: options.max_record_bytes,
            topics: options.topics,
        })
    }

    /// The time limit of a record and of every request.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The largest key and value together.
    pub fn max_record_bytes(&self) -> usize {
        self.max_record_bytes
    }

    fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("log-analytics-{role}"))
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("message.max.bytes", (self.max_record_bytes + 64 * 1024).to_string())
            .set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in &self.options {
            config.set(name, value);
        }
        config
    }

    /// The configuration of an idempotent producer whose records are acknowledged by all in-sync replicas.
    pub fn producer(&self, role: &str) -> ClientConfig {
        let mut config = self.client(role);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", "zstd")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", LINGER_MS)
            .set("queue.buffering.max.kbytes", QUEUE_KBYTES)
            .set("message.timeout.ms", self.timeout.as_millis().to_string());
        config
    }

    /// The configuration of a consumer that reads committed records only and commits its offsets explicitly.
    pub fn consumer(&self, role: &str, group: &str) -> ClientConfig {
        let mut config = self.client(role);
        config
            .set("group.id", group)
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.message.max.bytes", (self.max_record_bytes + 64 * 1024).to_string())
            .set("queued.max.messages.kbytes", QUEUE_KBYTES);
        config
    }
}

/// Why a record may not be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDurable(pub String);

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kafka has not acknowledged the record: {}", self.0)
    }
}

impl std::error::Error for NotDurable {}

type RecordDelivery = Result<(), KafkaError>;

/// Passes the outcome of each record to its sender.
struct Deliveries;

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        log::warn!("kafka: {error}: {reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Sender<RecordDelivery>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let delivery = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        // The sender may have given up.
        let _ = waiting.try_send(delivery);
    }
}

type Writer = ThreadedProducer<Deliveries>;

/// Writes records and waits for each to be durable. Shared by all threads.
pub struct EventLog {
    config: ClientConfig,
    topic: String,
    timeout: Duration,
    writer: RwLock<Arc<Writer>>,
}

impl EventLog {
    /// A writer of one topic. It connects, and reconnects, by itself.
    pub fn new(kafka: &Kafka, role: &str, topic: &str) -> Result<Self, String> {
        let config = kafka.producer(role);
        let writer = create(&config)?;
        Ok(Self { config, topic: topic.to_owned(), timeout: kafka.timeout, writer: RwLock::new(writer) })
    }

    /// Writes one record and waits until all replicas in sync have it.
    ///
    /// # Errors
    /// [`NotDurable`]: it may have been written or not.
    pub fn append(&self, key: &str, value: &[u8]) -> Result<(), NotDurable> {
        let writer = self.writer();
        let (waiting, delivered): (Sender<RecordDelivery>, Receiver<RecordDelivery>) = bounded(1);
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(waiting)).key(key).payload(value);
        let delivery = match writer.send(record) {
            Ok(()) => match delivered.recv_timeout(self.timeout + SLACK) {
                Ok(delivery) => delivery,
                Err(_) => return Err(NotDurable("no acknowledgement in time".to_owned())),
            },
            Err((error, _)) => Err(error),
        };
        delivery.map_err(|error| {
            self.replace_if_broken(&writer);
            NotDurable(error.to_string())
        })
    }

    /// Whether the topic exists and each partition has a leader.
    pub fn check(&self, timeout: Duration) -> Result<(), String> {
        let metadata = self.writer().client().fetch_metadata(Some(&self.topic), timeout);
        let metadata = metadata.map_err(|error| error.to_string())?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        match topic {
            Some(topic) if topic.error().is_none() && !topic.partitions().is_empty() => {
                match topic.partitions().iter().find(|partition| partition.leader() < 0) {
                    Some(partition) => {
                        Err(format!("partition {} of {} has no leader", partition.id(), self.topic))
                    }
                    None => Ok(()),
                }
            }
            _ => Err(format!("no such topic: {}", self.topic)),
        }
    }

    /// Waits until all records are acknowledged; `false` after the timeout.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        self.writer().flush(timeout).is_ok()
    }

    fn writer(&self) -> Arc<Writer> {
        Arc::clone(&sync::read(&self.writer))
    }

    /// Replaces a producer after a fatal error, for example when a broker has lost its state: it never writes again.
    fn replace_if_broken(&self, broken: &Arc<Writer>) {
        let Some((code, reason)) = broken.client().fatal_error() else { return };
        let mut current = sync::write(&self.writer);
        if !Arc::ptr_eq(&current, broken) {
            return;
        }
        log::error!("kafka: {code}: {reason}; creating a new producer");
        match create(&self.config) {
            Ok(writer) => *current = writer,
            Err(error) => log::error!("kafka: {error}"),
        }
    }
}

fn create(config: &ClientConfig) -> Result<Arc<Writer>, String> {
    let writer = config.create_with_context(Deliveries);
    writer.map(Arc::new).map_err(|error| format!("--kafka: {error}"))
}

/// Whether a client cannot be used after this error.
pub fn is_fatal(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_fatal(),
        other => other.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal),
    }
}
