//! Templates: what a line of a text format looks like, compiled once from a description.
//!
//! Input: pieces of a format, in order: literal texts and fields with their class, from nginx's or Apache's syntax.
//! Output: steps that [`matching`] walks, and what a line must begin and end with. Never: knowledge of one product.

pub(super) mod matching;
pub(super) mod shapes;

use std::sync::Arc;

use memchr::memchr2;

use super::field::{Escape, FoundValue, LogField, Unit};
use super::time::{self, strftime::Pattern};

/// What a field's text may be: where it can end, if it begins here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TextClass {
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
    /// A number with four decimals, as Rack writes seconds.
    FourDecimals,
    /// One to three digits, or `-`, `-1`.
    Status,
    /// A time with a day, in the forms of lines.
    Time,
    /// A time with nine decimals, as `docker logs --timestamps` puts it in front.
    DockerTime,
    /// Seconds since 1970 with a fraction.
    UnixTime,
    /// Go's `2006/01/02 15:04:05.000`.
    WallTime,
    /// `HTTP/1.1`, `-` or nothing.
    Protocol,
    Pattern(Arc<Pattern>),
    /// Hex digits, at least this many.
    Hex(usize),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Blanks, or nothing.
    Blanks,
    /// `<190>` of syslog, or nothing.
    Priority,
    /// The envelope's time of syslog, in both its forms, or `-`.
    SyslogTime,
    /// Structured data of syslog: `-`, or elements in brackets.
    Structured,
    /// The rest of the line, whatever it is.
    Rest,
    /// The rest of the line, which begins with one of these and a colon.
    RestBehind(&'static [&'static str]),
    /// The rest of the line: nothing, or words and quoted texts behind a blank, every quote with its partner.
    More,
    /// The rest of the line: nothing, or words without quotes behind a blank.
    MoreWords,
}

/// One step through a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TemplateStep {
    Literal(Box<[u8]>),
    Field(FieldStep),
}

/// A field of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldStep {
    pub(super) field: LogField,
    pub(super) rank: u8,
    pub(super) class: TextClass,
    /// It stands in quotes; then `-` may stand alone for it.
    pub(super) is_quoted: bool,
}

impl FieldStep {
    pub(super) fn new(field: LogField, rank: u8, class: TextClass) -> Self {
        Self { field, rank, class, is_quoted: false }
    }
}

/// A compiled line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    steps: Vec<TemplateStep>,
    /// Bytes a line may begin and end with.
    first: ByteSet,
    last: ByteSet,
    /// The step that reads the request line, if one does.
    request_step: Option<usize>,
    /// The first step in quotes.
    quoted_step: Option<usize>,
    /// The steps whose texts are kept as they stand in the line.
    outputs: Vec<KeptText>,
    /// The steps that read a time.
    times: Vec<usize>,
}

/// A text of a line that is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
struct KeptText {
    step: usize,
    slot: usize,
    /// Its rank, escaping and unit; its place is not known yet.
    value: FoundValue,
}

/// Fields of a template at most, so that a line's spans have a bounded place.
pub(super) const MAX_STEPS: usize = 128;

impl Template {
    /// Puts steps together: neighbouring literals become one, and a field between two quotes a quoted one.
    pub(super) fn new(steps: Vec<TemplateStep>, escape: Escape) -> Self {
        let steps = join_literals(quote_fields(join_literals(steps)));
        assert!(steps.len() <= MAX_STEPS, "format strings are bounded");
        let first = steps.first().map_or(ByteSet::ALL, first_bytes);
        let last = steps.last().map_or(ByteSet::ALL, last_bytes);
        let is_request = |step: &TemplateStep| {
            matches!(step, TemplateStep::Field(FieldStep { class: TextClass::Request, .. }))
        };
        let request_step = steps.iter().position(is_request);
        let is_quoted =
            |step: &TemplateStep| matches!(step, TemplateStep::Field(FieldStep { is_quoted: true, .. }));
        let quoted_step = steps.iter().position(is_quoted);
        let outputs =
            steps.iter().enumerate().filter_map(|(place, step)| output(place, step, escape)).collect();
        let is_time = |place: &usize| match &steps[*place] {
            TemplateStep::Field(step) => {
                matches!(step.field, LogField::Time | LogField::TimePiece | LogField::DurationPart(_))
            }
            TemplateStep::Literal(_) => false,
        };
        let times = (0..steps.len()).filter(is_time).collect();
        Self { steps, first, last, request_step, quoted_step, outputs, times }
    }

    /// Whether a line may begin with this byte.
    pub(super) fn may_begin_with(&self, byte: u8) -> bool {
        self.first.has(byte)
    }

