//! What earlier entries of a batch tell about later ones: times, user agents and hosts come again and again.
//!
//! Input: the position of a string's text. Output: what the text stands for, and where it ends. Never: another answer than
//! without the cache. A cached answer is used only where every byte of its text was compared, up to and with the closing
//! quote. Caches belong to one batch and its tally.

use wide::u8x16;

use super::rules::Rules;
use super::scan::{part, plain_end};
use crate::dimension::{TEXT_COUNT, TextField, text_field};
use crate::model::WindowStart;
use crate::time;

pub(super) struct Caches {
    pub(super) times: TimeCache,
    pub(super) agents: TextCache<AGENT_WINDOW>,
    /// For each text dimension.
    pub(super) texts: [TextCache<TEXT_WINDOW>; TEXT_COUNT],
}

/// How many bytes of a user agent are compared at once: most agents fit.
pub(super) const AGENT_WINDOW: usize = 128;
/// The same for the texts of dimensions, such as hosts.
pub(super) const TEXT_WINDOW: usize = 64;

impl Caches {
    /// Empty caches for entries that take this many bytes of a body.
    pub(super) fn for_bytes(bytes: usize) -> Self {
        Self {
            times: TimeCache { forms: [0, 1, 2, 3, 4, 5, 6, 7].map(TimeForm::none), bytes: 0 },
            agents: TextCache::for_bytes(bytes),
            texts: std::array::from_fn(|text| {
                let TextField { is_url, max_bytes, .. } = text_field(text);
                TextCache { url_bytes: is_url.then_some(*max_bytes), ..TextCache::for_bytes(bytes) }
            }),
        }
    }
}

/// Minutes met before, by the last digit of the minute as it is written.
pub(super) struct TimeCache {
    forms: [TimeForm; FORMS],
    /// Length of the time that was looked up last: one program writes all its times alike.
    bytes: usize,
}

const FORMS: usize = 8;

/// A minute as it is written: stands for all times that differ in the seconds and in the digits of the fraction
/// only. `2025-12-28T18:03` and then up to 16 bytes, such as `:07.250Z"` and what stands behind.
#[derive(Clone, Copy)]
struct TimeForm {
    head: u8x16,
    /// The lowest and the highest value allowed for each byte behind the head: equal where the byte is fixed, `0` and
    /// `9` for a digit, 0 and 255 for any byte.
    low: u8x16,
    high: u8x16,
    /// Length of the whole text, without the quote.
    bytes: usize,
    minute: WindowStart,
}

impl TimeForm {
    /// A form that matches nothing at this index: a time with this head would have another index.
    fn none(place: u8) -> TimeForm {
        let (head, any) = (u8x16::splat(place + 1), u8x16::splat(0));
        TimeForm { head, low: any, high: any, bytes: 0, minute: WindowStart(0) }
    }

    /// The form of a valid time; `None` where it is too long.
    fn of(text: &[u8], minute: WindowStart) -> Option<Self> {
        let (head, tail) = text.split_first_chunk::<16>()?;
        let (mut low, mut high) = ([0; 16], [u8::MAX; 16]);
        let fraction = tail.iter().skip(4).take_while(|byte| byte.is_ascii_digit()).count();
        for (index, byte) in tail.iter().chain(b"\"").enumerate() {
            let is_fraction = tail[3] == b'.' && (4..4 + fraction).contains(&index);
            let (first, last) = match index {
                1 => (b'0', b'5'),
                2 => (b'0', b'9'),
                _ if is_fraction => (b'0', b'9'),
                _ => (*byte, *byte),
            };
            *low.get_mut(index)? = first;
            high[index] = last;
        }
        let [head, low, high] = [*head, low, high].map(u8x16::new);
        Some(Self { head, low, high, bytes: text.len(), minute })
    }

