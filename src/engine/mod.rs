//! The local engine: threads and channels around the committer, the window workers and the checkpointer.
//!
//! ```text
//! take() ──▶ committer ──insights──▶ worker 0 … worker N-1 ──acks──▶ checkpointer
//!               ▲  └──────────marker──────▲                              │
//!               └────────────────────── "mark now" ──────────────────────┘
//! ```
//!
//! Comes in: checked batches and questions. Goes out: fates, windows, files. Each thread is a thin shell that gives a
//! state machine messages and time. Channels are bounded and point one way: the committer may wait for workers, workers
//! wait for nobody, and the checkpointer waits for both, so nothing waits in a circle.

mod checkpointer;
mod committer;
mod source;
mod waiting;
mod worker;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use xxhash_rust::xxh3::xxh3_128;

use self::checkpointer::CheckpointerThread;
use self::committer::CommitterThread;
use self::worker::WorkerThread;
use crate::base::clock;
use crate::base::disk::Disk;
use crate::base::inflight::Charge;
use crate::base::latch::Latch;
use crate::base::secret::Subkey;
use crate::base::shutdown::{Joined, spawn};
use crate::base::sync::lock;
use crate::batch::{Encoding, Format, insights, visitor_key};
use crate::data_dir::DataDir;
use crate::intake::{CheckedBatch, Health, Intake};
use crate::journal::committer::{CommitLimits, Position, Pressure, Submission};
use crate::journal::dedup::{DedupHasher, DedupKey};
use crate::journal::format::{BodyCoding, Draft, Parts};
use crate::journal::recovery::{self, Opening, RecoveryReport};
use crate::journal::replay::Replay;
use crate::journal::retention::Retention;
use crate::journal::start_error::StartError;
use crate::journal::summary;
use crate::metrics::Metrics;
use crate::model::{BatchId, CustomerId, Question, Summary, WindowId, WindowSize, WindowStart};
use crate::outcome::{Outcome, Reason};
use crate::windows::router::partition;
use crate::windows::scan;
use crate::windows::window::Window;
use crate::windows::worker::{MarkerId, Routed, Worker, WorkerLimits};

/// Messages that may wait for one worker: enough for a worker to go on during the flush of a large window.
pub const QUEUE_LENGTH: usize = 1_024;
/// Batches written and synced together: as many as may wait while the group before is synced.
pub const MAX_GROUP_BATCHES: usize = 1_024;
/// Bytes written and synced together (one batch may be larger): a slow disk still answers within a second.
pub const MAX_GROUP_BYTES: usize = 16 << 20;
/// Time between checkpoints: hour and day files are as old as that, and a restart replays no more than that.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Journal bytes between checkpoints: about a second of replay.
pub const CHECKPOINT_BYTES: u64 = 1 << 30;

/// Engine options.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Window workers.
    pub partitions: usize,
    /// Messages that may wait for one worker.
    pub queue_length: usize,
    /// Batches written and synced together, at most.
    pub max_group_batches: usize,
    /// Bytes written and synced together, at most (one batch may be larger).
    pub max_group_bytes: usize,
    /// The committer's limits.
    pub commit: CommitLimits,
    /// Each worker's limits.
    pub worker: WorkerLimits,
    /// Keys the deduplication index keeps.
    pub dedup_keys: usize,
    /// How long the journal is kept.
    pub retention: Retention,
    /// For how many days windows are kept, by size; 0 for ever.
    pub retain_windows_days: [u32; 3],
    /// Time between checkpoints.
    pub checkpoint_interval: Duration,
    /// Journal bytes between checkpoints.
    pub checkpoint_bytes: u64,
    /// Whether bodies are kept in the journal.
    pub keep_bodies: bool,
}

/// What the threads share.
struct Shared {
    disk: Arc<dyn Disk>,
    dir: Arc<DataDir>,
    options: EngineOptions,
    hasher: DedupHasher,
    latch: Latch,
    metrics: Arc<Metrics>,
    /// [`Position::bytes`] at the last finished checkpoint.
    checkpointed_bytes: AtomicU64,
    /// The latest time of receipt in the journal.
    last_received_at_ms: AtomicU64,
    /// Which workers cannot write what they hold.
    overfull: Vec<AtomicBool>,
}

