//! What must hold of the log reader for every input: it never panics, its entries are well-formed, and a log that is read in
//! two regions gives what the whole gives. Called by the fuzzer and, on stable Rust, by `tests/suite/log_lines.rs`.

use log_analytics::entry::{LineFormat, LineOutcome, LineSplitter, Reader, ReaderOptions, write_ndjson};

/// What became of a line, in words.
fn told(outcome: &LineOutcome<'_>) -> String {
    match outcome {
        LineOutcome::Entry { entry, .. } => {
            assert!(!entry.method.is_empty() && !entry.method.bytes().any(|byte| byte.is_ascii_lowercase()));
            assert!(!entry.path.is_empty() && entry.status.is_none_or(|status| status <= 999));
            assert!(entry.host.is_none_or(|host| !host.bytes().any(|byte| byte.is_ascii_uppercase())));
            let mut line = Vec::new();
            write_ndjson(entry, &mut line);
            String::from_utf8(line).unwrap()
        }
        LineOutcome::Skipped { reason, .. } => reason.to_string(),
    }
}

fn read(reader: &mut Reader, body: &[u8], all: &mut Vec<String>) {
    reader.body(body, &mut |outcome| all.push(told(&outcome)));
}

/// Panics where something does not hold, whatever the lines and the options are.
fn check_with(options: &ReaderOptions, body: &[u8]) {
    let mut whole = Vec::new();
    let mut reader = Reader::new(options.clone());
    read(&mut reader, body, &mut whole);
    reader.finish(&mut |outcome| whole.push(told(&outcome)));

    let middle = body[..body.len() / 2].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut regions = Vec::new();
    let mut first = Reader::new(options.clone());
    read(&mut first, &body[..middle], &mut regions);
    let state = first.state();
    let state = state.iter().map(|(name, value)| (*name, value.as_str()));
    let mut second = Reader::resume(options.clone(), state).unwrap();
    read(&mut second, &body[middle..], &mut regions);
    second.finish(&mut |outcome| regions.push(told(&outcome)));
    assert_eq!(regions, whole, "cut before byte {middle}");
}

fn lines(body: &[u8], portion: usize) -> Vec<Vec<u8>> {
    let mut splitter = LineSplitter::default();
    let mut lines = Vec::new();
    for bytes in body.chunks(portion) {
        splitter.push(bytes, &mut |line| lines.push(line.to_vec()));
    }
    splitter.finish(&mut |line| lines.push(line.to_vec()));
    lines
}

/// Panics where something does not hold of the lines, or of the first one as the format of the others.
pub(crate) fn check(body: &[u8]) {
    check_format(body);
    let want = lines(body, usize::MAX);
    for portion in [1, 7] {
        assert_eq!(lines(body, portion), want, "in portions of {portion}");
    }
    let timezone = Some("Europe/Berlin".parse().unwrap());
    check_with(&ReaderOptions { timezone, keep_query: true, ..ReaderOptions::default() }, body);
}

fn check_format(bytes: &[u8]) {
    let (text, body) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let Ok(text) = std::str::from_utf8(text) else { return };
    match text.parse::<LineFormat>() {
        Ok(format) => check_with(&ReaderOptions { format, ..ReaderOptions::default() }, body),
        Err(error) => assert!(error.at <= text.len() && !error.to_string().is_empty(), "{text}: {error}"),
    }
}
