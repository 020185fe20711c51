//! Chunked transfer coding, decoded in place.
//!
//! Input: raw bytes in a buffer, cut anywhere. Output: the data, moved to the front over the framing between it. A pure
//! state machine that keeps no bytes: extensions and trailers are checked, counted and dropped. Never: a read past the end
//! of the body.

use crate::base::token::is_token_byte;

/// Bytes of one chunk-size line, extensions included; more is 400.
const MAX_CHUNK_LINE_BYTES: usize = 4 * 1024;
/// Bytes of all trailers of a body together; more is 400.
const MAX_TRAILER_BYTES: usize = 8 * 1024;
/// Bytes of framing that a body may have in any case; above that framing is limited by the data.
const FREE_FRAMING_BYTES: u64 = 64 * 1024;
/// Bytes of framing allowed for each byte of data above that; more is 400. Chunks of one byte have five. Only
/// extensions and leading zeros need more, and a client could use those to keep a server busy without sending data.
const MAX_FRAMING_PER_DATA_BYTE: u64 = 8;

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkError {
    Malformed(&'static str),
    /// A chunk would take the data above the limit.
    TooLarge,
}

/// The place of the next byte, in the words of RFC 9112, section 7.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkedState {
    /// The digits of a chunk size; no digit seen yet where `line_bytes` is 0.
    #[default]
    Size,
    /// White space behind a size or an extension: only another extension may follow.
    BeforeExtension,
    /// Behind `;`, before the name.
    ExtensionStart,
    ExtensionName,
    /// White space behind a name: `=` or another extension may follow.
    AfterExtensionName,
    /// Behind `=`, before the value.
    ExtensionValueStart,
    ExtensionValue,
    QuotedValue,
    /// Behind a backslash in a quoted value.
    QuotedPair,
    QuotedValueEnd,
    SizeEnd,
    Data,
    DataEnd,
    DataEndLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerEnd,
    End,
    Done,
}

const MALFORMED_SIZE: ChunkError = ChunkError::Malformed("malformed chunk size");

/// Decodes one body.
#[derive(Debug, Default)]
pub(super) struct ChunkDecoder {
    state: ChunkedState,
    /// Bytes left of the chunk, or its size as far as it was read.
    size: u64,
    line_bytes: usize,
    trailer_bytes: usize,
    framing_bytes: u64,
    data_bytes: u64,
}

/// The result of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// The end of the raw bytes that were consumed.
    pub(super) read: usize,
    /// The end of the data.
    pub(super) written: usize,
    /// The body is complete.
    pub(super) done: bool,
}

impl ChunkDecoder {
    /// Decodes the raw bytes of `buffer[read..]` to `buffer[written..]`; `written` is never above `read`. Consumes
    /// every byte, unless the body ends first.
    pub(super) fn decode(
        &mut self,
        buffer: &mut [u8],
        mut read: usize,
        mut written: usize,
        limit_bytes: usize,
    ) -> Result<Decoded, ChunkError> {
        assert!(written <= read);
        while read < buffer.len() && self.state != ChunkedState::Done {
            if self.state == ChunkedState::Data {
                let available = buffer.len() - read;
                let take = usize::try_from(self.size).unwrap_or(usize::MAX).min(available);
                buffer.copy_within(read..read + take, written);
                read += take;
                written += take;
                self.size -= take as u64;
                if self.size == 0 {
                    self.state = ChunkedState::DataEnd;
                }
            } else {
                let byte = buffer[read];
                read += 1;
                self.framing(byte, limit_bytes as u64)?;
            }
        }
        Ok(Decoded { read, written, done: self.state == ChunkedState::Done })
    }

    fn framing(&mut self, byte: u8, limit_bytes: u64) -> Result<(), ChunkError> {
        self.framing_bytes += 1;
        let earned = self.data_bytes.saturating_mul(MAX_FRAMING_PER_DATA_BYTE);
        if self.framing_bytes > earned.saturating_add(FREE_FRAMING_BYTES) {
            return Err(ChunkError::Malformed("far more chunk framing than data"));
        }
        self.state = match self.state {
            ChunkedState::Size if byte.is_ascii_hexdigit() => self.digit(byte, limit_bytes)?,
            ChunkedState::Size if self.line_bytes == 0 => return Err(MALFORMED_SIZE),
            ChunkedState::Size
            | ChunkedState::BeforeExtension
            | ChunkedState::ExtensionStart
            | ChunkedState::ExtensionName
            | ChunkedState::AfterExtensionName
            | ChunkedState::ExtensionValueStart
            | ChunkedState::ExtensionValue
            | ChunkedState::QuotedValue
            | ChunkedState::QuotedPair
            | ChunkedState::QuotedValueEnd => self.behind_size(byte)?,
            ChunkedState::SizeEnd if byte == b'\n' => {
                self.line_bytes = 0;
                self.data_bytes += self.size;
                if self.size == 0 { ChunkedState::TrailerStart } else { ChunkedState::Data }
            }
            ChunkedState::DataEnd if byte == b'\r' => ChunkedState::DataEndLf,
            ChunkedState::DataEndLf if byte == b'\n' => ChunkedState::Size,
            ChunkedState::DataEnd | ChunkedState::DataEndLf => {
                return Err(ChunkError::Malformed("a chunk is longer than its size"));
            }
            ChunkedState::TrailerStart if byte == b'\r' => ChunkedState::End,
            ChunkedState::TrailerStart | ChunkedState::TrailerName if is_token_byte(byte) => {
                self.trailer(ChunkedState::TrailerName)?
            }
            ChunkedState::TrailerName if byte == b':' => self.trailer(ChunkedState::TrailerValue)?,
            ChunkedState::TrailerValue if byte == b'\r' => ChunkedState::TrailerEnd,
            ChunkedState::TrailerValue if is_text_byte(byte) => self.trailer(ChunkedState::TrailerValue)?,
            ChunkedState::TrailerStart | ChunkedState::TrailerName | ChunkedState::TrailerValue => {
                return Err(ChunkError::Malformed("malformed trailer"));
            }
            ChunkedState::TrailerEnd if byte == b'\n' => ChunkedState::TrailerStart,
            ChunkedState::End if byte == b'\n' => ChunkedState::Done,
            ChunkedState::SizeEnd | ChunkedState::TrailerEnd | ChunkedState::End => {
                return Err(ChunkError::Malformed("CR without LF in chunk framing"));
            }
            ChunkedState::Data | ChunkedState::Done => unreachable!("not framing"),
        };
        Ok(())
    }

