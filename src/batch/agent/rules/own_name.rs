//! Agents that begin with a name of their own: `curl/8.5.0`, `Quux Reader 3.1 (iPad; iOS 17)`.
//!
//! Input: an [`Agent`]. Output: its name, if it begins with one, or if the table knows what it begins with. Never: a name
//! for an agent that begins as all browsers do.

use super::super::Class;
use super::super::name;
use super::super::scan::{Agent, AgentPiece};
use super::super::table::{
    self, KnownAgent, RANK_BRAND, RANK_DEVICE, RANK_ENGINE, RANK_NOISE, RANK_PRODUCT, RANK_SURE,
};
use super::super::words::{has_bot_word, is_bare_bot_word};
use super::NameFound;

impl<'a> Agent<'a> {
    /// The words the agent begins with, without versions; unless the table knows better, or they are a device or a library
    /// and the rest says who uses it.
    pub(super) fn own_name(&self) -> Option<NameFound<'a>> {
        let first = self.pieces.first()?;
        if first.comment > 0 || self.claims_to_be_a_browser() {
            return None;
        }
        let rank = self.first_rank(first);
        if rank >= RANK_SURE {
            return self.best(RANK_SURE);
        }
        if rank >= RANK_DEVICE {
            return self.on_a_device();
        }
        if rank > RANK_NOISE || first.link.is_some() {
            return self.best(RANK_SURE);
        }
        let products = RANK_PRODUCT..RANK_SURE;
        if self.pieces.iter().any(|piece| products.contains(&piece.rank())) {
            // The unknown word is a model: `QC2135 UP.Browser/4.1`.
            return self.on_a_device();
        }
        let own = self.second_name(first).or_else(|| name::product(&self.text[first.start..]));
        let own = own.filter(|own| !is_bare_bot_word(own));
        match own {
            Some(own) if has_bot_word(own.as_bytes()) => Some(NameFound::Taken(own)),
            _ => match self.stands_inside(first, own) {
                Some((entry, at)) => self.named_by(entry, at),
                None => own.map(|own| self.before_a_browser(own)),
            },
        }
    }

    /// A product that says more than the agent's own name: `Name/1.0 Instagram 4` is Instagram inside something. A bot behind
    /// a name with a version is another's, a tool in a comment is what the agent runs on, and a word of its own name is no
    /// product (`NuGet Command Line/6.10`).
    fn stands_inside(&self, first: &AgentPiece, own: Option<&str>) -> Option<(&'static KnownAgent, usize)> {
        let own_end = own.map_or(0, |own| first.start + own.len());
        let named = own.is_some() && self.piece_text(first).contains('/');
        self.best_of(RANK_SURE, |piece, entry, at| {
            let is_other = match entry.class {
                Class::Bot | Class::Ai => named,
                Class::Tool => named && piece.comment > 0,
                _ => false,
            };
            at >= own_end && !is_other
        })
    }

    /// `Name/1.0 Mozilla/5.0 (Windows NT 10.0; …`: who puts a name before the whole agent of a desk's browser signs it.
    fn before_a_browser(&self, own: &'a str) -> NameFound<'a> {
        match memchr::memmem::find(self.text.as_bytes(), b"Mozilla/") {
            Some(_) if !self.signs.hand => NameFound::Signed(own),
            _ => NameFound::Taken(own),
        }
    }

    /// An agent that begins with a device, a player, a library: who uses it, or else the highest rank.
    fn on_a_device(&self) -> Option<NameFound<'a>> {
        self.best(RANK_SURE)
            .or_else(|| self.bot_word())
            .or_else(|| self.after_compatible())
            .or_else(|| self.best(RANK_DEVICE))
    }

    /// The rank of the words the agent begins with; [`RANK_NOISE`] if the table does not know them.
    fn first_rank(&self, first: &AgentPiece) -> u8 {
        let Some((entry, at)) = first.hit else { return RANK_NOISE };
        if at > first.start {
            // `J2ME/UCWEB7.0`: what is glued to it counts when it is a browser.
            let counts = entry.rank >= RANK_BRAND && entry.class.is_for_people();
            return if counts { entry.rank } else { RANK_NOISE };
        }
        // `Chrome Privacy Preserving Prefetch Proxy` and `Edge Health Probe` are not browsers.
        let browser = (RANK_ENGINE..RANK_PRODUCT).contains(&entry.rank);
        let more_words = || {
            let mut rest = self.text[first.end..].bytes();
            rest.next() == Some(b' ') && rest.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        };
        if browser && !self.piece_text(first).contains('/') && more_words() {
            return RANK_NOISE;
        }
        entry.rank
    }

    /// `Teragram/SAS Crawler`, `IS Alpha/zcspider-0.1`: who writes a name where the version belongs, and a version or a
    /// bot word with it, means that name. `PayPal/AUHR-214.0` is a code.
    fn second_name(&self, first: &AgentPiece) -> Option<&'a str> {
        let rest = &self.text[first.start..];
        let slash = rest.find(['/', '(', ';', ',', '"'])?;
        let after = rest[slash..].strip_prefix('/')?;
        let word = after.split([' ', '/', '(', ';', ',']).next()?;
        let known = table::find(after.as_bytes(), 0).is_some();
        if known || word.len() < 3 || !word.bytes().take(3).all(|byte| byte.is_ascii_alphabetic()) {
            return None;
        }
        let name = name::product(after)?;
        let version = after[name.len()..].trim_start_matches(['-', ' ', '_']);
        let versioned = version.len() < after.len() - name.len()
            && version.starts_with(|c: char| c.is_ascii_digit())
            && name.contains(|c: char| c.is_ascii_lowercase());
        (versioned || has_bot_word(name.as_bytes())).then_some(name)
    }

    /// Whether the agent begins with a name and a version as libraries and command-line tools have them: `name/1`, `Name/1.2.3`,
    /// `Name/1.2-SNAPSHOT`.
    pub(in crate::batch::agent) fn has_library_version(&self) -> bool {
        let Some((name, version)) = self.text.split_once('/') else { return false };
        let version = version.split([' ', '(', ';', ',']).next().unwrap_or(version).trim_start_matches('v');
        let parts =
            version.split('.').take_while(|part| part.starts_with(|c: char| c.is_ascii_digit())).count();
        parts >= 3
            || version.contains("SNAPSHOT")
            || (parts > 0 && name.starts_with(|c: char| c.is_ascii_lowercase()))
    }
}
