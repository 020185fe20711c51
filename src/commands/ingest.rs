//! `ingest`: takes batches for a cluster.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::Failure;
use super::descriptors::Needs;
use super::process::Process;
use crate::cluster::ingest::{ClusterIntake, IntakeParts};
use crate::cluster::kafka::{CLIENT_DESCRIPTORS, EventLog, Kafka};
use crate::cluster::metrics::store_seconds;
use crate::cluster::probe::{Probe, ServiceCheck, store_check};
use crate::cluster::s3::ObjectStore;
use crate::cluster::shared_secret::SharedSecret;
use crate::cluster::unsettled::Unsettled;
use crate::config::{BatchArgs, Config, CustomersArg, KafkaArgs, SecretArgs, ServerArgs, StoreArgs};
use crate::http::routes::Roles;
use crate::intake::{Health, Intake, Reason};

/// Longest time of one check of the event stream.
pub(super) const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(super) struct IngestArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "Batches")]
    batch: BatchArgs,
    #[command(flatten)]
    customers: CustomersArg,
    #[command(flatten, next_help_heading = "Object store")]
    store: StoreArgs,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten, next_help_heading = "Events")]
    kafka: KafkaArgs,
}

pub(super) fn run(args: &IngestArgs, in_force: &str) -> Result<ExitCode, Failure> {
    let (server, batch) = (args.server.clone(), args.batch.clone());
    let config = Config { server, batch, customers: args.customers.clone(), ..Config::defaults() };
    let process = Process::begin("ingest", &config, in_force)?;
    process.start_pool()?;
    let limits = process.bounds.cluster;
    let store = ObjectStore::new(&args.store.options(), &*process.disk, store_seconds(&process.metrics));
    let store = Arc::new(store.map_err(Failure::Usage)?);
    let secret = SharedSecret::read(&*process.disk, &args.secret.secret_file).map_err(Failure::Usage)?;
    let secret = Arc::new(secret);
    let kafka = Kafka::new(args.kafka.options(), limits.kafka_timeout, &*process.disk);
    let kafka = kafka.map_err(Failure::Usage)?;
    secret.refuse_another(&store)?;
    let events = EventLog::new(&kafka, "ingest", &kafka.topics.batches);
    let events = Arc::new(events.map_err(Failure::Usage)?);
    let checked = Arc::clone(&events);
    let stream = ServiceCheck { reason: Reason::Stream, run: Box::new(move || checked.check(CHECK_TIMEOUT)) };
    let (probe, _probing) = Probe::start(vec![store_check(Arc::clone(&store), Arc::clone(&secret)), stream])
        .map_err(|error| error.to_string())?;
    let unsettled = Unsettled::start(Arc::clone(&store), limits.store_timeout);
    let unsettled = unsettled.map_err(|error| error.to_string())?;
    let intake = Arc::new(ClusterIntake::new(IntakeParts {
        store: Arc::clone(&store),
        events: Arc::clone(&events),
        secret,
        unsettled,
        store_timeout: limits.store_timeout,
        probe,
        metrics: Arc::clone(&process.metrics),
    }));
    let health = Arc::clone(&intake) as Arc<dyn Health>;
    // Each request has a connection to the object store while it is answered.
    let needs = Needs { reserved: CLIENT_DESCRIPTORS + 1, per_request: 1 };
    let listening = process.listen(needs, Box::new(move |disk| store.reload(disk)))?;
    listening.open(Roles { intake: Some(intake as Arc<dyn Intake>), source: None, health });
    let stopping = listening.wait();
    let is_finished = events.flush(stopping.left());
    Ok(stopping.end(is_finished))
}
