//! The table of known agents: `data/agents/families.tsv`, built into the binary and read once.
//!
//! Input: bytes and a place where a word starts. Output: the longest entry that stands there. Never: an allocation to find an
//! entry; a decision between the entries of one agent, which is what `rules` are for.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Class;

/// The data. Its head describes the format.
const DATA: &str = include_str!("../../../../data/agents/families.tsv");

/// A word that is not a product: a platform, a locale, a switch.
pub(super) const RANK_NOISE: u8 = 0;
/// From here on: a device, named when its browser is not.
pub(super) const RANK_DEVICE: u8 = 15;
/// From here on: what other browsers are built on, or claim to be.
pub(super) const RANK_ENGINE: u8 = 20;
/// From here on: an HTTP library or a player. An application that names itself before it keeps its own name.
pub(super) const RANK_LIBRARY: u8 = 30;
/// From here on: a browser brand, which beats its engine.
pub(super) const RANK_BRAND: u8 = 36;
/// From here on: a product that also beats an unknown word the agent begins with.
pub(super) const RANK_PRODUCT: u8 = 50;
/// From here on: named wherever it stands, before any rule.
pub(super) const RANK_SURE: u8 = 60;
/// Rank of the lines that only give a name its class.
const RANK_NAME_ONLY: u8 = 255;

/// Letters, digits, and the rest: the classes of a byte in the index.
const BYTE_CLASSES: usize = 37;

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::parse(DATA.lines()));

#[cfg(not(test))]
fn table() -> &'static Table {
    &TABLE
}

#[cfg(test)]
use held_out::table;

/// What must follow a key for it to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatternEnd {
    Word,
    Slash,
    Anything,
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct KnownAgent {
    key: &'static str,
    only_first: bool,
    end: PatternEnd,
    /// The family; `None` takes the product as the agent writes it.
    pub(super) family: Option<&'static str>,
    /// The class of the family; without meaning for a word that is not a product.
    pub(super) class: Class,
    pub(super) rank: u8,
    /// What the word tells about who asks.
    pub(super) tells: Option<Trait>,
}

/// What a word tells about who asks, besides a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trait {
    /// A computer that a person sits at.
    Desk,
    /// A telephone, a tablet, a television: a device for a person.
    Hand,
    /// A program: a runtime, an HTTP library, the platform of a compiler.
    Program,
    /// Internet Explorer, which says `compatible;` and the addresses of toolbars as bots do.
    InternetExplorer,
}

impl Trait {
    /// Stands in the class column of a word that is not a product.
    fn from_name(name: &str) -> Option<Trait> {
        match name {
            "desk" => Some(Trait::Desk),
            "hand" => Some(Trait::Hand),
            "program" => Some(Trait::Program),
            _ => None,
        }
    }

    /// What a product tells: a console or the browser of a telephone is a device, a library is a program.
    fn of_product(family: &str, class: Class, rank: u8) -> Option<Trait> {
        match class {
            _ if family == "Internet Explorer" => Some(Trait::InternetExplorer),
            Class::Mobile => Some(Trait::Hand),
            Class::App if rank < RANK_SURE => Some(Trait::Hand),
            Class::Tool if rank < RANK_BRAND => Some(Trait::Program),
            _ => None,
        }
    }
}

impl KnownAgent {
    fn parse(line: &'static str) -> Option<KnownAgent> {
        let mut fields = line.split('\t');
        let (key, family, class, rank) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let rank = rank.parse().ok()?;
        let (class, tells) = match rank {
            RANK_NOISE if class == "-" => (Class::App, None),
            RANK_NOISE => (Class::App, Some(Trait::from_name(class)?)),
            _ => {
                let class = Class::from_name(class)?;
                (class, Trait::of_product(family, class, rank))
            }
        };
        let (only_first, key) = match key.strip_prefix('^') {
            Some(rest) => (true, rest),
            None => (false, key),
        };
        let (end, key) = if let Some(start) = key.strip_suffix('*') {
            (PatternEnd::Anything, start)
        } else if let Some(start) = key.strip_suffix('/') {
            (PatternEnd::Slash, start)
        } else {
            (PatternEnd::Word, key)
        };
        let family = (family != "=").then_some(family);
        (!key.is_empty()).then_some(KnownAgent { key, only_first, end, family, class, rank, tells })
    }

