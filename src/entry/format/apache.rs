//! Apache's `LogFormat` (`mod_log_config`, `mod_logio`), as a string or with the whole directive around it.
//!
//! Input: `%h %l %u %t "%r" %>s %b "%{Referer}i" …`. Output: the steps of a template, or the place of a directive that Apache
//! does not have. Never: what a backend said; only what the client got counts.

use std::sync::Arc;

use super::{FormatError, MAX_FORMAT_FIELDS};
use crate::entry::field::{LogField, Unit};
use crate::entry::template::{FieldStep, TemplateStep, TextClass};
use crate::entry::time::strftime::Pattern;

/// A directive without braces: letter, field, rank, class.
const DIRECTIVES: [(char, LogField, u8, TextClass); 29] = [
    ('a', LogField::Client, 0, TextClass::Text),
    ('h', LogField::Client, 1, TextClass::Text),
    ('A', LogField::Ignored, 0, TextClass::Text),
    ('B', LogField::Bytes, 0, TextClass::Number),
    ('b', LogField::Bytes, 0, TextClass::Number),
    ('O', LogField::Bytes, 1, TextClass::Number),
    // Tomcat's are a thread and a session.
    ('I', LogField::Ignored, 0, TextClass::Text),
    ('S', LogField::Ignored, 0, TextClass::Text),
    ('D', LogField::Duration(Unit::Micros), 0, TextClass::Number),
    ('T', LogField::Duration(Unit::Seconds), 2, TextClass::Number),
    ('f', LogField::Ignored, 0, TextClass::Text),
    ('F', LogField::Ignored, 0, TextClass::Text),
    ('H', LogField::Ignored, 0, TextClass::Protocol),
    ('k', LogField::Ignored, 0, TextClass::Number),
    ('l', LogField::Ignored, 0, TextClass::Text),
    ('L', LogField::Ignored, 0, TextClass::Text),
    ('m', LogField::Method, 0, TextClass::Text),
    ('p', LogField::Ignored, 0, TextClass::Number),
    ('P', LogField::Ignored, 0, TextClass::Number),
    ('q', LogField::Query, 0, TextClass::Text),
    ('r', LogField::Request, 0, TextClass::Request),
    ('R', LogField::Ignored, 0, TextClass::Text),
    ('s', LogField::Status, 1, TextClass::Status),
    ('t', LogField::Time, 0, TextClass::Time),
    ('u', LogField::Ignored, 0, TextClass::Text),
    ('U', LogField::Target, 0, TextClass::Text),
    ('v', LogField::Host, 3, TextClass::Text),
    ('V', LogField::Host, 2, TextClass::Text),
    ('X', LogField::Ignored, 0, TextClass::Text),
];

/// Directives whose name in braces says nothing of the request.
const NAMED: &str = "CeinophaPx";

/// Request headers, in small letters: field and rank.
const HEADERS: [(&str, LogField, u8); 9] = [
    ("user-agent", LogField::Agent, 0),
    ("referer", LogField::Referrer, 0),
    ("x-forwarded-host", LogField::Host, 0),
    ("host", LogField::Host, 1),
    ("cf-connecting-ip", LogField::Forwarded, 0),
    ("true-client-ip", LogField::Forwarded, 1),
    ("x-real-ip", LogField::Forwarded, 2),
    ("x-client-ip", LogField::Forwarded, 2),
    ("x-forwarded-for", LogField::Forwarded, 3),
];

/// One `%…` of a format string.
struct ApacheDirective<'f> {
    /// What stands in braces.
    name: Option<&'f str>,
    letter: char,
    /// `%>s`.
    is_final: bool,
    /// Bytes it takes.
    length: usize,
}

/// Compiles a format string.
pub(super) fn steps(format: &str) -> Result<Vec<TemplateStep>, FormatError> {
    let mut steps = Vec::new();
    let mut fields = 0;
    let mut at = 0;
    while let Some(c) = format[at..].chars().next() {
        let rest = &format[at..];
        fields += usize::from(c == '%');
        if fields > MAX_FORMAT_FIELDS {
            return Err(FormatError::new(at, "more than 60 directives"));
        }
        match c {
            '%' if rest.starts_with("%%") => {
                steps.push(literal("%"));
                at += 2;
            }
            // Path and query are one text: nothing but the whole tells where the query begins.
            '%' if rest.starts_with("%U%q") => {
                steps.push(TemplateStep::Field(FieldStep::new(LogField::Target, 0, TextClass::Text)));
                at += 4;
            }
            '%' => {
                let directive = directive(rest).map_err(|error| error.behind(at))?;
                push(&directive, &mut steps).map_err(|error| error.behind(at))?;
                at += directive.length;
            }
            // As it stands in a configuration file.
            '\\' => {
                let (text, length) = match rest.as_bytes().get(1) {
                    Some(b'"') => ("\"", 2),
                    Some(b'\\') => ("\\", 2),
                    Some(b't') => ("\t", 2),
                    Some(b'n') => ("\n", 2),
                    _ => ("\\", 1),
                };
                steps.push(literal(text));
                at += length;
            }
            c => {
                steps.push(literal(&rest[..c.len_utf8()]));
                at += c.len_utf8();
            }
        }
    }
    Ok(steps)
}

fn literal(text: &str) -> TemplateStep {
    TemplateStep::Literal(text.as_bytes().into())
}

