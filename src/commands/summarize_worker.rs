//! `summarize-worker`: summarizes the batches that `ingest` took.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Args;

use super::Failure;
use super::descriptors::Needs;
use super::ingest::CHECK_TIMEOUT;
use super::process::Process;
use crate::base::clock;
use crate::base::disk::Disk;
use crate::base::shutdown;
use crate::cluster::kafka::{CLIENT_DESCRIPTORS, EventLog, Kafka};
use crate::cluster::metrics::{WorkerMetrics, store_seconds};
use crate::cluster::probe::{Probe, ServiceCheck, store_check};
use crate::cluster::s3::ObjectStore;
use crate::cluster::shared_secret::SharedSecret;
use crate::cluster::worker::{SessionOptions, SummarizeCrew, SummarizeWorker, WorkerHealth};
use crate::config::{Config, KafkaArgs, SecretArgs, ServerArgs, StoreArgs};
use crate::http::routes::Roles;
use crate::intake::Reason;

#[derive(Args)]
pub(super) struct WorkerArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "Object store")]
    store: StoreArgs,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten, next_help_heading = "Events")]
    kafka: KafkaArgs,
    /// Name of this worker, unique among those that run and the same after a restart: what a dead process of this name
    /// left open is aborted at once. By default the host's name
    #[arg(
        long,
        env = "LOG_ANALYTICS_WORKER_ID",
        value_name = "NAME",
        value_parser = clap::builder::NonEmptyStringValueParser::new()
    )]
    worker_id: Option<String>,
    /// Consumer group, the same for all workers
    #[arg(
        long,
        env = "LOG_ANALYTICS_WORKER_GROUP",
        value_name = "NAME",
        default_value = "log-analytics-summarize"
    )]
    worker_group: String,
}

pub(super) fn run(args: &WorkerArgs, in_force: &str) -> Result<ExitCode, Failure> {
    let config = Config { server: args.server.clone(), ..Config::defaults() };
    let process = Process::begin("summarize-worker", &config, in_force)?;
    let limits = process.bounds.cluster;
    let store = ObjectStore::new(&args.store.options(), &*process.disk, store_seconds(&process.metrics));
    let store = Arc::new(store.map_err(Failure::Usage)?);
    let secret = SharedSecret::read(&*process.disk, &args.secret.secret_file).map_err(Failure::Usage)?;
    let secret = Arc::new(secret);
    let kafka = Kafka::new(args.kafka.options(), limits.kafka_timeout, &*process.disk);
    let kafka = kafka.map_err(Failure::Usage)?;
    secret.refuse_another(&store)?;
    let io = |error: std::io::Error| error.to_string();
    let crew = SummarizeCrew::start(&store, &secret, kafka.max_record_bytes()).map_err(io)?;
    let worker_id = match &args.worker_id {
        Some(id) => id.clone(),
        None => format!("summarize-{}", machine_name(&*process.disk)?),
    };
    let options =
        SessionOptions { group: args.worker_group.clone(), worker_id, timeout: limits.session_timeout };
    let insights = EventLog::new(&kafka, "summarize-worker-probe", &kafka.topics.insights);
    let insights = insights.map_err(Failure::Usage)?;
    let stream =
        ServiceCheck { reason: Reason::Stream, run: Box::new(move || insights.check(CHECK_TIMEOUT)) };
    let (probe, _probing) =
        Probe::start(vec![store_check(Arc::clone(&store), secret), stream]).map_err(io)?;
    // A connection to the object store for each thread and the probe; a consumer, a producer, the probe's producer.
    let needs = Needs { reserved: crew.threads() + 1 + 3 * CLIENT_DESCRIPTORS, per_request: 0 };
    let worker = SummarizeWorker::new(kafka, options, crew, WorkerMetrics::new(&process.metrics));
    let must_stop = worker.must_stop();
    let listening = process.listen(needs, Box::new(move |disk| store.reload(disk)))?;
    listening.open(Roles { intake: None, source: None, health: Arc::new(WorkerHealth::new(probe)) });
    let thread = shutdown::spawn("worker", move || worker.run()).map_err(io)?;
    let stopping = listening.wait();
    must_stop.store(true, Ordering::Relaxed);
    let is_finished = thread.join_until(clock::monotonic() + stopping.left());
    Ok(stopping.end(is_finished))
}

fn machine_name(disk: &dyn Disk) -> Result<String, Failure> {
    const FILE: &str = "/proc/sys/kernel/hostname";
    let name =
        disk.read(Path::new(FILE)).map_err(|error| format!("--worker-id is needed: {FILE}: {error}"))?;
    Ok(String::from_utf8_lossy(&name).trim().to_owned())
}
