//! The threads that summarize a group. Each takes the next record, so a slow object delays its own group only.
//!
//! Input: records of `batch-ingested`. Output: insights, or why a record cannot be processed. Never: Kafka.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::Message;
use rdkafka::message::OwnedMessage;

use super::summarizing::{SummarizeError, summarize};
use crate::base::shutdown::{self, Joined};
use crate::cluster::backoff;
use crate::cluster::metrics::{DeadReason, WorkerMetrics};
use crate::cluster::records::{BatchEvent, SummaryObject};
use crate::cluster::s3::ObjectStore;
use crate::cluster::shared_secret::SharedSecret;
use crate::cluster::texts::RulesByName;

/// Time for the object store to answer for one batch, with all tries, before the group is given up and read again. The
/// batch is safe meanwhile, so this is longer than an ingest waits.
const STORE_TIMEOUT: Duration = Duration::from_secs(60);
/// One thread of a core waits for the object store while the other one summarizes.
const THREADS_PER_CORE: usize = 2;

/// An insight as a record.
pub(super) struct EncodedInsight {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
}

/// The result for one record.
pub(super) enum RecordOutcome {
    Summarized {
        insights: Vec<EncodedInsight>,
        /// Entries of the batch.
        entries: u32,
        /// Whether the batch had a summary before.
        repeated: bool,
    },
    /// It can never be processed.
    Dead { reason: DeadReason, why: String },
}

impl RecordOutcome {
    /// Raises the metrics, once its transaction is committed.
    pub(super) fn count(&self, metrics: &WorkerMetrics) {
        match self {
            Self::Summarized { insights, entries, repeated } => {
                metrics.events.inc();
                metrics.entries.inc_by(u64::from(*entries));
                metrics.insights.inc_by(insights.len() as u64);
                metrics.repeated.inc_by(u64::from(*repeated));
            }
            Self::Dead { reason, .. } => metrics.dead.with_label_values(&[reason.label()]).inc(),
        }
    }
}

/// One record on its way to a thread of the crew.
struct Job {
    number: usize,
    value: Vec<u8>,
    stopping: Arc<AtomicBool>,
    done: Sender<(usize, Option<RecordOutcome>)>,
}

/// What all threads of the crew share.
struct CrewShared {
    store: Arc<ObjectStore>,
    secret: Arc<SharedSecret>,
    rules: RulesByName,
    max_record_bytes: usize,
}

/// Threads that summarize. They end when the crew is dropped.
pub struct SummarizeCrew {
    jobs: Sender<Job>,
    threads: Vec<Joined>,
}

impl SummarizeCrew {
    /// Starts two threads for each core. An insight larger than `max_record_bytes` is not emitted.
    pub fn start(
        store: &Arc<ObjectStore>,
        secret: &Arc<SharedSecret>,
        max_record_bytes: usize,
    ) -> io::Result<Self> {
        let threads =
            std::thread::available_parallelism().map_or(2, std::num::NonZero::get) * THREADS_PER_CORE;
        let (jobs, queue): (Sender<Job>, Receiver<Job>) = bounded(threads);
        let (store, secret) = (Arc::clone(store), Arc::clone(secret));
        let shared = Arc::new(CrewShared { store, secret, rules: RulesByName::default(), max_record_bytes });
        let start = |number: usize| {
            let (queue, shared) = (queue.clone(), Arc::clone(&shared));
            shutdown::spawn(&format!("summarize-{number}"), move || {
                for job in queue {
                    let outcome = shared.process(&job.value, &job.stopping);
                    // If the group was given up, nothing receives the outcome.
                    let _ = job.done.send((job.number, outcome));
                }
            })
        };
        let threads = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self { jobs, threads })
    }

    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Processes records and returns their outcomes in order; `None` if one had to be given up.
    pub(super) fn process<'r>(
        &self,
        records: impl ExactSizeIterator<Item = &'r OwnedMessage>,
        stopping: &Arc<AtomicBool>,
    ) -> Option<Vec<RecordOutcome>> {
        let count = records.len();
        let (done, results) = bounded(count);
        for (number, record) in records.enumerate() {
            let value = record.payload().unwrap_or_default().to_vec();
            let job = Job { number, value, stopping: Arc::clone(stopping), done: done.clone() };
            self.jobs.send(job).expect("the crew's threads live as long as it does");
        }
        drop(done);
        let mut outcomes: Vec<Option<RecordOutcome>> = (0..count).map(|_| None).collect();
        for (number, outcome) in results {
            outcomes[number] = outcome;
        }
        outcomes.into_iter().collect()
    }
}

impl CrewShared {
    fn process(&self, value: &[u8], stopping: &AtomicBool) -> Option<RecordOutcome> {
        let event = match BatchEvent::decode(value) {
            Ok(event) => event,
            Err(error) => {
                let reason = DeadReason::Undecodable;
                return Some(RecordOutcome::Dead { reason, why: error.to_string() });
            }
        };
        let mut tries = backoff(Some(STORE_TIMEOUT));
        loop {
            match summarize(&self.store, &self.secret, &self.rules, &event) {
                Ok((summary, repeated)) => return Some(self.encode(summary, repeated)),
                Err(SummarizeError::Never { reason, why }) => {
                    return Some(RecordOutcome::Dead { reason, why });
                }
                Err(SummarizeError::Retry(error)) => {
                    if stopping.load(Ordering::Relaxed) || !tries.wait() {
                        log::warn!("batch {} of {}: {error}", event.batch_id, event.customer);
                        return None;
                    }
                }
            }
        }
    }

    fn encode(&self, summary: SummaryObject, repeated: bool) -> RecordOutcome {
        let entries = summary.entries;
        let mut insights = Vec::new();
        for insight in summary.insights() {
            let insight = EncodedInsight { key: insight.key(), value: insight.encode() };
            let bytes = insight.key.len() + insight.value.len();
            if bytes > self.max_record_bytes {
                let why = format!("an insight of {bytes} bytes is larger than --kafka-max-record-bytes");
                return RecordOutcome::Dead { reason: DeadReason::TooLarge, why };
            }
            insights.push(insight);
        }
        RecordOutcome::Summarized { insights, entries, repeated }
    }
}
