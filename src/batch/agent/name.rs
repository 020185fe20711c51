//! From a place in an agent to the name of the product that stands there.
//!
//! Input: text that starts with a name. Output: the part of it that is a name, a few words at most. Never: a version, an id or
//! an address in it; names taken from agents are keys of counts, so nothing may be left that differs from visit to visit.

use super::MAX_FAMILY_BYTES;
use super::address::{is_host_name, is_link};
use super::words::{has_bot_word, is_bare_bot_word};

/// Words of a name.
const MAX_WORDS: usize = 5;
/// Words kept of a text that goes on after [`MAX_WORDS`]: a sentence, not a name.
const SENTENCE_WORDS: usize = 3;
/// Hexadecimal digits in a row that make a word an id when one of them is a digit.
const ID_HEX_DIGITS: usize = 8;
/// A word this long with this many digits is an id.
const ID_WORD_BYTES: usize = 16;
const ID_WORD_DIGITS: usize = 5;
/// A word this long with digits, in which small letters, capitals and digits take turns this often, is an id.
const RANDOM_WORD_BYTES: usize = 12;
const RANDOM_WORD_CHANGES: usize = 8;
/// A single number behind a word of so many letters does not belong to its name.
const LONG_WORD_LETTERS: usize = 5;
/// A longer word is never a name; the longest known has 38 bytes.
const MAX_WORD_BYTES: usize = 48;

/// The name at the beginning of `text`; `None` if there is none.
pub(super) fn product(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(|c: char| !c.is_alphanumeric());
    let mut words = 0;
    let (mut end, mut sentence_end) = (0, 0);
    let mut at = 0;
    let mut open = true;
    while open {
        let rest = &text[at..];
        let Some(skip) = rest.find(|c: char| !c.is_whitespace()) else { break };
        let start = at + skip;
        let word = text[start..].split_whitespace().next().unwrap_or("");
        at = start + word.len();
        if words == MAX_WORDS {
            end = sentence_end;
            break;
        }
        if is_link(word.as_bytes())
            || (words > 0 && (word.starts_with("Mozilla/") || is_host_name(word.as_bytes())))
        {
            break;
        }
        let mut part = word;
        if let Some(cut) = word.find(ends_name) {
            part = &word[..cut];
            open = false;
            if word[cut..].starts_with('@') && words > 0 {
                break;
            }
        }
        if part.is_empty() || !part.contains(|c: char| c.is_alphanumeric()) {
            break;
        }
        // `77 WABC` and `1470.net crawler` start with numbers that are not versions.
        let number = words == 0 && open && !is_dotted(part) && begins_with_letter(&text[at..]);
        if is_version(part) && !number {
            break;
        }
        let kept = without_version(without_id(part), &word[part.len()..]);
        if kept.len() < part.len() {
            open = false;
        }
        if kept.is_empty() || is_id_word(kept) || is_hexadecimal(part) {
            break;
        }
        end = start + kept.len();
        words += 1;
        if words == SENTENCE_WORDS {
            sentence_end = end;
        }
        // "Willow Internet Crawler by Twotrees": the name ends with the word that says what it is.
        if has_bot_word(kept.as_bytes()) && (words > 1 || !is_bare_bot_word(kept)) {
            break;
        }
        if part.ends_with([':', '!']) && words > 1 {
            break;
        }
    }
    tidy(&text[..end])
}

fn ends_name(c: char) -> bool {
    matches!(
        c,
        '/' | '('
            | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | ';'
            | ','
            | '|'
            | '<'
            | '>'
            | '"'
            | '@'
            | '='
            | '\\'
            | '?'
            | '*'
            | '^'
            | '`'
            | '$'
    ) || c.is_control()
}

/// Whether the next word is one, and no version.
fn begins_with_letter(rest: &str) -> bool {
    let word = rest.split_whitespace().next().unwrap_or("");
    word.starts_with(char::is_alphabetic) && !is_version(word)
}

