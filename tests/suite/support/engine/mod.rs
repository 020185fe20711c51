//! The engine's state machines, wired as the threads wire them, on one thread: committer, workers behind queues,
//! checkpoints by marker, upkeep, recovery and replay.
//!
//! It keeps the orders of the design: a group is durable, then routed, then answered; one marker is outstanding; the
//! checkpoint moves after all workers acknowledged and never once latched; upkeep follows a checkpoint. Who goes
//! next is the caller's choice.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use log_analytics::base::inflight::Budget;
use log_analytics::base::latch::Latch;
use log_analytics::batch::insights;
use log_analytics::data_dir::DataDir;
use log_analytics::engine::keeper::{CheckpointKeeper, KeptFor};
use log_analytics::journal::committer::{CommitLimits, Committer, Position, Pressure, Submission};
use log_analytics::journal::dedup::DedupHasher;
use log_analytics::journal::deletions::Deletions;
use log_analytics::journal::ledger::Cutoffs;
use log_analytics::journal::recovery::{self, Opening, RecoveryReport};
use log_analytics::journal::retention::{Maintained, RetentionClock};
use log_analytics::journal::start_error::StartError;
use log_analytics::journal::summary;
use log_analytics::metrics::Metrics;
use log_analytics::model::{CustomerId, Question, Seq, WindowSize, WindowStart};
use log_analytics::outcome::Outcome;
use log_analytics::windows::router::partition;
use log_analytics::windows::scan;
use log_analytics::windows::shelf::Shelf;
use log_analytics::windows::window::Window;
use log_analytics::windows::worker::{Fatal, RETRY_MS, Routed, Worker, WorkerLimits};

mod checkpoints;
mod deletions;
mod packing;

use super::batches::{Batch, Windows};
use super::lines::Counted;
use super::rng::Rng;
use super::sim_disk::SimDisk;

/// Engine options.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub partitions: usize,
    pub queue_length: usize,
    pub commit: CommitLimits,
    pub worker: WorkerLimits,
    pub dedup_keys: usize,
    pub kept_for: KeptFor,
}

/// What a client is told: the number of its record, or why there is none.
pub type Answer = Result<Seq, Outcome>;

/// Why an engine stopped or did not start.
#[derive(Debug)]
pub enum Stop {
    /// The disk stopped: the crash that was set.
    Crashed,
    /// The disk failed.
    Io(String),
    /// The start is refused.
    Refused(StartError),
    /// A worker met an error it cannot continue after.
    Fatal(String),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Crashed => f.write_str("the disk has stopped"),
            Stop::Io(error) => write!(f, "the disk failed: {error}"),
            Stop::Refused(error) => write!(f, "the start is refused: {error}"),
            Stop::Fatal(error) => write!(f, "a worker cannot go on: {error}"),
        }
    }
}

enum Message {
    Insight(Routed),
    Marker(u64, Option<Arc<Cutoffs>>),
    Delete(CustomerId, Seq),
}

struct Outstanding {
    marker: u64,
    position: Position,
    acknowledged: Vec<bool>,
}

/// See the module.
pub struct Engine {
    pub disk: SimDisk,
    pub dir: Arc<DataDir>,
    pub committer: Committer,
    pub latch: Latch,
    pub report: RecoveryReport,
    pub hasher: DedupHasher,
    options: Options,
    workers: Vec<Worker>,
    queues: Vec<VecDeque<Message>>,
    outstanding: Option<Outstanding>,
    next_marker: u64,
    checkpointed_bytes: u64,
    keeper: CheckpointKeeper,
    clock_read_at: u64,
    budget: Arc<Budget>,
    /// Checkpoints written, and what upkeep did.
    pub checkpoints: u64,
    pub maintained: Maintained,
    /// Window files removed.
    pub expired: u64,
    /// Window files that were packed and removed.
    pub packed: u64,
    /// A backup is being made: nothing is removed.
    pub holds_removals: bool,
    /// What queries know of deleted customers.
    pub deletions: Deletions,
}

/// Where the data directory lies on the simulated disk.
pub const ROOT: &str = "/srv/store";

fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(Metrics::new)
}

