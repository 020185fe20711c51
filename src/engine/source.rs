//! The engine as a source of windows: those in memory from their workers, the others from their files.
//!
//! The workers are asked first. A window that they do not hold then is in a file that contains everything
//! acknowledged before the question, because a window leaves memory only after its file was written, and files are
//! replaced whole. So a window that is evicted or written while a query reads can only be newer than the question.
//! The view of a window that was read lately is used again while the window does not change
//! ([`crate::windows::view_cache`]).

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{RecvTimeoutError, SendTimeoutError, bounded};

use super::{Engine, ToWorker};
use crate::base::sync::lock;
use crate::data_dir::{pack_in_file_name, window_in_file_name};
use crate::model::{CustomerId, Seq, WindowId, WindowSize, WindowStart};
use crate::query::bodies::BodySource;
use crate::query::range::Kept;
use crate::query::{KnownCustomer, Meter, QueryError, Question, StoredSource, Visit, WindowSource};
use crate::windows::file::{self, Damaged};
use crate::windows::router::partition;
use crate::windows::shelf::{Shelf, StoredWindow};
use crate::windows::view::{Wanted, WindowView};
use crate::windows::view_cache::{ViewKey, ViewedState};
use crate::windows::window::Window;

/// A range of up to so many windows is looked up name by name; a longer one by listing the customer's directory, which
/// holds the windows of all sizes. A name that does not exist costs about 2 µs, a listed one a third of that.
const MAX_PROBED_NAMES: u32 = 10_000;
/// Names that are listed between two checks of the deadline.
const NAMES_PER_LOOK: usize = 4_096;

impl Engine {
    /// The resident windows that a question covers, by start. They hold everything that was acknowledged before it.
    fn ask(&self, question: &Question, deadline: Instant) -> Option<Vec<Arc<Window>>> {
        let (answer, answers) = bounded(self.to_workers.len());
        for worker in &self.to_workers {
            let message = ToWorker::Ask { question: question.clone(), answer: answer.clone() };
            match worker.send_deadline(message, deadline) {
                Err(SendTimeoutError::Timeout(_)) => return None,
                // A worker that is gone has stopped, and all its windows are in files.
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => {}
            }
        }
        drop(answer);
        let mut windows = Vec::new();
        loop {
            match answers.recv_deadline(deadline) {
                Ok(mut some) => windows.append(&mut some),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return None,
            }
        }
        windows.sort_unstable_by_key(|window| window.id().start);
        Some(windows)
    }

    /// Lets the owner of a damaged window count it again.
    fn rebuild_for_query(
        &self,
        customer: &CustomerId,
        window: WindowId,
        deadline: Instant,
    ) -> Result<Option<Arc<Window>>, QueryError> {
        let (answer, rebuilt) = bounded(1);
        let worker = &self.to_workers[partition(customer, window, self.to_workers.len())];
        let message = ToWorker::RebuildForQuery { customer: customer.clone(), window, answer };
        worker.send_deadline(message, deadline).map_err(|_| QueryError::Rebuilding)?;
        let answer = rebuilt.recv_deadline(deadline).map_err(|_| QueryError::Rebuilding)?;
        answer.map_err(QueryError::Unreadable)
    }

    /// The starts of the windows that may exist, ascending; `held` are in memory.
    fn starts(
        &self,
        question: &Question,
        held: &[Arc<Window>],
        shelf: &mut Shelf<'_>,
        meter: &Meter,
    ) -> Result<Box<dyn Iterator<Item = WindowStart>>, QueryError> {
        let Question { customer, size, range } = question;
        let possible = range.end.0.saturating_sub(range.start.0).div_ceil(size.minutes());
        if possible <= MAX_PROBED_NAMES {
            let starts = (range.start.0..range.end.0).step_by(size.minutes() as usize);
            return Ok(Box::new(starts.map(WindowStart)));
        }
        let mut starts: BTreeSet<WindowStart> = held.iter().map(|window| window.id().start).collect();
        let mut packs = Vec::new();
        let (mut seen, mut in_time) = (0, Ok(()));
        let dir = self.shared.dir.customer(customer);
        let listed = self.shared.disk.names(&dir, &mut |name| {
            seen += 1;
            if seen % NAMES_PER_LOOK == 0 && in_time.is_ok() {
                in_time = meter.check_time();
            }
            let window = window_in_file_name(name);
            if let Some(window) = window.filter(|id| id.size == *size && range.contains(&id.start)) {
                starts.insert(window.start);
            }
            packs.extend(pack_in_file_name(name).filter(|pack| {
                let end = pack.day.0.saturating_add(WindowSize::Day.minutes());
                pack.size == *size && pack.day < range.end && range.start.0 < end
            }));
        });
        listed.map_err(|error| QueryError::Unreadable(format!("{}: {error}", dir.display())))?;
        in_time?;
        for pack in packs {
            meter.check_time()?;
            // A damaged index is noticed when the first of its windows is read.
            let packed = shelf.starts(pack).map_err(unreadable)?.unwrap_or_else(|| vec![pack.day]);
            starts.extend(packed.into_iter().filter(|start| range.contains(start)));
        }
        Ok(Box::new(starts.into_iter()))
    }
}

