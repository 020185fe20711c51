//! Flags and environment, lowered once into a validated [`Config`]. Every limit of the program lives here, with its
//! flag, its variable (`LOG_ANALYTICS_` and the flag's name in capitals) and its default.
//!
//! Comes in: the command line. Goes out: options for each part, in that part's own types. Nothing else reads the
//! environment.

mod choices;
mod front;
mod units;

use std::path::PathBuf;

pub use choices::{LogLevel, Overlong, RawBatches};
pub use front::FrontArgs;
pub use units::{Bytes, RetainDays, Span};

use clap::{Args, FromArgMatches};

use crate::batch;
use crate::engine::EngineOptions;
use crate::http::server::{FrontKind, FrontLimits, Listen};
use crate::journal::committer::CommitLimits;
use crate::journal::retention::Retention;
use crate::query::QueryLimits;
use crate::windows::window::WindowLimits;
use crate::windows::worker::WorkerLimits;

/// Where the data directory is; shared by all commands that look at one.
#[derive(Clone, Debug, Args)]
pub struct DataDirArg {
    /// Where journal and windows are kept
    #[arg(long, env = "LOG_ANALYTICS_DATA_DIR", value_name = "DIR", default_value = "data/store")]
    pub data_dir: PathBuf,
}

/// Everything `serve` can be told.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where to listen: HOST:PORT or unix:PATH; several times, or with commas between, for several addresses
    #[arg(
        long,
        env = "LOG_ANALYTICS_LISTEN",
        value_name = "ADDR",
        value_delimiter = ',',
        default_value = "127.0.0.1:8080"
    )]
    pub listen: Vec<Listen>,

    #[command(flatten)]
    #[allow(missing_docs, reason = "documented at its type")]
    pub data: DataDirArg,

    /// HTTP front end: guarded or tiny_http (the latter for a trusted loopback only)
    #[arg(long, env = "LOG_ANALYTICS_HTTP_SERVER", value_name = "NAME", default_value = "guarded")]
    pub http_server: FrontKind,

    /// File with the token that a gateway must send as `authorization: Bearer …`; one token a line, all are valid
    #[arg(long, env = "LOG_ANALYTICS_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    pub gateway_token_file: Option<PathBuf>,

    /// File with tokens like the gateway's for those who may see every customer's windows and their list
    #[arg(long, env = "LOG_ANALYTICS_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    pub operator_token_file: Option<PathBuf>,

    /// Listen beyond loopback without a gateway token: whoever reaches the port can set the customer id
    #[arg(long, env = "LOG_ANALYTICS_TRUST_NETWORK")]
    pub trust_network: bool,

    /// What is logged to standard error
    #[arg(long, env = "LOG_ANALYTICS_LOG_LEVEL", value_name = "LEVEL", value_enum, default_value = "info")]
    pub log_level: LogLevel,

    /// Threads that summarize large batches; 0 for one per core
    #[arg(long, env = "LOG_ANALYTICS_SUMMARIZE_THREADS", value_name = "N", default_value_t = 0)]
    pub summarize_threads: usize,

    /// How long a stop may take before the process ends unfinished, with exit code 3; the next start then replays
    #[arg(long, env = "LOG_ANALYTICS_SHUTDOWN_TIMEOUT", value_name = "TIME", default_value = "10s")]
    pub shutdown_timeout: Span,

    #[command(flatten, next_help_heading = "Connections")]
    #[allow(missing_docs, reason = "documented at its type")]
    pub front: FrontArgs,
    #[command(flatten, next_help_heading = "Batches")]
    #[allow(missing_docs, reason = "documented at its type")]
    pub batch: BatchArgs,
    #[command(flatten, next_help_heading = "Journal")]
    #[allow(missing_docs, reason = "documented at its type")]
    pub journal: JournalArgs,
    #[command(flatten, next_help_heading = "Windows")]
    #[allow(missing_docs, reason = "documented at its type")]
    pub windows: WindowArgs,
    #[command(flatten, next_help_heading = "Queries")]
    #[allow(missing_docs, reason = "documented at its type")]
    pub query: QueryArgs,
}

