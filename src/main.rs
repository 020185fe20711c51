//! Arguments → [`log_analytics::commands`] → exit code, and the allocator of the process.

use std::process::ExitCode;

// See base::allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    log_analytics::commands::run()
}