    /// Whether the beginning and the last byte of a line let it be one of these: a check that costs next to nothing.
    #[inline]
    pub(super) fn may_match(&self, line: &[u8]) -> bool {
        let (Some(first), Some(last)) = (line.first(), line.last()) else { return false };
        if !self.first.has(*first) || !self.last.has(*last) {
            return false;
        }
        let is_short = |length: usize, is: fn(&u8) -> bool| !line.iter().take(length).all(is);
        match self.steps.first() {
            Some(TemplateStep::Field(FieldStep { class: TextClass::Time, .. })) => {
                matches!(line, [_, _, b'/', ..] | [_, _, _, _, b'-', ..]) || !first.is_ascii_digit()
            }
            Some(TemplateStep::Field(FieldStep { class: TextClass::WallTime, .. })) => {
                matches!(line, [_, _, _, _, b'/', ..])
            }
            Some(TemplateStep::Field(FieldStep { class: TextClass::UnixTime, .. })) => {
                !is_short(9, u8::is_ascii_digit)
            }
            Some(TemplateStep::Field(FieldStep { class: TextClass::Hex(least), .. })) => {
                !is_short(*least, u8::is_ascii_hexdigit)
            }
            Some(TemplateStep::Field(FieldStep { class: TextClass::Word, .. })) => match self.steps.get(1) {
                Some(TemplateStep::Literal(text)) => {
                    memchr2(text[0], b' ', line).is_some_and(|found| line[found] == text[0])
                }
                _ => true,
            },
            _ => true,
        }
    }

    pub(super) fn steps(&self) -> &[TemplateStep] {
        &self.steps
    }

    /// How many steps it has.
    pub(super) fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// Whether any of its fields is this.
    pub(super) fn has(&self, wanted: impl Fn(LogField) -> bool) -> bool {
        self.steps.iter().any(|step| matches!(step, TemplateStep::Field(step) if wanted(step.field)))
    }
}

/// What is kept of a step; times and the parts of a duration are read at once.
fn output(place: usize, step: &TemplateStep, escape: Escape) -> Option<KeptText> {
    let TemplateStep::Field(step) = step else { return None };
    if step.field == LogField::Time {
        return None;
    }
    // Addresses are never escaped, and zones begin with a percent sign.
    let escape = if step.field == LogField::Client { Escape::None } else { escape };
    let unit = if let LogField::Duration(unit) = step.field { unit } else { Unit::default() };
    let value = FoundValue { rank: step.rank, escape, unit, ..FoundValue::default() };
    Some(KeptText { step: place, slot: step.field.slot()?, value })
}

fn join_literals(steps: Vec<TemplateStep>) -> Vec<TemplateStep> {
    let mut joined: Vec<TemplateStep> = Vec::with_capacity(steps.len());
    for step in steps {
        match (joined.last_mut(), step) {
            (_, TemplateStep::Literal(text)) if text.is_empty() => {}
            (Some(TemplateStep::Literal(before)), TemplateStep::Literal(text)) => {
                *before = [&before[..], &text[..]].concat().into();
            }
            (_, step) => joined.push(step),
        }
    }
    joined
}

/// `"` + field + `"` becomes a quoted field.
fn quote_fields(mut steps: Vec<TemplateStep>) -> Vec<TemplateStep> {
    for at in 1..steps.len().saturating_sub(1) {
        let [before, field, after] = &mut steps[at - 1..=at + 1] else { continue };
        let (TemplateStep::Literal(before), TemplateStep::Field(field), TemplateStep::Literal(after)) =
            (before, field, after)
        else {
            continue;
        };
        let is_text = matches!(field.class, TextClass::Text | TextClass::Request | TextClass::Word);
        if is_text && before.last() == Some(&b'"') && after.first() == Some(&b'"') {
            *before = before[..before.len() - 1].into();
            *after = after[1..].into();
            field.is_quoted = true;
        }
    }
    steps
}

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

fn first_bytes(step: &TemplateStep) -> ByteSet {
    match step {
        TemplateStep::Literal(text) => ByteSet::of(|byte| byte == text[0]),
        TemplateStep::Field(field) if field.is_quoted => ByteSet::of(|byte| matches!(byte, b'"' | b'-')),
        TemplateStep::Field(field) => match &field.class {
            TextClass::Word => ByteSet::of(|byte| !matches!(byte, b' ' | b'"')),
            TextClass::Number | TextClass::Status => ByteSet::of(is_number_byte),
            TextClass::Time => ByteSet::of(|byte| time::may_begin_at(&[byte], 0)),
            TextClass::Count
            | TextClass::FourDecimals
            | TextClass::DockerTime
            | TextClass::UnixTime
            | TextClass::WallTime => ByteSet::of(|byte| byte.is_ascii_digit()),
            TextClass::Hex(_) => ByteSet::of(|byte| byte.is_ascii_hexdigit()),
            TextClass::OneOf(words) => {
                ByteSet::of(|byte| words.iter().any(|word| word.as_bytes()[0] == byte))
            }
            TextClass::Priority => {
                ByteSet::of(|byte| byte == b'<' || byte.is_ascii_digit() || byte.is_ascii_uppercase())
            }
            _ => ByteSet::ALL,
        },
    }
}

fn last_bytes(step: &TemplateStep) -> ByteSet {
    match step {
        TemplateStep::Literal(text) => ByteSet::of(|byte| byte == text[text.len() - 1]),
        TemplateStep::Field(field) if field.is_quoted => ByteSet::of(|byte| matches!(byte, b'"' | b'-')),
        TemplateStep::Field(field) => match field.class {
            TextClass::Number | TextClass::Count | TextClass::FourDecimals | TextClass::Status => {
                ByteSet::of(is_number_byte)
            }
            TextClass::Hex(_) => ByteSet::of(|byte| byte.is_ascii_hexdigit()),
            _ => ByteSet::ALL,
        },
    }
}

fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.')
}