    #[inline(always)]
    fn matches(&self, head: u8x16, tail: u8x16) -> bool {
        let within = tail.max(self.low).min(self.high).simd_eq(tail);
        (head.simd_eq(self.head) & within).to_bitmask() == 0xFFFF
    }
}

impl TimeCache {
    /// The minute of the `receivedAt` whose text begins at `pos`, and the position of its closing quote. `None`
    /// where it is refused.
    #[inline(always)]
    pub(super) fn minute(
        &mut self,
        bytes: &[u8],
        pos: usize,
        rules: &Rules<'_>,
    ) -> Option<(WindowStart, usize)> {
        if let Some((head, rest)) = bytes.get(pos..)?.split_first_chunk::<16>()
            && let Some(tail) = rest.first_chunk::<16>()
        {
            let form = &self.forms[head[15] as usize % FORMS];
            if form.matches(u8x16::new(*head), u8x16::new(*tail)) {
                // Assume the previous length, so that the processor can go on before the form is loaded.
                if form.bytes == self.bytes {
                    return Some((form.minute, pos + self.bytes));
                }
                self.bytes = form.bytes;
                return Some((form.minute, pos + form.bytes));
            }
        }
        self.insert(bytes, pos, rules)
    }

    #[cold]
    fn insert(&mut self, bytes: &[u8], pos: usize, rules: &Rules<'_>) -> Option<(WindowStart, usize)> {
        let end = plain_end(bytes, pos);
        let text = bytes.get(pos..end)?;
        let minute = time::minute_of(rules.received_at_text(std::str::from_utf8(text).ok()?).ok()?);
        // A minute that is only in part too far in the future is not cached: each of its times must be checked.
        if time::start_ms(minute) + 59_999 <= rules.latest_ms
            && let Some(form) = TimeForm::of(text, minute)
        {
            self.forms[text[15] as usize % FORMS] = form;
        }
        Some((minute, end))
    }
}

/// Texts met before and the numbers they stand for, found by some of their bytes. The first `WINDOW` bytes of a text (64 or
/// 128) are compared without a loop; what is longer costs a call more.
pub(super) struct TextCache<const WINDOW: usize> {
    /// Index into `known` plus one; zero where no text has this sample.
    guesses: Vec<u32>,
    /// The binary logarithm of the number of guesses.
    guess_bits: u32,
    known: Vec<KnownText>,
    /// Set where texts are URLs of at most so many bytes. A URL counts under its host, so that only the part before
    /// its path is remembered.
    url_bytes: Option<usize>,
}

struct KnownText {
    /// The first bytes, as many as there are in a window.
    beginning: [u8x16; MAX_WINDOW / 16],
    /// A bit for each byte of `beginning` that belongs to the text.
    wanted: [u64; 2],
    /// Length of the whole text.
    bytes: usize,
    number: u32,
    /// The bytes behind the window.
    rest: Box<[u8]>,
}

const MAX_WINDOW: usize = 128;
const MIN_GUESS_BITS: u32 = 5;
const MAX_GUESS_BITS: u32 = 12;

impl KnownText {
    fn of(text: &[u8], number: u32, window: usize) -> Self {
        let (beginning, rest) = text.split_at(text.len().min(window));
        let mut padded = [0; MAX_WINDOW];
        padded[..beginning.len()].copy_from_slice(beginning);
        let wanted = if beginning.len() == MAX_WINDOW { u128::MAX } else { (1 << beginning.len()) - 1 };
        Self {
            beginning: std::array::from_fn(|index| part(&padded, index)),
            wanted: [wanted as u64, (wanted >> 64) as u64],
            bytes: text.len(),
            number,
            rest: rest.into(),
        }
    }

    /// Whether a text begins as this one does.
    #[inline(always)]
    fn begins<const WINDOW: usize>(&self, window: &[u8; WINDOW]) -> bool {
        let same = |index: usize| part(window, index).simd_eq(self.beginning[index]).to_bitmask();
        let [first, second] = bits::<WINDOW>(same);
        (!first & self.wanted[0]) | (!second & self.wanted[1]) == 0
    }
}