/// Limits on batches.
#[derive(Clone, Debug, Args)]
pub struct BatchArgs {
    /// A batch's body, decoded (413 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_BODY_BYTES", value_name = "BYTES", default_value = "2MiB")]
    pub max_body_bytes: Bytes,
    /// Memory of all batches between arrival and merge (503 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_INFLIGHT_BYTES", value_name = "BYTES", default_value = "96MiB")]
    pub max_inflight_bytes: Bytes,
    /// Entries in a batch (400 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_ENTRIES", value_name = "N", default_value_t = 50_000)]
    pub max_entries: usize,
    /// Distinct minutes in a batch (400 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_MINUTES", value_name = "N", default_value_t = 1_440)]
    pub max_minutes: usize,
    /// A path (see --overlong)
    #[arg(long, env = "LOG_ANALYTICS_MAX_PATH_BYTES", value_name = "BYTES", default_value = "2KiB")]
    pub max_path_bytes: Bytes,
    /// A user agent (see --overlong)
    #[arg(long, env = "LOG_ANALYTICS_MAX_AGENT_BYTES", value_name = "BYTES", default_value = "1KiB")]
    pub max_agent_bytes: Bytes,
    /// What becomes of paths and user agents that are too long
    #[arg(long, env = "LOG_ANALYTICS_OVERLONG", value_name = "WHAT", value_enum, default_value = "refuse")]
    pub overlong: Overlong,
    /// How far ahead of the clock an entry may be (400 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_FUTURE", value_name = "TIME", default_value = "24h")]
    pub max_future: Span,
    /// Bodies from this size on are summarized on all cores
    #[arg(long, env = "LOG_ANALYTICS_PARALLEL_FROM_BYTES", value_name = "BYTES", default_value = "64KiB")]
    pub parallel_from_bytes: Bytes,
}

/// Limits on the journal.
#[derive(Clone, Debug, Args)]
pub struct JournalArgs {
    /// Keep the bodies of batches in the journal, or drop them
    #[arg(long, env = "LOG_ANALYTICS_RAW_BATCHES", value_name = "WHAT", value_enum, default_value = "keep")]
    pub raw_batches: RawBatches,
    /// A journal segment longer than this is followed by a new one
    #[arg(long, env = "LOG_ANALYTICS_SEGMENT_BYTES", value_name = "BYTES", default_value = "256MiB")]
    pub segment_bytes: Bytes,
    /// Batches written and synced together
    #[arg(long, env = "LOG_ANALYTICS_MAX_GROUP_BATCHES", value_name = "N", default_value_t = 1_024)]
    pub max_group_batches: usize,
    /// Bytes written and synced together
    #[arg(long, env = "LOG_ANALYTICS_MAX_GROUP_BYTES", value_name = "BYTES", default_value = "16MiB")]
    pub max_group_bytes: Bytes,
    /// Free space below which no batch is taken (503), so that windows can still be written
    #[arg(long, env = "LOG_ANALYTICS_MIN_FREE_BYTES", value_name = "BYTES", default_value = "16MiB")]
    pub min_free_bytes: Bytes,
    /// Journal after the checkpoint beyond which no batch is taken (503)
    #[arg(
        long,
        env = "LOG_ANALYTICS_MAX_UNCHECKPOINTED_BYTES",
        value_name = "BYTES",
        default_value = "2GiB"
    )]
    pub max_uncheckpointed_bytes: Bytes,
    /// Time between checkpoints
    #[arg(long, env = "LOG_ANALYTICS_CHECKPOINT_INTERVAL", value_name = "TIME", default_value = "30s")]
    pub checkpoint_interval: Span,
    /// Journal bytes between checkpoints
    #[arg(long, env = "LOG_ANALYTICS_CHECKPOINT_BYTES", value_name = "BYTES", default_value = "256MiB")]
    pub checkpoint_bytes: Bytes,
    /// Idempotency keys that are remembered; the retry of an older batch is a new batch
    #[arg(long, env = "LOG_ANALYTICS_DEDUP_KEYS", value_name = "N", default_value_t = 2_000_000)]
    pub dedup_keys: usize,
    /// How long journal segments are kept
    #[arg(long, env = "LOG_ANALYTICS_RETAIN_JOURNAL", value_name = "TIME", default_value = "7d")]
    pub retain_journal: Span,
    /// How much journal is kept
    #[arg(long, env = "LOG_ANALYTICS_RETAIN_JOURNAL_BYTES", value_name = "BYTES", default_value = "32GiB")]
    pub retain_journal_bytes: Bytes,
}

