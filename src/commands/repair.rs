//! `repair`: the explicit way out when a start is refused.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{Failure, lock};
use crate::base::clock;
use crate::base::disk::RealDisk;
use crate::config::{Config, DataDirArg};
use crate::data_dir::DataDir;
use crate::offline::repair::repair;

/// Which directory, and that it is meant.
#[derive(Args)]
pub(super) struct RepairArgs {
    #[command(flatten)]
    data: DataDirArg,
    /// Accept that batches in lost or damaged journal files may be missing from the counts, and that their retries may
    /// be counted again
    #[arg(long)]
    accept_lost_journal: bool,
}

pub(super) fn run(args: &RepairArgs) -> Result<ExitCode, Failure> {
    let dir = Arc::new(DataDir::new(&args.data.data_dir));
    if !dir.root().is_dir() {
        return Err(format!("{}: no such directory", dir.root().display()).into());
    }
    if !args.accept_lost_journal {
        return Err("repair goes on from what is left of the journal: batches in lost or damaged files may be \
                    missing from the counts, and their retries may be counted again. `verify` shows what is wrong; \
                    make a copy of the data directory, then run this again with --accept-lost-journal"
            .to_owned()
            .into());
    }
    let _lock = lock(&RealDisk, &dir)?;
    // What goes wrong with single files is logged as the server would.
    let _ = simplelog::WriteLogger::init(log::LevelFilter::Warn, simplelog::Config::default(), io::stderr());
    let limits = Config::defaults().bounds().map_err(Failure::Usage)?.engine.worker;
    let repaired =
        repair(&RealDisk::shared(), &dir, limits, clock::now_ms()).map_err(|error| error.to_string())?;
    println!(
        "applied {} records, {} are lost; the next batch is record {}",
        repaired.applied,
        repaired.lost,
        repaired.through.next()
    );
    for path in &repaired.quarantined {
        println!("moved to {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
