//! Requests by key, as they stand in records: a JSON object whose keys ascend.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::{KeyCounts, KeyTable};

/// Keys and their counts, ascending by key, distinct, counts above zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordCounts(Vec<(Box<str>, u32)>);

impl RecordCounts {
    /// The counts of a summary, whose indices ascend as its keys do.
    pub fn of(keys: &KeyTable, counts: &KeyCounts) -> Self {
        Self(counts.rows.iter().map(|row| (keys.get(row.index).into(), row.requests)).collect())
    }

    /// The keys and their counts, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(key, count)| (&**key, *count))
    }

    /// All counts together.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }
}

impl Serialize for RecordCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for RecordCounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(Box<str>, u32)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of counts")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut pairs: Self::Value = Vec::new();
                while let Some((key, count)) = map.next_entry()? {
                    if count == 0 {
                        return Err(M::Error::custom("a count is zero"));
                    }
                    pairs.push((key, count));
                }
                Ok(pairs)
            }
        }
        let mut pairs = deserializer.deserialize_map(Pairs)?;
        pairs.sort_unstable();
        if pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(D::Error::custom("a key comes twice"));
        }
        Ok(Self(pairs))
    }
}
