//! A damaged line costs itself alone: every line of every case and every example of a format, cut at every byte, and with every
//! byte replaced by one that means something to some format.

use super::cases::{cases, text};
use super::{Told, examples, in_utc, json_examples, told};
use crate::entry::{Reader, ReaderOptions};

/// Of larger inputs the lines up to here; they hold the same few lines many times.
const MAX_INPUT_BYTES: usize = 10_000;
/// Lines read behind a damaged one.
const LINES_BEHIND: usize = 3;
/// The line behind an example.
const BEHIND: &str = r#"192.0.2.1 - - [28/Dec/2024:18:03:07 +0000] "GET /behind HTTP/1.1" 200 5 "-" "curl""#;
const REPLACEMENTS: [u8; 5] = [b'"', b'[', b'{', 0, 0xFF];

/// The entries of the lines from `place` on, where the line there is another one.
fn entries_behind(reader: &Reader, line: &[u8], behind: &[&[u8]]) -> Vec<String> {
    let mut reader = reader.clone();
    reader.line(line, &mut |_| {});
    let mut entries = Vec::new();
    for line in behind {
        reader.line(line, &mut |outcome| {
            if let Told::Entry(entry) = told(&outcome) {
                entries.push(entry);
            }
        });
    }
    entries
}

fn check(name: &str, options: &ReaderOptions, body: &[u8]) -> usize {
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    let mut reader = Reader::new(options.clone());
    let mut damaged = 0;
    for (place, line) in lines.iter().enumerate() {
        let before = reader.clone();
        let mut is_told = false;
        reader.line(line, &mut |_| is_told = true);
        // Directives and parts of lines say something about the lines behind them.
        if !is_told || before.is_within_line() {
            continue;
        }
        let behind = &lines[place + 1..lines.len().min(place + 1 + LINES_BEHIND)];
        let want = entries_behind(&before, line, behind);
        for at in 0..line.len() {
            let mut changed = line.to_vec();
            let cut = line[..at].to_vec();
            let replaced = REPLACEMENTS.iter().map(|byte| {
                changed[at] = *byte;
                changed.clone()
            });
            for damage in replaced.chain([cut]) {
                let got = entries_behind(&before, &damage, behind);
                // A docker line that lost its end is given with the line behind it.
                let is_kept = want.iter().all(|entry| got.contains(entry));
                assert!(is_kept, "{name}: {}", String::from_utf8_lossy(&damage));
                damaged += 1;
            }
        }
    }
    damaged
}

#[test]
fn a_damaged_line_changes_no_other_line() {
    let mut damaged = 0;
    for case in cases() {
        for input in &case.inputs {
            let Ok(body) = text(input) else { continue };
            let whole = match body.get(..MAX_INPUT_BYTES) {
                Some(start) => start.iter().rposition(|byte| *byte == b'\n').unwrap_or(0),
                None => body.len(),
            };
            damaged += check(&case.name, &case.options, &body[..whole]);
        }
    }
    for (format, line, _) in examples::all().chain(json_examples::EXAMPLES) {
        let body = format!("{line}\n{BEHIND}");
        damaged += check(format, &in_utc(), body.as_bytes());
    }
    assert!(damaged > 200_000, "only {damaged}");
}
