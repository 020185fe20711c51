//! The words of the program as types: who sent a batch, what it is called, what it was reduced to.
//!
//! Everything here is plain data without I/O or clock. A [`Summary`] comes out of `batch`, is written to the
//! journal by `journal::format` and is cut into [`Insight`]s for the window workers. Nothing here may know
//! about HTTP, files or threads.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The longest customer id, in bytes.
pub const MAX_CUSTOMER_BYTES: usize = 128;
/// The longest batch id (idempotency key), in bytes.
pub const MAX_BATCH_ID_BYTES: usize = 255;

/// Who a batch belongs to: 1 to 128 visible ASCII characters, set by the gateway and trusted.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// Which of a customer's windows somebody wants to see.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose windows.
    pub customer: CustomerId,
    /// Which size.
    pub size: WindowSize,
    /// Starts, the end excluded.
    pub range: Range<WindowStart>,
}

/// One access-log line after checking, borrowed from the batch it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When the request was received: milliseconds since 1970-01-01T00:00Z, years 1970 to 9999.
    pub received_at_ms: u64,
    /// Upper-cased method, 1 to 32 token characters.
    pub method: &'a str,
    /// Trimmed path, at most `max_path_bytes`.
    pub path: &'a str,
    /// Trimmed user agent, at most `max_agent_bytes`; may be empty.
    pub user_agent: &'a str,
}

/// Distinct strings in one allocation, addressed by index. A summary's paths and families.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyTable {
    text: String,
    ends: Vec<u32>,
}

impl KeyTable {
    /// An empty table with room for this many keys of this many bytes together.
    pub fn with_capacity(keys: usize, bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ends: Vec::with_capacity(keys) }
    }

    /// Appends a key and returns its index.
    pub fn push(&mut self, key: &str) -> u32 {
        let index = u32::try_from(self.ends.len()).expect("a batch has fewer than 2^32 keys");
        self.text.push_str(key);
        self.ends.push(u32::try_from(self.text.len()).expect("a batch's keys are under 4 GiB"));
        index
    }

    /// The key at this index. Panics where there is none.
    pub fn get(&self, index: u32) -> &str {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    /// The memory it takes.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The keys in index order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index as u32))
    }
}

/// The keys a summary's counts refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// `METHOD path`, sorted by bytes, distinct.
    pub paths: KeyTable,
    /// User-agent families, sorted by bytes, distinct.
    pub agents: KeyTable,
}

/// Counts of one window: how many requests, and how they divide. Both lists sum to `requests`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries in the window.
    pub requests: u32,
    /// (index into [`Keys::paths`], count), ascending by index, counts above zero.
    pub by_path: Vec<(u32, u32)>,
    /// (index into [`Keys::agents`], count), ascending by index, counts above zero.
    pub by_agent: Vec<(u32, u32)>,
}

impl Counts {
    /// The memory they take.
    pub fn bytes(&self) -> usize {
        (self.by_path.len() + self.by_agent.len()) * size_of::<(u32, u32)>()
    }
}

/// A batch reduced to minute windows, in canonical form: equal batches give equal summaries, whatever the
/// order of their entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries in the batch.
    pub entries: u32,
    /// The keys the counts refer to.
    pub keys: Arc<Keys>,
    /// One per distinct minute, ascending by start.
    pub minutes: Vec<(WindowStart, Arc<Counts>)>,
}

/// One window of one summary: the unit that is routed to a window worker.
#[derive(Clone, Debug)]
pub struct Insight {
    /// Whose window it is.
    pub customer: CustomerId,
    /// Which window it is.
    pub window: WindowId,
    /// The keys the counts refer to, shared by all insights of the batch.
    pub keys: Arc<Keys>,
    /// What to add.
    pub counts: Arc<Counts>,
}
