//! The reasons why bytes are not a record of this journal.
//!
//! Input: nothing. Output: [`Invalid`] and its text. Never: decides what happens then.

use std::fmt;
use std::io;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// They end before the record does.
    Truncated,
    /// They do not begin with the magic.
    Magic,
    /// The lengths do not fit together.
    Length,
    /// The header's checksum is wrong.
    HeaderChecksum,
    /// The payload's checksum is wrong.
    PayloadChecksum,
    /// The checksum is right and the tag is wrong: it was written under another secret.
    WrongSecret,
    /// The checksums are right and the content is not: a bug wrote it, or somebody else.
    Content(&'static str),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Truncated => f.write_str("the record is cut short"),
            Invalid::Magic => f.write_str("no record begins here"),
            Invalid::Length => f.write_str("the record's lengths do not fit together"),
            Invalid::HeaderChecksum => f.write_str("the record's header checksum is wrong"),
            Invalid::PayloadChecksum => f.write_str("the record's payload checksum is wrong"),
            Invalid::WrongSecret => f.write_str("the record was written under another secret"),
            Invalid::Content(what) => f.write_str(what),
        }
    }
}

impl Invalid {
    /// An error that names file and offset.
    pub fn at(self, path: &Path, offset: u64) -> io::Error {
        let text = format!("{} is damaged at offset {offset}: {self}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}