impl Shared {
    fn pressure(&self) -> Pressure {
        Pressure {
            checkpointed_bytes: self.checkpointed_bytes.load(Ordering::Relaxed),
            windows_overfull: self.overfull.iter().any(|overfull| overfull.load(Ordering::Relaxed)),
        }
    }
}

/// A message to the committer.
enum ToCommitter {
    Commit { submission: Submission, answer: waiting::OutcomeSender },
    Mark { id: MarkerId, answer: Sender<Position> },
    AskKnown { key: DedupKey, fingerprint: u128, answer: Sender<Option<Outcome>> },
    Stop,
}

/// A message to a worker.
enum ToWorker {
    Insights(Vec<Routed>),
    Mark(MarkerId),
    Ask { question: Question, answer: Sender<Vec<Arc<Window>>> },
    TakeUp { customer: CustomerId, window: WindowId, answer: Sender<Result<Option<Arc<Window>>, String>> },
    Stop,
}

/// The running engine.
pub struct Engine {
    shared: Arc<Shared>,
    to_committer: Sender<ToCommitter>,
    to_workers: Vec<Sender<ToWorker>>,
    stop_checkpointer: Sender<()>,
    checkpointer_done: Receiver<bool>,
    threads: Mutex<Vec<Joined>>,
    /// What recovery found.
    report: RecoveryReport,
}

/// Where an engine lives and what it reports to.
pub struct EngineParts {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// The data directory, locked.
    pub dir: Arc<DataDir>,
    /// Closed on the first failed sync.
    pub latch: Latch,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
}

impl Engine {
    /// Recovers the data directory, replays what windows may lack, and starts the threads. When it returns, every
    /// batch that was ever acknowledged is in the windows.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(parts: EngineParts, options: EngineOptions) -> Result<Engine, StartError> {
        let EngineParts { disk, dir, latch, metrics } = parts;
        dir.prepare(&*disk)?;
        let hasher = DedupHasher::new(dir.secret());
        let opened = recovery::open(&Opening {
            disk: &disk,
            dir: &dir,
            dedup_capacity: options.dedup_keys,
            limits: options.commit,
            latch: &latch,
            metrics: metrics.journal.clone(),
            ask_windows: &|report| scan::refuse_lost_journal(&*disk, &dir, report.oldest, report.end),
        })?;
        report_recovery(&opened.report, &metrics);

        let shared = Arc::new(Shared {
            disk,
            dir,
            hasher,
            latch,
            metrics,
            checkpointed_bytes: AtomicU64::new(0),
            last_received_at_ms: AtomicU64::new(opened.committer.last_received_at_ms()),
            overfull: (0..options.partitions).map(|_| AtomicBool::new(false)).collect(),
            options,
        });
        let (acks_in, acks) = bounded(shared.options.partitions);
        let mut threads = Vec::new();
        let mut to_workers = Vec::new();
        for number in 0..shared.options.partitions {
            let (to_worker, messages) = bounded(shared.options.queue_length);
            to_workers.push(to_worker);
            let machine = Worker::new(
                Arc::clone(&shared.disk),
                Arc::clone(&shared.dir),
                shared.options.worker,
                shared.latch.clone(),
                shared.metrics.worker(number),
                opened.report.end,
            );
            let shell = WorkerThread::new(number, machine, messages, acks_in.clone(), Arc::clone(&shared));
            threads.push(spawn(&format!("window-{number}"), move || shell.run())?);
        }
        replay(&shared, &opened.replay, &to_workers)?;

        let (to_committer, messages) = bounded(shared.options.max_group_batches);
        let (poke, poked) = bounded(1);
        let shell =
            CommitterThread::new(opened.committer, messages, to_workers.clone(), poke, Arc::clone(&shared));
        threads.push(spawn("committer", move || shell.run())?);

