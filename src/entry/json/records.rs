//! Several objects in one line: one behind the other, or in an array. An array of strings among them is a record, too: Loki's values
//! are a time and a line.
//!
//! Input: a message, or the inside of an array. Output: each record as it stands. Never: a record left out; where the text breaks
//! off or holds something else, the rest of it is given as it is, for the reader to say why it is no entry.

use super::scan::{skip_blanks, skip_nested};

/// Whether a message is more than one object, or an array of them.
pub(in crate::entry) fn is_list(message: &[u8]) -> bool {
    let start = skip_blanks(message, 0);
    let next = match message.get(start) {
        Some(b'[') => skip_blanks(message, start + 1),
        Some(b'{') => skip_nested(message, start).map_or(message.len(), |end| behind(message, end)),
        _ => return false,
    };
    message.get(next) == Some(&b'{')
}

/// The records of a text that is a list of them.
pub(in crate::entry) fn records(text: &[u8]) -> Records<'_> {
    Records { text }
}

/// The records of a list, one after the other.
pub(in crate::entry) struct Records<'m> {
    text: &'m [u8],
}

impl<'m> Iterator for Records<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        let text = self.text;
        let is_strings = |at: usize| text[at] == b'[' && text.get(skip_blanks(text, at + 1)) == Some(&b'"');
        let is_between = |at: usize| text[at].is_ascii_whitespace() || b",[]".contains(&text[at]);
        let start = (0..text.len()).find(|at| is_strings(*at) || !is_between(*at))?;
        let text = &text[start..];
        let is_record = matches!(text[0], b'{' | b'[');
        let end = if is_record { skip_nested(text, 0).unwrap_or(text.len()) } else { text.len() };
        let (record, rest) = text.split_at(end);
        self.text = rest;
        Some(record)
    }
}

/// Where what follows an object begins, behind blanks and a comma.
fn behind(message: &[u8], end: usize) -> usize {
    let next = skip_blanks(message, end);
    if message.get(next) == Some(&b',') { skip_blanks(message, next + 1) } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_divided_and_nothing_is_left_out() {
        for (message, want) in [
            (r#"{"a":"}{"}{"a":{}}"#, Some(&[r#"{"a":"}{"}"#, r#"{"a":{}}"#][..])),
            (r#" {"a":1} , {"a":2} "#, Some(&[r#"{"a":1}"#, r#"{"a":2}"#])),
            (r#"[{"a":1},{"a":[{}]}]"#, Some(&[r#"{"a":1}"#, r#"{"a":[{}]}"#])),
            (r#"[ {"a":1} ]"#, Some(&[r#"{"a":1}"#])),
            (r#"[{"a":1},{"a":"#, Some(&[r#"{"a":1}"#, r#"{"a":"#])),
            (r#"{"a":1}{"b":2} and more"#, Some(&[r#"{"a":1}"#, r#"{"b":2}"#, "and more"])),
            (r#"[{"a":1},["b","c"], [ "]" ] ]"#, Some(&[r#"{"a":1}"#, r#"["b","c"]"#, r#"[ "]" ]"#])),
            (r#"{"a":1}"#, None),
            (r#"{"a":1},"#, None),
            (r#"{"a":1} x"#, None),
            (r#"["a"]"#, None),
            ("[x] y", None),
            ("", None),
        ] {
            assert_eq!(is_list(message.as_bytes()), want.is_some(), "{message}");
            if let Some(want) = want {
                let found: Vec<&str> =
                    records(message.as_bytes()).map(|it| std::str::from_utf8(it).unwrap()).collect();
                assert_eq!(found, want, "{message}");
            }
        }
    }
}
