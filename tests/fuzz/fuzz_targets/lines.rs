//! The log reader under any lines and any format string; what must hold is in `tests/fuzz/checks/lines.rs`.
#![no_main]

#[path = "../checks/lines.rs"]
mod lines;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    lines::check(bytes);
    lines::check_format(bytes);
});