/// The bits of all parts of a window, each of 16 bytes, one behind the other.
#[inline(always)]
fn bits<const WINDOW: usize>(of_part: impl Fn(usize) -> u32) -> [u64; 2] {
    let pair = |number: usize| u64::from(of_part(number) | of_part(number + 1) << 16);
    let first = pair(0) | pair(2) << 32;
    if WINDOW == 64 { [first, 0] } else { [first, pair(4) | pair(6) << 32] }
}

impl<const WINDOW: usize> TextCache<WINDOW> {
    fn for_bytes(bytes: usize) -> Self {
        let guess_bits = (bytes / 256).clamp(1 << MIN_GUESS_BITS, 1 << MAX_GUESS_BITS).ilog2();
        Self { guesses: vec![0; 1 << guess_bits], guess_bits, known: Vec::new(), url_bytes: None }
    }

    /// The number of the string whose text begins at `pos`, and the position of its closing quote. What is not known is
    /// asked of `number_of`, which says `None` for a text that must not be cached.
    #[inline(always)]
    pub(super) fn number(
        &mut self,
        bytes: &[u8],
        pos: usize,
        number_of: impl FnOnce(&str) -> Option<u32>,
    ) -> Option<(u32, usize)> {
        let mut guess = None;
        if let Some(window) = bytes.get(pos..)?.first_chunk::<WINDOW>() {
            let quotes = |index: usize| part(window, index).simd_eq(u8x16::splat(b'"')).to_bitmask();
            let [first, second] = bits::<WINDOW>(quotes);
            let length = match first {
                0 if WINDOW == 64 => 64,
                0 => 64 + second.trailing_zeros(),
                first => first.trailing_zeros(),
            } as usize;
            if let Some(max_bytes) = self.url_bytes {
                return self.url_number(bytes, pos, length, max_bytes, number_of);
            }
            let place = (sample(window, length) >> (64 - self.guess_bits)) as usize;
            guess = Some(place);
            if let Some(known) = self.known.get((self.guesses[place] as usize).wrapping_sub(1))
                && known.begins(window)
            {
                // It ends where the quote was seen. Assume this length, so that the processor can go on before the known
                // text is loaded.
                if known.bytes == length && length < WINDOW {
                    return Some((known.number, pos + length));
                }
                if known.bytes >= WINDOW
                    && let end = pos + known.bytes
                    && bytes.get(pos + WINDOW..end) == Some(&*known.rest)
                    && bytes.get(end) == Some(&b'"')
                {
                    return Some((known.number, end));
                }
            }
        }
        self.insert(bytes, pos, guess, number_of)
    }

    /// As [`TextCache::number`], of a URL whose text ends after `length` bytes, or is longer than the window.
    #[inline(always)]
    fn url_number(
        &mut self,
        bytes: &[u8],
        pos: usize,
        length: usize,
        max_bytes: usize,
        number_of: impl FnOnce(&str) -> Option<u32>,
    ) -> Option<(u32, usize)> {
        let window: &[u8; WINDOW] = bytes.get(pos..)?.first_chunk()?;
        let deciding = before_path(window).min(length);
        if deciding == WINDOW {
            return self.insert(bytes, pos, None, number_of);
        }
        let place = (sample(window, deciding) >> (64 - self.guess_bits)) as usize;
        if let Some(known) = self.known.get((self.guesses[place] as usize).wrapping_sub(1))
            && known.bytes == deciding
            && known.begins(window)
        {
            let end = plain_end(bytes, pos + deciding);
            if bytes.get(end) == Some(&b'"')
                && end - pos <= max_bytes
                && bytes[pos + deciding..end].is_ascii()
            {
                return Some((known.number, end));
            }
        }
        self.insert(bytes, pos, Some(place), number_of)
    }

