//! What earlier entries of a batch teach about later ones: times and user agents come again and again.
//!
//! In comes the position of a string's text; out goes what it stands for and where it ends. A lesson is used
//! only where every byte it stands for is compared, up to and with the closing quote, so that it can save
//! work but never change what is accepted. Lessons belong to one batch and its tally.

use wide::u8x16;

use super::checks::Rules;
use super::layout::Layout;
use super::scan::{part, plain_end};
use super::tally::Tally;
use crate::model::WindowStart;
use crate::time;

/// What is known so far.
pub(super) struct Learnt {
    pub(super) times: Times,
    pub(super) agents: Agents,
    pub(super) layout: Layout,
}

impl Learnt {
    /// Nothing, for entries that take this many bytes of a body.
    pub(super) fn for_bytes(bytes: usize) -> Self {
        let guess_bits = (bytes / 256).clamp(1 << MIN_GUESS_BITS, 1 << MAX_GUESS_BITS).ilog2();
        Self {
            times: Times { forms: [0, 1, 2, 3, 4, 5, 6, 7].map(Form::none), bytes: 0 },
            agents: Agents { guesses: vec![0; 1 << guess_bits], guess_bits, known: Vec::new() },
            layout: Layout::unknown(),
        }
    }
}

/// Minutes met before, by the last digit of the minute as it is written.
pub(super) struct Times {
    forms: [Form; FORMS],
    /// Of the time met last: a program writes all its times alike.
    bytes: usize,
}

const FORMS: usize = 8;

/// A minute as it is written: stands for all times that differ in the seconds and in the digits of the fraction
/// only. `2025-12-28T18:03` and then up to 16 bytes, such as `:07.250Z"` and what stands behind.
#[derive(Clone, Copy)]
struct Form {
    head: u8x16,
    /// Between these two is each byte behind the head: one of them where it is fixed, a digit, or anything.
    low: u8x16,
    high: u8x16,
    /// Of the whole text, without the quote.
    bytes: usize,
    minute: WindowStart,
}

impl Form {
    /// Stands for no text in this place among the forms: another place follows from its head.
    fn none(place: u8) -> Form {
        let (head, any) = (u8x16::splat(place + 1), u8x16::splat(0));
        Form { head, low: any, high: any, bytes: 0, minute: WindowStart(0) }
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

impl Times {
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
                // Going by the time before, and not by the lesson, the processor reads what comes next while it still
                // waits for the lesson.
                if form.bytes == self.bytes {
                    return Some((form.minute, pos + self.bytes));
                }
                self.bytes = form.bytes;
                return Some((form.minute, pos + form.bytes));
            }
        }
        self.learn(bytes, pos, rules)
    }

    #[cold]
    fn learn(&mut self, bytes: &[u8], pos: usize, rules: &Rules<'_>) -> Option<(WindowStart, usize)> {
        let end = plain_end(bytes, pos);
        let text = bytes.get(pos..end)?;
        let minute = time::minute_of(rules.received_at_ms(std::str::from_utf8(text).ok()?).ok()?);
        // A minute that the limit on the future cuts in two must be looked at each time.
        if time::start_ms(minute) + 59_999 <= rules.latest_ms
            && let Some(form) = Form::of(text, minute)
        {
            self.forms[text[15] as usize % FORMS] = form;
        }
        Some((minute, end))
    }
}

/// User agents met before, by some of their bytes.
pub(super) struct Agents {
    /// The place of an agent in `known` plus one; zero where there is none.
    guesses: Vec<u32>,
    /// The binary logarithm of their number.
    guess_bits: u32,
    /// Only agents that stood in the body as they are counted, trimmed and not cut: no other would be met again byte
    /// for byte.
    known: Vec<Known>,
}

/// A user agent that was met.
#[derive(Clone, Copy)]
struct Known {
    beginning: [u8x16; KNOWN_PARTS],
    /// A bit for each byte of the agent among them.
    wanted: [u64; 2],
    /// Of the whole agent.
    bytes: usize,
    /// In the tally.
    number: u32,
}

/// How much of an agent is compared without a loop; what is longer costs a call more.
const KNOWN_PARTS: usize = 8;
const KNOWN_BYTES: usize = 16 * KNOWN_PARTS;

const MIN_GUESS_BITS: u32 = 5;
const MAX_GUESS_BITS: u32 = 12;

impl Known {
    fn of(agent: &[u8], number: u32) -> Self {
        let mut padded = [0; KNOWN_BYTES];
        let bytes = agent.len().min(KNOWN_BYTES);
        padded[..bytes].copy_from_slice(&agent[..bytes]);
        let wanted = if bytes == KNOWN_BYTES { u128::MAX } else { (1 << bytes) - 1 };
        Self {
            beginning: parts(&padded),
            wanted: [wanted as u64, (wanted >> 64) as u64],
            bytes: agent.len(),
            number,
        }
    }

