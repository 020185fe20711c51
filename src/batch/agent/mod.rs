//! User-agent families: the few hundred names people know (`Chrome`, `Googlebot`, `curl`) out of the millions of agents.
//!
//! In: the agent a client sent, any text. Out: a [`Family`], a short name with a [`Class`]. Pure and deterministic: the
//! cache in front ([`FamilyCache`]) changes how long an answer takes, never the answer. It must never give an agent back
//! as its own family (families are keys of counts, agents are as many as visits), never look beyond
//! [`MAX_AGENT_BYTES`], and never panic.
//!
//! # How a family is found
//!
//! The agent is cut into products (`Chrome/120`) and segments of comments (`compatible; Name/2.0`). Then the first of
//! these that has an answer gives it:
//!
//! 1. An agent that doesn't begin with `Mozilla/` or `Opera/`: the words it begins with, without versions; unless the
//!    table knows better, or they are a device or a library and the rest says who uses it.
//! 2. An entry of the table that is certain wherever it stands: AI agents, search engines, probes, in-app browsers.
//! 3. A product or segment with a word like `bot`, `crawler`, `spider`.
//! 4. The segment after `compatible;`, or after `like Gecko;`.
//! 5. The name before a web or mail address; the name where the platform belongs: `(Name; Windows NT 10.0; …)`.
//! 6. The browser brand of the highest rank in the table (`Edg` over `Chrome`, `Opera Mini` over `Opera`).
//! 7. A product besides the tokens of the engine: `Chrome/103 CitizenFX/1.0 Safari/537`.
//! 8. The engine: Internet Explorer, Chrome, Firefox, Safari, the Android browser.
//! 9. The only product there is: `Mozilla/5.0 (Name)`.
//! 10. [woothee](https://docs.rs/woothee): telephones, consoles, feed readers.
//! 11. A base of the table (`Python`, `Dalvik`, a maker of telephones), or else the first product; or else `Unknown`.
//!
//! # How to add one
//!
//! Most new bots and apps need nothing: the rules name them. Otherwise add a line to `data/agents/families.tsv`: key,
//! family, class, rank (its head explains them), and the agent to `data/agents/ua_truth_public.tsv` if it shall stay so.
//! A family whose name doesn't say its class (a bot called `Ezgif`) gets it by a line `~Name`.
//! `cargo test --test suite agent_truth -- --nocapture` prints how many agents of each kind are named as people name them, and
//! refuses a table that names fewer; `AGENT_TRUTH_MISSES=1` before it lists the others.

mod cache;
mod name;
mod rules;
mod scan;
mod table;

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use cache::{FamilyCache, MAX_CACHED_BYTES, MAX_CACHED_ENTRIES, MAX_IDLE_CACHES, with_cache};

/// Bytes of an agent that are looked at.
pub const MAX_AGENT_BYTES: usize = 1_024;
/// Bytes of a family's name.
pub const MAX_FAMILY_BYTES: usize = 64;
/// The family of an agent that says nothing.
pub const UNKNOWN: &str = "Unknown";

/// What kind of client a family is. Bots and people are counted apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A browser people use at a desk, or both there and on a telephone.
    Browser,
    /// A browser of telephones, televisions and other small things.
    Mobile,
    /// A crawler, a link preview, a feed reader on a server, a probe.
    Bot,
    /// What feeds or acts for a language model.
    Ai,
    /// An HTTP library or a command-line tool, and an agent that says nothing.
    Tool,
    /// An application that is no browser, or shows pages inside itself.
    App,
}

impl Class {
    /// Every class, in the order a legend shows them.
    pub const ALL: [Class; 6] =
        [Class::Browser, Class::Mobile, Class::App, Class::Tool, Class::Bot, Class::Ai];

