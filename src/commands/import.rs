//! `import`: old and growing log files to a server.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::summarize::parse_customer;
use super::{Failure, dry_run, logging, progress};
use crate::base::clock;
use crate::base::disk;
use crate::client::{ServerClient, ServerUrl};
use crate::config::Span;
use crate::entry::{FormatError, LineFormat, LineParameters, ReaderOptions, Zone};
use crate::import::customers::CustomerFinder;
use crate::import::follow::Follow;
use crate::import::position::PositionDir;
use crate::import::send::{Compress, Delivery};
use crate::import::{Import, ImportOptions, ImportTotals, distinct};
use crate::input::Input;
use crate::model::CustomerId;
use crate::time::format_rfc3339;

/// What to import, where to, and how.
#[derive(Args)]
pub(super) struct ImportArgs {
    /// Access logs in nearly any format; plain, gzip, zstd or xz; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Customer that the entries belong to
    #[arg(long, env = "LOG_ANALYTICS_CUSTOMER", value_name = "ID", value_parser = parse_customer)]
    customer: CustomerId,
    /// Field whose value is the customer, where a log is of several: host, or one of JSON lines by its name, such as tenant.
    /// Lines in which it is missing or is no customer id are those of --customer
    #[arg(long, value_name = "FIELD", conflicts_with = "dry_run")]
    customer_from: Option<String>,
    /// The server: http://HOST:PORT, https://HOST or unix:PATH
    #[arg(long, env = "LOG_ANALYTICS_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: ServerUrl,
    /// File with the token that the gateway or the server asks for
    #[arg(long, env = "LOG_ANALYTICS_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Keep importing what is added to the files, through rotation, until SIGTERM or SIGINT
    #[arg(long)]
    follow: bool,
    /// With --follow: time between two checks of a file
    #[arg(long, value_name = "TIME", default_value = "1s")]
    poll_interval: Span,
    /// With --follow: how long a file that was renamed must be quiet before its successor is read
    #[arg(long, value_name = "TIME", default_value = "5s")]
    rotate_wait: Span,
    /// Name that tells apart logs which begin with the same lines, such as those of two hosts; part of every key
    #[arg(long, env = "LOG_ANALYTICS_SOURCE", value_name = "NAME", default_value = "")]
    source: String,
    /// Count query strings as part of paths
    #[arg(long)]
    keep_query: bool,
    /// Print the entries as NDJSON, and what would be counted and skipped on standard error; nothing is sent
    #[arg(long, conflicts_with = "follow")]
    dry_run: bool,
    /// Format of the lines, if it is not recognized: a name (combined, haproxy, iis, …), a log_format of nginx, a
    /// LogFormat of Apache, or names of JSON fields (json:path=uri,userAgent=agent)
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    format: String,
    /// Time zone for times without one, such as Europe/Berlin or +02:00
    #[arg(long, value_name = "ZONE")]
    timezone: Option<Zone>,
    /// Stop at the first line that is not an entry
    #[arg(long)]
    strict: bool,
    /// Connections, each with a thread
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    connections: u16,
    /// Compression of bodies; by default zstd over a network, and none on the same machine
    #[arg(long, value_name = "CODING", value_enum)]
    compress: Option<CompressChoice>,
    /// File with further headers to send, one `name: value` a line
    #[arg(long, value_name = "FILE")]
    header_file: Option<PathBuf>,
    /// Directory that remembers how far files are imported; by default $XDG_STATE_HOME/log-analytics or
    /// ~/.local/state/log-analytics
    #[arg(long, env = "LOG_ANALYTICS_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// How long a batch is tried again before the import fails (with --follow: for ever)
    #[arg(long, value_name = "TIME", default_value = "5m")]
    retry_for: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CompressChoice {
    None,
    Zstd,
    Gzip,
}

/// Skipped lines that are shown; the rest is counted.
const SHOWN_SKIPPED_LINES: u64 = 5;

pub(super) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    logging::start_plain();
    let inputs = distinct(&args.files);
    let reader = ReaderOptions {
        format: parse_format("--format", &args.format)?,
        timezone: args.timezone.clone(),
        keep_query: args.keep_query,
    };
    if args.dry_run {
        return dry_run::run(&inputs, &reader, args.strict);
    }
    if args.follow && inputs.contains(&Input::Stdin) {
        let reason = "--follow needs files: standard input is read to its end anyway";
        return Err(Failure::Usage(reason.to_owned()));
    }
    if !args.follow {
        // Checked before anything is sent: a mistyped name should not be found half-way.
        inputs.iter().try_for_each(can_be_read)?;
    }
    let options = options(args, reader)?;
    if options.positions.is_none() || inputs.contains(&Input::Stdin) {
        tell_horizon(&options.delivery);
    }
    let began = clock::monotonic();
    let shown = Arc::new(progress::Shown::default());
    let import = Import::new(options, {
        let shown = Arc::clone(&shown);
        move |line, before| match before {
            0..SHOWN_SKIPPED_LINES => shown.println(line),
            SHOWN_SKIPPED_LINES => shown.println("… further skipped lines are counted, not shown"),
            _ => {}
        }
    });
    let done = if args.follow {
        let follow = Follow {
            interval: args.poll_interval.0.max(Duration::from_millis(1)),
            rotate_wait: args.rotate_wait.0,
            end: end_on_signals()?,
        };
        shown.start_endless("following", Arc::clone(&import.progress));
        import.follow(&args.files, &follow)
    } else {
        shown.start(&inputs, "importing", Arc::clone(&import.progress));
        import.run(&inputs)
    };
    shown.finish();
    let totals = import.totals();
    if done.is_ok() || totals != ImportTotals::default() {
        print(&totals, began.elapsed(), import.progress.load(Ordering::Relaxed));
    }
    if done.is_ok() && totals.lines == 0 && import.progress.load(Ordering::Relaxed) > 0 {
        println!(
            "nothing new since the last import, by --state-dir; with an empty one everything is sent again"
        );
    }
    if let Err(failure) = done {
        return Err(
            format!("{failure}\nwhat was counted stays counted: run the same import again to go on").into()
        );
    }
    let is_nothing = totals.counted + totals.already == 0 && totals.skipped.total() > 0;
    if is_nothing && let Some((_, line)) = totals.skipped.first() {
        dry_run::print_nearest(line.text.as_bytes());
    }
    Ok(if totals.conflicts > 0 || is_nothing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Turns the flags into options.
fn options(args: &ImportArgs, reader: ReaderOptions) -> Result<ImportOptions, Failure> {
    let is_query_kept = if args.keep_query { Some("true") } else { None };
    let timezone = args.timezone.as_ref().map(Zone::name);
    let parameters = LineParameters::new(|name| match name {
        "format" => Some(reader.format.text()),
        "timezone" => timezone,
        "keep-query" => is_query_kept,
        _ => None,
    });
    let default = if args.url.is_local() { CompressChoice::None } else { CompressChoice::Zstd };
    let delivery = Delivery {
        server: args.url.clone(),
        customer: args.customer.clone(),
        parameters: parameters.map_err(|error| Failure::Usage(error.to_string()))?,
        token: args.token_file.as_deref().map(read_token).transpose()?,
        headers: args.header_file.as_deref().map(read_headers).transpose()?.unwrap_or_default(),
        compress: match args.compress.unwrap_or(default) {
            CompressChoice::None => Compress::None,
            CompressChoice::Zstd => Compress::Zstd,
            CompressChoice::Gzip => Compress::Gzip,
        },
        retry_for: (!args.follow).then_some(args.retry_for.0),
    };
    let customers =
        args.customer_from.as_deref().map(|field| CustomerFinder::new(field, &reader)).transpose();
    // An import that divides lines by customer has other positions in a file than one that does not.
    let by = args.customer_from.as_deref().map_or(String::new(), |field| format!(" by {field}"));
    let positions = args.state_dir.clone().or_else(default_state_dir).map(|dir| PositionDir {
        dir,
        server: args.url.to_string(),
        customer: args.customer.as_str().to_owned() + &by,
        source: args.source.clone(),
    });
    Ok(ImportOptions {
        delivery: Arc::new(delivery),
        customers: customers.map_err(|error| Failure::Usage(format!("--customer-from: {error}")))?,
        reader,
        source: args.source.clone(),
        positions,
        strict: args.strict,
        connections: usize::from(args.connections),
    })
}

/// Warns which lines may count twice if no position is kept.
fn tell_horizon(delivery: &Delivery) {
    const METRIC: &str = "log_analytics_dedup_horizon_timestamp_seconds";
    let authorization = delivery.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut headers: Vec<(&str, &str)> =
        delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
    let answer = ServerClient::new(delivery.server.clone()).get("/metrics", &headers).ok();
    let metrics = answer.filter(|answer| answer.status == 200).map(|answer| answer.body);
    let metrics = metrics.map(|body| String::from_utf8_lossy(&body).into_owned()).unwrap_or_default();
    let value = metrics.lines().find_map(|line| line.strip_prefix(METRIC)?.trim().parse::<u64>().ok());
    let horizon = match value {
        Some(0) => "so far the server remembers all that it counted".to_owned(),
        Some(seconds) => {
            format!("the server remembers what it counted since {}", format_rfc3339(seconds * 1000))
        }
        None => format!("how far back the server remembers is its metric {METRIC}"),
    };
    eprintln!("no position is kept: what is imported again is recognized by the server alone; {horizon}");
}

/// The state directory of the XDG base directory specification.
fn default_state_dir() -> Option<PathBuf> {
    let dir = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = dir("XDG_STATE_HOME").or_else(|| dir("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("log-analytics"))
}

/// Headers that an import sets itself.
const OWN_HEADERS: [&str; 7] = [
    "x-customer-id",
    "idempotency-key",
    "content-type",
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "host",
];

/// Reads `name: value` lines.
pub(super) fn read_headers(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let bad = |why: &str| Failure::Usage(format!("--header-file: {}: {why}", path.display()));
    let file = disk::open_for_reading(path).map_err(|error| bad(&error.to_string()))?;
    let mut headers = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| bad(&error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a line is not `name: value`"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let is_value = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if name.is_empty() || !is_name || !is_value {
            return Err(bad("a line is not `name: value` in visible ASCII"));
        }
        if OWN_HEADERS.contains(&name.as_str()) {
            return Err(bad(&format!("{name} is set by this program")));
        }
        headers.push((name, value.to_owned()));
    }
    Ok(headers)
}

/// Reads the format that a flag gives; the error shows where it is wrong.
pub(super) fn parse_format(flag: &str, text: &str) -> Result<LineFormat, Failure> {
    text.parse().map_err(|error: FormatError| {
        let column = text[..text.floor_char_boundary(error.at)].chars().count();
        Failure::Usage(format!("{flag} {error}\n  {text}\n  {}^", " ".repeat(column)))
    })
}

fn can_be_read(input: &Input) -> Result<(), Failure> {
    let Input::File(path) = input else { return Ok(()) };
    let named = |error: std::io::Error| format!("{}: {error}; nothing was imported", path.display());
    let data = path.metadata().map_err(named)?;
    if data.is_dir() {
        return Err(format!("{}: a directory, not a log; nothing was imported", path.display()).into());
    }
    // Opening a pipe and closing it again would end its writer.
    if data.is_file() {
        disk::open_for_reading(path).map_err(named)?;
    }
    Ok(())
}

/// Reads the first line of a file that holds something.
pub(super) fn read_token(path: &Path) -> Result<String, Failure> {
    let bad = |why: &str| Failure::Usage(format!("--token-file: {}: {why}", path.display()));
    let named = |error: std::io::Error| bad(&error.to_string());
    let file: File = disk::open_for_reading(path).map_err(named)?;
    for line in BufReader::new(file).lines() {
        let line = line.map_err(named)?;
        let token = line.trim();
        if !token.is_empty() {
            let is_visible = token.bytes().all(|byte| byte.is_ascii_graphic());
            return is_visible.then(|| token.to_owned()).ok_or_else(|| bad("a token is visible ASCII"));
        }
    }
    Err(bad("no token in it"))
}

fn end_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let end = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // A second signal ends the process at once; nothing is lost by that.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&end))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&end)))
            .map_err(|error| error.to_string())?;
    }
    Ok(end)
}

fn print(totals: &ImportTotals, elapsed: Duration, read_bytes: u64) {
    let ImportTotals { lines, counted, already, skipped, conflicts } = totals;
    let seconds = elapsed.as_secs_f64().max(0.001);
    let rate = read_bytes as f64 / 1e6 / seconds;
    println!(
        "{lines} lines read in {seconds:.1} s ({rate:.0} MB/s): {counted} counted, {already} counted before, {} skipped",
        skipped.total()
    );
    for (reason, count, _) in skipped.by_reason() {
        println!("{count} skipped: {reason}");
    }
    if *conflicts > 0 {
        println!("{conflicts} lines overlap an earlier import and were not sent (see above)");
    }
}
