//! `summarize`: files of entries to windows in one go, without a server.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use clap::{Args, ValueEnum};

use super::import::parse_format;
use super::{Failure, customer_settings, dry_run, progress};
use crate::base::clock;
use crate::batch::Filter;
use crate::config::CustomersArg;
use crate::entry::{ReaderOptions, Zone};
use crate::input::Input;
use crate::model::{CustomerId, WindowSize};
use crate::report::{Report, ReportLayout};
use crate::summarize::{self, Counted, SummarizeOptions};

/// What to count, and how to print it.
#[derive(Args)]
pub(super) struct SummarizeArgs {
    /// Access logs in nearly any format, NDJSON or one JSON array each; plain, gzip, zstd or xz; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Length of the windows
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "minute")]
    window: WindowSize,
    /// json: a line for each window, as its file without appliedThrough and checksum; text: one table for all
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "json")]
    format: FormatChoice,
    /// Format of log lines, if it is not recognized: as --format of import
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    input_format: String,
    /// Time zone for times without one, such as Europe/Berlin or +02:00
    #[arg(long, value_name = "ZONE")]
    timezone: Option<Zone>,
    /// Count query strings as part of paths
    #[arg(long)]
    keep_query: bool,
    /// Threads; 0 for one per core
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// The customerId of the windows, and the customer of --customers
    #[arg(long, value_name = "ID", value_parser = parse_customer, default_value = "-")]
    customer: CustomerId,
    /// Count only entries that meet these conditions, such as status>=500,path=/checkout: fields of entries, family, class or
    /// key (what a path counts under) with =, !=, ^=, <, <=, > or >=; a comma in a value is \,
    #[arg(long = "where", value_name = "CONDITIONS", value_parser = parse_filter)]
    filter: Option<Filter>,
    #[command(flatten)]
    customers: CustomersArg,
    /// Paths and families in the table
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatChoice {
    Json,
    Text,
}

/// Reads `minute`, `hour` or `day`.
pub(super) fn parse_size(text: &str) -> Result<WindowSize, String> {
    WindowSize::from_name(text).ok_or_else(|| "minute, hour or day".to_owned())
}

/// Reads the conditions of a `where`.
pub(super) fn parse_filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| error.to_string())
}

/// Reads a customer id.
pub(super) fn parse_customer(text: &str) -> Result<CustomerId, String> {
    CustomerId::new(text).ok_or_else(|| "1 to 128 visible ASCII characters".to_owned())
}

pub(super) fn run(args: &SummarizeArgs) -> Result<ExitCode, Failure> {
    let inputs: Vec<Input> = args.files.iter().map(|file| Input::from_arg(file)).collect();
    let threads = match args.threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let reader = ReaderOptions {
        format: parse_format("--input-format", &args.input_format)?,
        timezone: args.timezone.clone(),
        keep_query: args.keep_query,
    };
    let (customer, size, now_ms) = (args.customer.clone(), args.window, clock::now_ms());
    let filter = args.filter.clone();
    let path_rules = customer_settings(&args.customers)?.of(&args.customer).path_rules.clone();
    let options = SummarizeOptions { customer, size, path_rules, threads, now_ms, filter, reader };
    let read = Arc::new(AtomicU64::new(0));
    let shown = progress::Shown::default();
    shown.start(&inputs, "summarizing", Arc::clone(&read));
    let counted = summarize::summarize(&inputs, &options, &read);
    shown.finish();
    let counted = counted.map_err(|failure| failure.to_string())?;
    dry_run::print_skipped(counted.skipped());
    let first_skipped = counted.skipped().iter().find_map(|(_, skipped)| skipped.first());
    if let Some((_, line)) = first_skipped
        && counted.is_empty()
    {
        dry_run::print_nearest(line.text.as_bytes());
        return Ok(ExitCode::FAILURE);
    }
    match print(args, counted) {
        // The reader closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.to_string().into()),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn print(args: &SummarizeArgs, counted: Counted) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    match args.format {
        FormatChoice::Json => {
            counted.write_lines(|line| output.write_all(line))?;
        }
        FormatChoice::Text => {
            let mut report = Report::default();
            counted.windows().iter().for_each(|window| report.add_window(window));
            let look = ReportLayout { top: args.top, columns: columns() };
            output.write_all(report.render(args.customer.as_str(), look).as_bytes())?;
        }
    }
    output.flush()
}

/// Columns of the terminal on standard output, 100 where there is none.
pub(super) fn columns() -> usize {
    let output = io::stdout();
    if !output.is_terminal() {
        return 100;
    }
    rustix::termios::tcgetwinsize(output).map_or(80, |size| usize::from(size.ws_col).clamp(40, 200))
}
