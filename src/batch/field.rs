//! The fields of an entry: their names, their order, and how often each had to be altered.
//!
//! Input: the name of a field, or what became of one in an entry. Output: a small number that tables are indexed by.
//! Never: the rules of what a field may hold; those are in `rules`. The optional texts come from [`crate::dimension`],
//! so that a further one is a line there and none here.

use crate::dimension::{TEXT_COUNT, text_field};

/// A field that an entry may have. Entries may have others; those are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field(u8);

/// The names of the fields that no dimension defines, in the order of the constants of [`Field`].
const FIXED_NAMES: [&str; 9] = [
    "receivedAt",
    "method",
    "path",
    "userAgent",
    "route",
    "status",
    "responseBytes",
    "durationSeconds",
    "clientIp",
];

impl Field {
    /// When the request was received.
    pub const RECEIVED_AT: Field = Field(0);
    pub const METHOD: Field = Field(1);
    pub const PATH: Field = Field(2);
    /// Its user agent. The fields up to here are required.
    pub const USER_AGENT: Field = Field(3);
    /// The template that its path matched.
    pub const ROUTE: Field = Field(4);
    /// The status it was answered with.
    pub const STATUS: Field = Field(5);
    /// The bytes it was answered with.
    pub const RESPONSE_BYTES: Field = Field(6);
    /// How long the answer took.
    pub const DURATION: Field = Field(7);
    /// Who asked.
    pub const CLIENT_IP: Field = Field(8);

    /// How many fields there are.
    pub const COUNT: usize = FIXED_NAMES.len() + TEXT_COUNT;

    pub const REQUIRED: usize = 4;

    /// The field that the text dimension at this place of [`crate::dimension::TEXTS`] counts.
    pub const fn of_text(text: usize) -> Field {
        assert!(text < TEXT_COUNT, "there are no more texts");
        Field((FIXED_NAMES.len() + text) as u8)
    }

    /// All fields, in the order in which they are checked.
    pub fn all() -> impl Iterator<Item = Field> {
        (0..Self::COUNT as u8).map(Field)
    }

    /// The field with this name in JSON.
    pub fn named(name: &str) -> Option<Field> {
        Self::all().find(|field| field.name() == name)
    }

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match FIXED_NAMES.get(self.index()) {
            Some(name) => name,
            None => text_field(self.index() - FIXED_NAMES.len()).name,
        }
    }

    /// The place in tables by field.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The place in [`crate::dimension::TEXTS`], for a field that a dimension defines.
    pub(super) fn text(self) -> Option<usize> {
        self.index().checked_sub(FIXED_NAMES.len())
    }
}

/// Some of the fields: a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet(u32);

const _: () = assert!(Field::COUNT <= u32::BITS as usize);

impl FieldSet {
    /// Adds a field; returns whether it was not there.
    #[inline]
    pub(super) fn insert(&mut self, field: Field) -> bool {
        let before = self.0;
        self.0 |= 1 << field.0;
        self.0 != before
    }

    /// Whether there is none.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn contains(self, field: Field) -> bool {
        self.0 & (1 << field.0) != 0
    }
}

/// In how many entries each field was altered: cut, read with odd bytes replaced, or not readable and left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Altered([u32; Field::COUNT]);

impl Altered {
    /// Counts one entry in which these fields were altered.
    pub(super) fn add(&mut self, fields: FieldSet) {
        for field in Field::all().filter(|field| fields.contains(*field)) {
            self.0[field.index()] = self.0[field.index()].saturating_add(1);
        }
    }

    /// Adds what was counted elsewhere.
    pub(super) fn merge(&mut self, other: &Altered) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count = count.saturating_add(more));
    }

    /// Whether nothing was altered.
    pub fn is_empty(&self) -> bool {
        self.counts().next().is_none()
    }

    /// The altered fields, and in how many entries each was.
    pub fn counts(&self) -> impl Iterator<Item = (Field, u32)> {
        Field::all().map(|field| (field, self.0[field.index()])).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        assert_eq!(Field::all().count(), Field::COUNT);
        for field in Field::all() {
            assert_eq!(Field::named(field.name()), Some(field));
        }
        assert_eq!((Field::named("receivedat"), Field::named("")), (None, None));
        assert_eq!(Field::of_text(0).text(), Some(0));
        assert_eq!(Field::CLIENT_IP.text(), None);
    }

    #[test]
    fn altered_fields_are_counted_once_an_entry() {
        let mut fields = FieldSet::default();
        assert!(fields.insert(Field::PATH) && !fields.insert(Field::PATH) && fields.insert(Field::STATUS));
        let (mut first, mut second) = (Altered::default(), Altered::default());
        assert!(first.is_empty() && FieldSet::default().is_empty() && !fields.is_empty());
        first.add(fields);
        second.add(fields);
        first.merge(&second);
        assert_eq!(first.counts().collect::<Vec<_>>(), [(Field::PATH, 2), (Field::STATUS, 2)]);
    }
}
