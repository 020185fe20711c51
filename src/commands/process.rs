//! How a process that answers HTTP starts and stops: `serve`, and every role of a cluster.
//!
//! ```text
//! begin   settings are checked; logging, tokens, routes that answer health and metrics only
//! listen  signals are caught, connections are accepted
//! open    the routes reach what the process does; "ready" is printed
//! wait    until SIGTERM or SIGINT; then requests in flight finish
//! end     exit code 0; or 3 where the stop took too long
//! ```
//!
//! Input: settings, and what the process does. Output: its exit code. Never: anything that only one kind of process
//! needs.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::descriptors::{self, Needs};
use super::{Failure, logging};
use crate::base::disk::{Disk, RealDisk};
use crate::base::inflight::Budget;
use crate::base::plural::counted;
use crate::base::shutdown::{self, EXIT_UNFINISHED};
use crate::base::{allocator, clock};
use crate::config::{Bounds, Config};
use crate::customers::Customers;
use crate::http::Handler;
use crate::http::ingest::Ingest;
use crate::http::reading::Reading;
use crate::http::routes::{Roles, Routes};
use crate::http::server::{self, ConnectionStats, Front, Listen};
use crate::http::tokens::Tokens;
use crate::metrics::Metrics;

/// Reads secrets again, on SIGHUP.
pub(super) type Reload = Box<dyn Fn(&dyn Disk) -> Result<(), String> + Send>;

/// A process that has begun, and does not listen yet.
pub(super) struct Process {
    pub(super) bounds: Bounds,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) metrics: Arc<Metrics>,
    name: &'static str,
    config: Config,
    pub(super) routes: Arc<Routes>,
    connections: Arc<ConnectionStats>,
}

/// A process that accepts connections.
pub(super) struct Listening {
    name: &'static str,
    routes: Arc<Routes>,
    front: Front,
    /// For people and scripts: `http://127.0.0.1:8080`.
    address: String,
    shutdown_timeout: Duration,
    is_ready: Arc<AtomicBool>,
    stop_asked: Receiver<()>,
}

/// A process that was asked to stop.
pub(super) struct Stopping {
    is_finished: bool,
    deadline: Instant,
}

impl Process {
    /// Begins, before there are threads. `in_force` are the settings, for the log.
    pub(super) fn begin(name: &'static str, config: &Config, in_force: &str) -> Result<Self, Failure> {
        let bounds = config.bounds().map_err(Failure::Usage)?;
        logging::start(&config.server.log)?;
        allocator::purge_at_once();
        log::info!("log-analytics {} {name}: {in_force}", env!("CARGO_PKG_VERSION"));
        let disk = RealDisk::shared();
        let metrics = Arc::new(Metrics::new());
        let connections = Arc::new(ConnectionStats::default());
        let gateway = load_tokens(&*disk, "--gateway-token-file", config.server.gateway_token_file.as_ref())?;
        let operators =
            load_tokens(&*disk, "--operator-token-file", config.server.operator_token_file.as_ref())?;
        let customers = Customers::load(&*disk, config.customers.customers.as_deref(), &metrics);
        let customers = customers.map_err(|error| Failure::Usage(format!("--customers: {error}")))?;
        let ingest = Ingest {
            limits: bounds.batch.clone(),
            max_body_bytes: bounds.max_body_bytes,
            budget: Budget::new(bounds.max_inflight_bytes),
            customers: Arc::new(customers),
            metrics: Arc::clone(&metrics),
        };
        let is_open = !gateway.exist() && config.server.listen.iter().all(Listen::is_loopback);
        let reading =
            Reading::new((bounds.query, bounds.batch.clone()), operators, Arc::clone(&metrics), is_open);
        let routes = Routes::new(ingest, reading, gateway, Arc::clone(&metrics), Arc::clone(&connections));
        let (config, routes) = (config.clone(), Arc::new(routes));
        Ok(Self { bounds, disk, metrics, name, config, routes, connections })
    }

    /// Starts the pool of threads that count large batches.
    pub(super) fn start_pool(&self) -> Result<(), Failure> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(self.config.batch.summarize_threads)
            .thread_name(|number| format!("summarize-{number}"))
            .build_global()
            .map_err(|error| format!("--summarize-threads: {error}").into())
    }

    /// Catches signals, and accepts connections: as many as the limit of open files allows beside the `needs` of the
    /// process.
    pub(super) fn listen(self, needs: Needs, reload: Reload) -> Result<Listening, Failure> {
        let Self { bounds, disk, name, config, routes, connections, .. } = self;
        let server = &config.server;
        let is_ready = Arc::new(AtomicBool::new(false));
        let (stop, stop_asked) = bounded(1);
        let signals = SignalThread {
            stop,
            is_ready: Arc::clone(&is_ready),
            routes: Arc::clone(&routes),
            disk,
            reload,
            stop_was_asked: false,
        };
        signals.start()?;
        let limits = descriptors::fit(bounds.front, needs);
        let handler = Arc::clone(&routes) as Arc<dyn Handler>;
        let front = server::start(server.http_server, &server.listen, limits, handler, connections)
            .map_err(|error| format!("--listen {error}"))?;
        let url = |address: &Listen| match address {
            Listen::Tcp(address) => format!("http://{address}"),
            Listen::Unix(_) => address.to_string(),
        };
        let addresses: Vec<_> = front.addresses().iter().map(url).collect();
        let address = addresses.join(", ");
        log::info!("listening on {address}");
        if server.trust_network && !server.listen.iter().all(Listen::is_loopback) {
            log::warn!("--trust-network: anyone who reaches {address} can act as any customer");
        }
        let shutdown_timeout = server.shutdown_timeout.0;
        Ok(Listening { name, routes, front, address, shutdown_timeout, is_ready, stop_asked })
    }
}

