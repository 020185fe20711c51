//! Words that tell what kind of client a name belongs to.
//!
//! Input: a word or a name taken from an agent. Output: whether it says *bot*, and what its words tell ([`NameWords`]); they
//! stand in `data/agents/words.tsv`. Never: a look-up among the known names.

use std::sync::LazyLock;

use super::Class;

/// Whether a word says that a bot asks.
pub(super) fn has_bot_word(word: &[u8]) -> bool {
    (0..word.len()).any(|at| {
        let says = |said: &[u8]| {
            word.len() >= at + said.len() && word[at..at + said.len()].eq_ignore_ascii_case(said)
        };
        // Letter by letter: this runs over every byte of every agent that isn't in the cache.
        match word[at] | 0x20 {
            b'b' => says(b"bot") && ends_bot(word, at + 3) && !is_cubot(word, at),
            b'c' => says(b"crawl"),
            b's' => match word.get(at + 1).map_or(0, |byte| byte | 0x20) {
                b'p' => says(b"spider") || says(b"spyder"),
                b'l' => says(b"slurp"),
                b'c' => says(b"scrap"),
                _ => false,
            },
            // `node-fetch` and `prefetch` are not crawlers' words.
            b'f' => says(b"fetcher") || (word[at] == b'F' && says(b"fetch")),
            b'h' => says(b"harvest"),
            b'a' => says(b"archiver"),
            b'v' => says(b"validator"),
            b'l' => says(b"linkcheck"),
            b'u' => says(b"unfurl"),
            _ => false,
        }
    })
}

/// Whether a word that says `bot` up to `end` goes on with another word, or not at all: `BotFoo`, but not `Botulism` and
/// `BOTECH`.
fn ends_bot(word: &[u8], end: usize) -> bool {
    match word.get(end) {
        Some(b'a'..=b'z') => false,
        Some(b'A'..=b'Z') => word[end - 1] == b't',
        _ => true,
    }
}

/// Cubot makes telephones.
fn is_cubot(word: &[u8], at: usize) -> bool {
    at >= 2 && word[at - 2..at].eq_ignore_ascii_case(b"cu")
}

/// `bot` alone says nothing about which.
pub(super) fn is_bare_bot_word(word: &str) -> bool {
    const BARE: [&str; 11] = [
        "bot",
        "robot",
        "crawler",
        "spider",
        "webcrawler",
        "webbot",
        "crawl",
        "fetcher",
        "scraper",
        "archiver",
        "validator",
    ];
    BARE.iter().any(|bare| word.eq_ignore_ascii_case(bare))
}

/// The data. Its head describes the format.
const DATA: &str = include_str!("../../../data/agents/words.tsv");

/// The entries by the first two bytes of their word.
static TABLE: LazyLock<Vec<Vec<WordEntry>>> = LazyLock::new(|| {
    let mut table: Vec<Vec<WordEntry>> = (0..1024).map(|_| Vec::new()).collect();
    for line in DATA.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        // The data is part of the program.
        let Some(entry) = WordEntry::parse(line) else { panic!("data/agents/words.tsv: bad line {line:?}") };
        let start = entry.word.as_bytes();
        table[bucket(start[0], start[1])].push(entry);
    }
    table
});

/// Five bits of each byte: the letter, whatever its case.
fn bucket(first: u8, second: u8) -> usize {
    (usize::from(first & 31) << 5) | usize::from(second & 31)
}

/// One line of the data.
struct WordEntry {
    word: &'static str,
    tells: u8,
    place: WordPlace,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WordPlace {
    Part,
    Word,
    Edge,
}

const AI: u8 = 1;
const BOT: u8 = 1 << 1;
/// A library named after its language.
const LANGUAGE: u8 = 1 << 2;
const TOOL: u8 = 1 << 3;
const BROWSER: u8 = 1 << 4;
const APP: u8 = 1 << 5;
const SERVICE: u8 = 1 << 6;
/// A word like `bot` or `crawler`, see [`has_bot_word`].
const BOT_WORD: u8 = 1 << 7;

impl WordEntry {
    fn parse(line: &'static str) -> Option<WordEntry> {
        let mut fields = line.split('\t');
        let (word, tells, place) = (fields.next()?, fields.next()?, fields.next()?);
        let place = match place {
            "part" => WordPlace::Part,
            "word" => WordPlace::Word,
            "edge" => WordPlace::Edge,
            _ => return None,
        };
        let tells = match tells {
            "ai" => AI,
            "bot" => BOT,
            "tool" if place == WordPlace::Edge => LANGUAGE,
            "tool" => TOOL,
            "browser" => BROWSER,
            "app" => APP,
            "service" => SERVICE,
            _ => return None,
        };
        (word.len() >= 2).then_some(WordEntry { word, tells, place })
    }

