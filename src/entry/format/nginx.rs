//! nginx's `log_format`, as a string or with the whole directive around it.
//!
//! Input: `$remote_addr - $remote_user [$time_local] "$request" …`. Output: the steps of a template. Never: a variable of
//! nginx that is refused; one that is not known may hold anything.

use std::sync::Arc;

use super::{FormatError, MAX_FORMAT_FIELDS, variables};
use crate::entry::field::LogField;
use crate::entry::template::{FieldStep, TemplateStep, TextClass};
use crate::entry::time::strftime::Pattern;

/// A piece of a format string: text between variables, or a variable with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FormatPiece<'f> {
    Text(&'f str),
    Variable { name: &'f str, at: usize },
}

/// Cuts a format string into its pieces.
pub(super) fn pieces(format: &str) -> Result<Vec<FormatPiece<'_>>, FormatError> {
    let mut pieces = Vec::new();
    let (mut at, mut text_start) = (0, 0);
    while let Some(dollar) = memchr::memchr(b'$', &format.as_bytes()[at..]).map(|dollar| at + dollar) {
        let rest = &format[dollar + 1..];
        let (name, length) = match rest.strip_prefix('{') {
            Some(inside) => {
                let close = inside.find('}').ok_or_else(|| FormatError::new(dollar, "`${` without `}`"))?;
                (&inside[..close], close + 3)
            }
            None => {
                let length =
                    rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                (&rest[..length], length + 1)
            }
        };
        if name.is_empty() {
            return Err(FormatError::new(dollar, "`$` without the name of a variable"));
        }
        pieces.push(FormatPiece::Text(&format[text_start..dollar]));
        pieces.push(FormatPiece::Variable { name, at: dollar });
        at = dollar + length;
        text_start = at;
    }
    pieces.push(FormatPiece::Text(&format[text_start..]));
    pieces.retain(|piece| *piece != FormatPiece::Text(""));
    let fields = pieces.iter().filter(|piece| matches!(piece, FormatPiece::Variable { .. })).count();
    if fields > MAX_FORMAT_FIELDS {
        return Err(FormatError::new(0, "more than 60 variables"));
    }
    Ok(pieces)
}

/// Compiles a format string that somebody wrote.
pub(super) fn steps(format: &str) -> Result<Vec<TemplateStep>, FormatError> {
    let pieces = pieces(format)?;
    let mut steps = Vec::new();
    let mut rest = &pieces[..];
    while let Some((piece, after)) = rest.split_first() {
        if let Some((step, length)) = joined_target(rest) {
            steps.push(TemplateStep::Field(step));
            rest = &rest[length..];
            continue;
        }
        steps.push(match piece {
            FormatPiece::Text(text) => TemplateStep::Literal(text.as_bytes().into()),
            FormatPiece::Variable { name, .. } => TemplateStep::Field(variables::of_nginx(name)),
        });
        rest = after;
    }
    Ok(steps)
}

