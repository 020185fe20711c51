//! Rows of CSV, in one of whose cells a log line stands: exports of consoles and spreadsheets, which put commas, semicolons or tabs
//! between cells.
//!
//! Input: a line. Output: where the text of that cell stands, with its quotes still doubled. Never: a cell of a line that is not CSV
//! from its first byte on, so that no client can begin one.

use memchr::{memchr, memchr3};

use super::field::ByteSpan;

/// The first cell that holds doubled quotes, without the quotes around it, if the line is a row of CSV.
pub(super) fn quoting_cell(line: &[u8]) -> Option<ByteSpan> {
    let mut found = None;
    let mut at = 0;
    loop {
        let end = if line.get(at) == Some(&b'"') {
            let close = closing_quote(line, at + 1)?;
            let holds_quotes = memchr(b'"', &line[at + 1..close]).is_some();
            found = found.or(holds_quotes.then(|| ByteSpan::new(at + 1, close)));
            close + 1
        } else {
            let rest = line.get(at..)?;
            let length = memchr3(b',', b';', b'\t', rest).unwrap_or(rest.len());
            // A cell without quotes around it has none in it.
            if memchr(b'"', &rest[..length]).is_some() {
                return None;
            }
            at + length
        };
        match line.get(end) {
            None => return found,
            Some(b',' | b';' | b'\t') => at = end + 1,
            Some(_) => return None,
        }
    }
}

/// The quote that ends a cell: one that no other follows.
fn closing_quote(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr(b'"', line.get(at..)?)?;
        if line.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cell_that_holds_quotes_is_found_in_rows_of_csv_alone() {
        for (line, want) in [
            (r#""a ""b"" c""#, Some(r#"a ""b"" c"#)),
            (r#"2024-12-28,"x","a ""b""",,"#, Some(r#"a ""b"""#)),
            (r#""","a ""b""""#, Some(r#"a ""b"""#)),
            (r#""","",a,"""b""""#, Some(r#"""b"""#)),
            (r#"1,"","""b""""#, Some(r#"""b"""#)),
            ("1;\"a \"\"b\"\"\"\tc", Some(r#"a ""b"""#)),
            (r#""a","b""#, None),
            (r#"a "b,"x ""y""""#, None),
            (r#""a "b" c""#, None),
            (r#""a ""b"#, None),
            ("a,b", None),
            ("", None),
        ] {
            let found = quoting_cell(line.as_bytes());
            assert_eq!(found.map(|cell| cell.of(line.as_bytes())), want.map(str::as_bytes), "{line}");
        }
    }
}
