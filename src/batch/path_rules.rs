//! Path rules: from the path of a request to the template that it counts under, so that `/users/1` and `/users/2` are one
//! key. Pure.
//!
//! A rule is `METHOD /users/{id}/posts/{post}`, with `*` for any method and `{*rest}` for everything that is left, or the
//! word `ids`, which puts `{id}` for each segment that is a number, UUID, ULID, KSUID, object id or at least 16 hex digits.
//! The first rule that matches wins.
//!
//! Input: rules as text, then methods and paths. Output: templates. Never: the key itself, which is the
//! request's own method and the template; a path that an entry gave as its `route`, which is a template already.
//!
//! Rules lie in a trie of segments, so that a path costs about the same with one rule and with a thousand. A router crate
//! (`matchit`) does not fit: it prefers literal segments to parameters whatever the order of the rules, and refuses rules
//! that overlap, which is just what a list with "first match wins" is made of.

use std::fmt;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::error::ItemError;
use super::limits::{Limits, MAX_PATH_BYTES};
use super::rules::{self, Rules};

/// The word of the rule that finds ids by their form.
const IDS: &str = "ids";
/// Hex digits from which a segment is an id.
const MIN_HEX_DIGITS: usize = 16;
/// The number of no rule, behind all others.
const NO_RULE: usize = usize::MAX;

/// The rules of one customer, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRules {
    root: Node,
    /// By rule; `None` for the word `ids`.
    templates: Vec<Option<RuleTemplate>>,
    /// The first rule of the word `ids`, or [`NO_RULE`].
    ids: usize,
    /// The rules as they were given: a JSON list.
    text: String,
}

/// What a rule makes of the paths that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RuleTemplate {
    /// `None` for any.
    method: Option<Box<str>>,
    path: Box<str>,
}

/// Paths that begin with the same segments of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    literal: HashMap<Box<str>, Node, RandomState>,
    parameter: Option<Box<Node>>,
    /// Rules that end here, in order.
    ends: Vec<usize>,
    /// Rules that take whatever follows, at least one byte, in order.
    rests: Vec<usize>,
}

/// An invalid path rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRuleError {
    rule: String,
    why: &'static str,
}

impl fmt::Display for PathRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "path rule {:?}: {}", self.rule, self.why)
    }
}

impl std::error::Error for PathRuleError {}

/// What the path of a request counts under: without its query string, and by these rules.
///
/// # Errors
/// The method or the path is invalid.
pub fn counted_path(rules: &PathRules, method: &str, path: &str) -> Result<String, ItemError> {
    let limits = Limits::default();
    let method = rules::method(method)?;
    let (path, _) = Rules::new(&limits, 0).path(path)?;
    Ok(rules.counted(&method, (path, false), &mut String::new()).to_owned())
}

impl Default for PathRules {
    fn default() -> Self {
        Self { root: Node::default(), templates: Vec::new(), ids: NO_RULE, text: "[]".to_owned() }
    }
}

