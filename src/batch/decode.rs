//! Content codings: from the bytes on the wire to the bytes of the batch.
//!
//! Decoding stops at the limit on decoded bytes, charges memory before it takes it, and accepts only complete
//! streams: nothing missing, nothing left over. It must never trust a size that a stream claims.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;

use serde::{Deserialize, Serialize};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use crate::base::inflight::{Charge, Exhausted, STEP_BYTES};

/// Zstandard frames may look back 8 MiB, what RFC 8878 asks every decoder to support. The decoder touches
/// only as much of that as it has decoded, so memory stays bounded by the decoded limit.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    Identity,
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 8878, one frame or several.
    Zstd,
}

impl Encoding {
    /// The coding named by a `content-encoding` header, letter case aside; `None` for one we do not know.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if is("identity") => Some(Self::Identity),
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("zstd") => Some(Self::Zstd),
            () => None,
        }
    }
}

/// Why a body could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// More decoded bytes than allowed.
    TooLarge { limit_bytes: usize },
    /// Not a complete stream of this coding.
    Undecodable {
        encoding: Encoding,
        /// What the decoder said.
        reason: String,
    },
    /// The budget of bytes in flight is used up.
    Busy,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit_bytes } => write!(f, "body is larger than {limit_bytes} bytes"),
            Self::Undecodable { encoding, reason } => {
                let name = match encoding {
                    Encoding::Identity => "identity",
                    Encoding::Gzip => "gzip",
                    Encoding::Zstd => "zstd",
                };
                write!(f, "body is not valid {name}: {reason}")
            }
            Self::Busy => f.write_str("too many bytes in flight"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<Exhausted> for DecodeError {
    fn from(_: Exhausted) -> Self {
        Self::Busy
    }
}

/// Decodes `raw` to at most `limit_bytes`. An uncoded body is borrowed and costs nothing more.
///
/// `charge` grows, before memory is taken, to cover what it held plus the decoded bytes (twice for zstd, whose
/// decoder keeps its own copy of what it may look back on).
pub fn decode<'a>(
    encoding: Encoding,
    raw: &'a [u8],
    limit_bytes: usize,
    charge: &mut Charge,
) -> Result<Cow<'a, [u8]>, DecodeError> {
    let undecodable = |reason: String| DecodeError::Undecodable { encoding, reason };
    match encoding {
        Encoding::Identity if raw.len() > limit_bytes => Err(DecodeError::TooLarge { limit_bytes }),
        Encoding::Identity => Ok(Cow::Borrowed(raw)),
        Encoding::Gzip => {
            let mut decoder = flate2::bufread::MultiGzDecoder::new(raw);
            let mut output = DecodedBytes::new(limit_bytes, charge, 1);
            output.fill(|space| decoder.read(space).map_err(|e| undecodable(e.to_string())))?;
            Ok(Cow::Owned(output.bytes))
        }
        Encoding::Zstd => {
            let mut decoder = zstd_decoder().map_err(|e| undecodable(e.to_string()))?;
            let mut input = InBuffer::around(raw);
            // What the decoder still wants, 0 between frames; an empty body is no frame at all.
            let mut wanted = 1;
            let mut output = DecodedBytes::new(limit_bytes, charge, 2);
            output.fill(|space| {
                let mut space = OutBuffer::around(space);
                loop {
                    let (pos_before, frame_open) = (input.pos(), wanted > 0);
                    if !frame_open && pos_before == raw.len() {
                        return Ok(0);
                    }
                    wanted = decoder.run(&mut input, &mut space).map_err(|e| undecodable(e.to_string()))?;
                    if space.pos() > 0 {
                        return Ok(space.pos());
                    }
                    if wanted > 0 && input.pos() == raw.len() && pos_before == raw.len() {
                        return Err(undecodable(String::from("incomplete frame")));
                    }
                }
            })?;
            Ok(Cow::Owned(output.bytes))
        }
    }
}

fn zstd_decoder() -> std::io::Result<ZstdDecoder<'static>> {
    let mut decoder = ZstdDecoder::new()?;
    decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
    Ok(decoder)
}

/// Decoded bytes, growing by doubling up to the limit, paid for before they are taken.
struct DecodedBytes<'c> {
    bytes: Vec<u8>,
    limit_bytes: usize,
    charge: &'c mut Charge,
    held_bytes: usize,
    /// Bytes charged for each byte of room.
    weight: usize,
}

impl<'c> DecodedBytes<'c> {
    fn new(limit_bytes: usize, charge: &'c mut Charge, weight: usize) -> Self {
        let held_bytes = charge.bytes();
        Self { bytes: Vec::new(), limit_bytes, charge, held_bytes, weight }
    }

