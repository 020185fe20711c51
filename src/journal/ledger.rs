//! `customers.json`: the sums that each customer's windows must add up to, as of a checkpoint.
//!
//! Input: counted records, deletions, and what retention removed. Output: the file, and back; the cutoffs before which
//! windows do not exist. Never: looks at a window.
//!
//! For each customer and each window size, the requests in its windows are `entries` − `expired`: a window can only lack
//! records, so equal sums prove every window (see `windows::proof`). Requests of windows before the size's `cutoff` are
//! in `expired`: those that retention removed, and those of entries that came later.
//!
//! `{"version":2,"appliedThrough":N,"customers":{"acme":{"entries":9,"firstSeen":"…","lastSeen":"…","cutoff":{"minute":"…"},"expired":{"minute":4}}},"checksum":"…"}`,
//! sealed as [`crate::base::sealed`] says. `unprovable` names the sizes of which retention removed a window that was
//! marked incomplete: their sums are not known any more. `deletedThrough` is the record that deleted the customer last, kept for
//! ever: all sums are of what was counted after it, and a window that holds nothing after it does not exist. `hasLeftovers` is
//! true while files of such windows may lie there. What is zero or empty is left out; times are whole seconds.

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde::{Deserialize, Serialize};

use super::deletions::Deletions;
use super::reader::JournalRecord;
use crate::base::disk::{self, Disk, if_exists};
use crate::base::sealed::{checksum, is_sealed, seal_json};
use crate::data_dir::{DataDir, FORMAT_VERSION};
use crate::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use crate::time;

/// The effect of retention on a customer's windows of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeTotals {
    /// Windows that begin before this do not exist; the beginning of a UTC day.
    pub cutoff: Option<WindowStart>,
    /// Requests of windows before the cutoff.
    pub expired: u64,
    /// Whether retention removed a window that had lost counts.
    pub unprovable: bool,
}

/// One customer's sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CustomerTotals {
    pub entries: u64,
    /// When the first of its batches was received.
    pub first_seen_ms: u64,
    /// When the last of its batches was received.
    pub last_seen_ms: u64,
    /// By window size, finest first.
    pub sizes: [SizeTotals; 3],
    /// The record of the customer's last deletion: everything here was counted after it. Zero where there was none.
    pub deleted_through: Seq,
    /// Whether window files from before the deletion may be left.
    pub has_leftovers: bool,
}

impl CustomerTotals {
    /// Sums of a customer that this record deleted, and that was not counted since.
    pub fn deleted(through: Seq) -> Self {
        Self { deleted_through: through, has_leftovers: true, ..Self::default() }
    }

    /// Starts from zero after the deletion of this record. Cutoffs stay, because workers obey them.
    fn delete(&mut self, through: Seq) {
        let cutoffs = self.sizes.map(|size| SizeTotals { cutoff: size.cutoff, ..SizeTotals::default() });
        *self = Self { sizes: cutoffs, ..Self::deleted(through) };
    }

    /// Whether this window exists: it begins at or after its cutoff, and holds a record after the deletion.
    pub fn has_window(&self, window: WindowId, applied_through: Seq) -> bool {
        let is_deleted = self.deleted_through > Seq::ZERO && applied_through <= self.deleted_through;
        !is_deleted && self.sizes[window.size as usize].cutoff.is_none_or(|cutoff| window.start >= cutoff)
    }

    /// The requests in all windows of this size together.
    pub fn in_windows(&self, size: WindowSize) -> u64 {
        self.entries.saturating_sub(self.sizes[size as usize].expired)
    }

    pub fn count(&mut self, entries: u32, received_at_ms: u64) {
        if self.entries == 0 {
            self.first_seen_ms = received_at_ms;
        }
        self.entries = self.entries.saturating_add(u64::from(entries));
        self.last_seen_ms = received_at_ms;
    }
}

