//! Every component killed once with -9, while clients send as fast as they can, each with a proof that somebody noticed:
//! nothing is started again before that.
//!
//! | killed | what is seen |
//! |---|---|
//! | ingest, one and then the other | clients are broken off, and are acknowledged by the other one |
//! | broker, radosgw | clients are refused, and send on until they are acknowledged |
//! | worker | it dies with events it was not done with; its successor works on them and on those that came meanwhile |
//! | TaskManager | the job's tasks fail while batches come in; the job goes on from a checkpoint |
//! | JobManager | another leads, and goes on from the last checkpoint or a later one |
//! | ClickHouse | `query` answers 503, the sink tries its inserts again |

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::ingests::INGEST_COUNT;
use super::load::Load;
use super::{Both, WORKER, kafka};
use crate::support::client::Client;
use crate::support::engines::{Role, wait_for};

/// Batches acknowledged before a kill, since the effects of the last one were over.
const BEFORE: usize = 100;
/// Batches acknowledged while a component is gone that clients do not depend on.
const MEANWHILE: usize = 50;
/// Batches that may be sent while a component is gone, so that the load does not grow with the time that takes.
const QUOTA: usize = 4 * MEANWHILE;

pub(crate) fn everything_once(both: &Both, load: &Load<'_>) {
    let kills: [(&str, Way); 7] = [
        ("ingest", ingest),
        ("worker", worker),
        ("taskmanager", taskmanager),
        ("jobmanager", jobmanager),
        ("broker", engine_that_clients_miss),
        ("clickhouse", clickhouse),
        ("radosgw", engine_that_clients_miss),
    ];
    for (victim, kill) in kills {
        load.flow();
        let enough = load.acknowledged() + BEFORE;
        wait_for("deliveries", || load.acknowledged() >= enough);
        let before = (Instant::now(), load.acknowledged(), load.refused());
        kill(&Kill { both, load, victim });
        let after = (load.acknowledged() - before.1, load.refused() - before.2);
        eprintln!(
            "killed {victim}, back after {:?}: {} acknowledged, {} refused",
            before.0.elapsed(),
            after.0,
            after.1
        );
    }
    load.flow();
    let enough = load.acknowledged() + BEFORE;
    wait_for("deliveries after the last kill", || load.acknowledged() >= enough);
    load.finish();
}

/// How a component is killed, how its absence is noticed, and how it is started again.
type Way = fn(&Kill<'_>);

/// One kill.
struct Kill<'a> {
    both: &'a Both,
    load: &'a Load<'a>,
    victim: &'static str,
}

/// The clients' counters at the moment of the kill.
#[derive(Clone, Copy)]
struct Gone {
    acknowledged: usize,
    refused: usize,
}

impl Kill<'_> {
    fn kill(&self) -> Gone {
        self.both.engines.kill(self.victim);
        self.is_gone()
    }

    fn is_gone(&self) -> Gone {
        self.load.at_most(QUOTA);
        Gone { acknowledged: self.load.acknowledged(), refused: self.load.refused() }
    }

    fn start(&self) {
        self.both.engines.start(self.victim);
    }

    /// Waits until batches are acknowledged while the component is gone.
    fn wait_for_load(&self, gone: Gone) {
        let enough = gone.acknowledged + MEANWHILE;
        wait_for(&format!("deliveries without the {}", self.victim), || self.load.acknowledged() >= enough);
    }

    /// Waits until clients are refused because the component is gone.
    fn wait_for_refusals(&self, gone: Gone) {
        wait_for(&format!("clients to miss the {}", self.victim), || self.load.refused() > gone.refused);
    }
}

fn ingest(kill: &Kill<'_>) {
    let both = kill.both;
    for number in 0..INGEST_COUNT {
        both.ingests.kill(number);
        let gone = kill.is_gone();
        kill.wait_for_refusals(gone);
        kill.wait_for_load(gone);
        both.ingests.restart(number, &both.engines);
        kill.load.flow();
    }
}