fn unreadable(error: std::io::Error) -> QueryError {
    QueryError::Unreadable(error.to_string())
}

impl WindowSource for Engine {
    fn visit(
        &self,
        question: &Question,
        wanted: &Wanted,
        meter: &mut Meter,
        visit: Visit<'_>,
    ) -> Result<(), QueryError> {
        let out_of_time = |meter: &Meter| meter.check_time().err().unwrap_or(QueryError::Busy);
        // A query may see part of a customer that is deleted meanwhile.
        let has_window = {
            let deleted = self.shared.counted.deleted_through(&question.customer);
            move |applied_through: Seq| deleted == Seq::ZERO || applied_through > deleted
        };
        let mut held = self.ask(question, meter.deadline()).ok_or_else(|| out_of_time(meter))?;
        held.retain(|window| has_window(window.applied_through()));
        let mut shelf = Shelf::new(&*self.shared.disk, self.shared.dir.customer(&question.customer));
        let starts = self.starts(question, &held, &mut shelf, meter)?;
        let mut held = held.iter().peekable();
        let metrics = &self.shared.metrics.queries;
        let views = &self.shared.views;
        for start in starts {
            let id = WindowId { size: question.size, start };
            let key = ViewKey { customer: question.customer.clone(), window: id, wanted: *wanted };
            if let Some(window) = held.next_if(|window| window.id().start == start) {
                let bytes = window.resident_bytes() as u64;
                meter.charge(bytes)?;
                metrics.resident_windows.inc();
                let state = ViewedState::Memory(Arc::downgrade(window));
                let flow = match views.get(&key, &state) {
                    Some(cached) => visit(&cached.view)?,
                    None => {
                        let view = WindowView::of(window, wanted);
                        // Totals alone are as quickly read again.
                        if *wanted != Wanted::TOTALS {
                            views.insert(key, state, &view, bytes);
                        }
                        visit(&view)?
                    }
                };
                if flow.is_break() {
                    return Ok(());
                }
                continue;
            }
            // Taken before the file is read, so that the file then has this content or a newer one.
            let state = ViewedState::File(self.shared.written.of(&question.customer, id));
            if let Some(cached) = views.get(&key, &state) {
                meter.charge(cached.read_bytes)?;
                metrics.cached_windows.inc();
                if has_window(cached.view.applied_through) && visit(&cached.view)?.is_break() {
                    return Ok(());
                }
                continue;
            }
            let Some(StoredWindow { path, content }) = shelf.read(id).map_err(unreadable)? else {
                meter.check_time()?;
                continue;
            };
            let bytes = content.as_ref().map_or(0, Vec::len) as u64;
            meter.charge(bytes)?;
            metrics.file_windows.inc();
            metrics.file_bytes.inc_by(bytes);
            let view = match &content {
                Ok(file) => file::decode(file, &question.customer, id, wanted),
                Err(why) => Err(why.clone()),
            };
            if let Ok(view) = &view {
                views.insert(key, state, view, bytes);
            }
            let flow = match view {
                Ok(view) if !has_window(view.applied_through) => ControlFlow::Continue(()),
                Ok(view) => visit(&view)?,
                // Nobody knows which windows the pack held, so none can be counted again.
                Err(Damaged::PackIndex) => {
                    return Err(QueryError::Unreadable(format!(
                        "{}: {}",
                        path.display(),
                        Damaged::PackIndex
                    )));
                }
                Err(why) => {
                    log::warn!("{}: {why}; found by a query", path.display());
                    match self.rebuild_for_query(&question.customer, id, meter.deadline())? {
                        Some(window) => visit(&WindowView::of(&window, wanted))?,
                        None => ControlFlow::Continue(()),
                    }
                }
            };
            if flow.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl StoredSource for Engine {
    fn kept(&self, customer: &CustomerId) -> Result<Kept, QueryError> {
        let cutoffs = Arc::clone(&lock(&self.shared.cutoffs));
        Ok(Kept { since: WindowSize::ALL.map(|size| cutoffs.of(customer, size).unwrap_or_default()) })
    }

    fn bodies(&self) -> Result<&dyn BodySource, QueryError> {
        Ok(self)
    }

    fn customers(&self) -> Result<Vec<KnownCustomer>, QueryError> {
        Ok(self.shared.counted.list())
    }

    fn bytes_on_disk(&self, customer: &CustomerId) -> Result<Option<u64>, QueryError> {
        let dir = self.shared.dir.customer(customer);
        let files = self.shared.disk.list(&dir);
        let files = files.map_err(|error| QueryError::Unreadable(format!("{}: {error}", dir.display())))?;
        Ok(Some(files.iter().map(|file| file.bytes).sum()))
    }
}