/// Batches counted since the ledger was last brought up to date, by customer.
pub type CountedSince = HashMap<CustomerId, CustomerTotals>;
/// Requests of late entries for windows before their cutoff, by customer and window size.
pub type ExpiredSince = HashMap<CustomerId, [u64; 3]>;

/// Counts a record that was read back.
pub fn count_record(counted: &mut CountedSince, found: &JournalRecord<'_>) {
    let header = found.record.header;
    if header.is_deletion {
        counted.insert(found.customer.clone(), CustomerTotals::deleted(header.seq));
    } else {
        let totals = counted.entry(found.customer.clone()).or_default();
        totals.count(header.entries, header.received_at_ms);
    }
}

/// All customers' sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The last record that is in it.
    pub through: Seq,
    pub customers: BTreeMap<CustomerId, CustomerTotals>,
}

/// The content of the ledger's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredLedger {
    /// There is no file.
    Missing,
    /// It cannot be read.
    Damaged,
    /// A ledger, and the checksum in it.
    Valid(Ledger, String),
}

impl StoredLedger {
    /// The ledger; an empty one if it is missing or damaged.
    pub fn or_empty(self) -> Ledger {
        match self {
            StoredLedger::Valid(ledger, _) => ledger,
            StoredLedger::Missing | StoredLedger::Damaged => Ledger::default(),
        }
    }
}

impl Ledger {
    /// Reads the ledger of a data directory.
    pub fn load(disk: &dyn Disk, dir: &DataDir) -> io::Result<StoredLedger> {
        let bytes = if_exists(disk.read(&dir.customers()))?;
        Ok(bytes.map_or(StoredLedger::Missing, |bytes| Self::parse(&bytes)))
    }

    /// Reads the content of the file.
    pub fn parse(bytes: &[u8]) -> StoredLedger {
        let ledger = is_sealed(bytes).then(|| decode(bytes)).flatten();
        match (ledger, checksum(bytes)) {
            (Some(ledger), Some(checksum)) => StoredLedger::Valid(ledger, checksum),
            _ => StoredLedger::Damaged,
        }
    }

    /// Writes the ledger and returns its checksum. The caller syncs the data directory.
    ///
    /// # Errors
    /// What the disk says; the old file stands then.
    pub fn write(&self, disk: &dyn Disk, dir: &DataDir) -> io::Result<String> {
        let bytes = self.encode().into_bytes();
        disk::replace_file(disk, &dir.temp(), &dir.customers(), &[&bytes])?;
        Ok(checksum(&bytes).expect("the ledger was sealed"))
    }

    fn encode(&self) -> String {
        let file = LedgerFile {
            version: FORMAT_VERSION.into(),
            applied_through: self.through.0,
            customers: self
                .customers
                .iter()
                .map(|(id, totals)| (id.as_str().to_owned(), totals.into()))
                .collect(),
        };
        let mut text = serde_json::to_string(&file).expect("plain data is written into memory");
        assert_eq!(text.pop(), Some('}'), "an object ends with its brace");
        seal_json(text)
    }

    /// Adds batches that were counted through this record.
    pub fn add(&mut self, through: Seq, counted: &CountedSince) {
        self.through = through;
        for (customer, since) in counted {
            let totals = self.customers.entry(customer.clone()).or_default();
            if since.deleted_through > totals.deleted_through {
                totals.delete(since.deleted_through);
            }
            if totals.entries == 0 {
                totals.first_seen_ms = since.first_seen_ms;
            }
            totals.entries = totals.entries.saturating_add(since.entries);
            totals.last_seen_ms = since.last_seen_ms;
        }
    }

    /// Adds late entries for windows before their cutoff.
    pub fn add_expired(&mut self, expired: &ExpiredSince) {
        for (customer, by_size) in expired {
            let totals = self.customers.entry(customer.clone()).or_default();
            for (size, requests) in totals.sizes.iter_mut().zip(by_size) {
                size.expired = size.expired.saturating_add(*requests);
            }
        }
    }

