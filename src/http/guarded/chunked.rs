//! Chunked transfer coding, decoded in place.
//!
//! In: raw bytes in a buffer, cut anywhere. Out: the data, moved to the front over the framing that was between
//! it. A pure state machine that keeps no bytes of its own: extensions and trailers are checked for form, counted
//! and forgotten. It must never look at bytes after the end of the body.

use crate::http::limits::FrontLimits;

/// Framing bytes per byte of data, above `free_framing_bytes`; why is said there.
const MAX_FRAMING_PER_DATA_BYTE: u64 = 8;

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkError {
    Malformed(&'static str),
    /// A chunk would take the data above the limit.
    TooLarge,
}

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the digits of a chunk size; no digit seen yet where `line_bytes` is 0.
    Size,
    /// White space after the size: only an extension may follow.
    AfterSize,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    DataEndLf,
    TrailerStart,
    Trailer,
    TrailerEnd,
    End,
    Done,
}

/// Decodes one body.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    limits: &'a FrontLimits,
    place: Place,
    /// Bytes left of the chunk, or its size as far as it was read.
    size: u64,
    line_bytes: usize,
    trailer_bytes: usize,
    framing_bytes: u64,
    data_bytes: u64,
}

/// What one step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// Where the raw bytes end that were used up.
    pub(super) read: usize,
    /// Where the data ends.
    pub(super) written: usize,
    /// The body is complete.
    pub(super) done: bool,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(limits: &'a FrontLimits) -> Self {
        Self {
            limits,
            place: Place::Size,
            size: 0,
            line_bytes: 0,
            trailer_bytes: 0,
            framing_bytes: 0,
            data_bytes: 0,
        }
    }

    /// Decodes the raw bytes of `buffer[read..]` to `buffer[written..]`; `written` is never above `read`. Uses
    /// up every byte there is unless the body ends before.
    pub(super) fn decode(
        &mut self,
        buffer: &mut [u8],
        mut read: usize,
        mut written: usize,
        limit_bytes: usize,
    ) -> Result<Progress, ChunkError> {
        debug_assert!(written <= read);
        while read < buffer.len() && self.place != Place::Done {
            if self.place == Place::Data {
                let available = buffer.len() - read;
                let take = usize::try_from(self.size).unwrap_or(usize::MAX).min(available);
                buffer.copy_within(read..read + take, written);
                read += take;
                written += take;
                self.size -= take as u64;
                if self.size == 0 {
                    self.place = Place::DataEnd;
                }
            } else {
                let byte = buffer[read];
                read += 1;
                self.framing(byte, limit_bytes as u64)?;
            }
        }
        Ok(Progress { read, written, done: self.place == Place::Done })
    }

    fn framing(&mut self, byte: u8, limit_bytes: u64) -> Result<(), ChunkError> {
        self.framing_bytes += 1;
        let earned = self.data_bytes.saturating_mul(MAX_FRAMING_PER_DATA_BYTE);
        if self.framing_bytes > earned.saturating_add(self.limits.free_framing_bytes as u64) {
            return Err(ChunkError::Malformed("far more chunk framing than data"));
        }
        self.place = match (self.place, byte) {
            (Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte, limit_bytes)?,
            (Place::Size | Place::AfterSize, b' ' | b'\t') if self.line_bytes > 0 => {
                self.line(Place::AfterSize)?
            }
            (Place::Size | Place::AfterSize, b';') if self.line_bytes > 0 => self.line(Place::Extension)?,
            (Place::Size, b'\r') if self.line_bytes > 0 => Place::SizeEnd,
            (Place::Size | Place::AfterSize, _) => return Err(ChunkError::Malformed("malformed chunk size")),
            (Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Extension, b'\t' | b' '..=b'~' | 0x80..) => self.line(Place::Extension)?,
            (Place::Extension, _) => return Err(ChunkError::Malformed("malformed chunk extension")),
            (Place::SizeEnd, b'\n') => {
                self.line_bytes = 0;
                self.data_bytes += self.size;
                if self.size == 0 { Place::TrailerStart } else { Place::Data }
            }
            (Place::DataEnd, b'\r') => Place::DataEndLf,
            (Place::DataEndLf, b'\n') => Place::Size,
            (Place::DataEnd | Place::DataEndLf, _) => {
                return Err(ChunkError::Malformed("a chunk is longer than its size"));
            }
            (Place::TrailerStart, b'\r') => Place::End,
            (Place::TrailerStart, b' ' | b'\t') => return Err(ChunkError::Malformed("folded trailer line")),
            (Place::Trailer, b'\r') => Place::TrailerEnd,
            (Place::TrailerStart | Place::Trailer, b'\t' | b' '..=b'~' | 0x80..) => self.trailer()?,
            (Place::TrailerEnd, b'\n') => Place::TrailerStart,
            (Place::End, b'\n') => Place::Done,
            (Place::TrailerStart | Place::Trailer, _) => {
                return Err(ChunkError::Malformed("malformed trailer"));
            }
            (Place::SizeEnd | Place::TrailerEnd | Place::End, _) => {
                return Err(ChunkError::Malformed("CR without LF in chunk framing"));
            }
            (Place::Data | Place::Done, _) => unreachable!("not framing"),
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8, limit_bytes: u64) -> Result<Place, ChunkError> {
        if self.line_bytes == 0 {
            self.size = 0;
        }
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        // Checked with every digit: a size that cannot be within the limit can never overflow either.
        self.size = self.size.saturating_mul(16).saturating_add(u64::from(digit));
        if self.data_bytes.saturating_add(self.size) > limit_bytes {
            return Err(ChunkError::TooLarge);
        }
        self.line(Place::Size)
    }

    fn line(&mut self, place: Place) -> Result<Place, ChunkError> {
        self.line_bytes += 1;
        if self.line_bytes > self.limits.max_chunk_line_bytes {
            return Err(ChunkError::Malformed("chunk-size line too long"));
        }
        Ok(place)
    }

    fn trailer(&mut self) -> Result<Place, ChunkError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > self.limits.max_trailer_bytes {
            return Err(ChunkError::Malformed("trailers too long"));
        }
        Ok(Place::Trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(raw: &str) -> Result<(String, usize), ChunkError> {
        let mut buffer = raw.as_bytes().to_vec();
        let limits = FrontLimits::default();
        let progress = Decoder::new(&limits).decode(&mut buffer, 0, 0, 100)?;
        assert!(progress.done, "{raw:?} is not complete");
        Ok((String::from_utf8(buffer[..progress.written].to_vec()).unwrap(), raw.len() - progress.read))
    }

    #[test]
    fn data_comes_out_and_extensions_and_trailers_do_not() {
        for (raw, data, rest) in [
            ("0\r\n\r\n", "", 0),
            ("3\r\nabc\r\n0\r\n\r\nGET", "abc", 3),
            ("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", 0),
            ("3;a=\"b\";c\r\nabc\r\n0;x\r\nx-t: 1\r\nx-u: 2\r\n\r\n", "abc", 0),
            ("3 ;a\r\nabc\r\n0000\r\n\r\n", "abc", 0),
        ] {
            assert_eq!(decode(raw), Ok((data.to_owned(), rest)), "{raw:?}");
        }
    }

    #[test]
    fn broken_framing_is_malformed_and_size_is_checked_before_data() {
        for raw in [
            "\r\n",
            ";a\r\n",
            "x\r\n",
            "0x3\r\n",
            "+3\r\n",
            "-3\r\n",
            " 3\r\n",
            "3 \r\n",
            "3\n",
            "3\rabc",
            "3\r\nabcd\r\n",
            "3\r\nabc\n",
            "3;\u{0}\r\n",
            "3;a\nabc",
            "0\r\n\n",
            "0\r\nx\n",
            "0\r\n x: 1\r\n",
            "0\r\n\rX",
        ] {
            let mut buffer = raw.as_bytes().to_vec();
            let limits = FrontLimits::default();
            let result = Decoder::new(&limits).decode(&mut buffer, 0, 0, 100);
            assert!(matches!(result, Err(ChunkError::Malformed(_))), "{raw:?}: {result:?}");
        }
        assert_eq!(decode("65\r\n"), Err(ChunkError::TooLarge));
        assert_eq!(decode("ffffffffffffffffffff\r\n"), Err(ChunkError::TooLarge));
    }
}
