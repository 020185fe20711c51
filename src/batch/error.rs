//! Why a batch is refused, in words for the client.
//!
//! Document order decides which of several errors is told: first what concerns the body as a whole (its
//! encoding), then the first item that is wrong. Within an item: its JSON (syntax, lone surrogates, depth),
//! then that it is an object, then repeated fields, then `receivedAt`, `method`, `path`, `userAgent` in this
//! order, each missing, no string, bad in itself. Values a client sent are never repeated in a text.

use std::fmt;

/// The fields of an entry, in the order in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// When the request was received.
    ReceivedAt,
    /// Its method.
    Method,
    /// Its path.
    Path,
    /// Its user agent.
    UserAgent,
}

impl Field {
    /// All fields, in the order in which they are checked.
    pub const ALL: [Field; 4] = [Field::ReceivedAt, Field::Method, Field::Path, Field::UserAgent];

    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::ReceivedAt => "receivedAt",
            Field::Method => "method",
            Field::Path => "path",
            Field::UserAgent => "userAgent",
        }
    }
}

/// Why a body is not a batch. `Display` is the description the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// The body begins with a byte order mark.
    Bom,
    /// The body is not UTF-8.
    NotUtf8 {
        /// Bytes before the first bad one.
        offset_bytes: usize,
    },
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
        /// The limit.
        max_entries: usize,
    },
    /// More distinct minutes than one batch may have.
    TooManyMinutes {
        /// The limit.
        max_minutes: usize,
    },
    /// One item is wrong.
    Item {
        /// How many items come before it.
        index: usize,
        /// What is wrong with it.
        error: ItemError,
    },
}

/// Why an item is not an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemError {
    /// It is not JSON; the parser's own words.
    Json(String),
    /// The body ends where the item should be.
    UnexpectedEnd,
    /// A `\u` escape of half a surrogate pair, in whatever string or key.
    LoneSurrogate,
    /// Arrays and objects nested too deeply.
    TooDeep,
    /// JSON, but no object.
    NotAnObject,
    /// A known field occurs twice.
    Repeated(Field),
    /// A known field does not occur.
    Missing(Field),
    /// A known field holds something else than a string.
    NotAString(Field),
    /// `receivedAt` is not an RFC 3339 date-time.
    NotATime,
    /// `receivedAt` is before 1970 or after 9999.
    TimeOutOfRange,
    /// `receivedAt` is too far in the future.
    TooFarAhead {
        /// The limit, in milliseconds.
        max_future_ms: u64,
    },
    /// The method is empty, too long or has characters that a method cannot have.
    NotAMethod,
    /// The path is empty.
    EmptyPath,
    /// The path or user agent is too long.
    TooLong {
        /// Which.
        field: Field,
        /// The limit.
        max_bytes: usize,
    },
    /// More than one value on a line.
    TextAfterItem,
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bom => f.write_str("body begins with a byte order mark"),
            Self::NotUtf8 { offset_bytes } => write!(f, "body is not UTF-8 at byte {offset_bytes}"),
            Self::NotAnArray => f.write_str("body is not a JSON array"),
            Self::NoSeparator { offset_bytes } => write!(f, "expected `,` or `]` at byte {offset_bytes}"),
            Self::TextAfterArray { offset_bytes } => write!(f, "text after the array at byte {offset_bytes}"),
            Self::NoEntries => f.write_str("batch has no entries"),
            Self::TooManyEntries { max_entries } => write!(f, "batch has more than {max_entries} entries"),
            Self::TooManyMinutes { max_minutes } => {
                write!(f, "batch has more than {max_minutes} distinct minutes")
            }
            Self::Item { index, error } => write!(f, "item at index {index}: {error}"),
        }
    }
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(what) => write!(f, "invalid JSON: {what} of the item"),
            Self::UnexpectedEnd => f.write_str("invalid JSON: body ends here"),
            Self::LoneSurrogate => f.write_str("invalid JSON: lone surrogate in a string"),
            Self::TooDeep => write!(f, "nested {} levels or deeper", super::parse::MAX_DEPTH),
            Self::NotAnObject => f.write_str("not an object"),
            Self::Repeated(field) => write!(f, "repeated {}", field.as_str()),
            Self::Missing(field) => write!(f, "missing {}", field.as_str()),
            Self::NotAString(field) => write!(f, "{} must be a string", field.as_str()),
            Self::NotATime => f.write_str("receivedAt is not an RFC 3339 date-time"),
            Self::TimeOutOfRange => f.write_str("receivedAt is outside the years 1970 to 9999"),
            Self::TooFarAhead { max_future_ms } => {
                f.write_str("receivedAt is more than ")?;
                match max_future_ms {
                    ms if ms.is_multiple_of(3_600_000) => write!(f, "{} h", ms / 3_600_000)?,
                    ms if ms.is_multiple_of(1_000) => write!(f, "{} s", ms / 1_000)?,
                    ms => write!(f, "{ms} ms")?,
                }
                f.write_str(" ahead of the clock")
            }
            Self::NotAMethod => {
                write!(f, "method must be 1 to {} token characters", crate::base::token::MAX_METHOD_BYTES)
            }
            Self::EmptyPath => f.write_str("path is empty"),
            Self::TooLong { field, max_bytes } => {
                write!(f, "{} is longer than {max_bytes} bytes", field.as_str())
            }
            Self::TextAfterItem => f.write_str("text after the object on the same line"),
        }
    }
}

impl std::error::Error for BatchError {}
impl std::error::Error for ItemError {}
