//! The reference parser: reads a body by serde_json, one item after the other. It defines the right result; the fast
//! way must agree with it word for word.
//!
//! Input: a body as [`RepairedText`]. Output: each item as a [`RawEntry`], or why it is not an entry.
//! Never: more than the JSON of RFC 8259, or an opinion of its own about fields.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue as Span;

use super::error::ItemError;
use super::field::Field;
use super::number::Number;
use super::raw::{RawEntry, RawText, RawValue};
use super::repair::RepairedText;

/// Reads the item at `start`, which must end before `stop`: the entry, and where the item ends.
pub(super) fn read_item<'t>(
    body: &'t RepairedText<'_>,
    start: usize,
    stop: usize,
) -> Result<(RawEntry<'t>, usize), ItemError> {
    let text = &body.text[start..stop];
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Item<'t>>();
    let item = match stream.next() {
        None => return Err(ItemError::UnexpectedEnd),
        Some(Err(error)) => return Err(not_json(text, &error)),
        Some(Ok(item)) => item,
    };
    let end = start + stream.byte_offset();
    let Item::Object(fields) = item else { return Err(ItemError::NotAnObject) };
    let mut entry = RawEntry::default();
    for (field, span) in fields {
        if !entry.set(field, value(body, span.get())) {
            return Err(ItemError::Repeated(field));
        }
    }
    Ok((entry, end))
}

/// The parser's message without the line and column that it adds; lines within an item say nothing to a client.
fn not_json(text: &str, error: &serde_json::Error) -> ItemError {
    let words = error.to_string();
    let what = words.rsplit_once(" at line ").map_or(words.as_str(), |(what, _)| what);
    let line_start = match error.line().checked_sub(2) {
        None => 0,
        Some(line) => memchr::memchr_iter(b'\n', text.as_bytes()).nth(line).map_or(0, |end| end + 1),
    };
    ItemError::NotJson { what: what.to_owned(), offset_bytes: line_start + error.column() }
}

/// The value that stands in the body as `json`.
fn value<'t>(body: &'t RepairedText<'_>, json: &'t str) -> RawValue<'t> {
    match json.as_bytes()[0] {
        b'n' => RawValue::Null,
        b'"' => {
            let start = json.as_ptr() as usize - body.text.as_ptr() as usize;
            let is_replaced = body.is_replaced(start..start + json.len());
            RawValue::Text(RawText { text: unquoted(json), is_replaced })
        }
        b'-' | b'0'..=b'9' => RawValue::Number(Number::parse(json).expect("serde_json read it as a number")),
        _ => RawValue::Other,
    }
}

fn unquoted(json: &str) -> Cow<'_, str> {
    match serde_json::from_str::<&str>(json) {
        Ok(plain) => Cow::Borrowed(plain),
        Err(_) => Cow::Owned(serde_json::from_str(json).expect("serde_json read it as a string")),
    }
}

/// One JSON value, reduced to what an entry needs to know of it.
enum Item<'t> {
    NotAnObject,
    /// The known fields, and the text of their values, in their order.
    Object(Vec<(Field, &'t Span)>),
}

impl<'t> de::Deserialize<'t> for Item<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

/// The visits of scalars: none is an object.
macro_rules! not_an_object {
    ($($visit:ident($value:ty)),+) => {
        $(fn $visit<E: de::Error>(self, _: $value) -> Result<Self::Value, E> {
            Ok(Item::NotAnObject)
        })+
    };
}

impl<'t> Visitor<'t> for ItemVisitor {
    type Value = Item<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    not_an_object!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Item::NotAnObject)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Item::NotAnObject)
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::with_capacity(Field::COUNT);
        while let Some(field) = map.next_key_seed(FieldSeed)? {
            match field {
                Some(field) => fields.push((field, map.next_value()?)),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Item::Object(fields))
    }
}

/// A key of an object; reads as the known field that it names, or as `None`.
struct FieldSeed;

impl<'t> DeserializeSeed<'t> for FieldSeed {
    type Value = Option<Field>;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldSeed {
    type Value = Option<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Field::named(key))
    }
}