    /// Moves a cutoff. Windows between the old one and this hold so many requests, and are about to be removed.
    pub fn expire(&mut self, customer: &CustomerId, size: WindowSize, cutoff: WindowStart, removed: Removed) {
        let totals = &mut self.customers.entry(customer.clone()).or_default().sizes[size as usize];
        assert!(totals.cutoff.is_none_or(|before| before < cutoff), "a cutoff only moves forward");
        totals.cutoff = Some(cutoff);
        totals.expired = totals.expired.saturating_add(removed.requests);
        totals.unprovable |= removed.unprovable;
    }

    /// Sets the sums to those of the existing windows, after a loss that was accepted.
    pub fn accept(&mut self, customer: &CustomerId, in_windows: [u64; 3]) {
        let totals = self.customers.entry(customer.clone()).or_default();
        let counted = |size: usize| in_windows[size].saturating_add(totals.sizes[size].expired);
        totals.entries = (0..3).map(counted).max().unwrap_or(0);
        for (size, requests) in totals.sizes.iter_mut().zip(in_windows) {
            size.expired = totals.entries - requests;
        }
    }

    /// Whether this window exists.
    pub fn has_window(&self, customer: &CustomerId, window: WindowId, applied_through: Seq) -> bool {
        self.customers.get(customer).is_none_or(|totals| totals.has_window(window, applied_through))
    }

    /// The customers that were deleted.
    pub fn deletions(&self) -> Deletions {
        let deleted = self.customers.iter().filter(|(_, totals)| totals.deleted_through > Seq::ZERO);
        deleted.map(|(customer, totals)| (customer.clone(), totals.deleted_through)).collect()
    }

    /// The cutoffs of all customers that have one.
    pub fn cutoffs(&self) -> Cutoffs {
        let cutoff = |(customer, totals): (&CustomerId, &CustomerTotals)| {
            let cutoffs = totals.sizes.map(|size| size.cutoff);
            cutoffs.iter().any(Option::is_some).then(|| (customer.clone(), cutoffs))
        };
        Cutoffs(self.customers.iter().filter_map(cutoff).collect())
    }
}

/// The content of windows that are about to be removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub requests: u64,
    /// Whether one of them had lost counts or could not be read.
    pub unprovable: bool,
}

/// The beginning of each customer's windows, by size: earlier ones do not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cutoffs(HashMap<CustomerId, [Option<WindowStart>; 3]>);

impl Cutoffs {
    /// Whether this window does not exist.
    pub fn excludes(&self, customer: &CustomerId, window: WindowId) -> bool {
        !self.0.is_empty() && self.of(customer, window.size).is_some_and(|cutoff| window.start < cutoff)
    }

    /// The customer's cutoff for this size.
    pub fn of(&self, customer: &CustomerId, size: WindowSize) -> Option<WindowStart> {
        self.0.get(customer).and_then(|cutoffs| cutoffs[size as usize])
    }

