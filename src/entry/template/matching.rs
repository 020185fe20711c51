//! Whether a line is of a template, and where its fields stand then.
//!
//! Input: a template and a line. Output: the span of each field, offered to [`Found`]. Never: more than about linear time,
//! whatever a client put into the line.
//!
//! # How ends are chosen
//!
//! A field ends at the first place where the rest of the line fits the rest of the template. So a quote, a bar or a bracket
//! inside a client's text ends nothing by itself: the literal behind the field must follow, and then everything behind
//! that. Texts that can end in several places are tried again with their next end when the rest did not fit. A line is
//! walked up to four times: first a request line must end with a protocol, so that nothing a client puts into a path ends
//! it early; then any end will do. In both, an escaped quote ends no text at first; then it does, for logs whose writer
//! does not escape backslashes.
//!
//! # Why it is linear
//!
//! If a text was tried from some place with all its ends, and the rest fitted behind none, then a later start of the same
//! text has no end that was not tried: so the earliest failed start of each text is remembered, and no end is tried twice.

use memchr::{memchr, memchr2, memmem};

use super::{Class, FieldStep, MAX_STEPS, Step, Template};
use crate::entry::field::{Escape, Field, Found, Span, Value};
use crate::entry::request;
use crate::entry::time::{self, Moment, Partial};

/// Times that the rest of a line is checked for balanced quotes, at most: each check may read all of the rest.
const MAX_REST_CHECKS: u32 = 64;

/// Matches lines; keeps its memory between them.
#[derive(Clone, Debug)]
pub(in crate::entry) struct Matcher {
    spans: Vec<Span>,
    moments: Vec<Option<Moment>>,
    /// The earliest start that failed, by step.
    failed: Vec<u32>,
    stack: Vec<Open>,
    rest_checks: u32,
    furthest: usize,
}

/// A text whose other ends are still to be tried.
#[derive(Clone, Copy, Debug)]
struct Open {
    step: usize,
    start: usize,
    /// Where to look for the next end.
    from: usize,
}

/// How a line is walked.
#[derive(Clone, Copy)]
struct Pass {
    wants_protocol: bool,
    /// `\"` does not end a text.
    heeds_escapes: bool,
}

impl Default for Matcher {
    fn default() -> Self {
        Self {
            spans: vec![Span::default(); MAX_STEPS],
            moments: vec![None; MAX_STEPS],
            failed: vec![u32::MAX; MAX_STEPS],
            stack: Vec::with_capacity(MAX_STEPS),
            rest_checks: 0,
            furthest: 0,
        }
    }
}

impl Matcher {
    /// Matches a line and offers its fields; says whether it is of the template.
    pub(in crate::entry) fn read(&mut self, template: &Template, line: &[u8], found: &mut Found) -> bool {
        if !template.may_match(line) || !self.fits(template, line) {
            return false;
        }
        self.offer(template, line, found);
        true
    }

    /// Steps of the template that the line fits, the most of all passes.
    pub(in crate::entry) fn depth(&mut self, template: &Template, line: &[u8]) -> usize {
        self.furthest = 0;
        if self.fits(template, line) { template.step_count() } else { self.furthest }
    }

    fn fits(&mut self, template: &Template, line: &[u8]) -> bool {
        self.furthest = 0;
        let mut pass = Pass { wants_protocol: template.request_step.is_some(), heeds_escapes: true };
        loop {
            if (Walk { matcher: self, steps: &template.steps, line, pass }).run() {
                return true;
            }
            let reached_request = template.request_step.is_some_and(|step| self.furthest >= step);
            pass = match pass {
                Pass { wants_protocol: true, .. } if reached_request => {
                    Pass { wants_protocol: false, ..pass }
                }
                Pass { heeds_escapes: true, .. } if memmem::find(line, b"\\\"").is_some() => {
                    Pass { wants_protocol: template.request_step.is_some(), heeds_escapes: false }
                }
                _ => return false,
            };
        }
    }

