//! The window files of a data directory as a source of answers, whether or not a server is writing them.
//!
//! Input: a directory, and the targets of queries. Output: what a server on that directory would answer. Never: locks or writes.
//!
//! A running server writes minutes within a second, hours and days at checkpoints: where minutes are newer than the hour or
//! day they belong to, they are read instead of it, so that an answer is about a second old and not minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::asked::QueryAnswers;
use crate::base::disk::Disk;
use crate::base::secret::Subkey;
use crate::base::sync::lock;
use crate::batch::{Limits, visitor_key};
use crate::client::{ServerAnswer, next_page};
use crate::customers::Customers;
use crate::data_dir::{DataDir, customer_dir_name, customer_in_dir_name, pack_file_name, window_file_name};
use crate::engine::bodies::JournalBodies;
use crate::http::reading::Reading;
use crate::http::tokens::Tokens;
use crate::http::{Head, aggregates};
use crate::journal::ledger::Ledger;
use crate::metrics::Metrics;
use crate::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use crate::query::bodies::{BodySource, BodyTask};
use crate::query::range::Kept;
use crate::query::{
    KnownCustomer, Meter, QueryError, QueryLimits, Question, StoredSource, Visit, WindowSource,
};
use crate::windows::file::{self, Damaged};
use crate::windows::fold::WindowLimits;
use crate::windows::shelf::{Shelf, StoredWindow};
use crate::windows::view::{Wanted, WindowView};
use crate::windows::window::Window;

/// The windows of a data directory.
pub struct StoredFiles<'d> {
    disk: &'d dyn Disk,
    dir: &'d DataDir,
    /// Decides which windows exist. A deletion is in it after the next checkpoint, which follows at once.
    ledger: Ledger,
    /// The files of the customer that was asked for last, so that all answers of one report use the same files.
    listed: Mutex<Option<(CustomerId, Arc<Files>)>>,
    /// Files that could not be read and were left out.
    unread: Mutex<BTreeSet<String>>,
    /// The reason why there was no answer.
    failed: Mutex<Option<String>>,
}

/// A customer's window files, and when each was written.
type Files = BTreeMap<WindowId, SystemTime>;

/// Answers from files.
pub struct StoredAnswers<'d> {
    files: StoredFiles<'d>,
    reading: Reading,
    customers: Customers,
}

impl<'d> StoredAnswers<'d> {
    /// Entries that `where` chooses are counted by these rules and the customer's path rules.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(
        disk: &'d dyn Disk,
        dir: &'d DataDir,
        customers: Customers,
        rules: Limits,
    ) -> io::Result<Self> {
        // Pages are as long as a server's, but no other query waits for a turn.
        let limits = QueryLimits {
            max_bytes: u64::MAX,
            max_body_bytes: u64::MAX,
            max_time: Duration::from_secs(24 * 60 * 60),
            ..QueryLimits::default()
        };
        let reading = Reading::new((limits, rules), Tokens::none(), Arc::new(Metrics::new()), true);
        Ok(Self { files: StoredFiles::open(disk, dir)?, reading, customers })
    }

    pub fn files(&self) -> &StoredFiles<'d> {
        &self.files
    }
}

impl QueryAnswers for StoredAnswers<'_> {
    fn get(&mut self, target: &str, headers: &[(&str, &str)]) -> io::Result<ServerAnswer> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let head = Head { method: "GET".to_owned(), path: path.to_owned(), query: query.to_owned(), headers };
        let answer = aggregates::answer(&self.reading, &head, &self.files, &self.customers);
        if let Some(why) = lock(&self.files.failed).take() {
            return Err(io::Error::other(why));
        }
        let link = answer.headers.iter().find(|(name, _)| *name == "link");
        let next = link.and_then(|(_, link)| next_page(link)).map(str::to_owned);
        Ok(ServerAnswer { status: answer.status, retry_after: None, next, body: answer.body })
    }
}

impl<'d> StoredFiles<'d> {
    fn open(disk: &'d dyn Disk, dir: &'d DataDir) -> io::Result<Self> {
        let ledger = Ledger::load(disk, dir)?.or_empty();
        Ok(Self {
            disk,
            dir,
            ledger,
            listed: Mutex::default(),
            unread: Mutex::default(),
            failed: Mutex::default(),
        })
    }

    /// The files that were left out so far.
    pub fn unread(&self) -> Vec<String> {
        lock(&self.unread).iter().cloned().collect()
    }

    fn fail(&self, why: String) -> QueryError {
        *lock(&self.failed) = Some(why.clone());
        QueryError::Unreadable(why)
    }