fn worker(kill: &Kill<'_>) {
    let both = kill.both;
    let worker = both.worker.lock().unwrap().take().unwrap();
    // Paused first: it has read nothing of what comes from here on, so that it dies with work to do.
    worker.pause();
    let emitted = events(both).0;
    wait_for("an event that the worker does not see", || events(both).0 > emitted);
    worker.kill();
    let (emitted, committed) = events(both);
    assert!(committed < emitted, "the worker died with nothing to do: {committed} of {emitted} events");
    eprintln!("the worker died with {} of {emitted} events to do", emitted - committed);
    kill.wait_for_load(kill.is_gone());
    let emitted = events(both).0;
    assert_eq!(events(both).1, committed, "somebody else works");
    *both.worker.lock().unwrap() = Some(Role::start(&both.engines, "summarize-worker", WORKER));
    wait_for("the events that were left", || events(both).1 >= emitted);
}

/// Events in `batch-ingested`, and how many of them are done with.
fn events(both: &Both) -> (i64, i64) {
    const TOPIC: &str = "batch-ingested";
    const TIMEOUT: Duration = Duration::from_secs(10);
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_range(TOPIC, 0, 3);
    let ask = || {
        let consumer: BaseConsumer = kafka(both).set("group.id", "log-analytics-summarize").create().unwrap();
        consumer.committed_offsets(partitions.clone(), TIMEOUT).map(|committed| (consumer, committed))
    };
    // In this order, so that an event which comes in between does not count as done. Once a client did not find its
    // group's coordinator in time while others used the broker: then a new client is asked.
    let (consumer, committed) = ask().or_else(|_| ask()).unwrap();
    let done = committed.elements().into_iter().map(|found| match found.offset() {
        Offset::Offset(offset) => offset,
        _ => 0,
    });
    let done = done.sum();
    let emitted = (0..4).map(|partition| consumer.fetch_watermarks(TOPIC, partition, TIMEOUT).unwrap().1);
    (emitted.sum(), done)
}

fn taskmanager(kill: &Kill<'_>) {
    let engines = &kill.both.engines;
    let restored = || engines.checkpoints().map(|checkpoints| checkpoints.times_restored);
    let before = restored().expect("the job runs");
    assert!(engines.job_runs(), "the job runs in full");
    let gone = kill.kill();
    wait_for("the job to fail", || !engines.job_runs());
    kill.wait_for_load(gone);
    kill.start();
    wait_for("the job to go on from a checkpoint", || restored() > Some(before));
}

fn jobmanager(kill: &Kill<'_>) {
    let engines = &kill.both.engines;
    let mut completed = None;
    wait_for("a checkpoint since the job was restored", || {
        let found = engines.checkpoints();
        completed = found.and_then(|found| found.completed.filter(|at| Some(*at) > found.restored));
        completed.is_some()
    });
    let gone = kill.kill();
    assert!(engines.checkpoints().is_none(), "nobody leads the job");
    kill.wait_for_load(gone);
    kill.start();
    // The checkpoint that the new leader began with.
    let restored = || engines.checkpoints().and_then(|checkpoints| checkpoints.restored);
    wait_for("the job to go on from its last checkpoint", || restored() >= completed);
    wait_for("all of the job to run", || engines.job_runs());
}

fn clickhouse(kill: &Kill<'_>) {
    let both = kill.both;
    let retries = || both.engines.log("taskmanager").matches(" is tried again: ").count();
    let before = retries();
    let gone = kill.kill();
    let target = "/aggregates?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z";
    let answer =
        Client::new(*both.query_addr.read().unwrap()).get(target, &[("x-customer-id", "north")]).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    kill.wait_for_load(gone);
    wait_for("the sink to try again", || retries() > before);
    kill.start();
}

fn engine_that_clients_miss(kill: &Kill<'_>) {
    let gone = kill.kill();
    kill.wait_for_refusals(gone);
    kill.start();
}
