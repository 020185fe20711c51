//! The settings: each defined once, as flag and variable, with its default, range and sentence, for every command that
//! has it. What is not a setting is a constant of the module that it protects.
//!
//! Input: the command line and the environment. Output: [`Bounds`], in the types of the modules that keep them.
//! Never: anything else that reads the environment; a bound that is decided here and nowhere explained.

mod bounds;
mod choices;
#[cfg(feature = "cluster")]
mod cluster;
mod environment;
mod tune;
mod units;

use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches};

pub use bounds::Bounds;
pub use choices::{LogFormat, LogLevel, RawBatches};
#[cfg(feature = "cluster")]
pub use cluster::{ClickHouseArgs, KafkaArgs, SecretArgs, StoreArgs};
pub(crate) use environment::refuse_unknown_variables;
pub use tune::TuneArgs;
pub use units::{Bytes, RetainDays, Span};

use crate::base::disk::RealDisk;
use crate::base::memory;
use crate::batch::LARGEST_BODY_BYTES;
use crate::http::server::{FrontKind, Listen};
use units::within;

/// Every setting of `serve`.
#[derive(Clone, Debug, Args)]
pub struct Config {
    #[command(flatten)]
    pub data: DataDirArg,
    #[command(flatten)]
    pub server: ServerArgs,
    #[command(flatten, next_help_heading = "Batches")]
    pub batch: BatchArgs,
    #[command(flatten)]
    pub customers: CustomersArg,
    #[command(flatten, next_help_heading = "Journal")]
    pub journal: JournalArgs,
    #[command(flatten, next_help_heading = "Windows")]
    pub windows: WindowArgs,
    #[command(flatten)]
    pub retain: RetainWindowsArg,
}

#[derive(Clone, Debug, Args)]
pub struct DataDirArg {
    /// Directory of the journal and the windows
    #[arg(long, env = "LOG_ANALYTICS_DATA_DIR", value_name = "DIR", default_value = "data/store")]
    pub data_dir: PathBuf,
}

/// What every process has that answers HTTP.
#[derive(Clone, Debug, Args)]
pub struct ServerArgs {
    /// Address to listen on, HOST:PORT or unix:PATH; for several repeat the flag, or separate them by commas
    #[arg(
        long,
        env = "LOG_ANALYTICS_LISTEN",
        value_name = "ADDR",
        value_delimiter = ',',
        default_value = "127.0.0.1:8080"
    )]
    pub listen: Vec<Listen>,
    /// HTTP front end: guarded, or tiny_http where only trusted clients on this machine connect
    #[arg(long, env = "LOG_ANALYTICS_HTTP_SERVER", value_name = "NAME", default_value = "guarded")]
    pub http_server: FrontKind,
    /// File with the tokens that gateways send as `authorization: Bearer TOKEN`, one a line; SIGHUP reads it again
    #[arg(long, env = "LOG_ANALYTICS_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    pub gateway_token_file: Option<PathBuf>,
    /// File with the tokens of operators, who may read every customer's windows, one a line; SIGHUP reads it again
    #[arg(long, env = "LOG_ANALYTICS_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    pub operator_token_file: Option<PathBuf>,
    /// Listen beyond loopback without a gateway token: anyone who reaches the port can then act as any customer
    #[arg(long, env = "LOG_ANALYTICS_TRUST_NETWORK")]
    pub trust_network: bool,
    /// Connections open at once; beyond that the one that has waited longest for a request is closed, or the new one
    /// gets 503
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_CONNECTIONS",
        value_name = "N",
        default_value_t = 512,
        value_parser = within(1_usize, 65_536)
    )]
    pub max_connections: usize,
    /// Time a connection may wait for its next request before it is closed
    #[arg(
        long,
        env = "LOG_ANALYTICS_IDLE_TIMEOUT",
        value_name = "TIME",
        default_value = "60s",
        value_parser = within(MS, DAY)
    )]
    pub idle_timeout: Span,
    /// Longest time for a clean stop; then the process ends with exit code 3, and nothing acknowledged is lost
    #[arg(
        long,
        env = "LOG_ANALYTICS_SHUTDOWN_TIMEOUT",
        value_name = "TIME",
        default_value = "10s",
        value_parser = within(MS, DAY)
    )]
    pub shutdown_timeout: Span,
    #[command(flatten)]
    pub log: LogArgs,
    #[command(flatten)]
    pub tune: TuneArgs,
}

const MS: Span = Span(std::time::Duration::from_millis(1));
const DAY: Span = Span(std::time::Duration::from_secs(24 * 60 * 60));
const TEN_YEARS: Span = Span(std::time::Duration::from_secs(3_650 * 24 * 60 * 60));

#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// Least important lines that are logged to standard error
    #[arg(long, env = "LOG_ANALYTICS_LOG_LEVEL", value_name = "LEVEL", value_enum, default_value = "info")]
    pub log_level: LogLevel,
    /// Form of log lines: text, or json for one JSON object a line
    #[arg(long, env = "LOG_ANALYTICS_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,
}

