//! One JSON object, as log lines have it: proper, or with what nginx's variables leave in it.
//!
//! Input: a message that begins with `{`. Output: the values under known names, still escaped. Never: recursion, or memory
//! beyond the values found.
//!
//! Beyond JSON it takes `\xHH` in strings, values without quotes that are `-`, empty or a list (`"a": 0.012, 0.240, "b": …`)
//! and quotes inside of strings that are followed by nothing that could follow the end of one.

use memchr::{memchr, memchr2};

use super::trie::{Child, ROOT, Trie, TrieNode};
use crate::entry::field::ByteSpan;
use crate::entry::skip::Skip;

/// A value under a known name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundName {
    /// The number of its name.
    pub(super) name: usize,
    /// Its text, without quotes; of an array of strings the first one's.
    pub(super) span: ByteSpan,
    pub(super) kind: ValueKind,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    /// A number, or anything else without quotes.
    Bare,
    /// A string: escaped, and never a number by itself.
    String,
    /// An array of numbers: the bytes of a text (`MESSAGE` of journald).
    Bytes,
    /// An array of objects, or of arrays.
    Records,
}

/// Deeper objects are passed over.
const MAX_DEPTH: usize = 32;
/// Keys whose meaning is remembered from line to line.
const MAX_LAYOUT: usize = 128;

/// Finds values; remembers what the keys of the last line meant, because the next line most likely has the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Scanner {
    layout: Vec<Known>,
    /// Keys of this line so far.
    keys: usize,
    pub(super) hits: Vec<FoundName>,
}

#[derive(Clone, Debug)]
struct Known {
    node: TrieNode,
    key: Box<[u8]>,
    child: Child,
}

impl Scanner {
    /// Finds the values under the names of `trie` in the object that begins at `start`.
    pub(super) fn scan(&mut self, trie: &Trie, message: &[u8], start: usize) -> Result<(), Skip> {
        self.hits.clear();
        self.keys = 0;
        let mut depth = 0;
        let mut nodes = [ROOT; MAX_DEPTH];
        let mut at = start + 1;
        loop {
            at = skip_blanks(message, at);
            match message.get(at) {
                Some(b'"') => {}
                Some(b',') => {
                    at += 1;
                    continue;
                }
                Some(b'}') if depth > 0 => {
                    depth -= 1;
                    at += 1;
                    continue;
                }
                Some(b'}') => return end(&message[at + 1..]),
                None => return Err(Skip::CutOff),
                Some(_) => return Err(Skip::NotJson),
            }
            let key_end = string_end(message, at + 1, After::Key).ok_or(Skip::CutOff)?;
            let child = self.child(trie, nodes[depth], &message[at + 1..key_end]);
            at = skip_blanks(message, key_end + 1);
            if message.get(at) != Some(&b':') {
                return Err(if at >= message.len() { Skip::CutOff } else { Skip::NotJson });
            }
            at = skip_blanks(message, at + 1);
            match (message.get(at), child.node()) {
                (Some(b'{'), Some(node)) if depth + 1 < MAX_DEPTH => {
                    depth += 1;
                    nodes[depth] = node;
                    at += 1;
                }
                (Some(b'['), Some(node)) => {
                    let list = at;
                    at = self.value(message, at, child.name())?;
                    self.keep_named(trie, node, &message[..at], list);
                }
                _ => at = self.value(message, at, child.name())?,
            }
        }
    }

    #[inline]
    fn child(&mut self, trie: &Trie, node: TrieNode, key: &[u8]) -> Child {
        let place = self.keys;
        self.keys += 1;
        if let Some(known) = self.layout.get(place)
            && known.node == node
            && *known.key == *key
        {
            return known.child;
        }
        let child = match memchr(b'\\', key) {
            None => trie.child(node, key),
            Some(_) => {
                let mut plain = Vec::new();
                crate::entry::field::Escape::Json.undo(key, &mut plain);
                trie.child(node, &plain)
            }
        };
        let known = Known { node, key: key.into(), child };
        match self.layout.get_mut(place) {
            Some(old) => *old = known,
            None if place < MAX_LAYOUT => self.layout.push(known),
            None => {}
        }
        child
    }