    /// Calls `read` with room for more until it gives 0.
    fn fill(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> Result<usize, DecodeError>,
    ) -> Result<(), DecodeError> {
        let mut filled = 0;
        loop {
            if filled == self.bytes.len() && filled == self.limit_bytes {
                // Exactly at the limit: complete only if there is not one byte more.
                return match read(&mut [0])? {
                    0 => Ok(()),
                    _ => Err(DecodeError::TooLarge { limit_bytes: self.limit_bytes }),
                };
            }
            if filled == self.bytes.len() {
                let room = self.bytes.len().saturating_mul(2).max(STEP_BYTES).min(self.limit_bytes);
                self.charge.grow_to(self.held_bytes.saturating_add(room.saturating_mul(self.weight)))?;
                self.bytes.reserve_exact(room - filled);
                self.bytes.resize(room, 0);
            }
            match read(&mut self.bytes[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::base::inflight::Budget;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    fn run(encoding: Encoding, raw: &[u8], limit_bytes: usize) -> Result<Vec<u8>, DecodeError> {
        let budget = Budget::new(64 << 20);
        decode(encoding, raw, limit_bytes, &mut Charge::new(&budget)).map(Cow::into_owned)
    }

    fn text(len: usize) -> Vec<u8> {
        (0..len).map(|i| b'a' + (i * i % 23) as u8).collect()
    }

    #[test]
    fn whole_streams_decode_up_to_exactly_the_limit() {
        for len in [0, 1, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1, 300_000] {
            let plain = text(len);
            for (encoding, raw) in [
                (Encoding::Identity, plain.clone()),
                (Encoding::Gzip, gzip(&plain)),
                (Encoding::Zstd, zstd(&plain)),
            ] {
                assert_eq!(run(encoding, &raw, len + 7).as_ref(), Ok(&plain), "{encoding:?} {len}");
                assert_eq!(run(encoding, &raw, len).as_ref(), Ok(&plain), "{encoding:?} {len}");
                if len > 0 {
                    let limit_bytes = len - 1;
                    assert_eq!(run(encoding, &raw, limit_bytes), Err(DecodeError::TooLarge { limit_bytes }));
                }
            }
        }
    }

    #[test]
    fn several_members_or_frames_are_one_body() {
        let both = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
        assert_eq!(run(Encoding::Gzip, &both, 100).unwrap(), b"one two");
        let both = [zstd(b"one "), zstd(b""), zstd(b"two")].concat();
        assert_eq!(run(Encoding::Zstd, &both, 100).unwrap(), b"one two");
    }

    #[test]
    fn cut_or_followed_streams_are_undecodable() {
        let plain = text(5_000);
        for (encoding, raw) in [(Encoding::Gzip, gzip(&plain)), (Encoding::Zstd, zstd(&plain))] {
            for cut in 0..raw.len() {
                let got = run(encoding, &raw[..cut], 10_000);
                assert!(
                    matches!(got, Err(DecodeError::Undecodable { .. })),
                    "{encoding:?} cut at {cut}: {got:?}"
                );
            }
            for garbage in [&b"\0"[..], b"x", b"garbage after the stream", &raw[..9]] {
                let got = run(encoding, &[&raw, garbage].concat(), 10_000);
                assert!(
                    matches!(got, Err(DecodeError::Undecodable { .. })),
                    "{encoding:?}+{garbage:?}: {got:?}"
                );
            }
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit_and_its_charge() {
        let bomb = gzip(&vec![b' '; 50 << 20]);
        assert!(bomb.len() < 300_000);
        let budget = Budget::new(64 << 20);
        let mut charge = Charge::new(&budget);
        let limit_bytes = 2 << 20;
        let got = decode(Encoding::Gzip, &bomb, limit_bytes, &mut charge);
        assert_eq!(got, Err(DecodeError::TooLarge { limit_bytes }));
        assert_eq!(charge.bytes(), limit_bytes);
    }

    #[test]
    fn a_full_budget_is_busy() {
        let raw = zstd(&text(1 << 20));
        let budget = Budget::new(512 << 10);
        let mut charge = Charge::new(&budget);
        assert_eq!(decode(Encoding::Zstd, &raw, 2 << 20, &mut charge), Err(DecodeError::Busy));
        drop(charge);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_zstd_frame_that_wants_a_huge_window_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&text(1_000)).unwrap();
        let raw = encoder.finish().unwrap();
        assert!(matches!(run(Encoding::Zstd, &raw, 10_000), Err(DecodeError::Undecodable { .. })));
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!(Encoding::from_name("X-GZip"), Some(Encoding::Gzip));
        assert_eq!(Encoding::from_name("Zstd"), Some(Encoding::Zstd));
        assert_eq!(Encoding::from_name("identity"), Some(Encoding::Identity));
        assert_eq!(Encoding::from_name("br"), None);
    }
}
