//! Apache's `LogFormat` (`mod_log_config`, `mod_logio`), as a string or with the whole directive around it.
//!
//! Input: `%h %l %u %t "%r" %>s %b "%{Referer}i" …`. Output: the steps of a template, or the place of a directive that Apache
//! does not have. Never: what a backend said; only what the client got counts.

use std::sync::Arc;

use super::{FormatError, MAX_FORMAT_FIELDS};
use crate::entry::field::{Field, Unit};
use crate::entry::template::{Class, FieldStep, Step};
use crate::entry::time::strftime::Pattern;

/// A directive without braces: letter, field, rank, class.
const DIRECTIVES: [(char, Field, u8, Class); 29] = [
    ('a', Field::Client, 0, Class::Text),
    ('h', Field::Client, 1, Class::Text),
    ('A', Field::Ignored, 0, Class::Text),
    ('B', Field::Bytes, 0, Class::Number),
    ('b', Field::Bytes, 0, Class::Number),
    ('O', Field::Bytes, 1, Class::Number),
    ('I', Field::Ignored, 0, Class::Number),
    ('S', Field::Ignored, 0, Class::Number),
    ('D', Field::Duration(Unit::Micros), 0, Class::Number),
    ('T', Field::Duration(Unit::Seconds), 2, Class::Number),
    ('f', Field::Ignored, 0, Class::Text),
    ('F', Field::Ignored, 0, Class::Text),
    ('H', Field::Ignored, 0, Class::Text),
    ('k', Field::Ignored, 0, Class::Number),
    ('l', Field::Ignored, 0, Class::Text),
    ('L', Field::Ignored, 0, Class::Text),
    ('m', Field::Method, 0, Class::Text),
    ('p', Field::Ignored, 0, Class::Number),
    ('P', Field::Ignored, 0, Class::Number),
    ('q', Field::Query, 0, Class::Text),
    ('r', Field::Request, 0, Class::Request),
    ('R', Field::Ignored, 0, Class::Text),
    ('s', Field::Status, 1, Class::Status),
    ('t', Field::Time, 0, Class::Time),
    ('u', Field::Ignored, 0, Class::Text),
    ('U', Field::Target, 0, Class::Text),
    ('v', Field::Host, 3, Class::Text),
    ('V', Field::Host, 2, Class::Text),
    ('X', Field::Ignored, 0, Class::Text),
];

/// Directives whose name in braces says nothing of the request.
const NAMED: &str = "CeinophaPx";

/// Request headers, in small letters: field and rank.
const HEADERS: [(&str, Field, u8); 9] = [
    ("user-agent", Field::Agent, 0),
    ("referer", Field::Referrer, 0),
    ("x-forwarded-host", Field::Host, 0),
    ("host", Field::Host, 1),
    ("cf-connecting-ip", Field::Forwarded, 0),
    ("true-client-ip", Field::Forwarded, 1),
    ("x-real-ip", Field::Forwarded, 2),
    ("x-client-ip", Field::Forwarded, 2),
    ("x-forwarded-for", Field::Forwarded, 3),
];

/// One `%…` of a format string.
struct Directive<'f> {
    /// What stands in braces.
    name: Option<&'f str>,
    letter: char,
    /// `%>s`.
    is_final: bool,
    /// Bytes it takes.
    length: usize,
}