/// Reads `%!400,501>{User-agent}i`.
fn directive(text: &str) -> Result<ApacheDirective<'_>, FormatError> {
    let is_modifier = |c: char| c == '!' || c == ',' || c == '<' || c == '>' || c.is_ascii_digit();
    let modifiers = &text[1..text[1..].find(|c| !is_modifier(c)).map_or(text.len(), |end| end + 1)];
    let mut at = 1 + modifiers.len();
    let mut name = None;
    if let Some(inside) = text[at..].strip_prefix('{') {
        let close = inside.find('}').ok_or_else(|| FormatError::new(at, "`{` without `}`"))?;
        name = Some(&inside[..close]);
        at += close + 2;
    }
    let trailer = text[at..].strip_prefix('^').map_or(0, |_| 2);
    let letter = text[at..].get(trailer..).and_then(|rest| rest.chars().next());
    let letter = letter.ok_or_else(|| FormatError::new(0, "`%` without a directive"))?;
    let length = at + trailer + letter.len_utf8();
    Ok(ApacheDirective {
        name,
        letter: if trailer > 0 { 'n' } else { letter },
        is_final: modifiers.contains('>'),
        length,
    })
}

fn push(directive: &ApacheDirective<'_>, steps: &mut Vec<TemplateStep>) -> Result<(), FormatError> {
    let field = |field, rank, class| TemplateStep::Field(FieldStep::new(field, rank, class));
    match (directive.letter, directive.name) {
        ('t', Some(pattern)) => {
            let pattern = Pattern::of_apache(pattern)
                .map_err(|at| FormatError::new(at + 2, "a conversion that strftime does not have"))?;
            steps.push(field(LogField::TimePiece, 0, TextClass::Pattern(Arc::new(pattern))));
        }
        ('t', None) => {
            steps.extend([literal("["), field(LogField::Time, 0, TextClass::Time), literal("]")]);
        }
        ('T', Some(unit)) => {
            let (unit, rank) = match unit {
                "us" => (Unit::Micros, 0),
                "ms" => (Unit::Millis, 1),
                "s" => (Unit::Seconds, 2),
                _ => return Err(FormatError::new(2, "the unit of %{unit}T is us, ms or s")),
            };
            steps.push(field(LogField::Duration(unit), rank, TextClass::Number));
        }
        ('a' | 'h', Some("c")) => steps.push(field(LogField::Client, 2, TextClass::Text)),
        ('i', Some(name)) => {
            let name = name.to_ascii_lowercase();
            let known = HEADERS.iter().find(|(header, ..)| *header == name);
            let (kind, rank) = known.map_or((LogField::Ignored, 0), |(_, kind, rank)| (*kind, *rank));
            steps.push(field(kind, rank, TextClass::Text));
        }
        ('s', None) if directive.is_final => steps.push(field(LogField::Status, 0, TextClass::Status)),
        (letter, Some(_)) if NAMED.contains(letter) => {
            steps.push(field(LogField::Ignored, 0, TextClass::Text))
        }
        (letter, _) => {
            let known = DIRECTIVES.iter().find(|(known, ..)| *known == letter);
            let (_, kind, rank, class) =
                known.ok_or_else(|| FormatError::new(0, "a directive that Apache does not have"))?;
            steps.push(field(*kind, *rank, class.clone()));
        }
    }
    Ok(())
}

/// The format string of a whole directive: `LogFormat "…" name`; `None` for any other text.
pub(super) fn of_directive(text: &str) -> Option<&str> {
    let rest = text.trim();
    let rest = rest.strip_prefix("LogFormat").or_else(|| rest.strip_prefix("CustomLog"))?.trim_start();
    let open = rest.find('"')?;
    let close = rest.rfind('"').filter(|close| *close > open)?;
    Some(&rest[open + 1..close])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(format: &str) -> Vec<LogField> {
        let steps = steps(format).unwrap().into_iter();
        let fields = steps.filter_map(|step| match step {
            TemplateStep::Field(step) => Some(step.field),
            TemplateStep::Literal(_) => None,
        });
        fields.filter(|field| *field != LogField::Ignored).collect()
    }

    #[test]
    fn directives_of_the_documentation_are_known() {
        for (format, want) in [
            (
                "%h %l %u %t \"%r\" %>s %b",
                &[LogField::Client, LogField::Time, LogField::Request, LogField::Status, LogField::Bytes][..],
            ),
            ("%400,501{User-agent}i %!200,304,302{Referer}i", &[LogField::Agent, LogField::Referrer]),
            ("%{X-Forwarded-For}i %{Host}i %V", &[LogField::Forwarded, LogField::Host, LogField::Host]),
            ("%{ms}T %D", &[LogField::Duration(Unit::Millis), LogField::Duration(Unit::Micros)]),
            ("%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t", &[LogField::TimePiece; 3]),
            ("%m %U%q %H", &[LogField::Method, LogField::Target]),
            ("%{VARNAME}^ti %{x}^to %{UNIQUE_ID}e %{c}a %%", &[LogField::Client]),
            ("\\\"%r\\\"", &[LogField::Request]),
        ] {
            assert_eq!(fields(format), want, "{format}");
        }
    }

    #[test]
    fn errors_point_at_the_directive() {
        for (format, at) in [
            ("%h %j", 3),
            ("%h %", 3),
            ("%h %{Referer", 4),
            ("%{min}T", 2),
            ("%t %{%Y-%Q}t", 8),
            ("%h %y %t", 3),
        ] {
            assert_eq!(steps(format).unwrap_err().at, at, "{format}");
        }
    }

    #[test]
    fn the_directive_of_a_configuration_file_is_taken_as_it_is() {
        let directive = r#"LogFormat "%h \"%r\" %>s" combined"#;
        assert_eq!(of_directive(directive), Some(r#"%h \"%r\" %>s"#));
        assert_eq!(of_directive("%h %r"), None);
    }
}
