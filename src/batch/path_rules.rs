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

use std::borrow::Cow;
use std::fmt;

use super::error::ItemError;
use super::limits::{Limits, MAX_PATH_BYTES};
use super::rules::{self, Rules};

/// The word of the rule that finds ids by their form.
const IDS: &str = "ids";
/// Hex digits from which a segment is an id.
const MIN_HEX_DIGITS: usize = 16;

/// The rules of one customer, compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    root: Node,
    /// By rule; `None` for the word `ids`.
    templates: Vec<Option<Template>>,
    /// The first rule of the word `ids`.
    ids: Option<usize>,
}

/// What a rule makes of the paths that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Template {
    /// `None` for any.
    method: Option<Box<str>>,
    path: Box<str>,
}

/// Paths that begin with the same segments of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    /// Sorted.
    literal: Vec<(Box<str>, Node)>,
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
    Ok(rules.template(&method, path).unwrap_or(Cow::Borrowed(path)).into_owned())
}

impl PathRules {
    /// Compiles rules.
    ///
    /// # Errors
    /// The first invalid rule, and why.
    pub fn new<'r>(rules: impl IntoIterator<Item = &'r str>) -> Result<Self, PathRuleError> {
        let mut compiled = Self::default();
        for (number, rule) in rules.into_iter().enumerate() {
            compiled.add(number, rule).map_err(|why| PathRuleError { rule: rule.to_owned(), why })?;
        }
        Ok(compiled)
    }

    fn add(&mut self, number: usize, rule: &str) -> Result<(), &'static str> {
        if rule == IDS {
            self.ids.get_or_insert(number);
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
                    self.templates.push(Some(Template { method, path: template.into() }));
                    return Ok(());
                }
                Segment::Parameter => node = node.parameter.get_or_insert_default(),
                Segment::Literal => node = node.literal_child(segment),
            }
            rest = after;
        }
        node.ends.push(number);
        self.templates.push(Some(Template { method, path: template.into() }));
        Ok(())
    }

    /// The template that a path counts under, at most [`MAX_PATH_BYTES`] with the query string if there is one; `None` where
    /// no rule matches, and the path counts under itself. `method` is upper case.
    pub fn template(&self, method: &str, path: &str) -> Option<Cow<'_, str>> {
        let (path, query) = path.split_at(memchr::memchr(b'?', path.as_bytes()).unwrap_or(path.len()));
        let template = self.without_query(method, path)?;
        if query.is_empty() && template.len() <= MAX_PATH_BYTES {
            return Some(template);
        }
        let mut whole = template.into_owned() + query;
        whole.truncate(whole.floor_char_boundary(MAX_PATH_BYTES));
        Some(Cow::Owned(whole))
    }

    fn without_query(&self, method: &str, path: &str) -> Option<Cow<'_, str>> {
        let matching =
            path.strip_prefix('/').and_then(|segments| self.first(&self.root, method, Some(segments)));
        let before = |ids: &usize| matching.is_none_or(|rule| *ids < rule);
        if self.ids.is_some_and(|ids| before(&ids))
            && let Some(template) = with_ids_replaced(path)
        {
            return Some(Cow::Owned(template));
        }
        Some(Cow::Borrowed(&*self.templates[matching?].as_ref()?.path))
    }

    /// The first rule below `node` that matches these segments.
    fn first(&self, node: &Node, method: &str, segments: Option<&str>) -> Option<usize> {
        let applies = |rule: &&usize| {
            let template = self.templates[**rule].as_ref();
            template.is_some_and(|template| template.method.as_deref().is_none_or(|wanted| wanted == method))
        };
        let Some(segments) = segments else { return node.ends.iter().find(applies).copied() };
        let (segment, after) = split(segments);
        let literal = node.place(segment).ok().map(|place| &node.literal[place].1);
        let literal = literal.and_then(|child| self.first(child, method, after));
        let parameter = node.parameter.as_ref().filter(|_| !segment.is_empty());
        let parameter = parameter.and_then(|child| self.first(child, method, after));
        let rest = if segments.is_empty() { None } else { node.rests.iter().find(applies).copied() };
        [literal, parameter, rest].into_iter().flatten().min()
    }
}

impl Node {
    fn literal_child(&mut self, segment: &str) -> &mut Node {
        let place = self.place(segment).unwrap_or_else(|place| {
            self.literal.insert(place, (segment.into(), Node::default()));
            place
        });
        &mut self.literal[place].1
    }

    /// Where the child of this segment is, or would be.
    fn place(&self, segment: &str) -> Result<usize, usize> {
        self.literal.binary_search_by(|(literal, _)| (**literal).cmp(segment))
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

/// The path with `{id}` for each id; `None` where it has none.
fn with_ids_replaced(path: &str) -> Option<String> {
    if !path.split('/').any(is_id) {
        return None;
    }
    let mut template = String::with_capacity(path.len());
    for (position, segment) in path.split('/').enumerate() {
        if position > 0 {
            template.push('/');
        }
        template.push_str(if is_id(segment) { "{id}" } else { segment });
    }
    Some(template)
}

/// Whether a segment has the form of an id: a number, a UUID (RFC 9562), a ULID (26 digits of Crockford's base 32, the first
/// one at most 7), a KSUID (27 digits of base 62; those until the year 2052 begin with a decimal digit), or at least
/// [`MIN_HEX_DIGITS`] hex digits, which object ids, trace ids and hashes are.
fn is_id(segment: &str) -> bool {
    let bytes = segment.as_bytes();
    let Some(first) = bytes.first() else { return false };
    let all = |is: fn(&u8) -> bool| bytes.iter().all(is);
    let crockford = |b: &u8| b.is_ascii_alphanumeric() && !b"ILOU".contains(&b.to_ascii_uppercase());
    all(u8::is_ascii_digit)
        || (bytes.len() >= MIN_HEX_DIGITS && all(u8::is_ascii_hexdigit))
        || (bytes.len() == 36 && is_uuid(bytes))
        || (bytes.len() == 26 && (b'0'..=b'7').contains(first) && bytes.iter().all(crockford))
        || (bytes.len() == 27 && first.is_ascii_digit() && all(u8::is_ascii_alphanumeric))
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().all(|(position, byte)| match position {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(rules: &[&str], method: &str, path: &str) -> String {
        let rules = PathRules::new(rules.iter().copied()).unwrap();
        rules.template(method, path).map_or_else(|| path.to_owned(), Cow::into_owned)
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
            assert!(is_id(id), "{id}");
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
            assert!(!is_id(word), "{word}");
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
            prop_assert_eq!(compiled.template(&method, &path).map(Cow::into_owned), plainly(&plain, &method, &path));
        }
    }
}