    /// Passes over a value and keeps it, if it has a name; returns where it ends.
    #[inline]
    fn value(&mut self, message: &[u8], at: usize, name: Option<usize>) -> Result<usize, Skip> {
        match message.get(at) {
            None => Err(Skip::CutOff),
            Some(b'"') => {
                let end = string_end(message, at + 1, After::Value).ok_or(Skip::CutOff)?;
                self.keep(name, ByteSpan::new(at + 1, end), ValueKind::String);
                Ok(end + 1)
            }
            Some(b'{') => skip_nested(message, at),
            Some(b'[') => {
                let end = skip_nested(message, at)?;
                if let Some(name) = name {
                    self.keep_array(name, message, at, end);
                }
                Ok(end)
            }
            Some(_) => {
                let end = bare_end(message, at).ok_or(Skip::CutOff)?;
                let length = message[at..end].trim_ascii_end().len();
                let text = &message[at..at + length];
                if !is_constant(text) {
                    self.keep(name, ByteSpan::new(at, at + length), ValueKind::Bare);
                }
                Ok(end)
            }
        }
    }

    #[inline]
    fn keep(&mut self, name: Option<usize>, span: ByteSpan, kind: ValueKind) {
        if let Some(name) = name {
            self.hits.push(FoundName { name, span, kind });
        }
    }

    /// Keeps the first string of an array, because header values are lists in some logs; of other arrays all.
    fn keep_array(&mut self, name: usize, message: &[u8], at: usize, end: usize) {
        let first = skip_blanks(message, at + 1);
        let inside = ByteSpan::new(at + 1, end - 1);
        match message[first] {
            b'"' => {
                if let Some(close) = string_end(message, first + 1, After::Element) {
                    self.keep(Some(name), ByteSpan::new(first + 1, close), ValueKind::String);
                }
            }
            b'{' | b'[' => self.keep(Some(name), inside, ValueKind::Records),
            byte if byte.is_ascii_digit() => self.keep(Some(name), inside, ValueKind::Bytes),
            _ => {}
        }
    }
}

/// What the objects of a list call their name, in which each is a name with its value,
const NAMES: [&[u8]; 2] = [b"name", b"key"];
/// and their value, which OpenTelemetry puts into an object of its own.
const VALUES: [&[u8]; 4] = [b"value", b"stringValue", b"intValue", b"doubleValue"];

impl Scanner {
    /// Keeps the values of a list like `[{"name":"Host","value":"example.com"}]` as if it were `{"Host":"example.com"}`.
    fn keep_named(&mut self, trie: &Trie, node: TrieNode, message: &[u8], list: usize) {
        let (mut name, mut at) = (None, list + 1);
        while let Some(quote) = memchr(b'"', &message[at..]).map(|quote| at + quote) {
            let Some((key, behind)) = string_at(message, quote) else { return };
            let colon = skip_blanks(message, behind);
            let value = skip_blanks(message, colon + 1);
            let (text, end, kind) = match (message.get(colon), message.get(value)) {
                (Some(b':'), Some(b'"')) => match string_at(message, value) {
                    Some((text, end)) => (text, end, ValueKind::String),
                    None => return,
                },
                (Some(b':'), Some(b'{' | b'[')) => {
                    at = value + 1;
                    continue;
                }
                (Some(b':'), Some(_)) => {
                    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",}]".contains(byte);
                    let length = message[value..].iter().position(is_end).unwrap_or(message.len() - value);
                    (ByteSpan::new(value, value + length), value + length, ValueKind::Bare)
                }
                _ => return,
            };
            let key = key.of(message);
            if NAMES.contains(&key) {
                name = trie.child(node, text.of(message)).name();
            } else if VALUES.contains(&key) {
                let says_something = kind == ValueKind::String || !is_constant(text.of(message));
                self.keep(name.take().filter(|_| says_something), text, kind);
            }
            at = end;
        }
    }
}

/// Whether a text without quotes is no value at all; an empty one and `-` are values that say nothing.
fn is_constant(text: &[u8]) -> bool {
    matches!(text, b"null" | b"true" | b"false")
}

/// The text of a string that begins at `at`, and where what follows it begins.
fn string_at(message: &[u8], at: usize) -> Option<(ByteSpan, usize)> {
    let end = (message.get(at) == Some(&b'"')).then(|| plain_string_end(message, at + 1))??;
    Some((ByteSpan::new(at + 1, end), end + 1))
}

pub(super) fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// What stands behind the object.
fn end(rest: &[u8]) -> Result<(), Skip> {
    match rest.trim_ascii() {
        b"" | b"," => Ok(()),
        _ => Err(Skip::NotJson),
    }
}

/// What a string is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Key,
    Value,
    Element,
}

