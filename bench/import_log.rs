//! Writes a combined access log of one day, the same bytes for the same arguments on every machine.
//!
//! `cargo run --release --example import_log -- MEGABYTES >access.log`

#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[allow(dead_code, reason = "each program uses its own part of it")]
mod common;

use std::io::{self, BufWriter, Write};

use common::Shape;

fn main() {
    let megabytes: usize = std::env::args().nth(1).and_then(|arg| arg.parse().ok()).expect("MEGABYTES");
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let shape = Shape { minutes: 24 * 60, ..Shape::standard(0) };
    shape.combined_log(megabytes * 1_000_000, |line| out.write_all(line.as_bytes()).unwrap());
    out.flush().unwrap();
}
