//! A stream of bytes as lines, however long they are.
//!
//! Input: bytes in any portions. Output: lines without their ends. Never: more than about a line's bytes in memory; of a line
//! that is too long its beginning is given, and of a hole of NULs (a file cut under its writer, a power cut) two of them.

use memchr::memchr;

use super::MAX_LINE_BYTES;

/// NULs that are left of a run of them.
const KEPT_NULS: usize = 2;

/// Cuts a stream into lines.
#[derive(Clone, Debug, Default)]
pub struct LineSplitter {
    /// The beginning of a line whose end was not seen.
    begun: Vec<u8>,
    /// NULs that `begun` ends with.
    nuls: usize,
    without_holes: Vec<u8>,
}

impl LineSplitter {
    /// Takes bytes, and gives the lines that end in them.
    pub fn push(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        if memchr(0, bytes).is_none() {
            self.nuls = 0;
            return self.split(bytes, each);
        }
        let mut shorter = std::mem::take(&mut self.without_holes);
        shorter.clear();
        for byte in bytes {
            self.nuls = if *byte == 0 { self.nuls + 1 } else { 0 };
            if self.nuls <= KEPT_NULS {
                shorter.push(*byte);
            }
        }
        self.split(&shorter, each);
        self.without_holes = shorter;
    }

    fn split(&mut self, bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            if self.begun.is_empty() {
                each(&rest[..end]);
            } else {
                self.keep(&rest[..end]);
                each(&self.begun);
                self.begun.clear();
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    /// One byte more than a line may have shows that it is too long.
    fn keep(&mut self, bytes: &[u8]) {
        let space = (MAX_LINE_BYTES + 1).saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&bytes[..bytes.len().min(space)]);
    }

    /// Gives the last line, if it has no end.
    pub fn finish(&mut self, each: &mut impl FnMut(&[u8])) {
        if !self.begun.is_empty() {
            each(&self.begun);
            self.begun.clear();
        }
        self.nuls = 0;
    }
}

/// Whether a text is UTF-16, by how it begins: with a byte order mark, or with a NUL as every second byte.
#[must_use]
pub fn is_utf16(start: &[u8]) -> bool {
    const PAIRS: usize = 8;
    if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
        return true;
    }
    let (pairs, _) = start.as_chunks::<2>();
    let is_all = |is: fn(&[u8; 2]) -> bool| pairs.len() >= PAIRS && pairs[..PAIRS].iter().all(is);
    is_all(|pair| pair[0] != 0 && pair[1] == 0) || is_all(|pair| pair[0] == 0 && pair[1] != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(portions: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        portions.iter().for_each(|portion| splitter.push(portion, &mut |line| lines.push(line.to_vec())));
        splitter.finish(&mut |line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn lines_are_the_same_however_the_stream_is_cut() {
        let text = b"one\n\ntwo\0\0\0\0\0three\n\0\0\0\0four\r\nlast";
        let want = lines(&[text]);
        assert_eq!(want, [&b"one"[..], b"", b"two\0\0three", b"\0\0four\r", b"last"]);
        for cut in 0..text.len() {
            assert_eq!(lines(&[&text[..cut], &text[cut..]]), want, "{cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines(&bytes), want);
    }

    #[test]
    fn a_line_that_is_too_long_takes_no_more_memory_than_one_that_is_not() {
        let long = vec![b'x'; 3 * MAX_LINE_BYTES];
        let found = lines(&[b"a\n", &long, &long, b"\nb\n"]);
        let lengths: Vec<usize> = found.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, MAX_LINE_BYTES + 1, 1]);
        let hole = vec![0; 3 * MAX_LINE_BYTES];
        assert_eq!(lines(&[b"cut", &hole, b"good\n"]), [b"cut\0\0good".to_vec()]);
    }

    #[test]
    fn utf_16_is_told_from_text_and_from_holes() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        assert!(is_utf16(b"\xff\xfe1\0") && is_utf16(&utf16("192.0.2.1 - -")));
        for text in [&b""[..], b"192.0.2.1 - -", &[0; 64], b"{}\0\0\0\0", "\u{feff}é".as_bytes()] {
            assert!(!is_utf16(text), "{text:?}");
        }
    }
}
