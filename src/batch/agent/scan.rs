//! Cuts an agent into pieces: the products outside comments, and the segments of its comments.
//!
//! In: the agent, at most 1,024 bytes. Out: at most [`MAX_PIECES`] pieces with what the table knows about them. It runs
//! once over the bytes, never looks inside a web address, and decides nothing.

use super::table::{self, Entry, RANK_NOISE};

/// Pieces looked at; a real agent has fewer than 40.
pub(super) const MAX_PIECES: usize = 64;

/// Endings that make a word with a dot a host name.
const HOST_ENDINGS: [&[u8]; 14] = [
    b"com", b"org", b"net", b"io", b"de", b"ru", b"jp", b"fr", b"uk", b"eu", b"ai", b"info", b"html", b"php",
];

/// One product outside comments, or one segment of a comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) end: usize,
    /// 0 outside comments, else the number of the comment.
    pub(super) comment: u8,
    /// The entry of the highest rank in the piece and where it stands.
    pub(super) hit: Option<(&'static Entry, usize)>,
    /// The piece starts with a word that is no product.
    pub(super) noise: bool,
    /// Where a web or mail address starts.
    pub(super) link: Option<usize>,
    /// Where the first word starts that says: a bot.
    pub(super) bot: Option<usize>,
}

impl Piece {
    fn new(start: usize, comment: u8) -> Piece {
        Piece { start, end: start, comment, hit: None, noise: false, link: None, bot: None }
    }

    /// Neither an entry of the table nor a word that is no product.
    pub(super) fn unknown(&self) -> bool {
        self.hit.is_none() && !self.noise
    }

    pub(super) fn rank(&self) -> u8 {
        self.hit.map_or(RANK_NOISE, |(entry, _)| entry.rank)
    }
}

/// Cuts `text` into pieces.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let bytes = text.as_bytes();
    let mut pieces: Vec<Piece> = Vec::with_capacity(24);
    let mut current: Option<Piece> = None;
    let (mut depth, mut comment) = (0u32, 0u8);
    // A key of several words covers the words after its first.
    let mut covered = 0;
    let mut at = 0;
    while at < bytes.len() && pieces.len() < MAX_PIECES {
        let byte = bytes[at];
        match byte {
            b'(' | b'[' => {
                pieces.extend(current.take());
                if depth == 0 {
                    comment = comment.saturating_add(1);
                }
                depth += 1;
            }
            b')' | b']' => {
                pieces.extend(current.take());
                depth = depth.saturating_sub(1);
            }
            b';' | b',' | b'|' => pieces.extend(current.take()),
            b'"' | b'<' | b'>' | b'{' | b'}' => {}
            byte if byte.is_ascii_whitespace() || byte.is_ascii_control() => {
                if depth == 0 {
                    pieces.extend(current.take());
                }
            }
            _ => {
                let end =
                    bytes[at..].iter().position(|&byte| ends_word(byte)).map_or(bytes.len(), |len| at + len);
                let inside = if depth == 0 { 0 } else { comment };
                let piece = current.get_or_insert_with(|| Piece::new(at, inside));
                covered = word(bytes, at, end, covered, piece);
                piece.end = end;
                at = end;
                continue;
            }
        }
        at += 1;
    }
    if pieces.len() < MAX_PIECES {
        pieces.extend(current);
    }
    pieces
}

fn ends_word(byte: u8) -> bool {
    byte.is_ascii_whitespace()
        || byte.is_ascii_control()
        || matches!(byte, b'(' | b')' | b'[' | b']' | b';' | b',' | b'|' | b'"' | b'<' | b'>' | b'{' | b'}')
}

/// Notes in `piece` what the word `start..end` says; returns up to where the entries found cover the text.
fn word(bytes: &[u8], start: usize, end: usize, mut covered: usize, piece: &mut Piece) -> usize {
    let text = &bytes[start..end];
    let first = piece.end == piece.start;
    if start < covered {
        piece.noise |= first;
    }
    if is_link(text) {
        piece.link.get_or_insert(start);
        return covered;
    }
    let mut found = false;
    let mut at = start;
    loop {
        let starts = bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.' || bytes[at] >= 0x80;
        if let Some(hit) = starts.then(|| table::find(bytes, at)).flatten() {
            found = true;
            if hit.entry.rank == RANK_NOISE {
                piece.noise |= first && at == start;
            } else if !said_to_be_like(bytes, at) && hit.entry.rank > piece.rank() {
                piece.hit = Some((hit.entry, at));
            }
            covered = covered.max(at + hit.len);
        }
        // The next product glued to this one: `XiaoMi/MiuiBrowser/12`, `AppName/musical_ly`.
        match bytes[at + 1..end.max(at + 1)].iter().position(|byte| matches!(byte, b'/' | b':' | b'+' | b'='))
        {
            Some(len) if at + len + 2 < end => at += len + 2,
            _ => break,
        }
    }
    let product = text.split(|&byte| byte == b'/').next().unwrap_or(text);
    if !found && is_mail(product) {
        piece.link.get_or_insert(start);
        return covered;
    }
    if has_bot_word(product) {
        piece.bot.get_or_insert(start);
    }
    covered
}

