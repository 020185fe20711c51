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

use memchr::{memchr, memchr2, memchr3, memmem};

use super::shapes::{
    before_literal, four_decimals, has_nine_decimals, holds_time, is_balanced, number, priority, protocol,
    stands_at, status, structured,
};
use super::{FieldStep, MAX_STEPS, Template, TemplateStep, TextClass};
use crate::entry::field::{ByteSpan, Found, FoundValue, LogField};
use crate::entry::request;
use crate::entry::time::{self, Moment, Partial};

/// Times that the rest of a line is checked for balanced quotes, at most: each check may read all of the rest.
const MAX_REST_CHECKS: u32 = 16;

/// Matches lines; keeps its memory between them.
#[derive(Clone, Debug)]
pub(in crate::entry) struct Matcher {
    spans: Vec<ByteSpan>,
    moments: Vec<Option<Moment>>,
    /// The earliest start that failed, by step.
    failed: Vec<u32>,
    stack: Vec<Open>,
    rest_checks: u32,
    /// A place, and the first quote from there on; [`usize::MAX`] where there is none.
    next_quote: (usize, usize),
    /// The furthest step that was come to.
    furthest: usize,
    /// One more than the last step whose text was begun: a text in quotes, or a request.
    begun: usize,
    pub(in crate::entry) times: time::LastTime,
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
            spans: vec![ByteSpan::default(); MAX_STEPS],
            moments: vec![None; MAX_STEPS],
            failed: vec![u32::MAX; MAX_STEPS],
            stack: Vec::with_capacity(MAX_STEPS),
            rest_checks: 0,
            next_quote: (1, 0),
            furthest: 0,
            begun: 0,
            times: time::LastTime::default(),
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
        (self.furthest, self.begun) = (0, 0);
        let mut pass = Pass { wants_protocol: template.request_step.is_some(), heeds_escapes: true };
        loop {
            if (LineWalk { matcher: self, steps: &template.steps, line, pass }).run() {
                return true;
            }
            // Other ends help only where a text was begun that could have them.
            let has_begun = |step: Option<usize>| step.is_some_and(|step| self.begun > step);
            pass = match pass {
                Pass { wants_protocol: true, .. } if has_begun(template.request_step) => {
                    Pass { wants_protocol: false, ..pass }
                }
                Pass { heeds_escapes: true, .. }
                    if has_begun(template.quoted_step) && memmem::find(line, b"\\\"").is_some() =>
                {
                    Pass { wants_protocol: template.request_step.is_some(), heeds_escapes: false }
                }
                _ => return false,
            };
        }
    }

    fn offer(&self, template: &Template, line: &[u8], found: &mut Found) {
        for output in &template.outputs {
            let value = FoundValue { span: self.spans[output.step], ..output.value };
            found.put(output.slot, value, line);
        }
        for place in &template.times {
            let TemplateStep::Field(step) = &template.steps[*place] else { continue };
            let span = self.spans[*place];
            match (&step.class, step.field) {
                (TextClass::Pattern(pattern), _) => {
                    let mut piece = Partial::default();
                    pattern.read(span.of(line), &mut piece);
                    found.pieces = Some(found.pieces.unwrap_or_default().or(piece));
                }
                (_, LogField::DurationPart(unit)) => found.add_duration(span, unit, line),
                _ => {
                    if let Some(moment) = self.moments[*place]
                        && found.moment.is_none_or(|(rank, _)| step.rank < rank)
                    {
                        found.moment = Some((step.rank, moment));
                    }
                }
            }
        }
    }
}

/// One walk of a line through the steps.
struct LineWalk<'w> {
    matcher: &'w mut Matcher,
    steps: &'w [TemplateStep],
    line: &'w [u8],
    pass: Pass,
}

