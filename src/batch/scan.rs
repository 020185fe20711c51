//! Looking for the end of a JSON string, many bytes at a time.
//!
//! In come bytes and where a string's text begins; out goes where its plain part ends. Reads within the slice
//! only, and without a line of unsafe code.

/// The position of the first byte from `pos` on that plain string text cannot hold: `"`, `\` or a control
/// character. The length where there is none.
#[inline(always)]
pub(super) fn plain_end(bytes: &[u8], mut pos: usize) -> usize {
    // Two words a turn: a branch less, and room for the processor to do both at once.
    while let Some(block) = bytes.get(pos..).and_then(<[u8]>::first_chunk::<16>) {
        let both = u128::from_le_bytes(*block);
        let (first, second) = (stops(both as u64), stops((both >> 64) as u64));
        if first | second != 0 {
            let (skipped, stops) = if first == 0 { (8, second) } else { (0, first) };
            return pos + skipped + stops.trailing_zeros() as usize / 8;
        }
        pos += 16;
    }
    while bytes.get(pos).is_some_and(|byte| !is_stop(*byte)) {
        pos += 1;
    }
    pos
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
