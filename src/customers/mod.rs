//! Single customers: what an operator sets for them in the file of `--customers` (rates, retention, path rules), and how
//! rates are held.
//!
//! [`settings`] reads the file, [`rate`] holds customers to their rate, [`Customers`] is both as a server uses them.
//!
//! Input: the file, at start and again on SIGHUP; batches. Output: settings of a customer, and whether it may send now.
//! Never: a file that is invalid, wholly or in part; the settings of before stay in force then.

pub mod rate;
pub mod settings;

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use crate::base::clock;
use crate::base::disk::Disk;
use crate::base::sync;
use crate::model::CustomerId;
use rate::RateLimiter;
use settings::{AllCustomerSettings, CustomerSettings};

/// The customers of a server.
#[derive(Debug)]
pub struct Customers {
    file: Option<PathBuf>,
    settings: RwLock<Arc<AllCustomerSettings>>,
    rates: RateLimiter,
    /// What the rates' milliseconds count from.
    epoch: Instant,
}

/// A customer's settings while one batch is taken: a file that is read again in between changes nothing for it.
#[derive(Debug)]
pub struct CustomerInForce<'c> {
    customers: &'c Customers,
    settings: Arc<AllCustomerSettings>,
}

impl Customers {
    /// The settings of this file; without one no customer has any.
    ///
    /// # Errors
    /// In words, naming file, line and reason.
    pub fn load(disk: &dyn Disk, file: Option<&Path>) -> Result<Self, String> {
        let settings = file.map_or(Ok(AllCustomerSettings::default()), |file| read(disk, file))?;
        Ok(Self {
            file: file.map(Path::to_owned),
            settings: RwLock::new(Arc::new(settings)),
            rates: RateLimiter::default(),
            epoch: clock::monotonic(),
        })
    }

    /// Reads the file again, if there is one; returns it and how many customers have settings of their own. After an error
    /// the settings of before stay in force.
    ///
    /// # Errors
    /// See [`Customers::load`].
    pub fn reload(&self, disk: &dyn Disk) -> Result<Option<(&Path, usize)>, String> {
        let Some(file) = &self.file else { return Ok(None) };
        let settings = read(disk, file)?;
        let customers = settings.customer_count();
        *sync::write(&self.settings) = Arc::new(settings);
        Ok(Some((file, customers)))
    }

    /// The settings in force now.
    pub fn in_force(&self) -> CustomerInForce<'_> {
        CustomerInForce { customers: self, settings: Arc::clone(&sync::read(&self.settings)) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(clock::monotonic().saturating_duration_since(self.epoch).as_millis())
            .unwrap_or(u64::MAX)
    }
}

impl CustomerInForce<'_> {
    /// What holds for this customer.
    pub fn of(&self, customer: &CustomerId) -> &CustomerSettings {
        self.settings.of(customer)
    }

    /// Whether a customer may send a batch now.
    ///
    /// # Errors
    /// Whole seconds after which it may.
    pub fn admit(&self, customer: &CustomerId) -> Result<(), u64> {
        match self.of(customer).entries_per_second {
            None => Ok(()),
            Some(rate) => self.customers.rates.admit(customer, rate, self.customers.now_ms()),
        }
    }

    /// Charges the entries of a batch that was accepted.
    pub fn charge(&self, customer: &CustomerId, entries: u32) {
        if let Some(rate) = self.of(customer).entries_per_second {
            self.customers.rates.charge(customer, rate, entries, self.customers.now_ms());
        }
    }
}

/// Reads a file of customers.
///
/// # Errors
/// In words, naming file, line and reason.
pub fn read(disk: &dyn Disk, file: &Path) -> Result<AllCustomerSettings, String> {
    let bytes = disk.read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    AllCustomerSettings::parse(&bytes).map_err(|error| format!("{}: {error}", file.display()))
}