impl LineWalk<'_> {
    fn run(&mut self) -> bool {
        self.matcher.stack.clear();
        self.matcher.rest_checks = 0;
        self.matcher.next_quote = (1, 0);
        self.matcher.failed[..self.steps.len()].fill(u32::MAX);
        let (mut place, mut at) = (0, 0);
        loop {
            let end = match self.steps.get(place) {
                None if at == self.line.len() => return true,
                None => None,
                Some(TemplateStep::Literal(text)) => {
                    stands_at(text, self.line, at).then_some(at + text.len())
                }
                Some(TemplateStep::Field(step)) => self.enter(place, step, at),
            };
            match end {
                Some(end) => (place, at) = (place + 1, end),
                None => match self.try_again() {
                    Some(next) => (place, at) = next,
                    None => return false,
                },
            }
            self.matcher.furthest = self.matcher.furthest.max(place);
        }
    }

    /// Reads a field that begins at `at`; returns where the next step begins.
    #[inline]
    fn enter(&mut self, place: usize, step: &FieldStep, at: usize) -> Option<usize> {
        if step.is_quoted {
            if self.line.get(at) == Some(&b'-') && self.follows(place + 1, at + 1) {
                self.matcher.spans[place] = ByteSpan::new(at, at + 1);
                return Some(at + 1);
            }
            if self.line.get(at) != Some(&b'"') {
                return None;
            }
            self.matcher.begun = self.matcher.begun.max(place + 1);
            return self.open(Open { step: place, start: at + 1, from: at + 1 });
        }
        match step.class {
            TextClass::Text | TextClass::Request | TextClass::Word => {
                if matches!(step.class, TextClass::Request) {
                    self.matcher.begun = self.matcher.begun.max(place + 1);
                }
                self.open(Open { step: place, start: at, from: at })
            }
            _ => {
                let end = self.end(place, &step.class, at)?;
                self.matcher.spans[place] = ByteSpan::new(at, end);
                Some(end)
            }
        }
    }

    /// Ends the last open text at its next end; returns the next step and where it begins.
    fn try_again(&mut self) -> Option<(usize, usize)> {
        while let Some(open) = self.matcher.stack.pop() {
            if let Some(end) = self.open(open) {
                return Some((open.step + 1, end));
            }
        }
        None
    }

    /// Ends a text at its next end from `open.from`; what remains to be tried is put on the stack. Returns where the next step
    /// begins.
    #[inline]
    fn open(&mut self, open: Open) -> Option<usize> {
        let Some(TemplateStep::Field(step)) = self.steps.get(open.step) else { return None };
        let start = open.start as u32;
        if start >= self.matcher.failed[open.step] {
            return None;
        }
        let end = if step.is_quoted { self.quoted_end(step, open) } else { self.bare_end(step, open) };
        let Some(end) = end else {
            // Words end at blanks: a later one has other ends.
            if !matches!(step.class, TextClass::Word) {
                self.matcher.failed[open.step] = start;
            }
            return None;
        };
        self.matcher.spans[open.step] = ByteSpan::new(open.start, end);
        self.matcher.stack.push(Open { from: end + 1, ..open });
        Some(end + usize::from(step.is_quoted))
    }

    fn quoted_end(&self, step: &FieldStep, open: Open) -> Option<usize> {
        let mut from = open.from;
        loop {
            let quote = from + memchr(b'"', self.line.get(from..)?)?;
            let is_end = !(self.pass.heeds_escapes && self.is_escaped(open.start, quote))
                && self.follows(open.step + 1, quote + 1);
            match step.class {
                // The first quote ends a word.
                TextClass::Word => {
                    let word = &self.line[open.start..quote];
                    let is_word = from == open.start && !word.is_empty() && memchr(b' ', word).is_none();
                    return (is_end && is_word).then_some(quote);
                }
                _ if is_end && self.is_allowed(step, open.start, quote) => return Some(quote),
                _ => from = quote + 1,
            }
        }
    }

    fn bare_end(&self, step: &FieldStep, open: Open) -> Option<usize> {
        let mut from = open.from;
        loop {
            let end = match self.steps.get(open.step + 1) {
                None => (from <= self.line.len()).then_some(self.line.len())?,
                Some(TemplateStep::Literal(text)) if matches!(step.class, TextClass::Word) => {
                    return self.word_end(text, open);
                }
                Some(TemplateStep::Literal(text)) => from + before_literal(self.line.get(from..)?, text)?,
                Some(TemplateStep::Field(next)) if next.is_quoted => {
                    from + memchr2(b'"', b'-', self.line.get(from..)?)?
                }
                Some(TemplateStep::Field(_)) => (from <= self.line.len()).then_some(from)?,
            };
            if self.is_allowed(step, open.start, end) {
                return Some(end);
            }
            if matches!(step.class, TextClass::Word) && end > open.start {
                return None;
            }
            from = end + 1;
        }
    }

    /// The next end of a word before a literal; not beyond the first blank or quote.
    fn word_end(&self, literal: &[u8], open: Open) -> Option<usize> {
        let mut from = open.from;
        loop {
            // The byte at which the word ended before is part of it now.
            if from > open.start && matches!(self.line.get(from - 1), Some(b' ' | b'"')) {
                return None;
            }
            let end = from + memchr3(literal[0], b' ', b'"', self.line.get(from..)?)?;
            if end > open.start && stands_at(literal, self.line, end) {
                return Some(end);
            }
            from = end + 1;
        }
    }

    #[inline]
    fn is_allowed(&self, step: &FieldStep, start: usize, end: usize) -> bool {
        let text = &self.line[start..end];
        match step.class {
            TextClass::Request if self.pass.wants_protocol => request::has_protocol(text),
            TextClass::Word => !text.is_empty() && memchr2(b' ', b'"', text).is_none(),
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
            Some(TemplateStep::Literal(text)) => stands_at(text, rest, 0),
            Some(TemplateStep::Field(step)) => match step.class {
                TextClass::More | TextClass::MoreWords => matches!(rest.first(), None | Some(b' ')),
                _ => true,
            },
        }
    }

    /// The one end of a field whose text says itself where it ends.
    #[inline]
    fn end(&mut self, place: usize, class: &TextClass, at: usize) -> Option<usize> {
        let rest = &self.line[at..];
        let run = |is_in: fn(&u8) -> bool| at + rest.iter().take_while(|byte| is_in(byte)).count();
        match class {
            TextClass::Number => number(rest).map(|length| at + length),
            TextClass::Count => Some(run(u8::is_ascii_digit)).filter(|end| *end > at),
            TextClass::FourDecimals => four_decimals(rest).map(|length| at + length),
            TextClass::Status => status(rest).map(|length| at + length),
            TextClass::Time => {
                let read = self.matcher.times.at_start(rest);
                self.moment(place, read, at)
            }
            TextClass::DockerTime => {
                self.moment(place, time::at_start(rest).filter(|_| has_nine_decimals(rest)), at)
            }
            TextClass::UnixTime => self.moment(place, time::unix_at_start(rest), at),
            TextClass::Protocol => Some(at + protocol(rest)),
            TextClass::WallTime => self.moment(place, time::wall_at_start(rest), at),
            TextClass::Pattern(pattern) => {
                pattern.read(rest, &mut Partial::default()).map(|length| at + length)
            }
            TextClass::Between if rest.first() == Some(&b'"') => Some(at),
            TextClass::Between => {
                let end = self.next_quote(at)?;
                (!holds_time(&self.line[at..end])).then_some(end)
            }
            TextClass::Hex(least) => Some(run(u8::is_ascii_hexdigit)).filter(|end| end - at >= *least),
            TextClass::OneOf(words) => {
                let is_here = |word: &&&str| rest.starts_with(word.as_bytes());
                words.iter().filter(is_here).map(|word| at + word.len()).max()
            }
            TextClass::Blanks => Some(run(|byte| matches!(byte, b' ' | b'\t'))),
            TextClass::Priority => Some(at + priority(rest)),
            TextClass::SyslogTime => {
                // Without a year it is no moment, and RFC 5424 has `-` where the sender has no clock.
                self.matcher.moments[place] = None;
                let is_nil = rest.first() == Some(&b'-');
                let end = if is_nil { Some(1) } else { time::bsd_at_start(rest) };
                end.map(|end| at + end).or_else(|| self.moment(place, time::at_start(rest), at))
            }
            TextClass::Structured => structured(rest).map(|length| at + length),
            TextClass::Rest => Some(self.line.len()),
            TextClass::RestBehind(words) => {
                let follows = |word: &&str| {
                    rest.strip_prefix(word.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'))
                };
                words.iter().any(follows).then_some(self.line.len())
            }
            TextClass::MoreWords => {
                let fits = rest.is_empty() || (rest[0] == b' ' && memchr(b'"', rest).is_none());
                fits.then_some(self.line.len())
            }
            TextClass::More => {
                self.matcher.rest_checks += u32::from(!rest.is_empty());
                let fits =
                    rest.is_empty() || (self.matcher.rest_checks <= MAX_REST_CHECKS && is_balanced(rest));
                fits.then_some(self.line.len())
            }
            TextClass::Text | TextClass::Request | TextClass::Word => None,
        }
    }

    /// The first quote from `at` on. Asked again and again for places before the same one.
    fn next_quote(&mut self, at: usize) -> Option<usize> {
        let (from, quote) = self.matcher.next_quote;
        if at < from || at > quote {
            let quote = memchr(b'"', &self.line[at..]).map_or(usize::MAX, |quote| at + quote);
            self.matcher.next_quote = (at, quote);
        }
        Some(self.matcher.next_quote.1).filter(|quote| *quote != usize::MAX)
    }

    fn moment(&mut self, place: usize, read: Option<(Moment, usize)>, at: usize) -> Option<usize> {
        let (moment, length) = read?;
        self.matcher.moments[place] = Some(moment);
        Some(at + length)
    }
}
