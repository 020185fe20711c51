//! `agent`: the families of user agents, line by line.

use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

use super::Failure;
use crate::batch::agent::family;

/// Prints exactly one line for each line of standard input, empty lines included. Bytes that are not UTF-8 are
/// replaced.
pub(super) fn run() -> Result<ExitCode, Failure> {
    match name_all(&mut io::stdin().lock(), &mut BufWriter::new(io::stdout().lock())) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.to_string().into()),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn name_all(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        while matches!(line.last(), Some(b'\n' | b'\r')) {
            line.pop();
        }
        writeln!(output, "{}", family(String::from_utf8_lossy(&line).trim()))?;
        line.clear();
    }
    output.flush()
}
