//! The text formats that are told apart line by line. A format is a row of [`rows`]; `tests/examples.rs` has an example of each.
//!
//! Input: a line. Output: its fields, by the first row that it fits. Never: a line whose reading depends on other lines.
//!
//! The order decides where a line fits several rows: what says more about itself stands first. Rows whose first and last
//! bytes do not suit a line cost it nothing.

mod rows;

use std::sync::LazyLock;

use self::rows::{FormatRow, ROWS};
use super::field::{Found, LogField};
use super::format::nginx::known_steps;
use super::template::matching::Matcher;
use super::template::{FieldStep, Template, TemplateStep, TextClass};

/// A row, compiled.
pub(super) struct KnownFormat {
    pub(super) name: &'static str,
    /// Its method, where it logs none.
    pub(super) method: Option<&'static str>,
    template: Template,
}

static FORMATS: LazyLock<Vec<KnownFormat>> =
    LazyLock::new(|| ROWS.iter().map(|row| compile(row, |step| step)).collect());

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
    KnownFormat { name: row.name, method: row.method, template }
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

    /// How many of the format's steps a line fits, and how many there are.
    pub(super) fn likeness(&self, matcher: &mut Matcher, line: &[u8]) -> (usize, usize) {
        (matcher.depth(&self.template, line), self.template.step_count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats without a time, or without a day: their lines count by the time of the envelope around them.
    const TIMELESS: [&str; 5] = ["uvicorn", "morgan", "fiber", "serilog", "aspnet"];

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
