//! Texts whose end follows from their shape: numbers, statuses, protocols, the parts of a syslog header, balanced quotes.
//!
//! Input: a text, from where a field may begin. Output: how long the field is, or whether the text has the shape. Never: reads
//! a byte more often than a few times.

use memchr::{memchr, memchr2};

use crate::entry::time;

/// Length of `12`, `0.011`, `+164`, `-1` or `-` at the start of a text.
#[inline]
pub(in crate::entry) fn number(text: &[u8]) -> Option<usize> {
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

/// Length of what stands before a literal in a text.
#[inline]
pub(in crate::entry) fn before_literal(text: &[u8], literal: &[u8]) -> Option<usize> {
    let last = literal.len() - 1;
    let mut start = 0;
    loop {
        // The last byte of a literal is the rarer one: a bracket or a bar behind a blank.
        start += memchr(literal[last], text.get(start + last..)?)?;
        if stands_at(literal, text, start) {
            return Some(start);
        }
        start += 1;
    }
}

/// Whether a literal stands at a place of a line. Most are one or two bytes long, which no call is worth.
#[inline]
pub(in crate::entry) fn stands_at(literal: &[u8], line: &[u8], at: usize) -> bool {
    let Some(here) = line.get(at..at + literal.len()) else { return false };
    here[0] == literal[0]
        && match literal.len() {
            1 => true,
            2 => here[1] == literal[1],
            _ => here[1..] == literal[1..],
        }
}

/// Length of a number with four decimals, such as `0.0123`.
pub(super) fn four_decimals(text: &[u8]) -> Option<usize> {
    let length = number(text)?;
    let point = memchr(b'.', &text[..length])?;
    (length - point == 5).then_some(length)
}

/// Whether a time of RFC 3339 at the start of a text has nine decimals.
pub(super) fn has_nine_decimals(text: &[u8]) -> bool {
    matches!(text, [_, _, _, _, _, _, _, _, _, _, b'T', ..])
        && text.get(19..30).is_some_and(|rest| {
            rest[0] == b'.'
                && rest[1..10].iter().all(u8::is_ascii_digit)
                && matches!(rest[10], b'Z' | b'+' | b'-')
        })
}

#[inline]
pub(in crate::entry) fn status(text: &[u8]) -> Option<usize> {
    let digits = text.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    match text {
        [b'-', b'1', ..] => Some(2),
        [b'-', ..] => Some(1),
        _ => (1..=3).contains(&digits).then_some(digits),
    }
}

/// Whether a time stands anywhere in a text, in brackets or as a word.
pub(super) fn holds_time(text: &[u8]) -> bool {
    (0..text.len()).any(|at| time::may_begin_at(text, at) && time::at_start(&text[at..]).is_some())
}

/// Length of `HTTP/1.1`, `HTTP/2` or `-`; 0 for anything else.
pub(super) fn protocol(text: &[u8]) -> usize {
    match text.strip_prefix(b"HTTP/") {
        Some([b'0'..=b'9', b'.', b'0'..=b'9', ..]) => 8,
        Some([b'0'..=b'9', ..]) => 6,
        Some(_) => 0,
        None => usize::from(text.first() == Some(&b'-')),
    }
}

pub(super) fn priority(text: &[u8]) -> usize {
    let digits = text.iter().skip(1).take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let is_priority = text.first() == Some(&b'<') && digits > 0 && text.get(digits + 1) == Some(&b'>');
    if is_priority { digits + 2 } else { 0 }
}

/// Length of `-`, or of `[id name="value \" \] \\"][…]`.
pub(super) fn structured(text: &[u8]) -> Option<usize> {
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
pub(in crate::entry) fn is_balanced(text: &[u8]) -> bool {
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