/// `2.0`, but not `1470.net`.
fn is_dotted(word: &str) -> bool {
    let mut parts = word.split('.');
    let digits = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    parts.next().is_some_and(digits) && parts.next().is_some_and(digits)
}

/// `2.0`, `v1.4.1`, `1.0rc2`, `2013`.
fn is_version(word: &str) -> bool {
    let rest = word.strip_prefix(['v', 'V']).unwrap_or(word);
    let rest = rest.strip_prefix('.').unwrap_or(rest).as_bytes();
    if !rest.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let letters = rest.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let dotted = rest.get(digits) == Some(&b'.') && rest.get(digits + 1).is_some_and(u8::is_ascii_digit);
    dotted || letters <= rest.len() - letters
}

/// A word that names one machine, visit or build rather than a product.
fn is_id_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    if bytes.len() > MAX_WORD_BYTES || (bytes.len() >= ID_WORD_BYTES && digits >= ID_WORD_DIGITS) {
        return true;
    }
    digits > 0 && bytes.split(|byte| !byte.is_ascii_alphanumeric()).any(is_id_part)
}

/// Letters and digits of an id: hexadecimal, or in no order.
fn is_id_part(part: &[u8]) -> bool {
    let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
    (part.len() >= ID_HEX_DIGITS && part.iter().all(u8::is_ascii_hexdigit))
        || (part.len() >= RANDOM_WORD_BYTES && digits >= 2 && changes(part) >= RANDOM_WORD_CHANGES)
}

/// How often small letters, capitals and digits take turns.
fn changes(word: &[u8]) -> usize {
    let kind = |byte: u8| (byte.is_ascii_lowercase(), byte.is_ascii_uppercase());
    word.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count()
}

/// `deadbeef01234567`, a uuid.
fn is_hexadecimal(word: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    word.len() >= ID_HEX_DIGITS && word.bytes().all(hex) && word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Cuts an id behind a separator: `TSM-4f1c2ab3`.
fn without_id(word: &str) -> &str {
    let mut end = 0;
    for part in word.split_inclusive(['-', '_', '.', '#']) {
        let plain = part.trim_end_matches(['-', '_', '.', '#']);
        if end > 0 && plain.len() >= ID_HEX_DIGITS && is_hexadecimal(plain) {
            return word[..end].trim_end_matches(['-', '_', '.', '#']);
        }
        end += part.len();
    }
    word
}

/// Cuts a version glued to a word: `binlar_2.6.3`, `trendictionbot0.5.0`, `Foo-v20240101`, `Foo-v3`, `Kinoma5`. Small numbers
/// belong to some names (`wget2`, `FastCrawler3`, `httplib2/0.18`). `rest` is what follows the word.
fn without_version<'a>(word: &'a str, rest: &str) -> &'a str {
    let bytes = word.as_bytes();
    for at in 1..bytes.len() {
        if bytes[at].is_ascii_digit() && !bytes[at - 1].is_ascii_digit() && is_glued_version(word, at, rest) {
            let marked =
                at >= 2 && matches!(bytes[at - 1], b'v' | b'V') && !bytes[at - 2].is_ascii_alphanumeric();
            let cut = if marked { at - 1 } else { at };
            return word[..cut].trim_end_matches(['-', '_', '.', '#']);
        }
    }
    word
}

