//! The file of `--customers`: settings of single customers, and those of all others.
//!
//! ```json
//! {"default": {"entriesPerSecond": 10000},
//!  "customers": {"acme": {"entriesPerSecond": 1000, "retainDays": {"minute": 30, "hour": 400, "day": 0},
//!                         "pathRules": ["GET /users/{id}/posts/{post}", "* /files/{*rest}", "ids"]}}}
//! ```
//!
//! Input: the bytes of the file. Output: [`CustomerSettings`], or an error that names line and reason. A customer
//! without a setting has the default's. Without a default entries are not limited, windows are kept as the server's
//! flags say, and paths count as they are. Never: takes a file in part.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::rate::MAX_ENTRIES_PER_SECOND;
use crate::batch::path_rules::PathRules;
use crate::model::{CustomerId, WindowSize};

/// The settings of one customer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomerSettings {
    /// Entries that it may send per second; `None` for any number.
    #[serde(default, deserialize_with = "rate")]
    pub entries_per_second: Option<u64>,
    /// For how many days its windows are kept; `None` for the days of the server's flag.
    #[serde(default, deserialize_with = "retain_days")]
    pub retain_days: Option<CustomerRetainDays>,
    /// The rules that its paths count by; `None` for no rules.
    #[serde(default, deserialize_with = "path_rules")]
    pub path_rules: Option<Arc<PathRules>>,
}

/// For how many days windows are kept, by size; zero for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerRetainDays {
    minute: u32,
    hour: u32,
    day: u32,
}

impl CustomerRetainDays {
    /// By size, finest first.
    pub fn by_size(self) -> [u32; WindowSize::ALL.len()] {
        [self.minute, self.hour, self.day]
    }
}

/// The settings of all customers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllCustomerSettings {
    #[serde(default, deserialize_with = "object")]
    default: CustomerSettings,
    #[serde(default, deserialize_with = "customers")]
    customers: SettingsByCustomer,
}

type SettingsByCustomer = HashMap<CustomerId, CustomerSettings, RandomState>;

/// Why a file of customers is refused.
#[derive(Debug)]
pub struct CustomersFileError(serde_json::Error);

impl fmt::Display for CustomersFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text of serde_json is the reason, then line and column.
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for CustomersFileError {}

impl AllCustomerSettings {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong, with its line.
    pub fn parse(bytes: &[u8]) -> Result<Self, CustomersFileError> {
        let Object(mut settings) =
            serde_json::from_slice::<Object<Self>>(bytes).map_err(CustomersFileError)?;
        let Self { default, customers } = &mut settings;
        for customer in customers.values_mut() {
            customer.entries_per_second = customer.entries_per_second.or(default.entries_per_second);
            customer.retain_days = customer.retain_days.or(default.retain_days);
            customer.path_rules = customer.path_rules.take().or_else(|| default.path_rules.clone());
        }
        Ok(settings)
    }

    /// The settings of this customer.
    pub fn of(&self, customer: &CustomerId) -> &CustomerSettings {
        self.customers.get(customer).unwrap_or(&self.default)
    }

    pub fn customer_count(&self) -> usize {
        self.customers.len()
    }
}

/// Accepts only an object. serde would also accept an array of the values, and `[]` for no settings.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

fn retain_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<CustomerRetainDays>, D::Error> {
    object(deserializer).map(Some)
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let rate = u64::deserialize(deserializer)?;
    if !(1..=MAX_ENTRIES_PER_SECOND).contains(&rate) {
        return Err(D::Error::custom(format!("entriesPerSecond must be 1 to {MAX_ENTRIES_PER_SECOND}")));
    }
    Ok(Some(rate))
}

fn path_rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<PathRules>>, D::Error> {
    let rules = Vec::<String>::deserialize(deserializer)?;
    let rules = PathRules::new(rules.iter().map(String::as_str)).map_err(D::Error::custom)?;
    Ok(Some(Arc::new(rules)))
}