    /// The state after a byte of a chunk-size line that is not a digit of the size: `*( BWS ";" BWS token [ BWS "="
    /// BWS ( token / quoted-string ) ] )` and the line's end.
    fn behind_size(&mut self, byte: u8) -> Result<ChunkedState, ChunkError> {
        use ChunkedState::{
            AfterExtensionName, BeforeExtension, ExtensionName, ExtensionStart, ExtensionValue,
            ExtensionValueStart, QuotedPair, QuotedValue, QuotedValueEnd, Size, SizeEnd,
        };
        let next = match (self.state, byte) {
            (QuotedValue, b'"') => QuotedValueEnd,
            (QuotedValue, b'\\') => QuotedPair,
            (QuotedValue | QuotedPair, byte) if is_text_byte(byte) => QuotedValue,
            (Size | ExtensionName | ExtensionValue | QuotedValueEnd, b'\r') => return Ok(SizeEnd),
            (Size | BeforeExtension | ExtensionValue | QuotedValueEnd, b' ' | b'\t') => BeforeExtension,
            (ExtensionName | AfterExtensionName, b' ' | b'\t') => AfterExtensionName,
            (state @ (ExtensionStart | ExtensionValueStart), b' ' | b'\t') => state,
            (
                Size | BeforeExtension | ExtensionName | AfterExtensionName | ExtensionValue | QuotedValueEnd,
                b';',
            ) => ExtensionStart,
            (ExtensionName | AfterExtensionName, b'=') => ExtensionValueStart,
            (ExtensionValueStart, b'"') => QuotedValue,
            (ExtensionStart | ExtensionName, byte) if is_token_byte(byte) => ExtensionName,
            (ExtensionValueStart | ExtensionValue, byte) if is_token_byte(byte) => ExtensionValue,
            (Size, _) => return Err(MALFORMED_SIZE),
            _ => return Err(ChunkError::Malformed("malformed chunk extension")),
        };
        self.line(next)
    }

    fn digit(&mut self, byte: u8, limit_bytes: u64) -> Result<ChunkedState, ChunkError> {
        if self.line_bytes == 0 {
            self.size = 0;
        }
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        // Checked with every digit, so that a size beyond the limit can never overflow.
        self.size = self.size.saturating_mul(16).saturating_add(u64::from(digit));
        if self.data_bytes.saturating_add(self.size) > limit_bytes {
            return Err(ChunkError::TooLarge);
        }
        self.line(ChunkedState::Size)
    }

    fn line(&mut self, state: ChunkedState) -> Result<ChunkedState, ChunkError> {
        self.line_bytes += 1;
        if self.line_bytes > MAX_CHUNK_LINE_BYTES {
            return Err(ChunkError::Malformed("chunk-size line too long"));
        }
        Ok(state)
    }

    fn trailer(&mut self, state: ChunkedState) -> Result<ChunkedState, ChunkError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > MAX_TRAILER_BYTES {
            return Err(ChunkError::Malformed("trailers too long"));
        }
        Ok(state)
    }
}

/// Whether a field value or a quoted string may contain this byte: any but control characters; the tab is allowed
/// (RFC 9110, section 5.5).
fn is_text_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(raw: &str) -> Result<(String, usize), ChunkError> {
        let mut buffer = raw.as_bytes().to_vec();
        let progress = ChunkDecoder::default().decode(&mut buffer, 0, 0, 100)?;
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
            ("3 ; a = b\t;c=\"\\\"\"  ;d\r\nabc\r\n0\r\n\r\n", "abc", 0),
            ("0\r\nx-t:\r\nx-u: \u{e9}\t: 1\r\n\r\n", "", 0),
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
            "0\r\nx : 1\r\n",
            "0\r\n: 1\r\n",
            "0\r\n:\r\n",
            "0\r\nx\r\n",
            "0\r\nx-\u{e9}: 1\r\n",
            "0\r\nGET /secret HTTP/1.1\r\n",
            "3;\r\n",
            "3;a=\r\n",
            "3;=b\r\n",
            "3;a b\r\n",
            "3;a=b=c\r\n",
            "3;a=\"b\r\n",
            "3;a=\"b\\\r\n",
            "3;a=\"b\"c\r\n",
            "3;a \r\n",
            "3;a=b \r\n",
            "0\r\n\rX",
        ] {
            let mut buffer = raw.as_bytes().to_vec();
            let result = ChunkDecoder::default().decode(&mut buffer, 0, 0, 100);
            assert!(matches!(result, Err(ChunkError::Malformed(_))), "{raw:?}: {result:?}");
        }
        assert_eq!(decode("65\r\n"), Err(ChunkError::TooLarge));
        assert_eq!(decode("ffffffffffffffffffff\r\n"), Err(ChunkError::TooLarge));
    }
}
