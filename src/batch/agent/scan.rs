//! Cuts an agent into pieces (products outside comments, segments of comments) and notes what they tell about it.
//!
//! Input: the readable text of an agent, at most 1,024 bytes. Output: an [`Agent`] with at most [`MAX_PIECES`] pieces, what
//! the table knows about them, and [`Signs`]. One pass over the bytes. Never: looks inside a web address; decides.

use super::address::{is_link, is_mail};
use super::table::{self, KnownAgent, RANK_NOISE, Trait};
use super::words::has_bot_word;

/// Pieces looked at; a real agent has fewer than 40.
pub(super) const MAX_PIECES: usize = 64;

pub(super) struct Agent<'a> {
    pub(super) text: &'a str,
    pub(super) pieces: Vec<AgentPiece>,
    pub(super) signs: Signs,
}

/// What the words of an agent tell about who asks, wherever they stand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signs {
    /// A platform of desks: `Windows NT 10.0`, `Macintosh`, `X11`.
    pub(super) desk: bool,
    /// A platform of telephones, tablets, televisions: `Android 14`, `iPhone`, `Tizen`.
    pub(super) hand: bool,
    /// A runtime or an HTTP library: `Go/1.22`, `linux/amd64`, `Python/3.11`.
    pub(super) program: bool,
    pub(super) internet_explorer: bool,
    /// A word like `bot` or `crawler`, or an entry of the table that is a bot.
    pub(super) bot: bool,
    /// A web or mail address.
    pub(super) address: bool,
}

impl Signs {
    fn note(&mut self, entry: &KnownAgent) {
        match entry.tells {
            Some(Trait::Desk) => self.desk = true,
            Some(Trait::Hand) => self.hand = true,
            Some(Trait::Program) => self.program = true,
            Some(Trait::InternetExplorer) => self.internet_explorer = true,
            None => {}
        }
        self.bot |= entry.rank > RANK_NOISE && entry.class.is_robot();
    }
}

/// One product outside comments, or one segment of a comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct AgentPiece {
    pub(super) start: usize,
    pub(super) end: usize,
    /// 0 outside comments, else the number of the comment.
    pub(super) comment: u8,
    /// The entry of the highest rank in the piece and where it stands.
    pub(super) hit: Option<(&'static KnownAgent, usize)>,
    /// The piece starts with a word that is not a product.
    pub(super) noise: bool,
    /// Where a web or mail address starts.
    pub(super) link: Option<usize>,
    /// Where the first word starts that says: a bot.
    pub(super) bot: Option<usize>,
}

impl AgentPiece {
    fn new(start: usize, comment: u8) -> AgentPiece {
        AgentPiece { start, end: start, comment, hit: None, noise: false, link: None, bot: None }
    }

    /// Whether no word was read yet.
    fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// Not in the table.
    pub(super) fn unknown(&self) -> bool {
        self.hit.is_none() && !self.noise
    }

    pub(super) fn rank(&self) -> u8 {
        self.hit.map_or(RANK_NOISE, |(entry, _)| entry.rank)
    }
}

impl<'a> Agent<'a> {
    /// Cuts `text` into pieces.
    pub(super) fn read(text: &'a str) -> Agent<'a> {
        let bytes = text.as_bytes();
        let mut agent = Agent { text, pieces: Vec::with_capacity(24), signs: Signs::default() };
        let mut words = Words { bytes, covered: 0, android: None, signs: Signs::default() };
        let mut current: Option<AgentPiece> = None;
        let (mut depth, mut comment) = (0u32, 0u8);
        let mut at = 0;
        while at < bytes.len() && agent.pieces.len() < MAX_PIECES {
            let byte = bytes[at];
            match byte {
                b'(' | b'[' => {
                    agent.pieces.extend(current.take());
                    if depth == 0 {
                        comment = comment.saturating_add(1);
                    }
                    depth += 1;
                }
                b')' | b']' => {
                    agent.pieces.extend(current.take());
                    depth = depth.saturating_sub(1);
                }
                b';' | b',' | b'|' => agent.pieces.extend(current.take()),
                b'"' | b'<' | b'>' | b'{' | b'}' => {}
                b' ' => {
                    if depth == 0 {
                        agent.pieces.extend(current.take());
                    }
                }
                _ => {
                    let end = bytes[at..]
                        .iter()
                        .position(|&byte| ENDS_WORD[usize::from(byte)])
                        .map_or(bytes.len(), |len| at + len);
                    let inside = if depth == 0 { 0 } else { comment };
                    let piece = current.get_or_insert_with(|| AgentPiece::new(at, inside));
                    words.note(at, end, piece);
                    piece.end = end;
                    at = end;
                    continue;
                }
            }
            at += 1;
        }
        if agent.pieces.len() < MAX_PIECES {
            agent.pieces.extend(current);
        }
        agent.signs = words.signs;
        agent
    }

    pub(super) fn piece_text(&self, piece: &AgentPiece) -> &'a str {
        &self.text[piece.start..piece.end]
    }
}

/// The bytes that end a word.
const ENDS_WORD: [bool; 256] = {
    let mut ends = [false; 256];
    let bytes = b" ()[];,|\"<>{}";
    let mut at = 0;
    while at < bytes.len() {
        ends[bytes[at] as usize] = true;
        at += 1;
    }
    ends
};

