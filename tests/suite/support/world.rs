//! A run: clients, clock, engine and disk on one thread, from one seed, through any number of crashes, compared with the
//! model.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use log_analytics::base::disk::Disk;
use log_analytics::data_dir::DataDir;
use log_analytics::journal::checkpoint::Checkpoint;
use log_analytics::journal::reader::JournalReader;
use log_analytics::model::{CustomerId, Seq};
use log_analytics::offline::verify::{VerifyOptions, verify};
use log_analytics::outcome::{Outcome, Reason};

use super::batches::{Windows, customer, generate};
use super::engine::{Answer, Engine, ROOT, Stop};
use super::model::Model;
use super::rng::Rng;
use super::sim_disk::{Chance, SimDisk, Survival};
pub use super::stats::Stats;
use super::workloads::Workload;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `kill -9`: whatever was written can still be read, durable or not.
    Kill,
    /// The power goes.
    PowerCut(Survival),
}

/// A crash: after so many operations since the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    pub after: u64,
    pub how: How,
}

/// See the module. A clone without an engine is another world that goes on from the same disk and the same clients.
pub struct World {
    pub disk: SimDisk,
    pub model: Model,
    pub workload: Workload,
    pub now: u64,
    pub rng: Rng,
    pub starts: usize,
    pub stats: Stats,
    /// Something was damaged on purpose: then there may be files in `quarantine/`.
    pub expects_damage: bool,
    /// Index files may be missing whose segments are gone.
    pub may_forget_keys: bool,
    /// The last deletion of each customer that was deleted.
    pub deleted: BTreeMap<CustomerId, Seq>,
    /// A deletion without an answer: it happened or not.
    pub unsettled_deletion: Option<CustomerId>,
    /// So many more customers are deleted, so that a run ends.
    deletions_left: u64,
    engine: Option<Engine>,
}

/// How the clients' work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is settled and the engine was stopped.
    Done,
    /// The disk stopped.
    Crashed,
    /// A sync failed.
    Latched,
}

/// Deletions in a run, at most.
const MOST_DELETIONS: u64 = 3;
/// 2025-12-28T18:03:00Z.
const FIRST_MS: u64 = super::batches::FIRST_MINUTE as u64 * 60_000;

impl World {
    /// A world before its first start.
    pub fn new(workload: &Workload, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let batches = generate(&workload.traffic, &mut rng);
        let disk = SimDisk::new(rng.next());
        // The parent of the data directory exists and is durable.
        disk.create_dir(Path::new("/srv")).unwrap();
        disk.sync_all();
        disk.restart_count();
        let label = format!("workload {}, seed {seed}", workload.name);
        Self {
            disk,
            model: Model::new(label, batches, workload.blurred),
            workload: workload.clone(),
            now: FIRST_MS + workload.late_start_ms,
            rng,
            starts: 0,
            stats: Stats::default(),
            expects_damage: false,
            may_forget_keys: false,
            deleted: BTreeMap::new(),
            unsettled_deletion: None,
            deletions_left: MOST_DELETIONS,
            engine: None,
        }
    }

    /// Another world in the same state. Only between a crash and a start.
    pub fn fork(&self) -> Self {
        assert!(self.engine.is_none(), "an engine cannot be in two worlds");
        Self {
            disk: self.disk.fork(),
            model: self.model.clone(),
            workload: self.workload.clone(),
            now: self.now,
            rng: self.rng.clone(),
            starts: self.starts,
            stats: self.stats,
            expects_damage: self.expects_damage,
            may_forget_keys: self.may_forget_keys,
            deleted: self.deleted.clone(),
            unsettled_deletion: self.unsettled_deletion.clone(),
            deletions_left: self.deletions_left,
            engine: None,
        }
    }

    pub fn label(&self) -> &str {
        &self.model.label
    }

