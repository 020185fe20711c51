//! The local engine: threads and channels around the committer, the window workers and the checkpointer.
//!
//! ```text
//! take() ──▶ committer ──insights──▶ worker 0 … worker N-1 ──acks──▶ checkpointer
//!               ▲  └──────────marker──────▲                              │
//!               └────────────────────── "mark now" ──────────────────────┘
//!                                                      worker 0 … worker N-1 ◀──"packed"── packer
//! ```
//!
//! Input: checked batches and queries. Output: outcomes, windows, files. Never: waits in a circle: channels are bounded and
//! point one way, the committer may wait for workers, workers wait for no other thread, the checkpointer waits for both, and the
//! packer for workers.
//! Each thread is a thin shell that gives a state machine messages and time.

mod bodies;
mod checkpointer;
mod committer;
mod counted;
mod health;
pub mod keeper;
mod packer;
mod removals;
mod replayed;
mod source;
mod waiting;
mod worker;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use self::checkpointer::{CheckpointerChannels, CheckpointerThread};
use self::committer::CommitterThread;
use self::counted::CountedCustomers;
use self::keeper::{CheckpointKeeper, KeptFor, OwnRetainDays};
use self::packer::PackerThread;
pub use self::packer::{PACK_INTERVAL, PACK_QUIET, PackOptions};
use self::removals::Removals;
use self::replayed::Workers;
use self::worker::WorkerThread;
use crate::base::clock::{self, UnixMs};
use crate::base::disk::Disk;
use crate::base::inflight::Charge;
use crate::base::latch::Latch;
use crate::base::random;
use crate::base::secret::Subkey;
use crate::base::shutdown::{Joined, end_process, spawn};
use crate::base::sync::lock;
use crate::batch::{Encoding, insights, visitor_key};
use crate::data_dir::DataDir;
use crate::intake::{CheckedBatch, Intake};
use crate::journal::committer::{CommitLimits, Deletion, Position, Pressure, Submission};
use crate::journal::dedup::{DedupHasher, DedupKey};
use crate::journal::format::{BodyCoding, Parts, RecordDraft};
use crate::journal::ledger::{CountedSince, Cutoffs, ExpiredSince};
use crate::journal::recovery::{self, OpenedJournal, Opening, RecoveryReport};
use crate::journal::retention::RetentionClock;
use crate::journal::start_error::StartError;
use crate::journal::summary;
use crate::metrics::Metrics;
use crate::model::{BatchId, CustomerId, PackId, Question, Seq, Summary, WindowId, WindowStart};
use crate::outcome::{DeletionOutcome, Outcome, Reason};
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
    /// How long journal and windows are kept.
    pub kept_for: KeptFor,
    /// When days are packed.
    pub pack: PackOptions,
    /// Time between checkpoints.
    pub checkpoint_interval: Duration,
    /// Journal bytes between checkpoints.
    pub checkpoint_bytes: u64,
    /// Whether bodies are kept in the journal.
    pub keep_bodies: bool,
}

/// What the threads share.
struct EngineShared {
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
    removals: Removals,
    counted: CountedCustomers,
    /// Which workers cannot write what they hold.
    overfull: Vec<AtomicBool>,
    /// Before these, windows do not exist or are about to be removed.
    cutoffs: Mutex<Arc<Cutoffs>>,
    own_retain_days: OwnRetainDays,
}

impl EngineShared {
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
    Mark { id: MarkerId, cutoffs: Option<Arc<Cutoffs>>, answer: Sender<Marked> },
    AskKnown { customer: CustomerId, key: DedupKey, fingerprint: u128, answer: Sender<Option<Outcome>> },
    Delete { deletion: Deletion, answer: Sender<DeletionOutcome> },
    Stop,
}

/// Where the journal stood when a marker was sent, and what was counted since the marker before it.
struct Marked {
    position: Position,
    counted: CountedSince,
}

/// A worker has written everything that came before a marker.
struct Ack {
    marker: MarkerId,
    expired: ExpiredSince,
}

/// A message to a worker.
enum ToWorker {
    Insights(Vec<Routed>),
    Mark {
        id: MarkerId,
        cutoffs: Option<Arc<Cutoffs>>,
    },
    Ask {
        question: Question,
        answer: Sender<Vec<Arc<Window>>>,
    },
    RebuildForQuery {
        customer: CustomerId,
        window: WindowId,
        answer: Sender<Result<Option<Arc<Window>>, String>>,
    },
    Delete {
        customer: CustomerId,
        through: Seq,
        /// `None` in a replay.
        done: Option<Sender<DeletionOutcome>>,
    },
    RemoveLeftover {
        customer: CustomerId,
        window: WindowId,
        done: Sender<io::Result<()>>,
    },
    AskMerged {
        since: UnixMs,
        answer: Sender<Option<Vec<(CustomerId, WindowStart)>>>,
    },
    RemovePacked {
        customer: CustomerId,
        pack: PackId,
        windows: Vec<(WindowStart, Seq)>,
        answer: Sender<io::Result<u64>>,
    },
    Stop,
}

/// The running engine.
pub struct Engine {
    shared: Arc<EngineShared>,
    to_committer: Sender<ToCommitter>,
    to_workers: Vec<Sender<ToWorker>>,
    stop_packer: Sender<()>,
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
    /// For how many days a customer's windows are kept where that is its own setting.
    pub own_retain_days: OwnRetainDays,
}

