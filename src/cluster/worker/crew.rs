//! The threads that summarize a group: each takes the next record, so that the slowest object holds nobody up but its own
//! group.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::Message;
use rdkafka::message::OwnedMessage;

use super::session::insight_key;
use super::summarizing::{Failure, summarize};
use crate::base::shutdown::{self, Joined};
use crate::cluster::metrics::WorkerMetrics;
use crate::cluster::records::BatchEvent;
use crate::cluster::retry::Backoff;
use crate::cluster::s3::ObjectStore;

/// An insight as a record.
pub struct Encoded {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
}

/// What came of one record.
pub enum Worked {
    /// Its batch is summarized.
    Done {
        /// What to emit.
        insights: Vec<Encoded>,
        /// Entries of the batch.
        entries: u32,
        /// Whether there was a summary already.
        repeated: bool,
    },
    /// It cannot be worked on, ever.
    Dead {
        /// The label in metrics.
        label: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl Worked {
    /// Counts it, once it is committed.
    pub fn count(&self, metrics: &WorkerMetrics) {
        match self {
            Self::Done { insights, entries, repeated } => {
                metrics.events.inc();
                metrics.entries.inc_by(u64::from(*entries));
                metrics.insights.inc_by(insights.len() as u64);
                metrics.repeated.inc_by(u64::from(*repeated));
            }
            Self::Dead { label, .. } => metrics.dead.with_label_values(&[label]).inc(),
        }
    }
}

/// One record on its way to a thread of the crew.
struct Job {
    number: usize,
    value: Vec<u8>,
    stopping: Arc<AtomicBool>,
    done: Sender<(usize, Option<Worked>)>,
}

/// What every thread of the crew has.
struct Tools {
    store: Arc<ObjectStore>,
    store_timeout: Duration,
    max_record_bytes: usize,
}

/// Threads that summarize. They end when the crew is dropped.
pub struct Crew {
    jobs: Sender<Job>,
    _threads: Vec<Joined>,
}

impl Crew {
    /// Starts so many threads. One tries for `store_timeout` to reach the object store before it gives a record up, and
    /// with it the group; a record larger than `max_record_bytes` is not emitted.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(
        threads: usize,
        store: &Arc<ObjectStore>,
        store_timeout: Duration,
        max_record_bytes: usize,
    ) -> io::Result<Self> {
        let (jobs, queue): (Sender<Job>, Receiver<Job>) = bounded(threads);
        let tools = Arc::new(Tools { store: Arc::clone(store), store_timeout, max_record_bytes });
        let start = |number: usize| {
            let (queue, tools) = (queue.clone(), Arc::clone(&tools));
            shutdown::spawn(&format!("summarize-{number}"), move || {
                for job in queue {
                    let worked = tools.work(&job.value, &job.stopping);
                    // A group that was given up is not waited for.
                    let _ = job.done.send((job.number, worked));
                }
            })
        };
        let threads = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self { jobs, _threads: threads })
    }

    /// Works on records and returns what came of each, in their order; `None` where one had to be given up.
    pub fn work<'r>(
        &self,
        records: impl ExactSizeIterator<Item = &'r OwnedMessage>,
        stopping: &Arc<AtomicBool>,
    ) -> Option<Vec<Worked>> {
        let count = records.len();
        let (done, results) = bounded(count);
        for (number, record) in records.enumerate() {
            let value = record.payload().unwrap_or_default().to_vec();
            let job = Job { number, value, stopping: Arc::clone(stopping), done: done.clone() };
            self.jobs.send(job).expect("the crew's threads live as long as it does");
        }
        drop(done);
        let mut worked: Vec<Option<Worked>> = (0..count).map(|_| None).collect();
        for (number, result) in results {
            worked[number] = result;
        }
        worked.into_iter().collect()
    }
}

impl Tools {
    fn work(&self, value: &[u8], stopping: &AtomicBool) -> Option<Worked> {
        let event = match BatchEvent::decode(value) {
            Ok(event) => event,
            Err(error) => return Some(Worked::Dead { label: "undecodable", why: error.to_string() }),
        };
        let mut backoff = Backoff::within(self.store_timeout);
        loop {
            match summarize(&self.store, &event) {
                Ok((summary, repeated)) => {
                    let entries = summary.entries;
                    let encoded = summary
                        .insights()
                        .map(|insight| Encoded { key: insight_key(&insight), value: insight.encode() });
                    let insights: Vec<Encoded> = encoded.collect();
                    let largest =
                        insights.iter().map(|insight| insight.key.len() + insight.value.len()).max();
                    if largest > Some(self.max_record_bytes) {
                        let why = format!(
                            "an insight of {} bytes is larger than --kafka-max-record-bytes",
                            largest.unwrap_or_default()
                        );
                        return Some(Worked::Dead { label: "too_large", why });
                    }
                    return Some(Worked::Done { insights, entries, repeated });
                }
                Err(Failure::Poisoned { label, why }) => return Some(Worked::Dead { label, why }),
                Err(Failure::Passing(error)) => {
                    if stopping.load(Ordering::Relaxed) || !backoff.wait() {
                        log::warn!("batch {} of {}: {error}", event.batch_id, event.customer);
                        return None;
                    }
                }
            }
        }
    }
}
