//! The coding of a body in its record.
//!
//! Input: a byte of a record. Output: a [`BodyCoding`], and back. Never: encodes or decodes a body.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyCoding {
    /// Not kept (`--raw-batches drop`).
    Dropped,
    /// As it came.
    Plain,
    /// Compressed by the server.
    Lz4,
    /// As it came, compressed by the client.
    Gzip,
    /// As it came, compressed by the client.
    Zstd,
}

impl BodyCoding {
    const ALL: [BodyCoding; 5] =
        [BodyCoding::Dropped, BodyCoding::Plain, BodyCoding::Lz4, BodyCoding::Gzip, BodyCoding::Zstd];

    /// The byte in the record.
    pub(super) fn code(self) -> u8 {
        self as u8
    }

    pub(super) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name shown by `batches list`.
    pub fn as_str(self) -> &'static str {
        match self {
            BodyCoding::Dropped => "dropped",
            BodyCoding::Plain => "plain",
            BodyCoding::Lz4 => "lz4",
            BodyCoding::Gzip => "gzip",
            BodyCoding::Zstd => "zstd",
        }
    }
}