/// Whether the digits at `at` begin a version.
fn is_glued_version(word: &str, at: usize, rest: &str) -> bool {
    let (head, tail) = (&word[..at], &word.as_bytes()[at..]);
    let run = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let dotted = tail.get(run) == Some(&b'.') && tail.get(run + 1).is_some_and(u8::is_ascii_digit);
    let numeric =
        tail.iter().filter(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')).count();
    if dotted || (run >= 4 && numeric * 2 >= tail.len()) {
        return true;
    }
    if run < tail.len() || head.len() <= 2 {
        return false;
    }
    // `aws-sdk-go-v2/1.24` is the name of a library; `Kinoma5/5.1` repeats its version.
    let is_all = match rest.strip_prefix('/') {
        Some(version) => version.as_bytes().starts_with(tail) && version.as_bytes().get(run) == Some(&b'.'),
        None => true,
    };
    let marked = ["-v", "_v", "-V", "_V"].iter().any(|mark| head.ends_with(mark));
    let letters = head.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    is_all && (marked || (letters >= LONG_WORD_LETTERS && !has_bot_word(head.as_bytes())))
}

/// Last cuts: edges, the telephone an application runs on, the length.
fn tidy(name: &str) -> Option<&str> {
    let mut name = name.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '!'));
    for device in ["-iPad", "-iPhone", "-Android", "-iOS"] {
        if let Some(rest) = name.strip_suffix(device)
            && rest.len() > 1
        {
            name = rest.trim_end();
        }
    }
    if name.len() > MAX_FAMILY_BYTES {
        name = &name[..name.floor_char_boundary(MAX_FAMILY_BYTES)];
        name = name.trim_end_matches(|c: char| !c.is_alphanumeric());
    }
    let letters = name.chars().filter(|c| c.is_alphabetic()).take(2).count();
    let clean = !name.contains(|c: char| c.is_control());
    (letters > 0 && name.len() >= 2 && clean).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_stands_before_versions_ids_and_addresses() {
        for (text, expected) in [
            ("Foo/1.0 (x)", Some("Foo")),
            ("Brightbot 1.0", Some("Brightbot")),
            ("Sogou web spider/4.0", Some("Sogou web spider")),
            ("Willow Internet Crawler by Twotrees V2.1", Some("Willow Internet Crawler")),
            ("Bot Blocker Crawler 1.0", Some("Bot Blocker Crawler")),
            ("binlar_2.6.3 test@mgmt.mic", Some("binlar")),
            ("trendictionbot0.5.0", Some("trendictionbot")),
            ("wget2", Some("wget2")),
            ("FastCrawler3", Some("FastCrawler3")),
            ("httplib2/0.18", Some("httplib2")),
            ("Kinoma5/5.1", Some("Kinoma")),
            ("Kinoma5", Some("Kinoma")),
            ("Experibot-v3", Some("Experibot")),
            ("zebra-v2-bot", Some("zebra-v2-bot")),
            ("TSM-4f1c2ab3", Some("TSM")),
            ("sp-agent ETSfy24nuLJtoscVI1I0Fw", Some("sp-agent")),
            ("Lkx-Apache2449TraversalPlugin/0.0.1", Some("Lkx-Apache2449TraversalPlugin")),
            ("9bot/1.0", Some("9bot")),
            ("lemurwebcrawler admin@lemurproject.org", Some("lemurwebcrawler")),
            ("kototoi-crawl@yl.is", Some("kototoi-crawl")),
            ("monitis - premium monitoring", Some("monitis")),
            ("Planet Boing!/1.4", Some("Planet Boing!")),
            ("WeltMobile-iPad/4.2", Some("WeltMobile")),
            ("1.2.3", None),
            ("12345", None),
            ("deadbeef01234567", None),
            ("69a214b6-5a7b-43e5-89d8-e8f4a9946f3e", None),
            ("https://example.org", None),
            ("", None),
            ("()", None),
            ("one two three four five six seven", Some("one two three")),
            ("Agent 7f3a9c21bb", Some("Agent")),
            ("77 WABC/11 CFNetwork/758", Some("77 WABC")),
            ("1470.net crawler", Some("1470.net crawler")),
            ("5.0 compatible", None),
        ] {
            assert_eq!(product(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_name_has_at_most_64_bytes() {
        let word = "é".repeat(MAX_WORD_BYTES / 2);
        let name = product(&format!("{word} {word} {word}")).map(str::len);
        // 48 of the first word, a blank, and 7 letters of the second: 64 is inside a letter.
        assert_eq!(name, Some(63));
        assert_eq!(product(&"x".repeat(MAX_WORD_BYTES + 1)), None);
    }
}
