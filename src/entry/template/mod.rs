//! Templates: what a line of a text format looks like, compiled once from a description.
//!
//! Input: pieces of a format, in order: literal texts and fields with their class, from nginx's or Apache's syntax.
//! Output: steps that [`matching`] walks, and what a line must begin and end with. Never: knowledge of one product.

pub(super) mod matching;

use std::sync::Arc;

use super::field::{Escape, Field};
use super::time::strftime::Pattern;

/// What a field's text may be: where it can end, if it begins here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Class {
    /// Anything up to the literal behind it.
    Text,
    /// A request line: anything, but an end behind a protocol (` HTTP/1.1`) is looked for first.
    Request,
    /// No blank, no quote, at least one byte.
    Word,
    /// Anything without a quote and without a time in it: what stands between a time and the request that it is of.
    Between,
    /// A number that is not negative, or `-` or `-1`.
    Number,
    /// A number alone.
    Count,
    /// One to three digits, or `-`, `-1`.
    Status,
    /// A time with a day, in the forms of lines.
    Time,
    /// Seconds since 1970 with a fraction.
    UnixTime,
    /// Caddy's `2006/01/02 15:04:05.000`.
    WallTime,
    /// A time by a pattern.
    Pattern(Arc<Pattern>),
    /// Hex digits, at least this many.
    Hex(usize),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Blanks, or nothing.
    Blanks,
    /// `<190>` of syslog, or nothing.
    Priority,
    /// The envelope's time of syslog, in both its forms.
    SyslogTime,
    /// Structured data of syslog: `-`, or elements in brackets.
    Structured,
    /// The rest of the line, whatever it is.
    Rest,
    /// The rest of the line: nothing, or words and quoted texts behind a blank, every quote with its partner.
    More,
    /// The rest of the line: nothing, or words without quotes behind a blank.
    MoreWords,
}

/// One step through a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Literal(Box<[u8]>),
    Field(FieldStep),
}

/// A field of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldStep {
    pub(super) field: Field,
    pub(super) rank: u8,
    pub(super) class: Class,
    /// It stands in quotes; then `-` may stand alone for it.
    pub(super) is_quoted: bool,
    /// Its escaping, where it is not the template's.
    pub(super) escape: Option<Escape>,
}

impl FieldStep {
    pub(super) fn new(field: Field, rank: u8, class: Class) -> Self {
        Self { field, rank, class, is_quoted: false, escape: None }
    }
}

/// A compiled line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    steps: Vec<Step>,
    escape: Escape,
    /// Bytes a line may begin and end with.
    first: ByteSet,
    last: ByteSet,
    /// The step that reads the request line, if one does.
    request_step: Option<usize>,
}

/// Fields of a template at most, so that a line's spans have a bounded place.
pub(super) const MAX_STEPS: usize = 128;

impl Template {
    /// Puts steps together: neighbouring literals become one, and a field between two quotes a quoted one.
    pub(super) fn new(steps: Vec<Step>, escape: Escape) -> Self {
        let steps = join_literals(quote_fields(join_literals(steps)));
        assert!(steps.len() <= MAX_STEPS, "format strings are bounded");
        let first = steps.first().map_or(ByteSet::ALL, first_bytes);
        let last = steps.last().map_or(ByteSet::ALL, last_bytes);
        let is_request = |step: &Step| matches!(step, Step::Field(FieldStep { class: Class::Request, .. }));
        let request_step = steps.iter().position(is_request);
        Self { steps, escape, first, last, request_step }
    }

    /// Whether the first and last bytes of a line let it be one of these.
    #[inline]
    pub(super) fn may_match(&self, line: &[u8]) -> bool {
        match (line.first(), line.last()) {
            (Some(first), Some(last)) => self.first.has(*first) && self.last.has(*last),
            _ => false,
        }
    }

    /// How many steps it has.
    pub(super) fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// Whether any of its fields is this.
    pub(super) fn has(&self, wanted: impl Fn(Field) -> bool) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Field(step) if wanted(step.field)))
    }
}

fn join_literals(steps: Vec<Step>) -> Vec<Step> {
    let mut joined: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        match (joined.last_mut(), step) {
            (_, Step::Literal(text)) if text.is_empty() => {}
            (Some(Step::Literal(before)), Step::Literal(text)) => {
                *before = [&before[..], &text[..]].concat().into();
            }
            (_, step) => joined.push(step),
        }
    }
    joined
}

/// `"` + field + `"` becomes a quoted field.
fn quote_fields(mut steps: Vec<Step>) -> Vec<Step> {
    for at in 1..steps.len().saturating_sub(1) {
        let [before, field, after] = &mut steps[at - 1..=at + 1] else { continue };
        let (Step::Literal(before), Step::Field(field), Step::Literal(after)) = (before, field, after) else {
            continue;
        };
        let is_text = matches!(field.class, Class::Text | Class::Request | Class::Word);
        if is_text && before.last() == Some(&b'"') && after.first() == Some(&b'"') {
            *before = before[..before.len() - 1].into();
            *after = after[1..].into();
            field.is_quoted = true;
        }
    }
    steps
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ByteSet([u64; 4]);

impl ByteSet {
    const ALL: Self = Self([u64::MAX; 4]);
    const NONE: Self = Self([0; 4]);

    fn of(is_in: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::NONE;
        for byte in (0..=u8::MAX).filter(|byte| is_in(*byte)) {
            set.0[usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        set
    }

    #[inline]
    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] & (1 << (byte % 64)) != 0
    }
}

fn first_bytes(step: &Step) -> ByteSet {
    match step {
        Step::Literal(text) => ByteSet::of(|byte| byte == text[0]),
        Step::Field(field) if field.is_quoted => ByteSet::of(|byte| matches!(byte, b'"' | b'-')),
        Step::Field(field) => match &field.class {
            Class::Word => ByteSet::of(|byte| !matches!(byte, b' ' | b'"')),
            Class::Number | Class::Status => ByteSet::of(is_number_byte),
            Class::Count | Class::Time | Class::UnixTime | Class::WallTime => {
                ByteSet::of(|byte| byte.is_ascii_digit())
            }
            Class::Hex(_) => ByteSet::of(|byte| byte.is_ascii_hexdigit()),
            Class::OneOf(words) => ByteSet::of(|byte| words.iter().any(|word| word.as_bytes()[0] == byte)),
            Class::Priority => {
                ByteSet::of(|byte| byte == b'<' || byte.is_ascii_digit() || byte.is_ascii_uppercase())
            }
            _ => ByteSet::ALL,
        },
    }
}

fn last_bytes(step: &Step) -> ByteSet {
    match step {
        Step::Literal(text) => ByteSet::of(|byte| byte == text[text.len() - 1]),
        Step::Field(field) if field.is_quoted => ByteSet::of(|byte| matches!(byte, b'"' | b'-')),
        Step::Field(field) => match field.class {
            Class::Number | Class::Count | Class::Status => ByteSet::of(is_number_byte),
            Class::Hex(_) => ByteSet::of(|byte| byte.is_ascii_hexdigit()),
            _ => ByteSet::ALL,
        },
    }
}

fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.')
}
