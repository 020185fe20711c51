//! The work of a start before batches are taken: the replay, and the proof of the windows where the checkpoint does
//! not prove them.
//!
//! Input: an opened journal and running workers. Output: windows that hold every record; for a proof, a checkpoint that belongs
//! to this directory. Never: lets a start go on whose windows lack records.

use std::io;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::keeper::{CheckpointKeeper, Proof};
use super::{Ack, EngineShared, ToWorker};
use crate::base::clock;
use crate::base::disk::FileLock;
use crate::base::plural::counted;
use crate::batch::insights;
use crate::data_dir::{DataDir, at};
use crate::journal::checkpoint::CheckpointError;
use crate::journal::recovery::RecoveryReport;
use crate::journal::replay::Replay;
use crate::journal::start_error::StartError;
use crate::journal::stored::Unproven;
use crate::journal::summary;
use crate::metrics::Metrics;
use crate::model::{CustomerId, Question, WindowId, WindowSize, WindowStart};
use crate::windows::router::partition;
use crate::windows::worker::Routed;

/// The channels to and from all workers.
pub(super) struct Workers<'a> {
    pub(super) to: &'a [Sender<ToWorker>],
    pub(super) acks: &'a Receiver<Ack>,
}

fn gone() -> io::Error {
    io::Error::other("a window worker ended during the start")
}

/// Keeps backups away while recovery writes segments again or cuts them.
pub(super) fn lock_for_recovery(dir: &DataDir) -> io::Result<FileLock> {
    let path = dir.retain();
    match FileLock::try_exclusive(&path).map_err(at(&path))? {
        Some(lock) => Ok(lock),
        None => {
            log::info!("a backup of {} is being made; the start waits for its end", dir.root().display());
            FileLock::exclusive(&path).map_err(at(&path))
        }
    }
}

pub(super) fn report_recovery(report: &RecoveryReport, replay: &Replay, metrics: &Metrics) {
    let torn_bytes = report.torn_bytes.unwrap_or(0);
    metrics.rewritten_records.set(report.rewritten);
    metrics.torn_bytes.set(torn_bytes);
    metrics.checkpoint_seq.set(report.checkpoint.0);
    let records = format!("records to {}, checkpoint {}", report.end, report.checkpoint);
    if report.rewritten == 0 && torn_bytes == 0 && replay.records() == 0 {
        log::info!("clean start, nothing to repair: {records}");
        return;
    }
    log::info!(
        "journal: {records}, {} to replay, {} written again because they may not have been on disk, {torn_bytes} bytes \
         of an unfinished write cut off",
        replay.records(),
        report.rewritten,
    );
}

/// Routes the records that windows may lack, and waits until they are merged.
pub(super) fn replay(
    shared: &EngineShared,
    replay: &Replay,
    keeper: &mut CheckpointKeeper,
    to_workers: &[Sender<ToWorker>],
) -> io::Result<()> {
    let began = clock::monotonic();
    let mut alive = true;
    replay.visit(&*shared.disk, &shared.dir, |found| {
        keeper.replay(found);
        if found.record.header.is_deletion {
            for worker in to_workers {
                let (customer, through) = (found.customer.clone(), found.record.header.seq);
                alive &= worker.send(ToWorker::Delete { customer, through, done: None }).is_ok();
            }
            return Ok(alive);
        }
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
    keeper.end_replay(replay.through);
    // A query is answered only after everything before it was merged.
    let (answer, answers) = bounded(to_workers.len());
    for worker in to_workers {
        let question = empty_query();
        worker.send(ToWorker::Ask { question, answer: answer.clone() }).map_err(|_| gone())?;
    }
    drop(answer);
    if answers.iter().count() < to_workers.len() {
        return Err(gone());
    }
    let took = began.elapsed();
    shared.metrics.replayed_records.set(replay.records());
    shared.metrics.replay_seconds.set(took.as_secs_f64());
    if replay.records() > 0 {
        log::info!("replayed {} in {} ms", counted(replay.records(), "record"), took.as_millis());
    }
    Ok(())
}

/// A query that matches no window.
fn empty_query() -> Question {
    let customer = CustomerId::new("-").expect("one visible character");
    Question { customer, size: WindowSize::Minute, range: WindowStart(0)..WindowStart(0) }
}

/// Writes every window, compares the windows' sums with the ledger, and writes a checkpoint that belongs to this directory.
pub(super) fn prove(
    shared: &EngineShared,
    why: Unproven,
    keeper: &mut CheckpointKeeper,
    workers: &Workers<'_>,
) -> Result<(), StartError> {
    write_windows(shared, keeper, workers)?;
    let mut proof = keeper.prove()?;
    if let Proof::Damaged(damaged) = proof {
        damaged.into_iter().try_for_each(|window| rebuild(window, workers))?;
        write_windows(shared, keeper, workers)?;
        proof = keeper.prove()?;
    }
    let left_out = match proof {
        Proof::Proven(left_out) => left_out,
        Proof::Unequal(sums) => return Err(StartError::UnequalSums(sums)),
        Proof::Damaged(_) => return Err(io::Error::other("a damaged window could not be replaced").into()),
    };
    for customer in left_out {
        log::warn!("customer {customer} has incomplete windows: their sums are not proven");
    }
    match why {
        Unproven::NoCheckpoint => {}
        Unproven::Copy => log::info!("this directory is a copy; its windows hold what was counted"),
        Unproven::OtherLedger => {
            log::warn!("customers.json was not the one of the checkpoint; the windows hold what was counted");
        }
    }
    match keeper.write(clock::now_ms()) {
        Ok(()) => Ok(()),
        Err(CheckpointError::NotWritten(error) | CheckpointError::NotSynced(error)) => Err(error.into()),
    }
}

/// Lets every worker write its dirty windows, and adds the late entries to the ledger.
fn write_windows(
    shared: &EngineShared,
    keeper: &mut CheckpointKeeper,
    workers: &Workers<'_>,
) -> io::Result<()> {
    /// The checkpointer's markers begin at 1.
    const MARKER: u64 = 0;
    for worker in workers.to {
        worker.send(ToWorker::Mark { id: MARKER, cutoffs: None }).map_err(|_| gone())?;
    }
    for _ in workers.to {
        let Ack { expired, .. } = await_ack(shared, workers.acks).ok_or_else(|| {
            io::Error::other(shared.latch.reason().unwrap_or("a window worker ended").to_owned())
        })?;
        keeper.acknowledge(&expired);
    }
    Ok(())
}

/// Waits for a worker to finish a marker; `None` if it never will.
pub(super) fn await_ack(shared: &EngineShared, acks: &Receiver<Ack>) -> Option<Ack> {
    loop {
        match acks.recv_timeout(super::checkpointer::RETRY) {
            Ok(ack) => return Some(ack),
            // A worker that cannot sync never answers; no checkpoint is written then.
            Err(_) if shared.latch.is_closed() => return None,
            Err(_) => {}
        }
    }
}

/// Lets the owner of a damaged window count it again.
fn rebuild((customer, window): (CustomerId, WindowId), workers: &Workers<'_>) -> io::Result<()> {
    let worker = &workers.to[partition(&customer, window, workers.to.len())];
    let (answer, rebuilt) = bounded(1);
    worker.send(ToWorker::RebuildForQuery { customer, window, answer }).map_err(|_| gone())?;
    rebuilt.recv().map_err(|_| gone())?.map(drop).map_err(io::Error::other)
}
