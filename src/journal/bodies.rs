//! The body of a record as it was received, whatever coding it is stored in.
//!
//! Input: the stored bytes of a record's body. Output: the decoded body. Never: more bytes than the record's header
//! says.

use std::borrow::Cow;
use std::io;

use super::format::BodyCoding;
use crate::base::inflight::{Budget, Charge};
use crate::batch::{Encoding, decode};

/// Decodes a body of `body_bytes` bytes; `None` where it was left out (`--raw-batches drop`).
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for what is not stored in this coding.
pub fn decoded_body(
    coding: BodyCoding,
    stored: &[u8],
    body_bytes: usize,
) -> io::Result<Option<Cow<'_, [u8]>>> {
    // The budget limits what clients send, not what is read back.
    let mut charge = Charge::new(&Budget::new(usize::MAX));
    let mut undo = |encoding| decode(encoding, stored, body_bytes, &mut charge).map_err(invalid);
    Ok(Some(match coding {
        BodyCoding::Dropped => return Ok(None),
        BodyCoding::Plain => undo(Encoding::Identity)?,
        BodyCoding::Gzip => undo(Encoding::Gzip)?,
        BodyCoding::Zstd => undo(Encoding::Zstd)?,
        BodyCoding::Lz4 => lz4_flex::block::decompress(stored, body_bytes).map_err(invalid)?.into(),
    }))
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}
