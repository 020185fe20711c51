//! `verify`: checks a data directory and prints a short report.
//!
//! Input: a data directory that no server runs on. Output: the report; exit code 1 where something is wrong. Never: changes
//! anything but `LOCK`.

use std::process::ExitCode;

use clap::Args;

use super::{Failure, existing_data_dir, lock_data_dir, progress};
use crate::base::disk::RealDisk;
use crate::base::plural::counted;
use crate::batch::MAX_FUTURE_MS;
use crate::config::{Bytes, DataDirArg};
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
}

/// Problems and notes are printed up to this many; the rest is counted.
const SHOWN: usize = 20;

pub(super) fn run(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let dir = existing_data_dir(&RealDisk, &args.data.data_dir)?;
    let _lock = lock_data_dir(&RealDisk, &dir)?;
    let options = VerifyOptions { recount_bytes: args.recount_bytes.0, max_future_ms: MAX_FUTURE_MS };
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
        "journal: {} ({} to {}) in {}, checkpoint {}",
        counted(report.records, "record"),
        report.first_seq,
        report.last_seq,
        counted(report.segments, "segment"),
        report.checkpoint
    );
    println!(
        "windows: {}, {} in minutes, {} recounted, {} recounted in part, {} incomplete",
        counted(report.windows, "file"),
        counted(report.requests, "request"),
        report.recounted_windows,
        report.partly_recounted_windows,
        report.incomplete_windows
    );
    println!("sums: the windows of {} hold what was counted", counted(report.proven_customers, "customer"));
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
        (true, _) => println!("ok: journal and windows agree"),
        (false, 0) => println!("NOT OK: incomplete windows"),
        (false, problems) => println!("NOT OK: {}", counted(problems as u64, "problem")),
    }
}
