//! The one secret of a cluster, under which clients are hashed. Every process that counts needs the same: with another one the
//! same visitor would be counted twice.
//!
//! Input: `--secret-file`, and the check value in the bucket, which the first process of a cluster writes.
//! Output: the key of visitors, and whether the secret is the cluster's.
//! Never: the secret in the bucket. The check value is a hash under it.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::s3::{ObjectStore, Put, StoreError};
use crate::base::disk::Disk;
use crate::base::secret::{Secret, Subkey};
use crate::base::shutdown;
use crate::batch::visitor_key;

/// The object with the check value.
const CHECK_KEY: &str = "secret-check";
/// More than the length of a check value.
const MAX_CHECK_BYTES: u64 = 64;

/// The error for a wrong secret, with what to do.
const WRONG_SECRET: &str = "--secret-file: the bucket was written under another secret; start this process with the secret \
                            of the cluster";

/// A secret, and whether the bucket's check value has been compared with it.
pub struct SharedSecret {
    visitors: Subkey,
    texts: Subkey,
    check_value: String,
    is_proven: AtomicBool,
}

impl SharedSecret {
    /// Reads the file.
    ///
    /// # Errors
    /// The flag, the file and what is wrong with it.
    pub fn read(disk: &dyn Disk, file: &Path) -> Result<Self, String> {
        let failed = |what: &str| format!("--secret-file: {}: {what}", file.display());
        let bytes = disk.read(file).map_err(|error| failed(&error.to_string()))?;
        let secret = Secret::from_file(&bytes).ok_or_else(|| {
            failed("a secret has exactly 16 bytes: copy the file `secret` of a data directory, or make one with `openssl rand 16`")
        })?;
        let check_value = secret.subkey("log-analytics cluster check").hash128(&[]);
        Ok(Self {
            visitors: visitor_key(&secret),
            texts: secret.subkey("log-analytics cluster texts"),
            check_value: format!("{check_value:032x}"),
            is_proven: AtomicBool::new(false),
        })
    }

    /// The key under which clients are hashed.
    pub fn visitors(&self) -> Subkey {
        self.visitors
    }

    /// The key under which texts are named.
    pub fn texts(&self) -> Subkey {
        self.texts
    }

    /// Compares the secret with the bucket when a process starts. If the bucket cannot be reached now,
    /// [`SharedSecret::prove`] asks it later.
    ///
    /// # Errors
    /// What to do: it is not the secret of this bucket.
    pub fn refuse_another(&self, store: &ObjectStore) -> Result<(), String> {
        match self.is_of(store) {
            Ok(true) => Ok(()),
            Ok(false) => Err(WRONG_SECRET.to_owned()),
            Err(error) => {
                log::warn!("--secret-file is compared with the bucket once it can be reached: {error}");
                Ok(())
            }
        }
    }

    /// Makes sure that this is the secret of the bucket; asks the bucket once. The process ends if it is not.
    ///
    /// # Errors
    /// The bucket cannot be asked: nothing may be counted before.
    pub fn prove(&self, store: &ObjectStore) -> Result<(), StoreError> {
        if self.is_of(store)? { Ok(()) } else { shutdown::end_process(WRONG_SECRET) }
    }

    /// The same for a process that only reads. A bucket without a check value has no batches.
    ///
    /// # Errors
    /// The bucket cannot be asked.
    pub fn prove_reading(&self, store: &ObjectStore) -> Result<(), StoreError> {
        if self.is_proven.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.is_found(store)? {
            Some(false) => shutdown::end_process(WRONG_SECRET),
            Some(true) | None => Ok(()),
        }
    }

    fn is_of(&self, store: &ObjectStore) -> Result<bool, StoreError> {
        if self.is_proven.load(Ordering::Relaxed) {
            return Ok(true);
        }
        match store.put_if_absent(CHECK_KEY, self.check_value.as_bytes(), &[])? {
            Put::Stored => {
                self.is_proven.store(true, Ordering::Relaxed);
                Ok(true)
            }
            Put::Exists => self
                .is_found(store)?
                .ok_or_else(|| StoreError::Unavailable(format!("{CHECK_KEY} was deleted just now"))),
        }
    }

    /// Whether the check value in the bucket is that of this secret; `None` where there is none.
    fn is_found(&self, store: &ObjectStore) -> Result<Option<bool>, StoreError> {
        let found = store.get(CHECK_KEY, MAX_CHECK_BYTES)?;
        let is_ours = found.map(|found| found == self.check_value.as_bytes());
        self.is_proven.store(is_ours == Some(true), Ordering::Relaxed);
        Ok(is_ours)
    }
}
