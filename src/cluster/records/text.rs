//! Values that records hold as text: one writer and one reader for each, for `#[serde(with = "text")]` and metadata.

use std::borrow::Cow;

use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{MadeBy, RecordError};
use crate::batch::Encoding;
use crate::cluster::span::MinuteSpan;
use crate::model::{BatchId, CustomerId};
use crate::time;

pub(super) trait Text: Sized {
    fn write(&self) -> Cow<'_, str>;

    /// `None` for a text that [`Text::write`] does not give.
    fn read(text: &str) -> Option<Self>;
}

impl Text for CustomerId {
    fn write(&self) -> Cow<'_, str> {
        self.as_str().into()
    }

    fn read(text: &str) -> Option<Self> {
        Self::new(text)
    }
}

impl Text for BatchId {
    fn write(&self) -> Cow<'_, str> {
        self.as_str().into()
    }

    fn read(text: &str) -> Option<Self> {
        Self::new(text)
    }
}

/// A fingerprint.
impl Text for u128 {
    fn write(&self) -> Cow<'_, str> {
        format!("{self:032x}").into()
    }

    fn read(text: &str) -> Option<Self> {
        let number = Self::from_str_radix(text, 16).ok()?;
        (number.write() == text).then_some(number)
    }
}

/// An instant in milliseconds.
impl Text for u64 {
    fn write(&self) -> Cow<'_, str> {
        time::format_instant(*self).into()
    }

    fn read(text: &str) -> Option<Self> {
        let ms = time::parse_rfc3339(text).ok()?;
        (ms.write() == text).then_some(ms)
    }
}

/// `FIRST/LAST`, as windows start.
impl Text for MinuteSpan {
    fn write(&self) -> Cow<'_, str> {
        format!("{}/{}", time::format_start(self.first), time::format_start(self.last)).into()
    }

    fn read(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('/')?;
        let minute = |text| Some(time::minute_of(time::parse_rfc3339(text).ok()?));
        let span = Self { first: minute(first)?, last: minute(last)? };
        (span.first <= span.last && span.write() == text).then_some(span)
    }
}

/// Words that serde knows already.
macro_rules! words {
    ($($word:ty),*) => {$(
        impl Text for $word {
            fn write(&self) -> Cow<'_, str> {
                let value = serde_json::to_value(self).expect("a word is written into memory");
                value.as_str().expect("a word is text").to_owned().into()
            }

            fn read(text: &str) -> Option<Self> {
                word(text)
            }
        }
    )*};
}

words!(Encoding, MadeBy);

fn word<T: DeserializeOwned>(text: &str) -> Option<T> {
    T::deserialize(StrDeserializer::<Error>::new(text)).ok()
}

/// Reads a field of metadata.
pub(super) fn field<T: Text>(name: &'static str, text: &str) -> Result<T, RecordError> {
    T::read(text).ok_or(RecordError::Field(name))
}

/// The same for a field that may be absent.
pub(super) mod optional {
    use super::{Deserializer, Serializer, Text};

    pub(crate) fn serialize<T: Text, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T: Text, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

pub(super) fn serialize<T: Text, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.write().serialize(serializer)
}

pub(super) fn deserialize<'de, T: Text, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    T::read(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not well formed")))
}
