//! `batches list` and `batches cat`: the batches that the journal still holds.
//!
//! Input: a data directory. Output: lines or bodies on standard output, without those of deleted customers. Never:
//! writes, so the server may be running.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Failure, existing_data_dir, parse_time};
use crate::base::disk::{Disk, RealDisk};
use crate::config::DataDirArg;
use crate::data_dir::DataDir;
use crate::journal::bodies::decoded_body;
use crate::journal::deletions::Deletions;
use crate::journal::ledger::Ledger;
use crate::journal::reader::{JournalReader, JournalRecord};
use crate::journal::start_error::StartError;
use crate::model::Seq;
use crate::time;

/// What to do with the batches.
#[derive(Subcommand)]
pub(super) enum BatchesCommand {
    /// List batches: seq, time of receipt, customer, batch id, entries, bytes, coding; tab-separated, named on a terminal
    List(Selection),
    /// Print the decoded bodies of batches, each ended by a line end
    Cat(Selection),
}

/// How one record is printed.
type Show = fn(&JournalRecord<'_>, &mut dyn Write) -> io::Result<()>;

/// Which batches.
#[derive(Args)]
pub(super) struct Selection {
    #[command(flatten)]
    data: DataDirArg,
    /// Only this record
    #[arg(long, value_name = "N")]
    seq: Option<u64>,
    /// Only this customer's batches
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// Only the batch with this id (idempotency key)
    #[arg(long, value_name = "ID")]
    batch_id: Option<String>,
    /// Only batches received at or after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<u64>,
    /// Only batches received before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<u64>,
}

pub(super) fn run(command: &BatchesCommand) -> Result<ExitCode, Failure> {
    let (selection, show): (_, Show) = match command {
        BatchesCommand::List(selection) => (selection, list),
        BatchesCommand::Cat(selection) => (selection, cat),
    };
    let dir = existing_data_dir(&RealDisk, &selection.data.data_dir)?;
    let mut output = BufWriter::new(io::stdout().lock());
    // A terminal gets the names of the columns; programs get only the rows.
    if matches!(command, BatchesCommand::List(_)) && io::stdout().is_terminal() {
        let _ = writeln!(output, "seq\treceived\tcustomer\tbatch id\tentries\tbytes\tcoding");
    }
    let done = walk(&RealDisk, &dir, selection, |record| show(record, &mut output))
        .and_then(|found| output.flush().map(|()| found));
    match done {
        // The reader closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.to_string().into()),
        Ok(0) if matches!(command, BatchesCommand::Cat(_)) => {
            Err("no such batch in the journal: it was never counted, or retention removed it"
                .to_owned()
                .into())
        }
        Ok(_) => Ok(ExitCode::SUCCESS),
    }
}

/// Calls `show` with every selected record, in order. Returns how many there were.
fn walk(
    disk: &dyn Disk,
    dir: &DataDir,
    selection: &Selection,
    mut show: impl FnMut(&JournalRecord<'_>) -> io::Result<()>,
) -> io::Result<u64> {
    dir.read_secret(disk).map_err(|error| io::Error::other(StartError::from(error).to_string()))?;
    let deletions = deletions(disk, dir)?;
    let mut found = 0;
    let mut reader = JournalReader::open(disk, dir)?;
    while let Some(mut segment) = reader.next_segment()? {
        while let Some(record) = segment.next_record()? {
            let is_deleted = deletions.cover(&record.customer, record.record.header.seq);
            if !is_deleted && is_selected(selection, &record) {
                found += 1;
                show(&record)?;
            }
        }
        // The last segment may end in a group that is being written now.
        if let Some((offset, why)) = segment.damage()
            && segment.next_first.is_some()
        {
            eprintln!("{}", segment.invalid_data(offset, why));
        }
    }
    Ok(found)
}

/// The deletions of the ledger and of the records after it.
fn deletions(disk: &dyn Disk, dir: &DataDir) -> io::Result<Deletions> {
    let ledger = Ledger::load(disk, dir)?.or_empty();
    let mut deletions = ledger.deletions();
    let mut reader = JournalReader::open_after(disk, dir, ledger.through)?;
    while let Some(mut segment) = reader.next_segment()? {
        while let Some(found) = segment.next_record()? {
            if found.record.header.is_deletion {
                deletions.add(&found.customer, found.record.header.seq);
            }
        }
    }
    Ok(deletions)
}

fn is_selected(selection: &Selection, found: &JournalRecord<'_>) -> bool {
    let Selection { seq, customer, batch_id, from, to, .. } = selection;
    let header = &found.record.header;
    if seq.is_some_and(|seq| header.seq != Seq(seq))
        || from.is_some_and(|from| header.received_at_ms < from)
        || to.is_some_and(|to| header.received_at_ms >= to)
    {
        return false;
    }
    customer.as_ref().is_none_or(|customer| found.customer.as_str() == customer)
        && batch_id.as_ref().is_none_or(|batch_id| found.batch_id.as_str() == batch_id)
}

fn invalid(what: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

fn list(found: &JournalRecord<'_>, output: &mut dyn Write) -> io::Result<()> {
    let JournalRecord { record, customer, batch_id, .. } = found;
    let header = &record.header;
    writeln!(
        output,
        "{}\t{}\t{customer}\t{batch_id}\t{}\t{}\t{}",
        header.seq,
        time::format_rfc3339(header.received_at_ms),
        header.entries,
        header.body_bytes,
        header.body_coding.as_str()
    )
}

fn cat(found: &JournalRecord<'_>, output: &mut dyn Write) -> io::Result<()> {
    let header = found.record.header;
    let seq = header.seq;
    let body = decoded_body(header.body_coding, found.record.stored_body(), header.body_bytes as usize)
        .map_err(|error| invalid(format!("record {seq}: {error}")))?
        .ok_or_else(|| invalid(format!("record {seq}: the body was not kept (--raw-batches drop)")))?;
    output.write_all(&body)?;
    if !body.ends_with(b"\n") {
        output.write_all(b"\n")?;
    }
    Ok(())
}