impl Engine {
    /// Recovers what is on the disk and replays it. When it returns, all of the replay is merged.
    pub fn start(disk: &SimDisk, options: &Options, rng: &mut Rng, now: u64) -> Result<Engine, Stop> {
        let stop = |error: StartError| match error {
            _ if disk.is_off() => Stop::Crashed,
            StartError::Io(error) => Stop::Io(error.to_string()),
            error => Stop::Refused(error),
        };
        let shared = disk.shared();
        let dir = Arc::new(DataDir::new(ROOT));
        let latch = Latch::new();
        dir.prepare(&*shared).map_err(|error| stop(error.into()))?;
        let hasher = DedupHasher::new(dir.secret());
        let opened = recovery::open(&Opening {
            disk: &shared,
            dir: &dir,
            dedup_capacity: options.dedup_keys,
            limits: options.commit,
            latch: &latch,
            metrics: metrics().journal.clone(),
            ask_windows: &|end| scan::refuse_windows_ahead(&*shared, &dir, end),
        })
        .map_err(stop)?;
        let cutoffs = Arc::new(opened.ledger.cutoffs());
        let deletions = Arc::new(opened.ledger.deletions());
        let worker = |number: usize| {
            let (disk, dir) = (Arc::clone(&shared), Arc::clone(&dir));
            let metrics = metrics().worker(number);
            let mut worker = Worker::new(
                disk,
                dir,
                options.worker,
                latch.clone(),
                metrics,
                opened.report.end,
                Arc::default(),
            );
            worker.late_entries().begin_with(
                Arc::clone(&cutoffs),
                Arc::clone(&deletions),
                opened.ledger.through,
            );
            worker
        };
        let mut engine = Engine {
            disk: disk.clone(),
            dir: Arc::clone(&dir),
            workers: (0..options.partitions).map(worker).collect(),
            committer: opened.committer,
            latch: latch.clone(),
            report: opened.report,
            hasher,
            options: *options,
            queues: (0..options.partitions).map(|_| VecDeque::new()).collect(),
            outstanding: None,
            next_marker: 1,
            checkpointed_bytes: 0,
            keeper: CheckpointKeeper::new(
                Arc::clone(&shared),
                Arc::clone(&dir),
                options.kept_for,
                opened.ledger,
                RetentionClock::new(opened.retention_ms, now),
            ),
            clock_read_at: now,
            budget: Budget::new(usize::MAX),
            checkpoints: 0,
            maintained: Maintained::default(),
            expired: 0,
            packed: 0,
            holds_removals: false,
            deletions: Deletions::default(),
        };
        let mut fatal = None;
        let visited = opened.replay.visit(&*shared, &dir, |found| {
            engine.keeper.replay(found);
            if found.record.header.is_deletion {
                engine.route_deletion(&found.customer, found.record.header.seq);
            }
            for insight in insights(&found.customer, &summary::decode(found.record.summary())?) {
                engine.route(Routed { seq: found.record.header.seq, insight, charge: None });
            }
            // The channels are bounded: now and then the workers must keep up.
            while engine.queued() > engine.options.queue_length || (engine.queued() > 0 && rng.percent(30)) {
                let number = engine.busy_worker(rng);
                if let Err(stop) = engine.turn(number, 1, rng.percent(30), now) {
                    fatal = Some(stop);
                    return Ok(false);
                }
            }
            Ok(true)
        });
        visited.map_err(|error| stop(error.into()))?;
        match fatal {
            Some(stop) => return Err(stop),
            None => engine.drain(now)?,
        }
        engine.keeper.end_replay(engine.report.end);
        if engine.report.unproven.is_some() {
            engine.prove(now)?;
        }
        engine.committer.begin_with(engine.keeper.ledger());
        engine.deletions = engine.keeper.ledger().deletions();
        if disk.is_off() { Err(Stop::Crashed) } else { Ok(engine) }
    }

    fn route(&mut self, routed: Routed) {
        let number = partition(&routed.insight.customer, routed.insight.window, self.workers.len());
        self.queues[number].push_back(Message::Insight(routed));
    }