impl Engine {
    /// Recovers the data directory, replays what windows may lack, and starts the threads. When it returns, every
    /// batch that was ever acknowledged is in the windows.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(parts: EngineParts, options: EngineOptions) -> Result<Engine, StartError> {
        let EngineParts { disk, dir, latch, metrics, own_retain_days } = parts;
        dir.prepare(&*disk)?;
        // A backup must not see a segment that is written again or cut.
        let opened = {
            let _lock = replayed::lock_for_recovery(&dir)?;
            recovery::open(&Opening {
                disk: &disk,
                dir: &dir,
                dedup_capacity: options.dedup_keys,
                limits: options.commit,
                latch: &latch,
                metrics: metrics.journal.clone(),
                ask_windows: &|end| scan::refuse_windows_ahead(&*disk, &dir, end),
            })?
        };
        let OpenedJournal { mut committer, replay, ledger, retention_ms, report } = opened;
        replayed::report_recovery(&report, &replay, &metrics);

        let cutoffs = Arc::new(ledger.cutoffs());
        let shared = Arc::new(EngineShared {
            hasher: DedupHasher::new(dir.secret()),
            removals: Removals::new(&dir),
            disk,
            dir,
            latch,
            metrics,
            checkpointed_bytes: AtomicU64::new(0),
            last_received_at_ms: AtomicU64::new(committer.last_received_at_ms()),
            counted: CountedCustomers::default(),
            overfull: (0..options.partitions).map(|_| AtomicBool::new(false)).collect(),
            own_retain_days,
            cutoffs: Mutex::new(Arc::clone(&cutoffs)),
            options,
        });
        let (acks_in, acks) = bounded(shared.options.partitions);
        let deletions = Arc::new(ledger.deletions());
        let mut threads = Vec::new();
        let mut to_workers = Vec::new();
        for number in 0..shared.options.partitions {
            let (to_worker, messages) = bounded(shared.options.queue_length);
            to_workers.push(to_worker);
            let mut machine = Worker::new(
                Arc::clone(&shared.disk),
                Arc::clone(&shared.dir),
                shared.options.worker,
                shared.latch.clone(),
                shared.metrics.worker(number),
                report.end,
            );
            machine.late_entries().begin_with(Arc::clone(&cutoffs), Arc::clone(&deletions), ledger.through);
            let thread = WorkerThread::new(number, machine, messages, acks_in.clone(), Arc::clone(&shared));
            threads.push(spawn(&format!("window-{number}"), move || thread.run())?);
        }
        let mut keeper = CheckpointKeeper::new(
            Arc::clone(&shared.disk),
            Arc::clone(&shared.dir),
            shared.options.kept_for,
            ledger,
            RetentionClock::new(retention_ms, clock::now_ms()),
        );
        replayed::replay(&shared, &replay, &mut keeper, &to_workers)?;
        if let Some(why) = report.unproven {
            replayed::prove(&shared, why, &mut keeper, &Workers { to: &to_workers, acks: &acks })?;
        }
        committer.begin_with(keeper.ledger());
        shared.counted.begin_with(keeper.ledger());

        let (to_committer, messages) = bounded(shared.options.max_group_batches);
        let (poke, poked) = bounded(1);
        let thread = CommitterThread::new(committer, messages, to_workers.clone(), poke, Arc::clone(&shared));
        threads.push(spawn("committer", move || thread.run())?);

        let (stop_checkpointer, stopped) = bounded(1);
        let (done, checkpointer_done) = bounded(1);
        let channels = CheckpointerChannels {
            to_committer: to_committer.clone(),
            to_workers: to_workers.clone(),
            acks,
            poked,
            stopped,
            done,
        };
        let thread = CheckpointerThread::new(Arc::clone(&shared), channels, keeper, report.checkpoint)?;
        threads.push(spawn("checkpointer", move || thread.run())?);
        let (stop_packer, stopped) = bounded(1);
        let thread = PackerThread { shared: Arc::clone(&shared), to_workers: to_workers.clone(), stopped };
        threads.push(spawn("packer", move || thread.run())?);
        Ok(Engine {
            shared,
            to_committer,
            to_workers,
            stop_packer,
            stop_checkpointer,
            checkpointer_done,
            threads: Mutex::new(threads),
            report,
        })
    }

    /// What recovery found.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.report
    }

    /// Ends the engine: everything acknowledged goes to window files and a last checkpoint. Returns whether that was done
    /// within `timeout`; if not, the threads are left as they are, and the next start replays.
    ///
    /// Batches that are submitted after this are refused.
    #[must_use]
    pub fn stop(&self, timeout: Duration) -> bool {
        let deadline = clock::monotonic() + timeout;
        if self.shared.latch.is_gone() {
            end_process(self.shared.latch.reason().unwrap_or_default());
        }
        let _ = self.stop_packer.try_send(());
        let _ = self.stop_checkpointer.try_send(());
        if self.checkpointer_done.recv_deadline(deadline) != Ok(true) {
            return false;
        }
        let _ = self.to_committer.send(ToCommitter::Stop);
        let mut threads = lock(&self.threads);
        threads.drain(..).all(|thread| thread.join_until(deadline))
    }
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

    fn known(&self, customer: &CustomerId, batch_id: &BatchId, fingerprint: u128) -> Option<Outcome> {
        let key = self.shared.hasher.key(customer, batch_id);
        let (answer, known) = bounded(1);
        let ask = ToCommitter::AskKnown { customer: customer.clone(), key, fingerprint, answer };
        let _ = self.to_committer.send(ask);
        // The committer drops questions that come after the stop.
        known.recv().unwrap_or(Some(Outcome::Unavailable(Reason::Stopping)))
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
        // The committer drops what comes after the stop, and a worker that has ended answers nothing.
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
    /// Everything that can be done before the committer's turn: record, checksum, insights; and the part of the charge
    /// that the body holds. Otherwise the outcome to answer with.
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
