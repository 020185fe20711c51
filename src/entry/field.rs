//! What the texts of a log line mean, and what was found in one line so far.
//!
//! Input: spans of a message, offered by whichever format reads it, each with the field it is, its rank among several
//! texts for that field, and its escaping. Output: one value a field. Never: a decision about what makes an entry
//! (`build`), or a copy of a text.

use super::number;
use super::time::{Moment, Partial};

/// A part of a message, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSpan {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl ByteSpan {
    /// The part from `start` to `end`. Messages are at most [`super::MAX_LINE_BYTES`] long.
    pub(super) fn new(start: usize, end: usize) -> Self {
        assert!(start <= end && end <= u32::MAX as usize, "messages are bounded");
        Self { start: start as u32, end: end as u32 }
    }

    pub(super) fn of(self, message: &[u8]) -> &[u8] {
        &message[self.start as usize..self.end as usize]
    }
}

/// The unit of a number that measures time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unit {
    #[default]
    Seconds,
    Millis,
    Micros,
    Nanos,
}

/// How a text is escaped in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Escape {
    /// Not at all.
    #[default]
    None,
    /// `\"`, `\\`, `\xHH`, `\t` and the like: nginx and Apache.
    Backslash,
    /// `\"` alone: Traefik.
    Quote,
    /// Quotes doubled: CSV.
    Doubled,
    /// `#HH`: `HAProxy`.
    Hash,
    /// JSON, and `\xHH`, which nginx writes into JSON strings by default.
    Json,
    /// Percent-encoded: user agents of `CloudFront`.
    Percent,
    /// Percent-encoded, blanks as `+`: user agents of Akamai.
    Form,
    /// Blanks as `+`: user agents of IIS.
    Plus,
    /// Bytes as decimal numbers with commas between: messages of journald that are not UTF-8.
    Bytes,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogField {
    Ignored,
    /// When the request came, in any form.
    Time,
    /// A day, of which [`LogField::TimeOfDay`] is the rest.
    Date,
    TimeOfDay,
    /// Part of a time that several directives make up (`%{%d/%b/%Y}t`).
    TimePiece,
    /// A time, or a duration: fields called `requestTime` and `request_time` are alike to us, and `time_ms` may be both.
    TimeOrDuration(Unit),
    /// Method, target and protocol.
    Request,
    Method,
    /// What was asked for: path with query, URL, or authority.
    Target,
    /// What a target was rewritten to (`$uri` of nginx).
    Rewritten,
    /// Host and target without anything between them (`$host$request_uri`).
    HostTarget,
    Query,
    Status,
    Bytes,
    Duration(Unit),
    /// One of several durations whose sum is the whole.
    DurationPart(Unit),
    Host,
    Referrer,
    Agent,
    /// The address field.
    Client,
    /// A list of addresses that counts before the address field.
    Forwarded,
    /// Everything before the time of an NCSA line: client, and perhaps virtual host.
    Who,
    /// What stands between time and request where nothing stands before the time.
    WhoAfterTime,
    Route,
    Country,
    /// The line inside an envelope.
    Inner,
    /// A list of objects inside an envelope.
    Records,
    /// Which of a container's streams the envelope is of.
    Stream,
    /// Whether an envelope holds a whole line (`F`) or a part (`P`).
    Completeness,
    /// A field whose text decides whether the line is one of an access log.
    Guard,
    /// A duration with its unit (`12ms`); without one it is ignored. For JSON fields called `duration`.
    DurationWithUnit,
    /// What follows the fields of a known format, perhaps with names (`rt=0.005`).
    Extras,
}

const SLOTS: usize = 27;

impl LogField {
    /// Its place in [`Found`]; `None` for what is not kept as a text.
    pub(super) fn slot(self) -> Option<usize> {
        Some(match self {
            Self::Ignored | Self::DurationPart(_) | Self::TimePiece => return None,
            Self::TimeOrDuration(_) | Self::DurationWithUnit => return None,
            Self::Time => 0,
            Self::Date => 1,
            Self::TimeOfDay => 2,
            Self::Request => 3,
            Self::Method => 4,
            Self::Target => 5,
            Self::Rewritten => 6,
            Self::HostTarget => 7,
            Self::Query => 8,
            Self::Status => 9,
            Self::Bytes => 10,
            Self::Duration(_) => 11,
            Self::Host => 12,
            Self::Referrer => 13,
            Self::Agent => 14,
            Self::Client => 15,
            Self::Forwarded => 16,
            Self::Who => 17,
            Self::WhoAfterTime => 18,
            Self::Route => 19,
            Self::Country => 20,
            Self::Inner => 21,
            Self::Stream => 22,
            Self::Completeness => 23,
            Self::Guard => 24,
            Self::Extras => 25,
            Self::Records => 26,
        })
    }
}