/// A target that several variables make up, as one field: `$scheme://$host$request_uri`, `$host$uri`, `$uri?$args`,
/// `$uri$is_args$args`. Nothing but the whole tells where one of them ends.
fn joined_target(pieces: &[FormatPiece<'_>]) -> Option<(FieldStep, usize)> {
    let is = |place: usize, names: &[&str]| matches!(pieces.get(place), Some(FormatPiece::Variable { name, .. }) if names.contains(name));
    let is_text = |place: usize, wanted: &str| pieces.get(place) == Some(&FormatPiece::Text(wanted));
    let mut length = 0;
    let has_scheme = is(0, &["scheme"]) && is_text(1, "://");
    if has_scheme {
        length += 2;
    }
    let has_host = is(length, &["host", "http_host", "server_name"]);
    if has_host {
        length += 1;
    }
    let is_asked = is(length, &["request_uri"]);
    if !is_asked && !is(length, &["uri", "document_uri"]) {
        return None;
    }
    length += 1;
    if is(length, &["is_args"]) || is_text(length, "?") {
        length += 1;
        if is(length, &["args", "query_string"]) {
            length += 1;
        }
    }
    let field = match (has_scheme, has_host, is_asked) {
        (false, true, _) => LogField::HostTarget,
        (true, _, _) | (_, _, true) => LogField::Target,
        (false, false, false) => LogField::Rewritten,
    };
    (length > 1).then(|| (FieldStep::new(field, 0, TextClass::Text), length))
}

/// Compiles a line of the table of known formats. Beside variables it may have `${t:%Y/%m/%d %H:%M:%S}`, a time in the syntax of
/// `strftime`.
pub(in crate::entry) fn known_steps(format: &str) -> Result<Vec<TemplateStep>, FormatError> {
    let step = |piece| match piece {
        FormatPiece::Text(text) => Ok(TemplateStep::Literal(text.as_bytes().into())),
        FormatPiece::Variable { name, at } => {
            let step = match name.strip_prefix("t:") {
                Some(pattern) => Pattern::of_apache(pattern).ok().map(|pattern| {
                    FieldStep::new(LogField::TimePiece, 0, TextClass::Pattern(Arc::new(pattern)))
                }),
                None => variables::of_known(name),
            };
            step.map(TemplateStep::Field).ok_or_else(|| FormatError::new(at, "unknown variable"))
        }
    };
    pieces(format)?.into_iter().map(step).collect()
}

/// The format string of a whole directive: `log_format main escape=json '…' '…';`; `None` for any other text.
pub(super) fn of_directive(text: &str) -> Option<String> {
    let rest = text.trim().strip_prefix("log_format")?;
    let rest = rest.strip_suffix(';').unwrap_or(rest);
    let quote = rest.find(['\'', '"'])?;
    let (mut format, mut rest) = (String::new(), &rest[quote..]);
    while let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let mut escaped = false;
        let end = rest[1..].find(|c| {
            let is_end = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        })?;
        format.push_str(&unescaped(&rest[1..=end]));
        rest = rest[end + 2..].trim_start();
    }
    Some(format)
}

/// A text of nginx's configuration as nginx takes it.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\'' | '"' | '\\')) => plain.push(c),
                Some('t') => plain.push('\t'),
                Some(c) => plain.extend(['\\', c]),
                None => plain.push('\\'),
            },
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_texts_and_variables_with_their_places() {
        let found = pieces("a$b-${c}d\"$e_1\"").unwrap();
        let variable = |name, at| FormatPiece::Variable { name, at };
        let want = [
            FormatPiece::Text("a"),
            variable("b", 1),
            FormatPiece::Text("-"),
            variable("c", 4),
            FormatPiece::Text("d\""),
            variable("e_1", 10),
            FormatPiece::Text("\""),
        ];
        assert_eq!(found, want);
        for (format, at) in [("a $", 2), ("ab ${c", 3), ("$-", 0)] {
            assert_eq!(pieces(format).unwrap_err().at, at, "{format}");
        }
    }

    #[test]
    fn the_directive_of_a_configuration_file_is_taken_as_it_is() {
        let directive = "log_format main '$remote_addr - $remote_user [$time_local] \"$request\" '\n    '$status \\'x\\'';";
        let want = "$remote_addr - $remote_user [$time_local] \"$request\" $status 'x'";
        assert_eq!(of_directive(directive).as_deref(), Some(want));
        assert_eq!(
            of_directive("log_format j escape=json '{\"a\":\"$b\"}';").as_deref(),
            Some("{\"a\":\"$b\"}")
        );
        assert_eq!(of_directive("$remote_addr"), None);
    }

    #[test]
    fn escapes_are_those_of_a_configuration_file() {
        assert_eq!(unescaped(r#"$a\t\"$b\" \x\\"#), "$a\t\"$b\" \\x\\");
    }

    #[test]
    fn targets_of_several_variables_are_one_field() {
        for (format, field, steps_count) in [
            ("$scheme://$host$request_uri $status", LogField::Target, 3),
            ("$host$request_uri|$status", LogField::HostTarget, 3),
            ("$uri$is_args$args $status", LogField::Rewritten, 3),
            ("$uri?$args", LogField::Rewritten, 1),
            ("$request_uri $status", LogField::Target, 3),
        ] {
            let steps = steps(format).unwrap();
            let first = matches!(&steps[0], TemplateStep::Field(step) if step.field == field);
            assert_eq!((first, steps.len()), (true, steps_count), "{format}: {steps:?}");
        }
    }
}