impl PathRules {
    /// Compiles rules.
    ///
    /// # Errors
    /// The first invalid rule, and why.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r str>) -> Result<Self, PathRuleError> {
        let mut compiled = Self::default();
        let mut given = Vec::new();
        for (number, rule) in rules.into_iter().enumerate() {
            compiled.add(number, rule).map_err(|why| PathRuleError { rule: rule.to_owned(), why })?;
            given.push(rule);
        }
        compiled.text = serde_json::to_string(&given).expect("a list of texts is written into memory");
        Ok(compiled)
    }

    /// The rules as text, for other processes that count by them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads what [`text`](Self::text) gave.
    pub fn from_text(text: &str) -> Option<Self> {
        let rules: Vec<String> = serde_json::from_str(text).ok()?;
        Self::new(rules.iter().map(String::as_str)).ok()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    fn add(&mut self, number: usize, rule: &str) -> Result<(), &'static str> {
        if rule == IDS {
            self.ids = self.ids.min(number);
            self.templates.push(None);
            return Ok(());
        }
        let (method, template) = rule
            .split_once(' ')
            .ok_or("expected METHOD and path with one blank between them, `* /path`, or `ids`")?;
        let method = match method {
            "*" => None,
            name => Some(rules::method(name).map_err(|_| "the method is not a token")?.into_owned().into()),
        };
        let segments = template.strip_prefix('/').ok_or("the path must begin with /")?;
        if template.len() > MAX_PATH_BYTES {
            return Err("the path is longer than 2048 bytes");
        }
        let mut node = &mut self.root;
        let mut rest = Some(segments);
        while let Some(segments) = rest {
            let (segment, after) = split(segments);
            match Segment::of(segment)? {
                Segment::Rest if after.is_some() => return Err("{*name} must be the last segment"),
                Segment::Rest => {
                    node.rests.push(number);
                    self.templates.push(Some(RuleTemplate { method, path: template.into() }));
                    return Ok(());
                }
                Segment::Parameter => node = node.parameter.get_or_insert_default(),
                Segment::Literal => node = node.literal.entry(segment.into()).or_default(),
            }
            rest = after;
        }
        node.ends.push(number);
        self.templates.push(Some(RuleTemplate { method, path: template.into() }));
        Ok(())
    }

    /// What a path, or the route that is given in its place, counts under. `method` and `buffer` are as for
    /// [`PathRules::template`].
    pub(super) fn counted<'t>(
        &'t self,
        method: &str,
        (path, is_route): (&'t str, bool),
        buffer: &'t mut String,
    ) -> &'t str {
        if is_route { path } else { self.template(method, path, buffer).unwrap_or(path) }
    }

    /// The template that a path counts under, at most [`MAX_PATH_BYTES`] with the query string if there is one; `None` where
    /// no rule matches, and the path counts under itself. `method` is upper case; `buffer` is memory to use again and again.
    pub fn template<'t>(&'t self, method: &str, path: &str, buffer: &'t mut String) -> Option<&'t str> {
        let (path, query) = path.split_at(memchr::memchr(b'?', path.as_bytes()).unwrap_or(path.len()));
        let matching =
            path.strip_prefix('/').map_or(NO_RULE, |segments| self.first(&self.root, method, segments));
        buffer.clear();
        let is_replaced = self.ids < matching && replace_ids(path, buffer);
        if !is_replaced {
            let template = &self.templates.get(matching)?.as_ref()?.path;
            if query.is_empty() {
                return Some(template);
            }
            buffer.push_str(template);
        }
        buffer.push_str(query);
        buffer.truncate(buffer.floor_char_boundary(MAX_PATH_BYTES));
        Some(buffer)
    }

    /// The first rule below `node` that matches these segments, or [`NO_RULE`].
    fn first(&self, node: &Node, method: &str, segments: &str) -> usize {
        let slash = segments.bytes().position(|byte| byte == b'/');
        let segment = &segments[..slash.unwrap_or(segments.len())];
        let below = |child: &Node| match slash {
            Some(slash) => self.first(child, method, &segments[slash + 1..]),
            None => self.first_for(&child.ends, method),
        };
        let mut first = NO_RULE;
        if !node.literal.is_empty()
            && let Some(child) = node.literal.get(segment)
        {
            first = below(child);
        }
        if let Some(child) = &node.parameter
            && !segment.is_empty()
        {
            first = first.min(below(child));
        }
        if !segments.is_empty() {
            first = first.min(self.first_for(&node.rests, method));
        }
        first
    }

    /// The first of these rules that is for this method.
    fn first_for(&self, rules: &[usize], method: &str) -> usize {
        let applies = |rule: &&usize| {
            let template = self.templates[**rule].as_ref();
            template.is_some_and(|template| template.method.as_deref().is_none_or(|wanted| wanted == method))
        };
        rules.iter().find(applies).copied().unwrap_or(NO_RULE)
    }
}

/// What a segment of a rule matches.
enum Segment {
    Literal,
    Parameter,
    Rest,
}

impl Segment {
    fn of(segment: &str) -> Result<Self, &'static str> {
        if !segment.contains(['{', '}']) {
            return Ok(Segment::Literal);
        }
        let inner = segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
        let inner = inner.ok_or("a segment is either a literal or one {name}")?;
        let (kind, name) = match inner.strip_prefix('*') {
            Some(name) => (Segment::Rest, name),
            None => (Segment::Parameter, inner),
        };
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if is_name { Ok(kind) } else { Err("a name in braces is made of letters, digits, _ and -") }
    }
}