    fn queued(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    fn busy_worker(&self, rng: &mut Rng) -> usize {
        let busy: Vec<usize> = (0..self.queues.len()).filter(|n| !self.queues[*n].is_empty()).collect();
        busy[rng.index(busy.len())]
    }

    fn fatal(&self, Fatal(text): Fatal) -> Stop {
        if self.disk.is_off() { Stop::Crashed } else { Stop::Fatal(text) }
    }

    /// The machine's word, or that it can say nothing more.
    fn alive(&self) -> Result<(), Stop> {
        if self.disk.is_off() { Err(Stop::Crashed) } else { Ok(()) }
    }

    /// What the committer gets of a batch.
    pub fn submission(&self, batch: &Batch, now: u64) -> Submission {
        batch.submission(&self.hasher, &self.budget, now)
    }

    fn pressure(&self) -> Pressure {
        Pressure {
            checkpointed_bytes: self.checkpointed_bytes,
            windows_overfull: self.workers.iter().any(Worker::is_overfull),
        }
    }

    /// Commits a group and routes what was counted. The answers may be given when this returns.
    pub fn commit(&mut self, mut group: Vec<Submission>) -> Result<Vec<Answer>, Stop> {
        let outcomes = self.committer.commit(&mut group, self.pressure());
        self.alive()?;
        let mut answers = Vec::new();
        for (submission, outcome) in group.into_iter().zip(outcomes) {
            let seq = submission.draft.seq();
            answers.push(if outcome == Outcome::Counted { Ok(seq) } else { Err(outcome) });
            if outcome == Outcome::Counted {
                for insight in submission.insights {
                    self.route(Routed { seq, insight, charge: None });
                }
            }
        }
        Ok(answers)
    }

    /// A worker takes some messages and then perhaps writes a window.
    pub fn turn(&mut self, number: usize, messages: usize, work: bool, now: u64) -> Result<(), Stop> {
        for _ in 0..messages {
            match self.queues[number].pop_front() {
                None => break,
                Some(Message::Marker(id, cutoffs)) => {
                    if let Some(cutoffs) = cutoffs {
                        self.workers[number].late_entries().move_cutoffs(cutoffs);
                    }
                    self.workers[number].mark(id);
                }
                Some(Message::Delete(customer, through)) => self.workers[number].delete(&customer, through),
                Some(Message::Insight(routed)) => {
                    let merged = self.workers[number].merge(&routed, now);
                    merged.map_err(|fatal| self.fatal(fatal))?;
                }
            }
        }
        if work && let Some(marker) = self.workers[number].work(now) {
            let outstanding = self.outstanding.as_mut().expect("only a marker that was sent is acknowledged");
            assert_eq!(outstanding.marker, marker);
            assert!(!outstanding.acknowledged[number], "a marker is acknowledged once");
            outstanding.acknowledged[number] = true;
            let expired = self.workers[number].late_entries().take();
            self.keeper.acknowledge(&expired);
        }
        self.alive()
    }

    /// How many workers there are.
    pub fn partitions(&self) -> usize {
        self.workers.len()
    }

    /// All workers take all messages.
    pub fn drain(&mut self, now: u64) -> Result<(), Stop> {
        (0..self.workers.len()).try_for_each(|number| self.turn(number, usize::MAX, false, now))
    }

    /// Flushes all windows and writes a last checkpoint. Returns whether both succeeded.
    pub fn shut_down(&mut self, now: &mut u64) -> Result<bool, Stop> {
        for _ in 0..1000 {
            self.begin_checkpoint(*now);
            let wanted = self.outstanding.as_ref().map(|outstanding| outstanding.position.through);
            for number in 0..self.workers.len() {
                self.turn(number, usize::MAX, true, *now)?;
            }
            if self.finish_checkpoint(*now)? && wanted == Some(self.committer.position().through) {
                return Ok(true);
            }
            if self.latch.is_closed() {
                return Ok(false);
            }
            *now += RETRY_MS / 10;
        }
        panic!("a stop does not come to an end");
    }

    /// The windows as a query sees them: what is resident, else the files. Everything acknowledged is in them.
    pub fn observe(&mut self, customers: &[CustomerId], now: u64) -> Result<Windows, Stop> {
        self.drain(now)?;
        let mut windows = Windows::new();
        for customer in customers {
            for size in WindowSize::ALL {
                let range = WindowStart(0)..WindowStart(u32::MAX);
                let question = Question { customer: customer.clone(), size, range };
                for worker in &self.workers {
                    for window in worker.answer(&question) {
                        let exists = !self.deletions.cover(customer, window.applied_through());
                        if exists && !self.cutoffs().excludes(customer, window.id()) {
                            windows.insert((customer.clone(), window.id()), Counted::of(&window));
                        }
                    }
                }
            }
            let disk = self.disk.shared();
            let mut shelf = Shelf::new(&*disk, self.dir.customer(customer));
            let io = |error: std::io::Error| Stop::Io(error.to_string());
            for id in shelf.list().map_err(io)?.windows {
                let key = (customer.clone(), id);
                if windows.contains_key(&key) || self.cutoffs().excludes(customer, id) {
                    continue;
                }
                let stored = shelf.read(id).map_err(io)?.expect("it was listed");
                let window = stored.content.and_then(|bytes| Window::decode(&bytes, customer, id));
                let window = match window {
                    Ok(window) if self.deletions.cover(customer, window.applied_through()) => continue,
                    Ok(window) => Arc::new(window),
                    // Its owner counts it again.
                    Err(_) => {
                        let number = partition(customer, id, self.workers.len());
                        let rebuilt = self.workers[number].rebuild_for_query(customer, id, now);
                        match rebuilt.map_err(|text| self.fatal(Fatal(text)))? {
                            Some(window) => window,
                            None => continue,
                        }
                    }
                };
                windows.insert(key, Counted::of(&window));
            }
        }
        Ok(windows)
    }

    /// The windows that do not exist any more, or will not once the next checkpoint is written.
    pub fn cutoffs(&self) -> Cutoffs {
        self.keeper.cutoffs()
    }

    /// All keys of records above this one are known.
    pub fn horizon(&self) -> Seq {
        self.committer.position().horizon.after
    }
}
