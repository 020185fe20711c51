//! What earlier entries of a batch teach about later ones: times and user agents come again and again.
//!
//! In comes the position of a string's text; out goes what it stands for and where it ends. A lesson is used
//! only where every byte it stands for is compared, up to and with the closing quote, so that it can save
//! work but never change what is accepted. Lessons belong to one batch and its tally.

use super::checks::Rules;
use super::layout::Layout;
use super::scan::plain_end;
use super::tally::Tally;
use super::time;
use crate::model::WindowStart;

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
            times: Times { forms: [Form::NONE; FORMS] },
            agents: Agents { guesses: vec![0; 1 << guess_bits], guess_bits },
            layout: Layout::unknown(),
        }
    }
}

/// Minutes met before, by the last digit of the minute as it is written.
pub(super) struct Times {
    forms: [Form; FORMS],
}

const FORMS: usize = 8;

/// A minute as it is written: stands for all times that differ in the seconds and in the digits of the fraction
/// only. `2025-12-28T18:03` and then up to 16 bytes, such as `:07.250Z"` and what stands behind.
#[derive(Clone, Copy)]
struct Form {
    head: u128,
    /// The bytes behind the head that must be as they were, in place; `mask` selects them.
    fixed: u128,
    mask: u128,
    /// Selects the digits behind the head.
    digits: u128,
    /// For each digit what takes the first character that is too large to 0x40: 6, or 10 for the tens of seconds.
    adds: u128,
    /// Of the whole text, without the quote.
    bytes: usize,
    minute: WindowStart,
}

/// This byte in every place.
const fn each(byte: u8) -> u128 {
    u128::from_le_bytes([byte; 16])
}

impl Form {
    /// Stands for no text.
    const NONE: Form =
        Form { head: 0, fixed: 1, mask: 0, digits: 0, adds: 0, bytes: 0, minute: WindowStart(0) };

    /// The form of a valid time; `None` where it is too long.
    fn of(text: &str, minute: WindowStart) -> Option<Self> {
        let (head, tail) = text.as_bytes().split_first_chunk::<16>()?;
        let (mut fixed, mut mask, mut digits, mut adds) = ([0; 16], [0; 16], [0; 16], [0; 16]);
        let fraction = tail.iter().skip(4).take_while(|byte| byte.is_ascii_digit()).count();
        for (index, byte) in tail.iter().chain(b"\"").enumerate() {
            let is_fraction = tail[3] == b'.' && (4..4 + fraction).contains(&index);
            if index == 1 || index == 2 || is_fraction {
                *digits.get_mut(index)? = u8::MAX;
                // With 0x30 or more before, a byte stays below 0x40 if it is a digit (or, in tens, up to 5).
                adds[index] = if index == 1 { 10 } else { 6 };
            } else {
                *fixed.get_mut(index)? = *byte;
                mask[index] = u8::MAX;
            }
        }
        let [fixed, mask, digits, adds] = [fixed, mask, digits, adds].map(u128::from_le_bytes);
        Some(Self { head: u128::from_le_bytes(*head), fixed, mask, digits, adds, bytes: text.len(), minute })
    }

    #[inline(always)]
    fn matches(&self, head: u128, tail: u128) -> bool {
        let (digits, high) = (tail & self.digits, each(0xF0) & self.digits);
        // Without 0x3 as upper half of every digit, the sum may carry, but the first comparison fails anyway.
        let are_digits = digits & high == each(0x30) & self.digits
            && digits.wrapping_add(self.adds) & high == each(0x30) & self.digits;
        head == self.head && tail & self.mask == self.fixed && are_digits
    }
}

impl Times {
    /// The minute of the `receivedAt` whose text begins at `pos`, and the position of its closing quote. `None`
    /// where it is refused.
    #[inline(always)]
    pub(super) fn minute(
        &mut self,
        text: &str,
        pos: usize,
        rules: &Rules<'_>,
    ) -> Option<(WindowStart, usize)> {
        let bytes = text.as_bytes();
        if let Some((head, rest)) = bytes.get(pos..)?.split_first_chunk::<16>()
            && let Some(tail) = rest.first_chunk::<16>()
        {
            let form = &self.forms[head[15] as usize % FORMS];
            if form.matches(u128::from_le_bytes(*head), u128::from_le_bytes(*tail)) {
                return Some((form.minute, pos + form.bytes));
            }
        }
        self.learn(text, pos, rules)
    }

