//! Why a batch is refused, in words for the client.
//!
//! Document order decides which of several errors is told: the first item that is wrong. Within an item: its JSON, then
//! that it is an object, then repeated fields, then `receivedAt`, `method`, `path`, `userAgent` in this order, each
//! missing, of a wrong type, bad in itself. Optional fields refuse nothing. Never: values that a client sent.

use std::fmt;

use super::field::Field;
use super::limits::MAX_FUTURE_MS;
use crate::base::token::MAX_METHOD_BYTES;
use crate::time;

/// Why a body is not a batch. `Display` is the description the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// The body begins with a byte order mark.
    Bom,
    /// A JSON body that does not begin with `[`.
    NotAnArray,
    /// After an item comes neither `,` nor `]`.
    NoSeparator {
        /// Where something else stands; the body's length where it ends.
        offset_bytes: usize,
    },
    /// Something stands behind the closing `]`.
    TextAfterArray {
        /// Where it stands.
        offset_bytes: usize,
    },
    /// There is not one item.
    NoEntries,
    /// More items than one batch may have.
    TooManyEntries {
        max_entries: usize,
    },
    /// More distinct minutes than one batch may have.
    TooManyMinutes {
        max_minutes: usize,
    },
    Item {
        at: ItemPlace,
        error: ItemError,
    },
}

/// Where an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemPlace {
    /// In an array, behind so many others.
    Index(usize),
    /// On this line of NDJSON, counted from 1, blank ones included.
    Line(u64),
}

/// Why an item is not an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemError {
    NotJson {
        /// The parser's words.
        what: String,
        /// Where they apply, in bytes from the start of the item.
        offset_bytes: usize,
    },
    /// The body ends where the item should be.
    UnexpectedEnd,
    /// JSON, but no object.
    NotAnObject,
    /// A known field occurs twice.
    Repeated(Field),
    /// A required field does not occur.
    Missing(Field),
    /// A required field holds a value of a wrong type.
    WrongType(Field),
    /// `receivedAt` is a string, but not an RFC 3339 date-time.
    NotATime,
    /// `receivedAt` is before 1970 or after 9999.
    TimeOutOfRange,
    /// `receivedAt` is too far in the future.
    TooFarAhead {
        now_ms: u64,
    },
    /// The method is empty, too long or has characters that a method cannot have.
    NotAMethod,
    EmptyPath,
    /// More than one value on a line.
    TextAfterItem,
}

impl BatchError {
    /// Whether the batch might be accepted if the server's clock were right.
    pub fn is_ahead_of_the_clock(&self) -> bool {
        matches!(self, Self::Item { error: ItemError::TooFarAhead { .. }, .. })
    }
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bom => f.write_str("body begins with a byte order mark"),
            Self::NotAnArray => f.write_str("body is not a JSON array"),
            Self::NoSeparator { offset_bytes } => write!(f, "expected `,` or `]` at byte {offset_bytes}"),
            Self::TextAfterArray { offset_bytes } => write!(f, "text after the array at byte {offset_bytes}"),
            Self::NoEntries => f.write_str("batch has no entries"),
            Self::TooManyEntries { max_entries } => write!(f, "batch has more than {max_entries} entries"),
            Self::TooManyMinutes { max_minutes } => {
                write!(f, "batch has more than {max_minutes} distinct minutes")
            }
            Self::Item { at: ItemPlace::Index(index), error } => write!(f, "item at index {index}: {error}"),
            Self::Item { at: ItemPlace::Line(line), error } => write!(f, "line {line}: {error}"),
        }
    }
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson { what, offset_bytes } => {
                write!(f, "not a JSON entry: {what} at byte {offset_bytes}")
            }
            Self::UnexpectedEnd => f.write_str("not a JSON entry: the body ends here"),
            Self::NotAnObject => f.write_str("not an object"),
            Self::Repeated(field) => write!(f, "repeated {}", field.name()),
            Self::Missing(field) => write!(f, "missing {}", field.name()),
            Self::WrongType(Field::RECEIVED_AT) => f.write_str("receivedAt must be a string or a number"),
            Self::WrongType(field) => write!(f, "{} must be a string", field.name()),
            Self::NotATime => f.write_str("receivedAt is not an RFC 3339 date-time"),
            Self::TimeOutOfRange => f.write_str("receivedAt is outside the years 1970 to 9999"),
            Self::TooFarAhead { now_ms } => {
                let (hours, now) = (MAX_FUTURE_MS / 3_600_000, time::format_rfc3339(*now_ms));
                write!(f, "receivedAt is more than {hours} h ahead of the server's clock (now {now})")
            }
            Self::NotAMethod => write!(f, "method must be 1 to {MAX_METHOD_BYTES} token characters"),
            Self::EmptyPath => f.write_str("path is empty"),
            Self::TextAfterItem => f.write_str("text after the object on the same line"),
        }
    }
}

impl std::error::Error for BatchError {}
impl std::error::Error for ItemError {}
