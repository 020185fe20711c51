//! User-agent families: the few hundred names people know (`Chrome`, `Googlebot`, `curl`) out of the millions of agents.
//!
//! Input: the agent a client sent, any text. Output: a [`Family`]: a short name, and the [`Class`] of who asks. Pure and
//! deterministic: the cache in front ([`FamilyCache`]) changes how long an answer takes, never the answer. Never: an agent
//! as its own family (families are keys of counts, agents are as many as visits), a byte beyond [`MAX_AGENT_BYTES`](super::MAX_AGENT_BYTES), a
//! panic.
//!
//! # How an agent is read
//!
//! | module | gives the next one |
//! |---|---|
//! | `clean` | readable text: URL encoding undone, invisible characters removed |
//! | `scan` | pieces: products (`Chrome/120`) and segments of comments (`compatible; Name/2.0`), with what `table` knows of them; signs: a device, a runtime, a bot word, an address |
//! | `rules` | the name, by the first rule that finds one; `name` cuts versions, ids and addresses off it |
//! | `class` | the class: the table's, or else from the evidence |
//!
//! The rules of `rules`, in their order:
//!
//! 1. An agent that does not begin with `Mozilla/` or `Opera/`: the words it begins with; unless the table knows better, or
//!    they are a device or a library and the rest says who uses it.
//! 2. An entry of the table that is certain wherever it stands: AI agents, search engines, probes, in-app browsers.
//! 3. A product or segment with a word like `bot`, `crawler`, `spider`.
//! 4. The segment after `compatible;`, or after `KHTML, like Gecko;`.
//! 5. The name before a web or mail address.
//! 6. A signature: a name among the platform of a desk's browser (`X11; Name; Linux`), or behind all its products.
//! 7. The browser brand of the highest rank in the table (`Edg` over `Chrome`, `Opera Mini` over `Opera`).
//! 8. A product besides the tokens of the engine: `Chrome/103 CitizenFX/1.0 Safari/537`.
//! 9. The engine: Internet Explorer, Chrome, Firefox, Safari, the Android browser.
//! 10. The only product there is: `Mozilla/5.0 (Name)`.
//! 11. [woothee](https://docs.rs/woothee): telephones, consoles, feed readers.
//! 12. A base of the table (`Python`, `Dalvik`, a maker of telephones), or else the first product; or else `Unknown`.
//!
//! # How to add one
//!
//! Most new bots, tools and apps need nothing: the rules name them, and the evidence gives their class. Otherwise add a line
//! to `data/agents/families.tsv` (its head explains it), and the agent with what it must be to `data/agents/ua_today.tsv`. A
//! word that tells the class of many names belongs into `data/agents/words.tsv`. `cargo test --test suite
//! agent_truth -- --nocapture` prints how many agents of each kind are named and classed as people do it, and fails below
//! the floors; `AGENT_TRUTH_MISSES=1` before it lists the others.

mod address;
mod cache;
mod class;
mod clean;
mod name;
mod rules;
mod scan;
mod table;
mod words;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use cache::{FamilyCache, with_cache};
pub use class::class_of;

/// Bytes of a family's name.
pub const MAX_FAMILY_BYTES: usize = 64;
/// The family of an agent that says nothing.
pub const UNKNOWN: &str = "Unknown";

/// Kinds of clients. Requests of robots ([`Class::Bot`] and [`Class::Ai`]) and of people are counted apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A browser people use at a desk, or both there and on a telephone.
    Browser,
    /// A browser of telephones, televisions and other small things.
    Mobile,
    /// A crawler, a link preview, a feed reader on a server, a probe.
    Bot,
    /// A client that feeds a language model, or that one acts through.
    Ai,
    /// An HTTP library or a command-line tool, and an agent that says nothing.
    Tool,
    /// An application other than a browser; one that shows pages inside itself too.
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

    /// Whether requests of this class count as robots.
    pub fn is_robot(self) -> bool {
        matches!(self, Class::Bot | Class::Ai)
    }

    /// Whether it is a browser or an application: what a person asks with.
    fn is_for_people(self) -> bool {
        matches!(self, Class::Browser | Class::Mobile | Class::App)
    }

    pub fn from_name(name: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.as_str() == name)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The family of an agent, and the class of that agent. Cheap to clone; equal, hashed and borrowed as its name.
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

    /// The class of the agent. Agents of one family can differ: `Quux/1.0 (iPhone; …)` is an application, `Quux/1.0
    /// (+https://quux.example)` a bot. Where only the name is left, [`class_of`] tells what the name tells.
    pub fn class(&self) -> Class {
        self.class
    }

    fn unknown() -> Family {
        Family::known(UNKNOWN, Class::Tool)
    }

    fn known(name: &'static str, class: Class) -> Family {
        Family { name: Name::Known(name), class }
    }

    /// A family by a name a rule took from the agent; the table's spelling and class where it knows the name.
    fn taken(name: &str, signed: bool, agent: &scan::Agent<'_>) -> Family {
        if let Some((name, class)) = table::known_family(name) {
            return Family::known(name, class::of_known(class, agent));
        }
        let class = match table::class_of_product(name) {
            Some(class) => class::of_known(class, agent),
            None => class::of_unknown(name, signed, agent),
        };
        Family { name: Name::Found(Arc::from(name)), class }
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
    let text = clean::readable(user_agent);
    if text.is_empty() || text == "-" {
        return Family::unknown();
    }
    let agent = scan::Agent::read(&text);
    match rules::name(&agent) {
        None => Family::known(UNKNOWN, class::of_nameless(&agent.signs)),
        Some(rules::NameFound::Known(name, class)) => Family::known(name, class::of_known(class, &agent)),
        Some(rules::NameFound::Taken(name)) => Family::taken(name, false, &agent),
        Some(rules::NameFound::Signed(name)) => Family::taken(name, true, &agent),
    }
}

#[cfg(test)]
mod tests;