fn customers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SettingsByCustomer, D::Error> {
    struct CustomersVisitor;

    impl<'de> Visitor<'de> for CustomersVisitor {
        type Value = SettingsByCustomer;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of customers by their id")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SettingsByCustomer, A::Error> {
            let mut customers = SettingsByCustomer::default();
            while let Some(id) = map.next_key::<String>()? {
                let customer = CustomerId::new(&id).ok_or_else(|| {
                    A::Error::custom(format!("customer {id:?}: an id is 1 to 128 visible ASCII characters"))
                })?;
                if customers.insert(customer, map.next_value::<Object<_>>()?.0).is_some() {
                    return Err(A::Error::custom(format!("customer {id:?} stands there twice")));
                }
            }
            Ok(customers)
        }
    }

    deserializer.deserialize_map(CustomersVisitor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<'s>(settings: &'s AllCustomerSettings, customer: &str) -> &'s CustomerSettings {
        settings.of(&CustomerId::new(customer).unwrap())
    }

    #[test]
    fn what_a_customer_does_not_set_is_the_defaults() {
        let settings = AllCustomerSettings::parse(
            br#"{"default":{"entriesPerSecond":10,"pathRules":["ids"]},"customers":{
                "acme":{"retainDays":{"minute":30,"hour":400,"day":0}},
                "own":{"entriesPerSecond":5,"pathRules":["* /a/{x}"]}}}"#,
        )
        .unwrap();
        let (acme, own, other) = (of(&settings, "acme"), of(&settings, "own"), of(&settings, "other"));
        assert_eq!(acme.entries_per_second, Some(10));
        assert_eq!(acme.retain_days.map(CustomerRetainDays::by_size), Some([30, 400, 0]));
        assert_eq!((other.entries_per_second, other.retain_days), (Some(10), None));
        assert_eq!(own.entries_per_second, Some(5));
        let template = |of: &CustomerSettings, path| {
            Some(of.path_rules.as_ref()?.template("GET", path, &mut String::new())?.to_owned())
        };
        assert_eq!(template(acme, "/a/1").as_deref(), Some("/a/{id}"));
        assert_eq!(template(own, "/a/1").as_deref(), Some("/a/{x}"));
        assert_eq!(template(own, "/b/1"), None, "a customer's own rules stand instead of the default's");
        let empty = AllCustomerSettings::parse(b"{}").unwrap();
        assert_eq!((of(&empty, "x"), empty.customer_count()), (&CustomerSettings::default(), 0));
    }

    #[test]
    fn a_bad_file_is_refused_with_line_and_reason() {
        for (file, reason) in [
            ("{\n\"customers\":{\"a b\":{}}}", "visible ASCII"),
            ("{\n\"customers\":{\"a\":{},\n\"a\":{}}}", "twice"),
            ("{\"default\":{\n\"entriesPerSecond\":0}}", "1 to 1000000000"),
            ("{\"default\":{\"pathRules\":[\"ids\",\n\"GET /a{b}\"]}}", "literal or one"),
            ("{\"default\":{\n\"retainDays\":{\"minute\":1,\"hour\":1}}}", "missing field `day`"),
            ("{\"default\":{\n\"entriesPersecond\":1}}", "unknown field"),
            ("{\"default\":{}\n", "EOF"),
            ("\n7", "invalid type"),
            ("[]", "expected an object"),
            ("{\"default\":\n[10]}", "expected an object"),
            ("{\"default\":{\"retainDays\":[30,400,0]}}", "expected an object"),
            ("{\"default\":{\"retainDays\":null}}", "expected an object"),
            ("{\"customers\":{\"a\":[10]}}", "expected an object"),
            ("{\"customers\":[]}", "an object of customers"),
        ] {
            let error = AllCustomerSettings::parse(file.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(" at line "), "{file}: {error}");
        }
    }
}