    pub fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("the engine runs")
    }

    /// All customers there may be.
    pub fn customers(&self) -> Vec<CustomerId> {
        (0..self.workload.traffic.customers).map(customer).collect()
    }

    /// Ends the process.
    pub fn crash(&mut self, how: How) {
        self.stop();
        self.stats.crashes += 1;
        match how {
            How::Kill => self.disk.kill(),
            How::PowerCut(survival) => self.disk.power_cut(survival),
        }
        if self.rng.percent(self.workload.copy_percent) {
            self.disk.replace_by_copy();
            self.stats.copies += 1;
        }
    }

    /// Another world on this disk, with the same clients and clock. Only without an engine.
    pub fn moved_to(&self, disk: SimDisk) -> Self {
        Self { disk, ..self.fork() }
    }

    /// Drops the machines, as a crash does, and leaves the disk to the caller.
    pub fn stop(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.stats.checkpoints += engine.checkpoints;
            self.stats.removed += engine.maintained.removed;
            self.stats.expired += engine.expired;
            self.stats.packed += engine.packed;
        }
    }

    /// Recovers, and compares everything with the model.
    pub fn start(&mut self) -> Result<(), Stop> {
        self.start_blind()?;
        self.settle_deletions();
        let windows = self.look()?;
        self.model.check_recovered(&windows);
        self.ask_again()
    }

    /// All windows as a query sees them; the model is told which do not exist any more.
    pub fn look(&mut self) -> Result<Windows, Stop> {
        let (customers, now) = (self.customers(), self.now);
        let windows = self.engine().observe(&customers, now)?;
        self.model.cutoffs = self.engine().cutoffs();
        Ok(windows)
    }

    /// Lets clients and engine work for so many steps, or until all batches are settled.
    pub fn steps(&mut self, count: u64) -> Result<(), Stop> {
        for _ in 0..count {
            let open = self.open_batches();
            if open.is_empty() {
                break;
            }
            self.step(&open)?;
        }
        Ok(())
    }

    fn open_batches(&self) -> Vec<usize> {
        (0..self.model.batches.len()).filter(|number| !self.model.is_settled(*number)).collect()
    }

    /// Recovers, and compares nothing.
    pub fn start_blind(&mut self) -> Result<(), Stop> {
        let mut options = self.workload.options;
        options.partitions = self.workload.partitions[self.starts % self.workload.partitions.len()];
        self.starts += 1;
        // Clocks are set while the machine is off, backwards too.
        if self.rng.percent(15) {
            self.now -= self.rng.below(3_600_000);
        }
        let engine = Engine::start(&self.disk, &options, &mut self.rng, self.now)?;
        self.stats.rewritten += engine.report.rewritten;
        self.stats.torn += u64::from(engine.report.torn_bytes.is_some());
        self.engine = Some(engine);
        Ok(())
    }

    /// Every batch that is counted and has a key is known again after a recovery, as far back as there is memory for.
    fn ask_again(&mut self) -> Result<(), Stop> {
        let horizon = self.engine().horizon();
        // What was deleted is sent again, under a key of its own in the index.
        let most_keys = self.model.batches.len() * (1 + MOST_DELETIONS as usize);
        if self.workload.options.dedup_keys >= most_keys && !self.may_forget_keys {
            assert_eq!(horizon, Seq::ZERO, "{}: keys were forgotten", self.label());
        }
        let known: Vec<usize> = (0..self.model.batches.len())
            .filter(|number| {
                let standing = self.model.standings[*number];
                let reached = horizon == Seq::ZERO || standing.seq.is_some_and(|seq| seq > horizon);
                self.model.batches[*number].keyed && standing.counted > 0 && reached
            })
            .collect();
        let fates = self.submit(&known)?;
        assert!(fates.iter().all(|fate| *fate == Err(Outcome::Duplicate)), "{}: {fates:?}", self.label());
        Ok(())
    }

    /// Lets clients and engine work until all batches are settled.
    pub fn live(&mut self) -> End {
        let end = match self.work() {
            Ok(end) => end,
            Err(Stop::Crashed) => End::Crashed,
            Err(stop) => panic!("{}: {stop:?}", self.label()),
        };
        if end == End::Latched {
            self.stats.latches += 1;
        }
        end
    }

    fn work(&mut self) -> Result<End, Stop> {
        for _ in 0..100_000 {
            let open = self.open_batches();
            if open.is_empty() {
                self.disk.set_full(false);
                self.disk.set_free_bytes(u64::MAX);
                self.disk.chance(None);
                let (engine, now) = (self.engine.as_mut().unwrap(), &mut self.now);
                if !engine.shut_down(now)? {
                    return Ok(End::Latched);
                }
                let windows = self.look()?;
                self.model.check_live(&windows);
                return Ok(End::Done);
            }
            self.step(&open)?;
            if self.engine().latch.is_closed() {
                self.refuse_everything(&open)?;
                return Ok(End::Latched);
            }
        }
        panic!("{}: the clients never come to an end", self.label());
    }

    fn step(&mut self, open: &[usize]) -> Result<(), Stop> {
        self.tick();
        let (now, rng) = (self.now, &mut self.rng);
        let engine = self.engine.as_mut().unwrap();
        if rng.percent(self.workload.checkpoint_percent) {
            engine.begin_checkpoint(now);
        }
        if rng.percent(self.workload.full_percent) {
            let full = rng.percent(60);
            self.disk.set_full(full && rng.percent(50));
            self.disk.set_free_bytes(if full { 0 } else { u64::MAX });
        }
        if rng.percent(70) {
            engine.finish_checkpoint(now)?;
        }
        if rng.percent(self.workload.pack_percent) {
            engine.pack(rng)?;
        }
        if self.deletions_left > 0 && rng.percent(self.workload.delete_percent) {
            self.deletions_left -= 1;
            let customer = customer(rng.index(self.workload.traffic.customers));
            self.delete(&customer)?;
        } else if rng.percent(self.workload.query_percent) {
            let windows = self.look()?;
            self.model.check_live(&windows);
        } else if rng.percent(50) {
            self.send(open)?;
        } else {
            let number = rng.index(engine.partitions());
            let (messages, work) = (rng.index(12), rng.percent(70));
            engine.turn(number, messages, work, now)?;
        }
        Ok(())
    }

    fn tick(&mut self) {
        let ticks = self.rng.below(self.workload.tick_ms + 1);
        if self.rng.percent(3) {
            self.now -= ticks;
        } else {
            self.now += ticks;
        }
    }

    /// One group: some of the next batches, some twice, some that are settled already.
    fn send(&mut self, open: &[usize]) -> Result<(), Stop> {
        let horizon = self.engine().horizon();
        let mut numbers = Vec::new();
        for _ in 0..self.rng.between(1, self.workload.group_batches) {
            let number = if self.rng.percent(self.workload.repeat_percent) {
                self.rng.index(self.model.batches.len())
            } else {
                open[self.rng.index(open.len().min(5))]
            };
            let standing = self.model.standings[number];
            // Beyond the horizon, and without a key, a repeated batch is a new one: clients do not.
            let known = standing.counted == 0
                || self.model.batches[number].keyed
                    && (horizon == Seq::ZERO || standing.seq.is_some_and(|seq| seq > horizon));
            let again_in_group = numbers.contains(&number) && !self.model.batches[number].keyed;
            if known && !again_in_group {
                numbers.push(number);
            }
        }
        if numbers.is_empty() {
            return Ok(());
        }
        self.submit(&numbers).map(drop)
    }

    /// Sends these batches as one group and takes the answers.
    pub fn submit(&mut self, numbers: &[usize]) -> Result<Vec<Answer>, Stop> {
        let now = self.now;
        let engine = self.engine.as_mut().unwrap();
        let group =
            numbers.iter().map(|number| engine.submission(&self.model.batches[*number], now)).collect();
        numbers.iter().for_each(|number| self.model.sent(*number));
        let fates = engine.commit(group)?;
        for (number, fate) in numbers.iter().zip(&fates) {
            self.model.answered(*number, *fate);
            self.stats.refused += u64::from(matches!(fate, Err(Outcome::Unavailable(_))));
            self.stats.duplicates += u64::from(*fate == Err(Outcome::Duplicate));
        }
        Ok(fates)
    }

    /// Once latched, nothing is taken, known batches included, and no checkpoint moves.
    fn refuse_everything(&mut self, open: &[usize]) -> Result<(), Stop> {
        let dir = DataDir::new(ROOT);
        let before = Checkpoint::load(&self.disk, &dir).ok();
        for _ in 0..self.rng.below(6) {
            self.now += 1_000;
            let number = open[0];
            let fates = self.submit(&[number])?;
            assert_eq!(fates, [Err(Outcome::Unavailable(Reason::Latched))], "{}", self.label());
            for worker in 0..self.engine().partitions() {
                let now = self.now;
                self.engine().turn(worker, usize::MAX, true, now)?;
            }
            let now = self.now;
            self.engine().begin_checkpoint(now);
            assert!(!self.engine().finish_checkpoint(now)?, "{}", self.label());
        }
        assert_eq!(Checkpoint::load(&self.disk, &dir).ok(), before, "{}", self.label());
        Ok(())
    }

    /// Runs to the end through these crashes and whatever the workload's failures bring; then once more through a power
    /// cut, after which everything must be there without a replay.
    pub fn run(&mut self, crashes: &[Crash]) {
        let mut crashes = crashes.iter();
        let mut next = crashes.next();
        let mut faulty_starts = 3;
        loop {
            self.disk.crash_after(next.map(|crash| crash.after));
            let faults = self.workload.faults_per_10_000 > 0 && faulty_starts > 0;
            let chance = Chance {
                rng: Rng::new(self.rng.next()),
                per_10_000: self.workload.faults_per_10_000,
                ops: self.workload.faulty,
            };
            self.disk.chance(faults.then_some(chance));
            let end = match self.start() {
                Ok(()) => self.live(),
                Err(Stop::Crashed) => End::Crashed,
                Err(Stop::Io(_)) if self.disk.faults_met() > self.stats.faults => {
                    self.stats.failed_starts += 1;
                    End::Latched
                }
                Err(stop) => panic!("{}: {stop}", self.label()),
            };
            self.stats.faults = self.disk.faults_met();
            match end {
                End::Done => break,
                End::Crashed => {
                    let crash = next.take().expect("a crash was set");
                    self.crash(crash.how);
                    next = crashes.next();
                }
                End::Latched => {
                    faulty_starts -= 1;
                    // At some point an operator frees space.
                    if self.rng.percent(50) {
                        self.disk.set_full(false);
                        self.disk.set_free_bytes(u64::MAX);
                    }
                    let how = self.any_end();
                    self.crash(how);
                }
            }
        }
        self.disk.crash_after(None);
        self.disk.chance(None);
        self.check_end();
    }

    /// After a start: goes on without crashes to the end, where everything is compared.
    pub fn run_on(&mut self) {
        assert_eq!(self.live(), End::Done, "{}", self.label());
        self.check_end();
    }

    fn any_end(&mut self) -> How {
        match self.rng.below(5) {
            0 | 1 => How::Kill,
            2 => How::PowerCut(Survival::Nothing),
            3 => How::PowerCut(Survival::OnlyContent),
            _ => How::PowerCut(Survival::Random(self.rng.next())),
        }
    }

    /// After a clean stop a power cut changes nothing, and nothing is left to replay.
    fn check_end(&mut self) {
        for how in [How::PowerCut(Survival::Nothing), How::Kill] {
            self.crash(how);
            let started = self.start();
            assert!(started.is_ok(), "{}: {started:?}", self.label());
            let report = self.engine().report.clone();
            assert_eq!(report.checkpoint, report.end, "{}: something is left to replay", self.label());
            let windows = self.look().unwrap();
            self.model.check_live(&windows);
        }
        self.check_times();
        self.audit();
        self.stop();
    }

    /// Times of receipt never fall from one record to the next, whatever the clock did: a record's time bounds what all
    /// before it can hold.
    fn check_times(&mut self) {
        let dir = Arc::clone(&self.engine().dir);
        let mut latest = 0;
        let mut reader = JournalReader::open(&self.disk, &dir).unwrap();
        while let Some(mut segment) = reader.next_segment().unwrap() {
            while let Some(found) = segment.next_record().unwrap() {
                let header = found.record.header;
                assert!(header.received_at_ms >= latest, "{}: time falls at {}", self.label(), header.seq);
                latest = header.received_at_ms;
            }
        }
    }

    /// Runs `verify`.
    fn audit(&mut self) {
        let disk = self.disk.clone();
        let dir = Arc::clone(&self.engine().dir);
        let quarantined = disk.list(&dir.quarantine_dir()).unwrap();
        assert!(quarantined.is_empty() || self.expects_damage, "{}", self.label());
        let report = verify(&disk, &dir, &self.verify_options(), &mut |_, _| {}).unwrap();
        assert!(report.is_clean(), "{}: {report:?}", self.label());
    }

    /// How `verify` is called.
    pub fn verify_options(&self) -> VerifyOptions {
        VerifyOptions { recount_bytes: 1 << 20, max_future_ms: self.workload.options.worker.max_future_ms }
    }
}
