//! Looking for the end of a JSON string, many bytes at a time.
//!
//! In come bytes and where a string's text begins; out goes where its plain part ends. Reads within the slice
//! only, and without a line of unsafe code.

use wide::u8x16;

/// The position of the first byte from `pos` on that plain string text cannot hold: `"`, `\` or a control
/// character. The length where there is none.
#[inline(always)]
pub(super) fn plain_end(bytes: &[u8], mut pos: usize) -> usize {
    while let Some(block) = bytes.get(pos..).and_then(<[u8]>::first_chunk::<32>) {
        let [first, second] = halves(block);
        let stops = stops_of_16(first) | stops_of_16(second) << 16;
        if stops != 0 {
            return pos + stops.trailing_zeros() as usize;
        }
        pos += 32;
    }
    while bytes.get(pos).is_some_and(|byte| !is_stop(*byte)) {
        pos += 1;
    }
    pos
}

/// The longest text that [`short_target`] finds.
pub(super) const SHORT_BYTES: usize = 48;

/// A text of at most [`SHORT_BYTES`], zeros behind it, and its length.
#[derive(Clone, Copy)]
pub(super) struct Short {
    pub(super) parts: [u8x16; 3],
    pub(super) bytes: usize,
}

impl Short {
    /// The beginning of any text, as far as it goes.
    pub(super) fn beginning_of(text: &[u8]) -> Self {
        let mut padded = [0; SHORT_BYTES];
        let bytes = text.len().min(SHORT_BYTES);
        padded[..bytes].copy_from_slice(&text[..bytes]);
        Self { parts: thirds(&padded), bytes }
    }
}

/// The path or route of the string whose plain ASCII text begins at `pos`, without its query string unless `keep_query`,
/// and the position of its closing quote. `None` where it is not short, does not begin and end with a visible character, or
/// is too near the end of `bytes` to be read at once.
#[inline(always)]
pub(super) fn short_target(bytes: &[u8], pos: usize, keep_query: bool) -> Option<(Short, usize)> {
    // With the quote behind it the longest is read by four parts.
    let window = bytes.get(pos..)?.first_chunk::<64>()?;
    let parts = [part(window, 0), part(window, 1), part(window, 2), part(window, 3)];
    let [a, b, c, d] = parts;
    let stops = [stops_of_16(a), stops_of_16(b), stops_of_16(c), stops_of_16(d)];
    let end = bits_of_64(stops).trailing_zeros() as usize;
    let text = [parts[0], parts[1], parts[2]];
    let query = if keep_query { 64 } else { query_of(parts) };
    if query < end {
        return short_before_query(bytes, pos, window, text, query);
    }
    let mask = mask(end)?;
    let text = [text[0] & mask[0], text[1] & mask[1], text[2] & mask[2]];
    let is_ascii = (text[0] | text[1] | text[2]).to_bitmask() == 0;
    let is_trimmed = is_visible(window[0]) && is_visible(*window.get(end.wrapping_sub(1))?);
    let is_short = is_ascii && is_trimmed && *window.get(end)? == b'"';
    is_short.then_some((Short { parts: text, bytes: end }, pos + end))
}

/// The same of a string with a query string from `query` on.
#[inline(never)]
fn short_before_query(
    bytes: &[u8],
    pos: usize,
    window: &[u8; 64],
    text: [u8x16; 3],
    query: usize,
) -> Option<(Short, usize)> {
    let end = plain_end(bytes, pos + query);
    let mask = mask(query)?;
    let text = [text[0] & mask[0], text[1] & mask[1], text[2] & mask[2]];
    // The last bytes of the path and of all.
    let edges = [window[0], *window.get(query.wrapping_sub(1))?, bytes[end - 1]];
    let is_short = bytes[pos..end].is_ascii() && edges.into_iter().all(is_visible);
    is_short.then_some((Short { parts: text, bytes: query }, end))
}

/// Where the first question mark is among 64 bytes; 64 where there is none.
#[inline(always)]
fn query_of([a, b, c, d]: [u8x16; 4]) -> usize {
    let marks = |part: u8x16| part.simd_eq(u8x16::splat(b'?')).to_bitmask();
    bits_of_64([marks(a), marks(b), marks(c), marks(d)]).trailing_zeros() as usize
}

#[inline(always)]
fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// Selects the first bytes of three parts. `None` for more than there are.
#[inline(always)]
fn mask(bytes: usize) -> Option<[u8x16; 3]> {
    static ONES_AND_ZEROS: [u8; 2 * SHORT_BYTES] = {
        let mut table = [0; 2 * SHORT_BYTES];
        let mut index = 0;
        while index < SHORT_BYTES {
            table[index] = u8::MAX;
            index += 1;
        }
        table
    };
    let start = SHORT_BYTES.checked_sub(bytes)?;
    Some(thirds(ONES_AND_ZEROS.get(start..)?.first_chunk()?))
}

#[inline(always)]
fn thirds(text: &[u8; SHORT_BYTES]) -> [u8x16; 3] {
    [part(text, 0), part(text, 1), part(text, 2)]
}

/// Both halves of 32 bytes.
#[inline(always)]
pub(super) fn halves(bytes: &[u8; 32]) -> [u8x16; 2] {
    [part(bytes, 0), part(bytes, 1)]
}

/// The part of 16 bytes with this number.
#[inline(always)]
pub(super) fn part<const BYTES: usize>(bytes: &[u8; BYTES], number: usize) -> u8x16 {
    u8x16::new(*bytes[16 * number..].first_chunk().expect("parts are asked for that are there"))
}

