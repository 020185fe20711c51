//! The secret of a data directory, and the keyed hashes under it.
//!
//! Input: 128 random bits. Output: one subkey for each purpose, and hashes under it that nobody without the secret can
//! predict. Never: prints the bytes.
//!
//! A subkey is SipHash-2-4-128 (Aumasson and Bernstein 2012) of the purpose's name under the secret, so that a hash that
//! is shown somewhere says nothing about the hashes of another purpose.

use std::hash::Hasher;

use siphasher::sip::{SipHasher13, SipHasher24};
use siphasher::sip128::{Hasher128, SipHasher24 as SipHasher24x128};

use super::random;

/// 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 16]);

impl Secret {
    pub fn random() -> Self {
        Self(random::bytes())
    }

    /// The secret in the bytes of its file; `None` unless there are sixteen.
    pub fn from_file(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes of its file.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    pub fn subkey(&self, purpose: &str) -> Subkey {
        let mut hasher = SipHasher24x128::new_with_key(&self.0);
        hasher.write(purpose.as_bytes());
        Subkey(hasher.finish128().as_bytes())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A key for one purpose.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Subkey([u8; 16]);

impl Subkey {
    /// SipHash-2-4 of these parts, one after the other.
    pub fn hash64(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish()
    }

    /// SipHash-1-3 of these bytes: half the work. For hashes that are made by the million and never shown whole.
    pub fn quick_hash64(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_key(&self.0).hash(bytes)
    }

    /// SipHash-2-4-128 of these parts, one after the other.
    pub fn hash128(&self, parts: &[&[u8]]) -> u128 {
        let mut hasher = SipHasher24x128::new_with_key(&self.0);
        parts.iter().for_each(|part| hasher.write(part));
        hasher.finish128().as_u128()
    }
}

impl std::fmt::Debug for Subkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subkey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_and_each_purpose_has_hashes_of_its_own() {
        let secrets = [7, 8].map(|byte| Secret::from_file(&[byte; 16]).unwrap());
        let mut hashes: Vec<u64> = secrets
            .iter()
            .flat_map(|secret| ["one", "other"].map(|purpose| secret.subkey(purpose).hash64(&[b"ab", b"c"])))
            .collect();
        assert_eq!(hashes[0], secrets[0].subkey("one").hash64(&[b"a", b"bc"]));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 4);
    }

    #[test]
    fn only_sixteen_bytes_are_a_secret() {
        assert!([0, 15, 17].iter().all(|bytes| Secret::from_file(&vec![1; *bytes]).is_none()));
    }
}