/// The first segment, and what follows its slash.
fn split(segments: &str) -> (&str, Option<&str>) {
    match segments.split_once('/') {
        Some((segment, after)) => (segment, Some(after)),
        None => (segments, None),
    }
}

/// Writes the path with `{id}` for each id. Returns whether it has any.
///
/// An id is a segment that is a number, a UUID (RFC 9562), a ULID (26 digits of Crockford's base 32, the first one at most 7),
/// a KSUID (27 digits of base 62; those until the year 2052 begin with a decimal digit), or at least [`MIN_HEX_DIGITS`] hex
/// digits, which object ids, trace ids and hashes are.
fn replace_ids(path: &str, template: &mut String) -> bool {
    let bytes = path.as_bytes();
    let (mut copied, mut start) = (0, 0);
    let mut kinds = ALL_KINDS;
    for place in 0..=bytes.len() {
        if let Some(byte) = bytes.get(place)
            && *byte != b'/'
        {
            kinds &= KINDS[usize::from(*byte)];
            continue;
        }
        if kinds != 0 && is_id_segment(&bytes[start..place], kinds) {
            template.push_str(&path[copied..start]);
            template.push_str("{id}");
            copied = place;
        }
        (start, kinds) = (place + 1, ALL_KINDS);
    }
    if copied > 0 {
        template.push_str(&path[copied..]);
    }
    copied > 0
}

const DIGIT: u8 = 1;
const HEX: u8 = 2;
const CROCKFORD: u8 = 4;
const BASE_62: u8 = 8;
const HEX_OR_DASH: u8 = 16;
const ALL_KINDS: u8 = 31;

/// The kinds of digits that each byte is.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let of = &mut kinds[byte as usize];
        if byte.is_ascii_digit() {
            *of |= DIGIT;
        }
        if byte.is_ascii_hexdigit() {
            *of |= HEX | HEX_OR_DASH;
        }
        if byte == b'-' {
            *of |= HEX_OR_DASH;
        }
        if byte.is_ascii_alphanumeric() {
            *of |= BASE_62;
            if !matches!(byte.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U') {
                *of |= CROCKFORD;
            }
        }
        byte += 1;
    }
    kinds
};

