//! The class of a family: from the table, or else from the evidence in the agent.
//!
//! Input: the family's name and the [`Agent`] it was found in, or a name alone. Output: a [`Class`]. Pure. Never: a
//! class of people's clients for an agent that names no device of a person.
//!
//! # Evidence, in the order it counts
//!
//! 1. The table knows the family. An application or a browser that gives a contact address is a service of its maker
//!    though: `Pinterest/0.2 (+https://…)`.
//! 2. The name has a word of a company of language models.
//! 3. The agent begins with its own name and tells of a device in a hand, without `compatible;`: an application.
//! 4. The words of the name: *bot*, *monitor*, *uptime*; *http*, *client*, *sdk*; *browser*.
//! 5. The name stands where only programs give one ([`NameFound::Signed`](super::rules::NameFound)), or the agent has a
//!    bot word, an address, `compatible;`, or a monitor's word: a bot.
//! 6. A platform of persons: an application. A runtime or a library: a tool.
//! 7. None of these: a program. With a word like *feed* or *site* a bot; with Linux for its platform, or the version of a
//!    library (`name/1`, `Name/1.2.3`), a tool; else a bot.

use super::Class;
use super::address::is_host_name;
use super::rules::starts_with;
use super::scan::{Agent, AgentPiece, Signs};
use super::table;
use super::words::NameWords;

/// The class of a family by its name alone: the table's, or else what the words of the name say.
pub fn class_of(family_name: &str) -> Class {
    if let Some((_, class)) = table::known_family(family_name) {
        return class;
    }
    let words = NameWords::of(family_name);
    let otherwise = if words.tell_a_service() { Class::Bot } else { Class::App };
    table::class_of_product(family_name).or_else(|| words.class()).unwrap_or(otherwise)
}

/// The class of a family that the table knows.
pub(super) fn of_known(class: Class, agent: &Agent<'_>) -> Class {
    if class.is_for_people() && agent.gives_contact() { Class::Bot } else { class }
}

/// The class of an agent that says no name.
pub(super) fn of_nameless(signs: &Signs) -> Class {
    match signs {
        Signs { address: true, .. } => Class::Bot,
        Signs { hand: true, .. } => Class::App,
        _ => Class::Tool,
    }
}

/// The class of a family that the table does not know. `signed`: the name stands where only programs give one.
pub(super) fn of_unknown(name: &str, signed: bool, agent: &Agent<'_>) -> Class {
    let signs = &agent.signs;
    let is_browser = agent.claims_to_be_a_browser();
    let contact = signs.address || agent.says_compatible();
    let words = NameWords::of(name);
    match words.class() {
        Some(Class::Ai) => Class::Ai,
        // `Uptime Monitor/2.1 (iPhone; …)` is an application, `Uptimebot/2.1 (iPhone; …)` is not, nor is
        // `DoCoMo/2.0 P900i (compatible; Quux/1.0; …)`.
        _ if signs.hand && !is_browser && !signs.bot && !agent.says_compatible() => Class::App,
        Some(Class::Bot) => Class::Bot,
        Some(Class::Tool) if signs.address && !agent.links_to_code() => Class::Bot,
        Some(Class::Tool) if !is_browser || contact => Class::Tool,
        Some(Class::Browser) if !contact && !signs.bot && !signs.program => Class::Browser,
        _ if signed || signs.bot || contact || is_host_name(name.as_bytes()) => Class::Bot,
        _ if agent.more_words_tell_a_bot() => Class::Bot,
        _ if agent.is_on_a_device() => Class::App,
        _ if signs.program || agent.products_tell_a_tool() => Class::Tool,
        _ if !is_browser && words.tell_an_application() => Class::App,
        _ if words.tell_a_service() => Class::Bot,
        _ if !is_browser && agent.runs_on_linux() => Class::Tool,
        _ if !is_browser && agent.has_library_version() => Class::Tool,
        _ => Class::Bot,
    }
}

impl Agent<'_> {
    /// Whether it names a device of a person. An agent that looks like a browser's must name a platform and an
    /// engine.
    fn is_on_a_device(&self) -> bool {
        if self.signs.hand || !self.claims_to_be_a_browser() {
            return self.signs.hand || (self.signs.desk && !self.signs.program);
        }
        let engines = ["AppleWebKit", "Gecko", "KHTML"];
        let platform =
            self.pieces.get(1).is_some_and(|piece| piece.comment == 1 && self.piece_text(piece) != "KHTML");
        platform && engines.iter().any(|engine| self.says_product(engine))
    }

    /// Whether its address is the page of a program's source: `+https://github.com/…`.
    fn links_to_code(&self) -> bool {
        const PLACES: [&str; 8] = [
            "github.com",
            "gitlab.com",
            "sourceforge.",
            "bitbucket.org",
            "pypi.",
            "npmjs.",
            "php.net",
            "codeberg.org",
        ];
        PLACES.iter().any(|place| self.text.contains(place))
    }

    /// Whether its other words are those of a bot: `jetmon/1.0 (Jetpack Site Uptime Monitor by WordPress.com)`. Of an
    /// agent that looks like a browser's only unknown products count: `… Safari/537.36 Quux/Synthetics`.
    fn more_words_tell_a_bot(&self) -> bool {
        let is_browser = self.claims_to_be_a_browser();
        if is_browser && self.signs.hand {
            return false;
        }
        let is_read = |piece: &&AgentPiece| {
            if is_browser { piece.comment == 0 && piece.unknown() } else { !piece.noise }
        };
        let mut others = self.pieces.iter().skip(1).filter(is_read);
        others.any(|piece| NameWords::of(self.piece_text(piece)).class() == Some(Class::Bot))
    }

    /// `Quux/1.0 (Linux)`: the platform of servers, and none of a desk.
    fn runs_on_linux(&self) -> bool {
        let mut segments = self.pieces.iter().filter(|piece| piece.comment > 0 && piece.noise);
        !self.signs.desk && segments.any(|piece| starts_with(self.piece_text(piece), "linux"))
    }

    /// `Quux/1.0 quux-http-client/2.0`, `Quux/1.0 (QuuxHttpClient)`.
    fn products_tell_a_tool(&self) -> bool {
        let mut products = self.pieces.iter().filter(|piece| piece.link.is_none() && !piece.noise);
        products.any(|piece| NameWords::of(self.piece_text(piece)).class() == Some(Class::Tool))
    }
}
