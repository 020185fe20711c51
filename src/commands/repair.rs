//! `repair`: the explicit way out when a start is refused.
//!
//! Input: a data directory that no server runs on. Output: what was applied, lost and moved. Never: does anything without a
//! flag that accepts the loss.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{Failure, existing_data_dir, lock_data_dir};
use crate::base::clock;
use crate::base::disk::RealDisk;
use crate::base::plural::counted;
use crate::config::{Config, DataDirArg};
use crate::offline::repair::{Accept, repair};

/// Which directory, and that it is meant.
#[derive(Args)]
pub(super) struct RepairArgs {
    #[command(flatten)]
    data: DataDirArg,
    /// Accept that batches in lost or damaged journal files may be missing from the counts, and that their retries may
    /// be counted again
    #[arg(long)]
    accept_lost_journal: bool,
    /// Accept that window files were lost or are too old: windows of customers whose sums are not what was counted are
    /// marked incomplete
    #[arg(long)]
    accept_lost_windows: bool,
}

pub(super) fn run(args: &RepairArgs) -> Result<ExitCode, Failure> {
    let dir = Arc::new(existing_data_dir(&RealDisk, &args.data.data_dir)?);
    let accept = Accept { lost_journal: args.accept_lost_journal, lost_windows: args.accept_lost_windows };
    if !accept.lost_journal && !accept.lost_windows {
        return Err("repair goes on from what is left: batches in lost or damaged files may be missing from the counts, \
                    and their retries may be counted again. `verify` shows what is wrong; make a copy of the data \
                    directory, then run this again with --accept-lost-journal or --accept-lost-windows, as the server \
                    or `verify` says"
            .to_owned()
            .into());
    }
    let _lock = lock_data_dir(&RealDisk, &dir)?;
    // Failures with single files are logged as the server logs them.
    let _ = simplelog::WriteLogger::init(log::LevelFilter::Warn, simplelog::Config::default(), io::stderr());
    let limits = Config::defaults().bounds().map_err(Failure::Usage)?.engine.worker;
    let repaired = repair(&RealDisk::shared(), &dir, limits, accept, clock::now_ms())
        .map_err(|error| error.to_string())?;
    println!(
        "applied {}, {} {} lost; the next batch is record {}",
        counted(repaired.applied, "record"),
        repaired.lost,
        if repaired.lost == 1 { "is" } else { "are" },
        repaired.through.next()
    );
    for sum in &repaired.accepted {
        println!("accepted: {sum}");
    }
    if repaired.incomplete > 0 {
        println!("marked {} as incomplete", counted(repaired.incomplete, "window"));
    }
    for path in &repaired.quarantined {
        println!("moved to {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
