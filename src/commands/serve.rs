//! `serve`: puts the server together, waits for a signal, takes it apart again. The only file that knows every part.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Sender, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::descriptors::Needs;
use super::{Failure, http_side, lock};
use crate::base::clock;
use crate::base::disk::{self, Disk, RealDisk};
use crate::base::latch::Latch;
use crate::base::shutdown::{self, EXIT_UNFINISHED};
use crate::config::Config;
use crate::data_dir::{DataDir, at};
use crate::engine::{Engine, EngineParts};
use crate::http::routes::Routes;
use crate::http::server::Listen;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::query::WindowSource;

pub(super) fn run(config: &Config) -> Result<ExitCode, Failure> {
    http_side::begin(config)?;
    let disk = RealDisk::shared();
    let metrics = Arc::new(Metrics::new());
    let (routes, connections) = http_side::routes(config, &*disk, &metrics)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(config.summarize_threads)
        .thread_name(|number| format!("summarize-{number}"))
        .build_global()
        .map_err(|error| format!("--summarize-threads: {error}"))?;

    let dir = Arc::new(DataDir::new(&config.data.data_dir));
    disk::create_dirs(&*disk, dir.root())
        .map_err(|error| format!("--data-dir: {}", at(dir.root())(error)))?;
    let _lock = lock(&*disk, &dir)?;

    // Signals are caught before there is anything to undo, and health is answered before recovery begins.
    let recovered = Arc::new(AtomicBool::new(false));
    let (stop, stopped) = bounded(1);
    watch_signals(stop, Arc::clone(&recovered), Arc::clone(&routes), Arc::clone(&disk), Box::new(|| Ok(())))?;
    // Each worker writes a window's file and syncs its folder.
    let needs = Needs { reserved: 2 * config.windows.partitions, per_request: 0 };
    let (front, address) = http_side::listen(config, needs, &routes, connections)?;
    log::info!("listening on {address}; recovering {}", dir.root().display());

    let parts = EngineParts { disk, dir: Arc::clone(&dir), latch: Latch::new(), metrics };
    let engine = Engine::start(parts, config.engine_options()).map_err(|error| error.to_string())?;
    let engine = Arc::new(engine);
    routes.open(Arc::clone(&engine) as Arc<dyn Intake>, Arc::clone(&engine) as Arc<dyn WindowSource>);
    recovered.store(true, Ordering::SeqCst);
    if config.trust_network && !config.listen.iter().all(Listen::is_loopback) {
        log::warn!("--trust-network: whoever reaches {address} can send batches for any customer");
    }
    log::info!("ready on {address}");
    println!("log-analytics is ready on {address}");

    // The signal thread lives as long as the process, so this returns only for a signal.
    let _ = stopped.recv();
    log::info!("stopping: finishing requests, then writing what is in memory");
    let deadline = clock::monotonic() + config.shutdown_timeout.0;
    let left = || deadline.saturating_duration_since(clock::monotonic());
    routes.drain();
    front.stop();
    if front.join(left()) && engine.stop(left()) {
        log::info!("stopped: everything is in window files");
        return Ok(ExitCode::SUCCESS);
    }
    log::warn!("stopped unfinished; nothing is lost: the next start replays the journal");
    log::logger().flush();
    // Threads that hang are not waited for.
    std::process::exit(EXIT_UNFINISHED)
}

pub(super) fn start_logging(config: &Config) -> Result<(), Failure> {
    let format = simplelog::ConfigBuilder::new()
        .set_time_format_rfc3339()
        .set_thread_level(log::LevelFilter::Off)
        .set_target_level(log::LevelFilter::Off)
        .build();
    // Standard error: unbuffered, one line per event.
    simplelog::WriteLogger::init(config.log_level.into(), format, io::stderr())
        .map_err(|error| Failure::Failed(error.to_string()))
}

/// Starts the thread that waits for signals: the first SIGTERM or SIGINT asks for a clean stop, the second ends the
/// process at once; SIGHUP reads the token files again, and calls `reload`.
pub(super) fn watch_signals(
    stop: Sender<()>,
    recovered: Arc<AtomicBool>,
    routes: Arc<Routes>,
    disk: Arc<dyn Disk>,
    reload: Box<dyn Fn() -> Result<(), String> + Send>,
) -> Result<(), Failure> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(|error| error.to_string())?;
    let watch = move || {
        let mut asked = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                for tokens in routes.tokens() {
                    match tokens.reload(&*disk) {
                        Ok(None) => {}
                        Ok(Some(file)) => log::info!("read again: {}", file.display()),
                        Err(error) => log::error!("the tokens stay as they were: {error}"),
                    }
                }
                if let Err(error) = reload() {
                    log::error!("the credentials stay as they were: {error}");
                }
                continue;
            }
            if asked || !recovered.load(Ordering::SeqCst) {
                log::warn!("ending at once; nothing is lost: the next start replays the journal");
                log::logger().flush();
                std::process::exit(EXIT_UNFINISHED);
            }
            asked = true;
            let _ = stop.try_send(());
        }
    };
    // Not joined: it waits for signals until the process ends.
    shutdown::spawn("signals", watch).map(drop).map_err(|error| Failure::Failed(error.to_string()))
}