/// What the words read so far tell.
struct Words<'a> {
    bytes: &'a [u8],
    /// Where the entry found last ends: a key of several words covers the words after its first.
    covered: usize,
    /// The comment that said `Android`; the device's model follows there (`Android 7.0; M bot 60 Build/NRD90M`).
    android: Option<u8>,
    signs: Signs,
}

impl Words<'_> {
    /// Notes in `piece` and in the signs what the word from `start` to `end` tells.
    fn note(&mut self, start: usize, end: usize, piece: &mut AgentPiece) {
        let word = &self.bytes[start..end];
        if start < self.covered {
            piece.noise |= piece.is_empty();
        }
        if is_link(word) {
            piece.link.get_or_insert(start);
            self.signs.address = true;
            return;
        }
        let product = word.split(|&byte| byte == b'/').next().unwrap_or(word);
        let model = piece.comment > 0 && self.android == Some(piece.comment) && product.len() == word.len();
        let like = is_said_to_be_like(self.bytes, start);
        let bot = || !like && !model && has_bot_word(product);
        // An entry that covers the whole product needs no look at its letters.
        let (mut found, mut whole) = (false, false);
        for at in glued_products(self.bytes, start, end) {
            let Some(hit) = table::find(self.bytes, at) else { continue };
            found = true;
            whole |= at == start && hit.len >= product.len();
            self.covered = self.covered.max(at + hit.len);
            if hit.entry.rank == RANK_NOISE {
                piece.noise |= piece.is_empty() && at == start;
                self.signs.note(hit.entry);
                if hit.entry.is_android() {
                    self.android = Some(piece.comment);
                }
                continue;
            }
            // `TikTokSpider` is not what `tiktok*` stands for.
            let people = hit.entry.class.is_for_people();
            let other = people && at == start && !whole && bot();
            if !like && !other && (people || !model) {
                self.signs.note(hit.entry);
                if hit.entry.rank > piece.rank() {
                    piece.hit = Some((hit.entry, at));
                }
            }
        }
        if !found && is_mail(product) {
            piece.link.get_or_insert(start);
            self.signs.address = true;
        } else if !whole && bot() {
            piece.bot.get_or_insert(start);
            self.signs.bot = true;
        }
    }
}

/// Where products begin in a word: at its start, and where the next is glued on (`XiaoMi/MiuiBrowser/12`,
/// `AppName/musical_ly`).
fn glued_products(bytes: &[u8], start: usize, end: usize) -> impl Iterator<Item = usize> {
    let begins = |&at: &usize| bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.' || bytes[at] >= 0x80;
    let next = move |&at: &usize| {
        let rest = &bytes[(at + 1).min(end)..end];
        let len = rest.iter().position(|byte| matches!(byte, b'/' | b':' | b'+' | b'='))?;
        (at + len + 2 < end).then_some(at + len + 2)
    };
    std::iter::successors(Some(start), next).filter(begins)
}

/// `like Chrome/34` and `treat like Googlebot` name something else than the agent.
fn is_said_to_be_like(bytes: &[u8], at: usize) -> bool {
    at >= 5 && bytes[at - 5..at].eq_ignore_ascii_case(b"like ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_segments_are_pieces() {
        let text = "Mozilla/5.0 (Linux; Android 9; SM-G960F) AppleWebKit/537 (KHTML, like Gecko) Foo/1";
        let agent = Agent::read(text);
        let cut: Vec<&str> = agent.pieces.iter().map(|piece| agent.piece_text(piece)).collect();
        assert_eq!(
            cut,
            [
                "Mozilla/5.0",
                "Linux",
                "Android 9",
                "SM-G960F",
                "AppleWebKit/537",
                "KHTML",
                "like Gecko",
                "Foo/1"
            ]
        );
    }

    #[test]
    fn signs_are_noted_wherever_they_stand() {
        let signs = |text: &str| {
            let signs = Agent::read(text).signs;
            [signs.desk, signs.hand, signs.program, signs.bot, signs.address].map(u8::from)
        };
        assert_eq!(signs("Quux/1 (Windows NT 10.0)"), [1, 0, 0, 0, 0]);
        assert_eq!(signs("Quux/1 (Linux; Android 14)"), [0, 1, 0, 0, 0]);
        assert_eq!(signs("Quux/1 (linux/amd64)"), [0, 0, 1, 0, 0]);
        assert_eq!(signs("Quux/1 (Quuxbot)"), [0, 0, 0, 1, 0]);
        assert_eq!(signs("Quux/1 (like Quuxbot)"), [0; 5]);
        assert_eq!(signs("Quux/1 (+https://quux.example)"), [0, 0, 0, 0, 1]);
        assert_eq!(signs("Quux/1 quux@quux.example"), [0, 0, 0, 0, 1]);
    }

    #[test]
    fn the_number_of_pieces_is_bounded() {
        assert_eq!(Agent::read(&"a ".repeat(512)).pieces.len(), MAX_PIECES);
        assert_eq!(Agent::read(&"((((((((a".repeat(100)).pieces.len(), MAX_PIECES);
    }
}
