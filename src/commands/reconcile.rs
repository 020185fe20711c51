//! `reconcile`: makes up for events that were never emitted and counts windows again that insights came too late for.

use std::process::ExitCode;

use clap::Args;

use super::serve::start_logging;
use super::{Failure, progress};
use crate::base::allocator;
use crate::base::clock;
use crate::base::disk::RealDisk;
use crate::cluster::clickhouse::ClickHouse;
use crate::cluster::kafka::{EventLog, Kafka};
use crate::cluster::metrics::{database_seconds, store_seconds};
use crate::cluster::options::{ClickHouseArgs, KafkaArgs, StoreArgs};
use crate::cluster::reconcile::{late, orphans};
use crate::cluster::s3::ObjectStore;
use crate::config::{Config, LogLevel, Span};
use crate::metrics::Metrics;

/// What to reconcile with what.
#[derive(Args)]
pub(super) struct ReconcileArgs {
    #[command(flatten, next_help_heading = "Object store")]
    store: StoreArgs,
    #[command(flatten, next_help_heading = "Events")]
    kafka: KafkaArgs,
    #[command(flatten, next_help_heading = "Windows")]
    clickhouse: ClickHouseArgs,
    /// Bodies younger than this may still be on their way
    #[arg(long, env = "LOG_ANALYTICS_RECONCILE_GRACE", value_name = "TIME", default_value = "10m")]
    reconcile_grace: Span,
    /// The consumer group that remembers which late insights are done with
    #[arg(
        long,
        env = "LOG_ANALYTICS_RECONCILE_GROUP",
        value_name = "NAME",
        default_value = "log-analytics-reconcile"
    )]
    reconcile_group: String,
    /// Windows counted at the same time
    #[arg(long, env = "LOG_ANALYTICS_RECONCILE_WINDOWS", value_name = "N", default_value_t = 500)]
    reconcile_windows: usize,
    /// What is logged to standard error
    #[arg(long, env = "LOG_ANALYTICS_LOG_LEVEL", value_name = "LEVEL", value_enum, default_value = "warn")]
    log_level: LogLevel,
}

pub(super) fn run(args: &ReconcileArgs) -> Result<ExitCode, Failure> {
    if args.reconcile_windows == 0 {
        return Err(Failure::Usage("--reconcile-windows must be at least 1".to_owned()));
    }
    let mut config = Config::defaults();
    config.log_level = args.log_level;
    start_logging(&config)?;
    allocator::keep_large_pieces_apart();
    let (disk, metrics) = (RealDisk::shared(), Metrics::new());
    let store = ObjectStore::new(&args.store, &*disk, store_seconds(&metrics)).map_err(Failure::Usage)?;
    let clickhouse = ClickHouse::new(&args.clickhouse, &*disk, database_seconds(&metrics));
    let clickhouse = clickhouse.map_err(Failure::Usage)?;
    let kafka = Kafka::new(&args.kafka, &*disk).map_err(Failure::Usage)?;
    let events = EventLog::new(&kafka, "reconcile", &kafka.topics.batches).map_err(Failure::Usage)?;

    let bar = progress::counting("bodies looked at");
    let found =
        orphans::emit_missing(&store, &events, args.reconcile_grace.ms(), clock::now_ms(), &mut || {
            bar.inc(1)
        })
        .map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    println!(
        "bodies: {} looked at, {} without an event emitted again, {} never acknowledged, {} too young to tell, {} foreign",
        found.bodies, found.emitted, found.unanswered, found.young, found.foreign
    );

    let bar = progress::counting("summaries read");
    let found = late::recount(
        &kafka,
        &args.reconcile_group,
        &store,
        &clickhouse,
        args.reconcile_windows,
        &mut || bar.inc(1),
    )
    .map_err(|error| error.to_string())?;
    bar.finish_and_clear();
    println!(
        "late insights: {} read, {} unreadable; {} windows counted again from {} summaries",
        found.insights, found.unreadable, found.windows, found.summaries
    );
    Ok(ExitCode::SUCCESS)
}
