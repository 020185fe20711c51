//! Stored texts: path rules of customers and long parameters of log lines. Batches refer to them by name, because
//! they are too long for the metadata of an object, or the same for many batches.
//!
//! Input: texts of a customer. Output: their names, which are hashes under the cluster's secret, so that no customer can make two texts of one
//! name. A text lies in the object store before a batch refers to it. Never: a text that changes.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use super::names;
use super::s3::{ObjectError, ObjectStore, StoreError};
use crate::base::secret::Subkey;
use crate::base::sync::lock;
use crate::batch::path_rules::PathRules;
use crate::model::CustomerId;

/// The largest text that is kept: far more than the rules of any customer.
pub const MAX_TEXT_BYTES: usize = 4 << 20;
/// Names and rules that a process remembers; when there are more, it forgets all of them and reads them again.
const MAX_KNOWN: usize = 10_000;

/// Keeps texts in the object store.
pub struct SharedTexts {
    store: Arc<ObjectStore>,
    key: Subkey,
    /// Keys of objects.
    stored: Mutex<HashSet<String>>,
}

impl SharedTexts {
    /// Names texts under this key.
    pub fn new(store: Arc<ObjectStore>, key: Subkey) -> Self {
        Self { store, key, stored: Mutex::default() }
    }

    /// Stores a customer's text, unless it is stored already; returns its name.
    pub fn put(&self, customer: &CustomerId, text: &str) -> Result<u128, StoreError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(StoreError::TooLarge { limit_bytes: MAX_TEXT_BYTES as u64 });
        }
        let name = self.key.hash128(&[text.as_bytes()]);
        let key = names::text_key(customer, name);
        if lock(&self.stored).contains(&key) {
            return Ok(name);
        }
        self.store.put_if_absent(&key, text.as_bytes(), &[])?;
        let mut stored = lock(&self.stored);
        if stored.len() >= MAX_KNOWN {
            stored.clear();
        }
        stored.insert(key);
        Ok(name)
    }
}

/// The customer's text of this name.
///
/// # Errors
/// [`ObjectError`]; a batch that refers to a text was taken after it was stored, so that a missing one was deleted.
pub fn text(store: &ObjectStore, customer: &CustomerId, name: u128) -> Result<String, ObjectError> {
    let key = names::text_key(customer, name);
    let bytes = store.get(&key, MAX_TEXT_BYTES as u64)?;
    let bytes = bytes.ok_or_else(|| ObjectError::Unusable(format!("there is no object {key}")))?;
    String::from_utf8(bytes).map_err(|_| ObjectError::Unusable(format!("{key} is not text")))
}

/// The path rules that batches were taken under, by the name of their text.
#[derive(Default)]
pub struct RulesByName(Mutex<HashMap<u128, Arc<PathRules>>>);

impl RulesByName {
    /// The customer's rules of this name, compiled.
    pub fn get(
        &self,
        store: &ObjectStore,
        customer: &CustomerId,
        name: u128,
    ) -> Result<Arc<PathRules>, ObjectError> {
        if let Some(rules) = lock(&self.0).get(&name) {
            return Ok(Arc::clone(rules));
        }
        let rules = PathRules::from_text(&text(store, customer, name)?);
        let unusable =
            || ObjectError::Unusable(format!("{} does not hold path rules", names::text_key(customer, name)));
        let rules = Arc::new(rules.ok_or_else(unusable)?);
        let mut known = lock(&self.0);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(name, Arc::clone(&rules));
        Ok(rules)
    }
}