    /// Whether it is the platform of which models of devices follow.
    pub(super) fn is_android(&self) -> bool {
        self.tells == Some(Trait::Hand) && self.key.starts_with("andr")
    }

    fn stands_at(&self, text: &[u8], at: usize) -> bool {
        let stop = at + self.key.len();
        if stop > text.len() || !text[at..stop].eq_ignore_ascii_case(self.key.as_bytes()) {
            return false;
        }
        match self.end {
            PatternEnd::Anything => true,
            PatternEnd::Slash => text.get(stop) == Some(&b'/'),
            PatternEnd::Word => word_ends(&text[stop..]),
        }
    }
}

/// Whether a word ends where `rest` begins. `-`, `_` and `.` go on with a word (`Googlebot-Image`), unless a version
/// follows (`grub-client-1.5`).
fn word_ends(rest: &[u8]) -> bool {
    let Some(&next) = rest.first() else { return true };
    // `@`: the name in a mail address is a person's.
    if next.is_ascii_alphanumeric() || next >= 0x80 || next == b'@' {
        return false;
    }
    if !matches!(next, b'-' | b'_' | b'.') {
        return true;
    }
    match rest.get(1) {
        Some(b'v' | b'V') => rest.get(2).is_some_and(u8::is_ascii_digit),
        Some(after) => !after.is_ascii_alphabetic() && *after < 0x80,
        None => true,
    }
}

/// An entry found, and how many bytes its key covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) entry: &'static KnownAgent,
    pub(super) len: usize,
}

struct Table {
    /// Sorted by the classes of the first two bytes of the key, longer keys first.
    entries: Vec<KnownAgent>,
    /// The start of each key and the mask of its bytes, to pass over an entry without reading it.
    starts: Vec<(u64, u64)>,
    /// Where the entries of a pair of classes begin; one more at the end.
    index: Vec<u16>,
    /// Lower-case family → (family as the table writes it, class).
    families: HashMap<String, (&'static str, Class)>,
}

impl Table {
    fn parse(lines: impl Iterator<Item = &'static str>) -> Table {
        let mut entries = Vec::new();
        let mut families = HashMap::new();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            // The data is part of the program.
            let Some(entry) = KnownAgent::parse(line) else {
                panic!("data/agents/families.tsv: bad line {line:?}")
            };
            if entry.rank != RANK_NOISE
                && let Some(family) = entry.family
            {
                families.entry(family.to_ascii_lowercase()).or_insert((family, entry.class));
            }
            if entry.rank != RANK_NAME_ONLY {
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| {
            (bucket(entry.key.as_bytes(), 0), std::cmp::Reverse(entry.key.len()), entry.key)
        });
        let mut index = vec![0u16; BYTE_CLASSES * BYTE_CLASSES + 1];
        for entry in &entries {
            index[bucket(entry.key.as_bytes(), 0) + 1] += 1;
        }
        for at in 1..index.len() {
            index[at] += index[at - 1];
        }
        let starts = entries
            .iter()
            .map(|entry| {
                let key = entry.key.as_bytes();
                // As many low bytes as the key has, at most all eight.
                let mask = u64::MAX >> (64 - 8 * key.len().min(8));
                (start_of(key, 0) & mask, mask)
            })
            .collect();
        Table { entries, starts, index, families }
    }
}

fn byte_class(byte: Option<&u8>) -> usize {
    match byte {
        Some(byte @ b'a'..=b'z') => usize::from(byte - b'a') + 1,
        Some(byte @ b'A'..=b'Z') => usize::from(byte - b'A') + 1,
        Some(byte @ b'0'..=b'9') => usize::from(byte - b'0') + 27,
        _ => 0,
    }
}

fn bucket(text: &[u8], at: usize) -> usize {
    byte_class(text.get(at)) * BYTE_CLASSES + byte_class(text.get(at + 1))
}

/// The longest entry that stands at `at`, where a word must start.
pub(super) fn find(text: &[u8], at: usize) -> Option<Hit> {
    let table = table();
    let bucket = bucket(text, at);
    let range = usize::from(table.index[bucket])..usize::from(table.index[bucket + 1]);
    if range.is_empty() {
        return None;
    }
    let said = start_of(text, at);
    table.starts[range.clone()]
        .iter()
        .zip(&table.entries[range])
        .filter(|((start, mask), _)| said & mask == *start)
        .map(|(_, entry)| entry)
        .find(|entry| (at == 0 || !entry.only_first) && entry.stands_at(text, at))
        .map(|entry| Hit { entry, len: entry.key.len() })
}

/// Eight bytes with the case of letters wiped out (other bytes lose a bit too: it is only a sieve).
fn start_of(text: &[u8], at: usize) -> u64 {
    let rest = &text[at..];
    let bytes = match rest.first_chunk::<8>() {
        Some(bytes) => *bytes,
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            bytes
        }
    };
    u64::from_le_bytes(bytes) | 0x2020_2020_2020_2020
}

