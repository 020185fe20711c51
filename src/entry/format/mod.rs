//! Formats that somebody names or describes: what `--format` takes.
//!
//! Input: `auto`, the name of a known format, a `log_format` string of nginx, a `LogFormat` string of Apache, names of JSON
//! fields (`json:path=uri,userAgent=agent`), or a `#Fields:` header. Output: a compiled [`LineFormat`], or what is wrong with
//! it and where. Never: a guess; a string that is none of these is refused.

mod apache;
mod json_shape;
pub(super) mod nginx;
mod variables;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::field::{Escape, LogField, Unit};
use super::json::{self, Mapping};
use super::known;
use super::quick;
use super::template::{Template, TemplateStep};
use super::w3c::Columns;

/// Variables and directives of a format string at most.
const MAX_FORMAT_FIELDS: usize = 60;
/// Bytes of a format string at most.
const MAX_FORMAT_BYTES: usize = 8 * 1024;

/// How lines are read.
#[derive(Clone, Debug)]
pub struct LineFormat {
    text: String,
    pub(super) kind: Arc<Kind>,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Each line tells its format itself.
    Auto,
    /// One of the known text formats.
    Known(&'static str),
    /// JSON lines, of one product or of any.
    Json(Option<&'static str>),
    /// JSON lines whose names were given.
    Mapped(Mapping),
    /// W3C extended, with the columns given or by the log's own header.
    W3c(Option<Columns>),
    /// A format string.
    Given(GivenLine),
}

/// A line that somebody described.
#[derive(Debug)]
pub(super) struct GivenLine {
    pub(super) template: Template,
    /// See [`quick::can_read`].
    pub(super) is_quick: bool,
}

impl Default for LineFormat {
    fn default() -> Self {
        Self { text: "auto".to_owned(), kind: Arc::new(Kind::Auto) }
    }
}

impl PartialEq for LineFormat {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl LineFormat {
    /// The text it was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether each line tells its format itself.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        matches!(*self.kind, Kind::Auto)
    }
}

/// What is wrong with a format, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// The byte of the text that the reason is about.
    pub at: usize,
    reason: String,
}

impl FormatError {
    fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }

    /// The same error in a text that begins `start` bytes earlier.
    fn behind(self, start: usize) -> Self {
        Self { at: self.at + start, ..self }
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at + 1, self.reason)
    }
}

impl std::error::Error for FormatError {}

/// Other names that formats go by.
const ALIASES: [(&str, &str); 24] = [
    ("ncsa", "combined"),
    ("nginx", "combined"),
    ("apache", "combined"),
    ("lighttpd", "combined"),
    ("varnish", "combined"),
    ("combinedio", "combined"),
    ("vhost_combined", "combined"),
    ("vhost_common", "common"),
    ("traefik-clf", "traefik"),
    ("nginx-ingress", "ingress-nginx"),
    ("npm", "nginx-proxy-manager"),
    ("openlitespeed", "litespeed"),
    ("jetty", "combined"),
    ("vertx", "combined"),
    ("gunicorn", "combined"),
    ("werkzeug", "common"),
    ("django", "common"),
    ("puma", "rack"),
    ("sinatra", "rack"),
    ("express", "morgan"),
    ("forgejo", "gitea"),
    ("payara", "glassfish"),
    ("gcs", "cloud-storage"),
    ("waf", "aws-waf"),
];
/// Names of the W3C extended format.
const W3C: [&str; 4] = ["w3c", "iis", "cloudfront", "netscaler"];

impl FromStr for LineFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        if text.len() > MAX_FORMAT_BYTES {
            return Err(FormatError::new(MAX_FORMAT_BYTES, "longer than 8 KiB"));
        }
        Ok(Self { text: text.to_owned(), kind: Arc::new(kind(text)?) })
    }
}

fn kind(text: &str) -> Result<Kind, FormatError> {
    let trimmed = text.trim();
    if let Some(names) = trimmed.strip_prefix("json:") {
        return Ok(Kind::Mapped(mapping(names).map_err(|error| error.behind("json:".len()))?));
    }
    if let Some(header) = trimmed.strip_prefix("#Fields:") {
        let columns = Columns::new(header, false);
        let columns = columns.ok_or_else(|| FormatError::new("#Fields:".len(), "no columns"))?;
        return Ok(Kind::W3c(Some(columns)));
    }
    if let Some(format) = nginx::of_directive(trimmed) {
        return described(&format, Syntax::Nginx);
    }
    if let Some(format) = apache::of_directive(trimmed) {
        return described(format, Syntax::Apache);
    }
    let is_variable =
        |at: usize| text[at + 1..].starts_with(|c: char| c == '_' || c == '{' || c.is_ascii_alphabetic());
    if text.match_indices('$').any(|(at, _)| is_variable(at)) {
        // As it stands between the quotes of a configuration file.
        return described(&nginx::unescaped(text), Syntax::Nginx);
    }
    if text.contains('%') {
        return described(text, Syntax::Apache);
    }
    named(trimmed)
}

/// Whose syntax a format string has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    Nginx,
    Apache,
}

impl Syntax {
    fn steps(self, text: &str) -> Result<Vec<TemplateStep>, FormatError> {
        match self {
            Self::Nginx => nginx::steps(text),
            Self::Apache => apache::steps(text),
        }
    }
}

fn described(text: &str, syntax: Syntax) -> Result<Kind, FormatError> {
    if text.trim_start().starts_with('{') {
        let mapping = json_shape::mapping(text, syntax)?;
        says_enough(|field| mapping.has(|named| named == field))?;
        return Ok(Kind::Mapped(mapping));
    }
    let template = Template::new(syntax.steps(text)?, Escape::Backslash);
    says_enough(|field| template.has(|found| found == field))?;
    Ok(Kind::Given(GivenLine { is_quick: quick::can_read(template.steps()), template }))
}