        let (stop_checkpointer, stopped) = bounded(1);
        let (done, checkpointer_done) = bounded(1);
        let shell = CheckpointerThread::new(
            Arc::clone(&shared),
            to_committer.clone(),
            acks,
            poked,
            stopped,
            done,
            opened.report.checkpoint,
        );
        threads.push(spawn("checkpointer", move || shell.run())?);
        Ok(Engine {
            shared,
            to_committer,
            to_workers,
            stop_checkpointer,
            checkpointer_done,
            threads: Mutex::new(threads),
            report: opened.report,
        })
    }

    /// What recovery found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.report
    }

    /// Ends the engine: everything acknowledged goes to window files and a last checkpoint. Says whether that came
    /// about within `timeout`; if not, the threads are left as they are, and the next start replays.
    ///
    /// Batches that are submitted after this are refused.
    #[must_use]
    pub fn stop(&self, timeout: Duration) -> bool {
        let deadline = clock::monotonic() + timeout;
        let _ = self.stop_checkpointer.try_send(());
        if self.checkpointer_done.recv_deadline(deadline) != Ok(true) {
            return false;
        }
        let _ = self.to_committer.send(ToCommitter::Stop);
        let mut threads = lock(&self.threads);
        threads.drain(..).all(|thread| thread.join_until(deadline))
    }
}

fn report_recovery(report: &RecoveryReport, metrics: &Metrics) {
    let torn_bytes = report.torn_bytes.unwrap_or(0);
    metrics.rewritten_records.set(report.rewritten);
    metrics.torn_bytes.set(torn_bytes);
    metrics.checkpoint_seq.set(report.checkpoint.0);
    log::info!(
        "journal: records to {}, checkpoint {}, {} to replay, {} made durable again, {torn_bytes} torn bytes cut",
        report.end,
        report.checkpoint,
        report.end.0 - report.checkpoint.0,
        report.rewritten,
    );
}

/// Routes the records that windows may lack, and waits until they are merged.
fn replay(shared: &Shared, replay: &Replay, to_workers: &[Sender<ToWorker>]) -> io::Result<()> {
    let began = clock::monotonic();
    let gone = || io::Error::other("a window worker ended during the replay");
    let mut alive = true;
    replay.visit(&*shared.disk, &shared.dir, |found| {
        let summary = summary::decode(found.record.summary())?;
        let mut routes = vec![Vec::new(); to_workers.len()];
        for insight in insights(&found.customer, &summary) {
            let number = partition(&insight.customer, insight.window, to_workers.len());
            routes[number].push(Routed { seq: found.record.header.seq, insight, charge: None });
        }
        for (worker, insights) in to_workers.iter().zip(routes).filter(|(_, insights)| !insights.is_empty()) {
            alive &= worker.send(ToWorker::Insights(insights)).is_ok();
        }
        Ok(alive)
    })?;
    // A question is answered only after everything before it was merged.
    let (answer, answers) = bounded(to_workers.len());
    for worker in to_workers {
        worker.send(ToWorker::Ask { question: nothing(), answer: answer.clone() }).map_err(|_| gone())?;
    }
    drop(answer);
    if answers.iter().count() < to_workers.len() {
        return Err(gone());
    }
    let took = began.elapsed();
    shared.metrics.replayed_records.set(replay.records());
    shared.metrics.replay_seconds.set(took.as_secs_f64());
    if replay.records() > 0 {
        log::info!("replayed {} records in {} ms", replay.records(), took.as_millis());
    }
    Ok(())
}

