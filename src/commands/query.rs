//! `query`: answers queries from ClickHouse.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use super::descriptors::Needs;
use super::process::Process;
use crate::cluster::clickhouse::ClickHouse;
use crate::cluster::metrics::database_seconds;
use crate::cluster::probe::{Probe, ServiceCheck};
use crate::cluster::source::ClickHouseSource;
use crate::config::{ClickHouseArgs, Config, ServerArgs};
use crate::http::routes::Roles;
use crate::intake::{Health, Reason};
use crate::query::StoredSource;

#[derive(Args)]
pub(super) struct QueryRoleArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "Windows")]
    clickhouse: ClickHouseArgs,
}

pub(super) fn run(args: &QueryRoleArgs, in_force: &str) -> Result<ExitCode, Failure> {
    let config = Config { server: args.server.clone(), ..Config::defaults() };
    let process = Process::begin("query", &config, in_force)?;
    let seconds = database_seconds(&process.metrics);
    let clickhouse = ClickHouse::new(&args.clickhouse.options(), &*process.disk, seconds);
    let clickhouse = Arc::new(clickhouse.map_err(Failure::Usage)?);
    let checked = Arc::clone(&clickhouse);
    let run = move || checked.check().map_err(|error| error.to_string());
    let (probe, _probing) = Probe::start(vec![ServiceCheck { reason: Reason::Database, run: Box::new(run) }])
        .map_err(|error| error.to_string())?;
    let limits = process.bounds.query;
    let source = Arc::new(ClickHouseSource::new(Arc::clone(&clickhouse), probe, limits.max_bytes));
    let health = Arc::clone(&source) as Arc<dyn Health>;
    // Two connections to ClickHouse for each query that runs (totals and keys), and one for the probe.
    let needs = Needs { reserved: 2 * limits.max_running + 1, per_request: 0 };
    let listening = process.listen(needs, Box::new(move |disk| clickhouse.reload(disk)))?;
    listening.open(Roles { intake: None, source: Some(source as Arc<dyn StoredSource>), health });
    Ok(listening.wait().end(true))
}
