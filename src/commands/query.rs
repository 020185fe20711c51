//! `query`: answers questions from ClickHouse.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::Failure;
use super::descriptors::Needs;
use super::role::{Role, ServerArgs, end};
use crate::cluster::clickhouse::ClickHouse;
use crate::cluster::metrics::database_seconds;
use crate::cluster::options::ClickHouseArgs;
use crate::cluster::probe::{Check, Probe};
use crate::cluster::source::ClickHouseSource;
use crate::config::QueryArgs;
use crate::http::routes::Roles;
use crate::intake::{Health, Reason};
use crate::query::WindowSource;

/// Where windows are.
#[derive(Args)]
pub(super) struct QueryRoleArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten, next_help_heading = "Queries")]
    query: QueryArgs,
    #[command(flatten, next_help_heading = "Windows")]
    clickhouse: ClickHouseArgs,
}

pub(super) fn run(args: &QueryRoleArgs) -> Result<ExitCode, Failure> {
    let role = Role::new("query", args.server.config(None, Some(&args.query)))?;
    let seconds = database_seconds(&role.metrics);
    let clickhouse = ClickHouse::new(&args.clickhouse, &*role.disk, seconds).map_err(Failure::Usage)?;
    let clickhouse = Arc::new(clickhouse);
    let looked_at = Arc::clone(&clickhouse);
    let look = move || looked_at.check().map_err(|error| error.to_string());
    let (probe, _looking) = Probe::start(vec![Check { reason: Reason::Database, look: Box::new(look) }])
        .map_err(|error| error.to_string())?;
    let max_bytes = args.query.max_query_bytes.0;
    let source = Arc::new(ClickHouseSource::new(Arc::clone(&clickhouse), probe, max_bytes));
    let health = Arc::clone(&source) as Arc<dyn Health>;
    let roles = Roles { intake: None, source: Some(source as Arc<dyn WindowSource>), health };
    // A connection to ClickHouse for each query that runs, and one for the probe.
    let needs = Needs { reserved: args.query.max_queries + 1, per_request: 0 };
    let mut running = role.start(roles, needs, Box::new(move |disk| clickhouse.reload(disk)))?;
    Ok(end(running.wait()))
}