/// Limits on windows.
#[derive(Clone, Debug, Args)]
pub struct WindowArgs {
    /// Window workers
    #[arg(long, env = "LOG_ANALYTICS_PARTITIONS", value_name = "N", default_value_t = 8)]
    pub partitions: usize,
    /// Messages that may wait for one worker
    #[arg(long, env = "LOG_ANALYTICS_QUEUE_LENGTH", value_name = "N", default_value_t = 1_024)]
    pub queue_length: usize,
    /// Memory for windows; beyond it clean ones are dropped and dirty ones written first
    #[arg(long, env = "LOG_ANALYTICS_MAX_RESIDENT_BYTES", value_name = "BYTES", default_value = "96MiB")]
    pub max_resident_bytes: Bytes,
    /// Paths in a window; further ones count under (other)
    #[arg(long, env = "LOG_ANALYTICS_MAX_WINDOW_PATHS", value_name = "N", default_value_t = 50_000)]
    pub max_window_paths: usize,
    /// User-agent families in a window; further ones count under (other)
    #[arg(long, env = "LOG_ANALYTICS_MAX_WINDOW_AGENTS", value_name = "N", default_value_t = 2_000)]
    pub max_window_agents: usize,
    /// Bytes of paths and families in a window; further ones count under (other)
    #[arg(long, env = "LOG_ANALYTICS_MAX_WINDOW_KEY_BYTES", value_name = "BYTES", default_value = "4MiB")]
    pub max_window_key_bytes: Bytes,
    /// How long a minute window may wait before its file is written
    #[arg(long, env = "LOG_ANALYTICS_FLUSH_INTERVAL", value_name = "TIME", default_value = "1s")]
    pub flush_interval: Span,
    /// Days to keep window files: one number, or minute,hour,day; 0 for ever
    #[arg(long, env = "LOG_ANALYTICS_RETAIN_WINDOWS_DAYS", value_name = "DAYS", default_value = "0")]
    pub retain_windows_days: RetainDays,
}

/// Limits on queries.
#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// Windows one query reads (400 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_QUERY_WINDOWS", value_name = "N", default_value_t = 10_000)]
    pub max_query_windows: usize,
    /// Bytes of windows one query reads (400 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_QUERY_BYTES", value_name = "BYTES", default_value = "256MiB")]
    pub max_query_bytes: Bytes,
    /// Memory of one query: the keys it merges (400 beyond); a page of windows ends at a quarter of it
    #[arg(long, env = "LOG_ANALYTICS_MAX_QUERY_MEMORY", value_name = "BYTES", default_value = "64MiB")]
    pub max_query_memory: Bytes,
    /// Time one query runs (400 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_QUERY_TIME", value_name = "TIME", default_value = "5s")]
    pub max_query_time: Span,
    /// Queries that run at once; others wait for their turn
    #[arg(long, env = "LOG_ANALYTICS_MAX_QUERIES", value_name = "N", default_value_t = 4)]
    pub max_queries: usize,
    /// How long a query waits for its turn (503 beyond)
    #[arg(long, env = "LOG_ANALYTICS_MAX_QUERY_WAIT", value_name = "TIME", default_value = "1s")]
    pub max_query_wait: Span,
}

/// What a data directory and a batch can bear at the most, whatever the flags say.
const MAX_BODY_BYTES: u64 = 64 << 20;

