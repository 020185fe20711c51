//! A report from a data directory's window files, whether or not a server is writing them.
//!
//! In come a directory and what is wanted of it; out goes a [`Report`]. Nothing is locked and nothing written. A running
//! server writes minutes within a second, hours and days at checkpoints: where minutes are newer than the hour or day
//! they belong to, they are read instead of it, so that a report is about a second old and not thirty.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::time::SystemTime;

use super::{Report, Wanted, fits};
use crate::base::disk::Disk;
use crate::data_dir::{DataDir, customer_dir_name, customer_in_dir_name, window_file_name};
use crate::dimension::{DIMENSION_COUNT, PATH, USER_AGENT};
use crate::journal::ledger::Ledger;
use crate::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use crate::windows::file::{self, Damaged};
use crate::windows::shelf::{Shelf, StoredWindow};
use crate::windows::view::{self, WindowView};
use crate::windows::window::Window;

/// The windows of a data directory.
pub struct Stored<'d> {
    /// Where files are read.
    pub disk: &'d dyn Disk,
    /// Where they lie.
    pub dir: &'d DataDir,
    /// Which of them exist. A deletion is in it with the next checkpoint, which follows at once.
    ledger: Ledger,
}

/// What a report shows of a window.
const WANTED: view::Wanted = {
    let mut by = [None; DIMENSION_COUNT];
    by[PATH] = Some(usize::MAX);
    by[USER_AGENT] = Some(usize::MAX);
    view::Wanted { by, measures: false }
};

/// A customer's window files, and when each was written.
type Files = BTreeMap<WindowId, SystemTime>;

impl<'d> Stored<'d> {
    /// The windows of this data directory.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(disk: &'d dyn Disk, dir: &'d DataDir) -> io::Result<Self> {
        Ok(Self { disk, dir, ledger: Ledger::load(disk, dir)?.or_empty() })
    }

    /// All customers that have windows.
    ///
    /// # Errors
    /// What the disk says.
    pub fn customers(&self) -> io::Result<Vec<CustomerId>> {
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

    /// Whether the customer was deleted, and has no window from after that.
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

    /// The customer of a directory with a cut name: its windows know.
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

    /// Adds up what is wanted. `tell` is told of files that could not be read; they are left out.
    ///
    /// # Errors
    /// What the disk says of the directory.
    pub fn report(&self, wanted: &Wanted, tell: &mut dyn FnMut(String)) -> io::Result<Report> {
        let mut shelf = Shelf::new(self.disk, self.dir.customer(&wanted.customer));
        let files = self.files(wanted, &mut shelf)?;
        let mut report = Report::default();
        let Some(size) = choose(&files, wanted) else { return Ok(report) };
        if wanted.size.is_some() {
            report.set_step(size);
        }
        // Windows of that size that exist, or of which at least a finer one does.
        let range = wanted.range().starts(size);
        let mut ids: Vec<WindowId> =
            files.keys().map(|id| WindowId { size, start: id.start.floor(size) }).collect();
        ids.dedup();
        ids.sort_unstable();
        ids.dedup();
        let (customer, ledger) = (&wanted.customer, &self.ledger);
        let mut reader = WindowReader { customer, ledger, files: &files, shelf, tell };
        for id in ids.into_iter().filter(|id| range.contains(&id.start)) {
            let mut counts = Counts::default();
            reader.add(id, &mut counts);
            if counts.windows > 0 {
                report.add(id, counts.requests, counts.incomplete);
                counts.paths.iter().for_each(|(key, count)| report.add_path(key, *count));
                counts.agents.iter().for_each(|(key, count)| report.add_agent(key, *count));
            }
        }
        Ok(report)
    }

    fn files(&self, wanted: &Wanted, shelf: &mut Shelf<'_>) -> io::Result<Files> {
        let dir = self.dir.customer(&wanted.customer);
        let list = shelf.list()?;
        let mut files = Files::new();
        let is_wanted = |id: &WindowId| wanted.range().starts(id.size).contains(&id.start);
        for id in list.windows.into_iter().filter(is_wanted) {
            let written = match list.plain.contains(&id) {
                // Retention may remove it meanwhile.
                true => dir.join(window_file_name(id)).metadata().and_then(|data| data.modified()).ok(),
                // A day is packed long after everything of it was written.
                false => Some(SystemTime::UNIX_EPOCH),
            };
            files.extend(written.map(|written| (id, written)));
        }
        Ok(files)
    }
}

