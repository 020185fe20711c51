//! The words of the program as types: customers, batches, records, windows, summaries.
//!
//! Input: texts and numbers. Output: values that hold what their types promise. A [`Summary`] is made by `batch`, written
//! to the journal, and cut into [`Insight`]s for the window workers.
//! Never: I/O, a clock, or anything of HTTP, files or threads.

mod summary;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use summary::{Counts, Insight, KeyCount, KeyCounts, KeyTable, Keys, Summary};

/// The longest customer id, in bytes.
pub const MAX_CUSTOMER_BYTES: usize = 128;
/// The longest batch id (idempotency key), in bytes.
pub const MAX_BATCH_ID_BYTES: usize = 255;

/// The owner of a batch: 1 to 128 visible ASCII characters, set by the gateway and trusted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CustomerId(Arc<str>);

impl CustomerId {
    /// Takes a customer id from a header, a record or a file; `None` where it is empty, too long, or holds
    /// anything but visible ASCII.
    pub fn new(text: &str) -> Option<Self> {
        is_visible_ascii(text, MAX_CUSTOMER_BYTES).then(|| Self(text.into()))
    }

    /// The id as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomerId({})", self.0)
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a batch: the client's idempotency key, or a ULID made by the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchId(Box<str>);

impl BatchId {
    /// Takes a batch id of 1 to 255 visible ASCII characters.
    pub fn new(text: &str) -> Option<Self> {
        is_visible_ascii(text, MAX_BATCH_ID_BYTES).then(|| Self(text.into()))
    }

    /// The id as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_visible_ascii(text: &str, max_bytes: usize) -> bool {
    (1..=max_bytes).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// A record's number in the journal: dense, starting at 1. Zero means "before every record".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

impl Seq {
    /// Before every record.
    pub const ZERO: Seq = Seq(0);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long a window is. All three are kept for every entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WindowSize {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours, in UTC.
    Day,
}

impl WindowSize {
    /// All sizes, finest first.
    pub const ALL: [WindowSize; 3] = [WindowSize::Minute, WindowSize::Hour, WindowSize::Day];

    /// The length in minutes.
    pub fn minutes(self) -> u32 {
        match self {
            WindowSize::Minute => 1,
            WindowSize::Hour => 60,
            WindowSize::Day => 1440,
        }
    }

    /// The name used in files, queries and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            WindowSize::Minute => "minute",
            WindowSize::Hour => "hour",
            WindowSize::Day => "day",
        }
    }

    /// The size with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.as_str() == name)
    }
}

/// When a window begins: whole minutes since 1970-01-01T00:00Z, a multiple of the window's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowStart(pub u32);

impl WindowStart {
    /// The start of the window of this size that holds this minute.
    #[must_use]
    pub fn floor(self, size: WindowSize) -> WindowStart {
        WindowStart(self.0 - self.0 % size.minutes())
    }
}

/// One window of one customer: size and start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId {
    /// How long the window is.
    pub size: WindowSize,
    /// When it begins.
    pub start: WindowStart,
}

/// The minute or hour windows of one UTC day: what is packed into one file, and what retention removes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackId {
    /// How long the windows are: never a day.
    pub size: WindowSize,
    /// When the day begins.
    pub day: WindowStart,
}

impl PackId {
    /// The pack that a window belongs into; `None` for the window of a day, which stays a file of its own.
    pub fn of(window: WindowId) -> Option<Self> {
        let WindowId { size, start } = window;
        (size != WindowSize::Day).then(|| Self { size, day: start.floor(WindowSize::Day) })
    }
}

/// The windows that a query wants to see.
#[derive(Clone, Debug)]
pub struct Question {
    pub customer: CustomerId,
    pub size: WindowSize,
    /// Starts, the end excluded.
    pub range: Range<WindowStart>,
}
