//! The request reader under any bytes, cut in any way; what must hold is in `tests/fuzz/checks/request.rs`.
#![no_main]

#[path = "../checks/request.rs"]
mod request;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| request::check(bytes));