/// The table's own spelling and class of a family, if it knows it, as a family or as the key of one; case does not matter.
pub(super) fn known_family(name: &str) -> Option<(&'static str, Class)> {
    // Names are at most 64 bytes, so this small allocation is all a look-up costs.
    if let Some(known) = table().families.get(&name.to_ascii_lowercase()) {
        return Some(*known);
    }
    let hit =
        find(name.as_bytes(), 0).filter(|hit| hit.len == name.len() && hit.entry.rank >= RANK_LIBRARY)?;
    Some((hit.entry.family?, hit.entry.class))
}

/// The class of a name that an entry takes as it is written (`aws-sdk-go`).
pub(super) fn class_of_product(name: &str) -> Option<Class> {
    let hit = find(name.as_bytes(), 0)?;
    (hit.entry.family.is_none() && hit.entry.rank > RANK_NOISE).then_some(hit.entry.class)
}

#[cfg(test)]
mod held_out;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood_and_no_family_has_two_classes() {
        let mut keys = std::collections::HashSet::new();
        let mut classes: HashMap<String, Class> = HashMap::new();
        for (number, line) in DATA.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = KnownAgent::parse(line).unwrap_or_else(|| panic!("line {}: {line:?}", number + 1));
            assert_eq!(line.split('\t').count(), 4, "line {}: four fields", number + 1);
            let key = line.split('\t').next().unwrap();
            assert!(keys.insert(key), "line {}: {key:?} twice", number + 1);
            if !key.starts_with('~') {
                assert_eq!(key, key.to_lowercase(), "line {}: keys are lower case", number + 1);
            }
            let Some(family) = entry.family.filter(|_| entry.rank != RANK_NOISE) else {
                continue;
            };
            assert!(
                family.len() <= super::super::MAX_FAMILY_BYTES
                    && !family.starts_with('(')
                    && !family.is_empty()
            );
            let before = classes.insert(family.to_ascii_lowercase(), entry.class);
            assert!(
                before.is_none_or(|class| class == entry.class),
                "line {}: {family} has two classes",
                number + 1
            );
        }
        assert!(keys.len() > 500);
    }

    #[test]
    fn the_longest_key_wins_and_words_end_where_they_should() {
        let family = |text: &str| find(text.as_bytes(), 0).and_then(|hit| hit.entry.family);
        assert_eq!(family("Opera Mini/4.2"), Some("Opera Mini"));
        assert_eq!(family("Opera/9.8"), Some("Opera"));
        assert_eq!(family("Googlebot-Image/1.0"), Some("Googlebot"));
        assert_eq!(family("googlebot"), Some("Googlebot"));
        assert_eq!(family("Googlebots/2"), None);
        assert_eq!(family("UCBrowser8.3"), Some("UC Browser"));
        assert_eq!(family("grub-client-1.5.3;"), Some("grub-client"));
        assert_eq!(family("line 3"), None);
        assert_eq!(family("Line/3"), Some("LINE"));
    }
}
