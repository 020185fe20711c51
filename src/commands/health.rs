//! `health`: asks a server whether it is ready, for containers that have no shell and no curl.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::client::{ServerClient, ServerUrl};

#[derive(Args)]
pub(super) struct HealthArgs {
    /// The server: http://HOST:PORT, https://HOST or unix:PATH
    #[arg(long, env = "LOG_ANALYTICS_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: ServerUrl,
    /// Ask only whether the process is up (/healthz), not whether it takes batches (/readyz)
    #[arg(long)]
    live: bool,
}

pub(super) fn run(args: &HealthArgs) -> Result<ExitCode, Failure> {
    let path = if args.live { "/healthz" } else { "/readyz" };
    let answer = ServerClient::new(args.url.clone())
        .get(path, &[("connection", "close")])
        .map_err(|error| format!("{}: {error}", args.url))?;
    match answer.status {
        200 => {
            print!("{}", String::from_utf8_lossy(&answer.body));
            Ok(ExitCode::SUCCESS)
        }
        status => Err(format!("{}{path}: {status}: {}", args.url, answer.description()).into()),
    }
}
