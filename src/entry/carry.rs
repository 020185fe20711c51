//! What earlier lines say about the next one: columns and day of a W3C log, the time of an entry of journald's export format, and
//! lines that come in parts.
//!
//! Input: directives and parts. Output: columns, times and joined lines; and the whole as parameters, so that a reader elsewhere can
//! go on from any line. It is a function of the bytes before, and of nothing else. Never: more than a line's bytes a stream.

use std::fmt;

use super::MAX_LINE_BYTES;
use super::field::Escape;
use super::time::{self, Partial};
use super::w3c::Columns;

/// Streams of a container that are kept apart.
const STREAMS: [&[u8]; 2] = [b"stdout", b"stderr"];

/// The state of a reader between two lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Carry {
    columns: Option<Columns>,
    /// What writes the log counts seconds (see [`Columns::new`]).
    in_seconds: bool,
    /// What `#Date:` says, if a day stands in it: the day of lines that have a time alone.
    date: Option<String>,
    parts: [Vec<u8>; STREAMS.len()],
    /// The entry of journald's export format that the next line is part of.
    pub(super) export: Option<ExportedEntry>,
}

/// What is known of an entry in journald's export format before its message comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ExportedEntry {
    /// When journald took it, in microseconds since 1970.
    pub(super) micros: Option<u64>,
}

/// An invalid parameter of a reader's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidState(String);

impl fmt::Display for InvalidState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a parameter of a reader's state", self.0)
    }
}

impl std::error::Error for InvalidState {}

impl Carry {
    /// Takes the text behind `#Fields:`.
    pub(super) fn set_columns(&mut self, header: &str) {
        self.columns = Columns::new(header, self.in_seconds);
    }

    /// Takes the text behind `#Software:`.
    pub(super) fn set_software(&mut self, name: &str) {
        self.in_seconds = name.trim_start().starts_with("NetScaler");
    }

    /// Takes the text behind `#Date:`.
    pub(super) fn set_date(&mut self, text: &str) {
        self.date = time::first_day(text.as_bytes()).map(|_| text.trim().to_owned());
    }

    /// The day of lines that have a time alone.
    pub(super) fn day(&self) -> Option<Partial> {
        time::first_day(self.date.as_ref()?.as_bytes())
    }

    pub(super) fn columns(&self) -> Option<&Columns> {
        self.columns.as_ref()
    }

    /// Keeps a part of a line until the next ones of its stream. Parts of a line that is too long are kept until that is
    /// certain, so that the whole is seen to be too long.
    pub(super) fn keep(&mut self, stream: &[u8], part: &[u8]) {
        let kept = &mut self.parts[place(stream)];
        let space = (MAX_LINE_BYTES + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&part[..part.len().min(space)]);
    }

    /// The parts of a stream that are kept; from now on none are.
    pub(super) fn take(&mut self, stream: &[u8]) -> Vec<u8> {
        std::mem::take(&mut self.parts[place(stream)])
    }

    /// The parts that are kept of any stream.
    pub(super) fn take_any(&mut self) -> Option<Vec<u8>> {
        self.parts.iter_mut().find(|parts| !parts.is_empty()).map(std::mem::take)
    }

    /// Whether the next line may be the rest of one that has begun.
    pub(super) fn is_within_line(&self) -> bool {
        self.export.is_some() || self.parts.iter().any(|parts| !parts.is_empty())
    }

    /// The state as parameters; none where nothing was carried. Values are safe in URLs.
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = Vec::new();
        if let Some(columns) = &self.columns {
            parameters.push(("fields", encoded(columns.header().as_bytes())));
        }
        if self.in_seconds {
            parameters.push(("time-taken", "seconds".to_owned()));
        }
        if let Some(date) = &self.date {
            parameters.push(("date", encoded(date.as_bytes())));
        }
        for (name, parts) in ["stdout", "stderr"].into_iter().zip(&self.parts) {
            if !parts.is_empty() {
                parameters.push((name, encoded(parts)));
            }
        }
        if let Some(entry) = self.export {
            let value = entry.micros.map_or_else(|| "yes".to_owned(), |micros| micros.to_string());
            parameters.push(("export", value));
        }
        parameters
    }

    /// The state that has these parameters.
    pub(super) fn from_parameters<'p>(
        parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Self, InvalidState> {
        let mut carry = Self::default();
        let mut header = None;
        for (name, value) in parameters {
            let invalid = || InvalidState(format!("{name}={value}"));
            let mut bytes = Vec::new();
            Escape::Percent.undo(value.as_bytes(), &mut bytes);
            match name {
                "fields" => header = Some(String::from_utf8_lossy(&bytes).into_owned()),
                "time-taken" if value == "seconds" => carry.in_seconds = true,
                "stdout" | "stderr" => carry.keep(name.as_bytes(), &bytes),
                "date" => carry.set_date(&String::from_utf8_lossy(&bytes)),
                "export" if value == "yes" => carry.export = Some(ExportedEntry::default()),
                "export" => {
                    let micros = value.parse().map_err(|_| invalid())?;
                    carry.export = Some(ExportedEntry { micros: Some(micros) });
                }
                _ => return Err(invalid()),
            }
        }
        if let Some(header) = header {
            carry.set_columns(&header);
        }
        Ok(carry)
    }
}

fn place(stream: &[u8]) -> usize {
    STREAMS.iter().position(|name| *name == stream).unwrap_or(0)
}

/// Bytes as they stand in the value of a parameter.
pub(super) fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_the_same_after_its_parameters_were_read_back() {
        let mut carry = Carry::default();
        assert_eq!(carry.parameters(), []);
        carry.set_software(" NetScaler Web Logging(NSWL)");
        carry.set_columns(" date time cs(User-Agent) time-taken");
        carry.keep(b"stderr", b"half \xff%&= a line");
        carry.set_date(" 2024-12-28 00:00:01");
        carry.export = Some(ExportedEntry { micros: Some(1_735_408_987_123_456) });
        let parameters = carry.parameters();
        let pairs = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(Carry::from_parameters(pairs), Ok(carry));
        for wrong in [("stdin", "x"), ("export", "no")] {
            assert!(Carry::from_parameters([wrong]).is_err(), "{wrong:?}");
        }
        let carry = Carry::from_parameters([("export", "yes")]).unwrap();
        assert_eq!(carry.parameters(), [("export", "yes".to_owned())]);
    }

    #[test]
    fn parts_of_two_streams_are_kept_apart_and_bounded() {
        let mut carry = Carry::default();
        carry.keep(b"stdout", b"a");
        carry.keep(b"stderr", b"x");
        carry.keep(b"stdout", b"b");
        assert_eq!((carry.take(b"stdout"), carry.take(b"stderr")), (b"ab".to_vec(), b"x".to_vec()));
        assert!(!carry.is_within_line());
        for _ in 0..3 {
            carry.keep(b"stdout", &vec![b'x'; MAX_LINE_BYTES]);
        }
        assert_eq!(carry.take_any().map(|parts| parts.len()), Some(MAX_LINE_BYTES + 1));
    }
}