    /// Whether a text begins as this agent does.
    #[inline(always)]
    fn begins(&self, text: &[u8; KNOWN_BYTES]) -> bool {
        let same = |index: usize| part(text, index).simd_eq(self.beginning[index]).to_bitmask();
        let [first, second] = bits(same);
        (!first & self.wanted[0]) | (!second & self.wanted[1]) == 0
    }
}

fn parts(text: &[u8; KNOWN_BYTES]) -> [u8x16; KNOWN_PARTS] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|number| part(text, number))
}

/// The bits of all parts, each of 16, one behind the other.
#[inline(always)]
fn bits(of_part: impl Fn(usize) -> u32) -> [u64; 2] {
    let pair = |number: usize| u64::from(of_part(number) | of_part(number + 1) << 16);
    [pair(0) | pair(2) << 32, pair(4) | pair(6) << 32]
}

impl Agents {
    /// The tally's number of the user agent whose text begins at `pos`, the position of its closing quote, and
    /// whether it was cut. `None` where it is refused.
    #[inline(always)]
    pub(super) fn number(
        &mut self,
        bytes: &[u8],
        pos: usize,
        rules: &Rules<'_>,
        tally: &mut Tally,
    ) -> Option<(u32, usize, bool)> {
        let mut guess = None;
        if let Some(text) = bytes.get(pos..)?.first_chunk::<KNOWN_BYTES>() {
            let [first, second] = bits(|index| part(text, index).simd_eq(u8x16::splat(b'"')).to_bitmask());
            let length =
                if first != 0 { first.trailing_zeros() } else { 64 + second.trailing_zeros() } as usize;
            let place = (sample(text, length) >> (64 - self.guess_bits)) as usize;
            guess = Some(place);
            if let Some(known) = self.known.get((self.guesses[place] as usize).wrapping_sub(1))
                && known.begins(text)
            {
                // It ends where the quote was seen. Going by that and not by the lesson, the processor reads what comes
                // next while it still waits for the lesson.
                if known.bytes == length && length < KNOWN_BYTES {
                    return Some((known.number, pos + length, false));
                }
                if known.bytes >= KNOWN_BYTES
                    && let end = pos + known.bytes
                    && bytes.get(pos + KNOWN_BYTES..end)
                        == Some(&tally.agents.bytes(known.number)[KNOWN_BYTES..])
                    && bytes.get(end) == Some(&b'"')
                {
                    return Some((known.number, end, false));
                }
            }
        }
        self.other(bytes, pos, guess, rules, tally)
    }

    #[cold]
    fn other(
        &mut self,
        bytes: &[u8],
        pos: usize,
        guess: Option<usize>,
        rules: &Rules<'_>,
        tally: &mut Tally,
    ) -> Option<(u32, usize, bool)> {
        let end = plain_end(bytes, pos);
        if bytes.get(end) != Some(&b'"') {
            return None;
        }
        let raw = simdutf8::basic::from_utf8(bytes.get(pos..end)?).ok()?;
        let (agent, is_cut) = rules.user_agent(raw).ok()?;
        let number = tally.agents.intern(agent, 0);
        if let Some(guess) = guess.filter(|_| agent.len() == raw.len()) {
            let known = Known::of(agent.as_bytes(), number);
            match self.guesses[guess] {
                0 => {
                    self.known.push(known);
                    self.guesses[guess] = self.known.len() as u32;
                }
                place => self.known[place as usize - 1] = known,
            }
        }
        Some((number, end, is_cut))
    }
}

/// A mix, good in its upper bits, of some bytes of a text with this length or more (no more than a quote was looked
/// for): those in which browsers differ, the system from the 13th on, versions from the 60th on.
#[inline(always)]
fn sample(text: &[u8; KNOWN_BYTES], length: usize) -> u64 {
    // Odd numbers without a pattern; each word has its own, so that they can be multiplied at once.
    const ODD: [u64; 7] = [
        0x9E37_79B9_7F4A_7C15,
        0xBF58_476D_1CE4_E5B9,
        0x94D0_49BB_1331_11EB,
        0xD6E8_FEB8_6659_FD93,
        0xA076_1D64_78BD_642F,
        0xE703_7ED1_A0B4_28DB,
        0xC2B2_AE3D_27D4_EB4F,
    ];
    // Nothing behind the text is looked at, so that it always gives the same.
    let last = length.saturating_sub(8).min(KNOWN_BYTES - 8);
    let behind = 64 - 8 * length.min(8) as u32;
    let word = |place: usize| {
        let bytes = text[place.min(last)..].first_chunk::<8>();
        bytes.map_or(0, |word| u64::from_le_bytes(*word)).checked_shl(behind).unwrap_or(0)
    };
    let [a, b, c, d, e, f, g] = ODD;
    let system = word(16).wrapping_mul(a) ^ word(40).wrapping_mul(b) ^ word(64).wrapping_mul(c);
    let versions = word(80).wrapping_mul(d) ^ word(88).wrapping_mul(e) ^ word(96).wrapping_mul(f);
    system ^ versions ^ (length as u64).wrapping_mul(g)
}