/// The quote that ends a string which begins at `at`: not behind a backslash, and followed by what may follow a string.
#[inline]
fn string_end(text: &[u8], mut at: usize, what: After) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'\\' {
            at += 2;
            continue;
        }
        let next = skip_blanks(text, at + 1);
        let is_end = match (text.get(next), what) {
            (None, _) | (Some(b':'), After::Key) | (Some(b'}' | b']'), After::Value | After::Element) => true,
            (Some(b','), After::Value) => {
                matches!(text.get(skip_blanks(text, next + 1)), None | Some(b'"' | b'}'))
            }
            (Some(b','), After::Element) => true,
            _ => false,
        };
        if is_end {
            return Some(at);
        }
        at += 1;
    }
}

/// Where a value without quotes ends: at a brace, or at a comma that a key follows.
fn bare_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b',', b'}', text.get(at..)?)?;
        if text[at] == b'}' || matches!(text.get(skip_blanks(text, at + 1)), None | Some(b'"' | b'}')) {
            return Some(at);
        }
        at += 1;
    }
}

/// Passes over an object or an array of any depth.
pub(super) fn skip_nested(text: &[u8], mut at: usize) -> Result<usize, Skip> {
    let mut depth = 0_usize;
    loop {
        match text.get(at).ok_or(Skip::CutOff)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            b'"' => at = plain_string_end(text, at + 1).ok_or(Skip::CutOff)?,
            _ => {}
        }
        at += 1;
    }
}

fn plain_string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(message: &str) -> Result<Vec<String>, Skip> {
        let mut trie = Trie::new();
        let names = ["a", "b", "c.d", "list"].map(|name| (trie.add(name), name));
        trie.add_wrapper("attributes");
        let mut scanner = Scanner::default();
        let mut result = Err(Skip::NotJson);
        // The second reading uses what the first one found.
        for _ in 0..2 {
            result = scanner.scan(&trie, message.as_bytes(), 0).map(|()| {
                let hits = scanner.hits.iter();
                hits.map(|hit| {
                    let text = std::str::from_utf8(hit.span.of(message.as_bytes())).unwrap();
                    format!("{}={text}", names[hit.name].1)
                })
                .collect()
            });
        }
        result
    }

    #[test]
    fn values_are_found_wherever_they_stand() {
        for (message, want) in [
            (r#"{"a":"x","b":1}"#, &["a=x", "b=1"][..]),
            (r#" { "a" : "x" , "b" : 1 } "#.trim_start(), &["a=x", "b=1"]),
            (r#"{"z":{"a":"no"},"c":{"a":"no","d":"yes"},"c.d":"dotted"}"#, &["c.d=yes", "c.d=dotted"]),
            (r#"{"attributes":{"a":"in"},"b":[1,{"a":"no"}]}"#, &["a=in", "b=1,{\"a\":\"no\"}"]),
            (r#"{"list":["one","two"],"a":[],"b":null}"#, &["list=one"]),
            (r#"{"list": [ {"a":1},{"a":2} ]}"#, &[r#"list= {"a":1},{"a":2} "#]),
            (
                r#"{"attributes":[{"key":"a","value":{"stringValue":"x"}},{"key":"z","value":{"boolValue":true}},{"key":"b","value":{"intValue":7}}]}"#,
                &["a=x", "b=7"],
            ),
            (r#"{"c":[{"name":"d","value":"yes"},{"name":"d","value":null},{"value":"no"}]}"#, &["c.d=yes"]),
            (r#"{"a":"q\"}\\","\u0062":"x"}"#, &[r#"a=q\"}\\"#, "b=x"]),
            (r#"{"a":-,"b":0.012, 0.240, "list":"x"}"#, &["a=-", "b=0.012, 0.240", "list=x"]),
            (r#"{"a": , "b":}"#, &["a=", "b="]),
            (r#"{"a":"say "hi", she said","b":"x"}"#, &[r#"a=say "hi", she said"#, "b=x"]),
            (r"{},", &[]),
        ] {
            assert_eq!(found(message).unwrap(), want, "{message}");
        }
    }

    #[test]
    fn what_is_no_object_says_why() {
        for (message, want) in [
            (r#"{"a":"x"#, Skip::CutOff),
            (r#"{"a":"x""#, Skip::CutOff),
            (r#"{"a""#, Skip::CutOff),
            (r#"{"a":"#, Skip::CutOff),
            (r#"{"a":{"b":1}"#, Skip::CutOff),
            (r"{", Skip::CutOff),
            (r#"{"a":1}x"#, Skip::NotJson),
            (r"{a:1}", Skip::NotJson),
            (r#"{"a" 1}"#, Skip::CutOff),
        ] {
            assert_eq!(found(message), Err(want), "{message}");
        }
        let deep = format!("{{\"c\":{}1{}}}", "{\"c\":".repeat(100), "}".repeat(100));
        assert_eq!(found(&deep).unwrap(), [""; 0]);
    }
}
