//! `paths`: what paths count under by a customer's path rules, line by line.
//!
//! Input: `METHOD PATH` or `PATH` a line, a path alone as of a GET. Output: exactly one line for each of them, with the
//! method where it was given. Never: another answer than the server's counts have.

use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;

use super::lines::each_line;
use super::summarize::parse_customer;
use super::{Failure, customer_settings};
use crate::base::token;
use crate::batch::path_rules::{PathRules, counted_path};
use crate::config::CustomersArg;
use crate::model::CustomerId;

#[derive(Args)]
pub(super) struct PathsArgs {
    #[command(flatten)]
    customers: CustomersArg,
    /// The customer whose rules hold; by default, a customer without rules of its own
    #[arg(long, value_name = "ID", value_parser = parse_customer, default_value = "-")]
    customer: CustomerId,
}

pub(super) fn run(args: &PathsArgs) -> Result<ExitCode, Failure> {
    let settings = customer_settings(&args.customers)?;
    let rules = settings.of(&args.customer).path_rules.clone().unwrap_or_default();
    match show_all(&rules, &mut io::stdin().lock(), &mut BufWriter::new(io::stdout().lock())) {
        // The reader closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.to_string().into()),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn show_all(rules: &PathRules, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    each_line(input, |line| {
        let line = line.trim();
        let (method, path) = match line.split_once(' ') {
            Some((method, path)) if token::is_method(method.as_bytes()) => (Some(method), path),
            _ => (None, line),
        };
        match (method, counted_path(rules, method.unwrap_or("GET"), path)) {
            (Some(method), Ok(path)) => writeln!(output, "{} {path}", method.to_ascii_uppercase()),
            (None, Ok(path)) => writeln!(output, "{path}"),
            (_, Err(_)) => writeln!(output, "{line}"),
        }
    })?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_gets_one_line_by_the_rules() {
        let rules = PathRules::new(["GET /users/{id}", "* /files/{*rest}", "ids"]).unwrap();
        let input = "GET /users/7?x=1\npost /users/7\n/users/me\n\nPUT /files/a b/c\r\n/x y\n*";
        let mut output = Vec::new();
        show_all(&rules, &mut input.as_bytes(), &mut output).unwrap();
        let want = "GET /users/{id}\nPOST /users/{id}\n/users/{id}\n\nPUT /files/{*rest}\n/x y\n*\n";
        assert_eq!(String::from_utf8(output).unwrap(), want);
    }
}