impl Config {
    /// Checks the flags one by one and together.
    ///
    /// # Errors
    /// The flag and what is wrong with it.
    pub fn validate(&self) -> Result<(), String> {
        let Config { front, batch, journal, windows, query, .. } = self;
        let at_least_one = [
            ("--max-entries", batch.max_entries as u64),
            ("--max-minutes", batch.max_minutes as u64),
            ("--max-path-bytes", batch.max_path_bytes.0),
            ("--max-agent-bytes", batch.max_agent_bytes.0),
            ("--max-body-bytes", batch.max_body_bytes.0),
            ("--segment-bytes", journal.segment_bytes.0),
            ("--max-group-batches", journal.max_group_batches as u64),
            ("--max-group-bytes", journal.max_group_bytes.0),
            ("--max-uncheckpointed-bytes", journal.max_uncheckpointed_bytes.0),
            ("--checkpoint-bytes", journal.checkpoint_bytes.0),
            ("--checkpoint-interval", journal.checkpoint_interval.ms()),
            ("--dedup-keys", journal.dedup_keys as u64),
            ("--partitions", windows.partitions as u64),
            ("--queue-length", windows.queue_length as u64),
            ("--max-resident-bytes", windows.max_resident_bytes.0),
            ("--max-window-paths", windows.max_window_paths as u64),
            ("--max-window-agents", windows.max_window_agents as u64),
            ("--max-query-windows", query.max_query_windows as u64),
            ("--max-query-bytes", query.max_query_bytes.0),
            ("--max-query-memory", query.max_query_memory.0),
            ("--max-query-time", query.max_query_time.ms()),
            ("--max-queries", query.max_queries as u64),
            ("--shutdown-timeout", self.shutdown_timeout.ms()),
        ];
        if let Some((flag, _)) = at_least_one.iter().find(|(_, value)| *value == 0) {
            return Err(format!("{flag} must be at least 1"));
        }
        let rules: [(bool, &str, &str); 10] = [
            (self.summarize_threads <= 1_024, "--summarize-threads", "must be at most 1024"),
            (batch.max_body_bytes.0 <= MAX_BODY_BYTES, "--max-body-bytes", "must be at most 64MiB"),
            (
                batch.max_inflight_bytes.0 >= 4 * batch.max_body_bytes.0,
                "--max-inflight-bytes",
                "must be at least four times --max-body-bytes, or no large batch could ever be taken",
            ),
            (batch.max_entries <= 10_000_000, "--max-entries", "must be at most 10000000"),
            (journal.dedup_keys <= 1 << 30, "--dedup-keys", "must be at most 1073741824"),
            (
                journal.checkpoint_bytes < journal.max_uncheckpointed_bytes,
                "--checkpoint-bytes",
                "must be below --max-uncheckpointed-bytes, or batches would be refused before a checkpoint is made",
            ),
            (windows.partitions <= 1_024, "--partitions", "must be at most 1024"),
            (windows.queue_length <= 1 << 20, "--queue-length", "must be at most 1048576"),
            (journal.max_group_batches <= 1 << 16, "--max-group-batches", "must be at most 65536"),
            (
                self.trust_network
                    || self.gateway_token_file.is_some()
                    || self.listen.iter().all(Listen::is_loopback),
                "--listen",
                "beyond loopback needs --gateway-token-file (or --trust-network): whoever reaches the port could \
                 send batches for any customer",
            ),
        ];
        if let Some((_, flag, rule)) = rules.iter().find(|(holds, _, _)| !holds) {
            return Err(format!("{flag} {rule}"));
        }
        front.check()
    }

    /// What `serve` goes by without any flag or variable.
    pub fn defaults() -> Self {
        let command = Config::augment_args(clap::Command::new("serve")).mut_args(|arg| arg.env(None::<&str>));
        let matches = command.get_matches_from(["serve"]);
        Config::from_arg_matches(&matches).expect("defaults are well formed")
    }

    /// The front end's limits.
    pub fn front_limits(&self) -> FrontLimits {
        self.front.limits()
    }

    /// What a batch may be.
    pub fn batch_limits(&self) -> batch::Limits {
        let args = &self.batch;
        batch::Limits {
            max_entries: args.max_entries,
            max_minutes: args.max_minutes,
            max_path_bytes: args.max_path_bytes.size(),
            max_agent_bytes: args.max_agent_bytes.size(),
            max_future_ms: args.max_future.ms(),
            overlong: match args.overlong {
                Overlong::Refuse => batch::Overlong::Refuse,
                Overlong::Truncate => batch::Overlong::Truncate,
            },
            parallel_from_bytes: args.parallel_from_bytes.size(),
        }
    }

