//! The rules that choose one family for an agent, in their order.
//!
//! In: a trimmed agent. Out: a [`Family`]. Pure: equal agents get equal families, whatever was asked before.

use woothee::parser::Parser;

use super::name;
use super::scan::{self, Piece, has_bot_word, is_host};
use super::table::{
    self, Entry, RANK_BRAND, RANK_DEVICE, RANK_ENGINE, RANK_LIBRARY, RANK_NOISE, RANK_PRODUCT, RANK_SURE,
};
use super::{Class, Family};

/// What woothee says when it knows nothing, or only the kind of thing.
const WOOTHEE_SAYS_NOTHING: [&str; 4] = ["UNKNOWN", "HTTP Library", "misc crawler", "RSSReader"];

/// An agent cut into pieces, and the questions the rules ask about it.
struct Agent<'a> {
    text: &'a str,
    pieces: Vec<Piece>,
}

/// The family of `text`, which is trimmed and not empty.
pub(super) fn family(text: &str) -> Family {
    let agent = Agent { text, pieces: scan::pieces(text) };
    agent
        .first_words()
        .or_else(|| agent.certain())
        .or_else(|| agent.bot_word())
        .or_else(|| agent.after_compatible())
        .or_else(|| agent.before_link())
        .or_else(|| agent.before_platform())
        .or_else(|| agent.best(RANK_BRAND))
        .or_else(|| agent.extra_product())
        .or_else(|| agent.engine())
        .or_else(|| agent.lone_product())
        .or_else(|| agent.woothee())
        .or_else(|| agent.best(RANK_NOISE + 1))
        .or_else(|| agent.any_product())
        .unwrap_or_else(Family::unknown)
}

