//! The subcommands: each checks its arguments once, calls its part of the program, and prints the result.
//!
//! Input: the command line and the environment. Output: the exit code, the same for every command: 0 done; 1 failed, or
//! something is wrong with the data; 2 wrong usage or settings, files that they name included; 3 stopped unfinished.

mod agent;
mod backup;
mod batches;
mod descriptors;
mod dry_run;
mod health;
mod import;
#[cfg(feature = "cluster")]
mod ingest;
mod lines;
mod logging;
mod paths;
mod process;
mod progress;
#[cfg(feature = "cluster")]
mod query;
#[cfg(feature = "cluster")]
mod reconcile;
mod repair;
mod report;
mod serve;
mod summarize;
#[cfg(feature = "cluster")]
mod summarize_worker;
mod verify;
mod windows;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::base::disk::{self, Disk, RealDisk};
use crate::config::{self, Config, CustomersArg};
use crate::customers::{self, settings::AllCustomerSettings};
use crate::data_dir::{DataDir, at};
use crate::time;

/// Access-log analytics server: POST batches of access-log entries, get exact counts per minute, hour and day.
///
/// Without a subcommand it serves. A batch answered 202 is counted exactly once, whatever crashes and whatever is
/// retried.
#[derive(Parser)]
#[command(name = "log-analytics", version, args_conflicts_with_subcommands = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Config,
}

#[derive(Subcommand)]
enum Command {
    /// Take batches over HTTP, count them, answer queries (the default)
    Serve(Box<Config>),
    /// Send access logs to a server, each line once, however often it is run
    Import(Box<import::ImportArgs>),
    /// Show a customer's requests as a table with bars: over time, top paths, families
    Report(report::ReportArgs),
    /// Ask a server whether it takes batches: exit code 0 or 1
    Health(health::HealthArgs),
    /// Count files of entries without a server: windows on standard output
    Summarize(summarize::SummarizeArgs),
    /// Check a stopped server's data directory: journal, windows, and that they agree
    Verify(verify::VerifyArgs),
    /// Make a data directory usable again after files were lost or damaged, by accepting the loss
    Repair(repair::RepairArgs),
    /// Copy a data directory, whole, while its server runs
    Backup(backup::BackupArgs),
    /// Read back the batches that are kept in the journal
    #[command(subcommand)]
    Batches(batches::BatchesCommand),
    /// Print stored windows, from files of their own and from packed days
    #[command(subcommand)]
    Windows(windows::WindowsCommand),
    /// Print the family of each user agent: one a line on standard input, one a line on standard output
    Agent(agent::AgentArgs),
    /// Print the key that each path counts under by a customer's path rules: one a line on standard input and output
    Paths(paths::PathsArgs),
    /// Cluster: take batches over HTTP, store them in the object store, announce them on Kafka
    #[cfg(feature = "cluster")]
    Ingest(Box<ingest::IngestArgs>),
    /// Cluster: summarize the batches that were taken, for the window job
    #[cfg(feature = "cluster")]
    SummarizeWorker(Box<summarize_worker::WorkerArgs>),
    /// Cluster: answer queries from ClickHouse
    #[cfg(feature = "cluster")]
    Query(Box<query::QueryRoleArgs>),
    /// Cluster: emit events that are missing, and count windows again whose insights came too late
    #[cfg(feature = "cluster")]
    Reconcile(Box<reconcile::ReconcileArgs>),
}

/// Why a command failed, as it prints on standard error.
enum Failure {
    /// Wrong usage: flags, variables, and the files of settings and secrets that they name.
    Usage(String),
    /// Anything else.
    Failed(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::Failed(reason)
    }
}

/// The exit code for wrong usage, the same as clap's.
const EXIT_USAGE: u8 = 2;