/// Compiles a format string.
pub(super) fn steps(format: &str) -> Result<Vec<Step>, FormatError> {
    let mut steps = Vec::new();
    let mut fields = 0;
    let mut at = 0;
    while let Some(c) = format[at..].chars().next() {
        let rest = &format[at..];
        match c {
            '%' if rest.starts_with("%%") => {
                steps.push(literal("%"));
                at += 2;
            }
            // Path and query are one text: nothing but the whole tells where the query begins.
            '%' if rest.starts_with("%U%q") => {
                steps.push(Step::Field(FieldStep::new(Field::Target, 0, Class::Text)));
                at += 4;
            }
            '%' => {
                let directive = directive(rest).map_err(|error| error.behind(at))?;
                fields += 1;
                if fields > MAX_FORMAT_FIELDS {
                    return Err(FormatError::new(at, "more than 60 directives"));
                }
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

fn literal(text: &str) -> Step {
    Step::Literal(text.as_bytes().into())
}

/// Reads `%!400,501>{User-agent}i`.
fn directive(text: &str) -> Result<Directive<'_>, FormatError> {
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
    Ok(Directive {
        name,
        letter: if trailer > 0 { 'n' } else { letter },
        is_final: modifiers.contains('>'),
        length,
    })
}

fn push(directive: &Directive<'_>, steps: &mut Vec<Step>) -> Result<(), FormatError> {
    let field = |field, rank, class| Step::Field(FieldStep::new(field, rank, class));
    match (directive.letter, directive.name) {
        ('t', Some(pattern)) => {
            let pattern = Pattern::of_apache(pattern)
                .map_err(|at| FormatError::new(at + 2, "a conversion that strftime does not have"))?;
            steps.push(field(Field::TimePiece, 0, Class::Pattern(Arc::new(pattern))));
        }
        ('t', None) => {
            steps.extend([literal("["), field(Field::Time, 0, Class::Time), literal("]")]);
        }
        ('T', Some(unit)) => {
            let (unit, rank) = match unit {
                "us" => (Unit::Micros, 0),
                "ms" => (Unit::Millis, 1),
                "s" => (Unit::Seconds, 2),
                _ => return Err(FormatError::new(2, "the unit of %{unit}T is us, ms or s")),
            };
            steps.push(field(Field::Duration(unit), rank, Class::Number));
        }
        ('a' | 'h', Some("c")) => steps.push(field(Field::Client, 2, Class::Text)),
        ('i', Some(name)) => {
            let name = name.to_ascii_lowercase();
            let known = HEADERS.iter().find(|(header, ..)| *header == name);
            let (kind, rank) = known.map_or((Field::Ignored, 0), |(_, kind, rank)| (*kind, *rank));
            steps.push(field(kind, rank, Class::Text));
        }
        ('s', None) if directive.is_final => steps.push(field(Field::Status, 0, Class::Status)),
        (letter, Some(_)) if NAMED.contains(letter) => steps.push(field(Field::Ignored, 0, Class::Text)),
        (letter, _) => {
            let known = DIRECTIVES.iter().find(|(known, ..)| *known == letter);
            let (_, kind, rank, class) =
                known.ok_or_else(|| FormatError::new(0, "a directive that Apache does not have"))?;
            steps.push(field(*kind, *rank, class.clone()));
        }
    }
    Ok(())
}

/// The format string of a whole directive: `LogFormat "…" name`; `None` where it is none.
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

    fn fields(format: &str) -> Vec<Field> {
        let steps = steps(format).unwrap().into_iter();
        let fields = steps.filter_map(|step| match step {
            Step::Field(step) => Some(step.field),
            Step::Literal(_) => None,
        });
        fields.filter(|field| *field != Field::Ignored).collect()
    }

    #[test]
    fn directives_of_the_documentation_are_known() {
        for (format, want) in [
            (
                "%h %l %u %t \"%r\" %>s %b",
                &[Field::Client, Field::Time, Field::Request, Field::Status, Field::Bytes][..],
            ),
            ("%400,501{User-agent}i %!200,304,302{Referer}i", &[Field::Agent, Field::Referrer]),
            ("%{X-Forwarded-For}i %{Host}i %V", &[Field::Forwarded, Field::Host, Field::Host]),
            ("%{ms}T %D", &[Field::Duration(Unit::Millis), Field::Duration(Unit::Micros)]),
            ("%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t", &[Field::TimePiece; 3]),
            ("%m %U%q %H", &[Field::Method, Field::Target]),
            ("%{VARNAME}^ti %{x}^to %{UNIQUE_ID}e %{c}a %%", &[Field::Client]),
            ("\\\"%r\\\"", &[Field::Request]),
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
