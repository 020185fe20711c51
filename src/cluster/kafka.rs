//! Kafka: how clients are set up, and the one that waits for every record to be durable.
//!
//! Records are partitioned by `murmur2`, as Java's producers do it, so that all records of a key are in one partition
//! whoever wrote them.

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

/// Records wait so long for others to be sent with.
const LINGER_MS: &str = "2";
/// Memory of records that are not durable yet: batches in flight are bounded by what the front end takes.
const QUEUE_KBYTES: &str = "65536";
/// How much longer than a record's own timeout its sender waits to be told.
const SLACK: Duration = Duration::from_secs(1);
/// Descriptors of one client: a socket and two to wake its thread by for each broker that it talks to, of which a process
/// rarely knows more than twenty.
pub const CLIENT_DESCRIPTORS: usize = 64;

/// Where Kafka is, and how it is used.
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

/// What is the same for all clients of Kafka.
#[derive(Clone)]
pub struct Kafka {
    brokers: String,
    options: Vec<(String, String)>,
    timeout: Duration,
    max_record_bytes: usize,
    /// Names of topics.
    pub topics: Topics,
}

/// Names of topics.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Batches that were taken.
    pub batches: String,
    /// What they were reduced to.
    pub insights: String,
    /// Insights that came too late for the window job.
    pub late: String,
    /// Records that cannot be worked on.
    pub dead: String,
}

impl Kafka {
    /// Reads flags and the file of options.
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

    /// Time for a record, and for every request.
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

    /// How a producer is set up: idempotent, every record on all replicas that are in sync.
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

    /// How a consumer is set up: what was committed, and nothing of transactions that were not; offsets are committed
    /// by hand.
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

/// Why a record is not durable, or may not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotDurable(pub String);

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kafka does not take the record: {}", self.0)
    }
}

impl std::error::Error for NotDurable {}

type Fate = Result<(), KafkaError>;

/// Tells whoever waits what became of its record.
struct Deliveries;

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        log::warn!("kafka: {error}: {reason}");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Sender<Fate>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let fate = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        // Whoever waited may have given up.
        let _ = waiting.try_send(fate);
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
    /// A writer of one topic; connects by itself, now and whenever it must.
    ///
    /// # Errors
    /// What is wrong with the options.
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
        let (waiting, fate): (Sender<Fate>, Receiver<Fate>) = bounded(1);
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(waiting)).key(key).payload(value);
        let fate = match writer.send(record) {
            Ok(()) => match fate.recv_timeout(self.timeout + SLACK) {
                Ok(fate) => fate,
                Err(_) => return Err(NotDurable("it was not acknowledged in time".to_owned())),
            },
            Err((error, _)) => Err(error),
        };
        fate.map_err(|error| {
            self.replace_if_broken(&writer);
            NotDurable(error.to_string())
        })
    }

    /// Whether the topic is there, and writable as far as can be told without writing.
    ///
    /// # Errors
    /// Why not.
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
            _ => Err(format!("there is no topic {}", self.topic)),
        }
    }

    /// Waits until nothing is on its way any more; `false` where that takes longer.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> bool {
        self.writer().flush(timeout).is_ok()
    }

    fn writer(&self) -> Arc<Writer> {
        Arc::clone(&sync::read(&self.writer))
    }

    /// An idempotent producer that has met a fatal error (a broker forgot it, say) never writes again.
    fn replace_if_broken(&self, broken: &Arc<Writer>) {
        let Some((code, reason)) = broken.client().fatal_error() else { return };
        let mut current = sync::write(&self.writer);
        if !Arc::ptr_eq(&current, broken) {
            return;
        }
        log::error!("kafka: {code}: {reason}; a new producer takes over");
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

/// Whether an error ends the use of a client.
pub fn is_fatal(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_fatal(),
        other => other.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal),
    }
}
