//! Turns the bytes a client sent as its agent into the text that the rules read.
//!
//! Input: an agent as it was sent. Output: at most [`MAX_AGENT_BYTES`] of it: without blanks and quotes around it, URL
//! encoding undone, control characters replaced by blanks, invisible and direction-changing characters removed. Borrowed
//! where nothing had to change. Never: a judgement about the agent.

use std::borrow::Cow;

use crate::base::hex::hex_byte;
use crate::batch::MAX_AGENT_BYTES;

/// Times an agent is decoded: proxies encode `%20` again as `%2520`.
const MAX_DECODINGS: usize = 3;

/// The text of an agent that the rules read; empty if there is nothing to read.
pub(super) fn readable(user_agent: &str) -> Cow<'_, str> {
    let text = without_edges(&user_agent[..user_agent.floor_char_boundary(MAX_AGENT_BYTES)]);
    let text = match decoded(text) {
        Some(decoded) => Cow::Owned(decoded),
        None => Cow::Borrowed(text),
    };
    match visible(&text) {
        Some(visible) => Cow::Owned(without_edges(&visible).to_owned()),
        None => text,
    }
}

/// Cuts blanks, control characters, quotes, and the header's own name (`User-Agent: …`) off both ends.
fn without_edges(text: &str) -> &str {
    let is_edge = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`');
    let text = text.trim_matches(is_edge);
    const HEADER: &[u8] = b"user-agent:";
    match text.as_bytes().get(..HEADER.len()) {
        Some(start) if start.eq_ignore_ascii_case(HEADER) => text[HEADER.len()..].trim_matches(is_edge),
        _ => text,
    }
}

/// Undoes URL encoding: `ESPN%20Radio`, `Mozilla%252F5.0`, `Mozilla/5.0+(…)`. `None` if nothing is encoded.
fn decoded(text: &str) -> Option<String> {
    let mut decoded = decoded_once(text);
    for _ in 1..MAX_DECODINGS {
        match decoded.as_deref().and_then(decoded_once) {
            Some(again) => decoded = Some(again),
            None => break,
        }
    }
    let text = decoded.as_deref().unwrap_or(text);
    if has_plus_for_blank(text.as_bytes()) {
        return Some(text.replace('+', " "));
    }
    decoded
}

/// Undoes one round of percent encoding. `None` if there is none, or if the result is not UTF-8.
fn decoded_once(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut rest = memchr::memchr(b'%', bytes)?;
    let mut out = bytes[..rest].to_vec();
    while rest < bytes.len() {
        let byte = match (bytes[rest], hex_byte(&bytes[rest + 1..])) {
            (b'%', Some(byte)) => {
                rest += 2;
                byte
            }
            (byte, _) => byte,
        };
        out.push(byte);
        rest += 1;
    }
    if out.len() == bytes.len() {
        return None;
    }
    String::from_utf8(out).ok()
}

/// Whether `+` stands for a blank: no blank in the agent, and `+(` in it.
fn has_plus_for_blank(bytes: &[u8]) -> bool {
    memchr::memchr(b'+', bytes).is_some()
        && (memchr::memchr(b' ', bytes).is_none() && memchr::memmem::find(bytes, b"+(").is_some()
            || memchr::memmem::find(bytes, b"/5.0+(").is_some())
}

/// The text without invisible characters, and with blanks for control characters. `None` if it has neither.
fn visible(text: &str) -> Option<String> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return None;
    }
    if !text.contains(|c: char| is_invisible(c) || is_blank(c)) {
        return None;
    }
    Some(text.chars().filter(|&c| !is_invisible(c)).map(|c| if is_blank(c) { ' ' } else { c }).collect())
}

/// Control characters (C0, DEL, C1), and blanks other than the usual one.
fn is_blank(c: char) -> bool {
    c != ' ' && (c.is_control() || c.is_whitespace())
}

/// Characters that show nothing, or only change the direction of others: Unicode's `Default_Ignorable_Code_Point` and
/// interlinear annotations. `Goo\u{200b}glebot` looks like `Googlebot`, so it is read as that.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0x1_BCA0..=0x1_BCA3 | 0x1_D173..=0x1_D17A | 0xE_0000..=0xE_0FFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_agents_are_decoded() {
        for (sent, expected) in [
            ("ESPN%20Radio/3", "ESPN Radio/3"),
            ("Mozilla%2F5.0%20%28X11%3B%20Linux%29", "Mozilla/5.0 (X11; Linux)"),
            ("Mozilla%252F5.0%2520(X11)", "Mozilla/5.0 (X11)"),
            ("%E5%BE%AE%E4%BF%A1/8.0", "微信/8.0"),
            ("Mozilla/5.0+(compatible;+Quux/2.0)", "Mozilla/5.0 (compatible; Quux/2.0)"),
            ("100% Quux", "100% Quux"),
            ("Quux/%zz", "Quux/%zz"),
            // No UTF-8: stays as it was sent.
            ("Quux%FF", "Quux%FF"),
            ("C++ client/1", "C++ client/1"),
        ] {
            assert_eq!(readable(sent), expected, "{sent}");
        }
    }

    #[test]
    fn invisible_characters_disappear_and_control_characters_are_blanks() {
        for (sent, expected) in [
            ("Goo\u{200b}gle\u{ad}bot/2.1", "Googlebot/2.1"),
            ("\u{feff}curl/8", "curl/8"),
            ("\u{202e}lruc\u{202c}/8", "lruc/8"),
            ("Quux\u{85}Reader\u{1}/1", "Quux Reader /1"),
            ("Quux%E2%80%8BBot%0A/1", "QuuxBot /1"),
            ("Quux\u{a0}Reader\u{2028}/1", "Quux Reader /1"),
            ("\u{2066}\u{200b}\u{2069}", ""),
            ("\u{200b}\"Quux\"", "Quux"),
        ] {
            assert_eq!(readable(sent), expected, "{sent:?}");
        }
    }

    #[test]
    fn plain_agents_are_not_copied() {
        for agent in ["Mozilla/5.0 (X11; Linux x86_64)", "Cốc Cốc/1 +http://x.example", " \"curl/8\" "] {
            assert!(matches!(readable(agent), Cow::Borrowed(_)), "{agent}");
        }
    }
}