/// Reads windows, or their parts where those are newer.
struct WindowReader<'a, 'd> {
    customer: &'a CustomerId,
    ledger: &'a Ledger,
    files: &'a Files,
    shelf: Shelf<'d>,
    tell: &'a mut dyn FnMut(String),
}

impl WindowReader<'_, '_> {
    /// Adds one window, from its own file or from the files of the finer ones within it.
    fn add(&mut self, id: WindowId, counts: &mut Counts) {
        let files = self.files;
        let own = files.get(&id);
        let minutes = within(id, WindowSize::Minute);
        let newest = files.range(minutes).map(|(_, written)| written).max();
        if own.is_some() && newest <= own {
            return self.read(id, counts);
        }
        let finer = match id.size {
            WindowSize::Minute => return,
            WindowSize::Hour => WindowSize::Minute,
            WindowSize::Day => WindowSize::Hour,
        };
        let mut parts = Counts::default();
        let mut starts: Vec<WindowStart> = WindowSize::ALL
            .into_iter()
            .filter(|size| *size <= finer)
            .flat_map(|size| files.range(within(id, size)).map(|(id, _)| id.start.floor(finer)))
            .collect();
        starts.sort_unstable();
        starts.dedup();
        for start in starts {
            self.add(WindowId { size: finer, start }, &mut parts);
        }
        if own.is_some() {
            let mut whole = Counts::default();
            self.read(id, &mut whole);
            // Finer windows may be kept for a shorter time.
            if whole.requests >= parts.requests {
                parts = whole;
            }
        }
        counts.merge(parts);
    }

    fn read(&mut self, id: WindowId, counts: &mut Counts) {
        let StoredWindow { path, content } = match self.shelf.read(id) {
            Ok(Some(stored)) => stored,
            Ok(None) => return,
            Err(error) => return (self.tell)(error.to_string()),
        };
        match content
            .as_ref()
            .map_err(Damaged::clone)
            .and_then(|bytes| file::decode(bytes, self.customer, id, &WANTED))
        {
            Ok(view) if !self.ledger.has_window(self.customer, id, view.applied_through) => {}
            Ok(view) => counts.add(&view),
            Err(damage) => (self.tell)(format!("{}: {damage}", path.display())),
        }
    }
}

/// The files of windows of `size` within a window.
fn within(id: WindowId, size: WindowSize) -> Range<WindowId> {
    let end = WindowStart(id.start.0 + id.size.minutes());
    WindowId { size, start: id.start }..WindowId { size, start: end }
}

/// The size of the report's windows; `None` where there are none.
fn choose(files: &Files, wanted: &Wanted) -> Option<WindowSize> {
    let sizes = wanted.sizes();
    let span = |size: WindowSize| {
        let mut starts = files.keys().map(|id| id.start.floor(size).0);
        let first = starts.next()?;
        let (low, high) = starts.fold((first, first), |(low, high), start| (low.min(start), high.max(start)));
        Some(high - low)
    };
    let fitting = sizes
        .iter()
        .copied()
        .find(|size| span(*size).is_some_and(|span| fits(span, *size)) && is_whole(files, *size));
    (!files.is_empty()).then(|| fitting.or(sizes.last().copied())).flatten()
}

/// Whether what coarser windows hold is in windows of `size` or finer ones too: they may be kept for a shorter time.
fn is_whole(files: &Files, size: WindowSize) -> bool {
    let has_finer = |id: &WindowId| {
        let mut finer = WindowSize::ALL.into_iter().filter(|finer| *finer <= size);
        finer.any(|finer| files.range(within(*id, finer)).next().is_some())
    };
    files.keys().filter(|id| id.size > size).all(has_finer)
}

/// Counts being added up.
#[derive(Default)]
struct Counts {
    windows: u64,
    requests: u64,
    incomplete: bool,
    paths: BTreeMap<String, u64>,
    agents: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, view: &WindowView<'_>) {
        self.windows += 1;
        self.requests += view.all.requests;
        self.incomplete |= view.incomplete;
        for (dimension, map) in [(PATH, &mut self.paths), (USER_AGENT, &mut self.agents)] {
            view.by[dimension].iter().for_each(|row| super::add(map, &row.key, row.tally.requests));
        }
    }

    fn merge(&mut self, other: Counts) {
        self.windows += other.windows;
        self.requests += other.requests;
        self.incomplete |= other.incomplete;
        other.paths.iter().for_each(|(key, count)| super::add(&mut self.paths, key, *count));
        other.agents.iter().for_each(|(key, count)| super::add(&mut self.agents, key, *count));
    }
}