/// Runs the program.
pub fn run() -> ExitCode {
    let program = Cli::command();
    let matches = program.clone().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let in_force = match matches.subcommand() {
        Some((name, matches)) => config::in_force(program.find_subcommand(name).unwrap_or(&program), matches),
        None => config::in_force(&program, &matches),
    };
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    let done = config::refuse_unknown_variables(&program, names)
        .map_err(Failure::Usage)
        .and_then(|()| run_command(&cli, &in_force));
    done.unwrap_or_else(|error| {
        let (reason, code) = match error {
            Failure::Usage(reason) => (reason, ExitCode::from(EXIT_USAGE)),
            Failure::Failed(reason) => (reason, ExitCode::FAILURE),
        };
        eprintln!("log-analytics: {reason}");
        code
    })
}

fn run_command(cli: &Cli, in_force: &str) -> Result<ExitCode, Failure> {
    match &cli.command {
        None => serve::run(&cli.serve, in_force),
        Some(Command::Serve(config)) => serve::run(config, in_force),
        Some(Command::Import(args)) => import::run(args),
        Some(Command::Report(args)) => report::run(args),
        Some(Command::Health(args)) => health::run(args),
        Some(Command::Summarize(args)) => summarize::run(args),
        Some(Command::Verify(args)) => verify::run(args),
        Some(Command::Repair(args)) => repair::run(args),
        Some(Command::Backup(args)) => backup::run(args),
        Some(Command::Batches(command)) => batches::run(command),
        Some(Command::Windows(command)) => windows::run(command),
        Some(Command::Agent(args)) => agent::run(args),
        Some(Command::Paths(args)) => paths::run(args),
        #[cfg(feature = "cluster")]
        Some(Command::Ingest(args)) => ingest::run(args, in_force),
        #[cfg(feature = "cluster")]
        Some(Command::SummarizeWorker(args)) => summarize_worker::run(args, in_force),
        #[cfg(feature = "cluster")]
        Some(Command::Query(args)) => query::run(args, in_force),
        #[cfg(feature = "cluster")]
        Some(Command::Reconcile(args)) => reconcile::run(args),
    }
}

/// Reads an instant: milliseconds since 1970.
fn parse_time(text: &str) -> Result<u64, String> {
    time::parse_rfc3339(text).map_err(|_| "not an RFC 3339 time such as 2025-12-28T18:03:00Z".to_owned())
}

/// The settings of a file of `--customers`; none without one.
fn customer_settings(customers: &CustomersArg) -> Result<AllCustomerSettings, Failure> {
    let Some(file) = &customers.customers else { return Ok(AllCustomerSettings::default()) };
    customers::read(&RealDisk, file).map_err(|error| Failure::Usage(format!("--customers: {error}")))
}

/// There is no data directory where one was expected.
fn no_data_in(root: &Path) -> Failure {
    format!("no log-analytics data in {}: is --data-dir right?", root.display()).into()
}

/// Opens the data directory at `root`, which a server must have written.
fn existing_data_dir(disk: &dyn Disk, root: &Path) -> Result<DataDir, Failure> {
    let dir = DataDir::new(root);
    match dir.exists(disk) {
        Ok(true) => Ok(dir),
        Ok(false) => Err(no_data_in(root)),
        Err(error) => Err(at(root)(error).to_string().into()),
    }
}

/// Takes the lock of an existing data directory, so that no other process changes it.
fn lock_data_dir(disk: &dyn Disk, dir: &DataDir) -> Result<disk::FileLock, Failure> {
    let path = dir.lock();
    match disk::FileLock::try_exclusive(&path) {
        Ok(Some(lock)) => {
            lock.name_holder().map_err(|error| at(&path)(error).to_string())?;
            Ok(lock)
        }
        Ok(None) => {
            let holder = disk.read(&path).unwrap_or_default();
            let holder = String::from_utf8_lossy(&holder);
            Err(Failure::Failed(format!(
                "the data directory {} is in use by another process (pid {}): stop it first, or choose another \
                 --data-dir",
                dir.root().display(),
                holder.trim()
            )))
        }
        Err(error) => Err(at(&path)(error).to_string().into()),
    }
}