    #[cold]
    fn insert(
        &mut self,
        bytes: &[u8],
        pos: usize,
        guess: Option<usize>,
        number_of: impl FnOnce(&str) -> Option<u32>,
    ) -> Option<(u32, usize)> {
        let end = plain_end(bytes, pos);
        if bytes.get(end) != Some(&b'"') {
            return None;
        }
        let text = &bytes[pos..end];
        let number = number_of(simdutf8::basic::from_utf8(text).ok()?)?;
        let decides = if self.url_bytes.is_some() { url_before_path(text) } else { Some(text) };
        if let (Some(guess), Some(decides)) = (guess, decides) {
            let known = KnownText::of(decides, number, WINDOW);
            match self.guesses[guess] {
                0 => {
                    self.known.push(known);
                    self.guesses[guess] = self.known.len() as u32;
                }
                place => self.known[place as usize - 1] = known,
            }
        }
        Some((number, end))
    }
}

/// Up to and with the third slash: what is before the path of a URL.
#[inline(always)]
fn before_path<const WINDOW: usize>(window: &[u8; WINDOW]) -> usize {
    let [mut slashes, _] =
        bits::<WINDOW>(|index| part(window, index).simd_eq(u8x16::splat(b'/')).to_bitmask());
    slashes &= slashes.wrapping_sub(1);
    slashes &= slashes.wrapping_sub(1);
    if slashes == 0 { WINDOW } else { slashes.trailing_zeros() as usize + 1 }
}

/// The same of a text that may be longer; all of it where it has no third slash. `None` where it has one, but is no URL.
fn url_before_path(text: &[u8]) -> Option<&[u8]> {
    let Some(third) = memchr::memchr_iter(b'/', text).nth(2) else { return Some(text) };
    let is_url = memchr::memchr(b':', text).is_some_and(|colon| text[colon..].starts_with(b"://"));
    is_url.then_some(&text[..=third])
}

