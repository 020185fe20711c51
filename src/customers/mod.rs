//! Single customers: what an operator sets for them in the file of `--customers` (rates, retention, path rules), how rates are
//! held, and what each sent.
//!
//! [`settings`] reads the file, [`rate`] holds customers to their rate, [`activity`] remembers what went wrong with their
//! batches, [`labels`] chooses those with series in `/metrics`; [`Customers`] is all of it as a server uses it.
//!
//! Input: the file, at start and again on SIGHUP; the outcome of each batch. Output: settings of a customer, whether
//! it may send now, and what happened to its batches. Never: takes an invalid file, not even in part; the previous
//! settings then stay in force.

pub mod activity;
pub mod labels;
pub mod rate;
pub mod settings;

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Instant;

use crate::base::clock;
use crate::base::disk::Disk;
use crate::base::sync;
use crate::metrics::Metrics;
use crate::model::CustomerId;
use activity::{Activity, Refusal, RefusalLine};
use labels::{BatchCounts, LabelledCustomers};
use rate::RateLimiter;
use settings::{AllCustomerSettings, CustomerSettings};

/// The customers of a server.
#[derive(Debug)]
pub struct Customers {
    file: Option<PathBuf>,
    settings: RwLock<Arc<AllCustomerSettings>>,
    rates: RateLimiter,
    activity: Activity,
    labelled: LabelledCustomers,
    /// The start of the milliseconds that rates use.
    epoch: Instant,
}

/// A customer's settings for the time of one batch: a file that is read again meanwhile changes nothing for it.
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
    pub fn load(disk: &dyn Disk, file: Option<&Path>, metrics: &Metrics) -> Result<Self, String> {
        let settings = file.map_or(Ok(AllCustomerSettings::default()), |file| read(disk, file))?;
        Ok(Self {
            file: file.map(Path::to_owned),
            settings: RwLock::new(Arc::new(settings)),
            rates: RateLimiter::default(),
            activity: Activity::default(),
            labelled: LabelledCustomers::new(metrics.customers.clone()),
            epoch: clock::monotonic(),
        })
    }

    /// Reads the file again, if there is one; returns it and the number of customers with settings of their own.
    /// After an error the previous settings stay in force.
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

    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Series in `/metrics` for the busiest of these customers, which sent so many entries before.
    pub fn begin_with(&self, known: Vec<(CustomerId, u64)>) {
        self.labelled.begin_with(known);
    }

    pub fn accepted(&self, customer: &CustomerId, counts: BatchCounts) {
        self.labelled.accepted(customer, counts);
    }

    /// Counts and remembers a refused batch, whose customer may be missing or invalid. `Some` if it must be logged
    /// now.
    pub fn refused(&self, customer: Option<&CustomerId>, refusal: Refusal) -> Option<RefusalLine> {
        if let Some(customer) = customer {
            self.labelled.refused(customer, refusal.reason);
        }
        self.activity.refused(customer, refusal)
    }

    /// Counts of refused batches that must be logged now.
    pub fn due_refusals(&self, now_ms: u64) -> Vec<RefusalLine> {
        self.activity.due(now_ms)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(clock::monotonic().saturating_duration_since(self.epoch).as_millis())
            .unwrap_or(u64::MAX)
    }
}

impl CustomerInForce<'_> {
    /// The settings of this customer.
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
