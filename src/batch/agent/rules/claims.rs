//! Agents that claim to be a browser and say somewhere what they are: `(compatible; Name/1.0)`, `… Safari/537.36 NameBot`.
//!
//! Input: an [`Agent`]. Output: the name it gives in one of the places where programs give theirs. Never: the name of a
//! browser or of an application that shows pages; the table and the engine's rules find those.

use super::super::Class;
use super::super::address::{is_host_name, is_mail};
use super::super::name;
use super::super::scan::{Agent, AgentPiece};
use super::super::table::{self, KnownAgent, RANK_BRAND};
use super::super::words::{NameWords, has_bot_word, is_bare_bot_word};
use super::{NameFound, is_locale, starts_with};

impl<'a> Agent<'a> {
    /// Whether it says `compatible` as bots do. Internet Explorer says it too.
    pub(in crate::batch::agent) fn says_compatible(&self) -> bool {
        self.compatible().is_some()
    }

    /// Whether it gives an address to complain at: `+https://…`, a mail address, an address behind the platform; of an agent
    /// that begins with its own name and is on no device in a hand, any address.
    pub(in crate::batch::agent) fn gives_contact(&self) -> bool {
        if !self.signs.address {
            return false;
        }
        if !self.claims_to_be_a_browser() {
            return !self.signs.hand;
        }
        self.pieces.iter().any(|piece| {
            let link = piece.link.map(|link| &self.text[link..piece.end]);
            let behind = piece.comment != 1 && !self.signs.internet_explorer;
            link.is_some_and(|link| behind || link.starts_with('+') || is_mail(link.as_bytes()))
        })
    }

