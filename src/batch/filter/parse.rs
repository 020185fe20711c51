//! The text of a `where` to its conditions.
//!
//! Input: `status>=500,path=/checkout`. Output: a [`Filter`], or the first thing that is not understood. Never: a condition
//! whose field cannot be compared that way.

use std::fmt;

use super::{Comparand, Condition, Filter, FilterOp, text_of};
use crate::batch::agent::Class;
use crate::batch::field::Field;
use crate::batch::limits::Limits;
use crate::batch::number::Number;
use crate::batch::raw::RawValue;
use crate::batch::rules::{self, Rules};
use crate::dimension::text_field;

/// Conditions of one `where`. Each costs time for every entry.
const MAX_CONDITIONS: usize = 16;
/// The operators; a longer one stands before those that it begins with.
const OPS: [(&str, FilterOp); 7] = [
    ("!=", FilterOp::NotEqual),
    ("^=", FilterOp::StartsWith),
    ("<=", FilterOp::AtMost),
    (">=", FilterOp::AtLeast),
    ("=", FilterOp::Equal),
    ("<", FilterOp::Less),
    (">", FilterOp::Greater),
];

/// Why a `where` is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// Nothing stands there, or nothing between two commas.
    Empty,
    /// More than `MAX_CONDITIONS`.
    TooMany,
    /// No field of this name.
    UnknownField(String),
    /// No operator behind the field.
    NoOperator(String),
    /// The field is not compared that way.
    Operator(&'static str, &'static str),
    /// The field cannot hold that: what it holds, and what stands there.
    Value(&'static str, &'static str, String),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str(
                "where must hold conditions such as status>=500,path=/checkout, separated by commas",
            ),
            Self::TooMany => write!(f, "where has more than {MAX_CONDITIONS} conditions"),
            Self::UnknownField(name) => {
                let fields: Vec<&str> = Field::all().map(Field::name).collect();
                write!(
                    f,
                    "where: unknown field {name:?}; known here: {}, {}",
                    fields.join(", "),
                    NOT_FIELDS.join(", ")
                )
            }
            Self::NoOperator(field) => {
                write!(
                    f,
                    "where: {field} must be followed by =, !=, ^=, <, <=, > or >= (a comma in a value is \\,)"
                )
            }
            Self::Operator(field, takes) => write!(f, "where: {field} takes {takes}"),
            Self::Value(field, what, text) => {
                write!(f, "where: {field} must be compared with {what}, not {text:?}")
            }
        }
    }
}

impl std::error::Error for FilterError {}

const FAMILY: &str = "family";
const CLASS: &str = "class";
const KEY: &str = "key";
/// What has no field of its own, but follows from some.
const NOT_FIELDS: [&str; 3] = [FAMILY, CLASS, KEY];

impl Filter {
    /// Reads conditions separated by commas; a comma in a value is `\,`.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let parts = split(text);
        if parts.len() > MAX_CONDITIONS {
            return Err(FilterError::TooMany);
        }
        Ok(Self { conditions: parts.iter().map(|part| condition(part)).collect::<Result<_, _>>()? })
    }
}

/// The parts between commas. A backslash takes its meaning from a comma or a backslash behind it, and stands for itself before
/// anything else.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            ',' => parts.push(String::new()),
            '\\' => {
                let taken = chars.next_if(|next| matches!(next, ',' | '\\')).unwrap_or('\\');
                parts.last_mut().expect("one is there").push(taken);
            }
            _ => parts.last_mut().expect("one is there").push(char),
        }
    }
    parts
}

fn condition(text: &str) -> Result<Condition, FilterError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(FilterError::Empty);
    }
    let (name, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_alphanumeric).count());
    let op = OPS.into_iter().find_map(|(op, found)| rest.strip_prefix(op).map(|value| (found, value)));
    let field = Field::named(name);
    let known = field.map(Field::name).or_else(|| NOT_FIELDS.into_iter().find(|known| *known == name));
    let name = known.ok_or_else(|| FilterError::UnknownField(name.to_owned()))?;
    let Some((op, value)) = op else { return Err(FilterError::NoOperator(name.to_owned())) };
    let value = value.trim();
    let wanted = match field {
        Some(field) => wanted(field, value)?,
        None if name == FAMILY => Comparand::Family(value.to_owned()),
        None if name == KEY => Comparand::Key(key(value)),
        None => Comparand::Class(Class::from_name(value).ok_or_else(|| {
            FilterError::Value(CLASS, "browser, mobile, app, tool, bot or ai", value.to_owned())
        })?),
    };
    let (takes, is_taken) = match &wanted {
        Comparand::ReceivedAt(_) | Comparand::Number(_, Some(_)) => {
            ("=, !=, <, <=, > and >=", op != FilterOp::StartsWith)
        }
        Comparand::Number(_, None) | Comparand::Text(_, None) | Comparand::Class(_) => {
            ("= and != here", matches!(op, FilterOp::Equal | FilterOp::NotEqual))
        }
        Comparand::Text(..) | Comparand::Family(_) | Comparand::Key(_) => {
            ("=, != and ^=", matches!(op, FilterOp::Equal | FilterOp::NotEqual | FilterOp::StartsWith))
        }
    };
    if !is_taken {
        return Err(FilterError::Operator(name, takes));
    }
    // A beginning is compared as it is: it need not be a whole value.
    let wanted = match wanted {
        Comparand::Text(field, Some(_)) if op == FilterOp::StartsWith => {
            Comparand::Text(field, Some(beginning(field, value)))
        }
        wanted => wanted,
    };
    Ok(Condition { op, wanted })
}