fn load_tokens(disk: &dyn Disk, flag: &str, file: Option<&PathBuf>) -> Result<Tokens, Failure> {
    match file {
        Some(file) => Tokens::load(disk, file).map_err(|error| Failure::Usage(format!("{flag}: {error}"))),
        None => Ok(Tokens::none()),
    }
}

impl Listening {
    /// Puts the work of the process behind its routes.
    pub(super) fn open(&self, roles: Roles) {
        self.routes.open(roles);
        self.is_ready.store(true, Ordering::SeqCst);
        log::info!("ready on {}", self.address);
        match self.name {
            "serve" => println!("log-analytics is ready on {}", self.address),
            role => println!("log-analytics {role} is ready on {}", self.address),
        }
    }

    /// Waits for a signal to stop, then for the requests in flight.
    pub(super) fn wait(self) -> Stopping {
        // The signal thread lives as long as the process, so this returns only for a signal.
        let _ = self.stop_asked.recv();
        log::info!("stopping: finishing requests, then writing what is in memory");
        let mut stopping =
            Stopping { is_finished: true, deadline: clock::monotonic() + self.shutdown_timeout };
        self.routes.drain();
        stopping.is_finished = self.front.join(stopping.left());
        stopping
    }
}

impl Stopping {
    /// Time left for the rest of the stop; zero if requests have not finished.
    pub(super) fn left(&self) -> Duration {
        if self.is_finished {
            self.deadline.saturating_duration_since(clock::monotonic())
        } else {
            Duration::ZERO
        }
    }

    /// Ends the process. `is_finished`: whether all work after the requests was done.
    pub(super) fn end(self, is_finished: bool) -> ExitCode {
        if self.is_finished && is_finished {
            log::info!("stopped: everything is written");
            return ExitCode::SUCCESS;
        }
        exit_unfinished("stopped before everything was written: --shutdown-timeout is over")
    }
}

/// Ends the process without waiting for its threads.
fn exit_unfinished(reason: &str) -> ! {
    log::warn!("{reason}; nothing that was acknowledged is lost");
    log::logger().flush();
    std::process::exit(EXIT_UNFINISHED)
}

/// The thread that waits for signals: the first SIGTERM or SIGINT asks for a clean stop, a second one ends the process at
/// once, as does the first before the process is ready; SIGHUP reads the files of secrets and of customers again.
struct SignalThread {
    stop: Sender<()>,
    is_ready: Arc<AtomicBool>,
    routes: Arc<Routes>,
    disk: Arc<dyn Disk>,
    reload: Reload,
    stop_was_asked: bool,
}

impl SignalThread {
    fn start(mut self) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::Failed(format!("cannot catch signals: {error}"));
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(failed)?;
        let run = move || signals.forever().for_each(|signal| self.handle(signal));
        // Not joined: it waits for signals until the process ends.
        shutdown::spawn("signals", run).map(drop).map_err(failed)
    }

    fn handle(&mut self, signal: i32) {
        if signal == SIGHUP {
            return self.reload_files();
        }
        if self.stop_was_asked || !self.is_ready.load(Ordering::SeqCst) {
            exit_unfinished("ending at once");
        }
        self.stop_was_asked = true;
        let _ = self.stop.try_send(());
    }

    fn reload_files(&self) {
        for tokens in self.routes.tokens() {
            match tokens.reload(&*self.disk) {
                Ok(None) => {}
                Ok(Some((file, count))) => {
                    let tokens = counted(count as u64, "token");
                    log::info!("reloaded token file {} ({tokens})", file.display());
                }
                Err(error) => log::error!("the old tokens stay valid: {error}"),
            }
        }
        match self.routes.customers().reload(&*self.disk) {
            Ok(None) => {}
            Ok(Some((file, customers))) => {
                let customers = counted(customers as u64, "customer");
                log::info!("reloaded {} ({customers} with settings of their own)", file.display());
            }
            Err(error) => log::error!("the customers' old settings stay in force: {error}"),
        }
        if let Err(error) = (self.reload)(&*self.disk) {
            log::error!("the old credentials stay in use: {error}");
        }
    }
}
