//! The rules that choose one name for an agent, in their order.
//!
//! Input: an [`Agent`]. Output: the name it is counted under, as [`NameFound`]. Pure: equal agents get equal names, whatever was
//! asked before. Never: a class, unless the table gives it with the name.

mod claims;
mod own_name;

use woothee::parser::Parser;

use super::Class;
use super::name;
use super::scan::{Agent, AgentPiece};
use super::table::{KnownAgent, RANK_BRAND, RANK_ENGINE, RANK_LIBRARY, RANK_NOISE, RANK_SURE};

/// What woothee says when it knows nothing, or only the kind of client.
const WOOTHEE_SAYS_NOTHING: [&str; 4] = ["UNKNOWN", "HTTP Library", "misc crawler", "RSSReader"];

/// A name that a rule found.
#[derive(Clone, Copy, Debug)]
pub(super) enum NameFound<'a> {
    /// A family of the table.
    Known(&'static str, Class),
    /// A name as the agent writes it.
    Taken(&'a str),
    /// The same, from a place where only programs give a name: `compatible; Name`, before an address, and before, behind or
    /// among the platform of the agent of a browser that they drive.
    Signed(&'a str),
}

/// The name of an agent; `None` if it says none.
pub(super) fn name<'a>(agent: &Agent<'a>) -> Option<NameFound<'a>> {
    agent
        .own_name()
        .or_else(|| agent.best(RANK_SURE))
        .or_else(|| agent.bot_word())
        .or_else(|| agent.after_compatible())
        .or_else(|| agent.before_link())
        .or_else(|| agent.signature())
        .or_else(|| agent.best(RANK_BRAND))
        .or_else(|| agent.extra_product())
        .or_else(|| agent.engine())
        .or_else(|| agent.lone_product())
        .or_else(|| agent.woothee())
        .or_else(|| agent.best(RANK_NOISE + 1))
        .or_else(|| agent.netscape())
        .or_else(|| agent.any_product())
}

impl<'a> Agent<'a> {
    /// Whether it begins with a word that every browser says.
    pub(super) fn claims_to_be_a_browser(&self) -> bool {
        ["Mozilla/", "Mozilla ", "Mozilla(", "Opera/", "compatible;", "Mozzila/", "Mozila/", "Mozlila/"]
            .iter()
            .any(|start| starts_with(self.text, start))
    }

