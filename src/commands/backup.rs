//! `backup`: a whole copy of a data directory, while its server may be writing.
//!
//! Input: the data directory and the name of the copy. Output: the copy. Never: leaves a part of a copy under that name.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, existing_data_dir, progress};
use crate::base::disk::{FileLock, RealDisk};
use crate::base::plural::counted;
use crate::config::DataDirArg;
use crate::data_dir::at;
use crate::offline::backup::{backup, bytes_to_copy};

/// Which directory, and where to.
#[derive(Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    data: DataDirArg,
    /// Directory to make; it must not exist. Start a server on it to restore
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

pub(super) fn run(args: &BackupArgs) -> Result<ExitCode, Failure> {
    let dir = existing_data_dir(&RealDisk, &args.data.data_dir)?;
    // Nothing is removed in the directory while this is held.
    let retain = dir.retain();
    let _lock = FileLock::shared(&retain).map_err(|error| at(&retain)(error).to_string())?;
    let total = bytes_to_copy(&RealDisk, &dir).map_err(|error| error.to_string())?;
    let bar = progress::bytes(total, "backup");
    let done = backup(&RealDisk, &dir, &args.to, &mut |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let done = done.map_err(|error| error.to_string())?;
    println!(
        "{}: records to {} in {}, {}, {} bytes",
        args.to.display(),
        done.through,
        counted(done.segments, "segment"),
        counted(done.windows, "window file"),
        done.bytes
    );
    Ok(ExitCode::SUCCESS)
}
