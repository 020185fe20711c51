//! logfmt: names and values with `=` between them, `method=GET path="/a b" status=200`; and LTSV, labels and values with `:`
//! between them and tabs behind them.
//!
//! Input: a message, and where its first pair begins. Output: the values under known names, still escaped. Never: a quoted value
//! read as pairs, or a second meaning for what JSON calls the same.

use memchr::{memchr, memchr_iter, memchr2};

use super::scan::{FoundName, ValueKind};
use super::trie::{ROOT, Trie};
use crate::entry::field::ByteSpan;
use crate::entry::skip::Skip;

/// No known name is longer.
const MAX_NAME_BYTES: usize = 64;

/// Finds the values under the names of `trie` in the pairs that begin at `start`.
pub(super) fn scan(trie: &Trie, message: &[u8], start: usize, hits: &mut Vec<FoundName>) -> Result<(), Skip> {
    hits.clear();
    let mut at = start;
    while at < message.len() {
        let Some(length) = name_length(&message[at..]) else {
            // A word without a value, or a blank.
            at = word_end(message, at) + 1;
            continue;
        };
        let name = trie.child(ROOT, &message[at..at + length]).name();
        let value = at + length + 1;
        let is_string = message.get(value) == Some(&b'"');
        let span = if is_string {
            let end = string_end(message, value + 1).ok_or(Skip::CutOff)?;
            at = end + 1;
            ByteSpan::new(value + 1, end)
        } else {
            at = bare_end(message, value);
            ByteSpan::new(value, at)
        };
        let kind = if is_string { ValueKind::String } else { ValueKind::Bare };
        hits.extend(name.map(|name| FoundName { name, span, kind }));
    }
    Ok(())
}

/// Finds the values under the labels of `trie`.
pub(super) fn scan_labels(trie: &Trie, message: &[u8], start: usize, hits: &mut Vec<FoundName>) {
    hits.clear();
    let mut at = start;
    while at < message.len() {
        let end = memchr(b'\t', &message[at..]).map_or(message.len(), |tab| at + tab);
        let name = label_length(&message[at..end])
            .and_then(|length| Some((trie.child(ROOT, &message[at..at + length]).name()?, at + length + 1)));
        hits.extend(name.map(|(name, value)| FoundName {
            name,
            span: ByteSpan::new(value, end),
            kind: ValueKind::String,
        }));
        at = end + 1;
    }
}

/// Whether a text begins with two labels.
pub(super) fn begins_with_labels(text: &[u8]) -> bool {
    label_length(text).is_some()
        && memchr(b'\t', text).is_some_and(|tab| label_length(&text[tab + 1..]).is_some())
}

/// Where pairs begin behind other words: at the first name that a blank stands before.
pub(super) fn behind_words(message: &[u8]) -> Option<usize> {
    memchr(b'=', message)?;
    let mut words = memchr_iter(b' ', message).map(|blank| blank + 1);
    words.find(|word| name_length(&message[*word..]).is_some())
}

/// The length of a name that `=` follows.
pub(super) fn name_length(text: &[u8]) -> Option<usize> {
    name_before(b'=', text)
}

/// The length of a label, which `:` follows.
fn label_length(text: &[u8]) -> Option<usize> {
    name_before(b':', text)
}

fn name_before(end: u8, text: &[u8]) -> Option<usize> {
    let is_in_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.@/".contains(byte);
    let length = text.iter().take(MAX_NAME_BYTES + 1).take_while(|byte| is_in_name(byte)).count();
    let begins = text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'@'));
    (begins && length <= MAX_NAME_BYTES && text.get(length) == Some(&end)).then_some(length)
}

/// The quote that ends a string: not behind a backslash.
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

fn word_end(text: &[u8], at: usize) -> usize {
    memchr2(b' ', b'\t', &text[at..]).map_or(text.len(), |blank| at + blank)
}

/// Where a value without quotes ends: before the blank that the next pair or the end follows. Some writers (lograge) put no
/// quotes around values with blanks.
fn bare_end(text: &[u8], value: usize) -> usize {
    let mut end = word_end(text, value);
    while end < text.len() {
        let next = end + 1;
        if next >= text.len() || name_length(&text[next..]).is_some() {
            return end;
        }
        end = word_end(text, next);
    }
    end
}