/// What every process has that takes batches.
#[derive(Clone, Debug, Args)]
pub struct BatchArgs {
    /// Largest body of a batch after decompression; larger ones get 413
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_BODY_BYTES",
        value_name = "BYTES",
        default_value = "2MiB",
        value_parser = within(Bytes(1), Bytes(LARGEST_BODY_BYTES))
    )]
    pub max_body_bytes: Bytes,
    /// Most entries in a batch; a batch with more gets 400
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_ENTRIES",
        value_name = "N",
        default_value_t = 50_000,
        value_parser = within(1_usize, 10_000_000)
    )]
    pub max_entries: usize,
    #[command(flatten)]
    pub keep_query: KeepQueryArg,
    /// Memory for batches in progress; while it is used up, batches get 503
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_INFLIGHT_BYTES",
        value_name = "BYTES",
        default_value = "96MiB",
        value_parser = within(Bytes(1), Bytes(1 << 40))
    )]
    pub max_inflight_bytes: Bytes,
    /// Threads that count large batches; 0 is one for each core
    #[arg(
        long,
        env = "LOG_ANALYTICS_SUMMARIZE_THREADS",
        value_name = "N",
        default_value_t = 0,
        value_parser = within(0_usize, 1_024)
    )]
    pub summarize_threads: usize,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct KeepQueryArg {
    /// Keep the query string of paths, which is cut off otherwise: it tells users apart that no count should, and may hold
    /// tokens
    #[arg(long, env = "LOG_ANALYTICS_KEEP_QUERY")]
    pub keep_query: bool,
}

#[derive(Clone, Debug, Default, Args)]
pub struct CustomersArg {
    /// JSON file with the rates, retention and path rules of customers; SIGHUP reads it again
    #[arg(long, env = "LOG_ANALYTICS_CUSTOMERS", value_name = "FILE")]
    pub customers: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct JournalArgs {
    /// Whether the journal keeps the bodies of batches: keep them until retention removes them, or drop them
    #[arg(long, env = "LOG_ANALYTICS_RAW_BATCHES", value_name = "WHAT", value_enum, default_value = "keep")]
    pub raw_batches: RawBatches,
    /// Free disk space below which batches get 503, so that windows can still be written
    #[arg(long, env = "LOG_ANALYTICS_MIN_FREE_BYTES", value_name = "BYTES", default_value = "16MiB")]
    pub min_free_bytes: Bytes,
    /// Idempotency keys that are remembered; the retry of an older batch counts again
    #[arg(
        long,
        env = "LOG_ANALYTICS_DEDUP_KEYS",
        value_name = "N",
        default_value_t = 2_000_000,
        value_parser = within(1_usize, 1 << 30)
    )]
    pub dedup_keys: usize,
    /// Age at which journal segments are removed
    #[arg(long, env = "LOG_ANALYTICS_RETAIN_JOURNAL", value_name = "TIME", default_value = "7d")]
    pub retain_journal: Span,
    /// Size of the journal above which its oldest segments are removed
    #[arg(long, env = "LOG_ANALYTICS_RETAIN_JOURNAL_BYTES", value_name = "BYTES", default_value = "32GiB")]
    pub retain_journal_bytes: Bytes,
}

#[derive(Clone, Debug, Args)]
pub struct WindowArgs {
    /// Memory for windows, by default a quarter of the machine's or the control group's; beyond it windows are written
    /// to their files and dropped from memory
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_RESIDENT_BYTES",
        value_name = "BYTES",
        default_value_t = quarter_of_memory(),
        value_parser = within(Bytes(1), Bytes(1 << 50))
    )]
    pub max_resident_bytes: Bytes,
    /// Threads that merge counts into windows
    #[arg(
        long,
        env = "LOG_ANALYTICS_PARTITIONS",
        value_name = "N",
        default_value_t = 8,
        value_parser = within(1_usize, 1_024)
    )]
    pub partitions: usize,
    /// Time after the end of a UTC day before its minute and hour windows are packed into one file each
    #[arg(
        long,
        env = "LOG_ANALYTICS_PACK_AFTER",
        value_name = "TIME",
        default_value = "2d",
        value_parser = within(DAY, TEN_YEARS)
    )]
    pub pack_after: Span,
}

#[derive(Clone, Debug, Args)]
pub struct RetainWindowsArg {
    /// Days to keep window files after their window ended: one number, or three for minute, hour and day (30,400,0); 0
    /// keeps them for ever
    #[arg(long, env = "LOG_ANALYTICS_RETAIN_WINDOWS_DAYS", value_name = "DAYS", default_value = "0")]
    pub retain_windows_days: RetainDays,
}

/// In whole MiB, so that `--help` can show the number.
fn quarter_of_memory() -> Bytes {
    let mib = memory::total_bytes(&RealDisk) / 4 / (1 << 20);
    Bytes(mib.max(1) << 20)
}

impl Config {
    /// The settings of `serve` without any flag or variable.
    pub fn defaults() -> Self {
        let command = Config::augment_args(Command::new("serve")).mut_args(|arg| arg.env(None::<&str>));
        let matches = command.get_matches_from(["serve"]);
        Config::from_arg_matches(&matches).expect("defaults are well formed")
    }