/// A format must have a time and a request.
fn says_enough(has: impl Fn(LogField) -> bool) -> Result<(), FormatError> {
    if !has(LogField::Time) && !has(LogField::TimePiece) {
        return Err(FormatError::new(
            0,
            "no time: $time_local, $time_iso8601 or $msec of nginx, %t of Apache",
        ));
    }
    let has_target = has(LogField::Target) || has(LogField::Rewritten) || has(LogField::HostTarget);
    let has_parts = has(LogField::Method) && has_target;
    if !has(LogField::Request) && !has_parts {
        let reason = "no request: $request, or $request_method and $request_uri, of nginx, %r, or %m and %U, of Apache";
        return Err(FormatError::new(0, reason));
    }
    Ok(())
}

fn named(name: &str) -> Result<Kind, FormatError> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| *name);
    if matches!(name, "auto" | "") {
        return Ok(Kind::Auto);
    }
    if W3C.contains(&name) {
        return Ok(Kind::W3c(None));
    }
    if name == "json" {
        return Ok(Kind::Json(None));
    }
    if let Some(known) = known::names().into_iter().find(|known| *known == name) {
        return Ok(Kind::Known(known));
    }
    let bare = name.strip_suffix("-json").unwrap_or(name);
    if let Some(product) = json::product_names().find(|product| *product == bare) {
        return Ok(Kind::Json(Some(product)));
    }
    Err(FormatError::new(0, format!("{name:?} is not a known format: {}", all_names().join(", "))))
}

/// All names that `--format` takes.
pub(super) fn all_names() -> Vec<&'static str> {
    let is_format = |name: &&str| !matches!(*name, "docker" | "journald");
    let mut names: Vec<&str> =
        json::product_names().filter(is_format).chain(known::names()).chain(W3C).collect();
    names.extend(ALIASES.iter().map(|(alias, _)| *alias));
    names.sort_unstable();
    names.dedup();
    names.insert(0, "auto");
    names
}

/// The fields that `json:` gives names to.
const NAMED_FIELDS: [(&str, LogField); 15] = [
    ("receivedAt", LogField::Time),
    ("method", LogField::Method),
    ("path", LogField::Target),
    ("request", LogField::Request),
    ("query", LogField::Query),
    ("userAgent", LogField::Agent),
    ("status", LogField::Status),
    ("responseBytes", LogField::Bytes),
    ("durationSeconds", LogField::Duration(Unit::Seconds)),
    ("durationMillis", LogField::Duration(Unit::Millis)),
    ("durationMicros", LogField::Duration(Unit::Micros)),
    ("durationNanos", LogField::Duration(Unit::Nanos)),
    ("host", LogField::Host),
    ("referrer", LogField::Referrer),
    ("clientIp", LogField::Client),
];

/// Reads `path=uri,userAgent=agent`.
fn mapping(text: &str) -> Result<Mapping, FormatError> {
    let mut names = Vec::new();
    let mut at = 0;
    for pair in text.split(',') {
        let error = |reason: String| FormatError::new(at, reason);
        let (field, name) = pair
            .split_once('=')
            .ok_or_else(|| error(format!("{pair:?} is not FIELD=NAME, such as path=uri")))?;
        let known = NAMED_FIELDS.iter().find(|(known, _)| *known == field.trim());
        let (_, field) = known.ok_or_else(|| {
            let all: Vec<&str> = NAMED_FIELDS.iter().map(|(name, _)| *name).collect();
            error(format!("{:?} is not a field of an entry: {}", field.trim(), all.join(", ")))
        })?;
        if !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return Err(error(format!("{pair:?} gives no name")));
        }
        names.push((name.trim().to_owned(), *field, 0));
        at += pair.len() + 1;
    }
    Ok(Mapping::new(&names, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_names_strings_and_directives() {
        let kind = |text: &str| text.parse::<LineFormat>().unwrap().kind;
        assert!(matches!(*kind("auto"), Kind::Auto));
        assert!(matches!(*kind("vhost_combined"), Kind::Known("combined")));
        assert!(matches!(*kind("caddy"), Kind::Json(Some("caddy"))));
        assert!(matches!(*kind("traefik-json"), Kind::Json(Some("traefik"))));
        assert!(matches!(*kind("iis"), Kind::W3c(None)));
        assert!(matches!(*kind("#Fields: date time"), Kind::W3c(Some(_))));
        assert!(matches!(*kind("[$time_local] $request"), Kind::Given(_)));
        assert!(matches!(*kind("%t \"%r\""), Kind::Given(_)));
        assert!(matches!(*kind("LogFormat \"%t \\\"%r\\\"\" x"), Kind::Given(_)));
        assert!(matches!(*kind("json:path=uri,userAgent=agent"), Kind::Mapped(_)));
        assert!(matches!(*kind(r#"{"t":"$time_iso8601","r":"$request"}"#), Kind::Mapped(_)));
    }

    #[test]
    fn errors_say_what_is_wrong_and_where() {
        for (text, at, word) in [
            ("combind", 0, "combined"),
            ("$remote_addr $request", 0, "no time"),
            ("%h %t", 0, "no request"),
            ("[$time_local] ${request", 14, "`}`"),
            ("%t %r %J", 6, "Apache"),
            ("json:path=uri,agnt=x", 14, "userAgent"),
            ("json:path", 5, "FIELD=NAME"),
            ("json:path=", 5, "no name"),
            (r#"{"t":"$time_iso8601","r":"${request"}"#, 26, "`}`"),
        ] {
            let error = text.parse::<LineFormat>().unwrap_err();
            assert_eq!((error.at, error.to_string().contains(word)), (at, true), "{text}: {error}");
        }
    }
}
