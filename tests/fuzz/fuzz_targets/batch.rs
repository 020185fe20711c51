//! The batch parser under any bytes; what must hold is in `tests/fuzz/checks/batch.rs`.
#![no_main]

#[path = "../checks/batch.rs"]
mod batch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| batch::check(bytes));
