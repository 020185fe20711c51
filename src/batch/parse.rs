//! The reference parser of one item, on serde_json. What it says is right; the fast path must agree.
//!
//! In comes text that begins with an item; out go the four field texts and where the item ends. It must
//! accept exactly the JSON of RFC 8259 with the rules of DESIGN's entry, and tell errors in the order that
//! `error` documents.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::checks::{self, Rules};
use super::error::{Field, ItemError};
use crate::model::Entry;

/// Arrays and objects may be nested to fewer levels than this, counted from the document's root: the bound
/// that serde_json sets on typed values, held here for ignored ones too.
pub(super) const MAX_DEPTH: usize = 128;

/// An entry after checking, with its own copy of what had to be changed.
#[derive(Debug)]
pub(super) struct Checked<'i> {
    received_at_ms: u64,
    method: Cow<'i, str>,
    path: &'i str,
    user_agent: &'i str,
    /// Texts that were cut to their limit.
    pub(super) truncated: u32,
}

impl Checked<'_> {
    /// The entry in the program's terms.
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry {
            received_at_ms: self.received_at_ms,
            method: &self.method,
            path: self.path,
            user_agent: self.user_agent,
        }
    }
}

/// Parses the item at the start of `text`: the item, and how many bytes it takes.
/// `outer_levels` is how many arrays are open around it.
pub(super) fn item(text: &str, outer_levels: usize) -> Result<(Item<'_>, usize), ItemError> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Item<'_>>();
    let item = match stream.next() {
        None => return Err(ItemError::UnexpectedEnd),
        Some(Err(error)) => return Err(ItemError::Json(error.to_string())),
        Some(Ok(item)) => item,
    };
    let end = stream.byte_offset();
    check_ignored(&text.as_bytes()[..end], outer_levels)?;
    Ok((item, end))
}

/// Finds in valid JSON what serde_json lets pass in values it ignores: halves of surrogate pairs, and depth.
fn check_ignored(json: &[u8], outer_levels: usize) -> Result<(), ItemError> {
    let mut depth = outer_levels;
    let mut in_string = false;
    let mut pos = 0;
    while let Some(&byte) = json.get(pos) {
        pos += 1;
        match (byte, in_string) {
            (b'"', _) => in_string = !in_string,
            (b'\\', _) => match escaped_unit(&json[pos..]) {
                None => pos += 1,
                Some(0xD800..=0xDBFF) => {
                    match json.get(pos + 5..).and_then(|rest| rest.strip_prefix(b"\\")) {
                        Some(rest) if matches!(escaped_unit(rest), Some(0xDC00..=0xDFFF)) => pos += 11,
                        _ => return Err(ItemError::LoneSurrogate),
                    }
                }
                Some(0xDC00..=0xDFFF) => return Err(ItemError::LoneSurrogate),
                Some(_) => pos += 5,
            },
            (b'{' | b'[', false) => {
                depth += 1;
                if depth >= MAX_DEPTH {
                    return Err(ItemError::TooDeep);
                }
            }
            (b'}' | b']', false) => depth -= 1,
            _ => {}
        }
    }
    Ok(())
}

/// The UTF-16 unit of `uXXXX`, what follows a backslash; `None` for another escape.
fn escaped_unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// One JSON value, reduced to what an entry needs to know of it.
#[derive(Debug)]
pub(super) enum Item<'t> {
    NotAnObject,
    Object {
        /// In the order of [`Field::ALL`].
        fields: [Text<'t>; 4],
        repeated: Option<Field>,
    },
}

/// What was found in the place of a field.
#[derive(Debug, Default)]
pub(super) enum Text<'t> {
    #[default]
    Missing,
    NotAString,
    Found(Cow<'t, str>),
}

impl Item<'_> {
    /// Checks the fields.
    pub(super) fn check(&self, rules: &Rules<'_>) -> Result<Checked<'_>, ItemError> {
        let Item::Object { fields, repeated } = self else { return Err(ItemError::NotAnObject) };
        if let Some(field) = *repeated {
            return Err(ItemError::Repeated(field));
        }
        let text = |field: Field| match &fields[field as usize] {
            Text::Missing => Err(ItemError::Missing(field)),
            Text::NotAString => Err(ItemError::NotAString(field)),
            Text::Found(text) => Ok(text.as_ref()),
        };
        let received_at_ms = rules.received_at_ms(text(Field::ReceivedAt)?)?;
        let method = checks::method(text(Field::Method)?)?;
        let (path, path_cut) = rules.path(text(Field::Path)?)?;
        let (user_agent, agent_cut) = rules.user_agent(text(Field::UserAgent)?)?;
        let truncated = u32::from(path_cut) + u32::from(agent_cut);
        Ok(Checked { received_at_ms, method, path, user_agent, truncated })
    }
}

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

/// The visits of all JSON values that are of no use, besides those a visitor defines itself.
macro_rules! refuse_scalars {
    ($refused:expr) => {
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Ok($refused)
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Ok($refused)
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Ok($refused)
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Ok($refused)
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok($refused)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($refused)
        }
    };
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    refuse_scalars!(Item::NotAnObject);

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Item::NotAnObject)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: [Text<'de>; 4] = Default::default();
        let mut repeated = None;
        while let Some(field) = map.next_key_seed(FieldSeed)? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let text = map.next_value::<Text<'de>>()?;
            let slot = &mut fields[field as usize];
            if !matches!(slot, Text::Missing) {
                repeated = repeated.or(Some(field));
            }
            *slot = text;
        }
        Ok(Item::Object { fields, repeated })
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    refuse_scalars!(Text::NotAString);

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text::NotAString)
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text::Found(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text::Found(Cow::Owned(text.to_owned())))
    }
}

/// A key: the known field it names, if it does.
struct FieldSeed;

impl<'de> DeserializeSeed<'de> for FieldSeed {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldSeed {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Field::ALL.into_iter().find(|field| field.as_str() == key))
    }
}