/// Whether a segment of which all bytes are of these kinds is an id.
fn is_id_segment(segment: &[u8], kinds: u8) -> bool {
    let Some(first) = segment.first() else { return false };
    let is = |kind: u8| kinds & kind != 0;
    is(DIGIT)
        || match segment.len() {
            36 if is(HEX_OR_DASH) => is_uuid(segment),
            26 if is(CROCKFORD) && (b'0'..=b'7').contains(first) => true,
            27 if is(BASE_62) && first.is_ascii_digit() => true,
            bytes => is(HEX) && bytes >= MIN_HEX_DIGITS,
        }
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(place, byte)| (*byte == b'-') == matches!(place, 8 | 13 | 18 | 23))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(rules: &[&str], method: &str, path: &str) -> String {
        let rules = PathRules::new(rules.iter().copied()).unwrap();
        rules.template(method, path, &mut String::new()).unwrap_or(path).to_owned()
    }

    #[test]
    fn the_first_rule_that_matches_wins() {
        let rules =
            ["GET /users/{id}/posts/{post}", "* /files/{*rest}", "POST /users/me", "* /users/{user}", "ids"];
        for (method, path, want) in [
            ("GET", "/users/7/posts/9", "/users/{id}/posts/{post}"),
            ("POST", "/users/7/posts/9", "/users/{id}/posts/{id}"), // another method: only `ids` matches
            ("GET", "/files/a/b/c.txt", "/files/{*rest}"),
            ("GET", "/files/", "/files/"), // nothing is left
            ("GET", "/files", "/files"),
            ("POST", "/users/me", "/users/me"),
            ("GET", "/users/me", "/users/{user}"),
            ("GET", "/users/", "/users/"), // a parameter is not empty
            ("GET", "/orders/12/", "/orders/{id}/"),
            ("GET", "/orders/twelve", "/orders/twelve"),
            ("OPTIONS", "*", "*"),
        ] {
            assert_eq!(template(&rules, method, path), want, "{method} {path}");
        }
        assert_eq!(template(&["ids", "* /users/{user}"], "GET", "/users/7"), "/users/{id}");
        assert_eq!(template(&["* /users/{user}", "ids"], "GET", "/users/7"), "/users/{user}");
        assert_eq!(template(&["* /a/{x}", "* /a/b"], "GET", "/a/b"), "/a/{x}");
        assert_eq!(template(&["* /a/b", "* /a/{x}"], "GET", "/a/b"), "/a/b");
    }

    #[test]
    fn a_query_string_is_kept_and_a_long_template_is_cut() {
        assert_eq!(template(&["* /users/{user}"], "GET", "/users/7?x=/1"), "/users/{user}?x=/1");
        assert_eq!(template(&["ids"], "GET", "/7?8/9"), "/{id}?8/9");
        let grown = template(&["ids"], "GET", &"/7".repeat(1_000));
        assert_eq!(grown, "/{id}".repeat(1_000)[..MAX_PATH_BYTES]);
    }

    #[test]
    fn ids_are_known_by_their_form() {
        for id in [
            "7",
            "20251228",
            "550e8400-e29b-41d4-a716-446655440000",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "0ujtsYcgvSTl8PAuAdqWYSMnLOv",
            "507f1f77bcf86cd799439011",
            "DEADBEEFdeadbeef",
        ] {
            assert_eq!(template(&[IDS], "GET", &format!("/{id}/x")), "/{id}/x", "{id}");
        }
        for word in [
            "",
            "v1",
            "a1b2c3",
            "deadbeefdeadbee",
            "internationalizationservice",
            "550e8400-e29b-41d4-a716-44665544000g",
            "-1",
            "1.5",
        ] {
            assert_eq!(template(&[IDS], "GET", &format!("/{word}/x")), format!("/{word}/x"));
        }
    }

    #[test]
    fn what_is_not_a_rule_is_refused_with_the_reason() {
        for (rule, why) in [
            ("/users/{id}", "METHOD"),
            ("GET users", "begin with /"),
            ("G:T /", "not a token"),
            ("GET /a{id}", "literal or one"),
            ("GET /{a}{b}", "letters"),
            ("GET /{}", "letters"),
            ("GET /{*rest}/x", "last segment"),
        ] {
            let error = PathRules::new([rule]).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("path rule"), "{rule}: {error}");
        }
    }

    /// The rules one after the other, without a trie.
    fn plainly(rules: &[(Option<&str>, String)], method: &str, path: &str) -> Option<String> {
        let matches = |template: &str| {
            let (mut wanted, mut segments) = (template.split('/'), path.split('/'));
            loop {
                match (wanted.next(), segments.next()) {
                    (None, None) => return true,
                    (Some(rest), Some(segment)) if rest.starts_with("{*") => {
                        return !segment.is_empty() || segments.next().is_some();
                    }
                    (Some(parameter), Some(segment)) if parameter.starts_with('{') => {
                        if segment.is_empty() {
                            return false;
                        }
                    }
                    (Some(literal), Some(segment)) if literal == segment => {}
                    _ => return false,
                }
            }
        };
        let applies = |(wanted, template): &&(Option<&str>, String)| {
            wanted.is_none_or(|wanted| wanted == method) && matches(template)
        };
        rules.iter().find(applies).map(|(_, template)| template.clone())
    }

    proptest! {
        #[test]
        fn the_trie_finds_what_the_list_finds(
            rules in prop::collection::vec(("GET|POST|\\*", "(/(a|b|\\{x\\})){1,3}(/\\{\\*r\\})?"), 0..8),
            method in "GET|POST",
            path in "(/(a|b|c|)){1,5}",
        ) {
            let texts: Vec<String> = rules.iter().map(|(method, path)| format!("{method} {path}")).collect();
            let compiled = PathRules::new(texts.iter().map(String::as_str)).unwrap();
            let plain: Vec<_> =
                rules.iter().map(|(m, path)| ((m != "*").then_some(m.as_str()), path.clone())).collect();
            prop_assert_eq!(compiled.template(&method, &path, &mut String::new()).map(str::to_owned), plainly(&plain, &method, &path));
        }
    }
}
