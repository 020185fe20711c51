//! `report`: a customer's counts as a table with bars, from a data directory or a server.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::import::{read_headers, read_token};
use super::summarize::{columns, parse_customer};
use super::{Failure, no_data_in, parse_time};
use crate::base::clock;
use crate::base::disk::RealDisk;
use crate::batch::{Filter, Limits};
use crate::client::{ServerAnswer, ServerClient, ServerUrl};
use crate::config::{CustomersArg, DataDirArg, Span};
use crate::customers::Customers;
use crate::data_dir::DataDir;
use crate::metrics::Metrics;
use crate::model::{CustomerId, WindowSize, WindowStart};
use crate::query::calendar::CalendarStep;
use crate::report::asked::{Asked, PlainQuestion, QueryAnswers};
use crate::report::stored::StoredAnswers;
use crate::report::{Report, ReportLayout, ReportRequest, render_customers};
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
    window: Option<CalendarStep>,
    /// Count only entries that meet these conditions, such as status>=500,path=/checkout: as --where of summarize
    #[arg(long = "where", value_name = "CONDITIONS", value_parser = check_filter)]
    condition: Option<String>,
    /// With --json or --csv: show the largest keys of a dimension such as path, userAgent or host, not windows
    #[arg(long, value_name = "DIMENSION")]
    by: Option<String>,
    /// With --json or --csv: let days and months begin at midnight in this time zone, such as Europe/Vienna
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Print the answer of GET /aggregates, or with --by of /aggregates/top, as JSON, one page a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// The same as CSV
    #[arg(long)]
    csv: bool,
    /// Paths and clients shown
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = parse_top)]
    top: usize,
    /// With --url: file with the token that the server or its gateway wants
    #[arg(long, env = "LOG_ANALYTICS_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// With --url: file with further headers to send, one `name: value` a line, such as a gateway's x-api-key
    #[arg(long, value_name = "FILE", requires = "url")]
    header_file: Option<PathBuf>,
    #[command(flatten)]
    customers: CustomersArg,
    /// With --data-dir and --where: query strings are part of paths, as the server was told
    #[arg(long, env = "LOG_ANALYTICS_KEEP_QUERY")]
    keep_query: bool,
}

/// As many as a server names.
fn parse_top(text: &str) -> Result<usize, String> {
    let top = text.parse().ok().filter(|top| (1..=10_000).contains(top));
    top.ok_or_else(|| "a number from 1 to 10000".to_owned())
}

fn parse_step(text: &str) -> Result<CalendarStep, String> {
    CalendarStep::from_name(text).ok_or_else(|| "minute, hour, day, month or all".to_owned())
}