    fn offer(&self, template: &Template, line: &[u8], found: &mut Found) {
        for (place, step) in template.steps.iter().enumerate() {
            let Step::Field(step) = step else { continue };
            let span = self.spans[place];
            match (&step.class, step.field) {
                (_, Field::Ignored) => {}
                (Class::Pattern(pattern), _) => {
                    let mut piece = Partial::default();
                    pattern.read(span.of(line), &mut piece);
                    found.pieces = Some(found.pieces.unwrap_or_default().or(piece));
                }
                (Class::WallTime, _) => {
                    found.pieces = time::wall_at_start(span.of(line)).map(|(piece, _)| piece)
                }
                (Class::Time | Class::UnixTime, Field::Time) => {
                    if let Some(moment) = self.moments[place]
                        && found.moment.is_none_or(|(rank, _)| step.rank < rank)
                    {
                        found.moment = Some((step.rank, moment));
                    }
                }
                (_, field) => {
                    let escape = step.escape.unwrap_or(template.escape);
                    let escape = if field == Field::Client { Escape::None } else { escape };
                    let value = Value { span, rank: step.rank, escape, ..Value::default() };
                    found.offer(field, value, line);
                }
            }
        }
    }
}

/// One walk of a line through the steps.
struct Walk<'w> {
    matcher: &'w mut Matcher,
    steps: &'w [Step],
    line: &'w [u8],
    pass: Pass,
}

