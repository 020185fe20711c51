//! What the roles of a cluster have in common: an HTTP side with health and metrics, signals, and a clean stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;
use crossbeam_channel::{Receiver, bounded};

use super::descriptors::Needs;
use super::serve::watch_signals;
use super::{Failure, http_side};
use crate::base::clock;
use crate::base::disk::{Disk, RealDisk};
use crate::base::shutdown::EXIT_UNFINISHED;
use crate::config::{BatchArgs, Config, FrontArgs, LogLevel, QueryArgs, Span};
use crate::http::routes::{Roles, Routes};
use crate::http::server::{Front, FrontKind, Listen};
use crate::metrics::Metrics;

/// Descriptors of one Kafka client: a socket and two to wake its thread by for each broker that it talks to, of which a
/// process rarely knows more than twenty.
pub(super) const KAFKA_CLIENT: usize = 64;

/// Where a role listens, for batches, questions, health and metrics.
#[derive(Clone, Debug, Args)]
pub(super) struct ServerArgs {
    /// Where to listen: HOST:PORT or unix:PATH; several times, or with commas between, for several addresses
    #[arg(
        long,
        env = "LOG_ANALYTICS_LISTEN",
        value_name = "ADDR",
        value_delimiter = ',',
        default_value = "127.0.0.1:8080"
    )]
    listen: Vec<Listen>,
    /// HTTP front end: guarded or tiny_http (the latter for a trusted loopback only)
    #[arg(long, env = "LOG_ANALYTICS_HTTP_SERVER", value_name = "NAME", default_value = "guarded")]
    http_server: FrontKind,
    /// File with the token that a gateway must send as `authorization: Bearer …`; one token a line, all are valid
    #[arg(long, env = "LOG_ANALYTICS_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    gateway_token_file: Option<std::path::PathBuf>,
    /// File with tokens like the gateway's for those who may see every customer's windows and their list
    #[arg(long, env = "LOG_ANALYTICS_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    operator_token_file: Option<std::path::PathBuf>,
    /// Listen beyond loopback without a gateway token: whoever reaches the port can set the customer id
    #[arg(long, env = "LOG_ANALYTICS_TRUST_NETWORK")]
    trust_network: bool,
    /// What is logged to standard error
    #[arg(long, env = "LOG_ANALYTICS_LOG_LEVEL", value_name = "LEVEL", value_enum, default_value = "info")]
    log_level: LogLevel,
    /// How long a stop may take before the process ends unfinished, with exit code 3
    #[arg(long, env = "LOG_ANALYTICS_SHUTDOWN_TIMEOUT", value_name = "TIME", default_value = "20s")]
    shutdown_timeout: Span,
    #[command(flatten, next_help_heading = "Connections")]
    front: FrontArgs,
}

impl ServerArgs {
    /// The configuration of a process that does not do everything: what the role has no flags for is at its default.
    pub(super) fn config(&self, batch: Option<&BatchArgs>, query: Option<&QueryArgs>) -> Config {
        let mut config = Config::defaults();
        config.listen = self.listen.clone();
        config.http_server = self.http_server;
        config.gateway_token_file = self.gateway_token_file.clone();
        config.operator_token_file = self.operator_token_file.clone();
        config.trust_network = self.trust_network;
        config.log_level = self.log_level;
        config.shutdown_timeout = self.shutdown_timeout;
        config.front = self.front.clone();
        if let Some(batch) = batch {
            config.batch = batch.clone();
        }
        if let Some(query) = query {
            config.query = query.clone();
        }
        config
    }
}

/// Reads secrets again, on SIGHUP.
pub(super) type Reload = Box<dyn Fn(&dyn Disk) -> Result<(), String> + Send + Sync>;

/// A role before it answers: everything but what it does.
pub(super) struct Role {
    /// The configuration.
    pub(super) config: Config,
    /// Where files are read from.
    pub(super) disk: Arc<dyn Disk>,
    /// Where everything is counted.
    pub(super) metrics: Arc<Metrics>,
    name: &'static str,
}

/// A role that answers.
pub(super) struct Running {
    routes: Arc<Routes>,
    front: Box<dyn Front>,
    stopped: Receiver<()>,
    config: Config,
    /// When a stop that was asked for must be done; set by [`Running::wait`].
    deadline: Instant,
}

impl Role {
    /// Checks the configuration and starts logging.
    ///
    /// # Errors
    /// The flag and what is wrong with it.
    pub(super) fn new(name: &'static str, config: Config) -> Result<Self, Failure> {
        http_side::begin(&config)?;
        Ok(Self { config, disk: RealDisk::shared(), metrics: Arc::new(Metrics::new()), name })
    }

    /// Listens, and answers with what the role does, for which it `needs` descriptors.
    ///
    /// # Errors
    /// The flag and what is wrong with it.
    pub(super) fn start(self, roles: Roles, needs: Needs, reload: Reload) -> Result<Running, Failure> {
        let Self { config, disk, metrics, name } = self;
        let (routes, connections) = http_side::routes(&config, &*disk, &metrics)?;
        routes.open_roles(roles);
        let (stop, stopped) = bounded(1);
        let started = Arc::new(AtomicBool::new(false));
        let read_again = Arc::clone(&disk);
        let reload = move || reload(&*read_again);
        watch_signals(stop, Arc::clone(&started), Arc::clone(&routes), disk, Box::new(reload))?;
        let (front, address) = http_side::listen(&config, needs, &routes, connections)?;
        started.store(true, Ordering::SeqCst);
        if config.trust_network && !config.listen.iter().all(Listen::is_loopback) {
            log::warn!("--trust-network: whoever reaches {address} can set the customer");
        }
        log::info!("{name} listens on {address}");
        println!("log-analytics {name} is ready on {address}");
        Ok(Running { routes, front, stopped, config, deadline: clock::monotonic() })
    }
}

impl Running {
    /// Waits for a signal, then finishes the requests in flight. Says whether that came about in time.
    pub(super) fn wait(&mut self) -> bool {
        // The signal thread lives as long as the process, so this returns only for a signal.
        let _ = self.stopped.recv();
        log::info!("stopping: finishing what is in flight");
        self.deadline = clock::monotonic() + self.config.shutdown_timeout.0;
        self.routes.drain();
        self.front.stop();
        self.front.join(self.left())
    }

    /// Time left for a stop.
    pub(super) fn left(&self) -> std::time::Duration {
        self.deadline.saturating_duration_since(clock::monotonic())
    }
}

/// Ends the process: 0 where everything was finished, else at once, without waiting for threads that hang.
pub(super) fn end(finished: bool) -> std::process::ExitCode {
    if finished {
        log::info!("stopped");
        return std::process::ExitCode::SUCCESS;
    }
    log::warn!("stopped unfinished; nothing that was acknowledged is lost");
    log::logger().flush();
    std::process::exit(EXIT_UNFINISHED)
}
