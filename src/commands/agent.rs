//! `agent`: the families of user agents, line by line.
//!
//! Input: agents on standard input. Output: exactly one line for each of them, empty lines included. Never: another answer
//! than the server's counts have.

use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::lines::each_line;
use crate::batch::agent::family;

/// What to print.
#[derive(Args)]
pub(super) struct AgentArgs {
    /// Print a tab and the class behind the family: browser, mobile, app, tool, bot or ai
    #[arg(long)]
    class: bool,
}

pub(super) fn run(args: &AgentArgs) -> Result<ExitCode, Failure> {
    match name_all(&mut io::stdin().lock(), &mut BufWriter::new(io::stdout().lock()), args.class) {
        // The reader closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.to_string().into()),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn name_all(input: &mut impl BufRead, output: &mut impl Write, with_class: bool) -> io::Result<()> {
    each_line(input, |line| {
        let family = family(line.trim());
        if with_class {
            writeln!(output, "{family}\t{}", family.class())
        } else {
            writeln!(output, "{family}")
        }
    })?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(input: &[u8], with_class: bool) -> String {
        let mut output = Vec::new();
        name_all(&mut &*input, &mut output, with_class).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn every_line_gets_one_line_and_a_class_if_asked() {
        let input = b"curl/8.5.0\n\nGPTBot/1.2\r\n\xff\nQuux/1.0 (iPhone)";
        assert_eq!(printed(input, false), "curl\nUnknown\nGPTBot\nUnknown\nQuux\n");
        assert_eq!(printed(input, true), "curl\ttool\nUnknown\ttool\nGPTBot\tai\nUnknown\ttool\nQuux\tapp\n");
    }
}