impl Walk<'_> {
    fn run(&mut self) -> bool {
        self.matcher.stack.clear();
        self.matcher.rest_checks = 0;
        self.matcher.failed[..self.steps.len()].fill(u32::MAX);
        let (mut place, mut at) = (0, 0);
        loop {
            let next = match self.steps.get(place) {
                None if at == self.line.len() => return true,
                None => None,
                Some(Step::Literal(text)) => {
                    self.line[at..].starts_with(text).then(|| (place + 1, at + text.len()))
                }
                Some(Step::Field(step)) => self.enter(place, step, at),
            };
            (place, at) = match next.or_else(|| self.try_again()) {
                Some(next) => next,
                None => return false,
            };
            self.matcher.furthest = self.matcher.furthest.max(place);
        }
    }

    /// Reads a field that begins at `at`; returns the next step and where it begins.
    #[inline]
    fn enter(&mut self, place: usize, step: &FieldStep, at: usize) -> Option<(usize, usize)> {
        if step.is_quoted {
            if self.line.get(at) == Some(&b'-') && self.follows(place + 1, at + 1) {
                self.matcher.spans[place] = Span::new(at, at + 1);
                return Some((place + 1, at + 1));
            }
            if self.line.get(at) != Some(&b'"') {
                return None;
            }
            return self.open(Open { step: place, start: at + 1, from: at + 1 });
        }
        match step.class {
            Class::Text | Class::Request | Class::Word => {
                self.open(Open { step: place, start: at, from: at })
            }
            _ => {
                let end = self.end(place, &step.class, at)?;
                self.matcher.spans[place] = Span::new(at, end);
                Some((place + 1, end))
            }
        }
    }

    /// Ends the last open text at its next end.
    fn try_again(&mut self) -> Option<(usize, usize)> {
        while let Some(open) = self.matcher.stack.pop() {
            let next = self.open(open);
            if next.is_some() {
                return next;
            }
        }
        None
    }

    /// Ends a text at its next end from `open.from`; what remains to be tried is put on the stack.
    #[inline]
    fn open(&mut self, open: Open) -> Option<(usize, usize)> {
        let Some(Step::Field(step)) = self.steps.get(open.step) else { return None };
        let start = open.start as u32;
        if start >= self.matcher.failed[open.step] {
            return None;
        }
        let end = if step.is_quoted { self.quoted_end(step, open) } else { self.bare_end(step, open) };
        let Some(end) = end else {
            // Words end at blanks: a later one has other ends.
            if step.class != Class::Word {
                self.matcher.failed[open.step] = start;
            }
            return None;
        };
        self.matcher.spans[open.step] = Span::new(open.start, end);
        self.matcher.stack.push(Open { from: end + 1, ..open });
        Some((open.step + 1, end + usize::from(step.is_quoted)))
    }

    fn quoted_end(&self, step: &FieldStep, open: Open) -> Option<usize> {
        let mut from = open.from;
        loop {
            let quote = from + memchr(b'"', self.line.get(from..)?)?;
            let is_end = !(self.pass.heeds_escapes && self.is_escaped(open.start, quote))
                && self.follows(open.step + 1, quote + 1)
                && self.is_allowed(step, open.start, quote);
            if is_end {
                return Some(quote);
            }
            from = quote + 1;
        }
    }

    fn bare_end(&self, step: &FieldStep, open: Open) -> Option<usize> {
        let mut from = open.from;
        loop {
            let end = match self.steps.get(open.step + 1) {
                None => (from <= self.line.len()).then_some(self.line.len())?,
                Some(Step::Literal(text)) => {
                    let first = from + memchr(text[0], self.line.get(from..)?)?;
                    if !self.line[first..].starts_with(text) {
                        from = first + 1;
                        continue;
                    }
                    first
                }
                Some(Step::Field(next)) if next.is_quoted => {
                    from + memchr2(b'"', b'-', self.line.get(from..)?)?
                }
                Some(Step::Field(_)) => (from <= self.line.len()).then_some(from)?,
            };
            if self.is_allowed(step, open.start, end) {
                return Some(end);
            }
            if step.class == Class::Word && end > open.start {
                return None;
            }
            from = end + 1;
        }
    }

    #[inline]
    fn is_allowed(&self, step: &FieldStep, start: usize, end: usize) -> bool {
        let text = &self.line[start..end];
        match step.class {
            Class::Request if self.pass.wants_protocol => request::has_protocol(text),
            Class::Word => !text.is_empty() && memchr2(b' ', b'"', text).is_none(),
            _ => true,
        }
    }

    /// Whether an odd number of backslashes stands before `at`.
    #[inline]
    fn is_escaped(&self, start: usize, at: usize) -> bool {
        let before = &self.line[start..at];
        before.last() == Some(&b'\\')
            && before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
    }

    /// Whether the step behind a quoted text can begin here; a check of its first bytes only.
    #[inline]
    fn follows(&self, place: usize, at: usize) -> bool {
        let rest = &self.line[at..];
        match self.steps.get(place) {
            None => rest.is_empty(),
            Some(Step::Literal(text)) => rest.starts_with(text),
            Some(Step::Field(step)) => match step.class {
                Class::More | Class::MoreWords => matches!(rest.first(), None | Some(b' ')),
                _ => true,
            },
        }
    }

    /// The one end of a field whose text says itself where it ends.
    #[inline]
    fn end(&mut self, place: usize, class: &Class, at: usize) -> Option<usize> {
        let rest = &self.line[at..];
        let run = |is_in: fn(&u8) -> bool| at + rest.iter().take_while(|byte| is_in(byte)).count();
        match class {
            Class::Number => number(rest).map(|length| at + length),
            Class::Count => Some(run(u8::is_ascii_digit)).filter(|end| *end > at),
            Class::Status => status(rest).map(|length| at + length),
            Class::Time => self.moment(place, time::at_start(rest), at),
            Class::UnixTime => self.moment(place, time::unix_at_start(rest), at),
            Class::WallTime => time::wall_at_start(rest).map(|(_, length)| at + length),
            Class::Pattern(pattern) => pattern.read(rest, &mut Partial::default()).map(|length| at + length),
            Class::Between => {
                let end = at + memchr(b'"', rest)?;
                (end == at || !holds_time(&self.line[at..end])).then_some(end)
            }
            Class::Hex(least) => Some(run(u8::is_ascii_hexdigit)).filter(|end| end - at >= *least),
            Class::OneOf(words) => {
                let is_here = |word: &&&str| rest.starts_with(word.as_bytes());
                words.iter().filter(is_here).map(|word| at + word.len()).max()
            }
            Class::Blanks => Some(run(|byte| *byte == b' ')),
            Class::Priority => Some(at + priority(rest)),
            Class::SyslogTime => {
                let end = time::bsd_at_start(rest).or_else(|| time::at_start(rest).map(|(_, end)| end));
                end.map(|end| at + end)
            }
            Class::Structured => structured(rest).map(|length| at + length),
            Class::Rest => Some(self.line.len()),
            Class::MoreWords => {
                let fits = rest.is_empty() || (rest[0] == b' ' && memchr(b'"', rest).is_none());
                fits.then_some(self.line.len())
            }
            Class::More => {
                self.matcher.rest_checks += u32::from(!rest.is_empty());
                let fits =
                    rest.is_empty() || (self.matcher.rest_checks <= MAX_REST_CHECKS && is_balanced(rest));
                fits.then_some(self.line.len())
            }
            Class::Text | Class::Request | Class::Word => None,
        }
    }

    fn moment(&mut self, place: usize, read: Option<(Moment, usize)>, at: usize) -> Option<usize> {
        let (moment, length) = read?;
        self.matcher.moments[place] = Some(moment);
        Some(at + length)
    }
}