/// A key or its beginning, the method in the letters that it is read in.
fn key(text: &str) -> String {
    let (method, rest) = text.split_at(text.find(' ').unwrap_or(text.len()));
    method.to_ascii_uppercase() + rest
}

/// The beginning of a text, in the letters that the field is read in.
fn beginning(field: Field, text: &str) -> String {
    match (field, field.text()) {
        (Field::METHOD, _) => text.to_ascii_uppercase(),
        (Field::CLIENT_IP, _) => text.to_lowercase(),
        (_, Some(place)) => {
            // Each of them is read in one case: the one that its key has.
            let is_upper = (text_field(place).key)("aa").is_some_and(|key| &*key == "AA");
            if is_upper { text.to_uppercase() } else { text.to_lowercase() }
        }
        _ => text.to_owned(),
    }
}

/// What a field is compared with.
fn wanted(field: Field, text: &str) -> Result<Comparand, FilterError> {
    let bad = |what: &'static str| FilterError::Value(field.name(), what, text.to_owned());
    let number = || Number::parse(text);
    let is_absent = rules::is_absent(text);
    Ok(match field {
        Field::RECEIVED_AT => {
            let limits = Limits::default();
            let rules = Rules::without_clock(&limits);
            let ms = match number() {
                Some(number) => rules.received_at_number(number),
                None => rules.received_at_text(text),
            };
            Comparand::ReceivedAt(ms.map_err(|_| bad("an RFC 3339 time or a Unix time"))?)
        }
        Field::STATUS | Field::RESPONSE_BYTES | Field::DURATION if is_absent => {
            Comparand::Number(field, None)
        }
        Field::STATUS => {
            let status =
                number().and_then(rules::status).ok_or_else(|| bad("a whole number from 0 to 999"))?;
            Comparand::Number(field, Some(u64::from(status)))
        }
        Field::RESPONSE_BYTES => {
            let bytes = number().and_then(rules::response_bytes);
            Comparand::Number(field, Some(bytes.ok_or_else(|| bad("a whole number of bytes"))?))
        }
        Field::DURATION => {
            let micros = number().and_then(rules::duration_micros);
            Comparand::Number(field, Some(micros.ok_or_else(|| bad("a number of seconds"))?))
        }
        _ if is_absent => Comparand::Text(field, None),
        field => {
            let limits = Limits { keep_query: true, ..Default::default() };
            let read = text_of(field, RawValue::text(text), &Rules::without_clock(&limits));
            // What cannot be read is no value of any entry, but may begin one.
            Comparand::Text(field, Some(read.map_or_else(|| text.to_owned(), |read| read.into_owned())))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_told() {
        for (text, says) in [
            ("", "must hold conditions"),
            ("status>=500,", "must hold conditions"),
            ("satus=1", "unknown field \"satus\""),
            ("status", "must be followed by =, !="),
            ("status~5", "must be followed by =, !="),
            ("status^=5", "status takes =, !=, <, <=, > and >="),
            ("status>x", "a whole number from 0 to 999"),
            ("status=1000", "a whole number from 0 to 999"),
            ("status>", "status takes = and != here"),
            ("path>/a", "path takes =, != and ^="),
            ("durationSeconds>2s", "a number of seconds"),
            ("receivedAt>yesterday", "an RFC 3339 time"),
            ("class=robot", "browser, mobile, app"),
            ("class^=bot", "class takes = and != here"),
            ("key>=GET /", "key takes =, != and ^="),
            ("keys=GET /", "family, class, key"),
            (&"status=1,".repeat(17), "more than 16 conditions"),
        ] {
            let error = Filter::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
