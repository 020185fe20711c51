//! `ingest`: takes batches for a cluster.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::descriptors::Needs;
use super::role::{KAFKA_CLIENT, Role, ServerArgs, end};
use crate::cluster::ingest::ClusterIntake;
use crate::cluster::kafka::{EventLog, Kafka};
use crate::cluster::metrics::{IngestMetrics, store_seconds};
use crate::cluster::options::{KafkaArgs, StoreArgs};
use crate::cluster::probe::{Check, Probe, store_check};
use crate::cluster::s3::ObjectStore;
use crate::config::{BatchArgs, Span};
use crate::http::routes::Roles;
use crate::intake::{Health, Intake, Reason};

/// Time for one look at the event stream.
pub(super) const LOOK: Duration = Duration::from_secs(2);

/// Where batches go.
#[derive(Args)]
pub(super) struct IngestArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "Batches")]
    batch: BatchArgs,
    /// Threads that summarize large batches; 0 for one per core
    #[arg(long, env = "LOG_ANALYTICS_SUMMARIZE_THREADS", value_name = "N", default_value_t = 0)]
    summarize_threads: usize,
    #[command(flatten, next_help_heading = "Object store")]
    store: StoreArgs,
    /// Time for the object store to take a batch, with all tries (503 beyond)
    #[arg(long, env = "LOG_ANALYTICS_STORE_TIMEOUT", value_name = "TIME", default_value = "10s")]
    store_timeout: Span,
    #[command(flatten, next_help_heading = "Events")]
    kafka: KafkaArgs,
}

pub(super) fn run(args: &IngestArgs) -> Result<ExitCode, Failure> {
    let role = Role::new("ingest", args.server.config(Some(&args.batch), None))?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.summarize_threads)
        .thread_name(|number| format!("summarize-{number}"))
        .build_global()
        .map_err(|error| format!("--summarize-threads: {error}"))?;
    let store = ObjectStore::new(&args.store, &*role.disk, store_seconds(&role.metrics));
    let store = Arc::new(store.map_err(Failure::Usage)?);
    let kafka = Kafka::new(&args.kafka, &*role.disk).map_err(Failure::Usage)?;
    let events = EventLog::new(&kafka, "ingest", &kafka.topics.batches);
    let events = Arc::new(events.map_err(Failure::Usage)?);
    let looked_at = Arc::clone(&events);
    let stream = Check { reason: Reason::Stream, look: Box::new(move || looked_at.check(LOOK)) };
    let (probe, _looking) =
        Probe::start(vec![store_check(Arc::clone(&store)), stream]).map_err(|error| error.to_string())?;
    let intake = Arc::new(ClusterIntake::new(
        Arc::clone(&store),
        Arc::clone(&events),
        role.config.batch_limits(),
        args.store_timeout.0,
        probe,
        IngestMetrics::new(&role.metrics),
    ));
    let health = Arc::clone(&intake) as Arc<dyn Health>;
    let roles = Roles { intake: Some(intake as Arc<dyn Intake>), source: None, health };
    // Each request has a connection to the object store while it is answered.
    let needs = Needs { reserved: KAFKA_CLIENT, per_request: 1 };
    let mut running = role.start(roles, needs, Box::new(move |disk| store.reload(disk)))?;
    let finished = running.wait();
    Ok(end(events.flush(running.left()) && finished))
}