/// Length of `12`, `0.011`, `+164`, `-1` or `-` at the start of a text.
#[inline]
fn number(text: &[u8]) -> Option<usize> {
    let sign = usize::from(matches!(text.first(), Some(b'-' | b'+')));
    let digits = |at: usize| {
        text.get(at..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count())
    };
    let whole = sign + digits(sign);
    if whole == sign {
        return (text.first() == Some(&b'-')).then_some(1);
    }
    let decimals = if text.get(whole) == Some(&b'.') { digits(whole + 1) } else { 0 };
    Some(if decimals > 0 { whole + 1 + decimals } else { whole })
}

#[inline]
fn status(text: &[u8]) -> Option<usize> {
    let digits = text.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    match text {
        [b'-', b'1', ..] => Some(2),
        [b'-', ..] => Some(1),
        _ => (1..=3).contains(&digits).then_some(digits),
    }
}

/// Whether a time stands anywhere in a text, in brackets or as a word.
fn holds_time(text: &[u8]) -> bool {
    let begins = |at: usize| at == 0 || matches!(text[at - 1], b' ' | b'[');
    (0..text.len()).any(|at| text[at].is_ascii_digit() && begins(at) && time::at_start(&text[at..]).is_some())
}

fn priority(text: &[u8]) -> usize {
    let digits = text.iter().skip(1).take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let is_priority = text.first() == Some(&b'<') && digits > 0 && text.get(digits + 1) == Some(&b'>');
    if is_priority { digits + 2 } else { 0 }
}

/// Length of `-`, or of `[id name="value \" \] \\"][…]`.
fn structured(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'-') {
        return Some(1);
    }
    let (mut at, mut is_quoted) = (0, false);
    while text.get(at) == Some(&b'[') || at > 0 {
        match text.get(at) {
            None => return None,
            Some(b'\\') if is_quoted => at += 1,
            Some(b'"') => is_quoted = !is_quoted,
            Some(b']') if !is_quoted && text.get(at + 1) != Some(&b'[') => return Some(at + 1),
            Some(_) => {}
        }
        at += 1;
    }
    None
}

/// Whether every quote in what follows a line's known fields has its partner: one that opens behind a blank, `=` or a bracket,
/// and one that closes before a blank, a bracket or the end.
fn is_balanced(text: &[u8]) -> bool {
    if text.first() != Some(&b' ') {
        return false;
    }
    let mut at = 0;
    while let Some(open) = memchr(b'"', &text[at..]).map(|quote| at + quote) {
        if !matches!(text[open - 1], b' ' | b'=' | b'[' | b'(' | b'{' | b',' | b':' | b'/' | b'|') {
            return false;
        }
        let Some(close) = closing(text, open + 1) else { return false };
        at = close + 1;
    }
    true
}

fn closing(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'\\' {
            at += 2;
            continue;
        }
        if matches!(text.get(at + 1), None | Some(b' ' | b']' | b')' | b'}' | b',' | b';' | b'/' | b'|')) {
            return Some(at);
        }
        return None;
    }
}
