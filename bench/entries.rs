//! Prints the access-log entries that benchmarks count, one a line: `cargo run --release --example entries -- 1000000 full`
//! (or `wide`, or `bare`, the default).

#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;

use std::io::{self, Write};

use common::{Fields, Shape};

fn main() -> io::Result<()> {
    let entries = std::env::args().nth(1).and_then(|number| number.parse().ok()).unwrap_or(1_000_000);
    let fields = std::env::args().nth(2).unwrap_or_else(|| "bare".to_owned());
    let fields = Fields::from_name(&fields).map_err(io::Error::other)?;
    io::stdout().lock().write_all(&Shape { fields, ..Shape::standard(entries) }.ndjson())
}
