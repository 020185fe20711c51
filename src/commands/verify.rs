//! `verify`: checks a data directory and prints a short report.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, lock, progress};
use crate::base::clock;
use crate::base::disk::RealDisk;
use crate::batch::MAX_FUTURE_MS;
use crate::config::{Bytes, DataDirArg, RetainWindowsArg};
use crate::data_dir::DataDir;
use crate::offline::verify::{VerifyOptions, VerifyReport, verify};

/// Which directory, and how.
#[derive(Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    data: DataDirArg,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Memory for recounting; more windows than fit take several passes over the journal
    #[arg(long, value_name = "BYTES", default_value = "512MiB")]
    recount_bytes: Bytes,
    // Must equal that of `serve`.
    #[command(flatten)]
    retain: RetainWindowsArg,
}

/// Problems and notes are printed up to this many; the rest is counted.
const SHOWN: usize = 20;

pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let dir = DataDir::new(&args.data.data_dir);
    if !dir.root().is_dir() {
        return Err(format!("{}: no such directory", dir.root().display()).into());
    }
    let _lock = lock(&RealDisk, &dir)?;
    let options = VerifyOptions {
        recount_bytes: args.recount_bytes.0,
        max_future_ms: MAX_FUTURE_MS,
        retain_windows_days: args.retain.retain_windows_days.0,
        now_ms: clock::now_ms(),
    };
    let bar = progress::bytes(0, "journal");
    let report = verify(&RealDisk, &dir, &options, &mut |done, total| {
        if total > 0 {
            bar.set_length(total * 2);
        }
        bar.inc(done);
    });
    bar.finish_and_clear();
    let report = report.map_err(|error| error.to_string())?;
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        println!("{json}");
    } else {
        print(&report);
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &VerifyReport) {
    println!(
        "journal: {} records ({} to {}) in {} segment{}, checkpoint {}",
        report.records,
        report.first_seq,
        report.last_seq,
        report.segments,
        if report.segments == 1 { "" } else { "s" },
        report.checkpoint
    );
    println!(
        "windows: {} files, {} requests in minutes, {} recounted, {} recounted in part, {} incomplete",
        report.windows,
        report.requests,
        report.recounted_windows,
        report.partly_recounted_windows,
        report.incomplete_windows
    );
    for note in report.notes.iter().take(SHOWN) {
        println!("note: {note}");
    }
    for problem in report.problems.iter().take(SHOWN) {
        let offset = problem.offset.map(|offset| format!(" at offset {offset}")).unwrap_or_default();
        println!("problem: {}{offset}: {}", problem.file.display(), problem.what);
    }
    let more = report.notes.len().saturating_sub(SHOWN) + report.problems.len().saturating_sub(SHOWN);
    if more > 0 {
        println!("… and {more} more; --json lists all");
    }
    match (report.is_clean(), report.problems.len()) {
        (true, _) => println!("ok: nothing is wrong"),
        (false, 0) => println!("NOT OK: incomplete windows"),
        (false, problems) => println!("NOT OK: {problems} problems"),
    }
}