/// A mix, good in its upper bits, of some bytes of a text with this length or more (no more than a quote was looked
/// for): of any text the first and the last, and those in which browsers differ, the system from the 13th on, versions
/// from the 60th on.
#[inline(always)]
fn sample<const WINDOW: usize>(window: &[u8; WINDOW], length: usize) -> u64 {
    // Odd numbers without a pattern; each word has its own, so that they can be multiplied at once.
    const ODD: [u64; 8] = [
        0x9E37_79B9_7F4A_7C15,
        0xBF58_476D_1CE4_E5B9,
        0x94D0_49BB_1331_11EB,
        0xD6E8_FEB8_6659_FD93,
        0xA076_1D64_78BD_642F,
        0xE703_7ED1_A0B4_28DB,
        0xC2B2_AE3D_27D4_EB4F,
        0x8EBC_6AF0_9C88_C6E3,
    ];
    // Nothing behind the text is looked at, so that it always gives the same.
    let last = length.saturating_sub(8).min(WINDOW - 8);
    let behind = 64 - 8 * length.min(8) as u32;
    let word = |place: usize| {
        let bytes = window[place.min(last)..].first_chunk::<8>();
        bytes.map_or(0, |word| u64::from_le_bytes(*word)).checked_shl(behind).unwrap_or(0)
    };
    let [a, b, c, d, e, f, g, h] = ODD;
    let any = (length as u64).wrapping_mul(a) ^ word(0).wrapping_mul(b);
    let system = word(16).wrapping_mul(c) ^ word(40).wrapping_mul(d) ^ word(64).wrapping_mul(e);
    if WINDOW == 64 {
        return any ^ system;
    }
    any ^ system ^ word(80).wrapping_mul(f) ^ word(88).wrapping_mul(g) ^ word(96).wrapping_mul(h)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn texts_keep_their_numbers_however_long_and_similar_they_are() {
        fn check<const WINDOW: usize>() {
            let texts: BTreeSet<String> = (0..400)
                .flat_map(|number| {
                    let padding = "x".repeat(number % 170);
                    [
                        format!("{number}{padding}"),
                        format!("{padding}{number}"),
                        format!("{padding}é{number}"),
                    ]
                })
                .collect();
            let mut cache = TextCache::<WINDOW>::for_bytes(1 << 16);
            let mut asked = 0;
            for (text, number) in texts.iter().zip(0..).cycle().take(3 * texts.len()) {
                for behind in ["\",\"next\":\"", "\"", "\"\"\""] {
                    let body =
                        format!("{text}{behind}{}", "y".repeat(if behind.len() == 1 { 0 } else { 200 }));
                    let got = cache.number(body.as_bytes(), 0, |new| {
                        assert_eq!(new, text);
                        asked += 1;
                        Some(number)
                    });
                    assert_eq!(got, Some((number, text.len())), "{text}");
                }
            }
            assert!(asked < 6 * texts.len(), "most texts were cached: {asked}");
        }
        check::<64>();
        check::<128>();
    }

    #[test]
    fn urls_are_known_by_what_is_before_their_path() {
        let field = (0..TEXT_COUNT).map(text_field).find(|field| field.is_url).unwrap();
        let (mut caches, mut asked, mut cases) = (Caches::for_bytes(1 << 16), 0, 0);
        let cache = caches.texts.iter_mut().find(|cache| cache.url_bytes.is_some()).unwrap();
        let long = "h".repeat(56);
        let starts =
            ["https://", "http://", "a/b://", "https:/", "x:y//", "", " https://", "//", "https:///"];
        let hosts =
            ["a.example", "b.example:80", "u@c.example", "", &long, &long[1..], "\u{e9}.example", "d"];
        let ends =
            ["", "/", "/x", "/x//y/", "?q=/", "/\u{e9}", "/\n", " ", "/ ", "//", "#/", &"/z".repeat(1_100)];
        let mut keys = Vec::new();
        for _ in 0..3 {
            for text in starts.iter().flat_map(|start| hosts.map(|host| format!("{start}{host}"))) {
                for text in ends.map(|end| format!("{text}{end}")) {
                    let mut number_of = |text: &str| {
                        let trimmed = text.trim();
                        let key =
                            (field.key)(trimmed).filter(|_| trimmed.len() <= field.max_bytes)?.into_owned();
                        let place = keys.iter().position(|known| *known == key);
                        Some(place.unwrap_or_else(|| {
                            keys.push(key);
                            keys.len() - 1
                        }) as u32)
                    };
                    let is_plain = !text.contains('\n');
                    let want = number_of(&text).filter(|_| is_plain).map(|number| (number, text.len()));
                    let body = format!("{text}\",\"next\":\"/a/b/c\"{}", " ".repeat(100));
                    let got = cache.number(body.as_bytes(), 0, |text| {
                        asked += usize::from(want.is_some());
                        number_of(text)
                    });
                    assert_eq!(got, want, "{text}");
                    cases += usize::from(want.is_some());
                }
            }
        }
        assert!(asked < cases, "many are known: {asked} of {cases}");
    }

    #[test]
    fn texts_that_must_not_be_cached_are_asked_for_again() {
        let mut cache = TextCache::<64>::for_bytes(1 << 10);
        let body = format!("abc\"{}", " ".repeat(100));
        for _ in 0..2 {
            assert_eq!(cache.number(body.as_bytes(), 0, |_| None), None);
        }
        assert_eq!(cache.number(body.as_bytes(), 0, |_| Some(3)), Some((3, 3)));
        for bad in [&b"a\\\"b\""[..], b"a\x01\"", b"a\xFF\"", b"abc"] {
            let body = [bad, &[b' '; 100][..]].concat();
            assert_eq!(cache.number(&body, 0, |_| Some(1)), None);
        }
    }
}
