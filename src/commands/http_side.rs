//! The HTTP side that `serve` and every role of a cluster have alike: routes with their tokens and limits, and a front end
//! that listens.
//!
//! In comes the configuration; out come the routes, still closed, and then the front end with the address to print.

use std::sync::Arc;

use super::Failure;
use super::descriptors::{self, Needs};
use super::serve::start_logging;
use crate::base::allocator;
use crate::base::disk::Disk;
use crate::base::inflight::Budget;
use crate::config::Config;
use crate::http::Handler;
use crate::http::ingest::Ingest;
use crate::http::reading::Reading;
use crate::http::routes::Routes;
use crate::http::server::{self, ConnectionStats, Front, Listen};
use crate::http::tokens::Tokens;
use crate::metrics::Metrics;

/// What a process that serves begins with, before there are threads: checks the configuration, logs from then on, and
/// sets how memory is handed out.
///
/// # Errors
/// The flag and what is wrong with it.
pub(super) fn begin(config: &Config) -> Result<(), Failure> {
    config.validate().map_err(Failure::Usage)?;
    start_logging(config)?;
    allocator::keep_large_pieces_apart();
    Ok(())
}

/// Routes that nothing is behind yet, and what their connections are counted in.
///
/// # Errors
/// The flag of a token file, and what is wrong with it.
pub(super) fn routes(
    config: &Config,
    disk: &dyn Disk,
    metrics: &Arc<Metrics>,
) -> Result<(Arc<Routes>, Arc<ConnectionStats>), Failure> {
    let tokens = |file: &Option<std::path::PathBuf>, flag: &str| match file {
        Some(file) => Tokens::load(disk, file).map_err(|error| Failure::Usage(format!("{flag}: {error}"))),
        None => Ok(Tokens::none()),
    };
    let gateway = tokens(&config.gateway_token_file, "--gateway-token-file")?;
    let operators = tokens(&config.operator_token_file, "--operator-token-file")?;
    let connections = Arc::new(ConnectionStats::default());
    let ingest = Ingest {
        limits: config.batch_limits(),
        max_body_bytes: config.max_body_bytes(),
        budget: Budget::new(config.max_inflight_bytes()),
        metrics: Arc::clone(metrics),
    };
    let reading = Reading::new(config.query_limits(), operators, Arc::clone(metrics));
    let routes = Routes::new(ingest, reading, gateway, Arc::clone(metrics), Arc::clone(&connections));
    Ok((Arc::new(routes), connections))
}

/// Listens as configured, for as many connections as the limit of open files bears beside what else the process `needs`;
/// the front end, and the addresses to print.
///
/// # Errors
/// `--listen`, and why it cannot be.
pub(super) fn listen(
    config: &Config,
    needs: Needs,
    routes: &Arc<Routes>,
    connections: Arc<ConnectionStats>,
) -> Result<(Box<dyn Front>, String), Failure> {
    let limits = descriptors::fit(config.front_limits(), needs);
    let handler = Arc::clone(routes) as Arc<dyn Handler>;
    let front = server::start(config.http_server, &config.listen, limits, handler, connections)
        .map_err(|error| format!("--listen {error}"))?;
    let url = |address: &Listen| match address {
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Unix(_) => address.to_string(),
    };
    let addresses: Vec<_> = front.addresses().iter().map(url).collect();
    Ok((front, addresses.join(", ")))
}