/// A text that was found, still escaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FoundValue {
    pub(super) span: ByteSpan,
    /// Of several texts for a field the one with the lowest rank counts.
    pub(super) rank: u8,
    pub(super) escape: Escape,
    pub(super) unit: Unit,
}

/// What was found in a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    values: [FoundValue; SLOTS],
    present: u32,
    /// The time, where the format's grammar had to read it anyway, and its rank.
    pub(super) moment: Option<(u8, Moment)>,
    /// Times given in several pieces.
    pub(super) pieces: Option<Partial>,
    /// The day of a message that has a time alone, as its log's header says.
    pub(super) day: Option<Partial>,
    /// When the envelope around the message was written: the time of a message that has none itself. Stays when the rest is
    /// cleared.
    pub(super) stamp: Option<Moment>,
    /// Sum of [`LogField::DurationPart`]s in nanoseconds; `None` inside where one of them is absent.
    pub(super) parts: Option<Option<u64>>,
}

impl Found {
    pub(super) fn clear(&mut self) {
        self.present = 0;
        self.moment = None;
        self.pieces = None;
        self.day = None;
        self.parts = None;
    }

    /// Takes a text for a field.
    pub(super) fn offer(&mut self, field: LogField, value: FoundValue, message: &[u8]) {
        if let LogField::DurationPart(unit) = field {
            self.add_duration(value.span, unit, message);
        } else if let Some(slot) = field.slot() {
            let value = match field {
                LogField::Duration(unit) => FoundValue { unit, ..value },
                _ => value,
            };
            self.put(slot, value, message);
        }
    }

    /// Adds one of several durations.
    pub(super) fn add_duration(&mut self, span: ByteSpan, unit: Unit, message: &[u8]) {
        let nanos = number::nanos(span.of(message), unit);
        let sum = self.parts.unwrap_or(Some(0));
        self.parts = Some(sum.zip(nanos).and_then(|(sum, nanos)| sum.checked_add(nanos)));
    }

    /// Takes a text for the field of a slot, unless a better one is there: one that says something counts before `-` and an
    /// empty one, then the lower rank, then the first.
    #[inline]
    pub(super) fn put(&mut self, slot: usize, value: FoundValue, message: &[u8]) {
        if self.present & (1 << slot) == 0 || self.is_better(slot, value, message) {
            self.values[slot] = value;
            self.present |= 1 << slot;
        }
    }

    fn is_better(&self, slot: usize, value: FoundValue, message: &[u8]) -> bool {
        let old = self.values[slot];
        let (old_says, new_says) = (!is_absent(old.span.of(message)), !is_absent(value.span.of(message)));
        new_says && (!old_says || value.rank < old.rank)
    }

    /// Takes from `other` the fields that are not here, those that `may` come from it.
    pub(super) fn complete(&mut self, other: &Self, may: impl Fn(LogField) -> bool) {
        for field in TEXT_FIELDS.into_iter().filter(|field| may(*field)) {
            let slot = field.slot().expect("these are kept as texts");
            if self.present & (1 << slot) == 0 && other.present & (1 << slot) != 0 {
                self.values[slot] = other.values[slot];
                self.present |= 1 << slot;
            }
        }
    }

    /// The text of a field, even if it says nothing.
    pub(super) fn get(&self, field: LogField) -> Option<FoundValue> {
        let slot = field.slot()?;
        (self.present & (1 << slot) != 0).then(|| self.values[slot])
    }

    /// Whether anything says what was asked for.
    pub(super) fn has_request(&self) -> bool {
        [LogField::Request, LogField::Target, LogField::Rewritten, LogField::HostTarget]
            .into_iter()
            .any(|field| self.get(field).is_some())
    }

    /// Whether a method and what was asked for are there, or a request line is.
    pub(super) fn has_whole_request(&self) -> bool {
        self.get(LogField::Request).is_some() || (self.get(LogField::Method).is_some() && self.has_request())
    }

    /// The text of a field that says something.
    pub(super) fn said(&self, field: LogField, message: &[u8]) -> Option<FoundValue> {
        self.get(field).filter(|value| !is_absent(value.span.of(message)))
    }
}

/// The fields of an entry that JSON gives as texts.
const TEXT_FIELDS: [LogField; 15] = [
    LogField::Time,
    LogField::Date,
    LogField::TimeOfDay,
    LogField::Request,
    LogField::Method,
    LogField::Target,
    LogField::Rewritten,
    LogField::Query,
    LogField::Status,
    LogField::Bytes,
    LogField::Duration(Unit::Seconds),
    LogField::Host,
    LogField::Referrer,
    LogField::Agent,
    LogField::Client,
];

/// Whether a text stands for a missing value.
#[inline]
pub(super) fn is_absent(text: &[u8]) -> bool {
    // Nearly all texts are seen to say something by their first byte.
    if text.len() > 1 && text[0] > b' ' {
        return text[1] <= b' ' && text.trim_ascii() == b"-";
    }
    matches!(text.trim_ascii(), b"" | b"-")
}
