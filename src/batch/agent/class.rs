//! The class of a family: from the table, or else from the evidence in the agent.
//!
//! Input: the family's name and the [`Agent`] it was found in, or a name alone. Output: a [`Class`]. Pure. Never: a guess
//! that a person asks where the agent names no device of a person.
//!
//! # Evidence, in the order it counts
//!
//! 1. The table knows the family. An application or a browser that gives a contact address is a service of its maker
//!    though: `Pinterest/0.2 (+https://…)`.
//! 2. The words of the name: a company of language models, *bot*, *monitor*, *uptime*, ….
//! 3. The words of the name: *http*, *client*, *sdk*, …, unless it claims to be a browser.
//! 4. The place of the name ([`Found::Signed`](super::rules::Found)); a bot word, an address, `compatible;` in the agent.
//! 5. A device of a person, or the engine of a browser: an application.
//! 6. A runtime or a library in the agent: a tool.
//! 7. None of these: a program. With the version of a library (`name/1.2.3`) a tool, else a bot.

use super::Class;
use super::scan::Agent;
use super::table;
use super::words::NameWords;

/// The class of a family by its name alone: the table's, or else what the words of the name say.
pub fn class_of(family_name: &str) -> Class {
    if let Some((_, class)) = table::known_family(family_name) {
        return class;
    }
    let words = NameWords::of(family_name);
    table::class_of_product(family_name).or_else(|| words.class()).unwrap_or(if words.tell_a_service() {
        Class::Bot
    } else {
        Class::App
    })
}

/// The class of a family that the table knows.
pub(super) fn of_known(class: Class, agent: &Agent<'_>) -> Class {
    if class.is_for_people() && agent.gives_contact() { Class::Bot } else { class }
}

/// The class of a family that the table does not know.
/// `signed`: the name stands where only programs give one.
pub(super) fn of_unknown(name: &str, signed: bool, agent: &Agent<'_>) -> Class {
    let signs = &agent.signs;
    let is_browser = agent.claims_to_be_a_browser();
    let compatible = agent.says_compatible();
    let words = NameWords::of(name);
    match words.class() {
        // `Uptime Monitor/2.1 (iPhone; …)` is an application, `Uptimebot/2.1 (iPhone; …)` is not.
        Some(Class::Bot) if signs.hand && !is_browser && !signs.bot => Class::App,
        Some(class @ (Class::Ai | Class::Bot)) => class,
        Some(Class::Tool) if !is_browser || compatible => Class::Tool,
        _ if signed || signs.bot || signs.address || compatible => Class::Bot,
        _ if !is_browser && agent.more_words_tell_a_bot() => Class::Bot,
        Some(Class::Browser) if signs.hand || (is_browser && agent.says_an_engine()) => Class::Browser,
        _ if signs.hand || (is_browser && agent.says_an_engine()) => Class::App,
        _ if signs.program || agent.products_tell_a_tool() => Class::Tool,
        _ if signs.desk && !is_browser => Class::App,
        _ if !is_browser && words.tell_an_application() => Class::App,
        _ if !is_browser && agent.has_library_version() => Class::Tool,
        _ => Class::Bot,
    }
}

impl Agent<'_> {
    fn says_an_engine(&self) -> bool {
        self.says_product("AppleWebKit") || self.says_product("Gecko") || self.says_product("KHTML")
    }

    /// `jetmon/1.0 (Jetpack Site Uptime Monitor by WordPress.com)`.
    fn more_words_tell_a_bot(&self) -> bool {
        let mut others = self.pieces.iter().skip(1).filter(|piece| !piece.noise);
        others.any(|piece| NameWords::of(self.piece_text(piece)).class() == Some(Class::Bot))
    }

    /// `Quux/1.0 quux-http-client/2.0`.
    fn products_tell_a_tool(&self) -> bool {
        let mut products = self.pieces.iter().filter(|piece| piece.comment == 0);
        products.any(|piece| NameWords::of(self.piece_text(piece)).class() == Some(Class::Tool))
    }
}
