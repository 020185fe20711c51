//! `serve`: starts all parts of the server and stops them again. The only file that knows every part.

use std::process::ExitCode;
use std::sync::Arc;

use super::descriptors::Needs;
use super::process::Process;
use super::{Failure, lock_data_dir};
use crate::base::disk;
use crate::base::latch::Latch;
use crate::config::Config;
use crate::customers::settings::CustomerRetainDays;
use crate::data_dir::{DataDir, at};
use crate::engine::{Engine, EngineParts};
use crate::http::routes::Roles;
use crate::intake::{Health, Intake};
use crate::query::StoredSource;
use crate::windows::worker::MAX_GROUP_FILES;

pub(super) fn run(config: &Config, in_force: &str) -> Result<ExitCode, Failure> {
    let process = Process::begin("serve", config, in_force)?;
    process.start_pool()?;
    let dir = Arc::new(DataDir::new(&config.data.data_dir));
    disk::create_dirs(&*process.disk, dir.root())
        .map_err(|error| format!("--data-dir: {}", at(dir.root())(error)))?;
    let _lock = lock_data_dir(&*process.disk, &dir)?;

    let options = process.bounds.engine.clone();
    let parts = EngineParts {
        disk: Arc::clone(&process.disk),
        dir: Arc::clone(&dir),
        latch: Latch::new(),
        metrics: Arc::clone(&process.metrics),
        own_retain_days: {
            let routes = Arc::clone(&process.routes);
            Arc::new(move |customer| {
                let settings = routes.customers().in_force();
                settings.of(customer).retain_days.map(CustomerRetainDays::by_size)
            })
        },
    };
    // Each worker has the files of a group of windows open, and syncs one directory.
    let needs = Needs { reserved: (MAX_GROUP_FILES + 1) * options.partitions, per_request: 0 };
    // `/healthz` is answered before recovery begins.
    let listening = process.listen(needs, Box::new(|_| Ok(())))?;
    log::info!("recovering {}", dir.root().display());
    let engine = Engine::start(parts, options).map_err(|error| error.to_string())?;
    let engine = Arc::new(engine);
    listening.open(Roles {
        intake: Some(Arc::clone(&engine) as Arc<dyn Intake>),
        source: Some(Arc::clone(&engine) as Arc<dyn StoredSource>),
        health: Arc::clone(&engine) as Arc<dyn Health>,
    });
    let stopping = listening.wait();
    let is_finished = engine.stop(stopping.left());
    Ok(stopping.end(is_finished))
}