    /// Checks relations between settings, and turns them into bounds.
    ///
    /// # Errors
    /// The flag and what is wrong with it.
    pub fn bounds(&self) -> Result<Bounds, String> {
        if !self.server.trust_network
            && self.server.gateway_token_file.is_none()
            && let Some(open) = self.server.listen.iter().find(|listen| !listen.is_loopback())
        {
            return Err(format!(
                "--listen {open} needs --gateway-token-file (or --trust-network): anyone who reaches the port could \
                 send batches for any customer"
            ));
        }
        let mut bounds = Bounds::new(self);
        self.server.tune.apply(&mut bounds)?;
        bounds.check().map(|()| bounds)
    }
}

/// The settings in force, as `name=value` separated by spaces: the given values, otherwise the defaults.
pub(crate) fn in_force(command: &Command, matches: &ArgMatches) -> String {
    let mut settings = Vec::new();
    for arg in command.get_arguments() {
        let (Some(name), Ok(Some(values))) = (arg.get_long(), matches.try_get_raw(arg.get_id().as_str()))
        else {
            continue;
        };
        let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
        settings.push(format!("{name}={}", values.join(",")));
    }
    settings.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch;
    use crate::http::server::FrontLimits;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn bounds(flags: &[&str]) -> Result<Bounds, String> {
        let parsed = Cli::try_parse_from(["serve"].iter().chain(flags));
        parsed.map_err(|error| error.to_string())?.config.bounds()
    }

    #[test]
    fn defaults_are_valid_and_are_those_of_the_design() {
        let bounds = bounds(&[]).unwrap();
        assert_eq!(bounds.batch, batch::Limits::default());
        assert_eq!(bounds.front, FrontLimits::default());
        assert_eq!((bounds.max_body_bytes, bounds.max_inflight_bytes), (2 << 20, 96 << 20));
        assert_eq!(bounds.engine.worker.max_resident_bytes, quarter_of_memory().size() / 8);
    }

    #[test]
    fn bad_values_are_refused_with_flag_and_reason() {
        for (flags, flag, says) in [
            (&["--partitions", "0"][..], "--partitions", "between 1 and 1024"),
            (&["--max-inflight-bytes", "1MiB"], "--max-inflight-bytes", "at least four times"),
            (&["--listen", "0.0.0.0:1"], "--listen", "needs --gateway-token-file"),
            (&["--listen", "127.0.0.1:1,0.0.0.0:1"], "--listen", "needs --gateway-token-file"),
            (&["--max-connections", "0"], "--max-connections", "between 1 and 65536"),
            (&["--idle-timeout", "0s"], "--idle-timeout", "between 1ms and 1d"),
            (&["--retain-journal", "7"], "--retain-journal", "7d"),
            (&["--max-body-bytes", "65MiB"], "--max-body-bytes", "between 1B and 64MiB"),
            (&["--tune", "checkpoint_bytes=4GiB"], "checkpoint_bytes", "below max_uncheckpointed_bytes"),
            (&["--tune", "speed=9"], "--tune", "checkpoint_interval"),
        ] {
            let error = bounds(flags).unwrap_err();
            assert!(error.contains(flag) && error.contains(says), "{flags:?}: {error}");
        }
        bounds(&["--listen", "0.0.0.0:1", "--trust-network"]).unwrap();
    }

    #[test]
    fn settings_in_force_are_shown_with_what_was_given_and_with_defaults() {
        let command = <Cli as clap::CommandFactory>::command();
        let matches =
            command.clone().get_matches_from(["serve", "--partitions", "3", "--tune", "queue_length=5"]);
        let shown = in_force(&command, &matches);
        for part in ["listen=127.0.0.1:8080", "partitions=3", "idle-timeout=60s", "tune=queue_length=5"] {
            assert!(shown.split(' ').any(|setting| setting == part), "{part}: {shown}");
        }
    }

    #[test]
    fn the_readme_lists_every_setting_as_help_tells_it() {
        let readme = include_str!("../../README.md");
        let rows = readme.lines().skip_while(|line| !line.starts_with("| setting of `serve` |")).skip(2);
        let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
        let command = <Cli as clap::CommandFactory>::command();
        let mut wanted = Vec::new();
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let name = arg.get_long().unwrap();
            let variable = format!("LOG_ANALYTICS_{}", name.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().unwrap(), &*variable);
            let default = match (name, arg.get_default_values()) {
                ("max-resident-bytes", _) => "a quarter of memory".to_owned(),
                (_, [default]) => format!("`{}`", default.to_str().unwrap()),
                (_, defaults) => {
                    assert!(defaults.is_empty());
                    String::new()
                }
            };
            let value = arg.get_value_names().filter(|_| arg.get_action().takes_values());
            let value = value.map_or(String::new(), |names| format!(" {}", names[0]));
            wanted.push(format!("| `--{name}{value}` | {default} | {} |", arg.get_help().unwrap()));
        }
        assert!(wanted == rows, "the table should be\n{}", wanted.join("\n"));
    }
}