    #[cold]
    fn learn(&mut self, text: &str, pos: usize, rules: &Rules<'_>) -> Option<(WindowStart, usize)> {
        let end = plain_end(text.as_bytes(), pos);
        let text = text.get(pos..end)?;
        let minute = time::minute_of(rules.received_at_ms(text).ok()?);
        // A minute that the limit on the future cuts in two must be looked at each time.
        if time::start_ms(minute) + 59_999 <= rules.latest_ms
            && let Some(form) = Form::of(text, minute)
        {
            self.forms[text.as_bytes()[15] as usize % FORMS] = form;
        }
        Some((minute, end))
    }
}

/// User agents met before, by some of their bytes.
pub(super) struct Agents {
    /// The tally's number of an agent plus one; zero where there is none. Only agents that stood in the body
    /// as they are counted, trimmed and not cut: no other would be met again byte for byte.
    guesses: Vec<u32>,
    /// The binary logarithm of their number.
    guess_bits: u32,
}

const MIN_GUESS_BITS: u32 = 5;
const MAX_GUESS_BITS: u32 = 10;

impl Agents {
    /// The tally's number of the user agent whose text begins at `pos`, the position of its closing quote, and
    /// whether it was cut. `None` where it is refused.
    #[inline(always)]
    pub(super) fn number(
        &mut self,
        text: &str,
        pos: usize,
        rules: &Rules<'_>,
        tally: &mut Tally,
    ) -> Option<(u32, usize, bool)> {
        let bytes = text.as_bytes();
        let guess = sample(bytes, pos).map(|sample| (sample >> (64 - self.guess_bits)) as usize);
        let number = guess.map_or(0, |guess| self.guesses[guess]);
        if number > 0 {
            let known = tally.agents.bytes(number - 1);
            let end = pos + known.len();
            if bytes.get(end) == Some(&b'"') && bytes[pos..end] == *known {
                return Some((number - 1, end, false));
            }
        }
        let end = plain_end(bytes, pos);
        if bytes.get(end) != Some(&b'"') {
            return None;
        }
        let raw = text.get(pos..end)?;
        let (agent, is_cut) = rules.user_agent(raw).ok()?;
        let id = tally.agents.intern(agent, 0);
        if let Some(guess) = guess.filter(|_| agent.len() == raw.len()) {
            self.guesses[guess] = id.checked_add(1)?;
        }
        Some((id, end, is_cut))
    }
}

/// A mix, good in its upper bits, of the bytes in which browsers differ: the system from the 13th on, versions from the 60th on.
/// Behind the end of a shorter agent this sees the beginning of the next entry, which differs less often than
/// not; a wrong guess costs the search for the end, no more.
#[inline(always)]
fn sample(bytes: &[u8], pos: usize) -> Option<u64> {
    // Odd numbers without a pattern; each word has its own, so that they can be multiplied at once.
    const ODD: [u64; 6] = [
        0x9E37_79B9_7F4A_7C15,
        0xBF58_476D_1CE4_E5B9,
        0x94D0_49BB_1331_11EB,
        0xD6E8_FEB8_6659_FD93,
        0xA076_1D64_78BD_642F,
        0xE703_7ED1_A0B4_28DB,
    ];
    let window = bytes.get(pos..)?.first_chunk::<104>()?;
    let word = |place: usize| window[place..].first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    let [a, b, c, d, e, f] = ODD;
    let system = word(16).wrapping_mul(a) ^ word(40).wrapping_mul(b) ^ word(64).wrapping_mul(c);
    let versions = word(80).wrapping_mul(d) ^ word(88).wrapping_mul(e) ^ word(96).wrapping_mul(f);
    Some(system ^ versions)
}