impl Agent<'_> {
    /// An agent that begins neither `Mozilla/` nor with another word every browser says: the words it begins with.
    fn first_words(&self) -> Option<Family> {
        let first = self.pieces.first()?;
        if first.comment > 0 || starts_like_a_browser(self.text) {
            return None;
        }
        let rank = self.first_rank(first);
        if rank >= RANK_SURE {
            return self.certain();
        }
        if rank >= RANK_DEVICE {
            return self.on_a_device();
        }
        if rank > RANK_NOISE || first.link.is_some() {
            return self.certain();
        }
        let products = RANK_PRODUCT..RANK_SURE;
        if self.pieces.iter().any(|piece| products.contains(&piece.rank())) {
            // The unknown word is a model: `QC2135 UP.Browser/4.1`.
            return self.on_a_device();
        }
        let own = self.second_name(first).or_else(|| name::product(&self.text[first.start..]));
        let own = own.filter(|own| !name::is_bare_bot_word(own));
        if let Some(own) = own
            && has_bot_word(own.as_bytes())
        {
            return Some(Family::named(own));
        }
        // `Name/1.0 (…) Googlebot` is no Googlebot; `Name/1.0 Instagram 4` is Instagram inside something.
        let versioned = self.text[first.start..first.end].contains('/');
        let certain = self.best_entry(RANK_SURE).filter(|(entry, _)| {
            !(versioned && own.is_some() && matches!(entry.class, Class::Bot | Class::Ai))
        });
        match certain {
            Some((entry, at)) => self.named_by(entry, at),
            None => own.map(Family::named),
        }
    }

    /// An agent that begins with a device, a player, a library: who uses it, or else the highest rank.
    fn on_a_device(&self) -> Option<Family> {
        self.certain()
            .or_else(|| self.bot_word())
            .or_else(|| self.after_compatible())
            .or_else(|| self.best(RANK_DEVICE))
    }

    /// The rank of the words the agent begins with; [`RANK_NOISE`] if the table doesn't know them.
    fn first_rank(&self, first: &Piece) -> u8 {
        let Some((entry, at)) = first.hit else { return RANK_NOISE };
        if at > first.start {
            // `J2ME/UCWEB7.0`: what is glued to it counts when it is a browser.
            let counts = entry.rank >= RANK_BRAND && !matches!(entry.class, Class::Bot | Class::Ai);
            return if counts { entry.rank } else { RANK_NOISE };
        }
        // `Chrome Privacy Preserving Prefetch Proxy` is no Chrome.
        let engine = (RANK_ENGINE..RANK_LIBRARY).contains(&entry.rank);
        let more_words = || {
            let mut rest = self.text[first.end..].bytes();
            rest.next() == Some(b' ') && rest.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        };
        if engine && !self.text[first.start..first.end].contains('/') && more_words() {
            return RANK_NOISE;
        }
        entry.rank
    }

    /// `Teragram/SAS Crawler`, `IS Alpha/zcspider-0.1`: who writes a name where the version belongs, and a version or a
    /// bot word with it, means that name.
    fn second_name(&self, first: &Piece) -> Option<&str> {
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
        let versioned =
            version.len() < after.len() - name.len() && version.starts_with(|c: char| c.is_ascii_digit());
        (versioned || has_bot_word(name.as_bytes())).then_some(name)
    }

    /// An entry that names the agent wherever it stands.
    fn certain(&self) -> Option<Family> {
        self.best(RANK_SURE)
    }

    /// The entry of the highest rank that is at least `floor`; the first of equals.
    fn best(&self, floor: u8) -> Option<Family> {
        let (entry, at) = self.best_entry(floor)?;
        self.named_by(entry, at)
    }

    fn best_entry(&self, floor: u8) -> Option<(&'static Entry, usize)> {
        let mut best: Option<(&'static Entry, usize)> = None;
        for (entry, at) in self.pieces.iter().filter_map(|piece| piece.hit) {
            if entry.rank >= floor && best.is_none_or(|(other, _)| entry.rank > other.rank) {
                best = Some((entry, at));
            }
        }
        best
    }

    fn named_by(&self, entry: &'static Entry, at: usize) -> Option<Family> {
        match entry.family {
            Some(family) => Some(Family::known(family, entry.class)),
            None => name::product(&self.text[at..]).map(Family::named),
        }
    }

    /// A product or a segment with a word like `bot`, `crawler` or `spider`.
    fn bot_word(&self) -> Option<Family> {
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
                (!name::is_bare_bot_word(name)).then(|| Family::named(name))
            },
        )
    }

    /// Where the unknown words without a version that end with piece `index` start.
    fn run_start(&self, index: usize) -> usize {
        let mut start = self.pieces[index].start;
        for piece in self.pieces[..index].iter().rev() {
            let word = &self.text[piece.start..piece.end];
            let plain = word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-' || byte == b'!');
            let glued = self.text[piece.end..start].bytes().all(|byte| byte == b' ');
            if piece.comment > 0 || !piece.unknown() || piece.link.is_some() || !plain || !glued {
                break;
            }
            start = piece.start;
        }
        start
    }

    /// `compatible; Name/1.0`: the first segment after it that is no platform, if the table doesn't know it.
    fn after_compatible(&self) -> Option<Family> {
        if self.is_internet_explorer() {
            // Which says `compatible;` itself.
            return None;
        }
        let said = |piece: &Piece| starts_with(&self.text[piece.start..piece.end], "compatible");
        match self.pieces.iter().position(said) {
            Some(after) => self
                .glued_to_compatible(&self.pieces[after])
                .or_else(|| self.segment_name(self.pieces[after + 1..].iter())),
            None => None,
        }
        // `(KHTML, like Gecko; Name)` says the same without the word.
        .or_else(|| self.after_like_gecko())
    }

    /// `(compatible: Name 1.0)`.
    fn glued_to_compatible(&self, piece: &Piece) -> Option<Family> {
        let said = self.text[piece.start + "compatible".len()..piece.end].trim_start_matches([':', ' ']);
        if piece.link.is_some() || table::find(said.as_bytes(), 0).is_some() {
            return None;
        }
        name::product(said).map(Family::named)
    }

    fn after_like_gecko(&self) -> Option<Family> {
        let after = self.pieces.iter().position(|piece| {
            piece.comment > 0 && starts_with(&self.text[piece.start..piece.end], "like gecko")
        })?;
        let comment = self.pieces[after].comment;
        self.segment_name(self.pieces[after + 1..].iter().take_while(|piece| piece.comment == comment))
    }

    /// The name of the first piece that is no platform; none if the table knows it.
    fn segment_name<'p>(&self, mut pieces: impl Iterator<Item = &'p Piece>) -> Option<Family> {
        let piece = pieces.find(|piece| !piece.noise)?;
        if piece.hit.is_some() {
            return None;
        }
        if piece.link == Some(piece.start) && !is_mail(&self.text[piece.start..piece.end]) {
            return None;
        }
        name::product(&self.text[piece.start..piece.end]).map(Family::named)
    }

    /// `(Name; +http://…)`, `(Name http://…)`, `Name (+http://…)`: who gives an address gives a name before it.
    fn before_link(&self) -> Option<Family> {
        let toolbars = self.is_internet_explorer();
        for (index, piece) in self.pieces.iter().enumerate() {
            let text = &self.text[piece.start..piece.end];
            let linked = match piece.link {
                Some(link) => link,
                None if piece.comment > 0 && piece.unknown() && is_host(text.as_bytes()) => piece.start,
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
                    usable.then(|| name::product(&self.text[before.start..before.end])).flatten()
                })
            };
            if named.is_some() {
                return named.map(Family::named);
            }
        }
        None
    }

    /// `Mozilla/5.0 (Name; Windows NT 10.0; …`: who puts a name where the platform belongs.
    fn before_platform(&self) -> Option<Family> {
        let [_, piece, platform, ..] = &self.pieces[..] else { return None };
        let desk =
            ["Windows NT", "Macintosh"].iter().any(|desk| starts_with(&self.text[platform.start..], desk));
        let named =
            desk && piece.comment == 1 && platform.comment == 1 && piece.unknown() && piece.link.is_none();
        let text = &self.text[piece.start..piece.end];
        (named && !is_locale(text)).then(|| name::product(text)).flatten().map(Family::named)
    }

    fn is_internet_explorer(&self) -> bool {
        self.pieces
            .iter()
            .any(|piece| piece.hit.is_some_and(|(entry, _)| entry.family == Some("Internet Explorer")))
    }

    /// A product besides the engine tokens: `Chrome/103 CitizenFX/1.0 Safari/537`, `Firefox/4.0 Name/4.0`.
    fn extra_product(&self) -> Option<Family> {
        let says =
            |piece: &Piece, word: &str| piece.comment == 0 && starts_with(&self.text[piece.start..], word);
        let firefox = self.pieces.iter().position(|piece| says(piece, "Firefox/"));
        let after = firefox.or_else(|| {
            self.pieces.iter().position(|piece| says(piece, "AppleWebKit") || says(piece, "Gecko/"))
        })?;
        let rest = &self.pieces[after + 1..];
        let at = rest.iter().position(|piece| {
            let text = &self.text[piece.start..piece.end];
            piece.comment == 0
                && piece.unknown()
                && piece.link.is_none()
                && !is_locale(text)
                // Toolbars sign after Firefox, without a version.
                && (firefox.is_none() || text.contains('/'))
                && name::product(text).is_some_and(|name| name.len() > 2)
        })?;
        // Words up to the next token the table knows, or the next comment, are one name: `Ghost Inspector (63c8…)`.
        let start = rest[at].start;
        let end = rest[at..]
            .iter()
            .take_while(|piece| piece.comment == 0 && piece.unknown() && piece.link.is_none())
            .last()
            .map_or(rest[at].end, |piece| piece.end);
        let first_only = self.text[rest[at].start..rest[at].end].contains('/');
        let end = if first_only { rest[at].end } else { end };
        name::product(&self.text[start..end]).map(Family::named)
    }

    /// A browser that says nothing but its engine.
    fn engine(&self) -> Option<Family> {
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
            Some(entry) if entry.family == Some("Safari") && says("Android") => {
                Some(Family::known_name("Android browser"))
            }
            Some(entry) => self.named_by(entry, 0),
            // Web views leave `Safari/…` out.
            None if says("AppleWebKit/") && (says("iPhone") || says("iPad") || says("iPod")) => {
                Some(Family::known_name("Safari"))
            }
            None if says("AppleWebKit/") && says("Android") => Some(Family::known_name("Android browser")),
            None if says("AppleWebKit/") && says("Macintosh") => Some(Family::known_name("Apple Mail")),
            None => None,
        }
    }

    /// `Mozilla/5.0 Name/1.0`, `Mozilla/5.0 (Name)`: nothing there but a name.
    fn lone_product(&self) -> Option<Family> {
        let rest = self.pieces.get(1..)?;
        if let Some(piece) =
            rest.iter().find(|piece| piece.comment == 0 && piece.unknown() && piece.link.is_none())
        {
            return name::product(&self.text[piece.start..]).map(Family::named);
        }
        match rest {
            [only] if only.unknown() => name::product(&self.text[only.start..only.end]).map(Family::named),
            _ => None,
        }
    }

    /// What woothee knows: telephones, consoles, old browsers.
    fn woothee(&self) -> Option<Family> {
        let found = Parser::new().parse(self.text)?;
        if WOOTHEE_SAYS_NOTHING.contains(&found.name) {
            return None;
        }
        let name = if found.name == "Webview" { "Safari" } else { found.name };
        Some(Family::named(name))
    }

    /// The first name there is.
    fn any_product(&self) -> Option<Family> {
        let named = |piece: &&Piece| piece.link.is_none() && !piece.noise;
        let piece = self
            .pieces
            .iter()
            .find(named)
            .or_else(|| self.pieces.iter().find(|piece| piece.link.is_none()))?;
        name::product(&self.text[piece.start..piece.end]).map(Family::named)
    }
}

fn starts_with(text: &str, start: &str) -> bool {
    text.len() >= start.len() && text.as_bytes()[..start.len()].eq_ignore_ascii_case(start.as_bytes())
}

/// Words that say nothing about who is asking.
fn starts_like_a_browser(text: &str) -> bool {
    ["Mozilla/", "Mozilla ", "Mozilla(", "Opera/", "compatible;", "Mozzila/", "Mozila/", "Mozlila/"]
        .iter()
        .any(|start| starts_with(text, start))
}

/// `en-US`, `de`.
fn is_locale(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 2 || (bytes.len() == 5 && matches!(bytes[2], b'-' | b'_'))
}

fn is_mail(segment: &str) -> bool {
    segment.contains('@') && !segment.contains(' ')
}
