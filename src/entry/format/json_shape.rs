//! Format strings whose lines are JSON: `{"time":"$time_iso8601","request":"$request","status":$status}`.
//!
//! Input: the string. Output: which field stands under which name; lines are then read as JSON, with its escapes, whatever
//! `escape=` the server was set to. Never: a nested array.

use super::{FormatError, Syntax};
use crate::entry::field::LogField;
use crate::entry::json::Mapping;
use crate::entry::template::{FieldStep, TemplateStep, TextClass};

/// Compiles the string.
pub(super) fn mapping(text: &str, syntax: Syntax) -> Result<Mapping, FormatError> {
    let mut names = Vec::new();
    for (name, value, at) in members(text) {
        let mut steps = syntax.steps(value).map_err(|error| error.behind(at))?;
        steps.retain(
            |step| !matches!(step, TemplateStep::Literal(text) if matches!(&**text, b"[" | b"]" | b"\"")),
        );
        if let [TemplateStep::Field(FieldStep { field, rank, class, .. })] = &steps[..]
            && *field != LogField::Ignored
        {
            // Under a name of its own a time may have any form.
            let field = if matches!(class, TextClass::Pattern(_)) { LogField::Time } else { *field };
            names.push((name, field, *rank));
        }
    }
    Ok(Mapping::new(&names, false))
}

/// The values that are not objects: their path, their text, and where it begins.
fn members(text: &str) -> Vec<(String, &str, usize)> {
    let bytes = text.as_bytes();
    let mut members = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut key = "";
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at + 1);
                let inside = &text[at + 1..end];
                let behind = text[(end + 1).min(text.len())..].trim_start();
                if behind.starts_with(':') && key.is_empty() {
                    key = inside;
                } else {
                    members.push((joined(&path, key), inside, at + 1));
                    key = "";
                }
                at = end;
            }
            b'{' if !text[at..].starts_with("{}") => {
                // The outermost object has no name.
                path.push(key);
                key = "";
            }
            b'}' => {
                path.pop();
                key = "";
            }
            b',' => key = "",
            byte if !key.is_empty() && matches!(byte, b'$' | b'%') => {
                let length = bare_length(&bytes[at..]);
                members.push((joined(&path, key), &text[at..at + length], at));
                key = "";
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    members
}

/// A string of a format ends at its quote; the braces of a variable may hold anything.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn bare_length(bytes: &[u8]) -> usize {
    let mut braces = 0_usize;
    let end = bytes.iter().position(|byte| match byte {
        b'{' => {
            braces += 1;
            false
        }
        b'}' if braces > 0 => {
            braces -= 1;
            false
        }
        b',' | b'}' => true,
        byte => byte.is_ascii_whitespace(),
    });
    end.unwrap_or(bytes.len()).max(1)
}

fn joined(path: &[&str], key: &str) -> String {
    let mut parts: Vec<&str> = path.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.push(key);
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_with_their_paths() {
        let text = r#"{ "t": "$time_iso8601", "s":$status, "http":{"m":"$request_method","x":1}, "u":"${uri}", "e":{} }"#;
        let found: Vec<(String, &str)> =
            members(text).into_iter().map(|(name, value, _)| (name, value)).collect();
        let member = |name: &str, value| (name.to_owned(), value);
        let want = [
            member("t", "$time_iso8601"),
            member("s", "$status"),
            member("http.m", "$request_method"),
            member("u", "${uri}"),
        ];
        assert_eq!(found, want);
        let apache = r#"{"time":"%{%Y-%m-%dT%H:%M:%S%z}t","status":%>s,"agent":"%{User-agent}i"}"#;
        let values: Vec<&str> = members(apache).into_iter().map(|(_, value, _)| value).collect();
        assert_eq!(values, ["%{%Y-%m-%dT%H:%M:%S%z}t", "%>s", "%{User-agent}i"]);
        assert_eq!(members(r#"{"a":"$b"#).len(), 1);
    }
}