impl Intake for Engine {
    fn take(&self, batch: CheckedBatch<'_>) -> Outcome {
        let metrics = &self.shared.metrics;
        let (entries, body_bytes) = (batch.summary.entries, batch.body.len());
        let received_at_ms = batch.received_at_ms;
        let starts: Vec<_> = batch.summary.minutes.iter().map(|(start, _)| *start).collect();
        // The body is the caller's until it answers; so long it is charged.
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

    fn known(&self, customer: &CustomerId, batch_id: &BatchId, body: &[u8]) -> Option<Outcome> {
        let key = self.shared.hasher.key(customer, batch_id);
        let (answer, known) = bounded(1);
        let ask = ToCommitter::AskKnown { key, fingerprint: xxh3_128(body), answer };
        let _ = self.to_committer.send(ask);
        // The committer drops questions that come after the stop.
        known.recv().unwrap_or(Some(Outcome::Unavailable(Reason::Stopping)))
    }

    fn last_received_at_ms(&self) -> u64 {
        self.shared.last_received_at_ms.load(Ordering::Relaxed)
    }

    fn visitor_key(&self) -> Subkey {
        visitor_key(self.shared.dir.secret())
    }
}

impl Health for Engine {
    fn ready(&self) -> Result<(), Reason> {
        if self.shared.latch.is_closed() {
            return Err(Reason::Latched);
        }
        match self.shared.disk.free_space(self.shared.dir.root()) {
            Ok(free) if !free.is_below(self.shared.options.commit.min_free_bytes) => Ok(()),
            _ => Err(Reason::DiskFull),
        }
    }

    fn report(&self) {
        for (number, worker) in self.to_workers.iter().enumerate() {
            let label = number.to_string();
            self.shared.metrics.queue_depth.with_label_values(&[&label]).set(worker.len() as u64);
        }
        self.shared.metrics.latched.set(u64::from(self.shared.latch.is_closed()));
        if let Ok(free) = self.shared.disk.free_space(self.shared.dir.root()) {
            self.shared.metrics.disk_free_bytes.set(free.bytes);
            self.shared.metrics.disk_free_inodes.set(free.inodes);
        }
    }
}

impl Engine {
    /// Everything that can be done before the committer's turn: record, checksum, insights; and the part of the charge
    /// that the body holds. Else what to answer.
    fn prepare(&self, batch: CheckedBatch<'_>) -> Result<(Submission, Charge), Outcome> {
        const BUSY: Outcome = Outcome::Unavailable(Reason::Busy);
        let CheckedBatch { customer, batch_id, server_made_id, body, summary, mut charge, .. } = batch;
        let fingerprint = xxh3_128(body);
        let parts = Parts {
            customer,
            batch_id,
            server_made_id,
            ndjson: batch.format == Format::Ndjson,
            entries: summary.entries,
            fingerprint,
            body_bytes: u32::try_from(body.len()).expect("bodies are limited to less than 4 GiB"),
        };
        let capacity =
            summary_bytes(&summary) + 512 + if self.shared.options.keep_bodies { body.len() / 4 } else { 0 };
        let held = charge.bytes();
        charge.grow_to(held + capacity).map_err(|_| BUSY)?;
        let write_summary = |bytes: &mut Vec<u8>| summary::encode(&summary, bytes);
        let draft =
            Draft::new(parts, capacity, write_summary, |bytes| self.write_body(body, batch.coded, bytes));
        charge.grow_to(held + draft.bytes().len()).map_err(|_| BUSY)?;
        let record_charge = charge.split_off(held);
        let submission = Submission {
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
        let start = bytes.len();
        bytes.resize(start + lz4_flex::block::get_maximum_output_size(body.len()), 0);
        match lz4_flex::block::compress_into(body, &mut bytes[start..]) {
            Ok(written) if written < body.len() => {
                bytes.truncate(start + written);
                BodyCoding::Lz4
            }
            _ => {
                bytes.truncate(start);
                bytes.extend_from_slice(body);
                BodyCoding::Plain
            }
        }
    }
}

/// Roughly how long a summary will be in its record.
fn summary_bytes(summary: &Summary) -> usize {
    let counts: usize = summary.minutes.iter().map(|(_, counts)| counts.bytes()).sum();
    summary.keys.bytes() + counts
}

/// A question that no window answers.
fn nothing() -> Question {
    let customer = CustomerId::new("-").expect("one visible character");
    Question { customer, size: WindowSize::Minute, range: WindowStart(0)..WindowStart(0) }
}
