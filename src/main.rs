//! Arguments → [`log_analytics::commands`] → exit code. Nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    log_analytics::commands::run()
}