/// `like Chrome/34` and `treat like Googlebot` name something else than the agent.
fn said_to_be_like(bytes: &[u8], at: usize) -> bool {
    at >= 5 && bytes[at - 5..at].eq_ignore_ascii_case(b"like ")
}

/// A web address, with or without its scheme.
pub(super) fn is_link(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"+").unwrap_or(word);
    let starts = |start: &[u8]| word.len() >= start.len() && word[..start.len()].eq_ignore_ascii_case(start);
    starts(b"http://") || starts(b"https://") || starts(b"www.") || starts(b"//") || starts(b"mailto:")
}

/// A mail address: `bot@example.org`.
fn is_mail(word: &[u8]) -> bool {
    memchr::memchr(b'@', word).is_some_and(|at| at > 0 && memchr::memchr(b'.', &word[at..]).is_some())
}

/// A host name: `rivaliq.com`, `example.org/bot.html`.
pub(super) fn is_host(word: &[u8]) -> bool {
    let host = word.split(|&byte| byte == b'/').next().unwrap_or(word);
    let Some(dot) = memchr::memrchr(b'.', host) else {
        return false;
    };
    dot > 1
        && host[0].is_ascii_alphabetic()
        && HOST_ENDINGS.iter().any(|ending| host[dot + 1..].eq_ignore_ascii_case(ending))
}

/// Whether a word says: a bot. `bot` must end a word or be followed by no small letter (`Botulism` is none).
pub(super) fn has_bot_word(word: &[u8]) -> bool {
    (0..word.len()).any(|at| {
        let says = |said: &[u8]| {
            word.len() >= at + said.len() && word[at..at + said.len()].eq_ignore_ascii_case(said)
        };
        // Letter by letter: this runs over every byte of every agent that isn't in the cache.
        match word[at] | 0x20 {
            b'b' => {
                says(b"bot") && !word.get(at + 3).is_some_and(u8::is_ascii_lowercase) && !is_cubot(word, at)
            }
            b'c' => says(b"crawl"),
            b's' => match word.get(at + 1).map_or(0, |byte| byte | 0x20) {
                b'p' => says(b"spider") || says(b"spyder"),
                b'l' => says(b"slurp"),
                b'c' => says(b"scrap"),
                _ => false,
            },
            b'f' => says(b"fetch"),
            b'h' => says(b"harvest"),
            b'a' => says(b"archiver"),
            b'v' => says(b"validator"),
            b'l' => says(b"linkcheck"),
            b'u' => says(b"unfurl"),
            _ => false,
        }
    })
}

/// Cubot makes telephones.
fn is_cubot(word: &[u8], at: usize) -> bool {
    at >= 2 && word[at - 2..at].eq_ignore_ascii_case(b"cu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_segments_are_pieces() {
        let text = "Mozilla/5.0 (Linux; Android 9; SM-G960F) AppleWebKit/537 (KHTML, like Gecko) Foo/1";
        let cut: Vec<&str> = pieces(text).iter().map(|piece| &text[piece.start..piece.end]).collect();
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
    fn bot_words_are_words() {
        for word in ["FooBot", "bot", "foobot2", "Bot.x", "webCrawler", "Fetcher", "botFoo_BOT"] {
            assert!(has_bot_word(word.as_bytes()), "{word}");
        }
        for word in ["CUBOT_X19", "bottle", "Chrome", "Sabotage", ""] {
            assert!(!has_bot_word(word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn the_number_of_pieces_is_bounded() {
        assert_eq!(pieces(&"a ".repeat(512)).len(), MAX_PIECES);
        assert_eq!(pieces(&"((((((((a".repeat(100)).len(), MAX_PIECES);
    }
}
