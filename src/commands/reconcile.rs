//! `reconcile`: emits events that were never emitted, and counts windows again that insights came too late for.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, logging, progress};
use crate::base::clock;
use crate::base::disk::RealDisk;
use crate::cluster::clickhouse::ClickHouse;
use crate::cluster::kafka::{EventLog, Kafka};
use crate::cluster::metrics::{database_seconds, store_seconds};
use crate::cluster::reconcile::{late, orphans};
use crate::cluster::s3::ObjectStore;
use crate::config::{ClickHouseArgs, Config, KafkaArgs, LogArgs, Span, StoreArgs, TuneArgs};
use crate::metrics::Metrics;

#[derive(Args)]
pub(super) struct ReconcileArgs {
    #[command(flatten, next_help_heading = "Object store")]
    store: StoreArgs,
    #[command(flatten, next_help_heading = "Events")]
    kafka: KafkaArgs,
    #[command(flatten, next_help_heading = "Windows")]
    clickhouse: ClickHouseArgs,
    /// Consumer group that remembers which late insights are counted
    #[arg(
        long,
        env = "LOG_ANALYTICS_RECONCILE_GROUP",
        value_name = "NAME",
        default_value = "log-analytics-reconcile"
    )]
    reconcile_group: String,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    tune: TuneArgs,
}

pub(super) fn run(args: &ReconcileArgs) -> Result<ExitCode, Failure> {
    let mut config = Config::defaults();
    config.server.tune = args.tune.clone();
    let limits = config.bounds().map_err(Failure::Usage)?.cluster;
    logging::start(&args.log)?;
    let (disk, metrics) = (RealDisk::shared(), Metrics::new());
    let store = ObjectStore::new(&args.store.options(), &*disk, store_seconds(&metrics));
    let store = store.map_err(Failure::Usage)?;
    let clickhouse = ClickHouse::new(&args.clickhouse.options(), &*disk, database_seconds(&metrics));
    let clickhouse = clickhouse.map_err(Failure::Usage)?;
    let kafka = Kafka::new(args.kafka.options(), limits.kafka_timeout, &*disk).map_err(Failure::Usage)?;
    let events = EventLog::new(&kafka, "reconcile", &kafka.topics.batches).map_err(Failure::Usage)?;

    let bar = progress::counting("bodies looked at");
    let grace_ms = Span(limits.reconcile_grace).ms();
    let orphans = orphans::emit_missing(&store, &events, grace_ms, clock::now_ms(), &mut || bar.inc(1))
        .map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    println!(
        "unsettled: {} lists of {} bodies, {} without an event emitted again, {} foreign; {} lists too young to tell",
        orphans.lists, orphans.bodies, orphans.emitted, orphans.foreign, orphans.young
    );

    let bar = progress::counting("summaries read");
    let late = late::recount(&kafka, &args.reconcile_group, &store, &clickhouse, &mut || bar.inc(1))
        .map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    println!(
        "late insights: {} read, {} unreadable; {} windows counted again from {} summaries",
        late.insights, late.unreadable, late.windows, late.summaries
    );
    Ok(ExitCode::SUCCESS)
}
