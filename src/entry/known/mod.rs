//! The text formats that are told apart line by line. A format is a row of [`rows`]; `tests/examples.rs` has an example of each.
//!
//! Input: a line. Output: its fields, by the first row that it fits. Never: a line whose reading depends on other lines.
//!
//! The order decides where a line fits several rows: what says more about itself stands first. Rows whose first and last
//! bytes do not suit a line cost it nothing.

mod rows;

use std::sync::LazyLock;

use memchr::memchr_iter;

use self::rows::{FormatRow, ROWS};
use super::field::{Escape, Found, LogField};
use super::format::nginx::known_steps;
use super::quick;
use super::template::matching::Matcher;
use super::template::{FieldStep, Template, TemplateStep, TextClass};

/// A row, compiled.
#[derive(Debug)]
pub(super) struct KnownFormat {
    pub(super) name: &'static str,
    /// Its method, where it logs none.
    pub(super) method: Option<&'static str>,
    /// Its paths may lack their slash.
    pub(super) lacks_slash: bool,
    /// Its lines are rows of CSV.
    pub(super) is_csv: bool,
    template: Template,
    /// Whether [`quick`] may read its lines (see [`KnownFormat::quick_template`]).
    is_quick: bool,
    /// It is the first of those that take more behind their fields.
    may_have_more: bool,
}

static FORMATS: LazyLock<Vec<KnownFormat>> = LazyLock::new(|| {
    let mut formats: Vec<KnownFormat> = ROWS.iter().map(|row| compile(row, |step| step)).collect();
    let takes_more =
        |format: &&mut KnownFormat| format.is_quick && format.template.has(|field| field == LogField::Extras);
    if let Some(first) = formats.iter_mut().find(takes_more) {
        first.may_have_more = true;
    }
    formats
});

/// The rows with any text in place of their times.
static WITH_ANY_TIME: LazyLock<Vec<KnownFormat>> = LazyLock::new(|| {
    let any = |step| match step {
        TemplateStep::Field(FieldStep { field: LogField::Time | LogField::TimePiece, .. }) => {
            TemplateStep::Field(FieldStep::new(LogField::Ignored, 0, TextClass::Text))
        }
        step => step,
    };
    ROWS.iter().map(|row| compile(row, any)).collect()
});

fn compile(row: &FormatRow, change: fn(TemplateStep) -> TemplateStep) -> KnownFormat {
    let steps = known_steps(row.line).expect("the table's lines are valid");
    let template = Template::new(steps.into_iter().map(change).collect(), row.escape);
    let FormatRow { name, method, lacks_slash, .. } = *row;
    let is_plain = method.is_none() && !lacks_slash && row.escape.is_by_backslash();
    let is_quick = is_plain && is_ncsa(template.steps()) && quick::can_read(template.steps());
    let is_csv = row.escape == Escape::Doubled;
    KnownFormat { name, method, lacks_slash, is_csv, template, is_quick, may_have_more: false }
}

/// Whether a line begins with its client and a time in brackets, and has no others.
fn is_ncsa(steps: &[TemplateStep]) -> bool {
    let [TemplateStep::Field(who), TemplateStep::Literal(open), TemplateStep::Field(time), rest @ ..] = steps
    else {
        return false;
    };
    let has_bracket =
        |step: &TemplateStep| matches!(step, TemplateStep::Literal(text) if text.contains(&b'['));
    who.field == LogField::Who
        && time.field == LogField::Time
        && open[..] == *b" ["
        && !rest.iter().any(has_bracket)
}

/// The rows that a line may be of, by its first byte.
static BY_FIRST_BYTE: LazyLock<Vec<Vec<&'static KnownFormat>>> = LazyLock::new(|| {
    let of_byte = |byte| FORMATS.iter().filter(|format| format.template.may_begin_with(byte)).collect();
    (0..=u8::MAX).map(of_byte).collect()
});

/// The rows of all formats, or of one.
pub(super) fn formats(name: Option<&str>) -> impl Iterator<Item = &'static KnownFormat> {
    FORMATS.iter().filter(move |format| name.is_none_or(|name| format.name == name))
}

/// The rows of all formats, with any text in place of their times.
pub(super) fn with_any_time() -> &'static [KnownFormat] {
    &WITH_ANY_TIME
}

/// The first row that a line fits; then its fields are found.
#[inline]
pub(super) fn read(matcher: &mut Matcher, line: &[u8], found: &mut Found) -> Option<&'static KnownFormat> {
    let formats = &BY_FIRST_BYTE[usize::from(*line.first()?)];
    formats.iter().copied().find(|format| format.read(matcher, line, found))
}

/// Names of the formats, each once.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl KnownFormat {
    /// Whether a line is of this format; then its fields are found.
    #[inline]
    pub(super) fn read(&self, matcher: &mut Matcher, line: &[u8], found: &mut Found) -> bool {
        matcher.read(&self.template, line, found)
    }

    /// The template by which [`quick`] may read a line, and whether something may follow the fields: only where no row before
    /// this one, and no envelope, can fit a line that is read so. All of them need something else at the beginning than an
    /// address, perhaps behind a virtual host, another bracket than that of the time, or another end.
    #[inline]
    pub(super) fn quick_template(&self, line: &[u8]) -> Option<(&Template, bool)> {
        let begins = begins_with_address(line) || begins_with_address(behind_host(line));
        let is_certain = self.is_quick && begins && memchr_iter(b'[', line).nth(1).is_none();
        is_certain.then_some((&self.template, self.may_have_more && line.last() == Some(&b'"')))
    }

    #[cfg(test)]
    pub(super) fn steps(&self) -> &[TemplateStep] {
        self.template.steps()
    }

    #[cfg(test)]
    pub(super) fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// How many of the format's steps a line fits, and how many there are.
    pub(super) fn likeness(&self, matcher: &mut Matcher, line: &[u8]) -> (usize, usize) {
        (matcher.depth(&self.template, line), self.template.step_count())
    }
}

/// Whether `192.0.2.1 - ` begins a text.
#[inline]
fn begins_with_address(text: &[u8]) -> bool {
    let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':');
    let length = text.iter().take_while(|byte| is_address(byte)).count();
    text.first().is_some_and(u8::is_ascii_digit) && text[length..].starts_with(b" - ")
}

/// What follows a host with dots, perhaps with its port, and a blank; nothing where there is none.
fn behind_host(line: &[u8]) -> &[u8] {
    let is_host =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b':');
    let length = line.iter().take_while(|byte| is_host(byte)).count();
    let has_dot = line[..length].contains(&b'.') && line[0].is_ascii_lowercase();
    line[length..].strip_prefix(b" ").filter(|_| has_dot).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats without a time, or without a day: their lines count by the time of the envelope around them.
    const TIMELESS: [&str; 6] = ["uvicorn", "morgan", "fiber", "serilog", "aspnet", "couchdb"];

    #[test]
    fn every_row_compiles_and_has_a_time_and_a_request() {
        assert_eq!(FORMATS.len(), ROWS.len());
        for format in FORMATS.iter() {
            let has = |wanted| format.template.has(|field| field == wanted);
            let has_time = has(LogField::Time) || has(LogField::TimePiece);
            assert!(has_time || TIMELESS.contains(&format.name), "{}", format.name);
            assert!(has(LogField::Request) || has(LogField::Target), "{}", format.name);
        }
    }
}
