//! Standard input line by line, for commands that print one line for each.
//!
//! Input: bytes. Output: each line as text, without its line end; bytes that are not UTF-8 are replaced. Never: more than
//! [`MAX_INPUT_LINE_BYTES`] of a line in memory; the rest of a longer one is skipped.

use std::borrow::Cow;
use std::io::{self, BufRead};

/// Far above the longest path and user agent that count.
const MAX_INPUT_LINE_BYTES: usize = 64 << 10;

/// Calls `each` for every line.
pub(super) fn each_line(
    input: &mut impl BufRead,
    mut each: impl FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            break;
        }
        let end = memchr::memchr(b'\n', available);
        let part = &available[..end.unwrap_or(available.len())];
        line.extend_from_slice(&part[..part.len().min(MAX_INPUT_LINE_BYTES - line.len())]);
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            each(text(&line).as_ref())?;
            line.clear();
        }
    }
    if line.is_empty() { Ok(()) } else { each(text(&line).as_ref()) }
}

fn text(line: &[u8]) -> Cow<'_, str> {
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    String::from_utf8_lossy(&line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut input = io::BufReader::with_capacity(7, input);
        each_line(&mut input, |line| {
            lines.push(line.to_owned());
            Ok(())
        })
        .unwrap();
        lines
    }

    #[test]
    fn lines_come_without_their_ends_and_the_last_may_have_none() {
        assert_eq!(lines(b""), [""; 0]);
        assert_eq!(
            lines(b"a\r\n\nlonger than a buffer\n\xff"),
            ["a", "", "longer than a buffer", "\u{fffd}"]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let input = [&vec![b'x'; 3 * MAX_INPUT_LINE_BYTES][..], b"\nnext\n"].concat();
        let lines = lines(&input);
        assert_eq!((lines[0].len(), lines[1].as_str(), lines.len()), (MAX_INPUT_LINE_BYTES, "next", 2));
    }
}