    fn stands_at(&self, name: &[u8], at: usize) -> bool {
        let end = at + self.word.len();
        if end > name.len() || !name[at..end].eq_ignore_ascii_case(self.word.as_bytes()) {
            return false;
        }
        let separator = |byte: Option<&u8>| matches!(byte, Some(b'-' | b'_' | b'.'));
        match self.place {
            WordPlace::Part => true,
            WordPlace::Word => starts_word(name, at) && starts_word(name, end),
            WordPlace::Edge => {
                (at == 0 && separator(name.get(end)))
                    || (end == name.len() && at > 0 && separator(name.get(at - 1)))
            }
        }
    }
}

/// Whether a word starts at `at`, or the name ends there: behind anything but a letter, and where `camelCase` or `HTTPClient`
/// start another.
fn starts_word(name: &[u8], at: usize) -> bool {
    let (Some(before), Some(this)) = (at.checked_sub(1).map(|before| name[before]), name.get(at)) else {
        return true;
    };
    let next_is_small = name.get(at + 1).is_some_and(u8::is_ascii_lowercase);
    !before.is_ascii_alphabetic()
        || !this.is_ascii_alphabetic()
        || (this.is_ascii_uppercase() && (before.is_ascii_lowercase() || next_is_small))
}

/// What the words of a name tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameWords(u8);

impl NameWords {
    pub(super) fn of(name: &str) -> NameWords {
        let bytes = name.as_bytes();
        let mut tells = if has_bot_word(bytes) { BOT_WORD } else { 0 };
        for (at, pair) in bytes.windows(2).enumerate() {
            for entry in &TABLE[bucket(pair[0], pair[1])] {
                if tells & entry.tells == 0 && entry.stands_at(bytes, at) {
                    tells |= entry.tells;
                }
            }
        }
        NameWords(tells)
    }

    /// The class the words give the name, whatever else an agent says. `None` if they say nothing, or if applications and
    /// bots have them alike.
    pub(super) fn class(self) -> Option<Class> {
        let order = [
            (AI, Class::Ai),
            (BOT_WORD, Class::Bot),
            (LANGUAGE, Class::Tool),
            (BOT, Class::Bot),
            (TOOL, Class::Tool),
            (BROWSER, Class::Browser),
        ];
        order.into_iter().find(|(told, _)| self.0 & told != 0).map(|(_, class)| class)
    }

    /// Whether they are those of a service that reads feeds or searches.
    pub(super) fn tell_a_service(self) -> bool {
        self.0 & SERVICE != 0
    }

    /// Whether they are those of an application for people.
    pub(super) fn tell_an_application(self) -> bool {
        self.0 & APP != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bot_words_are_words() {
        for word in ["FooBot", "bot", "foobot2", "Bot.x", "webCrawler", "fetcher", "QuuxFetch", "botFoo_BOT"]
        {
            assert!(has_bot_word(word.as_bytes()), "{word}");
        }
        for word in ["CUBOT_X19", "bottle", "BOTECH", "Chrome", "Sabotage", "Prefetch", "node-fetch", ""] {
            assert!(!has_bot_word(word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn every_line_of_the_words_is_understood_and_none_stands_twice() {
        let mut seen = std::collections::HashSet::new();
        for line in DATA.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(WordEntry::parse(line).is_some(), "{line:?}");
            let (word, _) = line.split_once('\t').unwrap();
            assert_eq!(word, word.to_lowercase());
            let edge = line.ends_with("edge");
            assert!(seen.insert((word, edge)), "{line:?} twice");
        }
        assert!(seen.len() > 100);
    }

    #[test]
    fn words_give_a_name_its_class() {
        for (name, class) in [
            ("Ai2Thing", Some(Class::Ai)),
            ("acme-llm", Some(Class::Ai)),
            ("Mailer", None),
            ("QuuxBot", Some(Class::Bot)),
            ("SiteMonitor", Some(Class::Bot)),
            ("ContentScan", Some(Class::Bot)),
            ("Scandinavia", None),
            ("python-opengraph", Some(Class::Tool)),
            ("quux-crawler-py", Some(Class::Bot)),
            ("HTTPClient", Some(Class::Tool)),
            ("quux_cli", Some(Class::Tool)),
            ("Capitalist", None),
            ("QuuxBrowser", Some(Class::Browser)),
            ("Quux", None),
            ("", None),
        ] {
            assert_eq!(NameWords::of(name).class(), class, "{name}");
        }
        assert!(NameWords::of("Quux Feeds").tell_a_service());
        assert!(NameWords::of("QuuxPlayer").tell_an_application());
    }
}
