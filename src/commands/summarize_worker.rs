//! `summarize-worker`: summarizes the batches that the ingests took.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;

use super::Failure;
use super::descriptors::Needs;
use super::ingest::LOOK;
use super::role::{KAFKA_CLIENT, Role, ServerArgs, end};
use crate::base::clock;
use crate::base::disk::Disk;
use crate::base::shutdown;
use crate::cluster::kafka::{EventLog, Kafka};
use crate::cluster::metrics::{WorkerMetrics, store_seconds};
use crate::cluster::options::{KafkaArgs, StoreArgs};
use crate::cluster::probe::{Check, Probe, store_check};
use crate::cluster::s3::ObjectStore;
use crate::cluster::worker::{Crew, GroupLimits, SessionOptions, Worker, WorkerHealth};
use crate::config::{Bytes, Span};
use crate::http::routes::Roles;
use crate::intake::Reason;

/// Where batches come from and insights go.
#[derive(Args)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "Object store")]
    store: StoreArgs,
    /// Time for the object store to answer for one batch, with all tries, before the group is given up and read anew
    #[arg(long, env = "LOG_ANALYTICS_STORE_TIMEOUT", value_name = "TIME", default_value = "60s")]
    store_timeout: Span,
    #[command(flatten, next_help_heading = "Events")]
    kafka: KafkaArgs,
    /// The name of this worker, different for each that runs, and the same when it is started again: what a dead process
    /// of this name left open is aborted at once. Without it the name of the host: give one where several run on a host
    #[arg(long, env = "LOG_ANALYTICS_WORKER_ID", value_name = "NAME")]
    worker_id: Option<String>,
    /// The consumer group, the same for all workers
    #[arg(
        long,
        env = "LOG_ANALYTICS_WORKER_GROUP",
        value_name = "NAME",
        default_value = "log-analytics-summarize"
    )]
    worker_group: String,
    /// Threads that fetch and summarize; 0 for two per core
    #[arg(long, env = "LOG_ANALYTICS_WORKER_THREADS", value_name = "N", default_value_t = 0)]
    worker_threads: usize,
    /// Batches worked on and committed together
    #[arg(long, env = "LOG_ANALYTICS_MAX_GROUP_BATCHES", value_name = "N", default_value_t = 256)]
    max_group_batches: usize,
    /// Decoded bytes of batches worked on and committed together (one batch may be larger)
    #[arg(long, env = "LOG_ANALYTICS_MAX_GROUP_BYTES", value_name = "BYTES", default_value = "32MiB")]
    max_group_bytes: Bytes,
    /// A worker that is silent for so long is taken for dead, and its partitions go to others
    #[arg(long, env = "LOG_ANALYTICS_SESSION_TIMEOUT", value_name = "TIME", default_value = "10s")]
    session_timeout: Span,
    /// A transaction that is open for so long is aborted
    #[arg(long, env = "LOG_ANALYTICS_TRANSACTION_TIMEOUT", value_name = "TIME", default_value = "30s")]
    transaction_timeout: Span,
}

pub(super) fn run(args: &WorkerArgs) -> Result<ExitCode, Failure> {
    let at_least_one = [
        ("--max-group-batches", args.max_group_batches as u64),
        ("--max-group-bytes", args.max_group_bytes.0),
        ("--session-timeout", args.session_timeout.ms()),
        ("--transaction-timeout", args.transaction_timeout.ms()),
        ("--worker-id", args.worker_id.as_ref().map_or(1, |id| id.len() as u64)),
    ];
    if let Some((flag, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
        return Err(Failure::Usage(format!("{flag} must not be empty or 0")));
    }
    let role = Role::new("summarize-worker", args.server.config(None, None))?;
    let store = ObjectStore::new(&args.store, &*role.disk, store_seconds(&role.metrics));
    let store = Arc::new(store.map_err(Failure::Usage)?);
    let kafka = Kafka::new(&args.kafka, &*role.disk).map_err(Failure::Usage)?;
    let io = |error: std::io::Error| error.to_string();
    let threads = match args.worker_threads {
        0 => std::thread::available_parallelism().map_or(4, |cores| 2 * cores.get()),
        threads => threads,
    };
    let crew = Crew::start(threads, &store, args.store_timeout.0, kafka.max_record_bytes()).map_err(io)?;
    let worker_id = match &args.worker_id {
        Some(id) => id.clone(),
        None => format!("summarize-{}", host_name(&*role.disk)?),
    };
    let options = SessionOptions {
        group: args.worker_group.clone(),
        worker_id,
        limits: GroupLimits { max_records: args.max_group_batches, max_bytes: args.max_group_bytes.0 },
        session_timeout: args.session_timeout.0,
        transaction_timeout: args.transaction_timeout.0,
    };
    let insights = EventLog::new(&kafka, "summarize-worker-probe", &kafka.topics.insights);
    let insights = insights.map_err(Failure::Usage)?;
    let stream = Check { reason: Reason::Stream, look: Box::new(move || insights.check(LOOK)) };
    let (probe, _looking) = Probe::start(vec![store_check(Arc::clone(&store)), stream]).map_err(io)?;
    let worker = Worker::new(kafka, options, crew, WorkerMetrics::new(&role.metrics));
    let stopping = worker.stopping();
    let roles = Roles { intake: None, source: None, health: Arc::new(WorkerHealth::new(probe)) };
    // A connection to the object store for each thread and the probe; a consumer, a producer, the probe's producer.
    let needs = Needs { reserved: threads + 1 + 3 * KAFKA_CLIENT, per_request: 0 };
    let mut running = role.start(roles, needs, Box::new(move |disk| store.reload(disk)))?;
    let working = shutdown::spawn("worker", move || worker.run()).map_err(io)?;
    let finished = running.wait();
    stopping.store(true, Ordering::Relaxed);
    Ok(end(working.join_until(clock::monotonic() + running.left()) && finished))
}

fn host_name(disk: &dyn Disk) -> Result<String, Failure> {
    const FILE: &str = "/proc/sys/kernel/hostname";
    let name =
        disk.read(Path::new(FILE)).map_err(|error| format!("--worker-id is needed: {FILE}: {error}"))?;
    Ok(String::from_utf8_lossy(&name).trim().to_owned())
}