    /// A product or a segment with a word like `bot`, `crawler` or `spider`.
    pub(super) fn bot_word(&self) -> Option<NameFound<'a>> {
        if !self.signs.bot {
            return None;
        }
        self.pieces.iter().enumerate().filter(|(_, piece)| !(piece.noise && piece.comment == 0)).find_map(
            |(index, piece)| {
                let bot = piece.bot?;
                // The words before it belong to it (`Medialab Spider`), unless a version or a platform parts them.
                let start = if piece.comment == 0 {
                    self.run_start(index)
                } else if piece.noise {
                    bot
                } else {
                    piece.start
                };
                let whole =
                    name::product(&self.text[start..piece.end]).filter(|name| has_bot_word(name.as_bytes()));
                let name = whole.or_else(|| name::product(&self.text[bot..piece.end]))?;
                (!is_bare_bot_word(name)).then_some(NameFound::Taken(name))
            },
        )
    }

    /// Where the unknown words without a version that end with piece `index` start.
    fn run_start(&self, index: usize) -> usize {
        let mut start = self.pieces[index].start;
        for piece in self.pieces[..index].iter().rev() {
            let word = self.piece_text(piece);
            let plain = word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-' || byte == b'!');
            let glued = self.text[piece.end..start].bytes().all(|byte| byte == b' ');
            if piece.comment > 0 || !piece.unknown() || piece.link.is_some() || !plain || !glued {
                break;
            }
            start = piece.start;
        }
        start
    }

    /// The piece that says `compatible`.
    fn compatible(&self) -> Option<usize> {
        if self.signs.internet_explorer {
            return None;
        }
        self.pieces.iter().position(|piece| {
            // `LG NetCast.TV-2013 Compatible (LGE, …)` says something else.
            let other = piece.comment == 0 && self.text[piece.end..].trim_start().starts_with('(');
            !other && starts_with(self.piece_text(piece), "compatible")
        })
    }

    /// `compatible; Name/1.0`: the first segment after it that is not a platform, if the table does not know it.
    pub(super) fn after_compatible(&self) -> Option<NameFound<'a>> {
        let is_browser = |entry: &KnownAgent| matches!(entry.class, Class::Browser);
        if !self.signs.address && self.best_of(RANK_BRAND, |_, entry, _| is_browser(entry)).is_some() {
            return None;
        }
        let after = |at: usize| {
            self.glued_to_compatible(&self.pieces[at])
                .or_else(|| self.segment_name(self.pieces[at + 1..].iter()))
        };
        match self.compatible() {
            Some(at) => after(at),
            None => None,
        }
        // `(KHTML, like Gecko; Name)` says the same without the word.
        .or_else(|| self.after_like_gecko())
    }

    /// `(compatible: Name 1.0)`.
    fn glued_to_compatible(&self, piece: &AgentPiece) -> Option<NameFound<'a>> {
        let said = self.piece_text(piece)["compatible".len()..].trim_start_matches([':', ' ']);
        if piece.link.is_some() || table::find(said.as_bytes(), 0).is_some() {
            return None;
        }
        name::product(said).map(NameFound::Signed)
    }

    fn after_like_gecko(&self) -> Option<NameFound<'a>> {
        let says =
            |piece: &AgentPiece, word: &str| piece.comment > 0 && starts_with(self.piece_text(piece), word);
        let khtml = self.pieces.iter().position(|piece| says(piece, "KHTML"))?;
        let (first, rest) = self.pieces[khtml + 1..].split_first()?;
        let comment = self.pieces[khtml].comment;
        says(first, "like Gecko")
            .then(|| self.segment_name(rest.iter().take_while(|piece| piece.comment == comment)))?
    }

    /// The name of the first piece that is not a platform; none if the table knows it.
    fn segment_name<'p>(&self, mut pieces: impl Iterator<Item = &'p AgentPiece>) -> Option<NameFound<'a>> {
        let piece = pieces.find(|piece| !piece.noise)?;
        let text = self.piece_text(piece);
        let is_address = piece.link == Some(piece.start) && (text.contains(' ') || !is_mail(text.as_bytes()));
        if piece.hit.is_some() || is_address {
            return None;
        }
        name::product(text).map(NameFound::Signed)
    }

    /// `(Name; +http://…)`, `(Name http://…)`, `Name (+http://…)`: who gives an address gives a name before it.
    pub(super) fn before_link(&self) -> Option<NameFound<'a>> {
        let toolbars = self.signs.internet_explorer;
        for (index, piece) in self.pieces.iter().enumerate() {
            let text = self.piece_text(piece);
            let linked = match piece.link {
                Some(link) => link,
                None if piece.comment > 0 && piece.unknown() && is_host_name(text.as_bytes()) => piece.start,
                None => continue,
            };
            if toolbars && !self.text[linked..].starts_with('+') {
                // The toolbars of Internet Explorer advertise; bots write `+http://…`.
                continue;
            }
            let inside = &self.text[piece.start..linked];
            let named = if inside.len() > 2 && piece.unknown() {
                name::product(inside)
            } else {
                self.pieces[..index].last().and_then(|before| {
                    let near = before.comment == piece.comment || (piece.comment > 0 && before.comment == 0);
                    let usable = near && before.unknown() && before.link.is_none();
                    usable.then(|| name::product(self.piece_text(before))).flatten()
                })
            };
            if named.is_some() {
                return named.map(NameFound::Signed);
            }
        }
        None
    }

    /// A name where only programs sign that drive a browser of a desk: among its platform, or behind all its products.
    pub(super) fn signature(&self) -> Option<NameFound<'a>> {
        if self.signs.hand {
            return None;
        }
        let name = if self.signs.desk && !self.signs.internet_explorer {
            self.among_platform().or_else(|| self.at_the_end())
        } else {
            self.in_place_of_the_platform()
        };
        name.map(NameFound::Signed)
    }

    /// `Mozilla/5.0 (X11; Name; Linux x86_64) AppleWebKit/…`, `Mozilla/5.0 (Name; Windows NT 10.0; …) Gecko/…`.
    fn among_platform(&self) -> Option<&'a str> {
        let webkit = self.says_product("AppleWebKit/");
        let platform = self.pieces.iter().filter(|piece| piece.comment == 1);
        platform.take(if webkit { usize::MAX } else { 1 }).find_map(|piece| {
            // `Lumia 640 XL` is a device.
            let text = self.piece_text(piece);
            let model = text.contains(' ') && text.contains(|c: char| c.is_ascii_digit());
            if model { None } else { self.signed_by(piece) }
        })
    }

    /// `Mozilla/5.0 (Name) AppleWebKit/537.36 …`: nothing but a name where the platform belongs.
    fn in_place_of_the_platform(&self) -> Option<&'a str> {
        let mut platform = self.pieces.iter().filter(|piece| piece.comment == 1);
        let (only, None) = (platform.next()?, platform.next()) else { return None };
        if self.says_product("AppleWebKit/") { self.signed_by(only) } else { None }
    }

    /// `… Safari/537.36 (Name)`, `… Safari/537.36 Name`, `… Safari/537.36; Name/1.0`: a lone comment, a word without a
    /// version, a product behind a semicolon.
    fn at_the_end(&self) -> Option<&'a str> {
        let (last, before) = self.pieces.split_last()?;
        let previous = before.last().filter(|piece| piece.comment == 0)?;
        if last.comment == 0 && self.text[previous.end..last.start].contains(';') && last.unknown() {
            return name::product(self.piece_text(last));
        }
        let name = self.signed_by(last)?;
        // Firefox has toolbars and distributions there; only words or a host tell a program.
        let tells = || {
            is_host_name(self.piece_text(last).as_bytes()) || NameWords::of(name).class() == Some(Class::Bot)
        };
        (self.says_product("Safari/") || tells()).then_some(name)
    }

    /// The name in a piece that is nothing but an unknown name without a version.
    fn signed_by(&self, piece: &AgentPiece) -> Option<&'a str> {
        let text = self.piece_text(piece);
        let versioned = text.contains('/') && !is_host_name(text.as_bytes());
        if !piece.unknown() || piece.link.is_some() || versioned {
            return None;
        }
        name::product(text).filter(|name| name.len() > 2 && !is_locale(name))
    }
}