    /// Moves one cutoff.
    pub fn set(&mut self, customer: &CustomerId, size: WindowSize, cutoff: WindowStart) {
        self.0.entry(customer.clone()).or_default()[size as usize] = Some(cutoff);
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LedgerFile {
    version: u64,
    applied_through: u64,
    customers: BTreeMap<String, TotalsInFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TotalsInFile {
    entries: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    first_seen: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    last_seen: String,
    #[serde(default, skip_serializing_if = "is_default")]
    deleted_through: u64,
    #[serde(default, skip_serializing_if = "is_default")]
    has_leftovers: bool,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    cutoff: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    expired: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unprovable: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<&CustomerTotals> for TotalsInFile {
    fn from(totals: &CustomerTotals) -> Self {
        let sizes = || WindowSize::ALL.into_iter().zip(totals.sizes);
        let name = |size: WindowSize| size.as_str().to_owned();
        let seen = |ms| if ms == 0 { String::new() } else { time::format_rfc3339(ms) };
        Self {
            entries: totals.entries,
            first_seen: seen(totals.first_seen_ms),
            last_seen: seen(totals.last_seen_ms),
            deleted_through: totals.deleted_through.0,
            has_leftovers: totals.has_leftovers,
            cutoff: sizes()
                .filter_map(|(size, of)| Some((name(size), time::format_start(of.cutoff?))))
                .collect(),
            expired: sizes()
                .filter(|(_, of)| of.expired > 0)
                .map(|(size, of)| (name(size), of.expired))
                .collect(),
            unprovable: sizes().filter(|(_, of)| of.unprovable).map(|(size, _)| name(size)).collect(),
        }
    }
}

impl TotalsInFile {
    fn read(&self) -> Option<CustomerTotals> {
        let seen = |text: &str| if text.is_empty() { Some(0) } else { time::parse_rfc3339(text).ok() };
        let mut totals = CustomerTotals {
            entries: self.entries,
            first_seen_ms: seen(&self.first_seen)?,
            last_seen_ms: seen(&self.last_seen)?,
            sizes: Default::default(),
            deleted_through: Seq(self.deleted_through),
            has_leftovers: self.has_leftovers,
        };
        for (size, of) in WindowSize::ALL.into_iter().zip(&mut totals.sizes) {
            let cutoff = self.cutoff.get(size.as_str()).map(|text| time::parse_rfc3339(text));
            of.cutoff = cutoff.transpose().ok()?.map(time::minute_of);
            of.expired = self.expired.get(size.as_str()).copied().unwrap_or(0);
            of.unprovable = self.unprovable.iter().any(|name| name == size.as_str());
        }
        Some(totals)
    }
}

fn decode(bytes: &[u8]) -> Option<Ledger> {
    let file: LedgerFile = serde_json::from_slice(bytes).ok()?;
    if file.version != u64::from(FORMAT_VERSION) {
        return None;
    }
    let totals = |(id, totals): (&String, &TotalsInFile)| Some((CustomerId::new(id)?, totals.read()?));
    let customers = file.customers.iter().map(totals).collect::<Option<_>>()?;
    Some(Ledger { through: Seq(file.applied_through), customers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::disk::RealDisk;

    fn customer(name: &str) -> CustomerId {
        CustomerId::new(name).unwrap()
    }

    fn counted(batches: &[(&str, u32, u64)]) -> CountedSince {
        let mut counted = CountedSince::default();
        for (name, entries, received_at_ms) in batches {
            counted.entry(customer(name)).or_default().count(*entries, *received_at_ms);
        }
        counted
    }

    #[test]
    fn a_ledger_is_read_back_and_any_change_is_noticed() {
        let temp = tempfile::tempdir().unwrap();
        let dir = DataDir::new(temp.path());
        dir.prepare(&RealDisk).unwrap();
        assert_eq!(Ledger::load(&RealDisk, &dir).unwrap(), StoredLedger::Missing);
        let mut ledger = Ledger::default();
        ledger.add(Seq(7), &counted(&[("a\"b", 3, 1_766_945_001_000), ("acme", 5, 1_766_945_002_000)]));
        ledger.add_expired(&ExpiredSince::from([(customer("acme"), [2, 0, 0])]));
        ledger.add(Seq(9), &CountedSince::from([(customer("gone"), CustomerTotals::deleted(Seq(8)))]));
        let day = WindowStart(29_448_000);
        ledger.expire(&customer("acme"), WindowSize::Hour, day, Removed { requests: 4, unprovable: true });
        let checksum = ledger.write(&RealDisk, &dir).unwrap();
        let bytes = RealDisk.read(&dir.customers()).unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(&checksum));
        assert_eq!(Ledger::load(&RealDisk, &dir).unwrap(), StoredLedger::Valid(ledger, checksum));

        let text = String::from_utf8(bytes).unwrap().replace("\"entries\":5", "\"entries\":6");
        disk::replace_file(&RealDisk, &dir.temp(), &dir.customers(), &[text.as_bytes()]).unwrap();
        assert_eq!(Ledger::load(&RealDisk, &dir).unwrap(), StoredLedger::Damaged);
    }

    #[test]
    fn first_and_last_seen_are_those_of_the_first_and_last_batch() {
        let mut ledger = Ledger::default();
        ledger.add(Seq(2), &counted(&[("a", 1, 10), ("a", 2, 20)]));
        ledger.add(Seq(3), &counted(&[("a", 4, 30)]));
        let totals = ledger.customers[&customer("a")];
        assert_eq!((totals.entries, totals.first_seen_ms, totals.last_seen_ms), (7, 10, 30));
    }

    #[test]
    fn what_is_removed_or_comes_too_late_is_not_expected_in_windows() {
        let mut ledger = Ledger::default();
        let acme = customer("acme");
        ledger.add(Seq(1), &counted(&[("acme", 10, 1)]));
        ledger.expire(
            &acme,
            WindowSize::Minute,
            WindowStart(1_440),
            Removed { requests: 6, unprovable: false },
        );
        ledger.add(Seq(2), &counted(&[("acme", 2, 2)]));
        ledger.add_expired(&ExpiredSince::from([(acme.clone(), [1, 0, 0])]));
        let totals = ledger.customers[&acme];
        assert_eq!(WindowSize::ALL.map(|size| totals.in_windows(size)), [5, 12, 12]);
        let before = |start| WindowId { size: WindowSize::Minute, start: WindowStart(start) };
        let cutoffs = ledger.cutoffs();
        assert!(cutoffs.excludes(&acme, before(1_439)) && !cutoffs.excludes(&acme, before(1_440)));
        assert!(!cutoffs.excludes(&customer("other"), before(0)));
    }

    #[test]
    fn a_deletion_leaves_only_what_was_counted_after_it_and_is_kept_for_ever() {
        let mut ledger = Ledger::default();
        let acme = customer("acme");
        ledger.add(Seq(3), &counted(&[("acme", 10, 1_000)]));
        let removed = Removed { requests: 6, unprovable: true };
        ledger.expire(&acme, WindowSize::Minute, WindowStart(1_440), removed);
        let mut since = CountedSince::from([(acme.clone(), CustomerTotals::deleted(Seq(5)))]);
        ledger.add(Seq(5), &since);
        let totals = ledger.customers[&acme];
        assert_eq!((totals.entries, totals.first_seen_ms, totals.has_leftovers), (0, 0, true));
        assert_eq!(WindowSize::ALL.map(|size| totals.in_windows(size)), [0; 3]);
        assert!(totals.sizes.iter().all(|size| !size.unprovable));

        since.get_mut(&acme).unwrap().deleted_through = Seq(7);
        since.get_mut(&acme).unwrap().count(4, 2_000);
        ledger.add(Seq(8), &since);
        ledger.add(Seq(9), &counted(&[("acme", 1, 3_000), ("other", 1, 3_000)]));
        let totals = ledger.customers[&acme];
        assert_eq!((totals.entries, totals.first_seen_ms, totals.deleted_through), (5, 2_000, Seq(7)));
        let window = |start| WindowId { size: WindowSize::Minute, start: WindowStart(start) };
        assert!(totals.has_window(window(1_440), Seq(8)));
        assert!(!totals.has_window(window(1_440), Seq(7)) && !totals.has_window(window(1_439), Seq(8)));
        assert_eq!(ledger.deletions(), [(acme, Seq(7))].into_iter().collect());
    }

    #[test]
    fn accepted_sums_are_those_of_the_windows() {
        let mut ledger = Ledger::default();
        let acme = customer("acme");
        ledger.add(Seq(1), &counted(&[("acme", 10, 1)]));
        ledger.accept(&acme, [7, 12, 9]);
        let totals = ledger.customers[&acme];
        assert_eq!(WindowSize::ALL.map(|size| totals.in_windows(size)), [7, 12, 9]);
    }
}
