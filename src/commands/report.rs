//! `report`: a customer's counts as a table with bars, from a data directory or a server.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::import::read_token;
use super::summarize::{columns, parse_customer};
use super::{Failure, parse_time};
use crate::base::clock;
use crate::base::disk::RealDisk;
use crate::batch::Filter;
use crate::client::ServerUrl;
use crate::config::{DataDirArg, Span};
use crate::data_dir::DataDir;
use crate::model::{CustomerId, WindowSize, WindowStart};
use crate::query::calendar::Step;
use crate::report::asked::{AskError, Asked, PlainQuestion};
use crate::report::stored::Stored;
use crate::report::{Look, Report, Wanted, render_customers};
use crate::time;

#[derive(Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    data: DataDirArg,
    /// Ask this server instead of reading --data-dir: http://HOST:PORT, https://HOST or unix:PATH
    #[arg(long, value_name = "URL", requires = "customer")]
    url: Option<ServerUrl>,
    /// Customer to show; without it the only customer of --data-dir, or a table of all
    #[arg(long, env = "LOG_ANALYTICS_CUSTOMER", value_name = "ID", value_parser = parse_customer)]
    customer: Option<CustomerId>,
    /// Show windows from this time on (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<u64>,
    /// Show windows before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<u64>,
    /// Instead of --from: show this much time back from now, such as 45m, 24h or 7d; the window that contains the start is
    /// included
    #[arg(long, value_name = "TIME", conflicts_with = "from")]
    last: Option<Span>,
    /// Show a row for each minute, hour or day; without it the finest that fits a screen. With --json or --csv also month or all
    #[arg(long, value_name = "SIZE", value_parser = parse_step)]
    window: Option<Step>,
    /// With --url: count only entries that meet these conditions, such as status>=500,path=/checkout
    #[arg(long = "where", value_name = "CONDITIONS", requires = "url", value_parser = parse_filter)]
    condition: Option<String>,
    /// With --json or --csv: show the largest keys of a dimension such as path, userAgent or host, not windows
    #[arg(long, value_name = "DIMENSION")]
    by: Option<String>,
    /// With --json or --csv: let days and months begin at midnight in this time zone, such as Europe/Vienna
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// With --url: print the server's answer as JSON, one page a line
    #[arg(long, requires = "url", conflicts_with = "csv")]
    json: bool,
    /// With --url: print the server's answer as CSV
    #[arg(long, requires = "url")]
    csv: bool,
    /// Paths and clients shown
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = parse_top)]
    top: usize,
    /// With --url: file with the token that the server or its gateway wants
    #[arg(long, env = "LOG_ANALYTICS_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// As many as a server names.
fn parse_top(text: &str) -> Result<usize, String> {
    let top = text.parse().ok().filter(|top| (1..=10_000).contains(top));
    top.ok_or_else(|| "a number from 1 to 10000".to_owned())
}

fn parse_step(text: &str) -> Result<Step, String> {
    Step::from_name(text).ok_or_else(|| "minute, hour, day, month or all".to_owned())
}

/// Checks conditions here, so that a slip is told before a server is asked.
fn parse_filter(text: &str) -> Result<String, String> {
    Filter::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// The window size of a table.
fn size(args: &ReportArgs) -> Option<WindowSize> {
    match args.window {
        Some(Step::Window(size)) => Some(size),
        Some(Step::Month | Step::All) | None => None,
    }
}

/// Unreadable files that are named; the rest is counted.
const SHOWN: usize = 5;

pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(Failure::Usage("--from must be before --to".to_owned()));
    }
    if !(args.json || args.csv)
        && (args.by.is_some() || args.tz.is_some() || matches!(args.window, Some(Step::Month | Step::All)))
    {
        return Err(Failure::Usage("--by, --tz and --window month or all need --json or --csv".to_owned()));
    }
    let look = Look { top: args.top, columns: columns() };
    let mut unread = Vec::new();
    let text = match &args.url {
        Some(url) => from_server(args, url, look)?,
        None => from_files(args, &DataDir::new(&args.data.data_dir), look, &mut unread)?,
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader closed the pipe.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.to_string().into()),
        _ => {}
    }
    for line in unread.iter().take(SHOWN) {
        eprintln!("left out: {line}");
    }
    if unread.len() > SHOWN {
        eprintln!("… and {} more files", unread.len() - SHOWN);
    }
    Ok(if unread.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn wanted(args: &ReportArgs, customer: CustomerId) -> Wanted {
    let of_table = size(args);
    let begin = |span: Span| {
        let ms = clock::now_ms().saturating_sub(span.ms());
        // The coarsest size that still has something to show decides how much of the begun window belongs to it.
        let minutes = span.ms() / 60_000;
        let suits = |size: &WindowSize| minutes >= 2 * u64::from(size.minutes());
        let size = WindowSize::ALL.into_iter().rev().find(suits).unwrap_or(WindowSize::Minute);
        time::start_ms(WindowStart(time::minute_of(ms).0).floor(of_table.unwrap_or(size)))
    };
    Wanted { customer, from_ms: args.from.or(args.last.map(begin)), to_ms: args.to, size: of_table }
}

fn from_server(args: &ReportArgs, url: &ServerUrl, look: Look) -> Result<String, Failure> {
    let customer =
        args.customer.clone().ok_or_else(|| Failure::Usage("--url needs --customer".to_owned()))?;
    let token = args.token_file.as_deref().map(read_token).transpose()?;
    let wanted = wanted(args, customer);
    let mut asked = Asked::new(url.clone(), token.as_deref());
    if let Some(condition) = &args.condition {
        asked = asked.with_condition(condition);
    }
    let told = |error: AskError| format!("{url}: {error}");
    if args.json || args.csv {
        let question = PlainQuestion {
            by: args.by.clone(),
            top: args.top,
            window: args.window,
            zone: args.tz.clone(),
            is_csv: args.csv,
        };
        return Ok(asked.plain(&wanted, &question).map_err(told)?);
    }
    let report = asked.report(&wanted, args.top).map_err(told)?;
    Ok(report.render(wanted.customer.as_str(), look))
}

fn from_files(
    args: &ReportArgs,
    dir: &DataDir,
    look: Look,
    unread: &mut Vec<String>,
) -> Result<String, Failure> {
    if !dir.windows().is_dir() {
        return Err(format!("no log-analytics data in {}", dir.root().display()).into());
    }
    let stored = Stored::open(&RealDisk, dir).map_err(|error| error.to_string())?;
    let mut read = |customer: &CustomerId| -> Result<Report, Failure> {
        let wanted = wanted(args, customer.clone());
        Ok(stored.report(&wanted, &mut |line| unread.push(line)).map_err(|error| error.to_string())?)
    };
    if let Some(customer) = &args.customer {
        return Ok(read(customer)?.render(customer.as_str(), look));
    }
    let customers = stored.customers().map_err(|error| error.to_string())?;
    match customers.as_slice() {
        [] => Ok("no windows yet\n".to_owned()),
        [only] => Ok(read(only)?.render(only.as_str(), look)),
        all => {
            let mut totals = Vec::new();
            for customer in all {
                totals.push((customer.to_string(), read(customer)?.requests()));
            }
            Ok(render_customers(&totals, look) + "\n--customer ID shows one of them\n")
        }
    }
}