    /// The entry of the highest rank that is at least `floor`; the first of equals.
    fn best(&self, floor: u8) -> Option<NameFound<'a>> {
        let (entry, at) = self.best_of(floor, |_, _, _| true)?;
        self.named_by(entry, at)
    }

    /// The same, of the entries that pass.
    fn best_of(
        &self,
        floor: u8,
        passes: impl Fn(&AgentPiece, &KnownAgent, usize) -> bool,
    ) -> Option<(&'static KnownAgent, usize)> {
        let mut best: Option<(&'static KnownAgent, usize)> = None;
        for piece in &self.pieces {
            if let Some((entry, at)) = piece.hit
                && entry.rank >= floor
                && best.is_none_or(|(other, _)| entry.rank > other.rank)
                && passes(piece, entry, at)
            {
                best = Some((entry, at));
            }
        }
        best
    }

    fn named_by(&self, entry: &'static KnownAgent, at: usize) -> Option<NameFound<'a>> {
        match entry.family {
            Some(family) => Some(NameFound::Known(family, entry.class)),
            None => name::product(&self.text[at..]).map(NameFound::Taken),
        }
    }

    /// Whether a product outside comments starts like this: `AppleWebKit/`.
    pub(super) fn says_product(&self, start: &str) -> bool {
        self.pieces.iter().any(|piece| piece.comment == 0 && starts_with(self.piece_text(piece), start))
    }

    /// A product besides the engine's tokens: `Chrome/103 CitizenFX/1.0 Safari/537`, `Firefox/4.0 Name/4.0`.
    fn extra_product(&self) -> Option<NameFound<'a>> {
        let says = |piece: &AgentPiece, word: &str| {
            piece.comment == 0 && starts_with(&self.text[piece.start..], word)
        };
        let firefox = self.pieces.iter().position(|piece| says(piece, "Firefox/"));
        let after = firefox.or_else(|| {
            self.pieces.iter().position(|piece| says(piece, "AppleWebKit") || says(piece, "Gecko/"))
        })?;
        let rest = &self.pieces[after + 1..];
        let at = rest.iter().position(|piece| {
            let text = self.piece_text(piece);
            piece.comment == 0
                && piece.unknown()
                && piece.link.is_none()
                && !is_locale(text)
                // Toolbars sign after Firefox, without a version.
                && (firefox.is_none() || text.contains('/'))
                && name::product(text).is_some_and(|name| name.len() > 2)
        })?;
        let end =
            if self.piece_text(&rest[at]).contains('/') { rest[at].end } else { self.run_end(rest, at) };
        name::product(&self.text[rest[at].start..end]).map(NameFound::Taken)
    }

    /// Where the unknown words that begin with piece `at` end: the next token the table knows, or the next comment, ends a
    /// name (`Ghost Inspector (63c8…)`).
    fn run_end(&self, pieces: &[AgentPiece], at: usize) -> usize {
        pieces[at..]
            .iter()
            .take_while(|piece| piece.comment == 0 && piece.unknown() && piece.link.is_none())
            .last()
            .map_or(pieces[at].end, |piece| piece.end)
    }

    /// A browser that says nothing but its engine.
    fn engine(&self) -> Option<NameFound<'a>> {
        let best = self
            .pieces
            .iter()
            .filter_map(|piece| piece.hit)
            .map(|(entry, _)| entry)
            .filter(|entry| entry.rank >= RANK_ENGINE)
            .reduce(|best, entry| if entry.rank > best.rank { entry } else { best });
        let says = |word: &str| memchr::memmem::find(self.text.as_bytes(), word.as_bytes()).is_some();
        match best {
            Some(entry) if entry.rank >= RANK_LIBRARY => None,
            Some(entry) if entry.family == Some("Safari") && says("Android") => known("Android browser"),
            Some(entry) => self.named_by(entry, 0),
            // Web views leave `Safari/…` out.
            None if !says("AppleWebKit/") => None,
            None if says("iPhone") || says("iPad") || says("iPod") => known("Safari"),
            None if says("Android") => known("Android browser"),
            None if says("Macintosh") => known("Apple Mail"),
            None => None,
        }
    }

    /// `Mozilla/5.0 Name/1.0`, `Mozilla/5.0 (Name)`: nothing there but a name.
    fn lone_product(&self) -> Option<NameFound<'a>> {
        let rest = self.pieces.get(1..)?;
        let is_name = |piece: &&AgentPiece| piece.comment == 0 && piece.unknown() && piece.link.is_none();
        if let Some(piece) = rest.iter().find(is_name) {
            return name::product(&self.text[piece.start..]).map(NameFound::Taken);
        }
        match rest {
            [only] if only.unknown() => name::product(self.piece_text(only)).map(NameFound::Taken),
            _ => None,
        }
    }

    /// What woothee knows: telephones, consoles, old browsers.
    fn woothee(&self) -> Option<NameFound<'a>> {
        let found = Parser::new().parse(self.text)?;
        if WOOTHEE_SAYS_NOTHING.contains(&found.name) {
            return None;
        }
        Some(NameFound::Taken(if found.name == "Webview" { "Safari" } else { found.name }))
    }

    /// `Mozilla/4.04 [en] (X11; I; IRIX 5.3 IP22)`: no product but the first, from before others claimed to be `compatible`.
    fn netscape(&self) -> Option<NameFound<'a>> {
        let version = self.text.strip_prefix("Mozilla/")?;
        let old = version.starts_with(['1', '2', '3', '4']);
        let alone = self.pieces.iter().skip(1).all(|piece| piece.comment > 0);
        if old && alone && !self.says_compatible() { known("Netscape") } else { None }
    }

    /// The first name there is.
    fn any_product(&self) -> Option<NameFound<'a>> {
        let named = |piece: &&AgentPiece| piece.link.is_none() && !piece.noise;
        let piece = self
            .pieces
            .iter()
            .find(named)
            .or_else(|| self.pieces.iter().find(|piece| piece.link.is_none()))?;
        name::product(self.piece_text(piece)).map(NameFound::Taken)
    }
}

/// A family that the table gives a class.
fn known(family: &'static str) -> Option<NameFound<'static>> {
    Some(NameFound::Known(family, super::class_of(family)))
}

pub(super) fn starts_with(text: &str, start: &str) -> bool {
    text.len() >= start.len() && text.as_bytes()[..start.len()].eq_ignore_ascii_case(start.as_bytes())
}

/// `en-US`, `de`.
fn is_locale(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 2 || (bytes.len() == 5 && matches!(bytes[2], b'-' | b'_'))
}
