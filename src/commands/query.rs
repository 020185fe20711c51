//! `query`: answers queries from ClickHouse, and those about single entries from the object store.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use super::descriptors::Needs;
use super::process::Process;
use crate::base::disk::Disk;
use crate::cluster::bodies::{self, BucketBodies};
use crate::cluster::clickhouse::ClickHouse;
use crate::cluster::metrics::{database_seconds, store_seconds};
use crate::cluster::probe::{Probe, ServiceCheck};
use crate::cluster::s3::ObjectStore;
use crate::cluster::shared_secret::SharedSecret;
use crate::cluster::source::ClickHouseSource;
use crate::config::{ClickHouseArgs, Config, CustomersArg, KeepQueryArg, SecretArgs, ServerArgs, StoreArgs};
use crate::http::routes::Roles;
use crate::intake::{Health, Reason};
use crate::query::StoredSource;

#[derive(Args)]
pub(super) struct QueryRoleArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "Windows")]
    clickhouse: ClickHouseArgs,
    #[command(flatten, next_help_heading = "Bodies, for /entries and where")]
    store: StoreArgs,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    keep_query: KeepQueryArg,
    #[command(flatten)]
    customers: CustomersArg,
}

pub(super) fn run(args: &QueryRoleArgs, in_force: &str) -> Result<ExitCode, Failure> {
    let mut config =
        Config { server: args.server.clone(), customers: args.customers.clone(), ..Config::defaults() };
    config.batch.keep_query = args.keep_query;
    let process = Process::begin("query", &config, in_force)?;
    let seconds = database_seconds(&process.metrics);
    let clickhouse = ClickHouse::new(&args.clickhouse.options(), &*process.disk, seconds);
    let clickhouse = Arc::new(clickhouse.map_err(Failure::Usage)?);
    let checked = Arc::clone(&clickhouse);
    let run = move || checked.check().map_err(|error| error.to_string());
    let (probe, _probing) = Probe::start(vec![ServiceCheck { reason: Reason::Database, run: Box::new(run) }])
        .map_err(|error| error.to_string())?;
    let store = ObjectStore::new(&args.store.options(), &*process.disk, store_seconds(&process.metrics));
    let store = Arc::new(store.map_err(Failure::Usage)?);
    let secret = SharedSecret::read(&*process.disk, &args.secret.secret_file).map_err(Failure::Usage)?;
    if let Err(error) = secret.prove_reading(&store) {
        log::warn!("--secret-file is compared with the bucket once it can be reached: {error}");
    }
    let limits = process.bounds.query;
    let bodies = BucketBodies::new(Arc::clone(&store), Arc::new(secret));
    let source = ClickHouseSource::new(Arc::clone(&clickhouse), probe, limits.max_bytes);
    let source = Arc::new(source.with_bodies(bodies));
    let health = Arc::clone(&source) as Arc<dyn Health>;
    // For each query that runs two connections to ClickHouse (totals and keys), or those to the object store, one of them for
    // the listing; and one for the probe.
    let of_query = bodies::READERS + 1;
    let needs = Needs { reserved: of_query * limits.max_running + 1, per_request: 0 };
    let reload = move |disk: &dyn Disk| clickhouse.reload(disk).and_then(|()| store.reload(disk));
    let listening = process.listen(needs, Box::new(reload))?;
    listening.open(Roles { intake: None, source: Some(source as Arc<dyn StoredSource>), health });
    Ok(listening.wait().end(true))
}
