//! `windows cat`: the stored windows, wherever they lie.
//!
//! Input: a data directory. Output: the lines of windows on standard output, by customer, size and start. Never: writes, so the
//! server may be running; it writes minute windows within a second and the others at checkpoints.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::summarize::parse_size;
use super::{Failure, existing_data_dir, parse_time};
use crate::base::disk::RealDisk;
use crate::config::DataDirArg;
use crate::data_dir::customer_dir_name;
use crate::journal::ledger::Ledger;
use crate::model::{CustomerId, WindowSize};
use crate::time;
use crate::windows::file::{Damaged, decode_any};
use crate::windows::scan::{OnShelf, visit_shelves};
use crate::windows::shelf::StoredWindow;
use crate::windows::view::Wanted;

/// What to do with the windows.
#[derive(Subcommand)]
pub(super) enum WindowsCommand {
    /// Print stored windows, one JSON object a line, whether they lie in files of their own or packed
    Cat(WindowSelection),
}

/// Which windows.
#[derive(Args)]
pub(super) struct WindowSelection {
    #[command(flatten)]
    data: DataDirArg,
    /// Only this customer's windows
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only windows of this size: minute, hour or day
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    size: Option<WindowSize>,
    /// Only windows that begin at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<u64>,
    /// Only windows that begin before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<u64>,
}

pub(super) fn run(command: &WindowsCommand) -> Result<ExitCode, Failure> {
    let WindowsCommand::Cat(selection) = command;
    let customer =
        selection.customer.as_deref().map(|id| CustomerId::new(id).ok_or("an invalid customer id"));
    let customer = customer.transpose().map_err(|why| Failure::Usage(format!("--customer: {why}")))?;
    let dir = existing_data_dir(&RealDisk, &selection.data.data_dir)?;
    let ledger = Ledger::load(&RealDisk, &dir).map_err(|error| error.to_string())?.or_empty();
    let mut output = BufWriter::new(io::stdout().lock());
    let mut damaged = 0;
    let done = visit_shelves(&RealDisk, &dir, |found| {
        let (customer_name, id, StoredWindow { path, content }) = match found {
            OnShelf::Window { customer_name, id, stored } => (customer_name, id, stored),
            OnShelf::DamagedPack(path) => {
                damaged += 1;
                eprintln!("{}: {}", path.display(), Damaged::PackIndex);
                return Ok(());
            }
            OnShelf::Other(_) => return Ok(()),
        };
        let at_ms = time::start_ms(id.start);
        let is_selected =
            customer.as_ref().is_none_or(|customer| customer_dir_name(customer) == customer_name)
                && selection.size.is_none_or(|size| size == id.size)
                && selection.from.is_none_or(|from| at_ms >= from)
                && selection.to.is_none_or(|to| at_ms < to);
        match content {
            _ if !is_selected => Ok(()),
            Ok(line) if is_removed(&ledger, &line) => Ok(()),
            Ok(line) => output.write_all(&line),
            Err(why) => {
                damaged += 1;
                eprintln!("{}: {why}", path.display());
                Ok(())
            }
        }
    });
    match done.and_then(|()| output.flush()) {
        // The reader closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.to_string().into()),
        Ok(()) if damaged > 0 => Ok(ExitCode::FAILURE),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

/// Whether the window's customer was deleted since, or retention removed it.
fn is_removed(ledger: &Ledger, line: &[u8]) -> bool {
    decode_any(line, &Wanted::TOTALS)
        .is_ok_and(|(customer, view)| !ledger.has_window(&customer, view.id, view.applied_through))
}