/// Checks conditions here, so that a mistake is reported before anything is read.
fn check_filter(text: &str) -> Result<String, String> {
    Filter::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// The window size of a table.
fn size(args: &ReportArgs) -> Option<WindowSize> {
    match args.window {
        Some(CalendarStep::Window(size)) => Some(size),
        Some(CalendarStep::Month | CalendarStep::All) | None => None,
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
        && (args.by.is_some()
            || args.tz.is_some()
            || matches!(args.window, Some(CalendarStep::Month | CalendarStep::All)))
    {
        return Err(Failure::Usage("--by, --tz and --window month or all need --json or --csv".to_owned()));
    }
    let (text, unread) = match &args.url {
        Some(url) => (from_server(args, url)?, Vec::new()),
        None => from_files(args, &DataDir::new(&args.data.data_dir))?,
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

fn wanted(args: &ReportArgs, customer: CustomerId) -> ReportRequest {
    let of_table = size(args);
    let begin = |span: Span| {
        let ms = clock::now_ms().saturating_sub(span.ms());
        // The coarsest size that still has rows to show decides how much of the first window is included.
        let minutes = span.ms() / 60_000;
        let suits = |size: &WindowSize| minutes >= 2 * u64::from(size.minutes());
        let size = WindowSize::ALL.into_iter().rev().find(suits).unwrap_or(WindowSize::Minute);
        time::start_ms(WindowStart(time::minute_of(ms).0).floor(of_table.unwrap_or(size)))
    };
    ReportRequest { customer, from_ms: args.from.or(args.last.map(begin)), to_ms: args.to, size: of_table }
}

/// The source that answers the queries, and how its errors begin.
struct Answering<'a> {
    answers: &'a mut dyn QueryAnswers,
    token: Option<String>,
    name: String,
}

/// The text for one customer.
fn text(args: &ReportArgs, from: &mut Answering<'_>, customer: &CustomerId) -> Result<String, Failure> {
    let wanted = wanted(args, customer.clone());
    if args.json || args.csv {
        let question = PlainQuestion {
            by: args.by.clone(),
            top: args.top,
            window: args.window,
            zone: args.tz.clone(),
            is_csv: args.csv,
        };
        let told = |error| format!("{}: {error}", from.name);
        return Ok(asked(args, &mut *from.answers, &from.token).plain(&wanted, &question).map_err(told)?);
    }
    let layout = ReportLayout { top: args.top, columns: columns() };
    Ok(report(args, from, customer)?.render(customer.as_str(), layout))
}

fn report(args: &ReportArgs, from: &mut Answering<'_>, customer: &CustomerId) -> Result<Report, Failure> {
    let report =
        asked(args, &mut *from.answers, &from.token).report(&wanted(args, customer.clone()), args.top);
    Ok(report.map_err(|error| format!("{}: {error}", from.name))?)
}

fn asked<'a>(args: &ReportArgs, answers: &'a mut dyn QueryAnswers, token: &Option<String>) -> Asked<'a> {
    let asked = Asked::new(answers, token.as_deref());
    match &args.condition {
        Some(condition) => asked.with_condition(condition),
        None => asked,
    }
}

fn from_server(args: &ReportArgs, url: &ServerUrl) -> Result<String, Failure> {
    let customer = args.customer.as_ref();
    let customer = customer.ok_or_else(|| Failure::Usage("--url needs --customer".to_owned()))?;
    let token = args.token_file.as_deref().map(read_token).transpose()?;
    let headers = args.header_file.as_deref().map(read_headers).transpose()?.unwrap_or_default();
    let mut client = WithHeaders { client: ServerClient::new(url.clone()), headers };
    text(args, &mut Answering { answers: &mut client, token, name: url.to_string() }, customer)
}

/// A server that is sent the headers of `--header-file` with every request.
struct WithHeaders {
    client: ServerClient,
    headers: Vec<(String, String)>,
}

impl QueryAnswers for WithHeaders {
    fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> io::Result<ServerAnswer> {
        let further = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = headers.iter().copied().chain(further).collect();
        self.client.get(target, &all)
    }
}

/// Also returns the files that were left out.
fn from_files(args: &ReportArgs, dir: &DataDir) -> Result<(String, Vec<String>), Failure> {
    if !dir.windows().is_dir() {
        return Err(no_data_in(dir.root()));
    }
    let rules = Limits { keep_query: args.keep_query, ..Limits::default() };
    let customers = Customers::load(&RealDisk, args.customers.customers.as_deref(), &Metrics::new());
    let customers = customers.map_err(Failure::Usage)?;
    let stored = StoredAnswers::open(&RealDisk, dir, customers, rules);
    let mut stored = stored.map_err(|error| error.to_string())?;
    let all = match &args.customer {
        Some(customer) => vec![customer.clone()],
        None => stored.files().all_customers().map_err(|error| error.to_string())?,
    };
    let name = dir.root().display().to_string();
    let mut from = Answering { answers: &mut stored, token: None, name };
    let text = match all.as_slice() {
        [] => "no windows yet\n".to_owned(),
        [only] => text(args, &mut from, only)?,
        _ if args.json || args.csv => {
            return Err(Failure::Usage("--json and --csv need --customer: there are several".to_owned()));
        }
        all => {
            let mut totals = Vec::new();
            for customer in all {
                totals.push((customer.to_string(), report(args, &mut from, customer)?.requests()));
            }
            let layout = ReportLayout { top: args.top, columns: columns() };
            render_customers(&totals, layout) + "\n--customer ID shows one of them\n"
        }
    };
    Ok((text, stored.files().unread()))
}