    fn leave_out(&self, what: String) {
        lock(&self.unread).insert(what);
    }

    /// All customers that have windows.
    pub fn all_customers(&self) -> io::Result<Vec<CustomerId>> {
        let mut customers = Vec::new();
        for entry in self.disk.list(&self.dir.windows())?.into_iter().filter(|entry| entry.is_dir) {
            customers.extend(match customer_in_dir_name(&entry.name) {
                Some(customer) => Some(customer),
                None => self.customer_of_cut_name(&entry.name)?,
            });
        }
        customers.sort_unstable();
        let mut left = Vec::new();
        for customer in customers {
            if !self.is_gone(&customer)? {
                left.push(customer);
            }
        }
        Ok(left)
    }

    /// Whether the customer was deleted and has no window from after that.
    fn is_gone(&self, customer: &CustomerId) -> io::Result<bool> {
        if self.ledger.customers.get(customer).is_none_or(|totals| totals.deleted_through == Seq::ZERO) {
            return Ok(false);
        }
        let mut shelf = Shelf::new(self.disk, self.dir.customer(customer));
        for id in shelf.list()?.windows {
            let Some(Ok(bytes)) = shelf.read(id)?.map(|stored| stored.content) else { continue };
            let window = Window::decode(&bytes, customer, id);
            if window.is_ok_and(|window| self.ledger.has_window(customer, id, window.applied_through())) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The customer of a directory with a cut name, read from one of its windows.
    fn customer_of_cut_name(&self, name: &str) -> io::Result<Option<CustomerId>> {
        let mut shelf = Shelf::new(self.disk, self.dir.windows().join(name));
        for id in shelf.list()?.windows {
            let Some(Ok(bytes)) = shelf.read(id)?.map(|stored| stored.content) else { continue };
            if let Ok(window) = Window::decode_any(&bytes) {
                let customer = window.customer().clone();
                return Ok((customer_dir_name(&customer) == name).then_some(customer));
            }
        }
        Ok(None)
    }

    fn files(&self, customer: &CustomerId) -> io::Result<Arc<Files>> {
        let mut listed = lock(&self.listed);
        if let Some((_, files)) = listed.as_ref().filter(|(of, _)| of == customer) {
            return Ok(Arc::clone(files));
        }
        let dir = self.dir.customer(customer);
        let list = Shelf::new(self.disk, dir.clone()).list()?;
        for pack in &list.damaged {
            self.leave_out(format!("{}: {}", dir.join(pack_file_name(*pack)).display(), Damaged::PackIndex));
        }
        let mut files = Files::new();
        for id in list.windows {
            let written = match list.plain.contains(&id) {
                // Retention may remove it meanwhile.
                true => dir.join(window_file_name(id)).metadata().and_then(|data| data.modified()).ok(),
                // A day is packed long after all its windows were written.
                false => Some(SystemTime::UNIX_EPOCH),
            };
            files.extend(written.map(|written| (id, written)));
        }
        let files = Arc::new(files);
        *listed = Some((customer.clone(), Arc::clone(&files)));
        Ok(files)
    }
}

impl WindowSource for StoredFiles<'_> {
    fn visit(
        &self,
        question: &Question,
        wanted: &Wanted,
        meter: &mut Meter,
        visit: Visit<'_>,
    ) -> Result<(), QueryError> {
        let Question { customer, size, range } = question;
        let files = self.files(customer).map_err(|error| self.fail(error.to_string()))?;
        // Windows of that size that exist, or that contain an existing finer window.
        let end = WindowStart(range.end.0.next_multiple_of(size.minutes()));
        let starts: BTreeSet<WindowStart> = WindowSize::ALL
            .into_iter()
            .filter(|finer| finer <= size)
            .flat_map(|finer| {
                files
                    .range(WindowId { size: finer, start: range.start }..WindowId { size: finer, start: end })
            })
            .map(|(id, _)| id.start.floor(*size))
            .collect();
        let shelf = Shelf::new(self.disk, self.dir.customer(customer));
        // Windows that are summed are cut afterwards.
        let whole = Wanted { by: wanted.by.map(|top| top.map(|_| usize::MAX)), ..*wanted };
        let mut reader = WindowReader { of: self, customer, files: &files, wanted: whole, shelf };
        for start in starts.range(range.clone()) {
            let Some(window) = reader.window(WindowId { size: *size, start: *start }) else {
                meter.check_time()?;
                continue;
            };
            meter.charge(window.resident_bytes() as u64)?;
            if visit(&WindowView::of(&window, wanted))?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl StoredSource for StoredFiles<'_> {
    fn kept(&self, customer: &CustomerId) -> Result<Kept, QueryError> {
        let cutoffs = self.ledger.cutoffs();
        Ok(Kept { since: WindowSize::ALL.map(|size| cutoffs.of(customer, size).unwrap_or_default()) })
    }

    fn bodies(&self) -> Result<&dyn BodySource, QueryError> {
        self.dir
            .read_secret(self.disk)
            .map_err(|_| self.fail(format!("cannot read {}", self.dir.secret_file().display())))?;
        Ok(self)
    }

    fn customers(&self) -> Result<Vec<KnownCustomer>, QueryError> {
        let customers = self.all_customers().map_err(|error| self.fail(error.to_string()))?;
        Ok(customers.into_iter().map(|id| KnownCustomer { id, counted: None }).collect())
    }
}

impl BodySource for StoredFiles<'_> {
    fn scan(
        &self,
        customer: &CustomerId,
        minutes: &Range<WindowStart>,
        meter: &mut Meter,
        task: BodyTask<'_>,
    ) -> Result<u64, QueryError> {
        let deleted_through =
            self.ledger.customers.get(customer).map_or(Seq::ZERO, |totals| totals.deleted_through);
        let bodies = JournalBodies { disk: self.disk, dir: self.dir, deleted_through };
        bodies.scan(customer, minutes, meter, task).map_err(|error| match error {
            QueryError::Unreadable(why) => self.fail(why),
            other => other,
        })
    }

    fn visitor_key(&self) -> Subkey {
        visitor_key(self.dir.secret())
    }
}

/// Reads windows, or their parts where those are newer.
struct WindowReader<'a, 'd> {
    of: &'a StoredFiles<'d>,
    customer: &'a CustomerId,
    files: &'a Files,
    wanted: Wanted,
    shelf: Shelf<'d>,
}

impl WindowReader<'_, '_> {
    /// One window, from its own file or from the files of the finer ones within it.
    fn window(&mut self, id: WindowId) -> Option<Window> {
        let files = self.files;
        let own = files.get(&id);
        let newest = files.range(within(id, WindowSize::Minute)).map(|(_, written)| written).max();
        if own.is_some() && newest <= own {
            return self.read(id);
        }
        let finer = match id.size {
            WindowSize::Minute => return None,
            WindowSize::Hour => WindowSize::Minute,
            WindowSize::Day => WindowSize::Hour,
        };
        let starts: BTreeSet<WindowStart> = WindowSize::ALL
            .into_iter()
            .filter(|size| *size <= finer)
            .flat_map(|size| files.range(within(id, size)).map(|(id, _)| id.start.floor(finer)))
            .collect();
        let mut sum: Option<Window> = None;
        for start in starts {
            if let Some(part) = self.window(WindowId { size: finer, start }) {
                let sum = sum.get_or_insert_with(|| Window::new(self.customer.clone(), id));
                add(sum, &WindowView::of(&part, &self.wanted));
            }
        }
        let whole = own.and_then(|_| self.read(id));
        // Finer windows may be kept for a shorter time.
        match (sum, whole) {
            (Some(sum), Some(whole)) if sum.requests() > whole.requests() => Some(sum),
            (sum, whole) => whole.or(sum),
        }
    }

    fn read(&mut self, id: WindowId) -> Option<Window> {
        let StoredWindow { path, content } = match self.shelf.read(id) {
            Ok(stored) => stored?,
            Err(error) => {
                self.of.leave_out(error.to_string());
                return None;
            }
        };
        let view = content.as_ref().map_err(Damaged::clone);
        match view.and_then(|bytes| file::decode(bytes, self.customer, id, &self.wanted)) {
            Ok(view) if !self.of.ledger.has_window(self.customer, id, view.applied_through) => None,
            Ok(view) => {
                let mut window = Window::new(self.customer.clone(), id);
                add(&mut window, &view);
                Some(window)
            }
            Err(damage) => {
                self.of.leave_out(format!("{}: {damage}", path.display()));
                None
            }
        }
    }
}

fn add(window: &mut Window, view: &WindowView<'_>) {
    window.merge_view(view, &WindowLimits::NONE);
    if view.incomplete {
        window.mark_incomplete();
    }
}

/// The files of windows of `size` within a window.
fn within(id: WindowId, size: WindowSize) -> Range<WindowId> {
    let end = WindowStart(id.start.0 + id.size.minutes());
    WindowId { size, start: id.start }..WindowId { size, start: end }
}
