//! Prints the access-log entries that benchmarks count, one a line: `cargo run --release --example entries -- 1000000 full`
//! (or `wide`, or `bare`, the default).

#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;

use std::io::{self, Write};

use common::{Fields, Shape};

fn main() -> io::Result<()> {
    let entries = std::env::args().nth(1).and_then(|number| number.parse().ok()).unwrap_or(1_000_000);
    let fields = match std::env::args().nth(2).as_deref() {
        Some("full") => Fields::Full,
        Some("wide") => Fields::Wide,
        _ => Fields::Bare,
    };
    io::stdout().lock().write_all(&Shape { fields, ..Shape::standard(entries) }.ndjson())
}
