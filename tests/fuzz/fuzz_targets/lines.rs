//! The log reader under any format string and lines; what must hold is in `tests/fuzz/checks/lines.rs`.
#![no_main]

#[path = "../checks/lines.rs"]
mod lines;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lines::check(bytes));
