//! Prints the access-log entries that benchmarks count, one a line: `cargo run --release --example entries -- 1000000`.

#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;

use std::io::{self, Write};

use common::Shape;

fn main() -> io::Result<()> {
    let entries = std::env::args().nth(1).and_then(|number| number.parse().ok()).unwrap_or(1_000_000);
    io::stdout().lock().write_all(&Shape::standard(entries).ndjson())
}