    /// The largest decoded body.
    pub fn max_body_bytes(&self) -> usize {
        self.batch.max_body_bytes.size()
    }

    /// The budget of bytes in flight.
    pub fn max_inflight_bytes(&self) -> usize {
        self.batch.max_inflight_bytes.size()
    }

    /// What queries may cost.
    pub fn query_limits(&self) -> QueryLimits {
        let args = &self.query;
        QueryLimits {
            max_windows: args.max_query_windows,
            max_bytes: args.max_query_bytes.0,
            max_memory_bytes: args.max_query_memory.size(),
            max_time: args.max_query_time.0,
            max_running: args.max_queries,
            max_wait: args.max_query_wait.0,
        }
    }

    /// The engine's options.
    pub fn engine_options(&self) -> EngineOptions {
        let Config { batch, journal, windows, .. } = self;
        EngineOptions {
            partitions: windows.partitions,
            queue_length: windows.queue_length,
            max_group_batches: journal.max_group_batches,
            max_group_bytes: journal.max_group_bytes.size(),
            commit: CommitLimits {
                segment_bytes: journal.segment_bytes.0,
                min_free_bytes: journal.min_free_bytes.0,
                max_uncheckpointed_bytes: journal.max_uncheckpointed_bytes.0,
            },
            worker: WorkerLimits {
                window: WindowLimits {
                    max_paths: windows.max_window_paths,
                    max_agents: windows.max_window_agents,
                    max_key_bytes: windows.max_window_key_bytes.size(),
                },
                max_resident_bytes: windows.max_resident_bytes.size() / windows.partitions,
                flush_interval_ms: windows.flush_interval.ms(),
                max_future_ms: batch.max_future.ms(),
            },
            dedup_keys: journal.dedup_keys,
            retention: Retention {
                max_age_ms: journal.retain_journal.ms(),
                max_bytes: journal.retain_journal_bytes.0,
            },
            retain_windows_days: windows.retain_windows_days.0,
            checkpoint_interval: journal.checkpoint_interval.0,
            checkpoint_bytes: journal.checkpoint_bytes.0,
            keep_bodies: journal.raw_batches == RawBatches::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn config(flags: &[&str]) -> Config {
        Cli::parse_from(["serve"].iter().chain(flags)).config
    }

    #[test]
    fn defaults_are_valid_and_are_those_of_the_design() {
        let config = config(&[]);
        config.validate().unwrap();
        assert_eq!(config.batch_limits(), batch::Limits::default());
        assert_eq!(config.front_limits(), FrontLimits::default());
        assert_eq!(config.max_body_bytes(), 2 << 20);
        assert_eq!(config.engine_options().worker.max_resident_bytes, (96 << 20) / 8);
    }

    #[test]
    fn bad_values_are_refused_with_flag_and_reason() {
        for (flags, says) in [
            (&["--partitions", "0"][..], "--partitions must be at least 1"),
            (&["--max-inflight-bytes", "1MiB"], "--max-inflight-bytes must be at least four times"),
            (&["--checkpoint-bytes", "4GiB"], "--checkpoint-bytes must be below"),
            (&["--listen", "0.0.0.0:1"], "--listen beyond loopback needs --gateway-token-file"),
            (&["--max-head-bytes", "100"], "--max-target-bytes must be below --max-head-bytes"),
            (&["--max-connections", "0"], "--max-connections must be between 1 and 65536"),
            (&["--idle-timeout", "0"], "--idle-timeout must be between 1ms and 24h"),
            (&["--summarize-threads", "1025"], "--summarize-threads must be at most 1024"),
            (&["--thread-stack-bytes", "2GiB"], "--thread-stack-bytes must be at most 1GiB"),
            (&["--backlog", "0"], "--backlog must be between 1 and 65536"),
            (&["--linger-bytes", "2GiB"], "--linger-bytes must be at most 1GiB"),
        ] {
            let error = config(flags).validate().unwrap_err();
            assert!(error.contains(says), "{flags:?}: {error}");
        }
        config(&["--listen", "0.0.0.0:1", "--trust-network"]).validate().unwrap();
    }
}
