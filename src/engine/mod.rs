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

pub(crate) mod bodies;
mod checkpointer;
mod committer;
mod counted;
mod health;
pub mod keeper;
mod packer;
mod removals;
mod replayed;
mod source;
mod taking;
mod waiting;
mod watch;
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
use crate::base::latch::Latch;
use crate::base::shutdown::{Joined, end_process, spawn};
use crate::base::sync::lock;
use crate::data_dir::DataDir;
use crate::journal::committer::{CommitLimits, Deletion, Position, Pressure, Submission};
use crate::journal::dedup::{DedupEntry, DedupHasher, DedupKey};
use crate::journal::ledger::{CountedSince, Cutoffs, ExpiredSince};
use crate::journal::recovery::{self, OpenedJournal, Opening};
use crate::journal::retention::RetentionClock;
use crate::journal::start_error::StartError;
use crate::metrics::Metrics;
use crate::model::{CustomerId, PackId, Question, Seq, WindowId, WindowStart};
use crate::outcome::{DeletionOutcome, Reason};
use crate::windows::scan;
use crate::windows::view_cache::{ViewCache, WriteCounts};
use crate::windows::window::Window;
use crate::windows::worker::{MarkerId, Routed, Worker, WorkerLimits};

/// Messages that may wait for one worker: enough for the committer to go on while a worker writes a large window.
pub const QUEUE_LENGTH: usize = 1_024;
/// Batches written and synced together: as many as may wait while the group before is synced.
pub const MAX_GROUP_BATCHES: usize = 1_024;
/// Bytes written and synced together (one batch may be larger): a slow disk still answers within a second.
pub const MAX_GROUP_BYTES: usize = 16 << 20;
/// Time between checkpoints: hour and day files are at most this old, and a restart replays at most this much.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Journal bytes between checkpoints: about a second of replay.
pub const CHECKPOINT_BYTES: u64 = 1 << 30;
/// Memory for the views that queries read lately: a day of minutes with their ten largest paths, families and hosts
/// takes about 10 MB.
const VIEW_CACHE_BYTES: usize = 32 << 20;

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
    /// The cutoffs that workers obey: windows before them do not exist or are about to be removed.
    cutoffs: Mutex<Arc<Cutoffs>>,
    own_retain_days: OwnRetainDays,
    /// The views that queries read lately.
    views: ViewCache,
    written: Arc<WriteCounts>,
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
    AskKnown { customer: CustomerId, key: DedupKey, answer: Sender<Result<Option<DedupEntry>, Reason>> },
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
        /// `None` during a replay.
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
}

/// The parts outside the engine that it works with.
pub struct EngineParts {
    pub disk: Arc<dyn Disk>,
    /// The data directory, locked.
    pub dir: Arc<DataDir>,
    /// Closed by the first failed sync.
    pub latch: Latch,
    pub metrics: Arc<Metrics>,
    /// A customer's own days of retention.
    pub own_retain_days: OwnRetainDays,
}

impl Engine {
    /// Recovers the data directory, replays what windows may lack, and starts the threads. When it returns, every
    /// batch that was ever acknowledged is in the windows.
    pub fn start(parts: EngineParts, options: EngineOptions) -> Result<Engine, StartError> {
        let EngineParts { disk, dir, latch, metrics, own_retain_days } = parts;
        dir.prepare(&*disk)?;
        // A backup must not copy a segment while recovery writes it again or cuts it.
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
            views: ViewCache::new(VIEW_CACHE_BYTES),
            written: Arc::default(),
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
                Arc::clone(&shared.written),
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
        })
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
