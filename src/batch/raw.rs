//! An entry as it was read, before anything is checked: a value for each field.
//!
//! Input: values, from JSON or from a log line. Output: the same values by field, for `rules`. Never: decides whether
//! a value is valid.

use std::borrow::Cow;

use super::field::Field;
use super::number::Number;

/// The value of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RawValue<'a> {
    /// The entry does not have the field.
    #[default]
    Missing,
    Null,
    Text(RawText<'a>),
    Number(Number),
    /// `true`, `false`, an array or an object.
    Other,
}

/// A text, without escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawText<'a> {
    pub text: Cow<'a, str>,
    /// Bytes that were no UTF-8, or halves of surrogate pairs, stand in it as U+FFFD.
    pub is_replaced: bool,
}

impl<'a> RawValue<'a> {
    /// A text that was read without loss.
    pub fn text(text: &'a str) -> Self {
        Self::Text(RawText { text: Cow::Borrowed(text), is_replaced: false })
    }
}

/// The values of all fields.
#[derive(Clone, Debug, Default)]
pub struct RawEntry<'a> {
    values: [RawValue<'a>; Field::COUNT],
}

impl<'a> RawEntry<'a> {
    pub fn get(&self, field: Field) -> &RawValue<'a> {
        &self.values[field.index()]
    }

    /// Sets the value of a field; returns whether the field had none before.
    pub fn set(&mut self, field: Field, value: RawValue<'a>) -> bool {
        let before = std::mem::replace(&mut self.values[field.index()], value);
        before == RawValue::Missing
    }
}