/// The bits of four parts, one behind the other.
#[inline(always)]
fn bits_of_64([a, b, c, d]: [u32; 4]) -> u64 {
    u64::from(a | b << 16) | u64::from(c | d << 16) << 32
}

/// A bit for each byte that stops.
#[inline(always)]
fn stops_of_16(text: u8x16) -> u32 {
    let controls = text.min(u8x16::splat(0x1F)).simd_eq(text);
    let stops = text.simd_eq(u8x16::splat(b'"')) | text.simd_eq(u8x16::splat(b'\\')) | controls;
    stops.to_bitmask()
}

/// The plain text of at most seven bytes at `pos`, packed into a number, and its length. `None` where it is
/// longer or too near the end of `bytes` to be read at once. No text has a zero byte, so none shares its
/// number with another.
#[inline(always)]
pub(super) fn short_plain(bytes: &[u8], pos: usize) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*bytes.get(pos..)?.first_chunk::<8>()?);
    let bits = stops(word).trailing_zeros() / 8 * 8;
    (bits < 64).then(|| (word & ((1 << bits) - 1), bits as usize / 8))
}

/// A text of at most seven bytes, packed as [`short_plain`] packs it; zero for a longer one.
#[inline(always)]
pub(super) fn packed(text: &str) -> u64 {
    let mut word = [0; 8];
    match word[..7].get_mut(..text.len()) {
        Some(beginning) => {
            beginning.copy_from_slice(text.as_bytes());
            u64::from_le_bytes(word)
        }
        None => 0,
    }
}

/// How many of the bytes of a word, the lowest first, are digits before the first that is not.
#[inline(always)]
pub(super) fn digit_bytes(word: u64) -> usize {
    // A digit is 0 to 9 once its upper half is taken off; whatever is not has its highest bit set, or gets it by adding.
    let values = word ^ 0x3030_3030_3030_3030;
    let others = (values | (values & 0x7F7F_7F7F_7F7F_7F7F).wrapping_add(0x7676_7676_7676_7676))
        & 0x8080_8080_8080_8080;
    others.trailing_zeros() as usize / 8
}

fn is_stop(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1F)
}

/// The highest bit of the first (lowest) byte that stops, and bits of no meaning above it.
///
/// Subtracting from every byte at once borrows from the next only where a byte was below what is subtracted,
/// that is, behind a true stop. With bit 1 flipped, `"` (0x22) is 0x20 and lies right above the control
/// characters, which stay among themselves, while 0x20 and 0x21 move above it.
#[inline(always)]
fn stops(text: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let quotes_and_controls = (text ^ (EACH * 0x02)).wrapping_sub(EACH * 0x21);
    let escapes = (text ^ (EACH * b'\\' as u64)).wrapping_sub(EACH);
    (quotes_and_controls | escapes) & !text & (EACH * 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_found_whole_or_not_at_all() {
        for len in 0..=SHORT_BYTES + 2 {
            let mut body = [&vec![b'x'; len][..], b"\"", &[b'"'; 64]].concat();
            let short = short_target(&body, 0, true);
            assert_eq!(short.map(|(short, _)| short.bytes), (1..=SHORT_BYTES).contains(&len).then_some(len));
            if let Some((short, end)) = short {
                assert_eq!(end, len);
                let same = Short::beginning_of(&body[..len]);
                assert_eq!((short.parts, short.bytes), (same.parts, same.bytes));
            }
            assert!(short_target(&body[..63], 0, true).is_none());
            for place in 0..len.min(SHORT_BYTES) {
                for byte in 0..=u8::MAX {
                    body[place] = byte;
                    let is_edge = place == 0 || place + 1 == len;
                    let is_fine = len <= SHORT_BYTES
                        && (if is_edge { b'!' } else { b' ' }..0x7F).contains(&byte)
                        && !is_stop(byte)
                        || !is_edge && byte == 0x7F && len <= SHORT_BYTES;
                    // A quote ends the text earlier.
                    let want = if byte == b'"' && place > 0 { Some(place) } else { is_fine.then_some(len) };
                    assert_eq!(
                        short_target(&body, 0, true).map(|(short, _)| short.bytes),
                        want,
                        "{byte} at {place} of {len}"
                    );
                }
                body[place] = b'x';
            }
        }
    }

    #[test]
    fn what_stands_behind_does_not_hide_or_move_a_stop() {
        for (first, second) in
            (0..=u8::MAX).flat_map(|first| (0..=u8::MAX).map(move |second| (first, second)))
        {
            let text = [b'x', first, second, b' ', b'!', b'#', b'[', b']'];
            let want = text.iter().position(|byte| is_stop(*byte)).unwrap_or(8);
            assert_eq!(plain_end(&text, 0), want, "{text:?}");
            let short = short_plain(&text, 0).map(|(packed, len)| (packed.to_le_bytes(), len));
            let mut packed = text;
            packed[want..].fill(0);
            assert_eq!(short, (want < 8).then_some((packed, want)));
        }
    }

    #[test]
    fn every_byte_ends_digits_or_is_one() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut text = *b"12345678";
                text[place] = byte;
                let want = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
                assert_eq!(digit_bytes(u64::from_le_bytes(text)), want, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn every_byte_stops_or_not_at_every_place() {
        for byte in 0..=u8::MAX {
            for len in [1, 15, 16, 17, 40] {
                for place in 0..len {
                    let mut text = vec![b'x'; len];
                    text[place] = byte;
                    for start in 0..=len {
                        let want = if is_stop(byte) && start <= place { place } else { len };
                        assert_eq!(plain_end(&text, start), want, "{byte} at {place} of {len}");
                    }
                }
            }
        }
    }
}