    /// The name in the table, in answers and on the dashboard.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Browser => "browser",
            Class::Mobile => "mobile",
            Class::Bot => "bot",
            Class::Ai => "ai",
            Class::Tool => "tool",
            Class::App => "app",
        }
    }

    fn from_name(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The family of an agent: a name and a class. Cheap to clone; equal, hashed and borrowed as its name.
#[derive(Clone, Debug)]
pub struct Family {
    name: Name,
    class: Class,
}

#[derive(Clone, Debug)]
enum Name {
    /// The table's.
    Known(&'static str),
    /// Taken from an agent.
    Found(Arc<str>),
}

impl Family {
    /// The name: 1 to [`MAX_FAMILY_BYTES`] bytes, no control characters, never beginning with `(`.
    pub fn name(&self) -> &str {
        match &self.name {
            Name::Known(name) => name,
            Name::Found(name) => name,
        }
    }

    /// The class; always [`class_of`] the name.
    pub fn class(&self) -> Class {
        self.class
    }

    fn unknown() -> Family {
        Family::known_name(UNKNOWN)
    }

    fn known(name: &'static str, class: Class) -> Family {
        Family { name: Name::Known(name), class }
    }

    fn known_name(name: &'static str) -> Family {
        Family::known(name, class_of(name))
    }

    /// A family by a name a rule found; the table's spelling where it knows the name.
    fn named(name: &str) -> Family {
        if let Some((name, class)) = table::known_family(name) {
            return Family::known(name, class);
        }
        if let Some(hit) = table::find(name.as_bytes(), 0)
            && hit.len == name.len()
            && hit.entry.rank >= table::RANK_LIBRARY
            && let Some(family) = hit.entry.family
        {
            return Family::known(family, hit.entry.class);
        }
        Family { class: class_of(name), name: Name::Found(Arc::from(name)) }
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Family) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Family {}

impl Hash for Family {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Borrow<str> for Family {
    fn borrow(&self) -> &str {
        self.name()
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The family of an agent, without a cache.
pub fn family(user_agent: &str) -> Family {
    let text = trimmed(user_agent);
    if text.is_empty() || text == "-" {
        return Family::unknown();
    }
    rules::family(&spaced(text))
}

/// The class of a family by its name alone: the table's, or else what the words of the name say.
pub fn class_of(family_name: &str) -> Class {
    if let Some((_, class)) = table::known_family(family_name) {
        return class;
    }
    if let Some(hit) = table::find(family_name.as_bytes(), 0)
        && hit.entry.rank >= table::RANK_LIBRARY
        && hit.entry.family.is_none()
    {
        return hit.entry.class;
    }
    let lower = family_name.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["gpt", "openai", "claude", "anthropic", "gemini", "perplexity", "deepseek", "mistral", "llm"])
        || lower.ends_with("-ai")
        || lower.ends_with("ai-user")
    {
        Class::Ai
    } else if scan::has_bot_word(family_name.as_bytes())
        || says(&[
            "monitor",
            "uptime",
            "scan",
            "preview",
            "checker",
            "archive",
            "feed",
            "rss",
            "probe",
            "healthcheck",
            "index",
            "search",
            "survey",
            "headless",
            "synthetic",
            "verifier",
            "sitemap",
            "seo",
        ])
    {
        Class::Bot
    } else if says(&[
        "http", "curl", "client", "sdk", "java", "python", "perl", "ruby", "php", "lib", "request", "wget",
        "axios", "rest", "api", "webhook", "exporter", "agent",
    ]) || lower.starts_with("go-")
        || lower.ends_with("-cli")
    {
        Class::Tool
    } else if lower.contains("browser") {
        Class::Browser
    } else {
        Class::App
    }
}

/// The part of an agent that is looked at, without blanks, quotes and a header's name around it.
fn trimmed(user_agent: &str) -> &str {
    let text = &user_agent[..user_agent.floor_char_boundary(MAX_AGENT_BYTES)];
    let around = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`');
    let text = text.trim_matches(around);
    const HEADER: &[u8] = b"user-agent:";
    match text.as_bytes().get(..HEADER.len()) {
        Some(start) if start.eq_ignore_ascii_case(HEADER) => text[HEADER.len()..].trim_matches(around),
        _ => text,
    }
}

/// Blanks that were encoded for a URL on the way (`Mozilla/5.0+(…)`, `ESPN%20Radio`) are blanks again.
fn spaced(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if memchr::memchr2(b'%', b'+', bytes).is_none() {
        return Cow::Borrowed(text);
    }
    let escaped = memchr::memmem::find(bytes, b"%20").is_some();
    let plus = memchr::memchr(b' ', bytes).is_none() && memchr::memmem::find(bytes, b"+(").is_some()
        || memchr::memmem::find(bytes, b"/5.0+(").is_some();
    match (escaped, plus) {
        (false, false) => Cow::Borrowed(text),
        (true, false) => Cow::Owned(text.replace("%20", " ")),
        (false, true) => Cow::Owned(text.replace('+', " ")),
        (true, true) => Cow::Owned(text.replace("%20", " ").replace('+', " ")),
    }
}

#[cfg(test)]
mod tests;
